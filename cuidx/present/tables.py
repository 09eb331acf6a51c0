"""The table of a command that has no design of its own."""

from __future__ import annotations

from cuidx.present.cells import cells, clip, flat, pad, painter, text
from cuidx.present.result import Result

_LEAST = 8  # no column is made narrower than this, or than its content


def render(result: Result, *, width: int, color: bool) -> str:
    """RESULT's rows as a table of at most WIDTH columns, then its `extra`.

    Columns with nothing in them are left out; those that don't fit are named below the table.
    """
    paint = painter(color)
    if not result.rows:
        return f"no {result.rows_name}\n" + _extra(result, width)
    rows = [flat(row) for row in result.rows]
    names = [n for n in dict.fromkeys(n for row in rows for n in row) if _filled(rows, n)]
    columns = {n: [text(row.get(n)) for row in rows] for n in names}
    wanted = {n: max(cells(n), *map(cells, columns[n])) for n in names}
    widths, left_out = _fit(wanted, width)
    numbers = {n for n in widths if all(_is_number(row.get(n)) for row in rows)}
    head = (pad(clip(n.upper(), w), w, right=n in numbers) for n, w in widths.items())
    lines = [paint("  ".join(head).rstrip(), "bold")]
    for index in range(len(rows)):
        line = (
            pad(clip(columns[n][index], w, middle=n != names[-1]), w, right=n in numbers)
            for n, w in widths.items()
        )
        lines.append("  ".join(line).rstrip())
    if left_out:
        lines.append(paint(f"not shown: {', '.join(left_out)} (-f json has all)", "dim"))
    return "\n".join(lines) + "\n" + _extra(result, width)


def _fit(wanted: dict[str, int], width: int) -> tuple[dict[str, int], list[str]]:
    """The width of each column, and the names of those for which there is no room."""
    widths, left_out = dict(wanted), list[str]()

    def total(each: dict[str, int]) -> int:
        return sum(each.values()) + 2 * (len(each) - 1)

    while len(widths) > 1 and total({n: min(w, _LEAST) for n, w in widths.items()}) > width:
        left_out.insert(0, widths.popitem()[0])
    while (over := total(widths) - width) > 0:
        widest = max(widths.values())
        if widest <= 1:
            break
        below = max((w for w in widths.values() if w < widest), default=1)
        for name in [n for n, w in widths.items() if w == widest]:
            cut = min(over, max(1, widest - max(below, 1)), widths[name] - 1)
            widths[name] -= cut
            over -= cut
            if over <= 0:
                break
    return widths, left_out


def _extra(result: Result, width: int) -> str:
    """Totals and the like, one name and value a line."""
    values = {n: v for n, v in flat(result.extra).items() if v is not None}
    if not values:
        return ""
    names = max(map(cells, values))
    lines = (f"{pad(n, names)}  {text(v)}" for n, v in values.items())
    return "\n" + "".join(clip(line, width) + "\n" for line in lines)


def _filled(rows: list[dict[str, object]], name: str) -> bool:
    return any(row.get(name) not in (None, "", [], {}) for row in rows)


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
