"""Where evidence joins rungs of the identity ladder: then two names are one container.

    a Pod's object      uid ↔ namespace/Pod, uid + container name + restart ↔ container id
    the tagger's start  CUID ↔ uid (a sidecar's: the whole Pod; node mode's: one container of it)
    sandboxes           sandbox id ↔ uid, or ↔ namespace/Pod; sandbox id ↔ container id
    flows, Prometheus   namespace/Pod ↔ address, uid ↔ namespace/Pod

Only evidence joins. That two identities stand on one line is no proof: a collector's metadata can
be the previous Pod's for a moment. But where every line of a container id has one CUID, and every
line of that CUID this id, what evidence says of the id it says of the CUID (`only_together`).

A Pod's name is used again: by a StatefulSet always, by a Deployment never (its Pods end in five
random letters). So a name leads to a uid only at a time at which just one uid is known to have it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

import polars as pl

SECOND: Final = 1_000_000_000
# k8s.io/apimachinery, util/rand: no vowels and nothing that looks like another letter.
_GENERATED: Final = re.compile(r"-[bcdfghjklmnpqrstvwxz2456789]{5}$")

Whose = tuple[str, str | None, int | None]
"""(Pod uid, container name, restart count)."""


class Who(NamedTuple):
    """What a line or a record says of its writer, but for a CUID."""

    container_id: str | None
    pod_uid: str | None
    container_name: str | None
    restart: int | None
    sandbox_id: str | None
    namespace: str | None
    pod: str | None


class Name(NamedTuple):
    """What a container is called once evidence is known; `key` says of which Pod it is."""

    container: str
    identity: str
    key: str | None


class _Turn(NamedTuple):
    """A Pod's time with a name: it is sure from FIRST to LAST (ns), and may have been longer."""

    pod: str
    first: int
    last: int


