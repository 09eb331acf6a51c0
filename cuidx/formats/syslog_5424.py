r"""Syslog with structured data, as RFC 5424 has it.

    <165>1 2026-11-02T09:00:01.003Z node-1 evntslog 812 ID47 [origin ip="10.10.1.11"] message
    priority, version, time         host   program  pid id   structured data

Fields that are `-` are not there. `origin`'s `ip` is an address of the host; request and trace
ids are looked for in the structured data, too.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from cuidx.formats import access
from cuidx.formats import text as text_layer
from cuidx.formats.base import Example, Sample, whole_lines
from cuidx.formats.lines import parse
from cuidx.formats.syslog_3164 import within

__all__ = ["IN_FIELDS", "LIKELY", "NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "parse",
           "read", "sniff"]  # fmt: skip

NAME: Final = "syslog-5424"
TITLE: Final = "syslog lines with structured data (RFC 5424)"
SOURCE: Final = "RFC 5424, section 6"

LIKELY: Final = r"^<\d{1,3}>[1-9]\d? (?:\d{4}-|- )"
IN_FIELDS: Final = False
PATTERN: Final = (
    r"^<(?<priority>\d{1,3})>[1-9]\d? (?<time>\d{4}-\d\d-\d\dT\S+|-) (?<node>\S+) (?<service>\S+)"
    r" \S+ \S+"
    r' (?<data>-|(?:\[(?:[^\]"]|"(?:[^"\\]|\\.)*")*\])+)(?: \x{FEFF}?(?<message>(?s:.*)))?\r?$'
)

PARTS: Final = (
    ("<priority>1 at the start", r"^<\d{1,3}>1 "),
    ("a time with a zone", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*(?:Z|[+-]\d\d:\d\d) "),
)
SAMPLES: Final = (
    Example(
        "<165>1 2026-11-02T10:00:01.003+01:00 node-1 payment 812 ID47 "
        '[origin ip="10.10.1.11"][x@1 request_id="4f1c"] refused 10.10.10.4',
        {
            "time": "2026-11-02T09:00:01.003Z",
            "level": "NOTICE",
            "node": "node-1",
            "service": "payment",
            "host_ip": "10.10.1.11",
            "request_id": "4f1c",
            "message": "refused 10.10.10.4",
        },
    ),
    Example("<11>1 - - - - - -", {"time": None, "level": "ERROR", "node": None, "message": ""}),
)

cut = whole_lines


def sniff(sample: Sample) -> float:
    """0.9 of the share of lines that are such records."""
    return 0.9 * access.share(sample, PATTERN)


def read(text: pl.Series, want: frozenset[str]) -> pl.DataFrame:
    """See `formats.text.Text`."""
    parts = access.groups(text, PATTERN).with_columns(fits=pl.col("priority").is_not_null())
    data = parts["data"].fill_null("")
    # Where there is no message, the structured data is what it says.
    parts = parts.with_columns(
        message=pl.when(pl.col("message").fill_null("") == "").then("data").otherwise("message")
    )
    found = within(parts.drop("data"), want, finer=False)
    ids = text_layer.read(data.str.replace_all('"', " ", literal=True),
                          want & {"request_id", "trace_id"})  # fmt: skip
    origin = data.str.extract(r'\[origin(?: [^\]]*)? ip="([^"]*)"')
    return found.with_columns(
        pl.coalesce(origin, "host_ip").alias("host_ip"),
        *(pl.coalesce(ids[role], found[role]).alias(role) for role in ids.columns
          if role in found.columns),
    )  # fmt: skip
