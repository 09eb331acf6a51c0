"""Where records come from: files, folders, globs, standard input; compressed or not."""
