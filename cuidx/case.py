"""A case: some sources, read as one story, and the questions one can ask of it."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import polars as pl
from polars.io.plugins import register_io_source

from cuidx import times
from cuidx.analyses import findings as odd
from cuidx.analyses.accounting import Accounting, accounting
from cuidx.analyses.lifetimes import lifetimes
from cuidx.analyses.resolve import resolve
from cuidx.analyses.reuse import reuse
from cuidx.analyses.split import BYS, FILES, By, Keys, Target, split, targets
from cuidx.enrich import leases as lease_book
from cuidx.enrich.identity import address, level, normalise
from cuidx.enrich.ladder import Holders, Ladder
from cuidx.enrich.summary import PAIRS, Summary, request_key
from cuidx.errors import SourceError, UsageError
from cuidx.load import Opened, Options, Records
from cuidx.present import Form, Result, emit
from cuidx.present import folder as folders
from cuidx.schema import EVENTS, LEVEL, ROLES, conform
from cuidx.sources.paths import CONFIG, STDIN, Source, expand

# What the summary needs of each record: no message, no peers.
_WHO_AND_WHEN: Final = frozenset(ROLES) - {
    "message", "host_ip", "source_ip", "destination_ip", "forwarded_ip",
}  # fmt: skip
_CONFIG_KEYS: Final = {"field", "pattern", "tz", "input_format"}
Where = Sequence[tuple[str, str]] | Mapping[str, str]


def open_case(
    *sources: str | os.PathLike[str],
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

    The options are the command line's (INTERFACE, section 2): SINCE and UNTIL are times or words
    (`-15m`), WHERE columns and values, FIELD roles and paths, PATTERN regular expressions with
    roles as group names. CONFIG is a TOML file; without it `cuidx.toml` beside the sources, or
    above them, is taken.

    Raises:
        UsageError: an option that can't work.
        SourceError: a source that isn't there.
    """
    found = expand(sources)
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

    # -- what everything else stands on ----------------------------------------------------

    @cached_property
    def _raw_summary(self) -> Summary:
        def parts() -> Iterator[tuple[int, pl.DataFrame]]:
            for part in self._records.parts(_WHO_AND_WHEN):
                if self.reject is not None:
                    self._pass_rejects(part.source, part.frame)
                yield part.source, part.frame

        return Summary.of(parts())

    def _pass_rejects(self, source: int, frame: pl.DataFrame) -> None:
        if self.reject is not None and (frame["kind"] == "unreadable").any():
            path = self._records.opened[source].path
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

    @cached_property
    def accounting(self) -> Accounting:
        """Where every record went, before any filter; of all sources and of each."""
        summary = self._book[0]
        return accounting(
            summary,
            [
                (at, one.path, one.format)
                for at, one in enumerate(self.opened)
                if one.left_out is None
            ],
        )

    @property
    def opened(self) -> list[Opened]:
        """What was found out about each source: format, compression, whether it was left out."""
        _ = self._raw_summary
        return self._records.opened

    @property
    def problems(self) -> list[SourceError]:
        """Sources that were cut off; what could be read of them is in the answers."""
        _ = self._raw_summary
        return self._records.problems

    @property
    def warnings(self) -> list[str]:
        """What a reader of the answers should know, sorted."""
        _ = self._book
        found = [str(problem).splitlines()[0] for problem in self._records.problems] + self._notes
        found += [
            f"{one.path}: left out: {one.left_out}"
            for one in self._records.opened
            if one.left_out is not None
        ]
        if self.accounting.events and self._book[0].groups["container"].null_count() == len(
            self._book[0].groups
        ):
            found.append(
                "no line names a container or an address; --pattern or --field can say where one is"
            )
        if self._records.zoneless and not self.zone_said:
            found.append(
                f"{self._records.zoneless:,} times have no zone and were taken for "
                f"{self._records.options.tz} (--tz ZONE says otherwise)"
            )
        return sorted(found)

    @property
    def events(self) -> pl.LazyFrame:
        """The events (columns of EVENTS) that the filters leave, in the order of sources and lines.

        Read anew each time it is collected, in bounded memory.
        """
        sources = [one.path for one in self.opened]
        keep = self._filter()
        _ = self._book  # the names of lines that know only an IP are settled there

        def read(
            with_columns: list[str] | None,
            predicate: pl.Expr | None,
            n_rows: int | None,
            batch_size: int | None,
        ) -> Iterator[pl.DataFrame]:
            del batch_size
            left = n_rows
            for frame in self._enriched(frozenset(ROLES)):
                rows = frame.filter(pl.col("kind") == "event").with_columns(
                    source=pl.col("place").replace_strict(
                        list(range(len(sources))), sources, return_dtype=pl.String
                    )
                )
                rows = conform(_as_events(rows), EVENTS, who="events").collect()
                if keep is not None:
                    rows = rows.filter(keep)
                if predicate is not None:
                    rows = rows.filter(predicate)
                if with_columns is not None:
                    rows = rows.select(with_columns)
                if left is not None:
                    rows = rows.head(left)
                    left -= len(rows)
                yield rows
                if left == 0:
                    return

        return register_io_source(read, schema=EVENTS)

    def lifetimes(self) -> pl.DataFrame:
        """One row for each container: `analyses.lifetimes.LIFETIMES`."""
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
            return pl.col(column).cast(pl.String) == (level(value) or value)
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
