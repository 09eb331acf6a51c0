"""The tree of `cuidx trace`: who called whom, and each one's lines with the time since the first.

       0ms gateway 8ff47db0        POST /checkout user=u263
     +19ms └─ payment 61ae8cdf     charge order=1005 amount=695.91
     +71ms    ├─ store 74ef739c    reserve sku=sku-3 order=1005
    +2.01s gateway 8ff47db0      ✗ upstream timed out → payment 7142ce5c

Two calls of one container by one caller are told apart by the caller's port, where lines have it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from cuidx.present.accounting import many
from cuidx.present.cells import Paint, cells, clip, pad, painter, text
from cuidx.present.lanes import short_names
from cuidx.present.result import Result
from cuidx.present.timeaxis import clock, day, duration, moment

_BAD: Final = ("ERROR", "CRITICAL", "ALERT", "FATAL")
_WIDE: Final = 110  # from so many columns on, there is room for the date
_REQUESTS: Final = 20  # of a container's, drawn; the rest is counted
Row = Mapping[str, Any]
Hop = tuple[Row, str | None, str | None]  # a row, its level, its caller's port
# What stands before the message proper in a text line, and is in the other columns.
_STAMP: Final = re.compile(
    r"^\[?[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.,]+(?:Z|[+-][0-9:]+)?\]?\s*(?:[A-Z]{4,8}\b\s*)?"
)


@dataclass(slots=True)
class _Call:
    """A container at work for a caller: the lines that it wrote, and the calls that it made."""

    container: str | None
    caller: str | None
    hops: list[Hop] = field(default_factory=list)
    parent: _Call | None = None
    port: str | None = None

    @property
    def depth(self) -> int:
        return 0 if self.parent is None else 1 + self.parent.depth


def render(result: Result, *, width: int, color: bool) -> str:
    """RESULT's hops as a tree for each request, at most WIDTH columns wide."""
    paint = painter(color)
    rows = cast("Sequence[Row]", result.rows)
    levels = cast("Sequence[str | None]", result.drawn["levels"])
    asked = result.drawn["container"]
    if not rows:
        return "no hops\n"
    names = _names(rows)
    ports = cast("Sequence[str | None]", result.drawn["ports"])
    requests: dict[str, list[Hop]] = {}
    for row, level, port in zip(rows, levels, ports, strict=True):
        key = text(row["request_id"]).lower().replace("-", "")
        requests.setdefault(key, []).append((row, level, port))
    out = []
    whole = list(requests.values())
    shown = whole
    if asked is not None:
        shown, said = _before_first_error(whole, text(asked), names)
        out.append(paint(clip(said, width), "bold"))
    for hops in shown[-_REQUESTS:]:
        out += [*([""] if out else []), *_tree(hops, names, width, paint)]
    if (more := len(whole) - len(shown[-_REQUESTS:])) > 0:
        out += ["", f"{many(more, 'request')} more through it (-f jsonl has every hop)"]
    return "".join(line.rstrip() + "\n" for line in out)


def _names(rows: Sequence[Row]) -> dict[str, str]:
    """How each container is shown: its service, and the shortest part of its name that is clear."""
    known = sorted({row[end] for row in rows for end in ("container", "from", "to")} - {None})
    services = {row["container"]: text(row["service"]) for row in rows}
    short = short_names([(text(name), "cuid") for name in known])
    return {
        name: f"{services.get(name, '')} {brief}".strip()
        for name, brief in zip(known, short, strict=True)
    }


