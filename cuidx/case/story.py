"""What every question stands on: all lines' summary, who is who, and who had which address when.

Sources are read when something first needs them, and again where one look was not enough.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, cast

import polars as pl

from cuidx.analyses.accounting import Accounting, accounting
from cuidx.case.rows import WHO_AND_WHEN, groups_of_one, pairs_of
from cuidx.case.server import any_of, chosen, term
from cuidx.enrich.given import given, in_sandboxes
from cuidx.enrich.holding import Timetable
from cuidx.enrich.identity import normalise
from cuidx.enrich.ladder import Holders, Ladder
from cuidx.enrich.leases import (
    PLACE,
    Address,
    Clock,
    Span,
    addresses,
    clock_of,
    pods_by_address,
    pods_of_sandboxes,
    recounted,
    runs_of,
    spans,
    unsettled,
)
from cuidx.enrich.pairs import PAIRS, Pairs
from cuidx.enrich.requests import Requests, Ties
from cuidx.enrich.summary import Summary, request_pairs
from cuidx.errors import SourceError, UsageError
from cuidx.formats.base import Grouped
from cuidx.reading import Opened, Part, Records
from cuidx.schema import detached
from cuidx.sources.elastic import layout

if TYPE_CHECKING:
    from cuidx.case.lines import Lines
    from cuidx.sources.elastic.index import Query

_ONLY_IP = (pl.col("identity") == "ip") & (pl.col("kind") == "event")
_IP_LINES = {"term": {layout.IDENTITY: "ip"}}  # the same, of records in an index


class Story:
    """RECORDS made sense of; answers are kept. LEASE_SOURCES are read for their leases alone."""

    def __init__(
        self,
        records: Records,
        *,
        lease_sources: frozenset[str] = frozenset(),
        zone_said: bool = False,
        engine: str = "local",
    ) -> None:
        self.records = records
        self.server, said = chosen(records, engine)  # what computes for us, if anything does
        self.lease_sources = lease_sources
        self.zone_said = zone_said
        self.notes = said  # warnings of answers that were given
        self.reject: Callable[[str, pl.DataFrame], None] | None = None
        # Who took part in which request, and when: gathered only once `ties` asks for it.
        self._requests: Requests | None = None
        self._lines: Lines | None = None  # what keeps each line while they are read
        self._holders: Holders | None = None

    # -- the first look --------------------------------------------------------------------

    @cached_property
    def raw_summary(self) -> Summary:
        """The summary of all lines by what each says itself."""
        if self.server is not None:
            summary = self.server.summary()
            if summary is not None:
                return summary
            self.server = None
            self.notes.append("computed here: another version of cuidx wrote to the index")
        return self.look()

    def look(
        self, want: frozenset[str] = WHO_AND_WHEN, take: Callable[[Part], None] | None = None
    ) -> Summary:
        """`raw_summary`, read now; TAKE is called with each part, which has the columns of WANT.

        Where times have no year it is called once with the years that are told then.
        """
        found = self._read(want, take)
        if self.records.yearless and not self.records.by_file:
            # Which year it was is known when the newest dated record is; then they are read again.
            dated = pl.concat([found.groups["last"], found.evidence["until"]])
            self.records.newest = cast("int | None", dated.cast(pl.Int64).max())
            self.records.by_file = True
            self._requests = None if self._requests is None else Requests()
            if self._lines is not None:
                self._lines.clear()
            found = self._read(want, take, again=True)
        return found

    def _read(
        self, want: frozenset[str], take: Callable[[Part], None] | None, *, again: bool = False
    ) -> Summary:
        pairs: list[pl.DataFrame] = []
        grouped: list[tuple[int, Grouped]] = []
        in_groups = take is None and self._requests is None and want == WHO_AND_WHEN

        def parts() -> Iterator[tuple[int, pl.DataFrame]]:
            kept = self._lines if in_groups else None
            read = self.records.parts(
                want, request_pairs, in_groups=in_groups, by_line=kept is not None,
                mentions=kept is not None and kept.mentions,
            )  # fmt: skip
            for part in read:
                if kept is not None:
                    kept.add(part)
                if take is not None:
                    take(part)
                if not again:
                    self.pass_rejects(self.records.opened[part.source].path, part.frame)
                if self._requests is not None:
                    self._requests.add(part.frame, part.source)
                if part.beside is not None:
                    pairs.append(part.beside)
                if part.grouped is not None:
                    # What each line says has been used; kept, it would grow with the lines.
                    small = part.grouped._replace(by_line=None, data=b"", spots=None)
                    grouped.append((part.source, small))
                yield part.source, part.frame

        return Summary.of(parts(), pairs, grouped)

    def keep(self, lines: Lines) -> None:
        """Give LINES all lines: with the first look at them, or with one more."""
        # A look that gathers requests has no lines in groups.
        if "raw_summary" not in self.__dict__ and self.server is None and self._requests is None:
            self._lines = lines
            _ = self.raw_summary
            self._lines = None
            return
        for part in self.records.parts(
            WHO_AND_WHEN, in_groups=True, by_line=True, mentions=lines.mentions
        ):
            lines.add(part)
            if not lines.whole:
                break

    def pass_rejects(self, path: str, frame: pl.DataFrame) -> None:
        """Hand the unreadable records of FRAME, from the source PATH, to who wants them."""
        if self.reject is not None and (frame["kind"] == "unreadable").any():
            self.reject(
                path, frame.filter(pl.col("kind") == "unreadable").select("line", "why", "raw")
            )

    @property
    def _has_evidence(self) -> bool:
        """Whether anything tells names or addresses that lines do not say themselves."""
        return not self.raw_summary.evidence.is_empty()

    @cached_property
    def ladder(self) -> Ladder:
        """What evidence joins."""
        return Ladder(self.raw_summary)

    @cached_property
    def named(self) -> Summary:
        """The summary with the names that evidence gives; a second look only where time decides."""
        raw = self.raw_summary
        if not self._has_evidence:
            return raw
        ladder = self.ladder
        moving = pl.Series(sorted(ladder.moving), dtype=pl.String).implode()
        by_time = pl.col("container").is_in(moving) & (pl.col("kind") == "event")
        groups = ladder.rename(raw.groups.filter(~by_time.fill_null(False)).with_columns(
            said="container"))  # fmt: skip
        better = groups.filter(pl.col("said") != pl.col("container")).select("said", "container")
        pairs, groups = raw.pairs, groups.drop("said")
        if better.height:
            name = pl.col("container").cast(pl.String).replace(dict(better.iter_rows()))
            pairs = Pairs(pairs.table.with_columns(name.cast(PAIRS["container"])))
        if ladder.moving:
            found = [pairs.table.filter(~pl.col("container").cast(pl.String).is_in(moving))]
            only = term(layout.CONTAINER, ladder.moving)
            for part in self.records.parts(WHO_AND_WHEN, only=only):
                rows = _with_ids(normalise(part.frame).filter(by_time))
                if rows.height:
                    rows = ladder.rename(rows).with_columns(source=pl.lit(part.source, pl.Int64))
                    found.append(pairs_of(rows))
                    ones = detached(groups_of_one(rows).select(groups.columns))
                    groups = pl.concat([groups, ones])
            pairs = Pairs(pl.concat(found).unique())
        return Summary.merge([Summary(groups, pairs, given(ladder.evidence, groups))])

    @cached_property
    def ties(self) -> Ties:
        """Which holder of an address took part in which request."""
        self._requests = requests = Requests()
        # Read before anyone asked for requests, or not read at all.
        if "raw_summary" in self.__dict__ or self.server is not None:
            for part in self.records.parts(WHO_AND_WHEN):
                requests.add(part.frame, part.source)
        _ = self.book
        requests, self._requests = self._requests or requests, None
        return requests.ties(self.timetable, list(self.ladder.names()))

    # -- addresses -------------------------------------------------------------------------

    @cached_property
    def book(self) -> tuple[Summary, list[Address]]:
        """All lines' summary and all leases; a second look at the lines only where it is needed."""
        summary, seen = self._told()
        clock = clock_of(summary)
        moves = self.ladder.moves(summary.groups) if self._has_evidence else []
        open_ = sorted({*unsettled(summary, seen), *moves})
        if open_:
            points = self._points(open_, clock)
            ends = [
                summary.evidence.filter(
                    pl.col("container").is_in(open_) & pl.col("ip").is_not_null()
                    & pl.col(end).is_not_null()
                ).select("container", "ip", at=pl.col(end).cast(pl.Int64),
                         lines=pl.lit(0, pl.Int64))
                for end in ("at", "until")
            ]  # fmt: skip
            told = pl.concat(ends)
            runs = runs_of(pl.concat([points, told]) if clock == "time" else points, summary)
            seen = spans(summary, runs)
        found = addresses(seen, clock)
        placed = self._place_ip_lines(summary, found)
        return placed, found if placed is summary else recounted(found, placed)

    def _told(self) -> tuple[Summary, list[Span]]:
        """The summary with the addresses that evidence tells, and the Pods that addresses tell.

        With it come its `spans`.
        """
        named = self.named
        if not self._has_evidence:
            return named, spans(named)
        ladder = self.ladder
        summary = replace(named, groups=ladder.fill(named.groups).drop("ip_from"))
        seen = spans(summary)
        if clock_of(summary) != "time":
            return summary, seen
        pods, boxes = pods_by_address(seen), pods_of_sandboxes(seen, summary)
        if not pods and not boxes:
            return summary, seen
        key = pl.col("container").replace_strict(pods, default=None, return_dtype=pl.String)
        groups = summary.groups.with_columns(pod_key=pl.coalesce("pod_key", key))
        evidence = given(in_sandboxes(ladder.evidence, boxes), groups)
        summary = replace(summary, groups=groups, evidence=evidence)
        return summary, spans(summary)

    @cached_property
    def timetable(self) -> Timetable:
        """Who had an address at a time."""
        return Timetable(self.book[1], self.clock)

    @property
    def clock(self) -> Clock:
        """What leases are measured in: times, or the order of lines."""
        return clock_of(self.book[0])

    def _points(self, containers: Sequence[str], clock: Clock) -> pl.DataFrame:
        at = (
            pl.col("time").cast(pl.Int64)
            if clock == "time"
            else pl.col("place") * PLACE + pl.col("line")
        )
        wanted = pl.Series(containers, dtype=pl.String)
        frames = [
            frame.filter(
                (pl.col("kind") == "event") & pl.col("container").is_in(wanted.implode())
                & pl.col("ip").is_not_null()
            ).select("container", "ip", at=at).drop_nulls("at")
            .group_by("container", "ip", "at").agg(lines=pl.len().cast(pl.Int64))
            for frame in self.enriched(WHO_AND_WHEN, self.wrote(containers))
        ]  # fmt: skip
        return pl.concat(frames)

    def wrote(self, containers: Collection[str], ips: Collection[str] = ()) -> Query | None:
        """A query that all lines of CONTAINERS, or with one of IPS as their own, fit."""
        mine = set(containers)
        if ips:
            # Whose own address is told by evidence, wholly or at times.
            groups = (self.book if "book" in self.__dict__ else self._told())[0].groups
            had = groups.filter(pl.col("ip").is_in(pl.Series(sorted(ips)).implode()))
            mine |= {*had["container"].drop_nulls(), *self.ladder.moves(groups)}
        mine |= {said for said, name in self.ladder.names() if name in mine}
        return any_of(
            term(layout.CONTAINER, mine), term(layout.FIELDS["ip"][0], ips),
            *([] if self._holders is None else [_IP_LINES]),
        )  # fmt: skip

    def _place_ip_lines(self, summary: Summary, found: list[Address]) -> Summary:
        """Count each line that knows only its IP for the container that held it then."""
        better = sorted({a.ip for a in found if any(h.containers != (a.ip,) for h in a.leases)})
        contested = _ONLY_IP & pl.col("ip").is_in(better)
        by_ip = summary.groups.filter(contested)
        if by_ip.is_empty():
            return summary
        self._holders = Holders(found)
        named = pl.col("container").cast(pl.String).is_in(by_ip["container"].implode())
        pairs, moved = [summary.pairs.table.filter(~named)], []
        for frame in self.enriched(WHO_AND_WHEN, _IP_LINES):
            rows = frame.filter(contested)
            if rows.height:
                pairs.append(pairs_of(rows))
                moved.append(detached(rows))
        keep = summary.groups.filter(~contested)
        lines = groups_of_one(pl.concat(moved, how="diagonal")).with_columns(source="place")
        groups = pl.concat([keep, lines.select(keep.columns)])
        table = Pairs(pl.concat(pairs).unique())
        return Summary.merge([Summary(groups, table, summary.evidence)])

    # -- all records -----------------------------------------------------------------------

    def enriched(self, want: frozenset[str], only: Query | None = None) -> Iterator[pl.DataFrame]:
        """All records with identity, names and addresses settled; `place` is their source.

        Lines that know only an IP have their container's name once `book` has been asked for. ONLY
        is a query: records of an index that do not fit it may be left out.
        """
        _ = self.ladder  # it may have to read the records first
        for part in self.records.parts(want, only=only):
            if part.frame.height:
                yield self.enrich(part.frame, part.source)

    def shown(self, want: frozenset[str], only: Query | None = None) -> Iterator[pl.DataFrame]:
        """`enriched`, without the sources that are read for their leases alone."""
        for frame in self.enriched(want, only):
            if not self.is_for_leases(int(frame["place"][0])):
                yield frame

    def enrich(self, frame: pl.DataFrame, source: int) -> pl.DataFrame:
        """Parsed records of one source with all that is settled; `place` is that source."""
        found = settled(frame, self.ladder).with_columns(place=pl.lit(source, pl.Int64))
        return found if self._holders is None else _name_ip_lines(found, self._holders)

    @property
    def is_settled(self) -> bool:
        """Whether what a line says of its writer is all there is to know, whenever it was."""
        evidence = self.book[0].evidence  # it also settles lines that know only an IP
        return evidence.is_empty() and self._holders is None and not self.ladder.moving

    def is_for_leases(self, source: int) -> bool:
        """Whether a source was read for its leases alone."""
        return self.opened[source].given in self.lease_sources

    # -- what is known of the sources ------------------------------------------------------

    @property
    def opened(self) -> list[Opened]:
        """What was found out about each source."""
        _ = self.raw_summary
        return self.records.opened

    @property
    def paths(self) -> list[str]:
        """The path of each source."""
        return [one.path for one in self.opened]

    @property
    def problems(self) -> list[SourceError]:
        """Sources that were cut off."""
        _ = self.raw_summary
        return self.records.problems

    @property
    def zoneless(self) -> int:
        """How many times have no zone."""
        _ = self.book
        return self.records.zoneless

    @property
    def yearless(self) -> int:
        """How many times have no year."""
        _ = self.book
        return self.records.yearless

    @property
    def newest(self) -> int | None:
        """What the times without a year are before, in ns; None: the files' modification times."""
        return self.records.newest

    @property
    def nameless(self) -> bool:
        """Whether there are events, and none names a container or an address."""
        groups = self.book[0].groups
        return bool(self.accounting.events) and groups["container"].null_count() == len(groups)

    @cached_property
    def accounting(self) -> Accounting:
        """Where every record went, but for those read for their leases alone."""
        summary = self.book[0]
        shown = [
            (at, one.path, one.format, one.not_read)
            for at, one in enumerate(self.opened)
            if one.left_out is None and not self.is_for_leases(at)
        ]
        if self.lease_sources:
            places = pl.Series([at for at, *_ in shown], dtype=pl.Int64)
            groups = summary.groups.filter(pl.col("source").is_in(places.implode()))
            summary = replace(summary, groups=groups)
        return accounting(summary, shown)

    @property
    def services(self) -> dict[str, str]:
        """The service of each holder that is known by one."""
        return {
            lease.holder: lease.service
            for address in self.book[1] for lease in address.leases if lease.service is not None
        }  # fmt: skip

    def find_container(self, start: str) -> str:
        """The container called START, or the only one whose name begins so; START if none does.

        Raises:
            UsageError: several begin so; they are named.
        """
        if not start.strip():
            raise UsageError("a container's name is empty", do="give its first letters")
        summary = self.book[0]
        names = summary.groups["container"].drop_nulls().unique()
        evidence = summary.evidence["container"].drop_nulls().unique()
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


def settled(frame: pl.DataFrame, ladder: Ladder) -> pl.DataFrame:
    """Parsed records with identity, names and addresses as LADDER knows them."""
    return _with_ids(ladder.join(normalise(frame)))


def _with_ids(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(
        pl.lit(None, pl.String).alias(name)
        for name in ("request_id", "trace_id", "lifecycle", "lease")
        if name not in frame.columns
    )


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
