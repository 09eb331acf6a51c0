"""CloudWatch Logs Insights: what `aws logs get-query-results` prints.

    {"results": [[{"field": "@timestamp", "value": "2026-11-02 09:00:10.900"},
                  {"field": "@message", "value": "…"}, …], …], "status": "Complete"}

A row is a list of fields, those that it has not left out; newest first. `@timestamp` has no zone
and is UTC by definition.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import polars as pl

from cuidx.formats import cloudwatch, responses
from cuidx.formats.base import Block, Example, Reading, Sample
from cuidx.formats.base import whole_document as cut
from cuidx.formats.documents import ORDER, table
from cuidx.formats.lines import Record
from cuidx.formats.responses import Answer

__all__ = ["NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "parse", "sniff"]

NAME: Final = "cloudwatch-insights"
TITLE: Final = "CloudWatch Logs Insights: aws logs get-query-results"
SOURCE: Final = "Amazon CloudWatch Logs API reference, GetQueryResults; Logs Insights query syntax"

PARTS: Final = (
    ("a JSON object", r"^\s*\{"),
    ("a list of lists at results", r'"results"\s*:\s*\['),
    ("field and value in it", r'"field"\s*:'),
)

SAMPLES: Final = (
    Example(
        '{"results":[[{"field":"@timestamp","value":"2026-11-02 09:00:10.900"},{"field":'
        '"@logStream","value":"node-1-application.var.log.containers.mail-q9t2w_shop_mail-'
        + "3efe504917c152f66e79aac572ba177118b79c8f3ef97b678097a503ccd66957"
        + '.log"},{"field":"@message","value":"2026-11-02T09:00:10.900Z WARN smtp retry"},'
        '{"field":"@ptr","value":"5ec1"}]],"statistics":{"recordsMatched":1.0},"status":"Complete"}',
        {
            "time": "2026-11-02T09:00:10.900Z",
            "time_from": "collector",
            "level": "WARN",
            "message": "2026-11-02T09:00:10.900Z WARN smtp retry",
            "pod": "mail-q9t2w",
            "namespace": "shop",
        },
    ),
)

_BEGINS: Final = re.compile(r'\s*\{\s*"(?:queryLanguage|results|statistics|status|encryptionKey)"')
_ROWS: Final = re.compile(r'"results"\s*:\s*\[\s*(?:\]|\[\s*\{\s*"(?:field|value)"\s*:)')
_ZONELESS: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?")
_MESSAGE: Final = ORDER.index("message")
_LIMITS: Final = (1000, 10_000)  # of a query that names none, by the service's version


def sniff(sample: Sample) -> float:
    """1 where the file begins as such an answer with its rows."""
    text = sample.text
    return float(bool(_BEGINS.match(text) and _ROWS.search(text)))


def parse(block: Block, reading: Reading) -> pl.DataFrame:
    """One row a row of the results; one of figures (`stats`) is no event and skipped."""

    def build(line: int, row: Any, answer: Answer) -> Record:
        del answer
        cells = row if isinstance(row, list) else [row]
        if not all(isinstance(cell, dict) and "field" in cell for cell in cells):
            return Record(line, None, kind="unreadable", why="no list of fields and values",
                          raw=str(row))  # fmt: skip
        fields = {str(cell["field"]): cell.get("value") for cell in cells}
        found = cloudwatch.stream(fields.pop("@logStream", None))
        time = fields.pop("@timestamp", None)
        if isinstance(time, str):
            found["time"] = f"{time}Z" if _ZONELESS.fullmatch(time) else time
        if "@message" in fields:
            return cloudwatch.record(line, fields.pop("@message"), found, fields, reading)
        if table(reading.fields).row(fields)[_MESSAGE] is None:
            return Record(line, None, kind="skipped")
        return Record(line, fields, {**found, "envelope": "time" in found, "is_line": True})

    def notes(answers: Sequence[Answer]) -> Iterator[str]:
        for answer in answers:
            yield from _notes(answer)

    return responses.parse(
        block, reading, [("results",)], build, notes, what="list of results in it"
    )


def _notes(answer: Answer) -> Iterator[str]:
    status, rows = answer.at("status"), len(answer.records)
    if isinstance(status, str) and status not in ("Complete", "Unknown"):
        yield f"the query's status is {status}: rows are missing"
    events = any(
        isinstance(cell, dict) and cell.get("field") == "@message"
        for _, row in answer.records[:1] if isinstance(row, list) for cell in row
    )  # fmt: skip
    matched = answer.at("statistics", "recordsMatched")
    if not events:
        return
    if isinstance(matched, (int, float)) and matched > rows:
        yield f"{rows} of {int(matched)} records that matched: the query's limit left out the rest"
    elif rows in _LIMITS and not isinstance(matched, (int, float)):
        yield f"{rows} rows, just the limit of a query that names none: there may be more"
