"""CloudWatch Logs exported to S3: the time of the event, a blank, the line.

    2026-11-02T09:00:00.100Z 2026-11-02T09:00:00.100Z INFO GET /checkout client=203.0.113.24
    time of the event, ms    the line, here with a time of its own

Lines of one event beyond its first have no time. The order in a file is not certain. The name of
the log stream is the folder that the file is in.
"""

from __future__ import annotations

import re
from typing import Final

import polars as pl

from cuidx.formats import lines
from cuidx.formats.base import Block, Example, Reading, Sample, whole_lines
from cuidx.times import LEADING

__all__ = ["NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "parse", "sniff"]

NAME: Final = "cloudwatch-export"
TITLE: Final = "CloudWatch Logs, exported to S3"
SOURCE: Final = "Amazon CloudWatch Logs user guide, exporting log data to Amazon S3"

PARTS: Final = (
    ("a time in UTC with milliseconds at the start", r"^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z "),
    ("JSON, or a time of the line's own, behind it", r"^\S+ (?:\{|\[?\d{4}[-/]\d\d)"),
)

_TIME: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z"
PATTERN: Final = rf"^(?<time>{_TIME}) (?s:(?<text>.*))$"
_TIMED: Final = re.compile(f"{_TIME} ")
_ENVELOPE: Final = re.compile(rf"{_TIME} (?:\{{|\[?{LEADING})")

SAMPLES: Final = (
    Example(
        "2026-11-02T09:00:10.900Z 2026-11-02T09:00:10.900Z WARN smtp retry relay=192.0.2.25",
        {
            "time": "2026-11-02T09:00:10.900Z",
            "time_from": "collector",
            "level": "WARN",
            "message": "2026-11-02T09:00:10.900Z WARN smtp retry relay=192.0.2.25",
        },
    ),
    Example(
        '2026-11-02T09:00:07.305Z {"ts":"2026-11-02T09:00:07.300Z","level":"info","msg":'
        '"listening","ikontainer_CUID":"c4e8","svc":"payment.shop.lab"}',
        {
            "time": "2026-11-02T09:00:07.305Z",
            "time_from": "collector",
            "message": "listening",
            "cuid": "c4e8",
            "service": "payment",
        },
    ),
)

cut = whole_lines


def sniff(sample: Sample) -> float:
    """Share of lines with a time of that shape, if half of those have JSON or a second time.

    With one time only it is a program's own line: then it is text.
    """
    timed = sample.share_of(_TIMED)
    return 0.8 * timed if sample.share_of(_ENVELOPE) >= max(0.5 * timed, 0.01) else 0.0


def parse(block: Block, reading: Reading) -> pl.DataFrame:
    """One row a line; one with no time goes on with the event before it, and is read as it is."""
    return lines.enveloped(block, reading, PATTERN, loose=r"\S", why="")
