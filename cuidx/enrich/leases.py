"""Leases: who had which own IP, from when to when; and what became of each address.

A lease is one holder having one address over [first, last]. Containers of one Pod share its
address: as long as they overlap they are one holder. Outside a lease nothing is known: address
managers differ, so the next holder is never guessed from a gap.
"""

from __future__ import annotations

from collections import Counter
from itertools import groupby, pairwise
from typing import Final, Literal, NamedTuple

import polars as pl

from cuidx.enrich.identity import address_order
from cuidx.enrich.summary import Summary

SECOND: Final = 1_000_000_000
# Two clocks: UTC nanoseconds, or, where nothing has a time, the order of the lines.
Clock = Literal["time", "order"]
STALE: Final = 300 * SECOND  # how long Prometheus shows a series that has gone, by default
_EVER: Final = -(1 << 63)
PLACE: Final = 1 << 40  # lines in a source, for the order of lines over all sources

Change = Literal["first", "recycled", "restarted", "returned", "shared"]
Kind = Literal["single", "reused", "shared"]


class Lease(NamedTuple):
    """One holder's time on one address; `first` and `last` in nanoseconds or line order."""

    ip: str
    holder: str
    containers: tuple[str, ...]
    pod_key: str | None
    service: str | None
    pod: str | None
    first: int
    last: int
    lines: int
    change: Change = "first"
    firm: int | None = None  # where it is surely held only until before `last`


class Address(NamedTuple):
    """All leases of one address, in order of time."""

    ip: str
    kind: Kind
    leases: tuple[Lease, ...]


class Span(NamedTuple):
    """First and last sight of a container on an own IP (ns, or places of lines), and its Pod."""

    container: str
    identity: str
    pod_key: str | None
    pod_uid: str | None
    pod: str | None
    pod_name: str | None  # with its namespace
    service: str | None
    names: frozenset[str]  # of the containers in the Pod that these lines are of
    ip: str
    first: int
    last: int
    lines: int
    firm: int  # until here it is sure; from here to `last` others may have had it already


def clock_of(summary: Summary) -> Clock:
    """`time` as soon as anything has one; undated lines then make no lease."""
    dated = summary.groups["dated"].sum() or summary.evidence["time"].count()
    return "time" if dated else "order"


def spans(summary: Summary, runs: pl.DataFrame | None = None) -> list[Span]:
    """First and last sight of each container on each own IP, evidence included.

    RUNS (container, ip, first, last, lines) stand for the containers that `unsettled` names.
    """
    clock = clock_of(summary)
    groups = summary.groups.filter(pl.col("kind") == "event")
    rows = sightings(groups, clock).with_columns(firm="last")
    told = summary.evidence.filter(pl.col("ip").is_not_null() & pl.col("container").is_not_null())
    if clock == "time" and told.height:
        first, last = pl.col("at").cast(pl.Int64), pl.col("until").cast(pl.Int64)
        seen = told.select(
            *_SEEN, first=first, last=last, lines=pl.lit(0, pl.Int64),
            firm=pl.when("soft").then(pl.max_horizontal(first, last - STALE)).otherwise(last),
        )  # fmt: skip
        # A Pod that is known by its name alone is no holder beside those that are known better.
        both = pl.concat([rows.select("identity", "ip"), seen.select("identity", "ip")])
        known = both.filter(pl.col("identity") < "pod_name")["ip"].unique()
        better = seen.filter(~told["weak"] | ~pl.col("ip").is_in(known.implode()))
        rows = pl.concat([rows, better])
    facts = rows.group_by("container", "ip").agg(
        *(pl.col(name).drop_nulls().min() for name in _FACTS[2:]),
        names=pl.col("container_name").drop_nulls().unique(),
    )
    if runs is not None and runs.height:
        rows = pl.concat(
            [
                rows.filter(~pl.col("container").is_in(runs["container"].unique().implode()))
                .group_by("container", "ip")
                .agg(pl.col("first").min(), pl.col("last", "firm").max(), pl.col("lines").sum())
                .select("container", "ip", "first", "last", "lines", "firm"),
                runs.select("container", "ip", "first", "last", "lines", firm="last"),
            ]
        )
    else:
        rows = rows.group_by("container", "ip").agg(
            pl.col("first").min(), pl.col("last", "firm").max(), pl.col("lines").sum()
        )
    rows = rows.drop_nulls("first").join(facts, on=["container", "ip"], how="left")
    # A start record names its Pod also where it has no address to name.
    named = (
        summary.evidence.drop_nulls("container")
        .group_by("container")
        .agg(pl.col(name).drop_nulls().min() for name in _POD)
    )
    rows = rows.join(named, on="container", how="left", suffix="_told").with_columns(
        pl.coalesce(name, f"{name}_told") for name in _POD
    )
    return [
        Span(
            container=row["container"],
            identity=row["identity"],
            pod_key=row["pod_key"],
            pod_uid=row["pod_uid"],
            pod=row["pod"],
            pod_name="/".join(part for part in (row["namespace"], row["pod"]) if part) or None,
            service=row["service"],
            names=frozenset(row["names"] or ()),
            ip=row["ip"],
            first=row["first"],
            last=row["last"],
            lines=row["lines"],
            firm=row["firm"],
        )
        for row in rows.sort("ip", "first", "last", "container").iter_rows(named=True)
    ]


