"""The table of `cuidx timeline`: a bar for each container on one time axis.

    ┌─ 10.89.1.10 payment 61ae8cdf ━━━━━╸     ┊        ↷  22  ·
    └▸ 10.89.1.10 store   73c55328      ╰┄┄━━━━━───────▸  18 !1

Containers that had one address one after the other stand together, in time order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import cast

from cuidx.present.accounting import many
from cuidx.present.cells import Paint, cells, clip, pad, painter, text
from cuidx.present.lanes import Life, Line, lines_of, lives_of
from cuidx.present.result import Result
from cuidx.present.timeaxis import Axis, clock, day, duration

_ENDS = {"stopped": "■", "replaced": "↷", "open": "▸", "unknown": "?"}
_KNOWN = {
    "cuid": "cuid",
    "container_id": "container id",
    "pod_uid": "Pod uid",
    "sandbox_id": "sandbox",
    "pod_name": "Pod name",
    "ip": "IP alone",
}
# Two colours in turn for the holders of an address: told apart also by the colour-blind, on dark
# and on light ground.
_HOLDERS = ("color(33)", "color(172)")
# A cell of the bar from its left and right half: nothing, thin (evidence), thick (lines).
_CELL = {
    **{(0, 0): " ", (0, 1): "╶", (0, 2): "╺", (1, 0): "╴", (1, 1): "─", (1, 2): "╼"},
    **{(2, 0): "╸", (2, 1): "╾", (2, 2): "━"},
}
_WIDE = 110  # from so many columns on, names may be long
_LONG = 40  # from so many rows on, the axis is drawn again below


def render(result: Result, *, width: int, color: bool) -> str:
    """RESULT's containers, WIDTH columns wide; with COLOR for a terminal of 256 colours."""
    if not result.rows:
        return "no containers\n"
    held = cast("Mapping[str, tuple[str, str]]", result.drawn.get("held", {}))
    lives = lives_of([_held(row, held) for row in result.rows])
    axis = _axis(lives)
    lines = list(lines_of(lives))
    spaced = _spaced(lives, wide=width >= _WIDE)
    for line in lines:
        line.cells = _cells(line, axis, spaced=spaced)
    kinds = {life.row.get("identity") for life in lives}
    titles = {"CONTAINER": "CUID"} if kinds == {"cuid"} else {}
    columns, bar = _columns(lines, titles, width, timed=axis is not None, mixed=len(kinds) > 1)
    paint = painter(color)
    out = [paint(entry, "bold") for entry in _wrapped(_title(lives, axis), width)]
    if axis is not None and bar:
        axis = Axis(axis.low, axis.high, bar)
        ticks = axis.ticks()
        head = _head(columns, _ruler(ticks, bar), titles)
        grid = {cell for cell, _ in ticks}
    else:
        head, grid = _head(columns, "", titles), set()
        bar = 0
    out.append(paint(head, "dim"))
    for line in lines:
        drawn = _bar(line, axis, grid) if axis is not None and bar else []
        out.append(_row(line, columns, drawn, paint))
    if len(lines) >= _LONG:
        out.append(paint(head, "dim"))
    legend = _legend(lines, axis if bar else None)
    out += [paint(entry, "dim") for entry in _wrapped(legend, width)]
    return "".join(entry.rstrip() + "\n" for entry in out)


def _held(row: Mapping[str, object], held: Mapping[str, tuple[str, str]]) -> Mapping[str, object]:
    """ROW; one without any time stands where evidence shows its container with an address."""
    if any(row.get(name) for name in ("first_seen", "last_seen", "started", "ended")):
        return row
    first, last = held.get(str(row.get("container")), (None, None))
    return {**row, "started": first, "ended": last}


def _spaced(lives: list[Life], *, wide: bool) -> bool:
    """Whether services are shown with their namespace: where it tells two apart, or has room."""
    named = {(life.row.get("service"), life.row.get("namespace")) for life in lives}
    spaces = {namespace for _, namespace in named if namespace}
    return len(spaces) > 1 and (wide or len({service for service, _ in named}) < len(named))


def _cells(line: Line, axis: Axis | None, *, spaced: bool) -> dict[str, str]:
    life, row = line.life, line.life.row
    others = len({*life.ips} - {line.ip})
    service = text(row.get("service")) or "-"
    if spaced and row.get("namespace"):
        service = f"{text(row.get('namespace'))}/{service}"
    days = axis is not None and day(axis.low) != day(axis.high)
    end = text(row.get("end")) or "unknown"
    kind = text(row.get("identity"))
    errors = row.get("errors")
    return {
        "IP": (line.ip or "-") + (f" +{others}" if others else ""),
        "SERVICE": service,
        "CONTAINER": life.name,
        "KNOWN BY": _KNOWN.get(kind, kind),
        "POD": text(row.get("pod")) or "-",
        "END": f"{_ENDS.get(end, '?')} {end}",
        "FIRST": "-" if life.first is None else clock(life.first, date=days),
        "LAST": "-" if life.last is None else clock(life.last, date=days),
        "SPAN": "-" if life.start is None or life.end is None else duration(life.end - life.start),
        "LINES": "″" if line.twice else text(row.get("lines")),
        "ERR": "″" if line.twice else f"!{text(errors)}" if errors else "·",
        "REQ": "″" if line.twice else text(row.get("requests")),
    }


