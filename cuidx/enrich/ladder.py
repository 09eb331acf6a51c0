"""Lines and evidence with the names and addresses that evidence gives them.

A tagger's start record carries its CUID and its Pod's uid: then a line that knows only that uid
names the same container, not another one (`rungs` says what joins). Which address it had, where the
line does not say so itself, comes from evidence too.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

import polars as pl

from cuidx.enrich.evidence import EVIDENCE
from cuidx.enrich.holding import held
from cuidx.enrich.leases import Address, Lease
from cuidx.enrich.rungs import Name, Rungs, Who
from cuidx.enrich.summary import Summary
from cuidx.schema import IDENTITY

_NAMED: Final = pl.Schema(
    {"container": pl.String(), "to": pl.String(), "called": pl.String(), "key": pl.String()}
)
_EVER: Final = -(1 << 63)
# Lines that know their container better than by its Pod, and of their Pod the name alone.
_BY_NAME: Final = (
    pl.col("pod_uid").is_null() & pl.col("pod").is_not_null()
    & pl.col("identity").is_in(["cuid", "container_id"])
)  # fmt: skip
Told = dict[str, list[tuple[int, str]]]
"""Container or Pod → [(from when on, ns; own IP)]."""


class Ladder:
    """What the evidence in SUMMARY joins, and the addresses that it tells."""

    def __init__(self, summary: Summary) -> None:
        self._rungs = Rungs(summary.evidence, summary.groups)
        self._always: dict[str, Name | None] = {}  # container: its better name
        self._steps: dict[str, list[tuple[int, Name | None]]] = {}  # … that depends on the time
        # Pods by (namespace, name), for lines that name their container better than by that.
        self._pods: dict[tuple[str | None, str], list[tuple[int, str | None]]] = {}
        self.evidence = self._settled(summary.evidence)
        self._told, self._told_of_pods = _addresses(self.evidence)
        self.evidence = _with_addresses(self.evidence, self._told_of_pods)
        self._homes = self._homes_of(summary.groups)
        self._learn(summary.groups)
        self.moving = frozenset(self._undecided(summary.groups))

    # -- names -----------------------------------------------------------------------------

    def _learn(self, frame: pl.DataFrame) -> None:
        """Find the names of FRAME's containers that were not met yet."""
        if not self._rungs.known:
            return
        rows = frame.filter(
            pl.col("cuid").is_null() & pl.col("container").is_not_null()
            & ~pl.col("identity").is_in(["ip", "none"])
        ).select("container", *Who._fields).unique(maintain_order=True)  # fmt: skip
        # `uid/app` is what lines call it that know its restart count, 0, and what others do.
        rows = rows.sort("restart", nulls_last=True, maintain_order=True)
        for container, *said in rows.iter_rows():
            if container in self._always or container in self._steps:
                continue
            who = Who(*said)
            if who.container_id or who.pod_uid or who.sandbox_id:
                self._always[container] = self._rungs.name(who)
            elif (turns := self._rungs.turns(who)) is None:
                self._always[container] = None
            elif turns[1]:
                self._steps[container] = turns[1]
            else:
                self._always[container] = turns[0]

    def names(self) -> Iterator[tuple[str, str]]:
        """(name that lines give, better name) of each container that has one, at some time."""
        for container, name in self._always.items():
            if name is not None and name.container != container:
                yield container, name.container
        for container, steps in self._steps.items():
            for found in sorted({name.container for _, name in steps if name is not None}):
                yield container, found

    def _undecided(self, groups: pl.DataFrame) -> Iterator[str]:
        """Containers whose name changes within a group of their lines: lines have to be looked at.

        Those whose groups all have one name are settled here.
        """
        if not self._steps:
            return
        rows = groups.filter(pl.col("container").is_in(list(self._steps))).select(
            "container", pl.col("first", "last").cast(pl.Int64)
        )
        found: dict[str, set[Name | None]] = {}
        open_: set[str] = set()
        for container, first, last in rows.iter_rows():
            steps = self._steps[container]
            places = [
                0 if at is None else bisect_right(steps, at, key=lambda step: step[0])
                for at in (first, last)
            ]
            if places[0] != places[1]:
                open_.add(container)
            names = found.setdefault(container, set())
            names.add(steps[places[0] - 1][1] if places[0] else None)
        for container, several in found.items():
            if container in open_ or len(several) > 1:
                yield container

    def rename(self, frame: pl.DataFrame) -> pl.DataFrame:
        """FRAME (normalised: lines, or groups of lines) with better names where there are any."""
        self._learn(frame)
        frame = self._with_pods(frame)
        better = [(old, *_row(new)) for old, new in self._always.items() if new is not None]
        if better:
            frame = _called(frame, pl.DataFrame(better, schema=_NAMED, orient="row"), ["container"])
        if not self._steps:
            return frame
        rows = frame["container"].is_in(list(self._steps)).fill_null(False).arg_true()
        if rows.is_empty():
            return frame
        # Groups that are looked at here have one name from their first line to their last.
        at = "time" if "time" in frame.columns else "first"
        steps = pl.DataFrame(
            [(old, when, *_row(new)) for old, steps in self._steps.items() for when, new in steps],
            schema={"container": pl.String, "at": pl.Int64, "to": pl.String, "called": pl.String,
                    "key": pl.String}, orient="row",
        ).sort("at")  # fmt: skip
        asked = frame[rows].select("container", pl.col(at).cast(pl.Int64).alias("at"), place=rows)
        found = (
            asked.drop_nulls("at").sort("at")
            .join_asof(steps, on="at", by="container", check_sortedness=False)
            .drop_nulls("to").select("place", "to", "called", "key")
        )  # fmt: skip
        numbered = frame.with_row_index("place").with_columns(pl.col("place").cast(pl.Int64))
        found = found.with_columns(pl.col("place").cast(pl.Int64))
        return _called(numbered, found, ["place"]).drop("place")

    def _with_pods(self, frame: pl.DataFrame) -> pl.DataFrame:
        """FRAME with the uid of the Pod as `pod_key` where a line has a CUID and the Pod's name."""
        if not self._rungs.known or frame.filter(_BY_NAME).is_empty():
            return frame
        if self._homes.height:
            on = ["container", "namespace", "pod"]
            frame = frame.join(
                self._homes, on=on, how="left", nulls_equal=True, maintain_order="left"
            )
        else:
            frame = frame.with_columns(
                home=pl.lit(None, pl.String), settled=pl.lit(None, pl.Boolean)
            )
        met = _BY_NAME & pl.col("settled").fill_null(False)
        frame = self._with_pods_met_now(
            frame.with_columns(
                pod_key=pl.when(met).then(pl.coalesce("home", "pod_key")).otherwise("pod_key")
            ),
            (_BY_NAME & pl.col("settled").is_null()).fill_null(False),
        )
        return frame.drop("home", "settled")

    def _homes_of(self, groups: pl.DataFrame) -> pl.DataFrame:
        """Which Pod each container of GROUPS is in whose lines have its name alone, if it is known.

        From the first to the last of all those lines: how they are cut into groups is no matter.
        """
        rows = groups.filter(_BY_NAME & (pl.col("kind") == "event") & self._rungs.known)
        lives = rows.group_by("container", "namespace", "pod").agg(
            pl.col("first").min().cast(pl.Int64), pl.col("last").max().cast(pl.Int64)
        )
        found = [
            (container, space, pod, True,
             self._rungs.home(Who(None, None, None, None, None, space, pod), first, last))
            for container, space, pod, first, last in lives.iter_rows()
        ]  # fmt: skip
        return pl.DataFrame(
            found, schema={"container": pl.String, "namespace": pl.String, "pod": pl.String,
                           "settled": pl.Boolean, "home": pl.String}, orient="row",
        )  # fmt: skip

    def _with_pods_met_now(self, frame: pl.DataFrame, by_name: pl.Expr) -> pl.DataFrame:
        """FRAME with the Pods of containers that the summary did not know, from line to line."""
        if frame.filter(by_name).is_empty():
            return frame
        for key in frame.filter(by_name).select("namespace", "pod").unique().iter_rows():
            if key not in self._pods:
                self._pods[key] = self._keys_of(*key)
        steps = pl.DataFrame(
            [(space or "", pod, *step) for (space, pod), found in self._pods.items()
             for step in found],
            schema={"space": pl.String, "pod": pl.String, "at": pl.Int64, "key": pl.String},
            orient="row",
        ).sort("at")  # fmt: skip
        if steps.is_empty():
            return frame
        ends = ("time", "time") if "time" in frame.columns else ("first", "last")
        asked = frame.with_row_index("place").filter(by_name).select(
            "place", "pod", space=pl.col("namespace").fill_null(""),
            first=pl.col(ends[0]).cast(pl.Int64), last=pl.col(ends[1]).cast(pl.Int64),
        )  # fmt: skip
        keys = []
        for end in ("first", "last"):
            found = (
                asked.with_columns(at=pl.col(end).fill_null(_EVER)).sort("at")
                .join_asof(steps, on="at", by=["space", "pod"], check_sortedness=False)
                .sort("place")
            )  # fmt: skip
            keys.append(found["key"])
        settled = keys[0].set((keys[0] != keys[1]).fill_null(True), None)
        column = frame["pod_key"].clone().scatter(
            asked["place"], pl.select(pl.coalesce(settled, frame["pod_key"].gather(asked["place"])))
            .to_series()
        )  # fmt: skip
        return frame.with_columns(column.alias("pod_key"))

    def _keys_of(self, space: str | None, pod: str) -> list[tuple[int, str | None]]:
        turns = self._rungs.turns(Who(None, None, None, None, None, space, pod))
        if turns is None:
            return []
        always, steps = turns
        if not steps:
            return [(_EVER, None if always is None else always.key)]
        return [(at, None if name is None else name.key) for at, name in steps]

    # -- addresses -------------------------------------------------------------------------

    def join(self, frame: pl.DataFrame) -> pl.DataFrame:
        """FRAME (normalised) with the names and addresses told.

        Adds ip_from: `own`, `evidence` or null.
        """
        return self.fill(self.rename(frame))

    def fill(self, frame: pl.DataFrame) -> pl.DataFrame:
        """FRAME, renamed, with the own addresses that evidence tells, and ip_from."""
        frame = frame.with_columns(ip_from=pl.when(pl.col("ip").is_not_null()).then(pl.lit("own")))
        if not self._told and not self._told_of_pods:
            return frame
        ip = pl.coalesce(
            "ip", _still(self._told, "container"), _still(self._told_of_pods, "pod_key")
        )
        frame = frame.with_columns(ip=ip)
        moved = pl.col("container").is_in(_moved(self._told)) | pl.col("pod_key").is_in(
            _moved(self._told_of_pods)
        )
        if "time" in frame.columns:
            rows = frame.select(at=(pl.col("ip").is_null() & moved).fill_null(False))["at"]
            at = rows.arg_true()
            ips = [
                self._ip_at(*row)
                for row in frame.select("container", "pod_key", pl.col("time").cast(pl.Int64))
                .gather(at)
                .iter_rows()
            ]
            if ips:
                frame = frame.with_columns(ip=frame["ip"].scatter(at, ips))
        return frame.with_columns(
            ip_from=pl.when(pl.col("ip_from").is_null() & pl.col("ip").is_not_null())
            .then(pl.lit("evidence"))
            .otherwise("ip_from")
        )

    def moves(self, groups: pl.DataFrame) -> list[str]:
        """Containers that evidence gives more than one address: theirs depend on the time."""
        moved = groups.filter(
            pl.col("container").is_in(_moved(self._told))
            | pl.col("pod_key").is_in(_moved(self._told_of_pods))
        )
        return sorted(set(moved["container"].drop_nulls()))

    def _ip_at(self, container: str, pod_key: str | None, at: int | None) -> str:
        known = self._told.get(container) or self._told_of_pods[str(pod_key)]
        if at is None:
            return known[0][1]
        place = bisect_right([when for when, _ in known], at)
        return known[max(place - 1, 0)][1]

    # -- evidence --------------------------------------------------------------------------

    def _settled(self, evidence: pl.DataFrame) -> pl.DataFrame:
        """EVIDENCE with the names that it gives itself."""
        if evidence.is_empty():
            return evidence
        named = []
        for cuid, container, identity, key, at, until, *said in evidence.select(
            "cuid", "container", "identity", "pod_key", pl.col("at", "until").cast(pl.Int64),
            *Who._fields,
        ).iter_rows():  # fmt: skip
            name = Name(container, identity, key)
            if cuid is None:
                who = Who(*said)
                name = self._rungs.name(who) or self._in_turn(who, at, until) or name
            named.append((name.container, name.identity, name.key or key))
        columns = dict(zip(("container", "identity", "pod_key"), zip(*named, strict=True),
                           strict=True))  # fmt: skip
        return evidence.with_columns(
            pl.Series(name, values, dtype=EVIDENCE[name]) for name, values in columns.items()
        )

    def _in_turn(self, who: Who, at: int | None, until: int | None) -> Name | None:
        """The Pod that had WHO's name all the time from AT to UNTIL."""
        turns = None if who.container_id or who.pod is None else self._rungs.turns(who)
        if turns is None or not turns[1]:
            return turns and turns[0]
        if at is None or until is None:
            return None
        begin, end = (bisect_right(turns[1], t, key=lambda step: step[0]) for t in (at, until))
        return turns[1][begin - 1][1] if begin and begin == end else None

    def standing(self, summary: Summary, addresses: list[Address]) -> list[tuple[str, int, str]]:
        """(ip, ns, holder) of the Pods of which an object says that they have their address."""
        leases = {address.ip: address.leases for address in addresses}
        rows = summary.evidence.filter(
            pl.col("ip").is_not_null() & pl.col("until").is_not_null()
            & pl.col("cuid").is_null() & pl.col("lifecycle").is_null()
            & (pl.col("lease").is_null() | (pl.col("lease") != "release"))
        ).select("container", "ip", pl.col("until").cast(pl.Int64))  # fmt: skip
        return sorted(
            {
                (ip, at, lease.holder)
                for container, ip, at in rows.iter_rows()
                for lease in leases.get(ip, ())
                if container in lease.containers and lease.first <= at <= lease.last
            },
            key=lambda known: known[1],
        )


