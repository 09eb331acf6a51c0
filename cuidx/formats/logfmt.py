r"""logfmt: pairs of key and value, as logrus, go-kit and slog write them.

    time="2026-11-02T09:00:01Z" level=info msg="charge accepted" request_id=4f1c peer=10.10.10.4

Keys mean what they mean in JSON lines (docs/fields.md). The message is the whole line, so that an
address in any other value is still a mention. A line with anything else in it is text.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from cuidx.formats.base import Example, Sample, whole_lines
from cuidx.formats.documents import table
from cuidx.formats.lines import parse
from cuidx.schema import ROLES

__all__ = ["IN_FIELDS", "LIKELY", "NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "parse",
           "read", "sniff"]  # fmt: skip

NAME: Final = "logfmt"
TITLE: Final = "logfmt lines (key=value)"
SOURCE: Final = "kr/logfmt; sirupsen/logrus, TextFormatter; go-kit/log"

_KEY: Final = r"[A-Za-z_@][\w.@/-]*"
_VALUE: Final = r'(?:"(?:[^"\\]|\\.)*"|[^\s"]*)'
LIKELY: Final = rf"^{_KEY}=[^\s=]"
IN_FIELDS: Final = False
_PAIRS: Final = rf"^{_KEY}={_VALUE}(?: +{_KEY}(?:={_VALUE})?)+\s*$"
# One of these makes it a log line, and no list of settings.
_LOGS: Final = r"(?:^| )(?:ts|time|timestamp|t|level|lvl|severity|msg|message)="
_PAIR: Final = rf"{_KEY}={_VALUE}"

PARTS: Final = (
    ("key=value pairs", r"(?:^|\s)[\w.]+=\S"),
    ("time=, ts= or level=", r"\b(?:time|ts|level|lvl)="),
)
SAMPLES: Final = (
    Example(
        'time="2026-11-02T10:00:01.5+01:00" level=warning msg="charge \\"17\\" refused" '
        "request_id=4f1c client_ip=10.10.10.4:4711 pod_ip=10.10.11.2",
        {
            "time": "2026-11-02T09:00:01.500Z",
            "level": "WARN",
            "request_id": "4f1c",
            "source_ip": "10.10.10.4:4711",
            "ip": "10.10.11.2",
            "message": 'time="2026-11-02T10:00:01.5+01:00" level=warning msg="charge \\"17\\" '
            'refused" request_id=4f1c client_ip=10.10.10.4:4711 pod_ip=10.10.11.2',
        },
    ),
    Example(
        "ts=1793610001.25 caller=main.go:17 level=error err=refused traceID=9a3e x_forwarded_for="
        '"192.0.2.200, 198.51.100.77"',
        {
            "time": "2026-11-02T09:00:01.250Z",
            "level": "ERROR",
            "trace_id": "9a3e",
            "forwarded_ip": "192.0.2.200, 198.51.100.77",
        },
    ),
)

cut = whole_lines


def sniff(sample: Sample) -> float:
    """0.6 of the share of lines that are such records: many formats are written as pairs."""
    lines = pl.Series(sample.filled, dtype=pl.String)
    return 0.6 * sample.share(int(_fits(lines).sum()))


def _fits(text: pl.Series) -> pl.Series:
    return text.str.contains(_LOGS) & text.str.contains(_PAIRS)


def read(text: pl.Series, want: frozenset[str]) -> pl.DataFrame:
    """See `formats.text.Text`."""
    fits = _fits(text)
    pairs = (
        pl.DataFrame({"at": pl.int_range(len(text), eager=True),
                      "pair": text.str.extract_all(_PAIR)})
        .filter(fits).explode("pair", empty_as_null=False)
    )  # fmt: skip
    pairs = pairs.select("at", pl.col("pair").str.splitn("=", 2).struct.unnest()).rename(
        {"field_0": "key", "field_1": "value"}
    )
    roles = _roles(pairs["key"].unique().sort().to_list())
    pairs = pairs.join(roles, on="key").with_columns(value=_value(pl.col("value")))
    best = (
        pairs.filter(pl.col("value").is_not_null())
        .sort("at", "role", "rank", maintain_order=True)
        .unique(["at", "role"], keep="first", maintain_order=True)
    )
    found = pl.DataFrame({"fits": fits})
    nothing = pl.Series([None], dtype=pl.String).new_from_index(0, len(text))
    for (role,), part in best.group_by("role", maintain_order=True):
        if role in want:
            found = found.with_columns(nothing.clone().scatter(part["at"], part["value"])
                                       .alias(str(role)))  # fmt: skip
    # What no key says is not there, ids apart: they may stand in the message.
    return found.with_columns(
        nothing.alias(role) for role in ("time", "level") if role not in found.columns
    )


def _roles(keys: list[str]) -> pl.DataFrame:
    """key, role and rank of those KEYS that hold one, as in JSON lines."""
    known = table()
    rows = []
    for key in keys:
        role, rank = known.role_of((key,)) or (("time", 99) if key == "t" else (None, 0))
        if role in ROLES and role != "message":
            rows.append((key, role, rank))
    return pl.DataFrame(rows, {"key": pl.String, "role": pl.String, "rank": pl.Int64},
                        orient="row")  # fmt: skip


def _value(quoted: pl.Expr) -> pl.Expr:
    bare = quoted.str.extract(r'^"(.*)"$', 1).str.replace_all(r'\\(["\\])', "$1")
    value = pl.coalesce(bare, quoted)
    return pl.when(~value.is_in(["", "-"])).then(value)
