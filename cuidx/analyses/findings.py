"""Findings: what is odd in the evidence, each with the lines that show it.

Nothing here changes an answer. A first look at the summary says where to look (two addresses,
two holders, stops without starts); one pass over the records then collects the lines that show
it, and what only lines can tell (suffixes, keys, clocks, gaps). Memory grows with containers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Final

import polars as pl

from cuidx import times
from cuidx.analyses.blocks import Block
from cuidx.enrich.leases import PLACE, SECOND, Address, Lease
from cuidx.enrich.summary import Summary
from cuidx.schema import TIME, detached

KINDS: Final = (
    "suffixes", "repeated-key", "two-ips", "two-holders", "clock", "hole", "gap", "no-start",
    "no-stop", "cut",
)  # fmt: skip
LINE: Final = pl.Struct({"source": pl.String(), "line": pl.Int64()})
FINDINGS: Final = pl.Schema(
    {
        "kind": pl.Enum(KINDS),
        "container": pl.String(),
        "ip": pl.String(),
        "why": pl.String(),
        "lines": pl.List(LINE),
    }
)
WANT: Final = frozenset({"repeats", "own_time"})  # to be parsed beside the roles
SHOWN: Final = 20  # lines listed with a finding; `why` counts them all

_SLOTS: Final = 1024  # of a container's life, for its gaps
_NEXT: Final = 1 << 32  # from a container's slots to the next one's
_MANY: Final = 1_000_000  # filled slots, before they are put together
_GAP: Final = 10  # times the usual pause …
_USUAL: Final = 0.95  # … that 95 % of its pauses stay below
_LEAST_GAP: Final = 30 * SECOND
_LEAST_PAUSES: Final = 20  # fewer show no rhythm
_LEAST_TIMES: Final = 5  # lines with two times, before a clock is judged
_STEP: Final = SECOND // 10  # offsets of clocks are counted in steps of 0.1 s

_HAS_PLACE: Final = pl.col("time").is_not_null() & pl.col("container").is_not_null()

Place = tuple[int, int]
"""(source, line)."""


@dataclass(slots=True)
class Tally:
    """How many lines, and the first of them."""

    count: int = 0
    lines: list[Place] = field(default_factory=list)

    def add(self, count: int, lines: Iterable[Place]) -> None:
        """COUNT more lines, of which LINES are the first."""
        self.count += count
        self.lines += list(lines)[: SHOWN - len(self.lines)]


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of FINDINGS, with lines as places."""

    kind: str
    container: str | None
    ip: str | None
    why: str
    lines: Sequence[Place] = ()


@dataclass(frozen=True, slots=True)
class Watch:
    """What can't be at once; lines of CONTAINERS on IPS in [first, last] show it."""

    kind: str
    containers: tuple[str, ...]
    ips: tuple[str, ...]
    first: int
    last: int
    why: str

    @property
    def key(self) -> str:
        """Names this watch in a table."""
        return repr((self.kind, self.containers, self.ips, self.first))


# -- where to look: from the summary and the leases ------------------------------------------------


def two_ips(groups: pl.DataFrame) -> list[Watch]:
    """Containers with lines on two own addresses of one family at once, by GROUPS of lines.

    IPv4 beside IPv6 is a dual stack and nothing odd; an overlap up to 1 s is clock resolution.
    """
    sure = groups.filter(
        (pl.col("kind") == "event")
        & pl.col("identity").is_in(["cuid", "container_id", "pod_uid"])
        & (pl.col("ip_from") == "own") & pl.col("first").is_not_null()
    )  # fmt: skip
    spans = (
        sure.group_by("container", "ip")
        .agg(pl.col("first").min().cast(pl.Int64), pl.col("last").max().cast(pl.Int64))
        .with_columns(family=pl.col("ip").str.contains(":", literal=True))
        .filter(pl.len().over("container", "family") > 1)
        .sort("container", "ip")
    )
    found = []
    for (container, _), rows in spans.group_by("container", "family", maintain_order=True):
        for a, b in combinations(rows.iter_rows(named=True), 2):
            first, last = max(a["first"], b["first"]), min(a["last"], b["last"])
            if last - first > SECOND:
                why = (f"lines on {a['ip']} ({_span(a['first'], a['last'])}) and on {b['ip']} "
                       f"({_span(b['first'], b['last'])})")  # fmt: skip
                found.append(
                    Watch("two-ips", (str(container),), (a["ip"], b["ip"]), first, last, why)
                )
    return found


