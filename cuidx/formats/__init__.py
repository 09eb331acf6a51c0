"""What logs look like: a module for each format, `registry` has them all.

It stands beside them, not here, so that rows that need no format (Parquet) do not load fifty.
"""