class Rungs:
    """What EVIDENCE joins; GROUPS of lines tell which ids always stand beside one CUID."""

    def __init__(self, evidence: pl.DataFrame, groups: pl.DataFrame) -> None:
        self._same = only_together(groups, evidence)  # container id: CUID
        self._cuids: dict[Whose, set[str]] = {}
        self._ids: dict[Whose, set[str]] = {}  # the restart count is None where any will do
        self._whose: dict[str, set[Whose]] = {}  # of container ids
        self._sandbox: dict[str, set[str]] = {}  # sandbox id: uids
        self._boxes: dict[str, set[str]] = {}  # container id: sandbox ids
        self._sandboxes: set[str] = set()
        self._spaces: dict[str, set[str]] = {}  # Pod: namespaces
        self._turns: dict[tuple[str | None, str], list[_Turn]] = {}
        first = pl.min_horizontal("time", "at", "started").cast(pl.Int64)
        last = pl.max_horizontal("time", "until", "ended").cast(pl.Int64)
        rows = evidence.filter(~pl.col("weak"))
        who = [Who(*row) for row in rows.select(Who._fields).iter_rows()]
        for row, cuid in zip(who, rows["cuid"], strict=True):
            self._join(row, cuid)
        spans: dict[tuple[str | None, str, str], tuple[int, int]] = {}
        when = rows.select(first=first, last=last).iter_rows()
        for row, (low, high) in zip(who, when, strict=True):
            whom = self.pod_of(row) or row.sandbox_id
            if row.pod is None or whom is None or low is None:
                continue
            if row.namespace:
                self._spaces.setdefault(row.pod, set()).add(row.namespace)
            key = (row.namespace, row.pod, whom)
            before = spans.get(key, (low, high))
            spans[key] = min(low, before[0]), max(high, before[1])
        for (space, pod, whom), span in spans.items():
            self._turns.setdefault((space, pod), []).append(_Turn(whom, *span))
        of: dict[str, set[str]] = {}
        for (uid, *_), cuids in self._cuids.items():
            for cuid in cuids:
                of.setdefault(cuid, set()).add(uid)
        for id_, cuid in list(self._same.items()):
            home = self.pod_of(Who(id_, None, None, None, None, None, None))
            if home and home not in of.get(cuid, {home}):
                del self._same[id_]

    def _join(self, row: Who, cuid: str | None) -> None:
        uid, id_, name, restart = row.pod_uid, row.container_id, row.container_name, row.restart
        if row.sandbox_id:
            self._sandboxes.add(row.sandbox_id)
            if uid:
                self._sandbox.setdefault(row.sandbox_id, set()).add(uid)
            if id_:
                self._boxes.setdefault(id_, set()).add(row.sandbox_id)
        if not uid:
            return
        if cuid:
            self._cuids.setdefault((uid, name, restart), set()).add(cuid)
        elif id_:
            self._whose.setdefault(id_, set()).add((uid, name, restart))
            if name:
                self._ids.setdefault((uid, name, restart), set()).add(id_)
                self._ids.setdefault((uid, name, None), set()).add(id_)
                if restart:  # there was one before it at least, whose id nobody told
                    self._ids[uid, name, None].add("")

    @property
    def known(self) -> bool:
        """Whether there is anything that joins."""
        return bool(
            self._cuids or self._ids or self._whose or self._sandbox or self._turns or self._same
        )

    def pod_of(self, row: Who) -> str | None:
        """The uid of the Pod that ROW is of, where it or what joins its ids says so."""
        if row.pod_uid:
            return row.pod_uid
        id_ = row.container_id
        if id_ and (found := _only(whose[0] for whose in self._whose.get(id_, ()))):
            return found
        boxes = {row.sandbox_id} if row.sandbox_id else self._boxes.get(id_ or "", set())
        return _only(uid for box in boxes for uid in self._sandbox.get(box, ()))

    def name(self, row: Who) -> Name | None:
        """What the container of ROW is called; None: as it says itself.

        Its Pod's name is not looked at: see `turns`.
        """
        uid = self.pod_of(row)
        id_, name, restart = row.container_id, row.container_name, row.restart
        if uid is None:
            if id_:
                return self._by_id(id_, None) if id_ in self._same else None
            box = row.sandbox_id
            return Name(box, "sandbox_id", box) if box else None
        if not id_:
            return self._in_pod(uid, name, restart) or Name(
                *_by_uid(uid, name, restart), key=uid)  # fmt: skip
        if len(whose := self._whose.get(id_, set())) == 1:
            ((_, name, restart),) = whose
        return self._cuid(uid, name, restart) or self._by_id(id_, uid)

    def _by_id(self, id_: str, uid: str | None) -> Name:
        if cuid := self._same.get(id_):
            return Name(cuid, "cuid", uid)
        return Name(id_, "container_id", uid)

    def _cuid(self, uid: str, name: str | None, restart: int | None) -> Name | None:
        # Node mode has a CUID for each container; a sidecar has one for its Pod.
        for whose in ((uid, name, restart), (uid, name, None), (uid, None, None)):
            if found := _only(self._cuids.get(whose, ())):
                return Name(found, "cuid", uid)
        return None

    def _in_pod(self, uid: str, name: str | None, restart: int | None) -> Name | None:
        """The best name of a container that is known by its Pod and its name there."""
        found = self._cuid(uid, name, restart)
        if found is None and name and (id_ := _only(self._ids.get((uid, name, restart), ()))):
            found = self._by_id(id_, uid)
        return found

    def turns(self, row: Who) -> tuple[Name | None, list[tuple[int, Name | None]]] | None:
        """Who ROW is that knows its Pod by name alone: always, or from one moment to the next.

        (name, []) where that does not depend on the time; (None, steps) where each step (ns, name)
        holds until the next one. None where the Pod's name is not known at all.
        """
        turns = self._turns_of(row)
        if not turns:
            return None
        names = {turn.pod: self._of_turn(turn.pod, row) for turn in turns}
        if len(turns) == 1 and _GENERATED.search(row.pod or ""):
            return names[turns[0].pod], []
        steps: list[tuple[int, Name | None]] = []
        spans = _may_have(turns)
        edges = {edge for _, first, last in spans for edge in (first, last + 1)}
        for edge in sorted(edges):
            there = [pod for pod, first, last in spans if first <= edge <= last]
            name = names[there[0]] if len(there) == 1 else None
            if not steps or steps[-1][1] != name:
                steps.append((edge, name))
        return None, steps

    def home(self, row: Who, first: int | None, last: int | None) -> str | None:
        """Which Pod a container is in whose lines, from FIRST to LAST (ns), know ROW's name alone.

        It is in one Pod all its life: in the only one that can have had the name at both ends, or
        that surely had it at one of them, can have had it at the other, and nobody else meanwhile.
        """
        turns = self._turns_of(row)
        if len(turns) == 1 and _GENERATED.search(row.pod or ""):
            return turns[0].pod
        if first is None or last is None:
            return None
        ends = [
            {pod for pod, begin, until in _may_have(turns) if begin <= end <= until}
            for end in (first, last)
        ]
        if len(ends[0]) == 1 and ends[0] == ends[1]:
            return ends[0].pop()
        sure = {
            t.pod
            for end, there in zip((first, last), ends, strict=True)
            for t in turns
            if there == {t.pod} and t.first <= end <= t.last
        }
        if len(sure) != 1 or not all(sure <= there for there in ends if there):
            return None
        between = any(
            max(t.first, first + SECOND) <= min(t.last, last - SECOND)
            for t in turns
            if t.pod not in sure
        )
        return None if between else sure.pop()

    def _turns_of(self, row: Who) -> list[_Turn]:
        pod, space = row.pod or "", row.namespace
        if space is None:
            space = _only(self._spaces.get(pod, ()))
        return self._turns.get((space, pod), [])

    def _of_turn(self, whom: str, row: Who) -> Name:
        if found := self._in_pod(whom, row.container_name, row.restart):
            return found
        if whom in self._sandboxes:
            return Name(whom, "sandbox_id", whom)
        return Name(*_by_uid(whom, row.container_name, row.restart), key=whom)


