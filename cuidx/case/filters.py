"""The filters: --since, --until and --where, as one expression on the columns of EVENTS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final

import polars as pl

from cuidx import times
from cuidx.case.rows import WHO_AND_WHEN, as_events, groups_of_one, pairs_of
from cuidx.case.server import all_of, term, time_from
from cuidx.case.story import Story
from cuidx.enrich.identity import address, level_of
from cuidx.enrich.pairs import PAIRS, Pairs
from cuidx.enrich.summary import GROUPS, Summary
from cuidx.errors import UsageError
from cuidx.schema import EVENTS, KIND, ROLES
from cuidx.sources.elastic import layout

if TYPE_CHECKING:
    from cuidx.sources.elastic.index import Query, Window

# Columns that evidence does not change: an index has them as they come out.
_AS_STORED: Final = {
    "source": layout.SOURCE,
    **{name: layout.FIELDS[name][0] for name in ("service", "namespace", "cluster", "pod", "node",
                                             "container_name", "request_id", "trace_id")},
}  # fmt: skip


class Filters:
    """Which events of STORY are asked about.

    Raises:
        UsageError: a column that isn't there, or words that are no time: before anything is read.
    """

    def __init__(
        self,
        story: Story,
        since: str | None = None,
        until: str | None = None,
        where: Sequence[tuple[str, str]] = (),
        now: str | None = None,
    ) -> None:
        self._story = story
        self._since, self._until, self._where, self._now = since, until, where, now
        self._tz = story.records.options.tz
        for column, _ in where:
            if column not in EVENTS:
                raise UsageError(f"--where {column}=…: no column is called {column!r}",
                                 do=f"columns: {', '.join(EVENTS)}")  # fmt: skip
        moments = [value for column, value in where if column == "time"]
        for words in (since, until, now, *moments):
            if words is not None:
                times.point(words, newest=0, tz=self._tz)

    @property
    def window(self) -> Window | None:
        """What to ask of an index where only reading tells what is in it; None is all."""
        if self._since is None and self._until is None:
            return None

        def span(newest: int | None) -> tuple[int | None, int | None]:
            if self._now is not None:
                newest = times.point(self._now, newest=None, tz=self._tz)
            sides: list[int | None] = []
            for words in (self._since, self._until):
                if words is None or (_is_relative(words) and newest is None):
                    sides.append(None)
                else:
                    sides.append(times.point(words, newest=newest, tz=self._tz))
            # What counts from the newest event needs that one read.
            counts = self._now is None and any(
                words is not None and _is_relative(words) for words in (self._since, self._until)
            )
            return sides[0], None if counts else sides[1]

        return span

    def on(self, story: Story) -> Filters:
        """The same filters for another story."""
        return Filters(story, self._since, self._until, self._where, self._now)

    @property
    def given(self) -> bool:
        """Whether there is any."""
        return bool(self._since or self._until or self._where)

    @property
    def by_time(self) -> bool:
        """Whether a time is all that an event needs to fit."""
        return not self._where

    @property
    def said(self) -> list[str]:
        """The filters as typed."""
        return [words for words, _ in self._conditions()]

    @property
    def want(self) -> frozenset[str]:
        """What has to be read of each record to filter and to count it."""
        return frozenset(ROLES) if self._where else WHO_AND_WHEN

    @property
    def keep(self) -> pl.Expr | None:
        """The filters as one expression on the columns of EVENTS; None if there is none."""
        conditions = [expression for _, expression in self._conditions()]
        if not conditions and self._story.lease_sources:
            return pl.lit(True)  # all, but not the lines that were read for their leases
        return pl.all_horizontal(conditions) if conditions else None

    @property
    def query(self) -> Query | None:
        """A query that the records of an index fit where they fit the filters."""
        found: list[Query | None] = []
        for words, until in ((self._since, False), (self._until, True)):
            if words is not None:
                found.append(time_from(self._moment(words), until=until))
        columns: dict[str, list[str]] = {}
        for column, value in self._where:
            columns.setdefault(column, []).append(value)
        for column, values in columns.items():
            if column == "container":
                names = [self._story.find_container(value) for value in values]
                found.append(self._story.wrote(names))
            elif column == "ip":
                ips = [known for value in values if (known := address(value)) is not None]
                found.append(self._story.wrote((), ips) if len(ips) == len(values) else None)
            elif column == "level":
                found.append(term(layout.FIELDS[column][0], {level_of(v) or v for v in values}))
            elif column in _AS_STORED:
                found.append(term(_AS_STORED[column], values))
        return all_of(found)

    def fits(self, frame: pl.DataFrame, keep: pl.Expr) -> pl.Series:
        """Which of the enriched records of one source are events that KEEP leaves."""
        if frame.is_empty():
            return pl.Series(dtype=pl.Boolean)
        rows = as_events(frame, self._story.paths[int(frame["place"][0])])
        return rows.select(keep.fill_null(False).alias("fits")).collect()["fits"] & (
            frame["kind"] == "event"
        )

    def blocks(self, want: frozenset[str]) -> Iterator[tuple[int, pl.DataFrame]]:
        """(source, events as EVENTS that the filters leave), in order, block by block."""
        paths = self._story.paths
        keep = self.keep
        _ = self._story.book  # the names of lines that know only an IP are settled there
        for frame in self._story.enriched(want, self.query):
            place = int(frame["place"][0])
            if self._story.is_for_leases(place):
                continue
            rows = as_events(frame.filter(pl.col("kind") == "event"), paths[place]).collect()
            yield place, rows if keep is None else rows.filter(keep)

    def shown(self) -> Summary | None:
        """The summary of the events that the filters leave; None if there are no filters."""
        return None if self.keep is None else self._counted

    @cached_property
    def _counted(self) -> Summary:
        groups, pairs = [GROUPS.to_frame()], [PAIRS.to_frame()]
        for place, rows in self.blocks(self.want):
            if rows.height:  # their containers are settled: no identity is worked out again
                lines = groups_of_one(rows).with_columns(
                    kind=pl.lit("event", KIND),
                    source=pl.lit(place, pl.Int64),
                    pod_key=pl.lit(None, pl.String),
                )
                groups.append(lines.select(list(GROUPS)))
                pairs.append(pairs_of(rows))
        evidence = Summary.of([]).evidence
        table = Pairs(pl.concat(pairs).unique())
        return Summary.merge([Summary(pl.concat(groups), table, evidence)])

    def misfit(self) -> str:
        """The filters that no event fits, as typed: each that alone leaves none, else all."""
        conditions = self._conditions()
        fit = [False] * len(conditions)
        for frame in self._story.enriched(frozenset(ROLES)):
            fit = [had or bool(self.fits(frame, one).any())
                   for had, (_, one) in zip(fit, conditions, strict=True)]  # fmt: skip
        alone = [words for had, (words, _) in zip(fit, conditions, strict=True) if not had]
        return ", nor ".join(alone) or "all of " + " ".join(words for words, _ in conditions)

    def point(self, words: str) -> int:
        """The time that WORDS mean, in ns; `-15m` counts from the newest event."""
        return times.point(words, newest=self._newest, tz=self._tz)

    def _moment(self, words: str) -> int:
        newest = self._newest if _is_relative(words) else None
        return times.point(words, newest=newest, tz=self._tz)

    @cached_property
    def _newest(self) -> int | None:
        if self._now is not None:
            return times.point(self._now, newest=None, tz=self._tz)
        newest: int | None = (
            self._story.raw_summary.groups.filter(pl.col("kind") == "event")
            .select(pl.col("last").max().cast(pl.Int64))
            .item()
        )
        return newest

    def _conditions(self) -> list[tuple[str, pl.Expr]]:
        """(words as on the command line, expression on the columns of EVENTS) of each filter."""
        conditions: list[tuple[str, pl.Expr]] = []
        for words, side in ((self._since, "since"), (self._until, "until")):
            if words is not None:
                moment = pl.lit(self._moment(words)).cast(EVENTS["time"])
                fits = pl.col("time") >= moment if side == "since" else pl.col("time") < moment
                conditions.append((f"--{side} {words}", fits))
        columns: dict[str, list[pl.Expr]] = {}
        said: dict[str, list[str]] = {}
        for column, value in self._where:
            columns.setdefault(column, []).append(self._equals(column, value))
            said.setdefault(column, []).append(f"--where {column}={value}")
        # Two values for one column: either will do. Two columns: both must fit.
        return conditions + [
            (" ".join(said[column]), pl.any_horizontal(choices))
            for column, choices in columns.items()
        ]

    def _equals(self, column: str, value: str) -> pl.Expr:
        if column == "container":
            return pl.col("container") == self._story.find_container(value)
        if column.endswith("ip"):
            return pl.col(column) == (address(value) or value)
        if column == "time":
            return pl.col("time") == pl.lit(self.point(value)).cast(EVENTS["time"])
        if column == "level":
            return pl.col(column).cast(pl.String) == (level_of(value) or value)
        return pl.col(column).cast(pl.String) == value


def _is_relative(words: str) -> bool:
    """Whether WORDS count from the newest event: -15m, yesterday, today, now."""
    return words.strip()[:1] in "+-tyn"
