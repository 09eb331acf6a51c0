"""Events annotated as they come: what a line of a stream says of addresses holds until it changes.

A file is read twice, so that all leases are known before the first event is answered. A stream is
answered at once: who was seen with an address keeps it until another is seen with it, or until its
end is known. Such answers say `by: stream`, and may differ from those of a file.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from cuidx.analyses.annotate import ANNOTATED
from cuidx.enrich.holding import AMBIGUOUS, Timetable
from cuidx.enrich.identity import request_key
from cuidx.enrich.leases import SECOND
from cuidx.enrich.mentions import mentions

_MOST_REQUESTS: Final = 100_000  # of the latest ones it is kept who took part
_STARTS: Final = -(1 << 63)


@dataclass(slots=True)
class _Address:
    """Who was seen with an address from when on; a name is None where its end is known."""

    since: list[int] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)
    last: int | None = None  # when the latest of them was seen on the stream itself
    shared: bool = False  # someone came back after another: they have it together

    def at(self, when: int | None) -> str | None:
        # Clocks differ by a second.
        place = len(self.since) if when is None else bisect_right(self.since, when + SECOND)
        return self.names[place - 1] if place else None


class Live:
    """The state of a stream. Memory grows with addresses and their changes of holder."""

    def __init__(self, timetable: Timetable, standing: Iterable[tuple[str, int, str]] = ()) -> None:
        """TIMETABLE and STANDING (ip, ns, holder that has it since) are what is known before."""
        self._timetable = timetable
        self._addresses: dict[str, _Address] = {}
        self._pods: dict[str, tuple[str, str]] = {}  # pod_key: (its container, the Pod's name)
        self._requests: OrderedDict[tuple[int, str], set[str]] = OrderedDict()
        self._ends: dict[tuple[str, str], int] = {}
        for lease in timetable.leases:
            key = (lease.ip, lease.holder)
            self._ends[key] = max(lease.last, self._ends.get(key, lease.last))
        for ip, since, name in standing:
            self._seen(ip, since, name)
            self._addresses[ip].last = None

    def annotate(self, records: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
        """EVENTS (as schema.EVENTS) as ANNOTATED: same rows, same order.

        RECORDS are those that the events are among, enriched, with what evidence came between
        them; `event` says where in EVENTS a record is, null for evidence.
        """
        found = mentions(events)
        by_row: dict[int, list[dict[str, Any]]] = {}
        asked = found.with_columns(events.select(at=pl.col("time").cast(pl.Int64)).select(
            pl.col("at").gather(found["row"])))  # fmt: skip
        clock = self._timetable.at(asked)
        for mention, answer in zip(found.iter_rows(named=True), clock, strict=True):
            by_row.setdefault(mention.pop("row"), []).append({**mention, "clock": answer})
        lists = []
        for record in records.select(
            "event", "lifecycle", "lease", "identity", "container", "pod_uid", "pod_key", "ip",
            at=pl.col("time").cast(pl.Int64), request=request_key(),
        ).iter_rows(named=True):  # fmt: skip
            self._learn(record)
            if record["event"] is not None:
                lists.append([self._said(m, record) for m in by_row.get(record["event"], [])])
        return events.with_columns(
            pl.Series("mentions", lists, dtype=ANNOTATED["mentions"])
        ).select(list(ANNOTATED))

    def _learn(self, record: dict[str, Any]) -> None:
        ip, at = record["ip"], record["at"]
        if ip is None or record["container"] is None or record["identity"] == "ip":
            return
        if record["lifecycle"] == "stop" or record["lease"] == "release":
            self._seen(ip, at, None)
            return
        name = self._name(record)
        self._seen(ip, at, name)
        if record["request"] is not None:
            key = (record["request"], ip)
            self._requests.setdefault(key, set()).add(name)
            self._requests.move_to_end(key)
            if len(self._requests) > _MOST_REQUESTS:
                self._requests.popitem(last=False)

    def _seen(self, ip: str, at: int | None, name: str | None) -> None:
        address = self._addresses.setdefault(ip, _Address())
        address.last = at
        if address.names and address.names[-1] == name:
            return
        since = address.since[-1] if address.since else _STARTS
        if at is None or at < since:
            at = since  # out of order: it is seen now, and not before the one before it
        address.shared |= name is not None and name in address.names[:-1]
        address.since.append(at)
        address.names.append(name)

    def _name(self, record: dict[str, Any]) -> str:
        """The holder's name: the containers of one Pod have its address together."""
        name, pod = str(record["container"]), record["pod_key"]
        if pod is None or record["identity"] == "cuid":
            return name
        first, joint = self._pods.setdefault(pod, (name, name))
        if joint == first != name:
            joint = str(record["pod_uid"] or pod)
            self._pods[pod] = (first, joint)
            for address in self._addresses.values():
                address.names = [joint if known == first else known for known in address.names]
        return joint

    def _keeps(self, ip: str, address: _Address, at: int | None) -> str | None:
        """Who has the address by what the stream has shown, unless its end is known."""
        name = address.at(at)
        end = None if name is None else self._ends.get((ip, name))
        if end is not None and at is not None and address.last is not None:
            # What was read before covers all that the stream has shown of it: that knows better.
            ended = address.last <= end + SECOND < at
            return None if ended else name
        return name

    def _said(self, mention: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
        ip, clock = mention["ip"], mention.pop("clock")
        address = self._addresses.get(ip)
        verdict, name, by = "unknown", None, None
        if mention["role"] == "own" and record["identity"] not in (None, "ip", "none"):
            verdict, name, by = "resolved", self._name(record), "stream"
        elif clock >= 0:
            verdict, name, by = "resolved", self._timetable.names[clock], "time"
        elif clock == AMBIGUOUS or (address is not None and address.shared):
            verdict = "ambiguous"
        elif address is not None and (name := self._keeps(ip, address, record["at"])) is not None:
            verdict, by = "resolved", "stream"
        if mention["role"] != "own" and record["request"] is not None:
            took_part = self._requests.get((record["request"], ip), set())
            if len(took_part) == 1 and name not in took_part:
                verdict, (name,), by = "resolved", took_part, "request"
        return {**mention, "verdict": verdict, "container": name, "by": by}
