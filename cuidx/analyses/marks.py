"""Marks: where on a container's life its errors are, close ones as one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import polars as pl

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
_MOST: Final = 3_000  # on one picture; closer ones are then drawn as one
_CELLS: Final = 600  # of the time from first to last event
_LONGEST: Final = 160  # characters of a message


def marks(blocks: Iterable[tuple[int, pl.DataFrame]], clock: Clock) -> pl.DataFrame:
    """Events of level ERROR and above, as MARKS: `at` in nanoseconds, or in the order of lines.

        container  at                   count  message                   source      line
        4a23…      1762074001250000000      3  charge failed: timed out  app.log       17

    BLOCKS are (source, rows as EVENTS). Those of one container within 1/600 of the whole time are
    one mark with the first one's message, cut to 160 characters; sorted by container, then time.
    Without a time (and with a clock) or a container an error has no place, and no mark.
    """
    found: list[pl.DataFrame] = [MARKS.to_frame()]
    for place, rows in blocks:
        errors = rows.filter(pl.col("level") >= pl.lit("ERROR", LEVEL))
        at = pl.col("time").cast(pl.Int64) if clock == "time" else pl.col("line") + place * PLACE
        cut = pl.col("message").str.slice(0, _LONGEST)
        columns = errors.select("container", at.alias("at"), cut, "source", "line")
        found.append(
            detached(columns.drop_nulls(["container", "at"]))
            .with_columns(count=pl.lit(1, pl.Int64))
            .select(list(MARKS))
        )
        if len(found) > 64:
            found = [_merged(pl.concat(found))]
    return _merged(pl.concat(found))


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
            pl.col("message", "source", "line").first(),
        )
        .drop("cell")
        .select(list(MARKS))
    )
