"""ES|QL as JSON: the names of the columns, then rows of values; SQL's answer is alike.

    {"took": 9, "is_partial": false, "columns": [{"name": "@timestamp", "type": "date"}, …],
     "values": [["2026-11-02T09:00:00.100Z", "gateway-x2k4q", …], …]}

With `columnar` the values are a list for each column. SQL calls them `rows`, and has a `cursor`
where there are more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import polars as pl

from cuidx.formats import responses
from cuidx.formats.base import Block, Example, Reading, Sample
from cuidx.formats.base import whole_document as cut
from cuidx.formats.documents import is_wrapped
from cuidx.formats.lines import Record
from cuidx.formats.responses import Answer

__all__ = ["NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "limit_note", "parse", "sniff"]

NAME: Final = "esql-json"
TITLE: Final = "Elasticsearch ES|QL or SQL response"
SOURCE: Final = "Elasticsearch API reference, ES|QL query API and SQL search API"

PARTS: Final = (
    ("a JSON object", r"^\s*\{"),
    ("a list at columns", r'"columns"\s*:\s*\['),
    ("a list at values or rows", r'"(?:values|rows)"\s*:\s*\['),
)

SAMPLES: Final = (
    Example(
        '{"took":9,"is_partial":false,"columns":[{"name":"@timestamp","type":"date"},{"name":'
        '"kubernetes.pod_ip","type":"ip"},{"name":"message","type":"text"}],"values":['
        '["2026-11-02T09:00:10.900Z","10.10.12.7","2026-11-02T09:00:10.890Z WARN smtp retry"]]}',
        {
            "time": "2026-11-02T09:00:10.900Z",
            "time_from": "collector",
            "ip": "10.10.12.7",
            "level": "WARN",
            "message": "2026-11-02T09:00:10.890Z WARN smtp retry",
        },
    ),
)

_BEGINS: Final = re.compile(
    r'\s*\{\s*"(?:took|is_partial|is_running|completion_time_in_millis|documents_found'
    r'|values_loaded|start_time_in_millis|expiration_time_in_millis|all_columns|columns|cursor|id)"'
)
_COLUMNS: Final = re.compile(r'"columns"\s*:\s*\[\s*\{\s*"name"\s*:')
_VALUES: Final = re.compile(r'"(?:values|rows)"\s*:\s*\[')
_LIMITS: Final = {1000: "the default limit of ES|QL", 10_000: "the most that ES|QL gives"}
_DATES: Final = ("date", "datetime", "date_nanos")


def limit_note(rows: int) -> str | None:
    """What to say of a result of just as many ROWS as a limit lets through."""
    limit = _LIMITS.get(rows)
    return f"{rows} rows, just {limit}: there may be more" if limit else None


def sniff(sample: Sample) -> float:
    """1 where the file begins as such a response with columns and values."""
    text = sample.text
    return float(bool(_BEGINS.match(text) and _COLUMNS.search(text) and _VALUES.search(text)))


def parse(block: Block, reading: Reading) -> pl.DataFrame:
    """One row a row of the result; one of another width is unreadable."""

    def build(line: int, row: Any, answer: Answer) -> Record:
        names = _names(answer)
        if not isinstance(row, list) or len(row) != len(names):
            have = f"{len(row)} values" if isinstance(row, list) else "no list of values"
            return Record(line, None, kind="unreadable", raw=str(row),
                          why=f"{have}, but there are {len(names)} columns")  # fmt: skip
        document = {
            name: value for name, value in zip(names, row, strict=True) if value is not None
        }
        wrapped = is_wrapped({name.partition(".")[0] for name in names})
        return Record(line, document, {"envelope": wrapped, "is_line": True})

    def notes(answers: Sequence[Answer]) -> Iterator[str]:
        for answer in answers:
            yield from _notes(answer)

    return responses.parse(
        block, reading, [("values",), ("rows",)], build, notes, what="list of values in it",
        reshape=_by_row,
    )  # fmt: skip


def _names(answer: Answer) -> list[str]:
    columns = answer.at("columns")
    return [
        str(one.get("name")) if isinstance(one, dict) else str(one)
        for one in (columns if isinstance(columns, list) else ())
    ]


def _by_row(answer: Answer) -> None:
    """Turn a columnar answer around: its lists are columns, and all rows begin in the first."""
    columns = [values for _, values in answer.records]
    if not _is_columnar(answer, columns):
        return
    line = answer.records[0][0]
    answer.records = [(line, list(row)) for row in zip(*columns, strict=True)]


def _is_columnar(answer: Answer, columns: list[Any]) -> bool:
    """As many lists as columns, all of one length. A square of values is told by its dates."""
    names = _names(answer)
    if len(columns) != len(names) or not all(isinstance(one, list) for one in columns):
        return False
    lengths = {len(one) for one in columns}
    if len(lengths) != 1:
        return False
    if lengths != {len(names)}:
        return True
    described = answer.at("columns")
    for at, column in enumerate(described if isinstance(described, list) else ()):
        if isinstance(column, dict) and column.get("type") in _DATES:
            return not _dates([row[at] for row in columns]) and _dates(columns[at])
    return False


def _dates(values: Sequence[Any]) -> bool:
    return all(value is None or re.match(r"\d{4}-\d\d-\d\dT", str(value)) for value in values)


def _notes(answer: Answer) -> Iterator[str]:
    if answer.members.get("is_partial") is True:
        yield "the result is partial (is_partial): rows are missing"
    if answer.members.get("is_running") is True:
        yield "the query was still running: rows are missing"
    if answer.members.get("cursor"):
        yield "this is one page of the rows: its cursor says that there are more"
    elif "cursor" not in answer.members and (note := limit_note(len(answer.records))):
        yield note
