r"""Loki's query API: one document with streams, each with its labels and its lines.

    {"status":"success","data":{"resultType":"streams","result":[
      {"stream":{"pod":"mail-q9t2w",…},"values":[["1793610002400120458","…"],["…","…",{…}]]}],
      "stats":{"summary":{"totalEntriesReturned":2,…}}}}

A time is a text of nanoseconds. A third element of a value has the line's own metadata. Lines are
in order within a stream only. A query gives `limit` lines at most, and nothing says it was cut.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import polars as pl

from cuidx.formats import lines, whole
from cuidx.formats.base import Block, Example, Reading, Sample, whole_document

__all__ = ["NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "parse", "sniff"]

NAME: Final = "loki-api"
TITLE: Final = "Loki, answer of the query API"
SOURCE: Final = "grafana/loki, docs/sources/reference/loki-http-api.md; pkg/loghttp/entry.go"

PARTS: Final = (
    ("a JSON object", r"^\s*\{"),
    ("resultType streams", r'"resultType"\s*:\s*"streams"'),
    ("the key values", r'"values"\s*:'),
)
SAMPLES: Final = (
    Example(
        '{"status":"success","data":{"resultType":"streams","result":[{"stream":{"app":"gateway",'
        '"container":"gateway","filename":"/var/log/pods/shop_gateway-x2k4q_'
        '51d2c7a4-0f3e-4a6b-9d18-2c7e5b8f9a01/gateway/0.log","namespace":"shop","pod":'
        '"gateway-x2k4q"},"values":[["1793610000100412345","2026-11-02T09:00:00.100Z INFO GET '
        '/checkout {\\"ikontainer_CUID\\":\\"7f0c\\",\\"svc\\":\\"gateway.shop.lab\\"}"]]}],'
        '"stats":{"summary":{"totalEntriesReturned":1}}}}',
        {
            "time": "2026-11-02T09:00:00.100412345Z",
            "time_from": "collector",
            "message": "2026-11-02T09:00:00.100Z INFO GET /checkout",
            "level": "INFO",
            "cuid": "7f0c",
            "container_name": "gateway",
            "pod_uid": "51d2c7a4-0f3e-4a6b-9d18-2c7e5b8f9a01",
            "pod": "gateway-x2k4q",
            "namespace": "shop",
        },
    ),
)

_STREAMS: Final = re.compile(
    r'"resultType"\s*:\s*"streams"|"result"\s*:\s*\[\s*\{\s*"(?:stream|values)"\s*:'
)
_USUAL_LIMITS: Final = frozenset({100, 1000, 5000})

cut = whole_document


def sniff(sample: Sample) -> float:
    """Sure of a document whose result are streams."""
    begins = sample.text.lstrip().startswith("{")
    return 1.0 if begins and _STREAMS.search(sample.text) else 0.0


def parse(block: Block, reading: Reading) -> pl.DataFrame:
    """One row a line of a stream."""
    text = block.data.decode("utf-8", "replace")
    where = whole.Lines(text, block.first_line)
    records: list[lines.Record] = []
    try:
        for at, stream in whole.every(text, "data", "result"):
            # Decoded once more, for the place of each line: answers are small, and often one line.
            labels = _labels(stream)
            records += (
                _record(where.at(p), labels, v) for p, v in whole.below(text, at, ("values",))
            )
    except whole.BrokenError as error:
        records += _rest(text, where, error)
    if not records and text.strip():  # an answer without lines
        records.append(lines.Record(block.first_line, None, kind="skipped"))
    _number(records)
    _notes(text, len(records), reading)
    return lines.of_records(records, reading)


def _rest(text: str, where: whole.Lines, error: whole.BrokenError) -> Iterator[lines.Record]:
    """The lines of a stream that is cut off, and what can't be read."""
    labels = _labels(whole.members_at(text, error.at, but=("values",)))
    try:
        for place, value in whole.below(text, error.at, ("values",)):
            yield _record(where.at(place), labels, value)
    except whole.BrokenError as inner:
        error = inner
    yield lines.Record(where.at(error.at), None, kind="unreadable", why=str(error),
                       raw=text[error.at :])  # fmt: skip


def _labels(stream: Any) -> dict[str, Any]:
    labels = stream.get("stream") if isinstance(stream, dict) else None
    return labels if isinstance(labels, dict) else {}


def _record(line: int, labels: dict[str, Any], value: Any) -> lines.Record:
    match value:
        case [str(stamp), str(said), *more]:
            extra = _metadata(more[0]) if more else {}
        case _:
            return lines.Record(line, None, kind="unreadable", why="no pair of a time and a line",
                                raw=json.dumps(value))  # fmt: skip
    # The names of the keys are logcli's: what they mean is known.
    document = {"labels": {**labels, **extra}, "line": said, "timestamp": stamp}
    return lines.Record(line, document, {"envelope": True, "is_line": True})


def _metadata(extra: Any) -> dict[str, Any]:
    """A line's own labels, flat, or by kind where the query asked for them so."""
    found: dict[str, Any] = {}
    for key, value in extra.items() if isinstance(extra, dict) else ():
        found |= value if isinstance(value, dict) else {key: value}
    return found


def _number(records: list[lines.Record]) -> None:
    """Give those of one line their places in it."""
    count: dict[int, int] = {}
    for record in records:
        count[record.line] = count.get(record.line, 0) + 1
    place: dict[int, int] = {}
    for record in records:
        if count[record.line] > 1:
            record.index = place.get(record.line, 0)
            place[record.line] = record.index + 1


def _notes(text: str, count: int, reading: Reading) -> None:
    status = whole.members(text, but=("data",)).get("status")
    if status not in (None, "success"):
        reading.notes.add(f"Loki says {status}: lines may be missing")
    stats = whole.members(text, "data", "stats", "summary")
    returned = stats.get("totalEntriesReturned")
    if isinstance(returned, int) and returned > count:
        reading.notes.add(f"Loki says that it gave {returned} lines, and {count} are there")
    elif count in _USUAL_LIMITS:
        reading.notes.add(f"just {count} lines, a usual limit of a query: there may be more")