_POD: Final = ("pod_key", "pod_uid", "namespace", "pod")
_FACTS: Final = ("container", "ip", "identity", "pod_key", "pod_uid", "namespace", "pod", "service")


_SEEN: Final = (*_FACTS, "container_name")


def sightings(groups: pl.DataFrame, clock: Clock) -> pl.DataFrame:
    """Groups of lines with an own IP, their first and last on CLOCK."""
    known = groups.filter(pl.col("ip").is_not_null() & pl.col("container").is_not_null())
    if clock == "time":
        first, last = pl.col("first").cast(pl.Int64), pl.col("last").cast(pl.Int64)
    else:
        place = pl.col("source") * PLACE
        first, last = place + pl.col("first_line"), place + pl.col("last_line")
    return known.select(*_SEEN, first=first, last=last, lines="lines")


def unsettled(summary: Summary, seen: list[Span]) -> list[str]:
    """Containers whose leases need each line's time: several IPs that cross, or lines after a stop.

    For all others first and last sight are enough: SEEN, the `spans` of SUMMARY.
    """
    clock = clock_of(summary)
    found: set[str] = set()

    def by_family(span: Span) -> tuple[str, bool]:
        return span.container, _family(span.ip)

    stops = _stops(summary)
    for (container, _), group in groupby(sorted(seen, key=by_family), key=by_family):
        mine = sorted(group, key=lambda span: span.first)
        crossing = any(b.first <= a.last for a, b in pairwise(mine))
        after_stop = clock == "time" and any(
            span.first <= stop < span.last - SECOND
            for span in mine
            for stop in stops.get((container, span.ip), ())
        )
        if crossing or after_stop:
            found.add(container)
    return sorted(found)


def _family(ip: str) -> bool:
    """Whether IP is an IPv6 address: a Pod can have one of each family at once."""
    return ":" in ip


def _stops(summary: Summary) -> dict[tuple[str, str], list[int]]:
    is_end = (pl.col("lifecycle") == "stop") | (pl.col("lease") == "release")
    rows = summary.evidence.filter(
        is_end.fill_null(False) & pl.col("until").is_not_null() & pl.col("ip").is_not_null()
    ).select("container", "ip", pl.col("until").cast(pl.Int64))
    stops: dict[tuple[str, str], list[int]] = {}
    for container, ip, at in rows.iter_rows():
        stops.setdefault((container, ip), []).append(at)
    return stops


def runs_of(points: pl.DataFrame, summary: Summary) -> pl.DataFrame:
    """POINTS (container, ip, at: one a line or record) as runs on one address without another.

    A run ends where the container's next line has another own IP, or where evidence ends it. An
    IPv6 address beside an IPv4 one is a dual stack, and ends nothing.
    """
    stops = _stops(summary)
    runs: list[tuple[str, str, int, int, int]] = []
    for container, ip, at, lines in (
        points.sort("container", pl.col("ip").str.contains(":", literal=True), "at", "ip")
        .select("container", "ip", "at", "lines")
        .iter_rows()
    ):
        if runs and runs[-1][:2] == (container, ip):
            first, last, count = runs[-1][2:]
            ended = any(
                first <= stop and last <= stop + SECOND and at > stop + SECOND
                for stop in stops.get((container, ip), ())
            )
            if not ended:
                runs[-1] = (container, ip, first, at, count + lines)
                continue
        runs.append((container, ip, at, at, lines))
    return pl.DataFrame(
        runs, schema=["container", "ip", "first", "last", "lines"], orient="row",
        schema_overrides={"container": pl.String, "ip": pl.String, "first": pl.Int64,
                          "last": pl.Int64, "lines": pl.Int64},
    )  # fmt: skip


