"""Sources to records: detect, parse in parallel, hand on in order, and lose nothing on the way."""

from __future__ import annotations

import io
import os
import signal
import stat
import sys
import tempfile
import threading
import weakref
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple, cast

import polars as pl

from cuidx.enrich.records import Carry, Documents, Skew, date, shifted
from cuidx.errors import CuidxError, SourceError, UnknownFormatError, UsageError
from cuidx.formats import elasticdump, kept, lines, places, rows
from cuidx.formats.base import Block, Format, Grouped, Reading, Sample
from cuidx.formats.documents import table
from cuidx.formats.lines import ALWAYS
from cuidx.formats.native import is_built
from cuidx.formats.scan import Scanner, can_group
from cuidx.schema import INNER_ROLES, KIND, MENTIONING, ROLES
from cuidx.sources import seek
from cuidx.sources.columnar import COLUMNAR, NAMES, frames
from cuidx.sources.paths import STDIN, Source
from cuidx.sources.stream import (
    ENDS_EARLY,
    blocks,
    compression,
    lines_at,
    open_source,
    read_some,
    read_span,
    spans,
    whole_lines,
)
from cuidx.times import zone

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from cuidx.formats.registry import Detected
    from cuidx.sources.elastic.index import Foreign, Piece, Query, Stored, Window

_WORKERS: Final = min(4, os.cpu_count() or 1)
_HEAD: Final = 1 << 20  # bytes read before the format is said
STRICT_JSON: Final = 0.5  # from this share of JSON lines on, a broken one is unreadable
_MOSTLY: Final = 0.5  # share of search hits from which all lines are read as such
BOM: Final = b"\xef\xbb\xbf"
_LOOK: Final = 1 << 14  # bytes read for the time somewhere in a file
_SKIPPED: Final = (
    "{:,} bytes outside --since and --until were not read, as the file is in order of time; lines "
    "out of it, and holders that only those bytes show, are not known (--exact reads all)"
)
_NOT_READ: Final = (
    "{:,} documents outside --since and --until were not read, so holders that only they show are "
    "not known (--exact reads all)"
)


@dataclass(frozen=True, slots=True)
class Options:
    """How the user wants sources read (INTERFACE, section 2, common options)."""

    input_format: str | None = None
    fields: tuple[tuple[str, str], ...] = ()
    patterns: tuple[str, ...] = ()
    tz: str = "UTC"
    skews: tuple[Skew, ...] = ()
    exact: bool = False  # read all the plain way: for comparing, not for users

    def __post_init__(self) -> None:
        """Refuse what can't work before anything is read."""
        for role, path in self.fields:
            if role not in ROLES:
                raise UsageError(f"--field {role}={path}: no role is called {role!r}",
                                 do=f"roles: {', '.join(ROLES)}")  # fmt: skip
        for pattern in self.patterns:
            check_pattern(pattern)
        if self.input_format is not None and self.input_format not in NAMES:
            from cuidx.formats import registry

            registry.named(self.input_format)
        zone(self.tz)


@cache
def _pool(workers: int) -> ThreadPoolExecutor:
    """The threads that parse, the same for all questions: they keep compiled expressions."""
    return ThreadPoolExecutor(workers, thread_name_prefix="cuidx-parse")


os.register_at_fork(after_in_child=_pool.cache_clear)  # a child has none of these threads


def check_pattern(pattern: str) -> None:
    """Refuse a `--pattern` that is no regular expression or names no role.

    Raises:
        UsageError: says what is wrong with it.
    """
    try:
        groups = (
            pl.DataFrame({"t": [""]}, schema={"t": pl.String})
            .select(pl.col("t").str.extract_groups(pattern))
            .to_series()
            .struct.fields
        )
    except pl.exceptions.PolarsError as error:
        raise UsageError(
            f"--pattern {pattern!r}: {str(error).strip().splitlines()[-1]}",
            do="it is a regular expression in Rust's syntax, with named groups (?<role>…)",
        ) from None
    named = [group for group in groups if not group.isdigit()]
    unknown = [group for group in named if group not in ROLES]
    if unknown or not named:
        what = f"no role is called {unknown[0]!r}" if unknown else "it has no named group"
        raise UsageError(
            f"--pattern {pattern!r}: {what}",
            do=f"name its groups (?<role>…) by what they find: {', '.join(ROLES)}",
        )


