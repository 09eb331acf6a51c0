"""One look at all lines, for several questions: in groups where those say as much as lines."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, cast

import polars as pl

from cuidx.analyses.blocks import Block
from cuidx.case.filters import Filters
from cuidx.case.story import Story

if TYPE_CHECKING:
    from cuidx.sources.elastic.index import Query


def blocks(
    story: Story, filters: Filters, want: frozenset[str], only: Query | None = None
) -> Iterator[Block]:
    """All records, those left out that are read for their leases alone.

    Events that the filters leave are asked for. Without filters, and where a line's writer needs
    not its time, lines come in groups, but for those of which more than that is of note. ONLY is
    as in `Story.shown`.
    """
    _ = story.book  # the names of lines that know only an IP are settled there
    keep = filters.keep
    if keep is None and story.is_settled:
        yield from _in_groups(story, want, only)
        return
    for frame in story.shown(want, only):
        fits = frame["kind"] == "event" if keep is None else filters.fits(frame, keep)
        yield Block(int(frame["place"][0]), frame, frame.filter(fits))


def _in_groups(story: Story, want: frozenset[str], only: Query | None) -> Iterator[Block]:
    for part in story.records.parts(want, only=only, in_groups=True, by_line=True):
        records = events = groups = lines = None
        if part.frame.height:
            records = story.enrich(part.frame, part.source)
            events = records.filter(pl.col("kind") == "event")
        if part.grouped is not None and part.grouped.groups.height:
            groups = story.enrich(part.grouped.groups, part.source)
            by_line = cast("pl.DataFrame", part.grouped.by_line)  # as asked for
            lines = by_line.select("group", "time", "line")
            is_event = groups["kind"] == "event"
            if not is_event.all():
                lines = lines.filter(is_event.gather(lines["group"]))
        if records is not None or groups is not None:
            yield Block(part.source, records, events, groups, lines)


def messages(
    story: Story,
    place: int,
    lines: Collection[int],
    want: frozenset[str],
    chunks: Iterator[bytes] | None = None,
) -> Iterator[tuple[int, str | None]]:
    """(line, message) of those LINES that are events, of a source whose lines came in groups.

    Such a line says the same if it is read alone. CHUNKS are as in `Records.alone`.
    """
    rows = story.records.alone(place, lines, want | {"message"}, chunks)
    for row in rows.filter(pl.col("kind") == "event").iter_rows(named=True):
        yield row["line"], row.get("message")
