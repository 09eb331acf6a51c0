"""Leases and lifetimes as other tools want to look them up.

lifetimes   JSON lines, a container each, for an Elasticsearch lookup index (ES|QL LOOKUP JOIN)
splunk      CSV for a time-based lookup: who has an address from a time on
timesketch  JSON lines with message, datetime and timestamp_desc
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import polars as pl

from cuidx import times
from cuidx.enrich.leases import Address
from cuidx.schema import EVENTS

Lookup = Literal["lifetimes", "splunk", "timesketch", "lnav"]
NOBODY: Final = "unknown"
# Docs: Splunk Enterprise, Knowledge Manager Manual, "Configure a time-based lookup".
SPLUNK: Final = pl.Schema(
    {"time": pl.String(), "ip": pl.String(), "container": pl.String(), "service": pl.String(),
     "pod": pl.String()}
)  # fmt: skip


def splunk(addresses: Sequence[Address]) -> pl.DataFrame:
    """Rows (time, ip, container, service, pod), sorted by time: from then on it holds.

    Splunk takes the latest row before an event. So where a lease ends and no other begins, a row
    says `unknown`; and where several hold an address at once, one names them all.
    """
    rows: list[tuple[int, str, str, str | None, str | None]] = []
    for address in addresses:
        edges = sorted({edge for one in address.leases for edge in (one.first, one.last + 1)})
        said: tuple[str, ...] | None = None
        for edge in edges:
            there = [one for one in address.leases if one.first <= edge <= one.last]
            names = tuple(dict.fromkeys(one.holder for one in there))
            if names == said:
                continue
            said = names
            who = (there[0].service, there[0].pod) if len(names) == 1 else (None, None)
            rows.append((edge, address.ip, " ".join(names) or NOBODY, *who))
    frame = pl.DataFrame(
        rows, schema={**SPLUNK, "time": pl.Int64()}, orient="row"
    ).sort("time", "ip", maintain_order=True)  # fmt: skip
    return frame.with_columns(times.text(pl.col("time").cast(EVENTS["time"])).alias("time"))


def timesketch(events: pl.DataFrame) -> pl.DataFrame:
    """EVENTS (CONVERTED) as Timesketch imports them; events without a time have no place there.

    Source: Timesketch, docs/guides/user/import-from-json-csv.md: message, datetime and
    timestamp_desc are needed, other columns are kept.
    """
    dated = events.filter(pl.col("time").is_not_null())
    return dated.select(
        pl.col("message").fill_null(""),
        datetime=times.text(pl.col("time")).str.replace("Z$", "+00:00"),
        timestamp=pl.col("time").cast(pl.Int64) // 1000,
        timestamp_desc=pl.lit("Event Logged"),
        **{
            name: pl.col(name).cast(pl.String)
            for name in ("level", "service", "namespace", "cluster", "pod", "node", "container",
                         "identity", "ip", "request_id", "trace_id", "source")
        },
        line="line",
        related_ip=pl.col("mentions").list.eval(pl.element().struct.field("ip")).list.unique(
            maintain_order=True
        ),
    )  # fmt: skip


def lnav() -> dict[str, Any]:
    """An lnav format for the JSON lines that `cuidx convert -o events.jsonl` writes.

    Source: lnav, docs/source/formats.rst.
    """
    kinds = {"time": "string", "message": "string", "level": "string"}
    shown = ("service", "container", "ip", "request_id")
    return {
        "$schema": "https://lnav.org/schemas/format-v1.schema.json",
        "cuidx_log": {
            "title": "cuidx",
            "description": "Events with their container, as cuidx convert writes them",
            "url": [],
            "file-type": "json",
            "json": True,
            "timestamp-field": "time",
            "body-field": "message",
            "level-field": "level",
            "hide-extra": True,
            "line-format": [
                {"field": "__timestamp__"}, " ", {"field": "service", "default-value": "-"}, " ",
                {"field": "container", "default-value": "-", "max-width": 8,
                 "overflow": "truncate"},
                " ", {"field": "ip", "default-value": "-"}, " ", {"field": "message"},
            ],
            "value": {
                **{name: {"kind": kind} for name, kind in kinds.items() if name == "message"},
                **{name: {"kind": "string", "identifier": True} for name in shown},
            },
        },
    }  # fmt: skip
