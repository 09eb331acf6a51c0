"""What steps needs: all events, those that are alerts, and what a search looks through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from cuidx import times
from cuidx.analyses.alerts import Place, places
from cuidx.analyses.steps import EVENTS, FOUND, Steps, steps
from cuidx.case.filters import Filters
from cuidx.case.lines import ALERTS, Lines, alerts_of
from cuidx.case.rows import as_events
from cuidx.case.server import Server, all_of, any_of, term
from cuidx.case.story import Story
from cuidx.enrich.identity import level_of, request_text
from cuidx.enrich.mentions import mentions
from cuidx.errors import UsageError
from cuidx.schema import LEVEL, LEVELS, ROLES, TIME
from cuidx.sources.elastic import layout

if TYPE_CHECKING:
    from cuidx.sources.elastic.index import Query


def compare_searches(
    story: Story,
    filters: Filters,
    alert: Sequence[str] | str,
    alert_level: str | None,
    search: str,
    window: str,
) -> Steps:
    """The answer of `Case.compare_searches`."""
    if search not in ("own", "any"):
        raise UsageError(f"--search {search}: own or any", do="own looks at own IPs alone")
    width = times.length(window)
    said = [alert] if isinstance(alert, str) else list(alert)
    if not said and alert_level is None and not filters.given:
        alert_level = "ERROR"
    least = level_of(alert_level) if alert_level is not None else None
    if alert_level is not None and least is None:
        raise UsageError(
            f"--alert-level {alert_level}: no level is called so", do=", ".join(LEVELS)
        )
    if story.server is not None:
        _ = story.raw_summary  # it may turn out that the server can't compute it
    # Paths are known once the sources are read, which the search for errors does once for all.
    wanted = places(said, story.paths) if said else []
    sizes = None
    if story.server is None or search == "any":
        if story.server is not None:
            story.notes.append("--search any looks into messages: all lines were read here")
        everywhere, kept = search == "any", None
        if not wanted and least is not None and filters.by_time:
            kept = _kept(story, least, mentions=everywhere)
        if kept is not None:
            events, alerts, found = kept.told(story.paths, story.enrich, story.is_for_leases)
            alerts = _at_times(alerts, filters.keep)
        else:
            events, alerts, found = _searched(story, filters, wanted, least, everywhere=everywhere)
    else:
        events, alerts, found, sizes = _asked_for(story.server, story, filters, wanted, least)
    answer = steps(events, alerts, width, found, sizes)
    return replace(answer, hits=answer.hits.join(_writers(story), on="container", how="left"))


def _kept(story: Story, least: str, *, mentions: bool) -> Lines | None:
    """All lines, where what one says of its writer is all there is to know; else None."""
    kept = Lines(least, mentions=mentions)
    story.keep(kept)
    return kept if story.is_settled and kept.whole else None


def _at_times(alerts: pl.DataFrame, keep: pl.Expr | None) -> pl.DataFrame:
    """Those of ALERTS that KEEP leaves, an expression on their time."""
    if keep is None:
        return alerts
    dated = alerts.select(pl.col("time").cast(TIME)).with_columns(keep.fill_null(False).alias("k"))
    return alerts.filter(dated["k"])


def _writers(story: Story) -> pl.DataFrame:
    """container, service and identity of each container that wrote a line."""
    groups = story.book[0].groups.drop_nulls("container").filter(pl.col("kind") == "event")
    return groups.group_by("container").agg(
        pl.col("service").min(), pl.col("identity").min().cast(pl.String)
    )


def _asked_for(
    server: Server, story: Story, filters: Filters, wanted: list[Place], least: str | None
) -> tuple[pl.DataFrame, pl.DataFrame, None, pl.DataFrame]:
    """The same of an index of SERVER, which gives just the lines that a search brings up.

    And the last: how many lines each of their requests has, counted there.
    """
    _ = story.book
    chosen: list[Query | None] = []
    if wanted:
        places = [
            {"bool": {"filter": [{"term": {layout.SOURCE: story.paths[place.source]}},
                                 {"term": {layout.LINE: place.line}}]}}
            for place in wanted
        ]  # fmt: skip
        chosen += places
    if least is not None:
        chosen.append(term(layout.FIELDS["level"][0], LEVELS[LEVELS.index(least) :]))
    filtered = None if wanted else filters.query
    only = all_of([filtered, *([any_of(*chosen)] if chosen else [])])
    _, alerts, _ = _searched(story, filters, wanted, least, everywhere=False, only=only)
    asked = {name: alerts[name].drop_nulls().unique().to_list() for name in ("container", "ip")}
    only = story.wrote(asked["container"], asked["ip"])
    events, _, _ = _searched(story, filters, [], "FATAL", everywhere=False, only=only)
    requests = events["request"].cast(pl.String).drop_nulls().unique().to_list()
    return events, alerts, None, server.request_sizes(requests)


def _searched(
    story: Story,
    filters: Filters,
    wanted: list[Place],
    least: str | None,
    *,
    everywhere: bool,
    only: Query | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame | None]:
    """(all events, alerts, what a search by address looks through), as `steps` wants them."""
    _ = story.book  # the names of lines that know only an IP are settled there
    keep = filters.keep
    want = frozenset(ROLES) if everywhere else filters.want
    events, found, alerts = [EVENTS.to_frame()], [FOUND.to_frame()], [ALERTS.to_frame()]
    seen: dict[str, str] = {}
    count = 0
    for frame in story.shown(want, only):
        source = int(frame["place"][0])
        for place in wanted:
            kinds = place.of(source, frame)["kind"]
            if len(kinds):
                seen[place.said] = "event" if "event" in kinds else str(kinds[0])
        rows = frame.filter(pl.col("kind") == "event")
        events.append(
            rows.select("ip", "container", request_text().alias("request"), "time")
            .select(pl.col(name).cast(dtype) for name, dtype in EVENTS.items())
        )  # fmt: skip
        if everywhere:
            spots = mentions(rows).select(event=pl.col("row") + count, ip="ip").unique()
            found.append(spots.select(pl.col(name).cast(dtype) for name, dtype in FOUND.items()))
        count += len(rows)
        if wanted or least is not None:
            rows = _chosen(rows, [place for place in wanted if place.source == source], least)
        alerts.append(alerts_of(_left(rows, story.paths[source], keep), story.paths[source]))
    _refuse_others(wanted, seen)
    return pl.concat(events), pl.concat(alerts), pl.concat(found) if everywhere else None


def _chosen(rows: pl.DataFrame, named: list[Place], least: str | None) -> pl.DataFrame:
    """Those of ROWS, events of one source, that are NAMED or of level LEAST and above."""
    rows = rows.with_row_index("at")
    spots = [place.of(place.source, rows)["at"] for place in named]
    high = pl.lit(False) if least is None else pl.col("level") >= pl.lit(least, LEVEL)
    here = pl.concat(spots) if spots else pl.Series([], dtype=pl.UInt32)
    return rows.filter(high.fill_null(False) | pl.col("at").is_in(here.implode()))


def _left(rows: pl.DataFrame, path: str, keep: pl.Expr | None) -> pl.DataFrame:
    """Those of ROWS, events of the source PATH, that the filters leave."""
    if keep is None or rows.is_empty():
        return rows
    fits = as_events(rows, path).select(keep.alias("k")).collect()["k"].fill_null(False)
    return rows.filter(fits)


def _refuse_others(wanted: list[Place], seen: dict[str, str]) -> None:
    for place in wanted:
        kind = seen.get(place.said)
        if kind != "event":
            what = f"it is {kind}, not an event" if kind else "there is no such record"
            raise UsageError(
                f"--alert {place.said}: {what}", do="`cuidx annotate` shows where events stand"
            )
