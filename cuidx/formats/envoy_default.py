r"""Envoy's default access log: what a proxy writes that was given no format of its own.

    [2026-11-02T09:00:01.240Z] "POST /charge HTTP/1.1" 200 - 3 3 11 6 "203.0.113.24" "curl/7.88.1"
     start                      request                code flags, sizes, ms  forwarded-for  agent
    "4f1c9e2a-0d7b-4c68-9a3e-5b2f1d8c7e01" "pay.shop.example" "10.10.11.2:8443"
     x-request-id                           authority          upstream host

The time is the request's start; the line is written at its end. Quotes in a header stand as they
came, so the line is read from both ends. Who called is not in it: the forwarded-for is a claim.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import polars as pl

from cuidx.formats import access
from cuidx.formats.base import Example, Sample, whole_lines

NAME: Final = "envoy-default"
TITLE: Final = "Envoy access log, default text format"
SOURCE: Final = "Envoy docs, configuration/observability/access_log/usage, default format string"

START: Final = r"\[(?<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d))\]"
# The request's line has no blank in its path, so the first place that fits is the right one.
REQUEST: Final = r'".*?" (?:\d{1,3}|-) [A-Za-z,-]+'
SIZES: Final = r"(?:\d+|-) (?:\d+|-) (?:\d+|-) (?:\d+|-)"
# forwarded-for, agent, request id, authority, upstream host
HEADERS: Final = (
    r'"(?<forwarded_ip>.*?)" ".*" "(?<request_id>[^"]*)" "[^"]*" "(?<destination_ip>[^"]*)"'
)
PATTERN: Final = rf"^{START} {REQUEST} {SIZES} {HEADERS}\s*$"
LIKELY: Final = r'^\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.0-9]*[Z+-][0-9:]*\] "'
IN_FIELDS: Final = True

_RAW: Final = (
    '[2026-11-02T09:00:09.470Z] "POST /charge/declined?card=51 HTTP/1.1" 402 - 3 3 44 0 '
    '"192.0.2.200,198.51.100.77" "Mozilla/5.0 (X11; Linux x86_64)" '
    '"a82b6d3f-1c5e-4f97-8d40-7e9c2b1a6f02" "pay.shop.example" "10.10.11.2:8443"'
)
PARTS: Final = (
    ("[time] at the start", r"^\[\d{4}-\d\d-\d\dT"),
    ("the request in quotes", r'\] "\S+ \S+'),
    ("the upstream host in quotes at the end", r'"(?:-|\S+:\d+)"\s*$'),
)
SAMPLES: Final = (
    Example(
        _RAW,
        {
            "time": "2026-11-02T09:00:09.470Z",
            "message": _RAW,
            "level": None,
            "destination_ip": "10.10.11.2:8443",
            "forwarded_ip": "192.0.2.200,198.51.100.77",
            "source_ip": None,
            "request_id": "a82b6d3f-1c5e-4f97-8d40-7e9c2b1a6f02",
        },
    ),
    Example(
        '[2026-11-02T09:00:06.100Z] "GET /charge/18 HTTP/1.1" 503 UF 0 98 0 - "198.51.100.77" '
        '"probe "x" \\ y" "d05e7c91-3b8a-4e26-b7f4-90a1c2d3e403" "pay.shop.example" "-"',
        {
            "forwarded_ip": "198.51.100.77",
            "destination_ip": None,
            "request_id": "d05e7c91-3b8a-4e26-b7f4-90a1c2d3e403",
        },
    ),
)

cut = whole_lines
parse = partial(
    access.parse, pattern=PATTERN, likely=LIKELY, why="no record of Envoy's default access log"
)


def sniff(sample: Sample) -> float:
    """The share of the sample's filled lines that are such records."""
    return access.sure(sample, PATTERN, LIKELY)


def read(text: pl.Series, want: frozenset[str]) -> pl.DataFrame:
    """See `formats.text.Text`."""
    del want
    return access.groups(text, PATTERN).with_columns(
        level=pl.lit(None, pl.String),
        trace_id=pl.lit(None, pl.String),
        fits=pl.col("time").is_not_null(),
    )
