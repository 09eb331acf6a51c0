"""Which part of a file in order of time is inside a window: found by looking here and there.

Whether it is in order is judged by looks at even distances, so a line that stands far from its
place can be missed: whoever skips has to say so, and how to read all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

__all__ = ["LEAST", "lines_up_to", "part"]

LEAST: Final = 64 << 20  # bytes of a file that it is worth to look through
_LOOKS: Final = 33
_MARGIN: Final = 300 * 10**9  # ns: lines stand up to this far from their place
_NEAR: Final = 1 << 20  # bytes: nearer than this is not looked for

# The place of a whole line from some place on, and the time of the first line there that has one.
Look = Callable[[int], tuple[int, int | None]]


def part(
    begin: int, end: int, look: Look, since: int | None, until: int | None
) -> tuple[int, int] | None:
    """(from, to) in bytes of what is inside [SINCE, UNTIL) of a file from BEGIN to END, in ns.

    None if the file is in no order of time, or all of it has to be read.
    """
    step = (end - begin) // _LOOKS
    looks = [look(begin + step * n) for n in range(_LOOKS)]
    known = [(place, time) for place, time in looks if time is not None]
    if len(known) < len(looks):
        return None
    latest = known[0][1]
    for _, time in known:
        if time < latest - _MARGIN:
            return None
        latest = max(latest, time)
    first, last = begin, end
    if since is not None:
        first = _edges(begin, end, known, look, since - _MARGIN)[0]
    if until is not None:
        last = _edges(begin, end, known, look, until + _MARGIN)[1]
    if first >= last:  # nothing is inside: the little around it says so
        first, last = min(first, last), max(first, last)
    return (first, last) if (first, last) != (begin, end) else None


def _edges(
    begin: int, end: int, known: list[tuple[int, int]], look: Look, time: int
) -> tuple[int, int]:
    """(the last place where lines are before TIME, the first place where they are not)."""
    low = max((place for place, at in known if at < time), default=begin)
    high = min((place for place, at in known if at >= time and place > low), default=end)
    while high - low > _NEAR:
        place, at = look((low + high) // 2)
        if at is None or place >= high:
            break
        low, high = (place, high) if at < time else (low, place)
    return low, high


def lines_up_to(path: str, end: int) -> int:
    """How many lines the first END bytes of a file are."""
    count = 0
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - read in pieces, as it is
        while end > 0 and (data := file.read(min(end, 1 << 20))):
            count += data.count(b"\n")
            end -= len(data)
    return count
