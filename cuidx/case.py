"""A case: some sources, read as one story, and the questions one can ask of it."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import polars as pl
from polars.io.plugins import register_io_source

from cuidx import times
from cuidx.analyses import alerts as alert_book
from cuidx.analyses import findings as odd
from cuidx.analyses.accounting import Accounting, Bins, SourceBins, accounting
from cuidx.analyses.annotate import ANNOTATED, annotate, resolved
from cuidx.analyses.lifetimes import lifetimes
from cuidx.analyses.live import Live
from cuidx.analyses.resolve import resolve
from cuidx.analyses.reuse import reuse
from cuidx.analyses.split import BYS, FILES, By, Keys, Target, split, targets
from cuidx.analyses.steps import EVENTS as SEARCHED
from cuidx.analyses.steps import FOUND, Steps, steps
from cuidx.analyses.trace import HOPS, trace
from cuidx.enrich import leases as lease_book
from cuidx.enrich.holding import Timetable
from cuidx.enrich.identity import address, level_of, normalise, request_key, request_text
from cuidx.enrich.ladder import Holders, Ladder
from cuidx.enrich.mentions import mentions
from cuidx.enrich.requests import Requests, Ties
from cuidx.enrich.summary import PAIRS, Summary, request_pairs
from cuidx.errors import SourceError, UsageError
from cuidx.follow import Following
from cuidx.load import Opened, Options, Records
from cuidx.present import Form, Result, emit
from cuidx.present import folder as folders
from cuidx.schema import EVENTS, LEVEL, LEVELS, ROLES, conform
from cuidx.sources.paths import CONFIG, STDIN, Source, expand

# What the summary needs of each record: no message, no peers.
_WHO_AND_WHEN: Final = frozenset(ROLES) - {
    "message", "host_ip", "source_ip", "destination_ip", "forwarded_ip",
}  # fmt: skip
# Annotated events take many times the room of their lines.
_SMALL: Final = 4 << 20
_ALERTS: Final = pl.Schema(
    {"source": pl.String(), "line": pl.Int64(), "container": pl.String(), "ip": pl.String(),
     "request_id": pl.String(), "time": pl.Int64()}
)  # fmt: skip
_CONFIG_KEYS: Final = {"field", "pattern", "tz", "input_format"}
Where = Sequence[tuple[str, str]] | Mapping[str, str]


def open_case(
    *sources: str | os.PathLike[str],
    leases: Sequence[str | os.PathLike[str]] = (),
    since: str | None = None,
    until: str | None = None,
    where: Where = (),
    field: Sequence[tuple[str, str]] | Mapping[str, str] = (),
    pattern: Sequence[str] | str = (),
    config: str | os.PathLike[str] | None = None,
    input_format: str | None = None,
    tz: str | None = None,
    now: str | None = None,
    exact: bool = False,
    progress: Callable[[str, int], None] | None = None,
) -> Case:
    """A case of SOURCES: files, folders, globs, `-`. Nothing is read before the first question.

    The options are the command line's (INTERFACE, section 2): LEASES are sources read only for who
    had which address when, SINCE and UNTIL times or words (`-15m`), WHERE columns and values, FIELD
    roles and paths, PATTERN regular expressions with roles as group names. CONFIG is a TOML file;
    without it `cuidx.toml` beside the sources, or above them, is taken.

    Raises:
        UsageError: an option that can't work.
        SourceError: a source that isn't there.
    """
    shown = {source.path for source in expand(sources)}
    found = expand([*sources, *leases])
    path = Path(config) if config is not None else _config_beside(found)
    said = _read_config(path) if path is not None else {}
    patterns = [*said.get("pattern", []), *([pattern] if isinstance(pattern, str) else pattern)]
    fields = [*said.get("field", {}).items(), *_pairs(field)]
    options = Options(
        input_format=input_format or said.get("input_format"),
        fields=tuple(reversed(fields)),  # of two for one role the one said last comes first
        patterns=tuple(patterns),
        tz=tz or said.get("tz") or "UTC",
        exact=exact,
    )
    records = Records(found, options)
    if progress is not None:
        records.progress = progress
    case = Case(records, since=since, until=until, where=where, now=now)
    case.lease_sources = frozenset(source.path for source in found) - shown
    case.config = None if path is None else _short(path)
    case.zone_said = tz is not None or "tz" in said
    return case


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
    ) -> None:
        self._records = records
        self._since, self._until, self._now = since, until, now
        self._where = _pairs(where)
        self.lease_sources: frozenset[str] = frozenset()  # read for their leases alone
        self.config: str | None = None
        self.zone_said = False
        self._notes: list[str] = []  # warnings of answers that were given
        self.reject: Callable[[str, pl.DataFrame], None] | None = None
        for column, _ in self._where:
            if column not in EVENTS:
                raise UsageError(f"--where {column}=…: no column is called {column!r}",
                                 do=f"columns: {', '.join(EVENTS)}")  # fmt: skip
        # Words that are no time are refused before anything is read.
        moments = [value for column, value in self._where if column == "time"]
        for words in (since, until, now, *moments):
            if words is not None:
                times.point(words, newest=0, tz=records.options.tz)

    @classmethod
    def from_frame(cls, frame: pl.DataFrame | pl.LazyFrame, **options: Any) -> Case:
        """A case of the caller's own rows: columns named as in EVENTS, or as logs name them.

        Raises:
            SchemaMismatchError: a column of EVENTS has another type.
        """
        rows = frame.lazy().collect()
        known = {
            name: dtype
            for name, dtype in EVENTS.items()
            if name in rows.columns and name in ("time", "restart", "line")
        }
        if isinstance(rows.schema.get("time"), pl.Datetime):
            rows = rows.with_columns(pl.col("time").cast(pl.Datetime("ns", "UTC"))
                                     if rows.schema["time"].time_zone  # type: ignore[attr-defined]
                                     else pl.col("time").cast(pl.Datetime("ns"))
                                     .dt.replace_time_zone("UTC"))  # fmt: skip
        conform(
            rows.lazy().select([name for name in known if name != "time"]),
            pl.Schema({name: dtype for name, dtype in known.items() if name != "time"}),
            who="Case.from_frame",
        )
        return cls(Records([Source("frame")], Options(), frame=rows), **options)

    # What of standard input has come, and the case of what was read before it.
    _following: Following | None = None
    _before: Case

    # -- what everything else stands on ----------------------------------------------------

    @cached_property
    def _raw_summary(self) -> Summary:
        pairs: list[pl.DataFrame] = []

        def parts() -> Iterator[tuple[int, pl.DataFrame]]:
            beside = request_pairs if self._requests is None else None
            for part in self._records.parts(_WHO_AND_WHEN, beside):
                if self.reject is not None:
                    self._pass_rejects(self._records.opened[part.source].path, part.frame)
                if self._requests is not None:
                    self._requests.add(part.frame, part.source)
                if part.beside is not None:
                    pairs.append(part.beside)
                yield part.source, part.frame

        return Summary.of(parts(), pairs)

    # Who took part in which request, and when: kept only for `annotate`. The summary is then made
    # without request ids, for both together would take twice the memory.
    _requests: Requests | None = None
    _lean = False

    def _whole(self) -> None:
        """Let what was read without request ids be read again, by a question that counts them."""
        if self._lean:
            for name in ("_raw_summary", "_ladder", "_book", "_timetable", "_counted"):
                self.__dict__.pop(name, None)
            self._lean = False

    @cached_property
    def _ties(self) -> Ties:
        if self._requests is None:
            self._requests = Requests()
            self._lean = "_raw_summary" not in self.__dict__
            if not self._lean:  # read before anyone asked for requests
                for part in self._records.parts(_WHO_AND_WHEN):
                    self._requests.add(part.frame, part.source)
        _ = self._book
        requests, self._requests = self._requests, None
        return requests.ties(self._timetable, self._ladder.names)

    @cached_property
    def _timetable(self) -> Timetable:
        summary, found = self._book
        return Timetable(found, lease_book.clock_of(summary))

    def _pass_rejects(self, path: str, frame: pl.DataFrame) -> None:
        if self.reject is not None and (frame["kind"] == "unreadable").any():
            self.reject(
                path, frame.filter(pl.col("kind") == "unreadable").select("line", "why", "raw")
            )

    @cached_property
    def _ladder(self) -> Ladder:
        return Ladder.of(self._raw_summary)

    @cached_property
    def _book(self) -> tuple[Summary, list[lease_book.Address]]:
        """All lines' summary and all leases; a second look at the lines only where it is needed."""
        summary = self._ladder.summary(self._raw_summary)
        clock = lease_book.clock_of(summary)
        unsettled = sorted({*lease_book.unsettled(summary), *self._ladder.moves()})
        runs = None
        if unsettled:
            points = self._points(unsettled, clock)
            told = summary.evidence.filter(
                pl.col("container").is_in(unsettled) & pl.col("ip").is_not_null()
                & pl.col("time").is_not_null()
            ).select("container", "ip", at=pl.col("time").cast(pl.Int64),
                     lines=pl.lit(0, pl.Int64))  # fmt: skip
            runs = lease_book.runs_of(
                pl.concat([points, told]) if clock == "time" else points, summary
            )
        spans = lease_book.spans(summary, runs)
        found = lease_book.addresses(spans, clock)
        return self._place_ip_lines(summary, found), found

    def _points(self, containers: Sequence[str], clock: lease_book.Clock) -> pl.DataFrame:
        at = (
            pl.col("time").cast(pl.Int64)
            if clock == "time"
            else pl.col("place") * lease_book.PLACE + pl.col("line")
        )
        wanted = pl.Series(containers, dtype=pl.String)
        frames = [
            frame.filter(
                (pl.col("kind") == "event") & pl.col("container").is_in(wanted.implode())
                & pl.col("ip").is_not_null()
            ).select("container", "ip", at=at).drop_nulls("at")
            .group_by("container", "ip", "at").agg(lines=pl.len().cast(pl.Int64))
            for frame in self._enriched(_WHO_AND_WHEN)
        ]  # fmt: skip
        return pl.concat(frames)

    def _place_ip_lines(self, summary: Summary, found: list[lease_book.Address]) -> Summary:
        """Count each line that knows only its IP for the container that held it then."""
        better = {a.ip for a in found if any(h.containers != (a.ip,) for h in a.leases)}
        only = (pl.col("identity") == "ip") & (pl.col("kind") == "event")
        contested = summary.groups.filter(only & pl.col("ip").is_in(sorted(better)))
        if contested.is_empty():
            return summary
        self._holders = Holders(found)
        pairs: list[pl.DataFrame] = [
            summary.pairs.filter(
                ~pl.col("container").cast(pl.String).is_in(contested["container"].implode())
            )
        ]
        moved: list[pl.DataFrame] = []
        for frame in self._enriched(_WHO_AND_WHEN):
            rows = frame.filter(only & pl.col("ip").is_in(sorted(better)))
            if rows.height:
                pairs.append(_pairs_of(rows))
                moved.append(rows)
        rows = pl.concat(moved, how="diagonal").with_columns(
            errors=(pl.col("level") >= pl.lit("ERROR", LEVEL)).fill_null(False).cast(pl.Int64),
            lines=pl.lit(1, pl.Int64), dated=pl.col("time").is_not_null().cast(pl.Int64),
            first="time", last="time", first_line="line", last_line="line", source="place",
        )  # fmt: skip
        keep = summary.groups.filter(~(only & pl.col("ip").is_in(sorted(better))))
        groups = pl.concat([keep, rows.select(keep.columns)])
        return Summary.merge(
            [Summary(groups, pl.concat(pairs).select(list(PAIRS)).unique(), summary.evidence)]
        )

    _holders: Holders | None = None

    def _enriched(self, want: frozenset[str]) -> Iterator[pl.DataFrame]:
        """All records with identity, names and addresses settled; `place` is their source."""
        ladder = self._ladder
        for part in self._records.parts(want):
            if part.frame.is_empty():
                continue
            frame = ladder.join(normalise(part.frame)).with_columns(
                place=pl.lit(part.source, pl.Int64)
            )
            missing = [
                pl.lit(None, pl.String).alias(name)
                for name in ("request_id", "trace_id", "lifecycle")
                if name not in frame.columns
            ]
            frame = frame.with_columns(missing)
            if self._holders is not None:
                frame = self._name_ip_lines(frame, self._holders)
            yield frame

    @staticmethod
    def _name_ip_lines(frame: pl.DataFrame, holders: Holders) -> pl.DataFrame:
        rows = ((frame["identity"] == "ip") & frame["time"].is_not_null()).arg_true()
        if rows.is_empty():
            return frame
        names = []
        for ip, at in frame.select("ip", pl.col("time").cast(pl.Int64)).gather(rows).iter_rows():
            lease = holders.at(ip, at)
            one = lease is not None and len(lease.containers) == 1
            names.append(lease.containers[0] if lease is not None and one else ip)
        return frame.with_columns(container=frame["container"].scatter(rows, names))

    # -- what users see --------------------------------------------------------------------

    @property
    def accounting(self) -> Accounting:
        """Where every record went, before any filter; of all sources and of each."""
        return self._counted if self._following is None else _counted_live(self._following)

    @cached_property
    def _counted(self) -> Accounting:
        summary = self._book[0]
        shown = [
            (at, one.path, one.format)
            for at, one in enumerate(self.opened)
            if one.left_out is None and one.path not in self.lease_sources
        ]
        if self.lease_sources:
            places = pl.Series([at for at, _, _ in shown], dtype=pl.Int64)
            groups = summary.groups.filter(pl.col("source").is_in(places.implode()))
            summary = replace(summary, groups=groups)
        return accounting(summary, shown)

    @property
    def opened(self) -> list[Opened]:
        """What was found out about each source: format, compression, whether it was left out."""
        if self._following is not None:
            known = self._before.opened if self.lease_sources else []
            return [self._following.opened, *known]
        _ = self._raw_summary
        return self._records.opened

    @property
    def problems(self) -> list[SourceError]:
        """Sources that were cut off; what could be read of them is in the answers."""
        if self._following is not None:
            return self._before.problems
        _ = self._raw_summary
        return self._records.problems

    @property
    def warnings(self) -> list[str]:
        """What a reader of the answers should know, sorted."""
        if self._following is None:
            _ = self._book
            groups, zoneless = self._book[0].groups, self._records.zoneless
            nameless = self.accounting.events and groups["container"].null_count() == len(groups)
        else:
            zoneless, nameless = self._following.zoneless, False
        found = [str(problem).splitlines()[0] for problem in self.problems] + self._notes
        found += [
            f"{one.path}: left out: {one.left_out}"
            for one in self.opened
            if one.left_out is not None
        ]
        if nameless:
            found.append(
                "no line names a container or an address; --pattern or --field can say where one is"
            )
        if zoneless and not self.zone_said:
            found.append(
                f"{zoneless:,} times have no zone and were taken for "
                f"{self._records.options.tz} (--tz ZONE says otherwise)"
            )
        return sorted(found)

    @property
    def events(self) -> pl.LazyFrame:
        """The events (columns of EVENTS) that the filters leave, in the order of sources and lines.

        Read anew each time it is collected, in bounded memory.
        """
        _ = self._book  # so that what is wrong with the sources is said here

        def read(
            with_columns: list[str] | None,
            predicate: pl.Expr | None,
            n_rows: int | None,
            batch_size: int | None,
        ) -> Iterator[pl.DataFrame]:
            del batch_size
            left = n_rows
            for _, block in self._event_blocks():
                rows = block if predicate is None else block.filter(predicate)
                if with_columns is not None:
                    rows = rows.select(with_columns)
                if left is not None:
                    rows = rows.head(left)
                    left -= len(rows)
                yield rows
                if left == 0:
                    return

        return register_io_source(read, schema=EVENTS)

    def _event_blocks(self) -> Iterator[tuple[int, pl.DataFrame]]:
        """(source, events as EVENTS that the filters leave), in order, block by block."""
        sources = [one.path for one in self.opened]
        keep = self._filter()
        _ = self._book  # the names of lines that know only an IP are settled there
        for frame in self._enriched(frozenset(ROLES)):
            place = int(frame["place"][0])
            if sources[place] in self.lease_sources:
                continue
            rows = frame.filter(pl.col("kind") == "event").with_columns(
                source=pl.lit(sources[place])
            )
            rows = conform(_as_events(rows), EVENTS, who="events").collect()
            yield place, rows if keep is None else rows.filter(keep)

    def annotate(self) -> pl.DataFrame:
        """Every event with each mentioned IP resolved: `analyses.annotate.ANNOTATED`."""
        return pl.concat([ANNOTATED.to_frame(), *self.annotated()])

    def annotated(self) -> Iterator[pl.DataFrame]:
        """The rows of `annotate`, block by block: memory does not grow with them.

        Standard input alone is read once, and answered as it comes.
        """
        shown = {one.path for one in self._records.sources} - self.lease_sources
        if shown == {STDIN}:
            yield from self._follow(cast("BinaryIO", sys.stdin.buffer))
            return
        self._records.block = _SMALL
        ties, timetable = self._ties, self._timetable
        for place, rows in self._event_blocks():
            yield annotate(rows, timetable, ties, place)

    def _follow(self, stream: BinaryIO) -> Iterator[pl.DataFrame]:
        """The events of STREAM, annotated as they come; all else is read before, for leases."""
        others = [one for one in self._records.sources if one.path != STDIN]
        records = Records(others, self._records.options)
        if not others:
            records = Records([Source("frame")], self._records.options, frame=pl.DataFrame())
        before = Case(records, since=self._since, until=self._until, where=self._where,
                      now=self._now)  # fmt: skip
        before.reject = self.reject
        live = Live(before._timetable, before._ladder.standing(*before._book))
        self._before, self._following = before, Following(stream, self._records.options)
        keep = before._filter()
        for frame in self._following.parts():
            self._pass_rejects(STDIN, frame)
            records_ = before._ladder.join(normalise(frame)).with_columns(
                pl.lit(None, pl.String).alias(name)
                for name in ("request_id", "trace_id", "lifecycle") if name not in frame.columns
            ).filter(pl.col("kind").is_in(["event", "evidence"])).with_columns(
                event=pl.when(pl.col("kind") == "event")
                .then((pl.col("kind") == "event").cast(pl.Int64).cum_sum() - 1)
            )  # fmt: skip
            events = records_.filter(pl.col("kind") == "event").with_columns(source=pl.lit(STDIN))
            events = conform(_as_events(events), EVENTS, who="events").collect()
            self._following.tagged += int((events["identity"] == "cuid").sum())
            rows = live.annotate(records_, events)
            yield rows if keep is None else rows.filter(events.select(keep).to_series())

    @property
    def services(self) -> dict[str, str]:
        """The service of each holder that is known by one."""
        case = self if self._following is None else self._before
        return {
            lease.holder: lease.service
            for address in case._book[1] for lease in address.leases if lease.service is not None
        }  # fmt: skip

    def lifetimes(self) -> pl.DataFrame:
        """One row for each container: `analyses.lifetimes.LIFETIMES`."""
        self._whole()
        summary, found = self._book
        keep = self._filter()
        return lifetimes(summary, found, None if keep is None else self._shown(keep))

    def reuse(self) -> pl.DataFrame:
        """One row for each own IP with its holders in order: `analyses.reuse.REUSE`."""
        summary, found = self._book
        clock = lease_book.clock_of(summary)
        keep = self._filter()
        if keep is None:
            return reuse(found, summary, clock)
        counted = self._shown(keep)
        return reuse(found, counted, clock, set(counted.groups["ip"].drop_nulls()))

    def resolve(self, ip: str, at: str | None = None) -> pl.DataFrame:
        """Who held IP at AT (as for `--since`), or all its holders: `analyses.resolve.ANSWERS`.

        Raises:
            UsageError: IP is no address, or AT no time.
        """
        address_ = address(ip)
        if address_ is None:
            raise UsageError(f"{ip!r} is no IP address", do="for example 10.10.11.2 or fe80::1")
        summary, found = self._book
        when = None
        if at is not None:
            when = times.point(at, newest=self._newest, tz=self._records.options.tz)
        return resolve(found, address_, when, lease_book.clock_of(summary))

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
        if search not in ("own", "any"):
            raise UsageError(f"--search {search}: own or any", do="own looks at own IPs alone")
        width = times.length(window)
        said = [alert] if isinstance(alert, str) else list(alert)
        if not said and alert_level is None and not (self._since or self._until or self._where):
            alert_level = "ERROR"
        least = level_of(alert_level) if alert_level is not None else None
        if alert_level is not None and least is None:
            raise UsageError(
                f"--alert-level {alert_level}: no level is called so", do=", ".join(LEVELS)
            )
        wanted = alert_book.places(said, [one.path for one in self.opened])
        events, alerts, found = self._searched(wanted, least, everywhere=search == "any")
        answer = steps(events, alerts, width, found)
        return replace(answer, hits=answer.hits.join(self._who, on="container", how="left"))

    @property
    def _who(self) -> pl.DataFrame:
        """container, service and identity of each container that wrote a line."""
        groups = self._book[0].groups.drop_nulls("container").filter(pl.col("kind") == "event")
        return groups.group_by("container").agg(
            pl.col("service").min(), pl.col("identity").min().cast(pl.String)
        )

    def _searched(
        self, wanted: list[alert_book.Place], least: str | None, *, everywhere: bool
    ) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame | None]:
        """(all events, alerts, what a search by address looks through), as `steps` wants them."""
        _ = self._book  # the names of lines that know only an IP are settled there
        keep = self._filter()
        want = frozenset(ROLES) if everywhere or self._where else _WHO_AND_WHEN
        events, found, alerts = [SEARCHED.to_frame()], [FOUND.to_frame()], [_ALERTS.to_frame()]
        seen: dict[str, str] = {}
        count = 0
        for frame in self._enriched(want):
            source = int(frame["place"][0])
            for place in wanted:
                kinds = place.of(source, frame)["kind"]
                if len(kinds):
                    seen[place.said] = "event" if "event" in kinds else str(kinds[0])
            rows = frame.filter(pl.col("kind") == "event")
            events.append(
                rows.select("ip", "container", request_text().alias("request"), "time")
                .select(pl.col(name).cast(dtype) for name, dtype in SEARCHED.items())
            )  # fmt: skip
            if everywhere:
                spots = mentions(rows).select(event=pl.col("row") + count, ip="ip").unique()
                found.append(
                    spots.select(pl.col(name).cast(dtype) for name, dtype in FOUND.items())
                )
            count += len(rows)
            alerts.append(self._alerts_in(rows, source, wanted, least, keep))
        for place in wanted:
            kind = seen.get(place.said)
            if kind != "event":
                what = f"it is {kind}, not an event" if kind else "there is no such record"
                raise UsageError(
                    f"--alert {place.said}: {what}", do="`cuidx annotate` shows where events stand"
                )
        return (
            pl.concat(events),
            pl.concat(alerts),
            pl.concat(found) if everywhere else None,
        )

    def _alerts_in(
        self,
        rows: pl.DataFrame,
        source: int,
        wanted: list[alert_book.Place],
        least: str | None,
        keep: pl.Expr | None,
    ) -> pl.DataFrame:
        """Those of ROWS that are alerts: named, or of the level; and which the filters leave."""
        path = self.opened[source].path
        rows = rows.with_row_index("at")
        if wanted or least is not None:
            named = [place.of(source, rows)["at"] for place in wanted if place.source == source]
            high = pl.lit(False) if least is None else pl.col("level") >= pl.lit(least, LEVEL)
            here = pl.concat(named) if named else pl.Series([], dtype=pl.UInt32)
            rows = rows.filter(high.fill_null(False) | pl.col("at").is_in(here.implode()))
        if keep is not None and len(rows):
            shown = conform(_as_events(rows.with_columns(source=pl.lit(path))), EVENTS, who="steps")
            rows = rows.filter(shown.select(keep.alias("k")).collect()["k"].fill_null(False))
        return rows.select(
            pl.lit(path).alias("source"), "line", "container", "ip",
            pl.coalesce("request_id", "trace_id").alias("request_id"),
            pl.col("time").cast(pl.Int64),
        )  # fmt: skip

    def trace(self, request: str | None = None, container: str | None = None) -> pl.DataFrame:
        """The hops of one request, or of all requests through a container: `analyses.trace.HOPS`.

        REQUEST is a request id in any case, with or without dashes; CONTAINER may be the beginning
        of a name. Nothing that fits is an empty table.

        Raises:
            UsageError: both or none are given, or several containers begin so.
        """
        return self.trace_calls(request, container).select(list(HOPS))

    def trace_calls(self, request: str | None = None, container: str | None = None) -> pl.DataFrame:
        """`trace` with each line's level and its caller's port: `analyses.trace.TRACED`."""
        if (request is None) == (container is None):
            raise UsageError(
                "trace takes either a request or a container",
                do="--request ID, or --container ID",
            )
        summary, _ = self._book
        if request is not None:
            wanted = pl.select(request_key(pl.lit(request.strip()))).to_series()
        else:
            name = self.find_container(str(container))
            pairs = summary.pairs.filter(pl.col("container").cast(pl.String) == name)
            wanted = pairs["request"].unique()
        sources = [one.path for one in self.opened]
        ties, timetable, keep = self._ties, self._timetable, self._filter()
        events, found, count = [EVENTS.to_frame()], [], 0
        for frame in self._enriched(frozenset(ROLES)):
            rows = frame.filter(
                (pl.col("kind") == "event") & request_key().is_in(wanted.implode())
            )  # fmt: skip
            if rows.is_empty():
                continue
            place = int(frame["place"][0])
            rows = rows.with_columns(source=pl.lit(sources[place]))
            rows = conform(_as_events(rows), EVENTS, who="trace").collect()
            answers = resolved(rows, mentions(rows), timetable, ties, place)
            events.append(rows)
            found.append(answers.with_columns(pl.col("row") + count))
            count += len(rows)
        hops = trace(pl.concat(events), pl.concat(found) if found else None)
        if keep is not None:
            kept = pl.concat(events).with_row_index("row").filter(keep)["row"]
            hops = hops.filter(pl.col("row").is_in(kept.implode()))
        return hops

    def findings(self) -> pl.DataFrame:
        """What is odd in the evidence, with its lines: `analyses.findings.FINDINGS`."""
        summary, found = self._book
        groups = self._ladder.join(self._raw_summary.groups)
        watches = []
        if lease_book.clock_of(summary) == "time":  # the order of lines says nothing of "at once"
            watches = [*odd.two_ips(groups), *odd.two_holders(found)]
        seen = odd.Observer(summary, watches, self._records.options.tz)
        keep = self._filter()
        want = frozenset(ROLES) if self._where else _WHO_AND_WHEN - {"request_id", "trace_id"}
        want |= {"message", "host_ip", *odd.WANT}
        for frame in self._enriched(want):
            fits = frame["kind"] == "event" if keep is None else self._fits(frame, keep)
            seen.see(frame, frame.filter(fits))
        names = [one.path for one in self.opened]
        problems = {
            at: str(problem).splitlines()[0].removeprefix(f"{name}: ")
            for at, name in enumerate(names)
            for problem in self.problems
            if str(problem).startswith(f"{name}: ")
        }
        rows = [*odd.lifecycles(summary.evidence, found), *seen.findings(), *seen.cut(problems)]
        if keep is not None:
            rows = [row for row in rows if row.container is None or row.container in seen.shown]
        return odd.table(rows, names)

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
        if by not in BYS:
            raise UsageError(f"--by {by}: no such way", do=f"known: {', '.join(BYS)}")
        records = self._records
        if records.frame is not None:
            raise UsageError("a frame has no lines to split", do="open_case(…) reads files")
        out, names = Path(output), [source.path for source in records.sources]
        folders.check(out, force=force, sources=[name for name in names if name != STDIN])
        summary, found = self._book
        files = targets(summary, found, by)
        cut_off = {str(problem).partition(":")[0] for problem in self.problems}
        keep = self._filter()

        def raw(at: int) -> Iterator[bytes]:
            try:
                yield from records.raw(at)
            except SourceError:
                if not any(names[at].startswith(name) for name in cut_off):
                    raise  # it was whole a moment ago

        with folders.made(out) as made:
            made.expect(["_untagged.log", "_mixed.log"])
            made.expect(folders.safe_names([target.key for target in files[2:]]))
            split(
                self._enriched(frozenset(ROLES) if self._where else _WHO_AND_WHEN),
                raw, files, Keys(found, by, lease_book.clock_of(summary)), made,
                names=names,
                whole=frozenset(
                    at for at, one in enumerate(self.opened) if one.format == "parquet"
                ),
                twins={
                    at: names.index(source.twin_of)
                    for at, source in enumerate(records.sources)
                    if source.twin_of is not None
                },
                repeated=self._repeated() if self.accounting.duplicates else None,
                keep=None if keep is None else lambda frame: self._fits(frame, keep),
            )  # fmt: skip
            made.flush()
            made.create(0)
            table = self._files(files, made)
            rows = table.with_columns(times.text(pl.col("first")), times.text(pl.col("last")))
            emit(
                Result("split", "files", rows.to_dicts(), self.accounting.as_json(), self.warnings),
                Form.json, output=made.path / folders.INDEX,
            )  # fmt: skip
        return table

    def _files(self, files: Sequence[Target], made: folders.Folder) -> pl.DataFrame:
        sources = [one.path for one in self.opened]
        rows: list[dict[str, Any]] = [
            {
                "path": made.names[at], "kind": target.kind, "container": target.container,
                "service": target.service, "pod": target.pod, "ips": list(target.ips),
                "lines": made.lines[at], "bytes": made.bytes[at],
                "first": target.times and target.times[0],
                "last": target.times and target.times[1],
                "sources": [sources[source] for source in sorted(target.sources)],
                "begins": target.begins,
            }
            for at, target in enumerate(files)
            if made.lines[at] or at == 0
        ]  # fmt: skip
        # `_untagged.log` is always there; with nothing in it, it comes last.
        rows.sort(key=lambda row: row["begins"] or (len(sources), 0))
        for row in rows:
            if row["kind"] == "document":
                self._notes.append(
                    f"{row['sources'][0]}: has no lines of its own, and went whole to {row['path']}"
                )
        return pl.DataFrame(
            [{name: row[name] for name in FILES} for row in rows], schema=FILES, strict=False
        )

    def _repeated(self) -> pl.DataFrame | None:
        """doc_index and doc_id of the documents that come more than once."""
        found = [
            part.frame.filter((pl.col("kind") == "duplicate") & pl.col("doc_id").is_not_null())
            .select(pl.col("doc_index").fill_null(""), "doc_id").unique()
            for part in self._records.parts(frozenset({"cuid"}))
            if "doc_id" in part.frame.columns
        ]  # fmt: skip
        return pl.concat(found).unique() if found else None

    # -- filters ---------------------------------------------------------------------------

    @cached_property
    def _newest(self) -> int | None:
        if self._now is not None:
            return times.point(self._now, newest=None, tz=self._records.options.tz)
        newest: int | None = (
            self._raw_summary.groups.filter(pl.col("kind") == "event")
            .select(pl.col("last").max().cast(pl.Int64))
            .item()
        )
        return newest

    def _filter(self) -> pl.Expr | None:
        """The filters as one expression on the columns of EVENTS; None if there is none."""
        conditions = [expression for _, expression in self._conditions()]
        if not conditions and self.lease_sources:
            return pl.lit(True)  # all, but not the lines that were read for their leases
        return pl.all_horizontal(conditions) if conditions else None

    def misfit(self) -> str:
        """The filters that no event fits, as typed: each that alone leaves none, else all."""
        conditions = self._conditions()
        fit = [False] * len(conditions)
        for frame in self._enriched(frozenset(ROLES)):
            fit = [had or bool(self._fits(frame, one).any())
                   for had, (_, one) in zip(fit, conditions, strict=True)]  # fmt: skip
        alone = [words for had, (words, _) in zip(fit, conditions, strict=True) if not had]
        return ", nor ".join(alone) or "all of " + " ".join(words for words, _ in conditions)

    def _conditions(self) -> list[tuple[str, pl.Expr]]:
        """(words as on the command line, expression on the columns of EVENTS) of each filter."""
        tz = self._records.options.tz
        conditions: list[tuple[str, pl.Expr]] = []
        for words, side in ((self._since, "since"), (self._until, "until")):
            if words is not None:
                newest = self._newest if words.strip()[:1] in "+-tyn" else None
                at = pl.lit(times.point(words, newest=newest, tz=tz)).cast(EVENTS["time"])
                fits = pl.col("time") >= at if side == "since" else pl.col("time") < at
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
            return pl.col("container") == self.find_container(value)
        if column.endswith("ip"):
            return pl.col(column) == (address(value) or value)
        if column == "time":
            at = times.point(value, newest=self._newest, tz=self._records.options.tz)
            return pl.col("time") == pl.lit(at).cast(EVENTS["time"])
        if column == "level":
            return pl.col(column).cast(pl.String) == (level_of(value) or value)
        return pl.col(column).cast(pl.String) == value

    def find_container(self, start: str) -> str:
        """The container called START, or the only one whose name begins so; START if none does.

        Raises:
            UsageError: several begin so; they are named.
        """
        names = self._book[0].groups["container"].drop_nulls().unique()
        evidence = self._book[0].evidence["container"].drop_nulls().unique()
        known = sorted({*names.to_list(), *evidence.to_list()})
        hits = [name for name in known if name.startswith(start)]
        if start in known or not hits:
            return start
        if len(hits) > 1:
            listed = ", ".join(hits[:5]) + (f" and {len(hits) - 5} more" if len(hits) > 5 else "")
            raise UsageError(
                f"container={start} fits {len(hits)} containers: {listed}", do="give more letters"
            )
        return str(hits[0])

    def _fits(self, frame: pl.DataFrame, keep: pl.Expr) -> pl.Series:
        """Which of the records are events that KEEP, the filters, leaves."""
        if frame.is_empty():
            return pl.Series(dtype=pl.Boolean)
        source = pl.lit(self.opened[int(frame["place"][0])].path)
        rows = conform(_as_events(frame.with_columns(source=source)), EVENTS, who="filters")
        return rows.select(keep.fill_null(False).alias("fits")).collect()["fits"] & (
            frame["kind"] == "event"
        )

    def _shown(self, keep: pl.Expr) -> Summary:
        sources = [one.path for one in self.opened]

        def parts() -> Iterator[tuple[int, pl.DataFrame]]:
            want = frozenset(ROLES) if self._where else _WHO_AND_WHEN
            for frame in self._enriched(want):
                if sources[int(frame["place"][0])] in self.lease_sources:
                    continue
                rows = frame.filter(pl.col("kind") == "event").with_columns(
                    source_path=pl.col("place").replace_strict(
                        list(range(len(sources))), sources, return_dtype=pl.String
                    )
                )
                rows = (
                    conform(_as_events(rows.rename({"source_path": "source"})), EVENTS, who="shown")
                    .with_columns(place=pl.lit(int(frame["place"][0]) if len(frame) else 0))
                    .collect()
                )
                shown = rows.filter(keep)
                if shown.height:
                    yield int(frame["place"][0]), shown

        return _summary_of_events(parts())

    def __repr__(self) -> str:
        paths = ", ".join(source.path for source in self._records.sources)
        return f"<cuidx.Case of {paths}>"

    def _repr_html_(self) -> str:
        table = self.lifetimes()
        events = self.accounting.events
        return f"<p>{events:,} events of {len(table):,} containers</p>{table._repr_html_()}"