def pods_by_address(found: list[Span]) -> dict[str, str]:
    """Container → Pod, for containers whose lines name no Pod: by who had their address just then.

    Two Pods can't have one address at once (one on its node's network has none of its own). So of
    a Pod that evidence surely shows with an address, those are the lines that carry it meanwhile.
    """
    told: dict[str, list[Span]] = {}
    for span in found:
        if span.lines == 0 and span.pod_key is not None and span.identity != "cuid":
            told.setdefault(span.ip, []).append(span)
    pods: dict[str, set[str]] = {}
    for span in found:
        if span.pod_key is None and span.lines and span.identity != "ip":
            for other in told.get(span.ip, ()):
                if other.first <= span.last and span.first <= other.firm and other.pod_key:
                    pods.setdefault(span.container, set()).add(other.pod_key)
    return {name: keys.pop() for name, keys in pods.items() if len(keys) == 1}


def pods_of_sandboxes(found: list[Span], summary: Summary) -> dict[str, tuple[str, str | None]]:
    """Sandbox → (key of its Pod, CUID), for those that evidence knows by their Pod's name alone.

    It is the Pod of that name that had the sandbox's address meanwhile, where just one is known; of
    Pods without a uid, the one CUID (else null). Who began after the address was given back is
    another, and so is who was gone when it was given out. Of two sandboxes of a Pod none is sure.
    """
    if all(span.identity != "sandbox_id" for span in found):
        return {}
    others: dict[tuple[str, str], list[Span]] = {}
    for span in found:
        if span.pod_name and span.pod_key and (span.pod_uid or span.identity == "cuid"):
            others.setdefault((span.ip, span.pod_name), []).append(span)
    begun, ended = _moments(summary, "assign"), _moments(summary, "release")
    homes: dict[str, set[tuple[str, str | None]]] = {}
    for span in found:
        if span.identity != "sandbox_id" or span.lines or span.pod_uid or not span.pod_name:
            continue
        at = (span.container, span.ip)
        first, last = min(begun.get(at, [_EVER])), max(ended.get(at, [-_EVER]))
        for other in others.get((span.ip, span.pod_name), ()):
            near = other.first - SECOND <= span.last and span.first <= other.firm + SECOND
            if near and other.first < last and first < other.last and other.pod_key:
                cuid = None if other.pod_uid else other.container
                homes.setdefault(span.container, set()).add((other.pod_key, cuid))
    often = Counter(home for several in homes.values() for home in several)
    return {box: home for box, (home, *more) in homes.items() if not more and often[home] == 1}


def _moments(summary: Summary, lease: str) -> dict[tuple[str, str], list[int]]:
    """(container, ip) → when evidence says that the address was given out (`assign`), or back."""
    rows = summary.evidence.filter(pl.col("lease") == lease).drop_nulls(["container", "ip", "at"])
    found: dict[tuple[str, str], list[int]] = {}
    for container, ip, at in rows.select(
        "container", "ip", pl.col("at").cast(pl.Int64)
    ).iter_rows():
        found.setdefault((container, ip), []).append(at)
    return found


def addresses(found: list[Span], clock: Clock) -> list[Address]:
    """Every own IP, sorted numerically, with its leases in order and what became of it."""
    # Two clocks may differ by a second; overlaps up to that are no sharing.
    slack = SECOND if clock == "time" else 0
    by_ip: dict[str, list[Span]] = {}
    for span in found:
        by_ip.setdefault(span.ip, []).append(span)
    result = []
    for ip in sorted(by_ip, key=address_order):
        mine = by_ip[ip]
        if any(span.identity != "ip" for span in mine):
            # A line that knows only the IP is no holder beside those that are known better.
            mine = [span for span in mine if span.identity != "ip"]
        result.append(_classify(ip, _cut_soft_ends(_holders(mine, slack)), slack))
    return result


