"""Values and text as they stand in a table's cell, and how wide they are on a terminal."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from functools import cache

from cuidx.present.escape import visible

Paint = Callable[[str, str], str]


def text(value: object) -> str:
    """VALUE as a person reads it, on one line, with nothing in it that a terminal would obey."""
    match value:
        case None:
            return ""
        case str():
            return visible(value)
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:g}"
        case list() | tuple() if all(isinstance(item, (str, int, float)) for item in value):
            return " ".join(text(item) for item in value)
        case _:
            return visible(json.dumps(value, ensure_ascii=False))


def flat(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """VALUES with nested mappings as dotted names: `ip_search.lines`."""
    out: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            out |= flat(value, f"{prefix}{name}.")
        else:
            out[prefix + name] = value
    return out


def cells(shown: str) -> int:
    """How many columns of a terminal SHOWN takes."""
    if shown.isascii():
        return len(shown)
    from rich.cells import cell_len

    return cell_len(shown)


def clip(shown: str, width: int, *, middle: bool = False) -> str:
    """SHOWN in at most WIDTH columns; `…` stands for its end, or its middle, that is left out."""
    if cells(shown) <= width:
        return shown
    if width < 1:
        return ""
    tail = (width - 1) // 2 if middle else 0
    return _head(shown, width - 1 - tail) + "…" + _tail(shown, tail)


def pad(shown: str, width: int, *, right: bool = False) -> str:
    """SHOWN filled with blanks to WIDTH columns; RIGHT: blanks come first."""
    blanks = " " * (width - cells(shown))
    return blanks + shown if right else shown + blanks


def terminal_width() -> int:
    """The columns to fill: COLUMNS, else the terminal's, else 120 (in a pipe)."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    if sys.stdout.isatty():
        import shutil

        return shutil.get_terminal_size().columns
    return 120


def terminal_color() -> bool:
    """Whether standard output should be coloured: a terminal, and neither NO_COLOR nor `dumb`."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def painter(color: bool) -> Paint:
    """A function that gives TEXT in a rich STYLE; without COLOR it gives TEXT."""
    if not color:
        return lambda shown, _style: shown
    from rich.color import ColorSystem
    from rich.style import Style

    @cache
    def around(style: str) -> tuple[str, str]:
        before, _, after = (
            Style.parse(style).render("\0", color_system=ColorSystem.EIGHT_BIT).partition("\0")
        )
        return before, after

    def paint(shown: str, style: str) -> str:
        if not shown or not style:
            return shown
        before, after = around(style)
        return f"{before}{shown}{after}"

    return paint


def _head(shown: str, width: int) -> str:
    out, used = [], 0
    for char in shown:
        used += cells(char)
        if used > width:
            break
        out.append(char)
    return "".join(out)


def _tail(shown: str, width: int) -> str:
    return _head(shown[::-1], width)[::-1]
