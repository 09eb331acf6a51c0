"""What convert needs: events with their mentions; for later runs, all records as they were."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import polars as pl

from cuidx.case.filters import Filters
from cuidx.case.rows import as_events
from cuidx.case.story import Story
from cuidx.enrich.mentions import mentions
from cuidx.formats import kept
from cuidx.schema import EVENTS, ROLES

_PEERS: Final = ("host_ip", "source_ip", "destination_ip", "forwarded_ip")
CONVERTED: Final = pl.Schema(
    {**{n: t for n, t in EVENTS.items() if n not in _PEERS}, "mentions": pl.List(kept.MENTION)}
)
_ALL: Final = frozenset({*ROLES, "payload", "repeats", "own_time"})


def with_mentions(filters: Filters) -> Iterator[pl.DataFrame]:
    """The events that the filters leave, as CONVERTED, block by block."""
    for _, rows in filters.blocks(frozenset(ROLES)):
        yield rows.with_columns(_mentions(rows)).select(list(CONVERTED))


def kept_records(story: Story, filters: Filters) -> Iterator[pl.DataFrame]:
    """All records as `kept.KEPT`; where filters are set, the events they leave and the evidence."""
    _ = story.book
    yield kept.KEPT.to_frame()  # of nothing, too, a file is made
    keep = filters.keep if filters.given else None
    for part in story.records.parts(_ALL):
        if part.frame.is_empty() or story.is_for_leases(part.source):
            continue
        frame = story.enrich(part.frame, part.source)
        rows = as_events(frame, story.paths[part.source]).collect()
        rows = rows.with_columns(
            _mentions(rows), kind=part.frame["kind"], parsed=kept.parsed(part.frame)
        ).select(list(kept.KEPT))
        if keep is not None:
            rows = rows.filter(filters.fits(frame, keep) | (frame["kind"] == "evidence"))
        yield rows


def kept_sources(story: Story) -> list[dict[str, object]]:
    """What is known of each source as a whole, to be kept beside the records."""
    return [
        {"path": one.path, "format": one.format, "confidence": one.confidence,
         "compression": one.compression, "zoneless": one.zoneless, "notes": sorted(one.notes)}
        for at, one in enumerate(story.opened)
        if one.left_out is None and not story.is_for_leases(at)
    ]  # fmt: skip


def _mentions(events_: pl.DataFrame) -> pl.Series:
    found = mentions(events_).with_columns(pl.col("role").cast(pl.String))
    gathered = found.group_by("row", maintain_order=True).agg(mentions=pl.struct("ip", "role"))
    rows = pl.DataFrame({"row": pl.int_range(len(events_), dtype=pl.UInt32, eager=True)})
    lists = rows.join(gathered, on="row", how="left", maintain_order="left")["mentions"]
    return lists.cast(pl.List(kept.MENTION)).fill_null([])