@dataclass(slots=True)
class Opened:
    """What was found out about one source."""

    path: str
    given: str = ""  # what the user named: the Parquet of `convert`, where `path` is in that
    format: str | None = None
    compression: str | None = None
    confidence: float = 1.0
    kept: bool = False  # its records come from a Parquet of `convert`
    second: tuple[str, float] | None = None  # the format that came next, and how sure
    sample: Sample | None = None  # its first lines
    notes: set[str] = field(default_factory=set)  # what its format has to say of it
    zoneless: int = 0  # times without a zone
    held_zoneless: int = 0  # the same, as a Parquet of `convert` says
    scanner: Scanner | None = None  # counts the lines that it proved, and the odd ones
    left_out: str | None = None  # why a file found in a folder was not read
    not_read: int = 0  # bytes that were skipped, as they are outside the times asked for


class Part(NamedTuple):
    """Some consecutive records of one source."""

    source: int  # place in Records.opened
    frame: pl.DataFrame
    beside: pl.DataFrame | None = None  # what was made of it while others were parsed
    grouped: Grouped | None = None  # those of its records that are not in `frame`


class _Parsed(NamedTuple):
    frame: pl.DataFrame
    zoneless: int  # times read in --tz
    yearless: int  # times without a year
    lines: int  # how many lines the block had
    grouped: Grouped | None = None


class _Task(NamedTuple):
    source: int
    first: bool
    work: Callable[[], _Parsed]
    error: CuidxError | None = None
    before: int = 0  # of the source's first: lines that were skipped


class _How(NamedTuple):
    """Whether events may come in groups, and what is asked of each line of them."""

    in_groups: bool
    by_line: bool
    mentions: bool


_Frame = Callable[[], Iterator[pl.DataFrame]]