def _cut_soft_ends(leases: list[Lease]) -> list[Lease]:
    """LEASES of one address; one whose end is not sure ends where the next holder is first seen."""
    cut = []
    for at, lease in enumerate(leases):
        if lease.firm is None:
            cut.append(lease)
            continue
        following = [
            other.first for other in leases[at + 1 :]
            if other.holder != lease.holder
            and lease.firm < other.first <= lease.last <= other.first + STALE
        ]  # fmt: skip
        last = min(following) - 1 if following else lease.last
        cut.append(lease._replace(last=last, firm=None))
    return cut


def recounted(found: list[Address], summary: Summary) -> list[Address]:
    """FOUND with the lines that SUMMARY gives each holder: those known by their IP alone, too.

    Where a container had an address twice, both leases keep their own count.
    """
    rows = summary.groups.filter(pl.col("kind") == "event").group_by("container", "ip")
    lines = {row[:2]: row[2] for row in rows.agg(pl.col("lines").sum()).iter_rows()}
    result = []
    for address in found:
        often = Counter(name for lease in address.leases for name in lease.containers)
        leases = tuple(
            lease._replace(lines=sum(lines.get((name, lease.ip), 0) for name in lease.containers))
            if all(often[name] == 1 for name in lease.containers)
            else lease
            for lease in address.leases
        )
        result.append(address._replace(leases=leases))
    return result


def _holders(mine: list[Span], slack: int) -> list[Lease]:
    def pod(span: Span) -> tuple[str, str]:
        return ("pod", span.pod_key) if span.pod_key else ("container", span.container)

    leases = []
    ordered = sorted(mine, key=lambda span: (pod(span), span.first, span.last, span.container))
    for _, group in groupby(ordered, key=pod):
        together: list[Span] = []
        end = 0
        for span in group:
            if together and span.first >= end - slack and not _beside(span, together):
                leases.append(_lease(together))
                together = []
            end = span.last if not together else max(end, span.last)
            together.append(span)
        leases.append(_lease(together))
    return sorted(leases, key=lambda lease: (lease.first, lease.last, lease.holder))


def _beside(span: Span, together: list[Span]) -> bool:
    """Whether SPAN's container runs beside those, though its lines come after theirs.

    Containers of other names in one Pod do: a proxy that logs its start and no more has not gone.
    """
    names = frozenset().union(*(one.names for one in together))
    return bool(span.names and names and names.isdisjoint(span.names))


def _lease(together: list[Span]) -> Lease:
    containers = tuple(sorted({span.container for span in together}))
    head = together[0]
    if len(containers) == 1:
        name = containers[0]
    else:
        cuids = {span.container for span in together if span.identity == "cuid"}
        uids = {span.pod_uid for span in together if span.pod_uid}
        if len(cuids) == 1:
            name = next(iter(cuids))
        elif len(uids) == 1:
            name = next(iter(uids))
        else:
            name = head.pod_name or head.pod_key or containers[0]
    last, firm = max(span.last for span in together), max(span.firm for span in together)
    return Lease(
        ip=head.ip,
        holder=name,
        containers=containers,
        pod_key=head.pod_key,
        service=min((span.service for span in together if span.service), default=None),
        pod=min((span.pod for span in together if span.pod), default=None),
        first=min(span.first for span in together),
        last=last,
        firm=None if firm == last else firm,
        lines=sum(span.lines for span in together),
    )


def _classify(ip: str, leases: list[Lease], slack: int) -> Address:
    shared = [False] * len(leases)
    open_leases: list[int] = []
    for at, lease in enumerate(leases):
        open_leases = [o for o in open_leases if leases[o].last - slack > lease.first]
        for other in open_leases:
            shared[at] = shared[other] = True
        open_leases.append(at)
    done: list[Lease] = []
    for at, lease in enumerate(leases):
        change: Change
        if shared[at]:
            change = "shared"
        elif all(lease.holder == before.holder for before in leases[:at]):
            change = "first"  # nobody else had it before
        elif _same_pod(lease, leases[at - 1]):
            change = "restarted"
        elif any(lease.holder == before.holder for before in leases[:at]):
            change = "returned"
        else:
            change = "recycled"
        done.append(lease._replace(change=change))
    several = len({lease.containers for lease in done}) > 1
    kind: Kind = "shared" if any(shared) else "reused" if several else "single"
    return Address(ip, kind, tuple(done))


def _same_pod(lease: Lease, before: Lease) -> bool:
    if lease.pod_key is None:
        return lease.holder == before.holder
    return lease.pod_key == before.pod_key
