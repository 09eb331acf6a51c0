"""Who took part in which request, and when: what ties a line to a peer that has gone since.

A line about a request can be written after its peer's address passed on. Which holder of that
address took part in the request is then a better answer than the clock's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from cuidx.enrich.holding import UNKNOWN, Timetable
from cuidx.enrich.identity import RUNGS, TEXTS, normalise, request_key
from cuidx.enrich.leases import PLACE

# Hashes instead of texts: 32 bytes a pair. For a million requests the chance that two of them
# look alike is 1 in 40 million.
_PAIRS: Final = pl.Schema(
    {"request": pl.UInt64(), "container": pl.UInt64(), "first": pl.Int64(), "last": pl.Int64()}
)
_MANY: Final = 4_000_000
_TIES: Final = pl.Schema({"key": pl.UInt64(), "answer": pl.Int32()})
_WHO: Final = tuple(name for name in TEXTS if name not in ("node", "level", "svc", "service"))


class Requests:
    """(container, request) pairs with the time from their first line to their last, block by block.

    Memory grows with the pairs, not with lines.
    """

    def __init__(self) -> None:
        self._runs: list[pl.DataFrame] = []
        self._count = self._merged = 0

    def add(self, frame: pl.DataFrame, source: int) -> None:
        """Take in some records as they were parsed; SOURCE is the place of theirs."""
        have = [name for name in ("request_id", "trace_id") if name in frame.columns]
        if not have:
            return
        missing = {"request_id", "trace_id"} - set(have)
        rows = frame.filter(pl.col("kind") == "event", pl.coalesce(have).is_not_null())
        if rows.is_empty():
            return
        who = [n for n in _WHO if n in rows.columns and rows[n].null_count() < len(rows)]
        if not set(who) & set(RUNGS):
            return
        # Where nothing at all has a time the order of lines stands in.
        dated = rows["time"].count() > 0
        rows = rows.with_columns(pl.lit(None, pl.String).alias(name) for name in missing).select(
            *who,
            request=request_key(),
            at=pl.col("time").cast(pl.Int64) if dated else pl.col("line") + source * PLACE,
        )
        if "cuid" in who and rows["cuid"].null_count() == 0:
            rows = rows.with_columns(container="cuid")  # the CUID alone names a container
        else:
            people = rows.select(who).unique()
            people = people.with_columns(normalise(people)["container"])
            rows = rows.join(people, on=who, nulls_equal=True)
        self._runs.append(
            _merged(
                rows.drop_nulls(["container", "at"]).select(
                    "request", pl.col("container").hash(0), first="at", last="at"
                )
            )
        )
        # Few pairs are in two blocks. Merging takes room: only where they have become many.
        self._count += len(self._runs[-1])
        if self._count > 2 * self._merged + _MANY:
            self._runs = [_merged(pl.concat(self._runs))]
            self._count = self._merged = len(self._runs[0])

    def ties(self, timetable: Timetable, names: Sequence[tuple[str, str]]) -> Ties:
        """Which holder of an address took part in a request while it had the address.

        NAMES are the containers that evidence knows by a better name, at some time.
        """
        known = [(container, lease) for lease in timetable.leases for container in lease.containers]
        known += [(old, lease) for old, new in names
                  for lease in timetable.leases if new in lease.containers]  # fmt: skip
        leases = pl.DataFrame(
            [(name, lease.ip, lease.first, lease.last, timetable.place[lease.holder])
             for name, lease in known],
            schema={"container": pl.String, "ip": pl.String, "since": pl.Int64, "until": pl.Int64,
                    "answer": pl.Int32}, orient="row",
        ).with_columns(pl.col("container", "ip").hash(0))  # fmt: skip
        tied = [_TIES.to_frame()]
        while self._runs:  # run by run: all at once would take several times the room
            tied.append(
                self._runs.pop()
                .join(leases, on="container")
                .filter(pl.col("first") <= pl.col("until"), pl.col("last") >= pl.col("since"))
                .select(_key("request", "ip"), "answer")
                .unique()
            )
        return Ties(
            pl.concat(tied)
            .sort("key")
            .group_by("key", maintain_order=True)
            .agg(pl.col("answer").min(), several=pl.col("answer").max() != pl.col("answer").min())
            .filter(~pl.col("several"))
            .select(list(_TIES))
        )


class Ties:
    """(request, address) → the only holder of the address that took part in the request."""

    def __init__(self, table: pl.DataFrame | None = None) -> None:
        self._table = _TIES.to_frame() if table is None else table

    def of(self, questions: pl.DataFrame) -> pl.Series:
        """The answer for each of QUESTIONS (request: hash or null, ip): a place, or UNKNOWN."""
        nothing = pl.Series("answer", [UNKNOWN], dtype=pl.Int32).new_from_index(0, len(questions))
        if self._table.is_empty() or questions.is_empty():
            return nothing
        keys = self._table["key"]
        asked = questions.select(
            key=pl.when(pl.col("request").is_not_null()).then(_key("request", pl.col("ip").hash(0)))
        )["key"]
        # Sorted keys are searched: a join would go through all of them for each block of lines.
        found = keys.search_sorted(asked.fill_null(0), side="left").clip(0, len(keys) - 1)
        return pl.select(
            pl.when(keys.gather(found) == asked)
            .then(self._table["answer"].gather(found))
            .otherwise(pl.lit(UNKNOWN, pl.Int32))
            .alias("answer")
        ).to_series()


def _merged(pairs: pl.DataFrame) -> pl.DataFrame:
    return pairs.group_by("request", "container").agg(pl.col("first").min(), pl.col("last").max())


def _key(request: str, ip: str | pl.Expr) -> pl.Expr:
    address = pl.col(ip) if isinstance(ip, str) else ip
    return pl.struct(pl.col(request), address.alias("address")).hash(0).alias("key")
