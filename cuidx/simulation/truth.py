"""What really happened: who lived when, who had which address, and whom each mention meant.

    truth.json             containers, leases, clocks, counts, and the files of the story
    truth_mentions.jsonl   a row for each address that a line names in its text or as its peer:
        {"file":"events.jsonl","line":7,"ip":"10.42.0.9","at":"…","cuid":"…","instance":12}

`cuid` is whose address the line is about, null where it is no container's; `instance` its place in
`containers`. `held_by` is there where another had the address by then (null: nobody), `shared`
where others have it too (a node's). A line's own address is its writer's, and in no row.
Times are the true ones, whatever the writer's clock says.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Any, Final

from cuidx.simulation.clock import stamp
from cuidx.simulation.cluster import OPEN, Instance
from cuidx.simulation.shapes import CLUSTER, NAMESPACE, node
from cuidx.simulation.traffic import NOBODY

NAME: Final = "truth.json"
MENTIONS: Final = "truth_mentions.jsonl"
# A folder's logs are read without the two: `sources.paths` knows them, and how truth.json begins.


class Held:
    """Who had an address at a moment. A Pod's next container has it from the former's end on."""

    def __init__(self, instances: Iterable[Instance]) -> None:
        self.since: dict[int, int] = {}
        self.until: dict[int, int] = {}
        spans: dict[str, list[tuple[int, int, int]]] = {}
        for one in instances:
            mine = one.pod.instances
            place = mine.index(one)
            since = one.pod.leased if place == 0 else mine[place - 1].ended
            until = one.pod.released if one is mine[-1] else one.ended
            self.since[one.number], self.until[one.number] = since, until
            if not one.pod.host_network:
                spans.setdefault(one.pod.ip, []).append((since, until, one.number))
        self._spans = {ip: sorted(found) for ip, found in spans.items()}

    def at(self, ip: str, moment: int) -> int:
        """The number of whoever had IP then, or NOBODY."""
        spans = self._spans.get(ip, [])
        place = bisect_right(spans, moment, key=lambda span: span[0]) - 1
        if place >= 0 and moment < spans[place][1]:
            return spans[place][2]
        return NOBODY


def mention(held: Held, instances: list[Instance], file: str, line: int, ip: str, who: int,
            moment: int) -> str:  # fmt: skip
    """One row of truth_mentions.jsonl."""
    head = f'{{"file":"{file}","line":{line},"ip":"{ip}","at":"{stamp(moment)}","cuid":'
    if who == NOBODY:
        return f'{head}null,"instance":null}}\n'
    one = instances[who]
    if one.pod.host_network:
        return f'{head}"{one.cuid}","instance":{who},"shared":true}}\n'
    if held.since[who] <= moment < held.until[who]:
        return f'{head}"{one.cuid}","instance":{who}}}\n'
    holder = held.at(ip, moment)
    other = "null" if holder == NOBODY else f'"{instances[holder].cuid}"'
    return f'{head}"{one.cuid}","instance":{who},"held_by":{other}}}\n'


def _time(at: int) -> str | None:
    return None if at == OPEN else stamp(at)


def containers(instances: list[Instance], lines: list[int], spans: dict[int, list[int]],
               held: Held) -> list[dict[str, Any]]:  # fmt: skip
    """A row for each container, in the order in which they started."""
    rows = []
    for one in instances:
        pod = one.pod
        first, last = spans.get(one.number, (OPEN, OPEN))
        rows.append({
            "instance": one.number, "cuid": one.cuid, "container_id": one.container_id,
            "restart": one.restart, "pod": pod.name, "pod_uid": pod.uid,
            "namespace": NAMESPACE, "service": pod.service, "node": node(one), "ip": pod.ip,
            "host_network": pod.host_network, "started": stamp(one.started),
            "ended": _time(one.ended), "end": one.end,
            "address_from": stamp(held.since[one.number]),
            "address_to": _time(held.until[one.number]),
            "lines": lines[one.number], "first_line": _time(first), "last_line": _time(last),
        })  # fmt: skip
    return rows


def leases(instances: list[Instance], held: Held) -> list[dict[str, Any]]:
    """Who had which address from when to when: one row for each CUID and its time on it."""
    rows: list[dict[str, Any]] = []
    spans: dict[tuple[str, str], tuple[int, int, Instance]] = {}
    for one in instances:
        key = (one.pod.ip, one.cuid)
        since, until = held.since[one.number], held.until[one.number]
        if key in spans:
            since, until = min(since, spans[key][0]), max(until, spans[key][1])
        spans[key] = (since, until, one)
    for (ip, cuid), (since, until, one) in sorted(
        spans.items(), key=lambda item: (item[0][0], item[1][0], item[0][1])
    ):
        rows.append({"ip": ip, "cuid": cuid, "pod": one.pod.name, "pod_uid": one.pod.uid,
                     "from": stamp(since), "to": _time(until),
                     "shared": one.pod.host_network})  # fmt: skip
    return rows


def clocks(found: list[int]) -> dict[str, float]:
    """Each node's clock: seconds that it is ahead of the true time."""
    return {f"node-{place + 1}": off / 1_000 for place, off in enumerate(found)}


CONTEXT: Final = {"namespace": NAMESPACE, "cluster": CLUSTER}
