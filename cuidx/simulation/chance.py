"""Chance from a seed: the same numbers on every machine, day and Python.

Only `random.Random.random` is asked, whose numbers Python promises to keep; how `choice`, `sample`
or `shuffle` come to theirs has changed before. No logarithm and no sine, whose last digit is the
platform's.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Chance:
    """One stream of numbers. Streams of other SALTs are their own: more of one moves no other."""

    def __init__(self, seed: int, salt: int) -> None:
        self.random = random.Random(seed * 16 + salt).random  # noqa: S311 - to be repeated

    def below(self, limit: int) -> int:
        """0 to LIMIT - 1."""
        return int(self.random() * limit)

    def between(self, low: int, high: int) -> int:
        """LOW to HIGH, both in."""
        return low + int(self.random() * (high - low + 1))

    def pick(self, things: Sequence[T]) -> T:
        """One of THINGS, each as likely."""
        return things[int(self.random() * len(things))]

    def hexes(self, digits: int) -> str:
        """DIGITS hexadecimal digits."""
        text = ""
        while len(text) < digits:
            text += f"{int(self.random() * (1 << 40)):010x}"
        return text[:digits]

    def letters(self, count: int) -> str:
        """COUNT of the letters that Kubernetes makes names of: no vowels, nothing to mix up."""
        return "".join([self.pick("bcdfghjklmnpqrstvwxz2456789") for _ in range(count)])

    def uuid(self) -> str:
        """A UUID of version 4."""
        h = self.hexes(32)
        return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-{'89ab'[int(h[16], 16) % 4]}{h[17:20]}-{h[20:]}"
