"""The command line: a thin layer on `Case`. One module a command."""
