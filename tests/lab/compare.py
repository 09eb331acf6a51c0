"""What may be said of runs: intervals by the bootstrap, and when a difference is one.

A round has one run of each arm, in random order, close in time. So arms are compared within rounds,
and the rounds are what is drawn again. The control arm is the baseline once more: what it differs by
is noise, whatever its cause, and no difference of another arm counts that is not larger.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

__all__ = ["NOTHING", "TOO_FEW", "Interval", "bootstrap", "percentile", "verdict"]

NOTHING = "no difference shown"
TOO_FEW = "too few rounds"
ENOUGH = 5  # with fewer, all on one side of zero is no rare chance


@dataclass(frozen=True)
class Interval:
    """A median over `runs` runs, with the ends of its 95 % interval."""

    low: float
    middle: float
    high: float
    runs: int = ENOUGH


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least SHARE (0 to 1) of the values do not exceed."""
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]


def bootstrap(values: Sequence[float], *, seed: int, draws: int = 4000) -> Interval:
    """The median of VALUES and its 95 % percentile interval. Same seed, same interval."""
    chance = random.Random(seed)
    drawn = sorted(median(chance.choices(values, k=len(values))) for _ in range(draws))
    return Interval(percentile(drawn, 0.025), median(values), percentile(drawn, 0.975), len(values))


def verdict(difference: Interval, noise: Interval, *, more: str, less: str) -> str:
    """MORE or LESS where DIFFERENCE lies beyond all of NOISE, on both sides of zero.

    noise (A/A)   [-0.4, +0.3]
    difference    [+0.5, +0.9]  more         [-0.1, +0.9]  no difference shown
                  [+0.2, +0.9]  no difference shown: it begins within what chance does, 0.4
    """
    if min(difference.runs, noise.runs) < ENOUGH:
        return TOO_FEW
    floor = max(abs(noise.low), abs(noise.high))
    if difference.low > floor:
        return more
    if difference.high < -floor:
        return less
    return NOTHING
