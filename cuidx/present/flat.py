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
            "at": row["at"],
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


LAYOUTS: Final[dict[str, Callable[[Rows], list[dict[str, Any]]]]] = {
    "reuse": _reuse,
    "resolve": _resolve,
    "split": _split,
    "findings": _findings,
}


def laid_out(command: str, rows: Rows) -> Rows:
    """ROWS of COMMAND as a reader wants them; others as they are."""
    return LAYOUTS[command](rows) if command in LAYOUTS else rows
