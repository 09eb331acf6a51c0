"""Marks: where on a container's life its errors are, close ones as one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from cuidx.analyses.blocks import Block
from cuidx.enrich.leases import PLACE, Clock
from cuidx.schema import LEVEL, detached

MARKS: Final = pl.Schema(
    {
        "container": pl.String(),
        "at": pl.Int64(),
        "count": pl.Int64(),
        "message": pl.String(),
        "source": pl.String(),
        "line": pl.Int64(),
    }
)
_FOUND: Final = pl.Schema({**MARKS, "is_told": pl.Boolean()})  # whether its message is known
_IS_ERROR: Final = pl.col("level") >= pl.lit("ERROR", LEVEL)
_MOST: Final = 3_000  # on one picture; closer ones are then drawn as one
_CELLS: Final = 600  # of the time from first to last event
_LONGEST: Final = 160  # characters of a message


class Marks:
    """Events of level ERROR and above, gathered block by block; then `untold`, then `table`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._found: list[pl.DataFrame] = [_FOUND.to_frame()]

    def add(self, block: Block, path: str) -> None:
        """BLOCK is the next of the source PATH."""
        found = [_FOUND.to_frame()]
        if block.events is not None:
            rows = block.events.filter(_IS_ERROR)
            if "message" not in rows.columns:
                rows = rows.with_columns(message=pl.lit(None, pl.String))
            found.append(self._of(rows.with_columns(is_told=True), block.place, path))
        if block.groups is not None and block.lines is not None:
            which = block.groups.select(_IS_ERROR.fill_null(False)).to_series()
            rows = block.lines.filter(which.gather(block.lines["group"]))
            rows = rows.with_columns(
                block.groups["container"].gather(rows["group"]),
                message=pl.lit(None, pl.String),
                is_told=False,
            )
            found.append(self._of(rows, block.place, path))
        self._found.append(pl.concat(found))
        if len(self._found) > 64:
            self._found = [_merged(pl.concat(self._found))]

    def _of(self, rows: pl.DataFrame, place: int, path: str) -> pl.DataFrame:
        at = pl.col("time").cast(pl.Int64) if self._clock == "time" else pl.col("line") + (
            place * PLACE
        )  # fmt: skip
        cut = pl.col("message").str.slice(0, _LONGEST)
        columns = rows.select("container", "line", "is_told", at=at, message=cut)
        return (
            detached(columns.drop_nulls(["container", "at"]))
            .with_columns(count=pl.lit(1, pl.Int64), source=pl.lit(path))
            .select(list(_FOUND))
        )

    def untold(self) -> list[tuple[str, int]]:
        """Source and line of the marks whose message was not at hand."""
        self._found = [_merged(pl.concat(self._found))]
        rows = self._found[0].filter(~pl.col("is_told"))
        return list(rows.select("source", "line").iter_rows())

    def table(self, texts: Mapping[tuple[str, int], str | None]) -> pl.DataFrame:
        """What was found, as MARKS: `at` in nanoseconds, or in the order of lines.

            container  at                   count  message                   source      line
            4a23…      1762074001250000000      3  charge failed: timed out  app.log       17

        Those of one container within 1/600 of the whole time are one mark with the first one's
        message, cut to 160 characters; sorted by container, then time. Without a time (and with a
        clock) or a container an error has no place, and no mark. TEXTS are the messages that were
        `untold`.
        """
        (found,) = self._found
        places = found.select("source", "line").iter_rows()
        told = pl.Series([texts.get(place) for place in places], dtype=pl.String)
        message = pl.when("is_told").then("message").otherwise(told.str.slice(0, _LONGEST))
        return found.with_columns(message=message).select(list(MARKS))


def _merged(every: pl.DataFrame) -> pl.DataFrame:
    if every.is_empty():
        return every
    low, high = every.select(pl.col("at").min().alias("low"), pl.col("at").max().alias("high")).row(
        0
    )
    width = (high - low) // _CELLS + 1
    merged = _close(every, low, width)
    while len(merged) > max(_MOST, merged["container"].n_unique()):
        width *= 2
        merged = _close(merged, low, width)
    return merged


def _close(every: pl.DataFrame, low: int, width: int) -> pl.DataFrame:
    return (
        every.sort("container", "at", "source", "line")
        .group_by("container", cell=(pl.col("at") - low) // width, maintain_order=True)
        .agg(
            pl.col("at").first(),
            pl.col("count").sum(),
            pl.col("message", "source", "line", "is_told").first(),
        )
        .select(list(_FOUND))
    )
