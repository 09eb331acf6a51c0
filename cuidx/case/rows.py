"""Enriched records in the shapes that questions take: events, pairs, groups of one line."""

from __future__ import annotations

from typing import Final

import polars as pl

from cuidx.enrich.identity import request_key
from cuidx.enrich.pairs import PAIRS
from cuidx.schema import EVENTS, LEVEL, MENTIONING, ROLES, conform

# What the summary needs of each record: no message, no peers.
WHO_AND_WHEN: Final = frozenset(ROLES) - MENTIONING


def as_given(frame: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    """The caller's own rows, with `time` in ns and UTC where it is a time.

    Raises:
        SchemaMismatchError: `restart` or `line` has another type than in EVENTS.
    """
    rows = frame.lazy().collect()
    time = rows.schema.get("time")
    if isinstance(time, pl.Datetime):
        at = pl.col("time").cast(pl.Datetime("ns", "UTC" if time.time_zone else None))
        rows = rows.with_columns(at if time.time_zone else at.dt.replace_time_zone("UTC"))
    numbers = {
        name: dtype
        for name, dtype in EVENTS.items()
        if name in ("restart", "line") and name in rows.columns
    }
    conform(rows.lazy().select(list(numbers)), pl.Schema(numbers), who="Case.from_frame")
    return rows


def as_events(frame: pl.DataFrame, path: str) -> pl.LazyFrame:
    """Enriched records of the source PATH as EVENTS; same rows and order."""
    typed = frame.lazy().with_columns(
        source=pl.lit(path),
        ip_from=pl.col("ip_from").cast(EVENTS["ip_from"]),
        time_from=pl.col("time_from").cast(EVENTS["time_from"]),
    )
    return conform(typed, EVENTS, who="events")


def pairs_of(events: pl.DataFrame) -> pl.DataFrame:
    """PAIRS of events whose container is settled."""
    pairs = events.select("container", request=request_key()).drop_nulls().unique()
    return pairs.with_columns(pl.col("container").cast(PAIRS["container"]))


def groups_of_one(events: pl.DataFrame) -> pl.DataFrame:
    """EVENTS whose container is settled, with the counts and times of GROUPS: one line each."""
    return events.with_columns(
        errors=(pl.col("level") >= pl.lit("ERROR", LEVEL)).fill_null(False).cast(pl.Int64),
        lines=pl.lit(1, pl.Int64),
        dated=pl.col("time").is_not_null().cast(pl.Int64),
        first="time",
        last="time",
        first_line="line",
        last_line="line",
    )