def two_holders(addresses: Sequence[Address]) -> list[Watch]:
    """Addresses that two holders had at once.

    Three or more at once are a node's: Pods on the host's network share its address.
    """
    found = []
    for address in addresses:
        pairs: list[tuple[Lease, Lease]] = []
        there: list[Lease] = []
        for lease in address.leases if address.kind == "shared" else ():
            there = [other for other in there if other.last - lease.first > SECOND]
            pairs += [(other, lease) for other in there]
            there.append(lease)
            if len(there) > 2:
                pairs = []
                break
        for a, b in pairs:
            first, last = max(a.first, b.first), min(a.last, b.last)
            if last - first > SECOND:
                why = f"held by {a.holder} and by {b.holder} at once, {_span(first, last)}"
                containers = (*a.containers, *b.containers)
                found.append(Watch("two-holders", containers, (address.ip,), first, last, why))
    return found


def lifecycles(evidence: pl.DataFrame, addresses: Sequence[Address]) -> Iterator[Finding]:
    """A stop without a start; a start without a stop where another has taken the address."""
    rows = evidence.filter(pl.col("lifecycle").is_in(["start", "stop"]))
    gone = {
        container
        for address in addresses
        for at, lease in enumerate(address.leases)
        if any(later.first > lease.last for later in address.leases[at + 1 :])
        for container in lease.containers
    }
    for (container,), mine in rows.group_by("container", maintain_order=True):
        kinds = set(mine["lifecycle"])
        lines = list(mine.select("source", "line").iter_rows())
        ip = mine["ip"].drop_nulls().min()
        if kinds == {"stop"}:
            why = "a stop record and none of the start: the log before it may be missing"
            yield Finding("no-start", str(container), ip, why, lines[:SHOWN])  # type: ignore[arg-type]
        elif kinds == {"start"} and container in gone:
            why = "a start record and none of the stop, though another took its address: killed?"
            yield Finding("no-stop", str(container), ip, why, lines[:SHOWN])  # type: ignore[arg-type]


# -- what only lines can tell ----------------------------------------------------------------------