@dataclass
class Records:
    """The records of all sources, in the order of sources and lines; can be read again.

    `frames` is given instead of sources where rows come from the caller's own frame.
    """

    sources: Sequence[Source]
    options: Options = field(default_factory=Options)
    frame: pl.DataFrame | None = None
    progress: Callable[[str, int], None] = lambda path, count: None
    block: int | None = None  # bytes parsed at once, where not as usual
    window: Window | None = None  # what is asked of a server's documents that tell nothing before
    skips: frozenset[str] = frozenset()  # files of which no more than the window has to be read

    def __post_init__(self) -> None:
        self.opened = [Opened(source.path, source.path) for source in self.sources]
        self.problems: list[SourceError] = []  # sources that were cut off
        self.zoneless = 0  # times without a zone, read in options.tz
        self.yearless = 0  # times without a year: they get the latest one before `newest`
        self.newest: int | None = None  # ns; None: not known, and those times are not read
        self.by_file = False  # where it is not known, a file's modification time stands in
        self._places: dict[int, dict[str, int]] = {}  # of the sources inside a kept Parquet
        self._found: dict[int, tuple[int, Detected]] = {}  # and a hash of how it begins
        self._copies: dict[str, BinaryIO] = {}
        self._sizes: dict[str, int] = {}
        self._inside: dict[str, tuple[int, int, int]] = {}  # first and last byte, lines before

    def parts(
        self,
        want: frozenset[str] = frozenset(ROLES),
        beside: Callable[[pl.DataFrame], pl.DataFrame] | None = None,
        only: Query | None = None,
        *,
        in_groups: bool = False,
        by_line: bool = False,
        mentions: bool = False,
    ) -> Iterator[Part]:
        """All records: columns of PARSED (null ones may be left out), time and time_from.

        IN_GROUPS says that events may come in groups, as who wrote how many and when; BY_LINE that
        then each line's time and request are asked for, too; MENTIONS with it that the addresses
        in such lines are, and that of lines beside groups WANT has what mentions some. BESIDE is
        asked of each part where it is parsed, in several threads, before times are carried on and
        duplicates are known. ONLY is a query: records that were pushed to a server and do not fit
        it may be left out.

        Raises:
            SourceError: a named source can't be opened; one cut off goes to `problems` instead.
        """
        self.problems, self.zoneless, self.yearless = [], 0, 0

        def run(task: _Task) -> tuple[_Parsed, pl.DataFrame | None]:
            parsed = task.work()
            return parsed, None if beside is None else beside(parsed.frame)

        documents = Documents()
        carry, before = Carry(), 0
        pool = _pool(_WORKERS)
        waiting: deque[tuple[_Task, Future[tuple[_Parsed, pl.DataFrame | None]] | CuidxError]]
        waiting = deque()
        how = _How(in_groups and not self.options.skews, by_line, mentions)
        tasks = self._tasks(want, only, how)
        exhausted = False
        try:
            while waiting or not exhausted:
                while not exhausted and len(waiting) < _WORKERS + 1:
                    task = next(tasks, None)
                    if task is None:
                        exhausted = True
                        break
                    waiting.append((task, task.error or pool.submit(run, task)))
                if not waiting:
                    break
                task, future = waiting.popleft()
                if isinstance(future, SourceError):
                    self.problems.append(future)
                    continue
                if isinstance(future, CuidxError):
                    raise future
                if task.first:
                    carry, before = Carry(), task.before
                    self.opened[task.source].zoneless = 0
                try:
                    parsed, made = future.result()
                except OSError as error:
                    raise SourceError(
                        f"can't be read: {error.strerror}",
                        where=self.opened[task.source].path,
                        do="is it still there?",
                    ) from error
                self.zoneless += parsed.zoneless
                self.opened[task.source].zoneless += parsed.zoneless
                self.yearless += parsed.yearless
                if self._remote(task.source) is not None:
                    self.progress(self.opened[task.source].path, len(parsed.frame))
                moved = shifted(parsed.frame, self.options.skews, self.opened[task.source].path)
                grouped = parsed.grouped
                if grouped is None:
                    dated = carry.apply(moved)
                    frame = documents.mark(dated)
                else:
                    dated = carry.apply(moved, grouped.before, grouped.latest)
                    frame, grouped = documents.mark_groups(dated, grouped)
                if frame is not dated and beside is not None:
                    made = beside(frame)  # without what turned out to be duplicates
                # Blocks are parsed side by side, so each counts its lines from 1.
                if before and len(frame):
                    frame = frame.with_columns(pl.col("line") + before)
                if grouped is not None:
                    places = pl.col("first_line", "last_line") + before
                    grouped = grouped._replace(groups=grouped.groups.with_columns(places))
                    if by_line and grouped.by_line is not None:
                        lines_ = grouped.by_line.with_columns(pl.col("line") + before)
                        grouped = grouped._replace(by_line=lines_)
                before += parsed.lines
                if self._is_twin(task.source):
                    frame = frame.with_columns(
                        kind=pl.when(pl.col("kind").is_in(["event", "evidence"]))
                        .then(pl.lit("duplicate", KIND))
                        .otherwise("kind")
                    )
                yield Part(task.source, frame, made, grouped)
            if self.frame is None and all(one.left_out is not None for one in self.opened):
                raise SourceError(
                    "nothing in it can be read",
                    where=self.opened[0].path,
                    do="name the files to read, with --input-format if need be",
                )
        finally:
            left = [future for _, future in waiting if isinstance(future, Future)]
            wait([future for future in left if not future.cancel()])

    def _is_twin(self, at: int) -> bool:
        """Whether a source is one file with another, reached by another path."""
        return self.frame is None and at < len(self.sources) and (
            self.sources[at].twin_of is not None
        )  # fmt: skip

    def _remote(self, at: int) -> object | None:
        """The index that source AT is in, if it is in one."""
        return (
            None if self.frame is not None or at >= len(self.sources) else self.sources[at].remote
        )

    def close(self) -> None:
        """Let go of what servers keep for us; the next question asks for it anew."""
        for source in self.sources:
            if source.remote is not None:
                source.remote.index.close()

    def raw(self, at: int) -> Iterator[bytes]:
        """The bytes of source AT as `parts` read them, unpacked, in blocks of whole lines.

        Raises:
            SourceError: at its end, if the source is cut off.
        """
        source = self.sources[at]
        if source.remote is not None:
            raise UsageError(
                "an index has no lines to copy", where=source.path, do="name the files instead"
            )
        with self._open(source) as (stream, _):
            yield from blocks(stream, source.path, limit=self._sizes.get(source.path) or None,
                              size=1 << 22)  # fmt: skip

    def alone(
        self,
        at: int,
        lines: Collection[int],
        want: frozenset[str],
        chunks: Iterator[bytes] | None = None,
    ) -> pl.DataFrame:
        """The records on LINES of source AT, read the exact way as if there were no others.

        Their times are texts. CHUNKS are the source's bytes, where they are at hand.
        """
        from cuidx.formats import registry

        path = self.sources[at].path
        with self._open(self.sources[at]) as (stream, _):
            head = _read_head(stream)[0].removeprefix(BOM)
        found = registry.detect(head, path, self.options.input_format)
        reading = self._reading(found, path, want, set())
        registry.begin(found.format, reading, head, path)
        numbers, data = [], []
        with suppress(SourceError):  # a source that is cut off: it was said when it was read
            for number, line in lines_at(self.raw(at) if chunks is None else chunks, sorted(lines)):
                numbers.append(number)
                data.append(line.removeprefix(BOM) if number == 1 else line)
        frame = found.format.parse(Block(b"".join(data), 1), reading)
        told = pl.Series("line", numbers, dtype=pl.Int64)
        return frame.with_columns(told.gather(frame["line"] - 1))

    def _tasks(self, want: frozenset[str], only: Query | None, how: _How) -> Iterator[_Task]:
        if self.frame is not None:
            self.opened = [Opened("frame", "frame", "frame")]
            yield from self._row_tasks(0, iter([self.frame]), self._of_rows(want))
            return
        for at, source in enumerate(self.sources):
            try:
                try:
                    if source.remote is not None:
                        yield from self._remote_tasks(at, source.remote, want, only)
                    else:
                        in_groups = how.in_groups and source.twin_of is None
                        here = how._replace(in_groups=in_groups)
                        yield from self._source_tasks(at, source, want, here)
                except OSError as error:
                    raise SourceError(
                        f"can't be read: {error.strerror}",
                        where=source.path,
                        do="is it still there?",
                    ) from error
            except SourceError as error:
                # A file that only a folder led to may be anything; one that was named must be read.
                if source.named:
                    raise
                self.opened[at].left_out = (
                    str(error).splitlines()[0].removeprefix(f"{source.path}: ")
                )

    def _source_tasks(
        self, at: int, source: Source, want: frozenset[str], how: _How
    ) -> Iterator[_Task]:
        in_groups = how.in_groups
        with self._open(source) as (stream, packed):
            opened = self.opened[at]
            opened.compression = packed
            asked = self.options.input_format
            if packed in COLUMNAR:
                name, what = COLUMNAR[packed]
                if asked not in (None, name):
                    raise UnknownFormatError(
                        f"this is {what}, not {asked}",
                        where=source.path,
                        do="leave --input-format out to detect it",
                    )
                opened.format, opened.compression = name, None
                where = source.path if _is_plain(source.path) else io.BytesIO(stream.read())
                inside = _sources_in(source.path, where) if packed == "parquet" else None
                if inside is not None:
                    yield from self._kept_tasks(at, source.path, where, inside)
                    return
                in_groups = in_groups and not how.by_line
                reading = self._of_rows(want)
                found_rows = frames(source.path, where, packed, partial(rows.needed, reading))
                yield from self._row_tasks(at, found_rows, reading, in_groups)
                return
            if asked in NAMES:
                raise UnknownFormatError(
                    f"this is no {asked.capitalize()} file: it does not begin like one",
                    where=source.path,
                    do="leave --input-format out to detect what it is",
                )
            from cuidx.formats import registry  # rows need none of the formats

            head, broken = _read_head(stream)
            bom = len(BOM) if head.startswith(BOM) else 0
            head = head[bom:]
            if inner := compression(head):
                raise SourceError(
                    f"inside the {packed} there is {inner} data",
                    where=source.path,
                    do="unpack it once by hand",
                )
            begins = hash(head)
            if self._found.get(at, (None,))[0] != begins:  # else it is as the last time
                self._found[at] = begins, registry.detect(head, source.path, asked)
            found = self._found[at][1]
            opened.format, opened.confidence = found.format.NAME, found.confidence
            opened.second, opened.sample = found.second, found.sample
            reading = self._reading(found, source.path, want, opened.notes)
            registry.begin(found.format, reading, head, source.path)
            if (
                is_built()
                and not self.options.exact
                and not self.options.patterns
                and len(head) >= _HEAD
            ):
                in_groups = in_groups and (
                    found.format.parse is lines.parse or can_group(found.format)
                )
                some = want | MENTIONING if in_groups and how.mentions else want
                scanner = self._scanner(found, head, source.path, some, in_groups)
                reading.scanner = opened.scanner = scanner
            # A second look must see what the first one saw, though the file may have grown.
            limit = None
            if packed is None and _is_plain(source.path):
                limit = self._sizes.setdefault(source.path, Path(source.path).stat().st_size)
                limit = limit or None  # some systems give no size: those are read to their end
            grouper = reading.scanner if in_groups else None
            if grouper is not None and how.mentions:
                reading.want = want | MENTIONING
            cutter = _parse if grouper is None else partial(_group, how, grouper)
            parse = partial(
                cutter, found.format, reading, self.options.tz, self._before(source.path)
            )
            size = {} if self.block is None else {"size": self.block}
            first = True
            if limit is not None and found.format.cut is whole_lines:
                begin, end, lines_before = bom, limit, 0
                if source.path in self.skips and limit >= seek.LEAST:
                    plain = replace(reading, scanner=None, want=frozenset({"time", "cuid"}))
                    look = partial(self._look, source.path, found.format, plain)
                    begin, end, lines_before = self._part(source.path, bom, limit, look)
                    opened.not_read = begin - bom + limit - end
                    if opened.not_read:
                        opened.notes.add(_SKIPPED.format(opened.not_read))
                        self.progress(source.path, opened.not_read)
                for start, length in spans(source.path, begin, end, **size):
                    self.progress(source.path, length)
                    work = partial(_read_and_parse, source.path, start, length, parse)
                    yield _Task(at, first, work, before=lines_before)
                    first = False
                return
            self.progress(source.path, len(head))
            cut = blocks(
                stream,
                source.path,
                cut=found.format.cut,
                head=head,
                broken=broken,
                limit=limit,
                seen=partial(self.progress, source.path),
                **size,
            )
            try:
                for data in cut:
                    yield _Task(at, first, partial(parse, data))
                    first = False
            except SourceError as error:
                yield _Task(at, first, _no_work, error)

    def _reading(
        self, found: Detected, path: str, want: frozenset[str], notes: set[str]
    ) -> Reading:
        """How a source is read whose format was found."""
        return Reading(
            want=want,
            fields=self.options.fields,
            patterns=self.options.patterns,
            strict_json=found.json_share >= STRICT_JSON,
            path_roles=places.roles_of(path.replace(os.sep, "/")),
            notes=notes,
        )

    def _part(
        self, path: str, begin: int, end: int, look: Callable[[int], tuple[int, int | None]]
    ) -> tuple[int, int, int]:
        """(first byte, last byte, lines before) of what has to be read of a file."""
        if (known := self._inside.get(path)) is not None:
            return known
        inside = None
        if self.window is not None and not self.options.exact and not self.options.skews:
            # What counts from the newest event: of one file its end has it.
            newest = look(max(begin, end - _LOOK))[1] if len(self.sources) == 1 else None
            since, until = self.window(newest)
            if since is not None or until is not None:
                inside = seek.part(begin, end, look, since, until)
        first, last = inside or (begin, end)
        self._inside[path] = first, last, seek.lines_up_to(path, first)
        return self._inside[path]

    def _look(
        self, path: str, format_: Format, reading: Reading, at: int
    ) -> tuple[int, int | None]:
        """(where a line begins, AT or behind it, the time of the first line there with a time)."""
        data = read_span(path, max(at - 1, 0), _LOOK)
        begin = data.find(b"\n") + 1 if at else 0
        if at and not begin:
            return at, None  # a very long line
        data = data[begin:]
        if not data:
            return at, None
        frame = _parse(format_, reading, self.options.tz, self._before(path),
                       data[: whole_lines(data)] or data).frame  # fmt: skip
        times = frame.filter(pl.col("kind") == "event")["time"].drop_nulls().cast(pl.Int64)
        place = at - 1 + begin if at else 0
        return place, int(times[0]) if len(times) else None

    def _scanner(
        self,
        found: Detected,
        head: bytes,
        path: str,
        want: frozenset[str],
        in_groups: bool,
    ) -> Scanner | None:
        """The quick way for a source that begins with HEAD, if there is one."""
        from cuidx.formats.registry import sample_of

        roles = table(self.options.fields)
        if in_groups and can_group(found.format):
            scanner = Scanner(roles, want, hits=False, format_=found.format)
        elif found.json_share >= STRICT_JSON:
            hits = elasticdump.sniff(sample_of(head, path)) >= _MOSTLY
            scanner = Scanner(roles, want, hits=hits)
        else:
            return None
        scanner.learn(head[: whole_lines(head)])
        return scanner

    def _remote_tasks(
        self, at: int, remote: Stored | Foreign, want: frozenset[str], only: Query | None
    ) -> Iterator[_Task]:
        from cuidx.sources.elastic.index import Foreign

        opened, options = self.opened[at], self.options
        opened.format = "elasticsearch"
        roles = table(options.fields)
        reading = Reading(want=want, fields=options.fields, patterns=options.patterns,
                                  strict_json=True, notes=opened.notes)  # fmt: skip
        parse = partial(_parse, elasticdump, reading, options.tz, self.newest)
        first = True
        if isinstance(remote, Foreign):
            window = None
            if self.window is not None and not options.exact:
                window, left = remote.window(self.window, roles)
                if left:
                    opened.notes.add(_NOT_READ.format(left))
            pieces = remote.pieces(want | ALWAYS | {*INNER_ROLES}, roles, only, window)
        else:
            pieces = remote.pieces(want, roles, only)
        for piece in pieces:
            if isinstance(piece, bytes) and first and is_built() and not options.exact:
                reading.scanner = Scanner(roles, want, hits=True)
                reading.scanner.learn(piece)
            yield _Task(at, first, partial(_ask_and_parse, piece, parse))
            first = False

    def _of_rows(self, want: frozenset[str]) -> Reading:
        return Reading(want=want, fields=self.options.fields,
                               patterns=self.options.patterns)  # fmt: skip

    def _row_tasks(
        self,
        at: int,
        frames: Iterator[pl.DataFrame],
        reading: Reading,
        in_groups: bool = False,
    ) -> Iterator[_Task]:
        line = 1
        in_groups = in_groups and is_built() and not self.options.exact and not reading.patterns
        how = partial(_group_rows, rows.group) if in_groups else _parse_rows
        for frame in frames:
            work = partial(how, rows.parse, frame, 1, reading, self.options.tz)
            yield _Task(at, line == 1, work)
            line += len(frame)

    def _kept_tasks(
        self, at: int, path: str, where: str | io.BytesIO, inside: list[dict[str, Any]]
    ) -> Iterator[_Task]:
        """The records of a Parquet of `convert`, as of the sources that they were read from."""
        places = self._places.get(at)
        if places is None:
            fresh = [at, *range(len(self.opened), len(self.opened) + len(inside) - 1)]
            places = self._places[at] = {
                str(said["path"]): place for said, place in zip(inside, fresh, strict=False)
            }
            self.opened += [Opened("", path) for _ in fresh[1:]]
        for said in inside:
            one = self.opened[places[said["path"]]]
            one.path, one.format, one.kept = said["path"], said["format"], True
            one.confidence, one.compression = said["confidence"], said["compression"]
            one.notes = set(said["notes"])
            one.held_zoneless = said["zoneless"]
        first = dict.fromkeys(places, True)
        for frame in frames(path, where, "parquet"):
            for name, part in kept.by_source(frame):
                place = places[name]
                work = partial(_as_kept, part, self.opened[place].held_zoneless * first[name])
                yield _Task(place, first[name], work)
                first[name] = False

    def _before(self, path: str) -> int | None:
        """What the times without a year of the source PATH are before, in ns."""
        if self.newest is None and self.by_file and path != STDIN:
            return Path(path).stat().st_mtime_ns
        return self.newest

    def _open(self, source: Source) -> AbstractContextManager[tuple[BinaryIO, str | None]]:
        if source.path != STDIN and _is_plain(source.path):
            return open_source(source)
        # Standard input and pipes can be read once; what needs a second pass reads a copy.
        copy = self._copies.get(source.path)
        if copy is None:
            # polars makes the system take up a read again after Ctrl-C; a pipe may never answer.
            if threading.current_thread() is threading.main_thread():
                signal.siginterrupt(signal.SIGINT, True)
            copy = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - kept open
            self._copies[source.path] = copy
            weakref.finalize(self, copy.close)
            with _pipe(source.path) as pipe:
                while data := pipe.read(1 << 20):
                    copy.write(data)
            copy.flush()
        return open_source(source, cast(BinaryIO, _Again(copy.fileno())))


