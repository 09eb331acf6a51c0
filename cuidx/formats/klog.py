r"""klog and glog: what Kubernetes' own programs write.

    I1102 09:00:01.250883       1 controller.go:214] "Started worker" pod="shop/payment-0"
    level, month and day, time  thread file:line     message

The letter is Info, Warning, Error or Fatal. There is no year and no zone; glog since 0.6 writes the
year before the month. What does not look so (a stack trace) is text.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from cuidx.formats import access
from cuidx.formats.base import Example, Sample, whole_lines
from cuidx.formats.lines import parse

__all__ = ["IN_FIELDS", "LIKELY", "NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "parse",
           "read", "sniff"]  # fmt: skip

NAME: Final = "klog"
TITLE: Final = "klog and glog lines (Kubernetes' own programs)"
SOURCE: Final = "kubernetes/klog, klog.go (formatHeader); google/glog, LOG_YEAR_IN_PREFIX"

LIKELY: Final = r"^[IWEF][0-9]{4,8} [0-2]\d:[0-5]\d:[0-6]\d\."
IN_FIELDS: Final = False
PATTERN: Final = (
    r"^(?<level>[IWEF])(?<year>\d{4})?(?<month>0[1-9]|1[0-2])(?<day>0[1-9]|[12]\d|3[01])"
    r" (?<clock>[0-2]\d:[0-5]\d:[0-6]\d\.\d+) +\d+ [^\s\]]+:\d+\](?: (?<message>(?s:.*)))?$"
)

PARTS: Final = (
    ("a level's letter, month and day", r"^[IWEF]\d{4} "),
    ("a time to the microsecond", r"^\S+ \d\d:\d\d:\d\d\.\d+ "),
    ("file:line] before the text", r"\S+:\d+\]"),
)
SAMPLES: Final = (
    Example(
        'E1102 09:00:01.250883       1 prober.go:104] "Probe failed" peer="10.10.11.2:8080" '
        "request_id=4f1c",
        {
            "level": "ERROR",
            "message": '"Probe failed" peer="10.10.11.2:8080" request_id=4f1c',
            "request_id": "4f1c",
        },
    ),
    Example(
        "W20261102 09:00:01.250883 140215 server.cc:77] slow answer",
        {"time": "2026-11-02T09:00:01.250883Z", "level": "WARN", "message": "slow answer"},
    ),
)

cut = whole_lines


def sniff(sample: Sample) -> float:
    """0.8 of the share of lines that are such records: a stack trace's lines are not."""
    return 0.8 * access.share(sample, PATTERN)


def read(text: pl.Series, want: frozenset[str]) -> pl.DataFrame:
    """See `formats.text.Text`. `time` is `1102 09:00:01.250883`, or ISO where there is a year."""
    del want
    parts = access.groups(text, PATTERN)
    fits = parts["clock"].is_not_null()
    return parts.select(
        "level",
        time=pl.when(pl.col("year").is_null())
        .then(pl.concat_str(pl.col("month") + pl.col("day"), "clock", separator=" "))
        .otherwise(pl.format("{}-{}-{} {}", "year", "month", "day", "clock")),
        message=pl.when(fits).then(pl.col("message").str.strip_chars_end().fill_null("")),
        fits=fits,
    )
