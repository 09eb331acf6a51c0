"""A cluster's story that never happened, the same one for the same seed, with the truth beside it.

    cuidx.simulate("story", seed=1, events=100_000, shape="cri")

`cluster` says who lives when and has which address, `traffic` what they log, `shapes` how it is
written, `truth` what really happened.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cuidx import times
from cuidx.errors import UsageError
from cuidx.simulation import folder, truth, writing
from cuidx.simulation.cluster import Cluster
from cuidx.simulation.scenarios import plan
from cuidx.simulation.settings import Settings
from cuidx.simulation.shapes import SHAPES
from cuidx.simulation.traffic import Traffic

# What is other than in `Settings` where nothing is said.
USUAL: Final[dict[str, dict[str, Any]]] = {
    "cluster": {},
    # The successors get the old addresses: an address manager that hands out the lowest free one.
    "auto-healing": {"events": 2_000, "length": 120_000, "ipam": "lowest-free", "cooldown": 0,
                     "pods": 8, "fanout": 1.0, "churn": 0.0},
    "figure5": {},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Simulated:
    """What was written: `sources` load together as one story; `truth` is truth.json's content."""

    path: Path
    sources: list[Path]
    truth: dict[str, Any]

    @property
    def totals(self) -> dict[str, int]:
        """Lines, lost lines, mentions, containers and Pods."""
        found: dict[str, int] = self.truth["totals"]
        return found


def simulate(
    output: str | os.PathLike[str],
    *,
    seed: int,
    scenario: str = "cluster",
    events: int | None = None,
    pods: int | None = None,
    shape: str = "flat",
    identity: str = "cuid",
    evidence: str | Sequence[str] = (),
    length: str | None = None,
    churn: float | None = None,
    ipam: str | None = None,
    cooldown: str | None = None,
    pool: int | None = None,
    fanout: float | None = None,
    boot: str | None = None,
    skew: str | None = None,
    lost: float | None = None,
    force: bool = False,
) -> Simulated:
    """Write a made-up cluster's logs to the folder OUTPUT, with truth.json beside them.

    The same arguments give the same bytes. EVENTS is the number of lines, to the last. Lengths of
    time are words such as `30s`. None takes the scenario's usual value (`Settings`, `USUAL`).

    Raises:
        UsageError: a value that makes no story, or OUTPUT is not empty (without FORCE).
    """
    lengths = {"length": length, "cooldown": cooldown, "boot": boot, "skew": skew}
    rates = {"churn": churn, "fanout": fanout, "lost": lost}
    said: dict[str, Any] = {
        "events": events, "pods": pods, "ipam": ipam, "pool": pool,
        **{name: None if rate is None else float(rate) for name, rate in rates.items()},
        **{name: None if words is None else times.length(words) // 1_000_000
           for name, words in lengths.items()},
    }  # fmt: skip
    settings = Settings(
        seed=seed, scenario=scenario, shape=shape, identity=identity,
        evidence=tuple(sorted({evidence} if isinstance(evidence, str) else set(evidence))),
        **{**USUAL.get(scenario, {}), **{k: v for k, v in said.items() if v is not None}},
    )  # fmt: skip
    settings.check(tuple(SHAPES))
    SHAPES[shape].rung(identity, shape)
    where = Path(output)
    asked = any(value is not None for value in said.values())
    usual = (shape, identity, settings.evidence) == ("flat", "cuid", ())
    if scenario == "figure5" and (asked or not usual):
        raise UsageError("figure5 is ten lines of one shape", do="leave the other options out")
    folder.check(where, force=force)
    with folder.made(where) as part:
        made = writing.figure if scenario == "figure5" else _story
        found = made(part, settings)
    return Simulated(where, [where / name for name in found["files"]], found)


def _story(part: Path, settings: Settings) -> dict[str, Any]:
    what = plan(settings)
    cluster = Cluster(what.settings, what.services, what.churn, what.bursts)
    cluster.run()
    traffic = Traffic(what, cluster)
    collecting = gc.isenabled()
    gc.disable()  # a million small tuples without one cycle: looking for them takes a third
    try:
        lines = traffic.lines()
        return writing.story(part, what.settings, lines, cluster.instances, traffic.lost,
                             traffic.clocks)  # fmt: skip
    finally:
        if collecting:
            gc.enable()


__all__ = ["Simulated", "simulate", "truth"]
