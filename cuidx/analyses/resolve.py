"""Who had an address at a time: exactly one holder, several, or nobody that is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import polars as pl

from cuidx.analyses.reuse import HOLDER, holder
from cuidx.enrich.holding import held, named
from cuidx.enrich.leases import Address, Clock, Lease
from cuidx.schema import TIME

_NEAREST: Final = pl.Struct({"container": pl.String(), "at": TIME})
ANSWERS: Final = pl.Schema(
    {
        "ip": pl.String(),
        "at": TIME,
        "verdict": pl.Enum(("resolved", "ambiguous", "unknown")),
        "container": pl.String(),
        "containers": pl.List(pl.String()),
        "pod": pl.String(),
        "service": pl.String(),
        "by": pl.String(),
        "slack": pl.Boolean(),
        "candidates": pl.List(HOLDER),
        "nearest_before": _NEAREST,
        "nearest_after": _NEAREST,
    }
)


def resolve(
    addresses: Sequence[Address], ip: str, at: int | None, clock: Clock = "time"
) -> pl.DataFrame:
    """Who held IP at AT (ns): one row; without AT a row for each lease in order, as ANSWERS.

        ip          at         verdict   container  by    slack  nearest_before  nearest_after
        10.10.11.2  09:00:07Z  resolved  4a23…      time  false  null            null

    Outside all leases the answer is `unknown`, with the nearest before and after; but within 1 s
    of just one lease's edge it still resolves (`slack`), for clocks differ. A holder that is known
    by its IP alone names nobody.
    """
    leases = next((named(address) for address in addresses if address.ip == ip), [])
    if at is None:
        rows = [_row(ip, None, "resolved", [lease], clock) for lease in leases]
        rows = rows or [_row(ip, None, "unknown", [], clock)]
    else:
        rows = [_answer(ip, at, leases, clock)]
    return pl.DataFrame(rows, schema=ANSWERS, orient="row", strict=False)


def _answer(ip: str, at: int, leases: list[Lease], clock: Clock) -> dict[str, Any]:
    if clock != "time":
        return _row(ip, at, "unknown", [], clock)  # nothing is dated
    holding, slack = held(leases, at)
    holders = {lease.holder for lease in holding}
    verdict = "unknown" if not holders else "resolved" if len(holders) == 1 else "ambiguous"
    row = _row(ip, at, verdict, holding[:1] if slack else holding, clock)
    row["slack"] = slack
    before = max((le for le in leases if le.last < at), key=lambda le: le.last, default=None)
    after = min((le for le in leases if le.first > at), key=lambda le: le.first, default=None)
    if before is not None:
        row["nearest_before"] = {"container": before.holder, "at": before.last}
    if after is not None:
        row["nearest_after"] = {"container": after.holder, "at": after.first}
    return row


def _row(
    ip: str, at: int | None, verdict: str, leases: list[Lease], clock: Clock
) -> dict[str, Any]:
    one = leases[0] if verdict == "resolved" else None
    return {
        "ip": ip,
        "at": at,
        "verdict": verdict,
        "container": one.holder if one else None,
        "containers": list(one.containers) if one else [],
        "pod": one.pod if one else None,
        "service": one.service if one else None,
        "by": "time" if one else None,
        "slack": False,
        "candidates": [holder(lease, clock) for lease in leases],
        "nearest_before": None,
        "nearest_after": None,
    }
