"""Address reuse: every own IP with its holders in order, and what each change was."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

import polars as pl

from cuidx.enrich.leases import Address, Clock, Lease
from cuidx.enrich.summary import Summary
from cuidx.schema import TIME

HOLDER: Final = pl.Struct(
    {
        "container": pl.String(),
        "containers": pl.List(pl.String()),
        "service": pl.String(),
        "pod": pl.String(),
        "first_seen": TIME,
        "last_seen": TIME,
        "lines": pl.Int64(),
        "change": pl.Enum(("first", "recycled", "restarted", "returned", "shared")),
    }
)
REUSE: Final = pl.Schema(
    {
        "ip": pl.String(),
        "kind": pl.Enum(("single", "reused", "shared")),
        "holders": pl.List(HOLDER),
        "ambiguous_lines": pl.Int64(),
    }
)


def reuse(
    addresses: Sequence[Address],
    summary: Summary,
    clock: Clock,
    shown: Collection[str] | None = None,
) -> pl.DataFrame:
    """One row for each own IP, sorted numerically, as REUSE.

        ip          kind    holders                                     ambiguous_lines
        10.10.11.2  reused  [{4a23… first …}, {9c1d… recycled …}]                     3

    SUMMARY counts the lines: `ambiguous_lines` are those that a filter on a reused IP would mix.
    SHOWN, if given, are the IPs to show. Without times first_seen and last_seen are null.
    """
    carried = dict(
        summary.groups.filter(pl.col("kind") == "event")
        .group_by("ip")
        .agg(pl.col("lines").sum())
        .drop_nulls()
        .iter_rows()
    )
    rows = [
        {
            "ip": address.ip,
            "kind": address.kind,
            "holders": [holder(lease, clock) for lease in address.leases],
            "ambiguous_lines": carried.get(address.ip, 0) if address.kind == "reused" else 0,
        }
        for address in addresses
        if shown is None or address.ip in shown
    ]
    return _frame(rows, REUSE)


def holder(lease: Lease, clock: Clock) -> dict[str, Any]:
    """A lease as INTERFACE writes a holder; times in nanoseconds, or None without a clock."""
    dated = clock == "time"
    return {
        "container": lease.holder,
        "containers": list(lease.containers),
        "service": lease.service,
        "pod": lease.pod,
        "first_seen": lease.first if dated else None,
        "last_seen": lease.last if dated else None,
        "lines": lease.lines,
        "change": lease.change,
    }


def _frame(rows: list[dict[str, Any]], schema: pl.Schema) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=schema, orient="row", strict=False)