class _Again(io.RawIOBase):
    """An open file from its beginning, whoever else reads it meanwhile."""

    def __init__(self, number: int) -> None:
        self._number, self._at = number, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer)
        data = os.pread(self._number, len(view), self._at)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)


def _pipe(path: str) -> AbstractContextManager[BinaryIO]:
    if path == STDIN:
        if sys.stdin is None:
            raise SourceError("standard input is closed", where=path, do="pipe something in")
        return nullcontext(cast(BinaryIO, sys.stdin.buffer))
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise SourceError(
            f"can't be opened: {error.strerror}", where=path, do="check it and its permissions"
        ) from error


def _parse(format_: Format, reading: Reading, tz: str, before: int | None, data: bytes) -> _Parsed:
    dated = date(format_.parse(Block(data, 1), reading), tz, before)
    if format_.cut is not whole_lines:  # a record may be many lines
        return _Parsed(*dated, data.count(b"\n"))
    return _Parsed(*dated, cast("int | None", dated.frame["line"].max()) or 0)


def _group(
    how: _How,
    scanner: Scanner,
    format_: Format,
    reading: Reading,
    tz: str,
    before: int | None,
    data: bytes,
) -> _Parsed:
    grouped = scanner.group(Block(data, 1), reading, by_line=how.by_line, mentions=how.mentions)
    if grouped is None:
        return _parse(format_, reading, tz, before, data)
    return _Parsed(*date(grouped.rows, tz, before), grouped.lines, grouped)


