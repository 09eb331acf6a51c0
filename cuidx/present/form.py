"""The forms that a result can be written in: the values of `--format`."""

from __future__ import annotations

from enum import StrEnum


class Form(StrEnum):
    """A value of `--format`."""

    table = "table"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"
    markdown = "markdown"
    html = "html"
    parquet = "parquet"
