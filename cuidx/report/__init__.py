"""The report: one page for a colleague, an incident review, or a ticket."""
