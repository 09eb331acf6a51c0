"""Who had which address when, as lanes and bars: what the lifetimes chart draws.

    10.89.1.10  ▆▆▆61ae8cdf▆▆▆····▆73c55328▆····▆▆▆▆8e449c08▆▆▆▆▆

A lane is an address; its holders follow each other on it. Holders at the same time (a host's
network) get lanes of their own below each other, and so does each container without an address.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import polars as pl

from cuidx.enrich.leases import PLACE, SECOND, Address, Clock, Lease
from cuidx.present.cells import text
from cuidx.present.lanes import short_names

_KINDS: Final = {"reused": 0, "shared": 1, "single": 2}
_TIMES: Final = ("first_seen", "last_seen", "started", "ended")


@dataclass(frozen=True, slots=True)
class Lane:
    """One row of the chart; `kind` as in REUSE, or `none` for a container without an address."""

    label: str
    kind: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One holder's time on a lane; times in nanoseconds, or lines without a clock."""

    lane: int
    holder: str
    name: str  # short
    containers: tuple[str, ...]
    service: str | None
    pod: str | None
    first: int
    last: int
    lines: int
    errors: int
    change: str
    free_from: int | None = None  # when the holder before it was last seen


@dataclass(frozen=True, slots=True)
class Mark:
    """Errors on a bar, as in MARKS."""

    bar: int
    at: int
    count: int
    message: str
    source: str
    line: int


@dataclass(frozen=True, slots=True)
class Lanes:
    """A whole picture. `undated` counts the containers that have no place on it.

    `names` are the short names of all containers and holders; from `low` to `high`, which differ,
    is all that is on it.
    """

    clock: Clock
    lanes: list[Lane]
    bars: list[Bar]
    marks: list[Mark]
    undated: int
    names: dict[str, str]
    low: int
    high: int


def lanes_of(
    addresses: Sequence[Address],
    lifetimes: pl.DataFrame,
    clock: Clock,
    marks: pl.DataFrame,
    shown: set[str] | None = None,
) -> Lanes:
    """Lanes of ADDRESSES (those SHOWN, if given), then of containers of LIFETIMES without any.

    Reused addresses come first, each kind in the order given. MARKS, as `analyses.marks` gives
    them, go to the bar of their container that they fall on.
    """
    rows = lifetimes.with_columns(pl.col(_TIMES).cast(pl.Int64)).iter_rows(named=True)
    facts: dict[str, dict[str, Any]] = {row["container"]: row for row in rows}
    wanted = [address for address in addresses if shown is None or address.ip in shown]
    wanted.sort(key=lambda address: _KINDS[address.kind])
    names = _names(wanted, facts)
    lanes: list[Lane] = []
    bars: list[Bar] = []
    for address in wanted:
        for row in _rows(address.leases):
            bars += _bars(row, len(lanes), names, facts)
            lanes.append(Lane(address.ip, address.kind))
    held = {container for bar in bars for container in bar.containers}
    undated = 0
    for name, fact in facts.items():
        if name in held:
            continue
        seen = [fact[at] for at in _TIMES if fact[at] is not None]
        if clock == "order" or not seen:
            undated += 1
            continue
        bars.append(
            Bar(len(lanes), name, names[name], (name,), fact["service"], fact["pod"], min(seen),
                max(seen), fact["lines"], fact["errors"], "first")
        )  # fmt: skip
        lanes.append(Lane(names[name], "none"))
    found = _placed(bars, marks)
    if clock == "order":
        bars, found = _numbered(bars, found)
    low = min((bar.first for bar in bars), default=0)
    high = max([bar.last for bar in bars] + [low + 1])
    return Lanes(clock, lanes, bars, found, undated, names, low, high)


def _names(addresses: Sequence[Address], facts: dict[str, dict[str, Any]]) -> dict[str, str]:
    """The short name of each container and holder."""
    known = {name: text(row["identity"]) for name, row in facts.items()}
    for address in addresses:
        for lease in address.leases:
            for name in (lease.holder, *lease.containers):
                known.setdefault(name, "ip" if name == address.ip else "cuid")
    names = sorted(known)
    shorts = short_names([(text(name), known[name]) for name in names])
    return dict(zip(names, shorts, strict=True))


def _rows(leases: Sequence[Lease]) -> list[list[Lease]]:
    """LEASES in as few rows as can be, so that none lies on another."""
    rows: list[list[Lease]] = []
    for lease in sorted(leases, key=lambda one: (one.first, one.last)):
        # Up to a second of overlap is clock resolution, and no reason for a row of its own.
        slack = min(SECOND, (lease.last - lease.first) // 2)
        row = next((row for row in rows if row[-1].last <= lease.first + slack), None)
        if row is None:
            rows.append([lease])
        else:
            row.append(lease)
    return rows


def _bars(
    row: list[Lease], lane: int, names: dict[str, str], facts: dict[str, dict[str, Any]]
) -> list[Bar]:
    bars: list[Bar] = []
    for lease in row:
        errors = sum(facts[name]["errors"] for name in lease.containers if name in facts)
        free_from = bars[-1].last if bars else None
        bars.append(
            Bar(lane, lease.holder, names[lease.holder], lease.containers, lease.service,
                lease.pod, lease.first, lease.last, lease.lines, errors, lease.change, free_from)
        )  # fmt: skip
    return bars


def _placed(bars: list[Bar], marks: pl.DataFrame) -> list[Mark]:
    """MARKS on the bars: of a container's bars the last that began by then, else its first."""
    mine: dict[str, list[tuple[int, int]]] = {}
    for index, bar in enumerate(bars):
        for container in bar.containers:
            mine.setdefault(container, []).append((bar.first, index))
    for begun in mine.values():
        begun.sort()
    found = []
    for container, at, count, message, source, line in marks.iter_rows():
        if here := mine.get(container):
            on = here[max(bisect_right(here, (at, len(bars))) - 1, 0)][1]
            found.append(Mark(on, at, count, message or "", source, line))
    return found


def _numbered(bars: list[Bar], marks: list[Mark]) -> tuple[list[Bar], list[Mark]]:
    """The same with line numbers; of several sources, with places in the order of lines.

    A bar ends with its last line, so where the next line would begin.
    """
    places = {at for bar in bars for at in (bar.first, bar.last)} | {mark.at for mark in marks}
    if len({at // PLACE for at in places}) <= 1:
        number = {at: at % PLACE for at in places}
    else:
        number = {at: index for index, at in enumerate(sorted(places), start=1)}
    return (
        [
            replace(bar, first=number[bar.first], last=number[bar.last] + 1,
                    free_from=None if bar.free_from is None else number[bar.free_from] + 1)
            for bar in bars
        ],
        [replace(mark, at=number[mark.at]) for mark in marks],
    )  # fmt: skip
