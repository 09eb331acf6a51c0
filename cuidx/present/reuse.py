"""The table of `cuidx reuse`: each address's time as a lane, then its holders in order.

    10.89.1.10  4 holders, 312 lines mixed
      A━━━━┄┄┄B━┄┄┄C━━━━━━━━━━━━┄┄D━━━━━━━━━━━━━━━━━━━
      A first    payment 61ae8cdf 18:54:19-18:54:41   22

Letters tell the holders apart, so that no colour has to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from string import ascii_letters
from typing import Any, Final

from cuidx.present.accounting import many
from cuidx.present.cells import Paint, cells, clip, pad, painter, text
from cuidx.present.lanes import short_ids
from cuidx.present.result import Result
from cuidx.present.timeaxis import Axis, clock, day, moment

_WIDEST: Final = 120
_INDENT: Final = 2
_HOLDERS: Final = ("color(33)", "color(172)")  # in turn, as in the timeline
_CAPS: Final = {"change": 9, "service": 16, "container": 24, "seen": 40, "lines": 9, "pod": 40}
_RIGHT: Final = {"lines"}
Row = Mapping[str, Any]


def render(result: Result, *, width: int, color: bool) -> str:
    """RESULT's addresses, at most WIDTH columns wide: reused and shared ones first."""
    if not result.rows:
        return "no IPs\n"
    paint = painter(color)
    every: Sequence[Row] = result.rows
    several = [row for row in every if len(row["holders"]) > 1]
    single = [row for row in every if len(row["holders"]) <= 1]
    names = _names(every)
    axis = _axis(several, min(width, _WIDEST) - _INDENT)
    dated = axis is not None and day(axis.low) != day(axis.high)
    out = [paint(clip(_title(every, axis), width), "bold")]
    if axis is not None:
        out.append(paint(" " * _INDENT + _ruler(axis), "dim"))
    told = [_told(row, names, dated=dated) for row in several]
    widths = _widths([one for rows in told for one in rows], width - _INDENT - 2)
    for row, holders in zip(several, told, strict=True):
        out += _block(row, holders, widths, axis, paint)
    if single:
        rows = [{"ip": text(row["ip"]), **_told(row, names, dated=dated)[0]} for row in single]
        shown = {"ip": max(cells(one["ip"]) for one in rows), **_widths(rows, width - 41)}
        del shown["change"]
        out += [*([""] if several else []), paint("one holder each", "bold")]
        out += [_line(one, shown) for one in rows]
    if axis is not None:
        out.append(paint(clip(_LEGEND, width), "dim"))
    return "".join(clip(line, width).rstrip() + "\n" if not color else line.rstrip() + "\n"
                   for line in out)  # fmt: skip


_LEGEND: Final = "A B C holders in order \u00b7 \u2501 seen with it \u00b7 \u2504 nobody seen"


def _title(rows: Sequence[Row], axis: Axis | None) -> str:
    kinds = [row["kind"] for row in rows]
    parts = [many(len(rows), "IP"), f"{kinds.count('reused'):,} reused"]
    if kinds.count("shared"):
        parts.append(f"{kinds.count('shared'):,} shared")
    if axis is None:
        return " · ".join(parts)
    end = clock(axis.high, date=day(axis.low) != day(axis.high))
    return " · ".join([f"{day(axis.low)} {clock(axis.low, date=False)}\u2013{end} UTC", *parts])


def _names(rows: Sequence[Row]) -> dict[str, str]:
    known = {holder["container"] for row in rows for holder in row["holders"]}
    return {name: text(name) for name in known} | short_ids(known)


def _axis(rows: Sequence[Row], width: int) -> Axis | None:
    """From the first holder to the last; None without times, or room."""
    ends = [holder[end] for row in rows for holder in row["holders"]
            for end in ("first_seen", "last_seen")]  # fmt: skip
    seen = [at for at in map(moment, ends) if at is not None]
    return Axis(min(seen), max(seen), width) if seen and width >= 20 else None