def _as_events(frame: pl.DataFrame) -> pl.LazyFrame:
    """Enriched records with the types of EVENTS; addresses of peers in their one spelling."""
    columns = {
        "ip_from": pl.col("ip_from").cast(EVENTS["ip_from"]),
        "time_from": pl.col("time_from").cast(EVENTS["time_from"]),
    }
    return frame.lazy().with_columns(**columns)


def _counted_live(following: Following) -> Accounting:
    kinds, opened = following.kinds, following.opened
    first, last = following.first_and_last()
    bins = Bins(
        records=kinds.total(), events=kinds["event"], fragments=kinds["fragment"],
        duplicates=kinds["duplicate"], evidence=kinds["evidence"], skipped=kinds["skipped"],
        blank=kinds["blank"], unreadable=kinds["unreadable"], tagged=following.tagged,
        untagged=kinds["event"] - following.tagged, first=first, last=last,
    )  # fmt: skip
    source = SourceBins(**asdict(bins), path=opened.path, format=opened.format)
    return Accounting(**asdict(bins), sources=(source,))


def _pairs_of(rows: pl.DataFrame) -> pl.DataFrame:
    pairs = rows.select("container", request=request_key()).drop_nulls().unique()
    return pairs.with_columns(pl.col("container").cast(PAIRS["container"]))