def only_together(groups: pl.DataFrame, evidence: pl.DataFrame) -> dict[str, str]:
    """Container ids in EVIDENCE that stand on all lines of one CUID, and on no others: id → CUID.

    None whose evidence contradicts, by more than a second: it began or ended amid those lines.
    """
    told = evidence.filter(pl.col("cuid").is_null() & pl.col("container_id").is_not_null())
    if told.is_empty():
        return {}
    events = groups.filter(pl.col("kind") == "event")
    events = events.filter(
        pl.col("cuid").is_in(
            events.filter(pl.col("container_id").is_in(told["container_id"].implode()))["cuid"]
            .drop_nulls().unique().implode()
        )
        | pl.col("container_id").is_in(told["container_id"].implode())
    )  # fmt: skip
    if events.is_empty():
        return {}
    ids: dict[str | None, set[str | None]] = {}
    cuids: dict[str | None, set[str | None]] = {}
    for cuid, id_ in events.select("cuid", "container_id").iter_rows():
        ids.setdefault(cuid, set()).add(id_)
        cuids.setdefault(id_, set()).add(cuid)
    against = contradicted(events, told)
    return {
        id_: cuid
        for id_, (cuid, *more) in cuids.items()
        if id_ and cuid and not more and ids[cuid] == {id_} and id_ not in against
    }


def contradicted(events: pl.DataFrame, evidence: pl.DataFrame) -> set[str]:
    """Container ids that EVENTS (groups) carry before or after their life in EVIDENCE."""
    starts, stops = (
        pl.col("time").filter(pl.col("lifecycle") == turn) for turn in ("start", "stop")
    )
    bounds = evidence.group_by("container_id").agg(
        begun=pl.min_horizontal(starts.min(), pl.col("started").min()),
        ended=pl.max_horizontal(stops.max(), pl.col("ended").max()),
    )
    second = pl.duration(seconds=1)
    wrong = (
        events.group_by("container_id").agg(pl.col("first").min(), pl.col("last").max())
        .join(bounds, on="container_id")
        .filter((pl.col("first") < pl.col("begun") - second)
                | (pl.col("last") > pl.col("ended") + second))
    )  # fmt: skip
    return set(wrong["container_id"])


def _may_have(turns: list[_Turn]) -> list[tuple[str, int, int]]:
    """(Pod, first, last): when each of TURNS is taken to have the name.

    A clock may be a second off. But before a later Pod was there, the name may still have been that
    of the one before, however early the last is heard of it.
    """
    earliest = min((t.first for t in turns), default=0)
    return [(t.pod, t.first - SECOND * (t.first == earliest), t.last + SECOND) for t in turns]


def _by_uid(uid: str, name: str | None, restart: int | None) -> tuple[str, str]:
    """(container, identity) of what is known by its Pod's uid, as `normalise` writes it."""
    again = f"#{restart}" if name and restart else ""
    return (f"{uid}/{name}{again}" if name else uid), "pod_uid"


def _only(values: Iterable[str]) -> str | None:
    """The one value that VALUES have; None if they are none or several."""
    found = set(values)
    return found.pop() if len(found) == 1 else None
