"""What trace needs: the events of the requests that are asked for, and whom they mention."""

from __future__ import annotations

import polars as pl

from cuidx.analyses.annotate import resolved
from cuidx.analyses.trace import trace
from cuidx.case.filters import Filters
from cuidx.case.rows import as_events
from cuidx.case.story import Story
from cuidx.enrich.identity import request_key
from cuidx.enrich.mentions import mentions
from cuidx.errors import UsageError
from cuidx.schema import EVENTS, ROLES, detached


def trace_calls(
    story: Story, filters: Filters, request: str | None, container: str | None
) -> pl.DataFrame:
    """The answer of `Case.trace_calls`."""
    if (request is None) == (container is None):
        raise UsageError(
            "trace takes either a request or a container", do="--request ID, or --container ID"
        )
    ties = story.ties  # before the book: one look at the records is then enough for both
    summary, _ = story.book
    if request is not None:
        wanted = pl.select(request_key(pl.lit(request.strip()))).to_series()
    else:
        name = story.find_container(str(container))
        pairs = summary.pairs.table.filter(pl.col("container").cast(pl.String) == name)
        wanted = pairs["request"].unique()
    paths, timetable, keep = story.paths, story.timetable, filters.keep
    events, found, count = [EVENTS.to_frame()], [], 0
    for frame in story.shown(frozenset(ROLES)):
        rows = frame.filter((pl.col("kind") == "event") & request_key().is_in(wanted.implode()))
        if rows.is_empty():
            continue
        place = int(frame["place"][0])
        rows = as_events(rows, paths[place]).collect()
        answers = resolved(rows, mentions(rows), timetable, ties, place)
        events.append(detached(rows))
        found.append(answers.with_columns(pl.col("row") + count))
        count += len(rows)
    hops = trace(pl.concat(events), pl.concat(found) if found else None)
    if keep is not None:
        kept = pl.concat(events).with_row_index("row").filter(keep)["row"]
        hops = hops.filter(pl.col("row").is_in(kept.implode()))
    return hops
