"""Containers as lanes: each with a short name, those that shared a reused address together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from cuidx.present.cells import text
from cuidx.present.timeaxis import moment

_UNSURE = {"pod_name", "ip", "none"}
_ID = re.compile(r"[0-9a-f]{8}-?[0-9a-f-]{8,}", re.IGNORECASE)
_SLACK = 10**6  # clocks differ: containers of one Pod that overlap by less follow one another


@dataclass(slots=True)
class Life:
    """A row, with what the drawing needs of it."""

    row: Mapping[str, object]
    name: str
    sure: bool
    ips: list[str]
    reused: list[str]
    first: int | None
    last: int | None
    start: int | None
    end: int | None
    shown: bool = False


@dataclass(slots=True)
class Line:
    """A line of the table: a container, in its place among the holders of an address."""

    life: Life
    mark: str
    ip: str
    again: bool = False  # not the first line of its address
    twice: bool = False  # its container stands above too
    holder: int | None = None  # 0 for the address's first holder; None: the address is not reused
    free_from: int | None = None  # the end of the holder before
    cells: dict[str, str] = field(default_factory=dict)


def lives_of(rows: Iterable[Mapping[str, object]]) -> list[Life]:
    """A Life for each of timeline's ROWS, in their order."""
    rows = list(rows)
    names = short_names([(text(row.get("container")), text(row.get("identity"))) for row in rows])
    lives = []
    for row, name in zip(rows, names, strict=True):
        first, last = moment(row.get("first_seen")), moment(row.get("last_seen"))
        times = [t for t in (first, last, moment(row.get("started")), moment(row.get("ended")))
                 if t is not None]  # fmt: skip
        lives.append(
            Life(
                row,
                name,
                sure=row.get("identity") not in _UNSURE,
                ips=_texts(row.get("ips")),
                reused=_texts(row.get("reused_ips")),
                first=first,
                last=last,
                start=min(times, default=None),
                end=max(times, default=None),
            )
        )
    return lives


def _texts(value: object) -> list[str]:
    return [text(item) for item in value] if isinstance(value, (list, tuple)) else []


def short_names(containers: list[tuple[str, str]]) -> list[str]:
    """The name by which each (container, identity) is shown: its shortest unique prefix, or so."""
    heads = sorted({c.partition("/")[0] for c, kind in containers if kind not in _UNSURE})
    need = dict.fromkeys(heads, 8)
    for one, two in pairwise(heads):
        same = next((i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), len(one))
        need[one] = max(need[one], same + 1)
        need[two] = max(need[two], same + 1)
    spaces = {c.partition("/")[0] for c, kind in containers if kind == "pod_name"}

    def short(container: str, kind: str) -> str:
        head, slash, tail = container.partition("/")
        if kind == "ip":
            return "~by IP alone"
        if kind in _UNSURE:
            return "~" + (tail if slash and len(spaces) == 1 else container)
        cut = need[head]
        return (head[: cut + 1] if head[cut - 1 : cut] == "-" else head[:cut]) + slash + tail

    return [short(container, kind) for container, kind in containers]


def short_ids(names: Iterable[str]) -> dict[str, str]:
    """Short names for those of NAMES that are ids; others tell by their whole."""
    ids = sorted(name for name in names if _ID.match(name))
    return dict(zip(ids, short_names([(name, "cuid") for name in ids]), strict=True))


def lines_of(lives: list[Life]) -> Iterator[Line]:
    """The holders of each reused address together, by first evidence; then all the others."""
    members: dict[str, list[int]] = {}
    for index, life in enumerate(lives):
        for ip in life.reused:
            members.setdefault(ip, []).append(index)
    groups: dict[tuple[int, ...], str] = {}  # two addresses with the same holders: one group
    for ip, holders in members.items():
        groups.setdefault(tuple(holders), ip)
    for indices, ip in sorted(groups.items()):
        yield from _group([lives[i] for i in indices], ip)
    for life in lives:
        if not life.reused:
            yield Line(life, "  ", life.ips[0] if life.ips else "")


def _group(lives: list[Life], ip: str) -> Iterator[Line]:
    holder, holder_end, free_from = -1, None, None
    pod: object = None
    for index, life in enumerate(lives):
        here = (life.row.get("namespace"), life.row.get("pod"))
        beside = index > 0 and here == pod and here[1] is not None and _overlap(life, holder_end)
        if not beside:
            holder, free_from, holder_end, pod = holder + 1, holder_end, None, here
        if life.end is not None:
            holder_end = max(life.end, holder_end or life.end)
        last = index == len(lives) - 1
        if len(lives) == 1:
            mark = "↺ "
        elif index == 0:
            mark = "┌─"
        else:
            mark = ("└" if last else "├") + ("╴" if beside else "▸")
        yield Line(
            life,
            mark,
            ip,
            again=index > 0,
            twice=life.shown,
            holder=holder,
            free_from=None if beside else free_from,
        )
        life.shown = True


def _overlap(life: Life, end: int | None) -> bool:
    return life.start is None or end is None or life.start < end - _SLACK
