"""Who held an address at a moment: the rule, for one question and for a million at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import polars as pl

from cuidx.enrich.leases import SECOND, Address, Clock, Lease

UNKNOWN: Final = -1
AMBIGUOUS: Final = -2
_EVER: Final = -(1 << 63)


def held(leases: Iterable[Lease], at: int, slack: int = SECOND) -> tuple[list[Lease], bool]:
    """The leases that answer for AT, and whether it is only within SLACK of one (clocks differ).

    One holder: resolved; several: ambiguous; an empty list: unknown. Outside of all leases the one
    holder within SLACK answers; where several are as near, none does.
    """
    near = [lease for lease in leases if lease.first - slack <= at <= lease.last + slack]
    inside = [lease for lease in near if lease.first <= at <= lease.last]
    if inside:
        return inside, False
    return (near, True) if len({lease.holder for lease in near}) == 1 else ([], False)


def named(address: Address) -> list[Lease]:
    """The leases of ADDRESS that name a container, which one known by its IP alone does not."""
    return [lease for lease in address.leases if lease.containers != (address.ip,)]


class Timetable:
    """`held`, worked out once for all addresses: an answer holds from one moment to the next.

    Answers are places in `names`, the holders' names; or UNKNOWN, or AMBIGUOUS.
    """

    def __init__(self, addresses: Sequence[Address], clock: Clock) -> None:
        self.clock = clock
        slack = SECOND if clock == "time" else 0
        found = {address.ip: leases for address in addresses if (leases := named(address))}
        leases = [lease for mine in found.values() for lease in mine]
        self.names = pl.Series(sorted({lease.holder for lease in leases}), dtype=pl.String)
        self.place = {name: at for at, name in enumerate(self.names)}
        self._steps = pl.DataFrame(
            [(ip, *step) for ip, mine in found.items() for step in self._steps_of(mine, slack)],
            schema={"ip": pl.String, "at": pl.Int64, "answer": pl.Int32}, orient="row",
        ).sort("at")  # fmt: skip
        # Of a container's leases of an address the last one begun; before all, the first one.
        # Nearly all have one: those are joined, which is quicker than to search for the latest.
        own: dict[tuple[str, str], list[tuple[int, int]]] = {}
        for lease in sorted(leases, key=lambda lease: lease.first):
            for container in lease.containers:
                known = own.setdefault((container, lease.ip), [])
                known.append((lease.first if known else _EVER, self.place[lease.holder]))
        steps = pl.DataFrame(
            [(*key, *step, len(steps) > 1) for key, steps in own.items() for step in steps],
            schema={"container": pl.String, "ip": pl.String, "at": pl.Int64, "answer": pl.Int32,
                    "several": pl.Boolean}, orient="row",
        ).sort("at")  # fmt: skip
        self._own = steps.filter(~pl.col("several")).drop("at", "several")
        self._own_steps = steps.filter("several").drop("several")
        self.leases = leases

    def _steps_of(self, leases: list[Lease], slack: int) -> Iterable[tuple[int, int]]:
        """(from when, answer) in order; the answer changes at edges, and 1 s before and after."""
        edges = sorted(
            {
                edge
                for lease in leases
                for edge in (lease.first - slack, lease.first, lease.last + 1,
                             lease.last + slack + 1)
            }
        )  # fmt: skip
        waiting = sorted(leases, key=lambda lease: lease.first, reverse=True)
        near: list[Lease] = []
        last = UNKNOWN
        for at in edges:
            while waiting and waiting[-1].first - slack <= at:
                near.append(waiting.pop())
            near = [lease for lease in near if lease.last + slack >= at]
            holders = {lease.holder for lease in held(near, at, slack)[0]}
            answer = UNKNOWN
            if holders:
                answer = AMBIGUOUS if len(holders) > 1 else self.place[holders.pop()]
            if answer != last:
                yield at, answer
                last = answer

    def at(self, questions: pl.DataFrame) -> pl.Series:
        """The answer for each of QUESTIONS (ip, at: ns, or line order; null is unknown)."""
        return self._latest(questions, self._steps, ["ip"])

    def own(self, questions: pl.DataFrame) -> pl.Series:
        """The holder that a line's own container was part of, for QUESTIONS (container, ip, at)."""
        by = ["container", "ip"]
        once = questions.select(by).join(self._own, on=by, how="left", maintain_order="left")
        if self._own_steps.is_empty():
            return once["answer"].fill_null(UNKNOWN)
        asked = questions.with_columns(pl.col("at").fill_null(_EVER))
        latest = self._latest(asked, self._own_steps, by)
        return pl.select(pl.coalesce(once["answer"], latest)).to_series()

    @staticmethod
    def _latest(questions: pl.DataFrame, steps: pl.DataFrame, by: list[str]) -> pl.Series:
        asked = questions.select(*by, "at", place=pl.int_range(pl.len()))
        return (
            asked.drop_nulls("at").sort("at")
            .join_asof(steps, on="at", by=by, strategy="backward", check_sortedness=False)
            .select("place", "answer")
            .join(asked.select("place"), on="place", how="right", maintain_order="right")
            .get_column("answer").fill_null(UNKNOWN)
        )  # fmt: skip
