"""Findings for a terminal: what is odd, about whom, why, and the lines to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from cuidx.present.accounting import many
from cuidx.present.cells import cells, clip, pad, painter, text
from cuidx.present.result import Result

TITLES = {
    "suffixes": "two suffixes",
    "repeated-key": "key twice",
    "two-ips": "two addresses",
    "two-holders": "two holders",
    "clock": "clock",
    "hole": "hole",
    "gap": "gap",
    "no-start": "no start",
    "no-stop": "no stop",
    "cut": "cut off",
}


def render(result: Result, *, width: int, color: bool) -> str:
    """A block for each finding:

    two holders    10.10.11.2
                   held by 3b9d… and by c4e8… at once, 09:00:01-09:00:07
                   app.log:3, 7, 9  other.log:2
    """  # noqa: D415 - the colon leads on to the picture
    if not result.rows:
        return "no findings\n"
    paint = painter(color)
    left = max(cells(_title(row)) for row in result.rows) + 2
    room = max(width - left, 20)
    lines = [clip(many(len(result.rows), "finding"), width)]
    for row in result.rows:
        head = "  ".join(text(row[name]) for name in ("container", "ip") if row[name])
        told = [head] if head else []
        shown = [
            *[(one, "bold") for one in told],
            *[(one, "") for one in _wrapped(text(row["why"]).split(" "), room)],
            *[(one, "dim") for one in _wrapped(_places(row), room)],
        ]
        title = paint(pad(_title(row), left), "bold yellow")
        for at, (one, style) in enumerate(shown):
            lines.append((title if at == 0 else " " * left) + paint(clip(one, room), style))
    return "\n".join(lines) + "\n"


def _title(row: Mapping[str, object]) -> str:
    kind = text(row["kind"])
    return TITLES.get(kind, kind)


def _places(row: Mapping[str, object]) -> list[str]:
    """`app.log:3,`, `7,`, `9`: words to be wrapped."""
    words: list[str] = []
    before = None
    for place in cast("Sequence[str]", row["lines"]):
        source, _, line = text(place).rpartition(":")
        if words and source == before:
            words[-1] += ","
        words.append(line if source == before else f"{source}:{line}")
        before = source
    return words


def _wrapped(words: Sequence[str], room: int) -> list[str]:
    lines: list[str] = []
    for word in words:
        if lines and cells(lines[-1]) + 1 + cells(word) <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
