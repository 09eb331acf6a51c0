"""The sidecar: gives every line of a directory tree its CUID. Standard library alone."""
