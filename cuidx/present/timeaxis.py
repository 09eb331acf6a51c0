"""A time axis in character cells: where a time falls, and which times are worth a label."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_SECOND, _MINUTE, _HOUR, _DAY = 10**6, 60 * 10**6, 3600 * 10**6, 86400 * 10**6
_STEPS = (
    *(n * _SECOND // 1000 for n in (1, 2, 5, 10, 20, 50, 100, 200, 500)),
    *(n * _SECOND for n in (1, 2, 5, 10, 15, 30)),
    *(n * _MINUTE for n in (1, 2, 5, 10, 15, 30)),
    *(n * _HOUR for n in (1, 2, 3, 6, 12)),
    *(n * _DAY for n in (1, 2, 7)),
)
_MONTHS = (1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200)


def moment(text: object) -> int | None:
    """Microseconds since 1970 of an RFC 3339 time in UTC; None for None and what is no time."""
    if not isinstance(text, str) or not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (at.replace(tzinfo=at.tzinfo or UTC) - _EPOCH) // timedelta(microseconds=1)


def clock(at: int, *, date: bool) -> str:
    """`18:54:17`, with DATE `11-23 18:54:17`."""
    return _date(at).strftime("%m-%d %H:%M:%S" if date else "%H:%M:%S")


def day(at: int) -> str:
    """`2026-11-23`."""
    return _date(at).date().isoformat()


def duration(length: int) -> str:
    """LENGTH microseconds in two units at most: `21s`, `1m05s`, `2h03m`, `3d04h`."""
    if length < _SECOND:
        return f"{length // 1000}ms" if length >= 1000 else f"{length}µs" if length else "0s"
    seconds = length // _SECOND
    if seconds < 60:
        return f"{length / _SECOND:.1f}s" if seconds < 10 else f"{seconds}s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if hours < 1:
        return f"{minutes}m{seconds % 60:02}s"
    return f"{hours}h{minutes % 60:02}m" if days < 1 else f"{days}d{hours % 24:02}h"


@dataclass(frozen=True, slots=True)
class Axis:
    """Times from `low` to `high` (microseconds since 1970) over `width` cells."""

    low: int
    high: int
    width: int

    def half(self, at: int) -> int:
        """The half cell, 0 to 2·width-1, in which AT falls; what lies outside falls on the edge."""
        halves = 2 * self.width
        whole = max(self.high - self.low, 1)
        return min(max((at - self.low) * halves // whole, 0), halves - 1)

    def ticks(self) -> list[tuple[int, str]]:
        """(cell, label) of round times, as close as their labels allow."""
        for each in self._steps():
            ticks = [(self.half(at) // 2, label) for at, label in each]
            if all(b - a >= len(label) + 2 for (a, label), (b, _) in pairwise(ticks)):
                return ticks
        return []

    def _steps(self) -> Iterator[list[tuple[int, str]]]:
        length = self.high - self.low
        for step in _STEPS:
            if length // step * 4 <= self.width:
                first = -(-self.low // step) * step
                if step == 7 * _DAY:
                    first = -(-(self.low - 4 * _DAY) // step) * step + 4 * _DAY  # Mondays
                yield [(at, _label(at, step)) for at in range(first, self.high + 1, step)]
        start, end = _date(self.low), _date(self.high)
        for months in _MONTHS:
            numbers = range(start.year * 12 + start.month - 1, end.year * 12 + end.month)
            wanted = [n for n in numbers if n % months == 0]
            if len(wanted) <= self.width:
                firsts = (datetime(n // 12, n % 12 + 1, 1, tzinfo=UTC) for n in wanted)
                at = ((first - _EPOCH) // timedelta(microseconds=1) for first in firsts)
                yield [
                    (t, _date(t).date().isoformat()[:7]) for t in at if self.low <= t <= self.high
                ]


def _label(at: int, step: int) -> str:
    time = _date(at)
    if step < _SECOND:
        return time.strftime("%H:%M:%S.") + f"{time.microsecond // 1000:03}"
    if step < _MINUTE:
        return time.strftime("%H:%M:%S")
    if step < _DAY and at % _DAY:
        return time.strftime("%H:%M")
    return time.strftime("%m-%d")


def _date(at: int) -> datetime:
    return _EPOCH + timedelta(microseconds=min(max(at, _FIRST), _LAST))