# --- columns -------------------------------------------------------------------------------------

_ORDER = ("IP", "SERVICE", "CONTAINER", "KNOWN BY", "POD", "|", "END", "FIRST", "LAST", "SPAN",
          "LINES", "ERR", "REQ")  # fmt: skip
_RIGHT = {"SPAN", "LINES", "ERR", "REQ"}
_MIDDLE = {"IP", "CONTAINER", "POD"}  # their ends tell them apart
_NEEDED = ("IP", "SERVICE", "CONTAINER", "|", "END", "LINES", "ERR")


def _columns(
    lines: list[Line], titles: dict[str, str], width: int, *, timed: bool, mixed: bool
) -> tuple[dict[str, int], int]:
    """The width of each column that is shown, in order, and of the bar (0: there is none)."""
    wide = width >= _WIDE
    caps = {"IP": 39 if wide else 15, "SERVICE": 24 if wide else 12, "POD": 40}
    caps["CONTAINER"] = 32 if wide else 16
    natural = {
        name: min(
            max(cells(titles.get(name, name)), *(cells(line.cells[name]) for line in lines)),
            caps.get(name, 40),
        )
        for name in lines[0].cells
    }
    words = natural["END"]
    shown = {name: natural.get(name, 0) for name in _NEEDED}
    shown["END"] = 1
    if not timed:
        shown["END"] = words
        del shown["|"]
    wanted = ["SPAN", "END", "FIRST", "LAST", "REQ"] if timed else ["REQ"]
    if mixed:
        wanted.insert(0, "KNOWN BY")
    rows = [line.life.row for line in lines]
    if any(row.get("pod") and row.get("identity") != "pod_name" for row in rows):
        wanted.append("POD")
    least = max(20, min(width * 3 // 8, 50)) if timed else 0

    def room() -> int:
        others = sum(w for n, w in shown.items() if n != "|")
        return width - 3 - others - (len(shown) - 1)

    for name in wanted:
        before = dict(shown)
        shown[name] = words if name == "END" else natural[name]
        if room() < least:
            shown = before
    for name, floor in (
        ("CONTAINER", 10),
        ("SERVICE", 7),
        ("IP", 12),
        ("LINES", 0),
        ("SERVICE", 0),
    ):
        if (missing := min(least, 16) - room()) > 0 and name in shown:
            shown[name] = max(min(floor, shown[name]), shown[name] - missing)
            if not shown[name]:
                del shown[name]
    bar = max(room(), 0) if timed else 0
    if bar < 6:
        shown.pop("|", None)
        bar = 0
    else:
        shown["|"] = bar
    return {name: shown[name] for name in _ORDER if name in shown}, bar


def _style(line: Line) -> str:
    return "" if line.holder is None else _HOLDERS[line.holder % 2]


def _head(columns: dict[str, int], ruler: str, titles: dict[str, str]) -> str:
    names = {name: clip(titles.get(name, name), w) for name, w in columns.items()}
    names |= {"|": ruler, "END": "" if columns.get("END", 0) < 3 else "END"}
    parts = (pad(names[name], w, right=name in _RIGHT) for name, w in columns.items())
    return "   " + " ".join(parts)


def _row(line: Line, columns: dict[str, int], bar: list[tuple[str, str]], paint: Paint) -> str:
    life = line.life
    end = text(life.row.get("end"))
    styles = {
        "IP": "dim" if line.again or not line.ip else "bold",
        "CONTAINER": "" if life.sure else "italic dim",
        "KNOWN BY": "" if life.sure else "italic dim",
        "POD": "dim",
        "END": "bold" if end == "open" else "dim",
        "FIRST": "dim",
        "LAST": "dim",
        "ERR": "bold red" if line.cells["ERR"].startswith("!") else "dim",
        "REQ": "dim",
    }
    parts = [paint(line.mark, _style(line) or "dim")]
    for name, w in columns.items():
        if name == "|":
            runs = groupby(bar, key=lambda cell: cell[1])
            parts.append("".join(paint("".join(c for c, _ in run), style) for style, run in runs))
            continue
        full = line.cells[name] if w > 1 or name != "END" else line.cells[name][:1]
        shown = pad(clip(full, w, middle=name in _MIDDLE), w, right=name in _RIGHT)
        parts.append(paint(shown, styles.get(name, "")))
    return " ".join(parts)


# --- the time axis -------------------------------------------------------------------------------


def _axis(lives: list[Life]) -> Axis | None:
    """From the first line to the last; evidence stretches it by a tenth at most."""
    seen = [t for life in lives for t in (life.first, life.last) if t is not None]
    known = seen + [t for life in lives for t in (life.start, life.end) if t is not None]
    if not known:
        return None
    low, high = min(seen or known), max(seen or known)
    near = (high - low) // 10
    low = min((t for t in known if t >= low - near), default=low)
    high = max((t for t in known if t <= high + near), default=high)
    if low == high:
        high += 1  # one moment: the head names it once
    return Axis(low, high, 1)


def _ruler(ticks: list[tuple[int, str]], width: int) -> str:
    ruler = [" "] * width
    for cell, label in ticks:
        if cell + 1 + len(label) <= width:
            ruler[cell : cell + 1 + len(label)] = "╷" + label
        else:
            ruler[cell] = "╷"
    return "".join(ruler)


def _bar(line: Line, axis: Axis, grid: set[int]) -> list[tuple[str, str]]:
    """The bar's cells as (character, style)."""
    life, style = line.life, _style(line)
    out = [("┊", "dim") if cell in grid else (" ", "") for cell in range(axis.width)]
    if life.start is None or life.end is None:
        note = "no times"[: axis.width]
        out[: len(note)] = [(char, "italic dim") for char in note]
        return out
    halves = [0] * (2 * axis.width)
    end = axis.high if life.row.get("end") == "open" else life.end
    begin_half, end_half = axis.half(life.start), axis.half(end)
    halves[begin_half : end_half + 1] = [1] * (end_half - begin_half + 1)
    if life.first is not None and life.last is not None:
        a, b = axis.half(life.first), axis.half(life.last)
        halves[a : b + 1] = [2] * (b - a + 1)
    for cell in range(begin_half // 2, end_half // 2 + 1):
        char = _CELL[halves[2 * cell], halves[2 * cell + 1]]
        out[cell] = ("╍" if char == "━" and not life.sure else char, style)
    if begin_half == end_half:
        out[begin_half // 2] = ("•", style)
    if life.start < axis.low:
        out[0] = ("◂", style)
    if life.end > axis.high:
        out[-1] = ("▹", style)
    if line.free_from is not None:
        freed, taken = axis.half(line.free_from) // 2, begin_half // 2
        for cell in range(freed, taken):
            out[cell] = ("╰" if cell == freed else "┄", "dim")
    return out


# --- around the table ----------------------------------------------------------------------------


def _title(lives: list[Life], axis: Axis | None) -> list[str]:
    reused = {ip for life in lives for ip in life.reused}
    parts = [many(len(lives), "container")]
    if reused:
        parts.append(f"{many(len(reused), 'IP')} reused")
    errors = sum(n for life in lives if isinstance(n := life.row.get("errors"), int))
    if errors:
        parts.append(many(errors, "error"))
    if axis is None:
        return ["no times: line order", *parts]
    start, end = (f"{day(at)} {clock(at, date=False)}" for at in (axis.low, axis.high))
    if start == end:
        return [f"{start} UTC", *parts]
    if day(axis.low) == day(axis.high):
        return [f"{start}\u2013{end[11:]} UTC", *parts]
    return [f"{start} \u2013 {end} UTC", *parts]


def _legend(lines: list[Line], axis: Axis | None) -> list[str]:
    """What each mark means that occurs in LINES."""
    marks = {line.mark for line in lines}
    entries = []
    if any("▸" in mark for mark in marks):
        entries.append("└▸ next on that IP" if axis is None else "└▸ next on that IP, ╰┄ IP free")
    if any("╴" in mark for mark in marks):
        entries.append("└╴ same Pod, same time")
    if "↺ " in marks:
        entries.append("↺ reused by one not shown")
    if axis is not None:
        lives = [line.life for line in lines]
        entries.append("━ lines")
        if any(_thin(life) for life in lives):
            entries.append("─ alive by evidence")
        if any(life.start is not None and life.start < axis.low for life in lives):
            entries.append("◂ began before")
        if any(life.end is not None and life.end > axis.high for life in lives):
            entries.append("▹ ended after")
    if not any(line.ip for line in lines):
        entries.append("IP - no line carries its container's address")
    if any(not line.life.sure for line in lines):
        entries.append("~╍ known by Pod name or IP alone: maybe several")
    if any(line.twice for line in lines):
        entries.append("″ counted above")
    ends = {text(line.life.row.get("end")) or "unknown" for line in lines}
    entries.append("END " + " ".join(f"{m} {word}" for word, m in _ENDS.items() if word in ends))
    return entries


def _thin(life: Life) -> bool:
    return life.start != life.first or life.end != life.last or life.row.get("end") == "open"


def _wrapped(entries: list[str], width: int) -> Iterator[str]:
    line = ""
    for entry in entries:
        if line and cells(line) + 3 + cells(entry) > width:
            yield line
            line = ""
        line = f"{line} · {entry}" if line else clip(entry, width)
    yield line
