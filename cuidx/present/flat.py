"""Rows with lists in them, laid out for a reader: one line a holder, one line an answer.

Only the forms that people read (table, Markdown, HTML) use it; JSON and CSV keep the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from cuidx.present.accounting import span

Rows = Sequence[dict[str, Any]]


def _reuse(rows: Rows) -> list[dict[str, Any]]:
    return [
        {
            "ip": row["ip"],
            "kind": row["kind"],
            "change": holder["change"],
            "container": holder["container"],
            "service": holder["service"],
            "pod": holder["pod"],
            "first_seen": _second(holder["first_seen"]),
            "last_seen": _second(holder["last_seen"]),
            "lines": holder["lines"],
            "ambiguous_lines": row["ambiguous_lines"] if at == 0 else None,
        }
        for row in rows
        for at, holder in enumerate(row["holders"])
    ]


def _resolve(rows: Rows) -> list[dict[str, Any]]:
    return [
        {
            "ip": row["ip"],
            "at": _second(row["at"]),
            "verdict": row["verdict"] + (" (within 1 s)" if row["slack"] else ""),
            "container": row["container"] or ", ".join(c["container"] for c in row["candidates"]),
            "service": row["service"],
            "pod": row["pod"],
            "first_seen": _only(row, "first_seen"),
            "last_seen": _only(row, "last_seen"),
            "nearest_before": _near(row["nearest_before"]),
            "nearest_after": _near(row["nearest_after"]),
        }
        for row in rows
    ]


def _split(rows: Rows) -> list[dict[str, Any]]:
    days = {row[end][:10] for row in rows for end in ("first", "last") if row[end]}
    several = len({source for row in rows for source in row["sources"]}) > 1
    return [
        {
            "path": row["path"],
            "service": row["service"],
            "lines": row["lines"],
            "bytes": row["bytes"],
            "events": _span(row, dated=len(days) > 1),
            "from": _from(row["sources"]) if several else None,
        }
        for row in rows
    ]


def _span(row: dict[str, Any], *, dated: bool) -> str | None:
    whole = span(row["first"], row["last"]).removesuffix(" UTC")
    return whole if dated else whole[11:]


def _from(sources: Sequence[str]) -> str | None:
    return sources[0] if len(sources) == 1 else f"{len(sources)} sources" if sources else None


def _findings(rows: Rows) -> list[dict[str, Any]]:
    return [
        {**row, "lines": [f"{one['source']}:{one['line']}" for one in row["lines"]]} for row in rows
    ]


def _only(row: dict[str, Any], name: str) -> Any:
    return _second(row["candidates"][0][name]) if len(row["candidates"]) == 1 else None


def _near(near: dict[str, Any] | None) -> str | None:
    return f"{_second(near['at'])} {near['container']}" if near else None


def _second(time: str | None) -> str | None:
    """To the second, for the eye; JSON has all digits."""
    return time and time[:19].replace("T", " ")


_BRIEF: Final = {"resolve"}
_DRAWN: Final = {"reuse"}  # its table is drawn from the rows as they are
_WIDE: Final = 120
_NEAREST: Final = ("nearest_before", "nearest_after")

LAYOUTS: Final[dict[str, Callable[[Rows], list[dict[str, Any]]]]] = {
    "reuse": _reuse,
    "resolve": _resolve,
    "split": _split,
    "findings": _findings,
}


def laid_out(command: str, rows: Rows, width: int | None = None) -> Rows:
    """ROWS of COMMAND as a reader wants them; others as they are.

    WIDTH is that of a table on a terminal, where names and times are shortened to fit.
    """
    if width is not None and command in _DRAWN:
        return rows
    found = LAYOUTS[command](rows) if command in LAYOUTS else rows
    return _brief(found, width) if width is not None and command in _BRIEF else found


def _brief(rows: Rows, width: int) -> Rows:
    """ROWS with names that are just long enough, and the day in the head where there is just one.

    On less than _WIDE columns without what the others tell, so that no address is ever cut.
    """
    from cuidx.present.lanes import short_ids  # a file of rows needs none of the drawing

    times = [row[end] for row in rows for end in ("first_seen", "last_seen") if row[end]]
    days = {time[:10] for time in [*times, *(row["at"] for row in rows if row.get("at"))]}
    day = days.pop() + " " if times and len(days) == 1 else ""
    near = [row[end] for row in rows for end in _NEAREST if row.get(end)]
    names = {row["container"] for row in rows if row["container"]} | {one[20:] for one in near}
    short = short_ids(names)
    wide = width >= _WIDE
    out = []
    for row in rows:
        first, last = row["first_seen"], row["last_seen"]
        verdict = row.get("verdict")
        seen = f"{first}\u2013{last[11:] if first[:10] == last[:10] else last}" if first else None
        brief = {
            "ip": row["ip"],
            "at": (row.get("at") or "").removeprefix(day) or None,
            "change": row.get("change"),
            "verdict": verdict if wide else verdict and verdict.replace(" (within 1 s)", " ±1 s"),
            "service": row["service"],
            "container": short.get(row["container"], row["container"]),
            f"seen {day}".rstrip(): seen and seen.removeprefix(day),
            "lines": row.get("lines"),
            "mixed": row.get("ambiguous_lines"),
        }
        if wide or verdict == "unknown":
            for end in _NEAREST:
                if one := row.get(end):
                    said, name = day or (row.get("at") or "")[:11], one[20:]
                    at = one[:20].removeprefix(said).strip()
                    brief[end] = f"{at} {short.get(name, name)}"
        out.append(brief | {"kind": row.get("kind"), "pod": row["pod"]} if wide else brief)
    return out
