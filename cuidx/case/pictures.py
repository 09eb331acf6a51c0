"""What charts need of a case: who had which address when, and where errors are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cuidx.analyses.alert_groups import alert_groups
from cuidx.analyses.marks import Marks
from cuidx.analyses.steps import Steps
from cuidx.case.filters import Filters
from cuidx.case.look import blocks, messages
from cuidx.case.story import Story
from cuidx.charts.lanes import Lanes, lanes_of

if TYPE_CHECKING:
    import altair as alt


def lanes(story: Story, filters: Filters, lifetimes: pl.DataFrame, errors: pl.DataFrame) -> Lanes:
    """Who had which address when, with ERRORS (as MARKS) on it."""
    _, found = story.book
    shown = None
    if filters.keep is not None:
        shown = set(lifetimes["ips"].explode().drop_nulls().to_list())
    return lanes_of(found, lifetimes, story.clock, errors, shown)


def errors(story: Story, filters: Filters) -> pl.DataFrame:
    """Where errors are, as MARKS; one look at all events."""
    want = filters.want | {"message", "level"}
    found, paths = Marks(story.clock), story.paths
    for block in blocks(story, filters, want, filters.query):
        found.add(block, paths[block.place])
    lines: dict[str, list[int]] = {}
    for path, line in found.untold():
        lines.setdefault(path, []).append(line)
    texts = {
        (path, line): message
        for path, mine in lines.items()
        for line, message in messages(story, paths.index(path), mine, want)
    }
    return found.table(texts)


def timeline_chart(
    story: Story, filters: Filters, lifetimes: pl.DataFrame, most: int
) -> alt.LayerChart:
    """The answer of `Case.timeline_chart`."""
    from cuidx.charts.theme import styled
    from cuidx.charts.timeline import timeline_chart as chart

    return styled(chart(lanes(story, filters, lifetimes, errors(story, filters)), most))


def reuse_chart(table: pl.DataFrame, most: int) -> alt.LayerChart:
    """The answer of `Case.reuse_chart`, of REUSE."""
    from cuidx.charts.reuse import reuse_chart as chart
    from cuidx.charts.theme import styled

    return styled(chart(table, most))


def steps_chart(found: Steps, services: dict[str, str], window: str, most: int) -> alt.LayerChart:
    """The answer of `Case.steps_chart`."""
    from cuidx.charts.steps import steps_chart as chart
    from cuidx.charts.theme import styled

    return styled(chart(alert_groups(found), found.totals, services, window, most))