def _row(name: Name | None) -> tuple[str | None, str | None, str | None]:
    return (None, None, None) if name is None else (name.container, name.identity, name.key)


def _called(frame: pl.DataFrame, names: pl.DataFrame, on: list[str]) -> pl.DataFrame:
    """FRAME with container, identity, cuid and pod_key as NAMES (to, called, key) say."""
    known = pl.col("to").is_not_null()
    called = pl.col("called").cast(IDENTITY)
    return (
        frame.join(names, on=on, how="left", maintain_order="left")
        .with_columns(
            identity=pl.when(known).then(called).otherwise("identity"),
            cuid=pl.when(called == "cuid").then("to").otherwise("cuid"),
            container=pl.coalesce("to", "container"),
            pod_key=pl.coalesce("key", "pod_key"),
        )
        .drop("to", "called", "key")
    )


def _addresses(evidence: pl.DataFrame) -> tuple[Told, Told]:
    """The addresses that EVIDENCE tells: of containers by their CUID, and of Pods.

    A Pod keeps its address: what its object says holds for all its containers. Of a dual stack the
    IPv4 address is the container's own; a Pod that is known by its name alone tells nothing, unless
    no other Pod can have that name.
    """
    told: Told = {}
    pods: Told = {}
    if evidence.is_empty():
        return told, pods
    rows = evidence.filter(pl.col("ip").is_not_null()).select(
        "container", "identity", "pod_key", "weak", "ip", pl.col("at").cast(pl.Int64)
    )
    v6 = pl.col("ip").str.contains(":", literal=True)
    for container, identity, key, weak, ip, at in rows.sort(
        v6, "at", "ip", nulls_last=False
    ).iter_rows():
        if weak and identity == "pod_name":
            continue
        of, name = (told, container) if identity == "cuid" else (pods, key)
        if name is None:
            continue
        known = of.setdefault(name, [])
        if known and ":" in ip and ":" not in known[0][1]:
            continue
        if not known or known[-1][1] != ip:
            known.append((at or 0, ip))
    return told, pods