def _read_and_parse(
    path: str, start: int, length: int, parse: Callable[[bytes], _Parsed]
) -> _Parsed:
    return parse(read_span(path, start, length))


def _ask_and_parse(piece: Piece, parse: Callable[[bytes], _Parsed]) -> _Parsed:
    if isinstance(piece, bytes):
        return parse(piece)
    return _Parsed(piece(), 0, 0, 0)  # with the lines' own numbers


def _is_plain(path: str) -> bool:
    return path != STDIN and stat.S_ISREG(Path(path).stat().st_mode)


def _parse_rows(
    parse: Callable[[pl.DataFrame, int, Reading], pl.DataFrame],
    frame: pl.DataFrame,
    line: int,
    reading: Reading,
    tz: str,
) -> _Parsed:
    return _Parsed(*date(parse(frame, line, reading), tz), len(frame))


def _group_rows(
    group: Callable[[pl.DataFrame, int, Reading], Grouped | None],
    parse: Callable[[pl.DataFrame, int, Reading], pl.DataFrame],
    frame: pl.DataFrame,
    line: int,
    reading: Reading,
    tz: str,
) -> _Parsed:
    grouped = group(frame, line, reading)
    if grouped is None:
        return _parse_rows(parse, frame, line, reading, tz)
    return _Parsed(*date(grouped.rows, tz), len(frame), grouped)


def _as_kept(rows: pl.DataFrame, zoneless: int) -> _Parsed:
    return _Parsed(kept.records(rows), zoneless, 0, 0)


def _sources_in(path: str, where: str | io.BytesIO) -> list[dict[str, Any]] | None:
    try:
        return kept.sources_in(where)
    except (pl.exceptions.PolarsError, OSError):
        return None  # said when its rows are read


def _no_work() -> _Parsed:
    raise AssertionError("a task that failed has no work")


def _read_head(stream: BinaryIO) -> tuple[bytes, Exception | None]:
    """(the first bytes, to detect the format by; what kept from reading on, if anything did)."""
    head = b""
    try:
        while len(head) < _HEAD and (piece := read_some(stream, _HEAD - len(head))):
            head += piece
    except (*ENDS_EARLY, OSError) as error:
        return head, error
    return head, None


__all__ = ["Opened", "Options", "Part", "Records", "check_pattern"]
