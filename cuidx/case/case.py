"""The questions one can ask of a case; a module of its own answers each, loaded when needed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

import polars as pl
from polars.io.plugins import register_io_source

from cuidx import times
from cuidx.analyses.accounting import Accounting
from cuidx.case.filters import Filters
from cuidx.case.rows import as_given
from cuidx.case.story import Story
from cuidx.case.told import Told, warnings
from cuidx.enrich.identity import address
from cuidx.errors import SourceError, UsageError
from cuidx.present.rows import json_rows
from cuidx.reading import Opened, Options, Records
from cuidx.schema import EVENTS, ROLES
from cuidx.sources.paths import STDIN, Source

if TYPE_CHECKING:
    import altair as alt

    from cuidx.analyses.lookups import Lookup
    from cuidx.analyses.split import By
    from cuidx.analyses.steps import Steps
    from cuidx.case.flow import Flow

# Annotated events take many times the room of their lines.
_SMALL: Final = 4 << 20
Where = Sequence[tuple[str, str]] | Mapping[str, str]


class Case:
    """Sources read as one story. Answers are computed when asked for, and kept."""

    def __init__(
        self,
        records: Records,
        *,
        since: str | None = None,
        until: str | None = None,
        where: Where = (),
        now: str | None = None,
        lease_sources: frozenset[str] = frozenset(),
        zone_said: bool = False,
        engine: str = "auto",
    ) -> None:
        self._story = Story(
            records, lease_sources=lease_sources, zone_said=zone_said, engine=engine
        )
        self._filters = Filters(self._story, since, until, pairs(where), now)
        records.window = self._filters.window
        self._flow: Flow | None = None  # standard input, once it is followed
        self.config: str | None = None  # the TOML file that was read
        self.ca: str | None = None  # for the server that is written to
        self.insecure = False
        self.pushed_to: str | None = None

    @classmethod
    def from_frame(cls, frame: pl.DataFrame | pl.LazyFrame, **options: Any) -> Case:
        """A case of the caller's own rows: columns named as in EVENTS, or as logs name them.

        Raises:
            SchemaMismatchError: a column of EVENTS has another type.
        """
        return cls(Records([Source("frame")], Options(), frame=as_given(frame)), **options)

    @property
    def reject(self) -> Callable[[str, pl.DataFrame], None] | None:
        """What is called with a source's path and its records (line, why, raw) not readable."""
        return self._story.reject

    @reject.setter
    def reject(self, take: Callable[[str, pl.DataFrame], None] | None) -> None:
        self._story.reject = take

    # -- the sources -----------------------------------------------------------------------

    @property
    def _told(self) -> Told:
        return self._story if self._flow is None else self._flow

    @property
    def accounting(self) -> Accounting:
        """Where every record went, before any filter; of all sources and of each."""
        return self._told.accounting

    @property
    def opened(self) -> list[Opened]:
        """What was found out about each source: format, compression, whether it was left out."""
        return self._told.opened

    @property
    def problems(self) -> list[SourceError]:
        """Sources that were cut off; what could be read of them is in the answers."""
        return self._told.problems

    @property
    def warnings(self) -> list[str]:
        """What a reader of the answers should know, sorted."""
        return warnings(self._told)

    @property
    def services(self) -> dict[str, str]:
        """The service of each holder that is known by one."""
        return self._told.services

    @property
    def held(self) -> dict[str, tuple[str, str]]:
        """Container → when it was first and last seen with an address, as RFC 3339."""
        story = self._story
        if story.clock != "time":
            return {}
        spans: dict[str, tuple[int, int]] = {}
        for lease in (lease for one in story.book[1] for lease in one.leases):
            for name in lease.containers:
                first, last = spans.get(name, (lease.first, lease.last))
                spans[name] = min(first, lease.first), max(last, lease.last)
        return {
            name: (times.one_text(first) or "", times.one_text(last) or "")
            for name, (first, last) in spans.items()
        }

    # -- the events ------------------------------------------------------------------------

    @property
    def events(self) -> pl.LazyFrame:
        """The events (columns of EVENTS) that the filters leave, in the order of sources and lines.

        Read anew each time it is collected, in bounded memory.
        """
        _ = self._story.book  # so that what is wrong with the sources is said here
        return register_io_source(partial(_scan, self._filters), schema=EVENTS)

    def annotate(self) -> pl.DataFrame:
        """Every event with each mentioned IP resolved: `analyses.annotate.ANNOTATED`."""
        from cuidx.analyses.annotate import ANNOTATED

        return pl.concat([ANNOTATED.to_frame(), *self.annotated()])

    def annotated(self) -> Iterator[pl.DataFrame]:
        """The rows of `annotate`, block by block: memory does not grow with them.

        Standard input alone is read once, and answered as it comes.
        """
        from cuidx.analyses.annotate import annotate

        story = self._story
        if {one.path for one in story.records.sources} - story.lease_sources == {STDIN}:
            yield from self._follow(cast("BinaryIO", sys.stdin.buffer))
            return
        story.records.block = _SMALL
        ties, timetable = story.ties, story.timetable
        for place, rows in self._filters.blocks(frozenset(ROLES)):
            yield annotate(rows, timetable, ties, place)

    def _follow(self, stream: BinaryIO) -> Iterator[pl.DataFrame]:
        from cuidx.case.flow import Flow

        self._flow = Flow(stream, self._story, self._filters)
        yield from self._flow.annotated()

    def converted(self) -> Iterator[pl.DataFrame]:
        """The events with the addresses they mention, block by block: `convert.CONVERTED`."""
        from cuidx.case.convert import with_mentions

        return with_mentions(self._filters)

    def convert(self, output: str | os.PathLike[str], lookup: Lookup | None = None) -> None:
        """Write all records to OUTPUT, a Parquet file that is read as a source like any other.

        The columns of its events are for other tools. With filters, only the events that fit them
        are written, and the evidence. With LOOKUP it is that table instead (see `lookup`).
        """
        from cuidx.present.frames import write_parquet

        if lookup is not None:
            write_parquet(iter([self.lookup(lookup)]), Path(output))
            return
        write_parquet(self.kept(), Path(output), self.kept_metadata)

    def kept(self) -> Iterator[pl.DataFrame]:
        """All records as a Parquet file of `convert` has them, block by block: `kept.KEPT`."""
        from cuidx.case.convert import kept_records

        return kept_records(self._story, self._filters)

    def kept_metadata(self) -> dict[str, str]:
        """What such a file says of the sources as a whole."""
        from cuidx.case.convert import kept_sources
        from cuidx.formats.kept import metadata

        return metadata(kept_sources(self._story))

    def lookup(self, kind: Lookup) -> pl.DataFrame:
        """Leases and lifetimes for other tools: `analyses.lookups`.

        `lifetimes` (as in `lifetimes()`), `splunk` (who has an address from a time on) or
        `timesketch` (the events).
        """
        from cuidx.analyses import lookups
        from cuidx.case.convert import CONVERTED

        if kind == "splunk":
            return lookups.splunk(self._story.book[1])
        if kind == "timesketch":
            return pl.concat([lookups.timesketch(CONVERTED.to_frame()), *map(
                lookups.timesketch, self.converted())])  # fmt: skip
        return self.lifetimes()

    # -- the questions ---------------------------------------------------------------------

    def lifetimes(self) -> pl.DataFrame:
        """One row for each container: `analyses.lifetimes.LIFETIMES`."""
        from cuidx.analyses.lifetimes import lifetimes

        shown = self._filters.shown()
        said = (self._story.raw_summary if shown is None else shown).pairs
        with ThreadPoolExecutor(1) as beside:  # natively, while it is worked out who is who
            counted = beside.submit(said.by_container)
            summary, found = self._story.book
            return lifetimes(
                summary, found, shown,
                lambda pairs: counted.result() if pairs is said else pairs.by_container(),
            )  # fmt: skip

    def reuse(self) -> pl.DataFrame:
        """One row for each own IP with its holders in order: `analyses.reuse.REUSE`."""
        from cuidx.analyses.reuse import reuse

        summary, found = self._story.book
        shown = self._filters.shown()
        if shown is None:
            return reuse(found, summary, self._story.clock)
        return reuse(found, shown, self._story.clock, set(shown.groups["ip"].drop_nulls()))

    def resolve(self, ip: str, at: str | None = None) -> pl.DataFrame:
        """Who held IP at AT (as for `--since`), or all its holders: `analyses.resolve.ANSWERS`.

        Raises:
            UsageError: IP is no address, or AT no time.
        """
        from cuidx.analyses.resolve import resolve

        asked = address(ip)
        if asked is None:
            raise UsageError(f"{ip!r} is no IP address", do="for example 10.10.11.2 or fe80::1")
        _, found = self._story.book
        when = None if at is None else self._filters.point(at)
        return resolve(found, asked, when, self._story.clock)

    def steps(
        self,
        alert: Sequence[str] | str = (),
        alert_level: str | None = None,
        search: str = "own",
        window: str = "5m",
    ) -> pl.DataFrame:
        """One row for each alert, what searches by its address and by its container bring up.

        The options are those of `compare_searches`, the columns `analyses.steps.ALERTS`.
        """
        return self.compare_searches(alert, alert_level, search, window).alerts

    def compare_searches(
        self,
        alert: Sequence[str] | str = (),
        alert_level: str | None = None,
        search: str = "own",
        window: str = "5m",
    ) -> Steps:
        """What `steps` gives, with the totals and with whose lines the searches return.

        ALERT names events as `SOURCE:LINE[:INDEX]`; ALERT_LEVEL means those of that level and
        above. The case's filters choose among them, or among all events where neither is given;
        without any choice alerts are events of level ERROR and above. SEARCH is `own` (a filter on
        the address column) or `any` (a full-text search), WINDOW a length of time before and after.

        Raises:
            UsageError: an ALERT that is no event, or words that mean nothing.
        """
        from cuidx.case.steps import compare_searches

        return compare_searches(self._story, self._filters, alert, alert_level, search, window)

    def trace(self, request: str | None = None, container: str | None = None) -> pl.DataFrame:
        """The hops of one request, or of all requests through a container: `analyses.trace.HOPS`.

        REQUEST is a request id in any case, with or without dashes; CONTAINER may be the beginning
        of a name. Nothing that fits is an empty table.

        Raises:
            UsageError: both or none are given, or several containers begin so.
        """
        from cuidx.analyses.trace import HOPS

        return self.trace_calls(request, container).select(list(HOPS))

    def trace_calls(self, request: str | None = None, container: str | None = None) -> pl.DataFrame:
        """`trace` with each line's level and its caller's port: `analyses.trace.TRACED`."""
        from cuidx.case.trace import trace_calls

        return trace_calls(self._story, self._filters, request, container)

    def findings(self) -> pl.DataFrame:
        """What is odd in the evidence, with its lines: `analyses.findings.FINDINGS`."""
        from cuidx.case.findings import findings

        return findings(self._story, self._filters)

    def detect(self) -> pl.DataFrame:
        """What each source was found to be, and why: `analyses.detect.FILES`."""
        from cuidx.case.detect import detect

        return detect(self._story)

    def split(
        self, output: str | os.PathLike[str], *, by: By = "container", force: bool = False
    ) -> pl.DataFrame:
        """Write the input lines, byte for byte, to files in OUTPUT: `analyses.split.FILES`.

        One file for each container, service or lease (BY), in the order of their first lines;
        `_untagged.log` has all lines that belong to none. With filters, only the lines of events
        that fit them are written. FORCE writes into a folder that is not empty.

        Raises:
            UsageError: OUTPUT can't be that folder.
        """
        from cuidx.case.split import write_files

        return write_files(self._story, self._filters, output, by, force=force)

    # -- charts ----------------------------------------------------------------------------

    def timeline_chart(self, most: int = 60) -> alt.LayerChart:
        """The lifetimes on lanes of addresses, an altair chart; at MOST so many lanes."""
        from cuidx.case.pictures import timeline_chart

        return timeline_chart(self._story, self._filters, self.lifetimes(), most)

    def reuse_chart(self, most: int = 40) -> alt.LayerChart:
        """Whose the lines of each reused address are, an altair chart of at MOST so many."""
        from cuidx.case.pictures import reuse_chart

        return reuse_chart(self.reuse(), most)

    def steps_chart(
        self,
        alert: Sequence[str] | str = (),
        alert_level: str | None = None,
        search: str = "own",
        window: str = "5m",
        most: int = 30,
    ) -> alt.LayerChart:
        """The lines to read after an alert by three searches, an altair chart.

        The options are those of `compare_searches`; at MOST so many containers have bars.
        """
        from cuidx.case.pictures import steps_chart

        found = self.compare_searches(alert, alert_level, search, window)
        return steps_chart(found, self.services, window, most)

    # -- the report ------------------------------------------------------------------------

    def report(
        self,
        output: str | os.PathLike[str] | None = None,
        *,
        alert: Sequence[str] | str = (),
        alert_level: str | None = None,
        search: str = "own",
        window: str = "5m",
        form: str | None = None,
    ) -> str:
        """All of this on one page that needs nothing else, as text; also written to OUTPUT.

        FORM is `html` or `markdown` (for a ticket); by default what OUTPUT's name says. The
        alerts are chosen as in `compare_searches`; without any choice, events of level ERROR
        and above that the filters leave.

        Raises:
            UsageError: another FORM, or a choice of alerts that means nothing.
        """
        from cuidx.case.report import alerts_in_words, gathered
        from cuidx.report.written import form_of, write

        wanted = form_of(form, output)
        if not alert and alert_level is None:
            alert_level = "ERROR"
        steps = self.compare_searches(alert, alert_level, search, window)
        facts = gathered(
            self._story,
            self._filters,
            steps,
            lifetimes=self.lifetimes(),
            reuse=self.reuse(),
            warnings=self.warnings,
            services=self.services,
            alerts_are=alerts_in_words(alert, alert_level),
            search=search,
            window=window,
        )
        return write(facts, wanted, output)

    def push(
        self, to: str, index: str | None = None, *, lookup: bool = False, dry_run: bool = False
    ) -> pl.DataFrame:
        """Write all events and evidence to Elasticsearch: `case.push.PUSHED`, one row a source.

        TO is `http(s)://host:port/index`, or INDEX names the index. LOOKUP writes the lifetimes to
        INDEX-lifetimes too. Filters don't matter. What is there already is not written twice.

        Raises:
            UsageError: TO is no such URL.
            SourceError: the server can't be reached, or refuses.
        """
        from cuidx.case.push import push_events, push_lifetimes
        from cuidx.sources.elastic.address import parse

        target = parse(to, ca=self.ca, insecure=self.insecure, index=index)
        if set(target.index) & set("*,?"):
            raise UsageError(f"{target.index}: a pattern", do="push writes to one index: name it")
        self.pushed_to = target.shown
        table = push_events(self._story, target, dry_run=dry_run)
        if lookup and not dry_run:
            push_lifetimes(self._story, self.lifetimes(), target)
        return table

    @property
    def documents(self) -> int | None:
        """How many documents all sources have, if they are indices; else None."""
        counts = [one.remote.count for one in self._story.records.sources if one.remote is not None]
        return sum(counts) if len(counts) == len(self._story.records.sources) else None

    def close(self) -> None:
        """Let go of what a server keeps for this case; the next question asks for it anew."""
        self._story.records.close()

    # -- for those who ask -----------------------------------------------------------------

    def find_container(self, start: str) -> str:
        """The container called START, or the only one whose name begins so; START if none does.

        Raises:
            UsageError: several begin so; they are named.
        """
        return self._story.find_container(start)

    def misfit(self) -> str:
        """The filters that no event fits, as typed: each that alone leaves none, else all."""
        return self._filters.misfit()

    def __repr__(self) -> str:
        paths = ", ".join(source.path for source in self._story.records.sources)
        return f"<cuidx.Case of {paths}>"

    def _repr_html_(self) -> str:
        from cuidx.present.notebook import summary

        return summary(json_rows(self.lifetimes()), self.accounting.as_json(), self.warnings)


def _scan(
    filters: Filters,
    with_columns: list[str] | None,
    predicate: pl.Expr | None,
    n_rows: int | None,
    batch_size: int | None,
) -> Iterator[pl.DataFrame]:
    """The events that FILTERS leave, as polars asks a source for them."""
    del batch_size
    left = n_rows
    for _, block in filters.blocks(frozenset(ROLES)):
        rows = block if predicate is None else block.filter(predicate)
        if with_columns is not None:
            rows = rows.select(with_columns)
        if left is not None:
            rows = rows.head(left)
            left -= len(rows)
        yield rows
        if left == 0:
            return


def pairs(said: Where) -> list[tuple[str, str]]:
    """Names and values that were given one by one or as a mapping."""
    return list(said.items()) if isinstance(said, Mapping) else list(said)
