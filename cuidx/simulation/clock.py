"""From milliseconds since the story's start to times as logs write them."""

from __future__ import annotations

import time
from functools import cache
from typing import Final

START: Final = 1_793_610_000  # 2026-11-02T09:00:00Z, whatever the day


@cache
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(START + second))


_MILLIS: Final = tuple(f"{n:03d}Z" for n in range(1_000))


def stamp(at: int) -> str:
    """RFC 3339, UTC, with three digits."""
    return _second(at // 1_000) + _MILLIS[at % 1_000]


def whole(at: int) -> str:
    """The same to the second, as the Kubernetes API writes it."""
    return _second(at // 1_000)[:-1] + "Z"