def _with_addresses(evidence: pl.DataFrame, pods: Told) -> pl.DataFrame:
    """EVIDENCE whose records of an address given back say which one, if they name its holder."""
    if not pods:
        return evidence
    lacking = (pl.col("lease") == "release") & pl.col("ip").is_null()
    return evidence.with_columns(ip=pl.when(lacking).then(_still(pods, "pod_key")).otherwise("ip"))


def _still(told: Told, column: str) -> pl.Expr:
    """The one address of each in TOLD that has just one."""
    known = {name: ips[0][1] for name, ips in told.items() if len(ips) == 1}
    if not known:
        return pl.lit(None, pl.String)
    return pl.col(column).replace_strict(
        list(known), list(known.values()), default=None, return_dtype=pl.String
    )


def _moved(told: Told) -> list[str]:
    return [name for name, ips in told.items() if len(ips) > 1]


class Holders:
    """Who had an address at a time: for lines that know nothing but an IP."""

    def __init__(self, addresses: list[Address]) -> None:
        self._leases = {address.ip: address.leases for address in addresses}

    def at(self, ip: str, when: int) -> Lease | None:
        """The lease of IP's only holder at WHEN (ns), as `held` has it."""
        leases, _ = held(self._leases.get(ip, ()), when)
        return leases[0] if len({lease.holder for lease in leases}) == 1 else None
