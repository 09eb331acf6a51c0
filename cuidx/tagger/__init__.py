"""The sidecar: gives every line of its Pod's logs a CUID. Standard library alone."""
