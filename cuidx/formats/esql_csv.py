"""ES|QL as CSV (`format=csv`): the columns that were asked for, times in UTC.

    @timestamp,kubernetes.pod_name,host.ip,message
    2026-11-02T09:00:00.100Z,gateway-x2k4q,"[10.10.1.11, fe80::1]","GET /checkout, then …"

Lines end in CRLF, an empty cell is null, several values stand in brackets.
"""

from __future__ import annotations

import re
from typing import Final

import polars as pl

from cuidx.formats import delimited
from cuidx.formats.base import Block, Example, Reading, Sample
from cuidx.formats.delimited import Header, cut
from cuidx.formats.documents import table
from cuidx.formats.esql_json import limit_note

__all__ = [
    "NAME",
    "PARTS",
    "SAMPLES",
    "SOURCE",
    "TITLE",
    "cut",
    "head",
    "parse",
    "several",
    "sniff",
]

NAME: Final = "esql-csv"
TITLE: Final = "Elasticsearch ES|QL, format=csv"
SOURCE: Final = "elastic/elasticsearch, x-pack esql formatter/TextFormat.java"

PARTS: Final = (
    ("commas or semicolons", r"[,;]"),
    ("a column @timestamp", r"@timestamp"),
    ("a time in UTC in it", r"\d{4}-\d\d-\d\dT[\d:]{8}(?:\.\d+)?Z"),
)

SAMPLES: Final = (
    Example(
        "@timestamp,kubernetes.pod_name,kubernetes.pod_ip,host.ip,message,trace.id\n"
        '2026-11-02T09:00:00.100Z,gateway-x2k4q,10.10.10.4,"[10.10.1.11, fe80::1]",'
        '"2026-11-02T09:00:00.090Z INFO GET ""/checkout"", then",',
        {
            "time": "2026-11-02T09:00:00.100Z",
            "time_from": "collector",
            "pod": "gateway-x2k4q",
            "ip": "10.10.10.4",
            "host_ip": "10.10.1.11, fe80::1",
            "level": "INFO",
            "message": '2026-11-02T09:00:00.090Z INFO GET "/checkout", then',
            "trace_id": None,
        },
    ),
)

_DELIMITERS: Final = ",;"
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
SEVERAL: Final = ("source_ip", "destination_ip", "host_ip", "forwarded_ip")


def sniff(sample: Sample) -> float:
    """Share of rows with a time in UTC under `@timestamp`."""
    found = delimited.header(sample, _DELIMITERS)
    if found is None or "@timestamp" not in found.names or len(found.names) < 2:
        return 0.0
    wide, good = delimited.share(sample, found)
    at = found.names.index("@timestamp")
    times = sum(_TIME.fullmatch(cells[at]) is not None for cells in good)
    return 0.95 * wide * times / max(len(good), 1)


def head(sample: Sample, reading: Reading) -> Header | None:
    """The table's header."""
    del reading
    return delimited.header(sample, _DELIMITERS)


def parse(block: Block, reading: Reading) -> pl.DataFrame:
    """One row a row of the table."""
    found = reading.head or delimited.header(Sample(tuple(block.texts()[:100])), _DELIMITERS)
    frame = delimited.parse(block, reading, found, _change)
    read = int(frame["kind"].is_in(["event", "evidence"]).sum())
    header_here = len(frame) > 0 and frame["kind"][0] == "skipped"
    if header_here and (note := limit_note(read)):
        reading.notes.add(note)
    return frame


def _change(cells: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """Several values without their brackets."""
    inside = {name: cells[name].str.extract(r"^\[(.*)\]$", 1) for name in cells.columns}
    return several(cells, inside, reading)


def several(cells: pl.DataFrame, lists: dict[str, pl.Series], reading: Reading) -> pl.DataFrame:
    """CELLS with the values in LISTS (null: not one), as far as a role can have several.

    Of other roles the first value counts; a message stays as it is.
    """
    roles = table(reading.fields)
    columns = []
    for name, texts in lists.items():
        hit = roles.role_of((name,))
        if hit is None or hit[0] == "message" or texts.null_count() == len(texts):
            continue
        value = texts if hit[0] in SEVERAL else texts.str.split(", ").list.first()
        columns.append(pl.coalesce(value, cells[name]).alias(name))
    return cells.with_columns(columns)