class Observer:
    """Sees all records once, in the order of sources and lines."""

    def __init__(self, summary: Summary, watches: Sequence[Watch], tz: str) -> None:
        self._tz = tz
        self._watches = {watch.key: watch for watch in watches}
        self._watched = pl.DataFrame(
            [(w.key, c, ip, w.first, w.last)
             for w in watches for c in w.containers for ip in w.ips],
            schema={"key": pl.String, "container": pl.String, "ip": pl.String, "from": pl.Int64,
                    "to": pl.Int64}, orient="row",
        )  # fmt: skip
        self._slots = _slots(summary)
        self._suffixes: dict[str | None, Tally] = {}
        self._keys: dict[str | None, Tally] = {}
        self._seen: dict[str, Tally] = {}
        self._nodes: set[str] = set()  # addresses of nodes
        self.ends: dict[int, tuple[int, str, str]] = {}  # source: its last line, kind, why
        self.shown: set[str] = set()  # containers of the events that were asked for
        self._filled = [_FILLED.to_frame()]  # slots; what came since they were put together
        self._offsets: list[pl.DataFrame] = []

    def see(self, block: Block) -> None:
        """BLOCK is the next of them."""
        self.ends[block.place] = block.last
        for table in (block.records, block.groups):
            if table is not None and "host_ip" in table.columns:
                self._nodes.update(table["host_ip"].drop_nulls().unique())
        dated, slots = [], []
        if block.events is not None:
            self._look_at(block.events)
            rows = block.events.filter(_HAS_PLACE).with_columns(at=pl.col("time").cast(pl.Int64))
            dated.append(rows.select("container", "ip", "at", "line"))
            slots.append(_in_slots(rows.select("container", "at", "line"), self._slots))
            if "own_time" in rows.columns:
                self._offsets.append(detached(_offsets(rows, self._tz)))
                if len(self._offsets) > 32:
                    self._offsets = [_counted(pl.concat(self._offsets))]
        if block.groups is not None and block.lines is not None:
            who = block.groups.select("container", "ip")
            self.shown.update(who["container"].gather(block.lines["group"].unique()).drop_nulls())
            lines = block.lines.rename({"time": "at"})
            if self._watched.height:
                near = self._watched["container"].implode()
                is_near = who.select(pl.col("container").is_in(near).fill_null(False)).to_series()
                rows = lines.filter(is_near.gather(lines["group"]))
                dated.append(who[rows["group"]].with_columns(rows["at"], rows["line"]))
            slots.append(_of_groups(who, lines, self._slots))
        if self._watched.height and dated:
            rows = pl.concat(dated).sort("line", maintain_order=True)
            rows = rows.with_columns(place=pl.lit(block.place, pl.Int64))
            rows = rows.join(self._watched, on=["container", "ip"], maintain_order="left")
            _count(rows.filter(pl.col("at").is_between("from", "to")), "key", self._seen)
        self._fill(slots, block.place)

    def _look_at(self, events: pl.DataFrame) -> None:
        """What only a record by itself can tell."""
        self.shown.update(events["container"].drop_nulls().unique())
        for name, condition, tally in (
            ("suffixes", pl.col("suffixes") > 1, self._suffixes),
            ("repeats", pl.col("repeats"), self._keys),
        ):
            if name in events.columns:
                _count(events.filter(condition.fill_null(False)), "container", tally)

    def _fill(self, slots: list[pl.DataFrame], place: int) -> None:
        if len(slots) > 1:
            slots = [pl.concat(slots).sort("first_line", maintain_order=True)]
        if slots:
            lines = pl.col("first_line", "last_line") + place * PLACE
            self._filled.append(_merged(slots).with_columns(lines))
        if sum(map(len, self._filled[1:])) > max(_MANY, len(self._filled[0])):
            self._filled = [_merged(self._filled)]

    def findings(self) -> Iterator[Finding]:
        """What the lines show."""
        for container, tally in self._suffixes.items():
            why = "more than one suffix: printed by the program, or tagged twice; the last counts"
            yield Finding("suffixes", container, None, _of(tally, why), tally.lines)
        for container, tally in self._keys.items():
            why = "the key of the CUID twice in one object; the last counts"
            yield Finding("repeated-key", container, None, _of(tally, why), tally.lines)
        for key, tally in self._seen.items():
            watch = self._watches[key]
            if watch.kind == "two-holders" and not self._nodes.isdisjoint(watch.ips):
                continue  # Pods on the host's network share its address
            container = watch.containers[0] if len(watch.ips) > 1 else None
            ip = watch.ips[0] if len(watch.ips) == 1 else None
            yield Finding(watch.kind, container, ip, _of(tally, watch.why), tally.lines)
        yield from _clocks(_counted(pl.concat(self._offsets)) if self._offsets else None)
        yield from _gaps(_merged(self._filled), self._slots["container"])

    def cut(self, problems: Mapping[int, str]) -> Iterator[Finding]:
        """Sources that end early: PROBLEMS says of which source it was noticed, and what."""
        for source, what in problems.items():
            lines = [(source, self.ends[source][0])] if source in self.ends else []
            yield Finding("cut", None, None, what, lines)
        for source, (line, kind, why) in self.ends.items():
            if kind == "unreadable" and source not in problems:
                what = f"the last line is broken: {why}"
                yield Finding("cut", None, None, what, [(source, line)])


def _count(rows: pl.DataFrame, by: str, into: dict[Any, Tally]) -> None:
    if rows.is_empty():
        return
    found = rows.group_by(by, maintain_order=True).agg(
        pl.len(), pl.col("place").head(SHOWN), pl.col("line").head(SHOWN)
    )
    for key, count, places, lines in found.iter_rows():
        into.setdefault(key, Tally()).add(count, zip(places, lines, strict=True))


def _of(tally: Tally, why: str) -> str:
    more = f", the first {SHOWN} are listed" if tally.count > SHOWN else ""
    return f"{tally.count:,} line{'s' * (tally.count != 1)}: {why}{more}"


# -- clocks ----------------------------------------------------------------------------------------


