"""Standard input alone: annotated as it comes; all else is read before, for its leases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import BinaryIO

import polars as pl

from cuidx.analyses.accounting import Accounting, Bins, SourceBins
from cuidx.analyses.live import Live
from cuidx.case.filters import Filters
from cuidx.case.rows import as_events
from cuidx.case.story import Story, settled
from cuidx.errors import SourceError
from cuidx.follow import Following
from cuidx.reading import Opened, Records
from cuidx.sources.paths import STDIN, Source


class Flow:
    """STREAM, which is STORY's standard input, read once. STORY's other sources are read here."""

    def __init__(self, stream: BinaryIO, story: Story, filters: Filters) -> None:
        self.records = story.records
        self.notes, self.zone_said, self.nameless = story.notes, story.zone_said, False
        options = story.records.options
        others = [one for one in story.records.sources if one.path != STDIN]
        known = Records(others, options)
        if not others:
            known = Records([Source("frame")], options, frame=pl.DataFrame())
        self._others, self._before = bool(others), Story(known)
        self._before.reject = story.reject
        self._filters = filters.on(self._before)
        before = self._before
        self._live = Live(before.timetable, before.ladder.standing(*before.book))
        self._following = Following(stream, options, before.newest)

    def annotated(self) -> Iterator[pl.DataFrame]:
        """The events that the filters leave, as ANNOTATED, as they come."""
        keep = self._filters.keep
        is_event = pl.col("kind") == "event"
        for frame in self._following.parts():
            self._before.pass_rejects(STDIN, frame)
            records = (
                settled(frame, self._before.ladder)
                .filter(pl.col("kind").is_in(["event", "evidence"]))
                .with_columns(event=pl.when(is_event).then(is_event.cast(pl.Int64).cum_sum() - 1))
            )
            events = as_events(records.filter(is_event), STDIN).collect()
            self._following.tagged += int((events["identity"] == "cuid").sum())
            rows = self._live.annotate(records, events)
            yield rows if keep is None else rows.filter(events.select(keep).to_series())

    @property
    def opened(self) -> list[Opened]:
        """What was found out about each source."""
        return [self._following.opened, *(self._before.opened if self._others else [])]

    @property
    def problems(self) -> list[SourceError]:
        """Sources that were cut off: only those that were read before."""
        return self._before.problems

    @property
    def services(self) -> dict[str, str]:
        """The service of each holder that is known by one."""
        return self._before.services

    @property
    def zoneless(self) -> int:
        """How many times have no zone, until now."""
        return self._following.zoneless

    @property
    def yearless(self) -> int:
        """How many times have no year, until now."""
        return self._following.yearless

    @property
    def newest(self) -> int | None:
        """What the times without a year are before, in ns."""
        return self._following.newest

    @property
    def accounting(self) -> Accounting:
        """Where every record of the stream went, until now."""
        kinds, opened = self._following.kinds, self._following.opened
        first, last = self._following.first_and_last()
        tagged = self._following.tagged
        bins = Bins(
            records=kinds.total(), events=kinds["event"], fragments=kinds["fragment"],
            duplicates=kinds["duplicate"], evidence=kinds["evidence"], skipped=kinds["skipped"],
            blank=kinds["blank"], unreadable=kinds["unreadable"], tagged=tagged,
            untagged=kinds["event"] - tagged, first=first, last=last,
        )  # fmt: skip
        source = SourceBins(**asdict(bins), path=opened.path, format=opened.format)
        return Accounting(**asdict(bins), sources=(source,))
