"""What findings needs: the summary's oddities, and one look at all records for the others."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from cuidx.analyses import findings as odd
from cuidx.analyses.blocks import Block
from cuidx.case.filters import Filters
from cuidx.case.look import blocks
from cuidx.case.rows import WHO_AND_WHEN
from cuidx.case.story import Story


def findings(
    story: Story, filters: Filters, beside: Callable[[Block], None] | None = None
) -> pl.DataFrame:
    """The answer of `Case.findings`; BESIDE is shown all that is looked at, with messages."""
    summary, found = story.book
    groups = story.ladder.fill(story.named.groups)
    watches = []
    if story.clock == "time":  # the order of lines says nothing of "at once"
        watches = [*odd.two_ips(groups), *odd.two_holders(found)]
    seen = odd.Observer(summary, watches, story.records.options.tz)
    keep = filters.keep
    want = filters.want
    if want == WHO_AND_WHEN and beside is None:
        want -= {"request_id", "trace_id"}
    for block in blocks(story, filters, want | {"message", "host_ip", *odd.WANT}):
        seen.see(block)
        if beside is not None:
            beside(block)
    paths = story.paths
    problems = {
        at: str(problem).splitlines()[0].removeprefix(f"{path}: ")
        for at, path in enumerate(paths)
        for problem in story.problems
        if str(problem).startswith(f"{path}: ")
    }
    rows = [*odd.lifecycles(summary.evidence, found), *seen.findings(), *seen.cut(problems)]
    if keep is not None:
        rows = [row for row in rows if row.container is None or row.container in seen.shown]
    return odd.table(rows, paths)