def _offsets(dated: pl.DataFrame, tz: str) -> pl.DataFrame:
    """How far the collector's time is from the line's own, by container and node."""
    both = dated.filter((pl.col("time_from") == "collector") & pl.col("own_time").is_not_null())
    own = times.parse(both["own_time"], tz)[0].cast(pl.Int64)
    return (
        both.select("container", "node", "place", "line", offset=(pl.col("at") - own) // _STEP)
        .drop_nulls("offset")
        .pipe(_counted)
    )


def _counted(rows: pl.DataFrame) -> pl.DataFrame:
    count = pl.col("count").sum() if "count" in rows.columns else pl.len().cast(pl.Int64)
    return rows.group_by("container", "node", "offset", maintain_order=True).agg(
        pl.col("place").first(), pl.col("line").first(), count=count
    )


def _clocks(offsets: pl.DataFrame | None) -> Iterator[Finding]:
    """Nodes (containers where no node is known) whose own times are further off than the others'.

    The same offset everywhere is the collector's, or a way of writing; a median is not moved by
    access lines, which carry their request's start.
    """
    if offsets is None or offsets.is_empty():
        return
    who = pl.coalesce(pl.lit("node ") + pl.col("node"), pl.lit("container ") + pl.col("container"))
    rows = offsets.with_columns(who=who).sort("who", "offset")
    usual: dict[str, tuple[int, int, list[Place], str | None]] = {}
    for (name,), mine in rows.group_by("who", maintain_order=True):
        lines = int(mine["count"].sum())
        if lines < _LEAST_TIMES:
            continue
        middle = int((mine["count"].cum_sum() * 2 >= lines).arg_true()[0])
        near = mine.filter((pl.col("offset") - mine["offset"][middle]).abs() <= 1)
        places = sorted(near.select("place", "line").iter_rows())[:SHOWN]
        one = mine["container"].unique()
        container = one[0] if len(one) == 1 else None
        usual[str(name)] = (int(mine["offset"][middle]), lines, places, container)
    if not usual:
        return
    steady = sorted(offset for offset, *_ in usual.values())[(len(usual) - 1) // 2]
    steady = steady if len(usual) > 1 else 0
    for name, (offset, count, places, container) in usual.items():
        if abs(offset - steady) * _STEP > SECOND:
            others = f", on others {_seconds(steady)}" if len(usual) > 1 else ""
            why = (f"{count:,} lines: on {name} the collector's times are {_seconds(offset)} from "
                   f"the lines' own{others}")  # fmt: skip
            yield Finding("clock", container, None, why, places)


def _seconds(steps: int) -> str:
    return f"{steps * _STEP / SECOND:+.1f} s"


# -- gaps ------------------------------------------------------------------------------------------


def _slots(summary: Summary) -> pl.DataFrame:
    """Each container's number, and how wide a slot of its life is: longer pauses are seen."""
    dated = pl.col("first").is_not_null() & pl.col("container").is_not_null()
    return (
        summary.groups.filter((pl.col("kind") == "event") & dated)
        .group_by("container")
        .agg(pl.col("first").min().cast(pl.Int64), pl.col("last").max().cast(pl.Int64))
        .sort("container")
        .select("container", birth="first",
                slot=pl.int_range(pl.len(), dtype=pl.Int64) * _NEXT + _NEXT // 2,
                width=((pl.col("last") - pl.col("first")) // _SLOTS + 1).clip(SECOND // 10))
    )  # fmt: skip


# A slot that has lines, the first and last of them, and where those are: in the order of lines.
_FILLED: Final = pl.Schema(
    dict.fromkeys(("slot", "first", "last", "first_line", "last_line"), pl.Int64())
)


def _in_slots(rows: pl.DataFrame, slots: pl.DataFrame) -> pl.DataFrame:
    """FILLED of each of ROWS (container, at, line)."""
    return _one_each(rows.join(slots, on="container", maintain_order="left"))


def _of_groups(who: pl.DataFrame, lines: pl.DataFrame, slots: pl.DataFrame) -> pl.DataFrame:
    """FILLED of each of LINES (group, at, line); WHO wrote them, by groups."""
    mine = who.select("container").join(slots, on="container", how="left", maintain_order="left")
    rows = mine.select("slot", "birth", "width")[lines["group"]]
    return _one_each(rows.with_columns(lines["at"], lines["line"]).drop_nulls("slot"))


def _one_each(rows: pl.DataFrame) -> pl.DataFrame:
    since = pl.col("at") - pl.col("birth")
    at = pl.col("birth") + since  # no longer known as sorted: `arg_max` takes another line of those
    return rows.select(
        slot=pl.col("slot") + since // pl.col("width"),
        first=at, last=at, first_line="line", last_line="line",
    )  # fmt: skip


def _merged(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """PARTS (FILLED, in the order of lines), each slot once; of two lines at once the first."""
    return (
        pl.concat(parts)
        .group_by("slot", maintain_order=True)
        .agg(
            pl.col("first").min(),
            pl.col("last").max(),
            pl.col("first_line").get(pl.col("first").arg_min()),
            pl.col("last_line").get(pl.col("last").arg_max()),
        )
    )


def _gaps(filled: pl.DataFrame, names: pl.Series) -> Iterator[Finding]:
    """Pauses much longer than a container's usual ones; a hole is one that all of them share."""
    holes = list(_long_pauses(filled.with_columns(who=pl.lit(0, pl.Int64))))
    for _, pause in holes:
        yield Finding("hole", None, None, "no line of anybody for " + pause.why, pause.lines)
    inside = [(pause.first, pause.last) for _, pause in holes]
    for who, pause in _long_pauses(filled.with_columns(who=pl.col("slot") // _NEXT)):
        if not any(first <= pause.last and pause.first <= last for first, last in inside):
            yield Finding("gap", str(names[who]), None, f"no line for {pause.why}", pause.lines)


@dataclass(frozen=True, slots=True)
class _Pause:
    first: int
    last: int
    why: str
    lines: tuple[Place, Place]


def _long_pauses(filled: pl.DataFrame) -> Iterator[tuple[int, _Pause]]:
    """Those of each WHO in FILLED."""
    # Of several containers' slots: a pause counts from the last line of any of them.
    rows = (
        filled.sort("who", "first", "last", "first_line")
        .with_columns(end=pl.col("last").cum_max().over("who"))
        .with_columns(
            since=pl.col("end").shift(1).over("who"),
            since_line=pl.when(pl.col("last") == pl.col("end")).then("last_line")
            .forward_fill().shift(1).over("who"),
        )
        .with_columns(pause=pl.col("first") - pl.col("since"))
        .filter(pl.col("pause") > 0)
    )  # fmt: skip
    usual = (
        rows.group_by("who")
        .agg(pl.len(), usual=pl.col("pause").quantile(_USUAL, "lower").cast(pl.Int64))
        .filter(pl.col("len") >= _LEAST_PAUSES)
    )
    least = pl.max_horizontal(pl.lit(_LEAST_GAP), _GAP * pl.col("usual"))
    found = rows.join(usual, on="who").filter(pl.col("pause") > least).sort("who", "first")
    for row in found.iter_rows(named=True):
        long, when = _duration(row["pause"]), _span(row["since"], row["first"])
        why = f"{long} ({when}); 95 % of the pauses are below {_duration(row['usual'])}"
        lines = divmod(row["since_line"], PLACE), divmod(row["first_line"], PLACE)
        yield row["who"], _Pause(row["since"], row["first"], why, lines)


# -- together --------------------------------------------------------------------------------------


def table(found: Iterable[Finding], names: Sequence[str]) -> pl.DataFrame:
    """FINDINGS, sorted by kind, container, ip and reason; NAMES are the sources' paths.

        kind      container  ip    why                                          lines
        suffixes  4a23…      null  2 lines: more than one suffix: printed by …  [{app.log, 7} …]

    At most 20 lines are listed with each; `why` counts them all.
    """
    rows = [
        {
            "kind": one.kind,
            "container": one.container,
            "ip": one.ip,
            "why": one.why,
            "lines": [{"source": names[source], "line": line} for source, line in one.lines],
        }
        for one in found
    ]
    return pl.DataFrame(rows, schema=FINDINGS, strict=False).sort(
        "kind", "container", "ip", "why", nulls_last=True
    )


def _span(first: int, last: int) -> str:
    texts = pl.DataFrame({"t": [first, last]}).select(
        times.text(pl.col("t").cast(TIME).dt.truncate("1ms"))
    )["t"]
    start, end = (str(text).removesuffix("Z") for text in texts)
    return f"{start}\u2013{end[11:] if start[:10] == end[:10] else end}".replace("T", " ")


def _duration(ns: int) -> str:
    seconds = ns / SECOND
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m"
