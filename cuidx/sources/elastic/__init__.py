"""Elasticsearch: an index as a source (`index`), and what `push` writes to it (`writing`).

Nothing is loaded here: most sources are files, which need the names in `layout` at most.
"""