def _summary_of_events(parts: Iterator[tuple[int, pl.DataFrame]]) -> Summary:
    """The summary of rows whose container is settled: no identity is worked out again."""
    groups, pairs = [Summary.of([]).groups], [PAIRS.to_frame()]
    for place, rows in parts:
        known = [name for name in groups[0].columns if name in rows.columns and name != "source"]
        frame = rows.select(known).with_columns(
            kind=pl.lit("event").cast(groups[0].schema["kind"]),
            source=pl.lit(place, pl.Int64),
            pod_key=pl.lit(None, pl.String),
            errors=(rows["level"] >= pl.lit("ERROR", LEVEL)).fill_null(False).cast(pl.Int64)
            if False
            else rows.select((pl.col("level") >= pl.lit("ERROR", LEVEL)).fill_null(False)
                             .cast(pl.Int64)).to_series(),
            lines=pl.lit(1, pl.Int64),
            dated=rows["time"].is_not_null().cast(pl.Int64),
            first=rows["time"], last=rows["time"],
            first_line=rows["line"], last_line=rows["line"],
        ).select(groups[0].columns)  # fmt: skip
        groups.append(frame)
        pairs.append(_pairs_of(rows))
    empty = Summary.of([]).evidence
    return Summary.merge([Summary(pl.concat(groups), pl.concat(pairs).unique(), empty)])