def _ruler(axis: Axis) -> str:
    ruler = [" "] * axis.width
    for cell, label in axis.ticks():
        if cell + 1 + len(label) <= axis.width:
            ruler[cell : cell + 1 + len(label)] = "\u2577" + label
    return "".join(ruler)


def _mark(at: int) -> str:
    return ascii_letters[26:][at] if at < 26 else ascii_letters[at - 26] if at < 52 else "*"


def _told(row: Row, names: Mapping[str, str], *, dated: bool) -> list[dict[str, str]]:
    """What stands in the line of each holder."""
    lines = []
    for holder in row["holders"]:
        first, last = moment(holder["first_seen"]), moment(holder["last_seen"])
        seen = "-"
        if first is not None and last is not None:
            end = clock(last, date=dated and day(first) != day(last))
            seen = f"{clock(first, date=dated)}\u2013{end}"
        lines.append(
            {
                "change": text(holder["change"]),
                "service": text(holder["service"]) or "-",
                "container": names[holder["container"]],
                "seen": seen,
                "lines": text(holder["lines"]),
                "pod": text(holder["pod"]) or "-",
            }
        )
    return lines


def _widths(rows: Sequence[Mapping[str, str]], width: int) -> dict[str, int]:
    """The width of each column; the Pod's only where there is room for it."""
    widths = {
        name: min(max((cells(row[name]) for row in rows), default=0), cap)
        for name, cap in _CAPS.items()
    }
    if sum(widths.values()) + len(widths) - 1 > width:
        del widths["pod"]
    over = sum(widths.values()) + len(widths) - 1 - width
    for name, least in (("container", 8), ("service", 7)):
        cut = min(max(over, 0), max(widths[name] - least, 0))
        widths[name] -= cut
        over -= cut
    return widths


def _block(
    row: Row,
    holders: Sequence[Mapping[str, str]],
    widths: Mapping[str, int],
    axis: Axis | None,
    paint: Paint,
) -> Iterator[str]:
    mixed = f", {many(row['ambiguous_lines'], 'line')} mixed" if row["ambiguous_lines"] else ""
    at_once = ", at the same time" if row["kind"] == "shared" else ""
    yield paint(text(row["ip"]), "bold") + f"  {many(len(holders), 'holder')}{at_once}{mixed}"
    if axis is not None:
        yield " " * _INDENT + "".join(paint(char, style) for char, style in _lane(row, axis))
    for at, holder in enumerate(holders):
        yield f"{' ' * _INDENT}{paint(_mark(at), _HOLDERS[at % 2])} {_line(holder, widths)}"


def _lane(row: Row, axis: Axis) -> list[tuple[str, str]]:
    """The lane's cells as (character, style)."""
    lane = [(" ", "")] * axis.width
    spans = [(moment(holder["first_seen"]), moment(holder["last_seen"]))
             for holder in row["holders"]]  # fmt: skip
    end: int | None = None
    for at, (first, last) in enumerate(spans):
        if first is None or last is None:
            continue
        start, stop = axis.half(first) // 2, axis.half(last) // 2
        for cell in range(start if end is None else end + 1, start):
            lane[cell] = ("\u2504", "dim")
        for cell in range(start, stop + 1):
            lane[cell] = ("\u2501", _HOLDERS[at % 2])
        end = max(stop, stop if end is None else end)
    for at, (first, _) in enumerate(spans):  # a letter is never under a later bar
        if first is not None:
            lane[axis.half(first) // 2] = (_mark(at), _HOLDERS[at % 2])
    return lane


def _line(row: Mapping[str, str], widths: Mapping[str, int]) -> str:
    return " ".join(
        pad(clip(row[name], width, middle=name in ("container", "pod")), width,
            right=name in _RIGHT)
        for name, width in widths.items()
    )  # fmt: skip
