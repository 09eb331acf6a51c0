"""Elasticsearch's _bulk requests: an action on one line, its document on the next.

    {"index":{"_index":"shop-2026.11.02","_id":"27e5c6dc"}}
    {"log":"…","kubernetes":{…},"@timestamp":"2026-11-02T09:00:00.100412345+00:00"}
    {"delete":{"_index":"shop-2026.11.02","_id":"27e5c6dc"}}             has no document: skipped

Action and document are one record, which begins at the action. `update` has its document under
`doc` (or `upsert`); one that only runs a script is skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import polars as pl

from cuidx.formats import lines
from cuidx.formats.base import Block, Example, Reading, Sample
from cuidx.formats.documents import NotJSONError, loads
from cuidx.formats.lines import Record

__all__ = ["NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "parse", "sniff"]

NAME: Final = "es-bulk"
TITLE: Final = "Elasticsearch _bulk request"
SOURCE: Final = "Elasticsearch API reference, bulk"

PARTS: Final = (
    ("a JSON object", r"^\s*\{"),
    (
        "index, create, update or delete as its only key",
        r'^\s*\{\s*"(?:index|create|update|delete)"\s*:\s*\{[^{}]*\}\s*\}',
    ),
)

SAMPLES: Final = (
    Example(
        '{"index":{"_index":"shop-2026.11.02","_id":"27e5c6dc"}}\n{"log":"started\\n","kubernetes":'
        '{"pod_name":"mail-q9t2w","namespace_name":"shop","pod_ip":"10.10.12.7"},'
        '"@timestamp":"2026-11-02T09:00:02.400120458+00:00"}',
        {
            "doc_index": "shop-2026.11.02",
            "doc_id": "27e5c6dc",
            "time": "2026-11-02T09:00:02.400120458Z",
            "message": "started",
            "pod": "mail-q9t2w",
            "ip": "10.10.12.7",
        },
    ),
)

# What an action may say. A document that has one of the four keys alone is told from an action by
# what is below it.
_ACTIONS: Final = ("index", "create", "update", "delete")
_SAYS: Final = {
    "_index", "_id", "_type", "routing", "_routing", "version", "_version", "version_type",
    "_version_type", "pipeline", "op_type", "require_alias", "require_data_stream", "if_seq_no",
    "if_primary_term", "dynamic_templates", "retry_on_conflict", "_retry_on_conflict", "parent",
    "_parent", "list_executed_pipelines", "_source",
}  # fmt: skip
_OPENS: Final = re.compile(r'\s*\{\s*"(?:index|create|update|delete)"\s*:\s*\{')
_Action = tuple[str, dict[str, Any]]


def sniff(sample: Sample) -> float:
    """Share of lines that are actions or follow one, if the first line is an action."""
    filled = sample.filled
    if not filled or _action(filled[0]) is None:
        return 0.0
    good, expected = 0, False
    for line in filled:
        action = _action(line)
        if action is not None:
            good, expected = good + 1, action[0] != "delete"
        else:
            good, expected = good + expected, False
    return sample.share(good)


def cut(data: bytes) -> int:
    """After the last line, or before it if it is an action whose document is still to come."""
    end = data.rfind(b"\n") + 1
    while end:
        begin = data.rfind(b"\n", 0, end - 1) + 1
        line = data[begin:end].decode("utf-8", "replace")
        if line.strip():
            action = _action(line)
            return begin if action is not None and action[0] != "delete" else end
        end = begin
    return 0


def parse(block: Block, reading: Reading) -> pl.DataFrame:
    """One row an action with its document; a line without its other half is unreadable."""
    records = sorted(_records(block), key=lambda record: record.line)  # blank ones come early
    return lines.of_records(records, reading)


def _records(block: Block) -> Iterator[Record]:
    opened: tuple[int, str, _Action] | None = None  # the action that waits for its document
    for at, line in enumerate(block.texts(), block.first_line):
        if not line.strip():
            yield Record(at, None, kind="blank")
            continue
        action = _action(line)
        if action is not None:
            if opened is not None:
                yield _alone(opened)
            opened = (at, line, action)
            if action[0] == "delete":
                yield Record(at, None, kind="skipped")
                opened = None
        elif opened is not None:
            yield _pair(opened, line)
            opened = None
        else:
            yield Record(at, None, kind="unreadable", why="no action before it", raw=line)
    if opened is not None:
        yield _alone(opened)


def _alone(opened: tuple[int, str, _Action]) -> Record:
    at, line, _ = opened
    return Record(at, None, kind="unreadable", why="an action without its document", raw=line)


def _pair(opened: tuple[int, str, _Action], line: str) -> Record:
    at, above, (name, says) = opened
    try:
        document = loads(line)
    except NotJSONError as error:
        said = f"its document, in line {at + 1}, is no valid JSON: {error}"
        return Record(at, None, kind="unreadable", why=said, raw=f"{above}\n{line}")
    if not isinstance(document, dict):
        said = "its document is no JSON object"
        return Record(at, None, kind="unreadable", why=said, raw=f"{above}\n{line}")
    if name == "update":
        document = document.get("doc", document.get("upsert"))
        if not isinstance(document, dict):
            return Record(at, None, kind="skipped")
    return Record(at, document, {"doc_index": says.get("_index"), "doc_id": says.get("_id")})


def _action(line: str) -> _Action | None:
    """(its name, what it says) if LINE is an action, else None."""
    if not _OPENS.match(line):
        return None
    try:
        value = loads(line)
    except NotJSONError:
        return None
    if not isinstance(value, dict) or len(value) != 1:
        return None
    ((name, says),) = value.items()
    if name not in _ACTIONS or not isinstance(says, dict) or not says.keys() <= _SAYS:
        return None
    return name, says