def _pairs(said: Sequence[tuple[str, str]] | Mapping[str, str]) -> list[tuple[str, str]]:
    return list(said.items()) if isinstance(said, Mapping) else list(said)


def _config_beside(sources: Sequence[Source]) -> Path | None:
    beside: dict[Path, Path | None] = {}  # folder: the nearest file in it or above
    for source in sources:
        if source.path != STDIN:
            folder = Path(source.path).absolute().parent
            if folder not in beside:
                above = (one / CONFIG for one in (folder, *folder.parents))
                beside[folder] = next((path for path in above if path.is_file()), None)
    found = list(dict.fromkeys(path for path in beside.values() if path is not None))
    if len(found) > 1:
        raise UsageError(
            f"the sources have several {CONFIG}: {', '.join(_short(path) for path in found)}",
            do="say which one holds for all of them with --config, or ask for each folder alone",
        )
    return found[0] if found else None


def _short(path: Path) -> str:
    """The path as seen from here, where it is below; so output is the same on every machine."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _read_config(path: Path) -> dict[str, Any]:
    try:
        said = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(
            f"can't be read: {error.strerror}", where=str(path), do="check the path"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"no valid TOML: {error}", where=str(path), do="see docs/fields.md"
        ) from None

    def wrong(what: str, do: str) -> UsageError:
        return UsageError(what, where=str(path), do=do)

    unknown = sorted(set(said) - _CONFIG_KEYS)
    if unknown:
        raise wrong(f"unknown key {unknown[0]!r}", f"known: {', '.join(sorted(_CONFIG_KEYS))}")
    fields = said.get("field", {})
    if not isinstance(fields, dict) or not all(isinstance(v, str) for v in fields.values()):
        raise wrong(
            'field must be a table of role = "path"',
            'for example: [field] and below it request_id = "headers.x-request-id"',
        )
    if strange := sorted(set(fields) - set(ROLES)):
        raise wrong(f"[field]: no role is called {strange[0]!r}", f"roles: {', '.join(ROLES)}")
    patterns = said.get("pattern", [])
    said["pattern"] = patterns = [patterns] if isinstance(patterns, str) else patterns
    if not isinstance(patterns, list) or not all(isinstance(p, str) for p in patterns):
        raise wrong("pattern must be a text or a list of texts", "use 'single quotes' in TOML")
    for key in ("tz", "input_format"):
        if not isinstance(said.get(key, ""), str):
            raise wrong(f"{key} must be a text", f'for example: {key} = "UTC"')
    try:
        Options(said.get("input_format"), (), tuple(patterns), said.get("tz", "UTC"))
    except UsageError as error:
        what, _, do = str(error).partition("\n")
        raise wrong(what.removeprefix("--"), do) from None
    return said


def load(*sources: str | os.PathLike[str], **options: Any) -> pl.LazyFrame:
    """The events of SOURCES; the options are those of `open_case`. Columns as `schema.EVENTS`."""
    return open_case(*sources, **options).events
