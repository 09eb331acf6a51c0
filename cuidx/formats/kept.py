"""Records that `cuidx convert` kept in Parquet: everything that was read of them, to be read again.

The columns of EVENTS and `mentions` are for other tools. `kind` says what a record is, and `parsed`
is a struct of what it said itself, before evidence gave it names and addresses: from that a later
run works out the same answers. What is known of the sources as a whole is in the file's metadata.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any, Final

import polars as pl

from cuidx.schema import EVENTS, EVIDENCE_TIMES, INNER_ROLES, KIND, PARSED, ROLES, TIME, TIME_FROM

KEY: Final = "cuidx"
VERSION: Final = 1
_OUTSIDE: Final = ("time", "message")  # columns of EVENTS, which need not be kept twice
PARSED_FIELDS: Final = pl.Schema(
    {
        **{n: PARSED[n] for n in ("back", "why", "raw", "envelope", "suffixes", "repeats",
                                  "own_time", "is_json")},
        **{
            role: TIME if role in EVIDENCE_TIMES else pl.String()
            for role in (*ROLES, *INNER_ROLES) if role not in _OUTSIDE
        },
    }
)  # fmt: skip
MENTION: Final = pl.Struct({"ip": pl.String(), "role": pl.String()})
KEPT: Final = pl.Schema(
    {
        **EVENTS,
        "mentions": pl.List(MENTION),
        "kind": KIND,
        "parsed": pl.Struct(dict(PARSED_FIELDS)),
    }
)


def parsed(frame: pl.DataFrame) -> pl.Series:
    """The `parsed` column for records as they were parsed, times read."""
    columns = [
        frame[name].cast(dtype).alias(name) if name in frame.columns
        else pl.lit(None, dtype).alias(name)
        for name, dtype in PARSED_FIELDS.items()
    ]  # fmt: skip
    return frame.select(pl.struct(columns).alias("parsed"))["parsed"]


def records(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of KEPT as records: PARSED columns, time and time_from; all null ones are left out."""
    rows = frame.select(
        "time", pl.col("time_from").cast(pl.Enum(TIME_FROM)), "message", "line", "index", "kind",
        "parsed",
    ).unnest("parsed")  # fmt: skip
    fill = {"suffixes", "repeats", "envelope", *ROLES}
    return rows.select(
        name for name in rows.columns if name in fill or rows[name].null_count() < len(rows)
        or name in ("time", "time_from", "message", "line", "index", "kind")
    )  # fmt: skip


def sources_in(where: str | IO[bytes]) -> list[dict[str, Any]] | None:
    """What a Parquet file of `convert` says of its sources, in order; None for any other."""
    said = pl.read_parquet_metadata(where).get(KEY)
    if said is None:
        return None
    found: list[dict[str, Any]] = json.loads(said)["sources"]
    return found


def metadata(sources: list[dict[str, Any]]) -> dict[str, str]:
    """The file's metadata for these SOURCES."""
    return {KEY: json.dumps({"version": VERSION, "sources": sources}, ensure_ascii=False)}


def by_source(frame: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """(path, its rows) for each run of rows of one source."""
    if frame.is_empty():
        return
    runs = frame["source"].rle_id()
    for run in runs.unique(maintain_order=True):
        rows = frame.filter(runs == run)
        yield str(rows["source"][0]), rows
