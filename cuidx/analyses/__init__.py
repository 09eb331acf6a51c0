"""The questions: each takes summaries or frames and gives a small table."""