def _before_first_error(
    requests: list[list[Hop]], container: str, names: Mapping[str, str]
) -> tuple[list[list[Hop]], str]:
    """The requests that began before the container's first error, that one last; and a title."""
    title = f"{many(len(requests), 'request')} through {names.get(container, container)}"
    for hops in requests:
        for row, level, _ in hops:
            if row["container"] == container and level in _BAD:
                break
        else:
            continue
        break
    else:
        return requests, f"{title}, without an error of its own"
    first = min(
        (
            (row["time"] or "", place)
            for place, hops in enumerate(requests)
            for row, level, _ in hops
            if row["container"] == container and level in _BAD
        )
    )
    until = [hops for hops in requests if (hops[0][0]["time"] or "") <= first[0]]
    failed = requests[first[1]]
    shown = [hops for hops in until if hops is not failed] + [failed]
    at = moment(first[0])
    when = f" at {clock(at, date=False)}" if at is not None else ""
    return shown, f"{title}; {many(len(shown), 'request')} until its first error{when}"


def _tree(hops: list[Hop], names: Mapping[str, str], width: int, paint: Paint) -> list[str]:
    calls = _calls(hops)
    times = [at for row, *_ in hops if (at := moment(row["time"])) is not None]
    low = min(times, default=None)
    containers = {row["container"] for row, *_ in hops} - {None}
    title = f"request {text(hops[0][0]['request_id'])}"
    if low is not None:
        date = f"{day(low)} " if width >= _WIDE else ""
        title += f" · {date}{clock(low, date=False)} UTC, {duration(max(times) - low)}"
    title += f" · {many(len(hops), 'hop')}, {many(len(containers), 'container')}"
    out = [paint(clip(title, width), "bold")]
    heads = {id(call): _head(call, calls, names) for call in calls}
    wide = min(max(cells(head) for head in heads.values()), max(width // 3, 20))
    for call in _in_depth(calls):
        bar = "   " * call.depth
        for place, (row, level, _) in enumerate(call.hops):
            at = moment(row["time"])
            since = "" if at is None or low is None else f"+{duration(at - low)}"
            head = heads[id(call)] if place == 0 else bar + ("│" if _has_calls(call, calls) else "")
            bad = level in _BAD
            mark = "✗" if bad else "!" if level == "WARN" else " "
            other = row["to"] if row["from"] == row["container"] else None
            message = _STAMP.sub("", " ".join(text(row["message"]).split()))
            if other is not None and other != row["container"]:
                message = f"→ {names[other]}: {message}"
            line = f"{pad(since, 8, right=True)} {pad(clip(head, wide), wide)} {mark} {message}"
            out.append(paint(clip(line, width), "red" if bad else ""))
    return out


def _calls(hops: list[Hop]) -> list[_Call]:
    """The calls that HOPS speak of, in the order of their first lines."""
    calls: list[_Call] = []

    def latest(container: str | None) -> _Call | None:
        if container is None:
            return None
        return next((call for call in reversed(calls) if call.container == container), None)

    for hop in hops:
        row, _, port = hop
        me, caller = row["container"], row["from"]
        if caller == me or row["to"] != me:
            caller = None
        call = next(
            (
                c
                for c in reversed(calls)
                if c.container == me
                and (caller is None or (c.caller == caller and port in (None, c.port)))
            ),
            None,
        )
        if call is None:
            call = _Call(me, caller, parent=latest(caller), port=port)
            calls.append(call)
        call.hops.append(hop)
    return calls


def _in_depth(calls: list[_Call]) -> list[_Call]:
    def below(parent: _Call | None) -> list[_Call]:
        return [one for call in calls if call.parent is parent for one in (call, *below(call))]

    return below(None)


def _has_calls(call: _Call, calls: list[_Call]) -> bool:
    return any(other.parent is call for other in calls)


def _head(call: _Call, calls: list[_Call], names: Mapping[str, str]) -> str:
    name = names.get(call.container or "", "nobody known")
    if call.parent is None:
        return name
    last = [other for other in calls if other.parent is call.parent][-1] is call
    again = sum(
        other.container == call.container and other.caller == call.caller
        for other in calls[: calls.index(call)]
    )
    return (
        "   " * (call.depth - 1)
        + ("└─ " if last else "├─ ")
        + name
        + (f" (call {again + 1})" if again else "")
    )
