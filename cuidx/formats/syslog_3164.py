r"""Syslog as it stands in /var/log/syslog and messages, and on the wire with a priority.

    <13>Nov  2 09:00:01 node-1 kubelet[812]: E1102 09:00:01.250883 812 kubelet.go:2] node not ready
    priority, time      host   program, pid  message

The time has no year and no zone: one that the message begins with and that has both is better. A
line with such a time and no program is a message alone. The priority is 8 times the facility plus
the severity; without one the message may say a level. The message may be a line of another shape:
then what that says holds, too.
"""

from __future__ import annotations

import re
from typing import Final

import polars as pl

from cuidx.formats import access
from cuidx.formats import text as text_layer
from cuidx.formats.base import Example, Sample, whole_lines
from cuidx.formats.lines import parse

__all__ = ["IN_FIELDS", "LIKELY", "NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "parse",
           "read", "sniff"]  # fmt: skip

NAME: Final = "syslog-3164"
TITLE: Final = "syslog lines (BSD, RFC 3164)"
SOURCE: Final = "RFC 3164, section 4.1; rsyslog, RSYSLOG_TraditionalFileFormat"

_MONTH: Final = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
LIKELY: Final = rf"^(?:<\d{{1,3}}>)?{_MONTH} [ 0-3]?\d (?:\d{{4}} )?[0-2]\d:"
IN_FIELDS: Final = False
_HEAD: Final = (
    rf"^(?:<(?<priority>\d{{1,3}})>)?(?<time>{_MONTH} (?: \d|[0-3]\d|\d) (?:\d{{4}} )?"
    r"[0-2]\d:[0-5]\d:[0-6]\d(?:\.\d+)?):? "
)
_TAG: Final = r"^(?<node>\S+) (?<service>[^\s:\[]+)(?:\[[^\]\s]*\])?:(?: (?<message>(?s:.*)))?$"
_WHOLE: Final = re.sub(r"\?<\w+>", "?:", f"{_HEAD}{_TAG[1:]}")
# `Nov  2 09:00:01 INFO main: started` has a time, but is no syslog.
_ZONE: Final = r"(?:Z|[+-]\d\d:?\d\d)"
_ZONED: Final = rf"^\[?(\d{{4}}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)? ?{_ZONE})"
_LEVELS: Final = (
    "(?i)^[^a-z]*(?:trace|debug|info|notice|warn|warning|err|error|crit|critical|fatal)\\b"
)
SEVERITIES: Final = ("EMERG", "ALERT", "CRIT", "ERR", "WARNING", "NOTICE", "INFO", "DEBUG")

PARTS: Final = (
    ("month, day and time at the start", r"^(?:<\d{1,3}>)?[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d "),
    ("a host and a program after it", r"\d\d:\d\d:\d\d \S+ \S+"),
)
SAMPLES: Final = (
    Example(
        "Nov  2 09:00:01 node-1 kubelet[812]: E1102 09:00:01.250883     812 prober.go:104] "
        "no answer from 10.10.11.2",
        {
            "level": "ERROR",
            "node": "node-1",
            "service": "kubelet",
            "message": "E1102 09:00:01.250883     812 prober.go:104] no answer from 10.10.11.2",
        },
    ),
    Example(
        "<13>Nov 12 09:00:01 10.10.1.11 app: started request_id=4f1c",
        {
            "level": "NOTICE",
            "node": "10.10.1.11",
            "host_ip": "10.10.1.11",
            "service": "app",
            "message": "started request_id=4f1c",
            "request_id": "4f1c",
        },
    ),
)

cut = whole_lines


def sniff(sample: Sample) -> float:
    """0.7 of the share of lines that are such records: what they carry may be sure of itself."""
    return 0.7 * access.share(sample, _WHOLE)


def read(text: pl.Series, want: frozenset[str]) -> pl.DataFrame:
    """See `formats.text.Text`. `time` is as it stands: `Nov  2 09:00:01`."""
    head = access.groups(text, _HEAD + "(?<message>(?s:.*))$")
    rest = head["message"]
    tag = access.groups(rest, _TAG)
    tagged = tag["service"].is_not_null() & ~tag["node"].str.contains(_LEVELS)
    parts = head.with_columns(
        *(pl.when(tagged).then(tag[role]).alias(role) for role in ("node", "service")),
        message=pl.when(tagged).then(tag["message"].fill_null("")).otherwise(rest),
        fits=head["time"].is_not_null(),
    )
    return within(parts, want, finer=True)


def within(parts: pl.DataFrame, want: frozenset[str], *, finer: bool) -> pl.DataFrame:
    """The roles of syslog PARTS (priority, node, message, …), and of the line in their message.

    FINER says that a time with a zone, with which the message begins, is better than syslog's own.
    """
    message = parts["message"].fill_null("")
    inner = text_layer.read(message, (want | {"level"}) - {"time", "message"})
    told = message.str.extract(_ZONED, 1)
    if (known := text_layer.known(message, frozenset({"time"}))) is not None:
        told = pl.select(pl.when(known["fits"]).then(known["time"]).otherwise(told)).to_series()
        told = told.set(~told.str.contains(rf"{_ZONE}$"), None)
    severity = pl.col("priority").cast(pl.Int64, strict=False) % len(SEVERITIES)
    parts = parts.with_columns(
        time=pl.when("fits").then(pl.coalesce(told, "time")) if finer else "time",
        level=severity.replace_strict(dict(enumerate(SEVERITIES)), default=None,
                                      return_dtype=pl.String),
        host_ip=pl.col("node").str.extract(r"^([0-9.]{7,15}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+)$"),
        message=pl.when("fits").then(message.str.strip_chars_end()),
    ).drop("priority")  # fmt: skip
    return parts.with_columns(
        (pl.coalesce(parts[role], inner[role]) if role in parts.columns else inner[role])
        .alias(role)
        for role in inner.columns if role not in ("time", "message", "record_kind", "fits")
    )  # fmt: skip
