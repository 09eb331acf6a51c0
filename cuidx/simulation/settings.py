"""What a simulation is asked for, checked before anything is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cuidx.errors import UsageError

SCENARIOS: Final = ("cluster", "auto-healing", "figure5")
POLICIES: Final = ("fifo", "round-robin", "lowest-free")
IDENTITIES: Final = ("cuid", "container_id", "pod_uid", "pod_name", "ip")
EVIDENCE: Final = ("pods", "prometheus", "events")
DAY: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Settings:
    """Lengths in milliseconds. `churn` is how often in an hour a Pod is replaced or restarted."""

    seed: int
    scenario: str = "cluster"
    events: int = 20_000
    pods: int = 24
    shape: str = "flat"
    identity: str = "cuid"
    evidence: tuple[str, ...] = ()
    length: int = 3_600_000
    churn: float = 6.0
    ipam: str = "fifo"
    cooldown: int = 30_000
    pool: int | None = None  # None: twice as many as Pods
    fanout: float = 3.0
    boot: int = 1_500  # from getting an address to the first line, at least
    skew: int = 20  # how far a node's clock may be off, either way
    lost: float = 0.0

    @property
    def addresses(self) -> int:
        """How many addresses there are for Pods."""
        return 2 * self.pods if self.pool is None else self.pool

    def check(self, shapes: tuple[str, ...]) -> None:
        """Refuse what makes no story.

        Raises:
            UsageError: says which option, and what it takes.
        """
        for option, said, known in (
            ("scenario", self.scenario, SCENARIOS),
            ("shape", self.shape, shapes),
            ("identity", self.identity, IDENTITIES),
            ("ipam", self.ipam, POLICIES),
            *(("evidence", kind, EVIDENCE) for kind in self.evidence),
        ):
            if said not in known:
                raise UsageError(
                    f"--{option} {said!r} is none of {', '.join(known)}", do="name one of those"
                )
        for name, low, high in (
            ("seed", 0, 1 << 62), ("events", 1, 1_000_000_000), ("pods", 8, 10_000),
            ("length", 10_000, 7 * DAY), ("churn", 0, 3_600), ("cooldown", 0, DAY),
            ("addresses", 1, 60_000), ("fanout", 0, 20), ("boot", 0, 600_000),
            ("skew", 0, DAY), ("lost", 0, 0.95),
        ):  # fmt: skip
            value = getattr(self, name)
            if not low <= value <= high:
                option = "pool" if name == "addresses" else name
                unit = " ms" if name in ("length", "cooldown", "boot", "skew") else ""
                raise UsageError(
                    f"--{option} {value}{unit} is not from {low} to {high}{unit}",
                    do="choose a number between",
                )
