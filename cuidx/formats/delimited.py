r"""Tables as text: a header, then rows of cells between commas, semicolons or tabs.

    time,level,message                               header: skipped, wherever it comes again
    2026-11-02T09:00:00.100Z,INFO,"GET ""/"", then
    another line of the same cell"                   one record, two lines

Cells are quoted as RFC 4180 says; a tab file of a database has `\t`, `\n` and `\N` instead.
A row of another width than the header's is unreadable. One that takes in several lines because a
quote was not closed loses its first line alone: reading starts again on the next.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

import polars as pl

from cuidx.formats import rows
from cuidx.formats.base import Block, Reading, Sample, whole_lines
from cuidx.formats.documents import is_wrapped, table
from cuidx.schema import KIND

LEAST: Final = 3  # columns, for a table that nothing else speaks for
_SOME: Final = 200  # lines that are looked at to know a table
_QUOTED: Final = re.compile(rb'(?:\A|(?<=[,;\t\n]))"[^"]*(?:""[^"]*)*(?:"|\Z)')
_BEFORE: Final = frozenset({b",", b";", b"\t", b"\n"})  # a quoted cell
_AFTER: Final = _BEFORE | {b"\r", b""}
_NAME: Final = re.compile(r"[@#_]{0,2}[^\W\d][\w .@:/()\[\]#%+\-]{0,79}")
_SEPARATOR: Final = re.compile(r"sep=(?P<delimiter>[,;\t|])\s*", re.IGNORECASE)  # for Excel
# `Timestamp (UTC)`, `time [+01:00]`: a zone, said once for the whole column.
_ZONED: Final = re.compile(
    r"(?P<name>.*?)[ _]*[(\[](?P<zone>UTC|GMT|Z|(?:UTC|GMT)?[+-]\d\d:?\d\d|[A-Z][A-Za-z]+/\w+"
    r"|[A-Z]{3,5})[)\]]"
)
_OFFSET: Final = re.compile(r"(?:UTC|GMT)?([+-]\d\d:?\d\d)$")
_HAS_ZONE: Final = r"(?:Z|z|UTC|GMT|[0-9] ?[+-][0-9]{2}:?[0-9]{2})$"
_ESCAPES: Final = {"\\t": "\t", "\\n": "\n", "\\r": "\r", "\\\\": "\\", "\\0": "\0", "\\b": "\b",
                   "\\f": "\f", "\\v": "\v"}  # fmt: skip
_ESCAPE: Final = re.compile(r"\\[tnr0bfv\\]")
_BACKSLASH: Final = re.compile(r"\\(.?)")
_CR: Final = "\ufdd0"  # stands in for a CR while a row is cut: no text may have this character
_LONGEST_CELL: Final = 1 << 30
# 02.11.2026 09:00:00,100: with dots the day is always first.
_DOTTED: Final = (
    r"^([0-9]{2})\.([0-9]{2})\.([0-9]{4}),?[ T]+([0-9]{2}:[0-9]{2})(:[0-9]{2}(?:[.,][0-9]+)?)?"
)


@dataclass(slots=True)
class Rows:
    """Rows one after the other: the lines they begin in (from 0), and their cells.

    One that can't be read has no cells; `why` says of its place what is wrong.
    """

    begins: Sequence[int]
    cells: list[list[str] | None]
    why: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Header:
    """What a table's first line says: the names of the columns, and how cells are divided."""

    names: tuple[str, ...]
    delimiter: str
    escaped: bool = False  # `\\t` in a cell is a tab, and quotes mean nothing

    @property
    def is_named(self) -> bool:
        """Whether all names look like names, and no two are the same; the last may be empty."""
        names = self.names[:-1] if self.names and not self.names[-1] else self.names
        return len(set(names)) == len(names) and all(map(_NAME.fullmatch, names))

    @property
    def known(self) -> set[str]:
        """The roles that the names say."""
        found = (table().role_of((bare(name)[0],)) for name in self.names)
        return {hit[0] for hit in found if hit is not None}


def bare(name: str) -> tuple[str, str | None]:
    """(a column's name without the zone in it, the zone)."""
    hit = _ZONED.fullmatch(name)
    return (hit["name"], hit["zone"]) if hit else (name, None)


def header(sample: Sample, delimiters: str) -> Header | None:
    """The header of a table with one of DELIMITERS: the one that makes most columns of it."""
    some = [line.removesuffix("\r") for line in sample.lines[:_SOME]]
    first = next((at for at, line in enumerate(some) if line.strip()), None)
    if first is None:
        return None
    if hit := _SEPARATOR.fullmatch(some[first]):
        if hit["delimiter"] not in delimiters or first + 1 >= len(some):
            return None
        first, delimiters = first + 1, hit["delimiter"]
    best: Header | None = None
    for delimiter in delimiters:
        plain = Header((), delimiter)
        cells = split(some[first:], plain).cells[0]
        if cells is None:
            continue
        names = tuple(name.strip() for name in cells)
        if best is None or len(names) > len(best.names):
            best = Header(names, delimiter, delimiter == "\t" and _is_escaped(some[first:]))
    return best


def _is_escaped(some: Sequence[str]) -> bool:
    """Whether each backslash begins an escape of a database, and no cell begins with a quote."""
    text = "\n".join(some)
    said = [hit[1] for hit in _BACKSLASH.finditer(text)]
    return (
        bool(said)
        and all(letter and letter in "tnr0bfvN\\" for letter in said)
        and re.search(r'(?:^|\t)"', text, re.MULTILINE) is None
    )


def share(sample: Sample, found: Header) -> tuple[float, list[list[str]]]:
    """(the share of rows that have the header's width, the cells of those) of a SAMPLE."""
    some = [line.removesuffix("\r") for line in sample.lines[:_SOME]]
    cells = split(some, found).cells
    if len(sample.lines) > _SOME and len(cells) > 1:
        cells.pop()  # the sample may end within it
    kinds = [_kind(row, found) for row in cells]
    good = [row for row, kind in zip(cells, kinds, strict=True) if row and kind == "event"]
    return len(good) / max(len(good) + kinds.count("unreadable"), 1), good


def cut(data: bytes) -> int:
    """After the last newline that stands in no quoted cell."""
    end = whole_lines(data)
    if b'"' not in data:
        return end
    if _is_regular(data):  # then a newline is in a cell where the quotes before it are odd
        odd = data.count(b'"', 0, end) % 2
        while odd and end:
            before = data.rfind(b"\n", 0, end - 1) + 1
            odd = (odd + data.count(b'"', before, end)) % 2
            end = before
        return end
    spans = [
        hit.span() for hit in _QUOTED.finditer(data) if data.find(b"\n", hit.start(), hit.end()) > 0
    ]
    while spans and end:
        begin, after = spans.pop()
        if begin < end <= after:
            end = data.rfind(b"\n", 0, begin) + 1
    return end


def _is_regular(data: bytes) -> bool:
    """Whether all quotes but doubled ones stand at a cell's begin or its end, as RFC 4180 wants."""
    # Between quotes there is by turns what is in no quoted cell, and what is in one.
    pieces = data.replace(b'""', b"").split(b'"')
    outside = pieces[2:-1:2] if len(pieces) % 2 else pieces[2::2]
    return (
        (not pieces[0] or pieces[0][-1:] in _BEFORE)
        and all(piece[:1] in _AFTER and piece[-1:] in _BEFORE for piece in outside)
        and (len(pieces) % 2 == 0 or len(pieces) == 1 or pieces[-1][:1] in _AFTER)
    )


def split(texts: Sequence[str], found: Header) -> Rows:
    """The rows of TEXTS (lines without newlines); a blank line is a row of no cells."""
    if found.escaped:
        return Rows(range(len(texts)), [_escaped_row(line) for line in texts])
    if csv.field_size_limit() < _LONGEST_CELL:
        csv.field_size_limit(_LONGEST_CELL)  # the module's own limit is that of no CSV
    try:
        cells: list[list[str] | None] = list(
            csv.reader(texts, delimiter=found.delimiter, strict=True)
        )
    except csv.Error:
        return _split_one_by_one(texts, found)
    if len(cells) != len(texts):  # some take several lines
        return _split_one_by_one(texts, found)
    return Rows(range(len(texts)), cells)


def _split_one_by_one(texts: Sequence[str], found: Header) -> Rows:
    # A CR within a line ends none; the csv module would refuse it outside of quotes.
    texts = [line[:-1].replace("\r", _CR) + line[-1:] for line in texts]
    begins: list[int] = []
    rows_ = Rows(begins, [])
    at = 0
    while at < len(texts):
        at, why = _split_on(texts, at, found, begins, rows_.cells)
        if why is not None:
            rows_.why[len(begins)] = why
            begins.append(at)
            rows_.cells.append(None)
            at += 1
    for place, row in enumerate(rows_.cells):
        if row is not None and any(_CR in cell for cell in row):
            rows_.cells[place] = [cell.replace(_CR, "\r") for cell in row]
    return rows_


def _split_on(
    texts: Sequence[str],
    start: int,
    found: Header,
    begins: list[int],
    cells: list[list[str] | None],
) -> tuple[int, str | None]:
    """Read rows from line START on; (the line where that ends, what is wrong with it if it is)."""
    width, begin = len(found.names), start
    reader = csv.reader(
        (f"{line}\n" for line in islice(texts, start, None)), delimiter=found.delimiter, strict=True
    )
    try:
        for row in reader:
            end = start + reader.line_num
            if end - begin > 1 and width and len(row) != width:
                return begin, f"a quote is not closed: {len(row)} cells, the header has {width}"
            begins.append(begin)
            cells.append(row)
            begin = end
    except csv.Error as error:
        if "end of data" in str(error):
            return begin, "a quote is not closed"
        if start + reader.line_num - begin > 1:
            return begin, f"a quote is not closed: {error}"
        # Text after a closing quote: no harm where the cells are as many as they must be.
        begins.append(begin)
        cells.append(next(csv.reader([texts[begin]], delimiter=found.delimiter)))
        begin += 1
    return begin, None


def _escaped_row(line: str) -> list[str] | None:
    return (
        [_unescaped(cell) for cell in line.removesuffix("\r").split("\t")] if line.strip() else []
    )


def _unescaped(cell: str) -> str:
    if cell == "\\N":
        return ""
    return _ESCAPE.sub(lambda hit: _ESCAPES[hit[0]], cell) if "\\" in cell else cell


def _is_separator(cells: Sequence[str]) -> bool:
    """Whether it is the line that tells Excel the delimiter, as one cell or cut in two by it."""
    return (len(cells) == 1 and _SEPARATOR.fullmatch(cells[0]) is not None) or (
        len(cells) == 2 and cells[0].lower() == "sep=" and not cells[1].strip()
    )


def parse(
    block: Block,
    reading: Reading,
    found: Header | None,
    change: Callable[[pl.DataFrame, Reading], pl.DataFrame] = lambda cells, reading: cells,
) -> pl.DataFrame:
    """One row a row: those that can be read by their columns' names, after CHANGE of their cells.

    CHANGE gets the columns that may say something, as text, and gives them back.
    """
    found = found or Header((), ",")
    texts = block.texts()
    body = split(texts, found)
    first, width = (found.names or ("",))[0], len(found.names)
    kinds = [
        "event" if row and len(row) == width and row[0] and row[0] != first else _kind(row, found)
        for row in body.cells
    ]
    good = [row for row, kind in zip(body.cells, kinds, strict=True) if row and kind == "event"]
    cells = change(_columns(good, found, reading), reading)
    if not cells.width:  # no name says anything; rows are rows all the same
        cells = pl.DataFrame({"": pl.Series([None] * len(good), dtype=pl.String)})
    wrapped = is_wrapped({name.partition(".")[0] for name in found.names})
    parsed = rows.parse(cells, 1, reading, wrapped=wrapped)
    if {"_id", "_index"} <= set(found.names):  # of an export: the same document is a duplicate
        parsed = parsed.with_columns(
            pl.Series(role, [row[found.names.index(name)] for row in good], dtype=pl.String)
            for role, name in (("doc_id", "_id"), ("doc_index", "_index"))
        )
    kind = pl.Series(kinds, dtype=KIND)
    place = pl.select(pl.when(kind == "event").then((kind == "event").cum_sum() - 1)).to_series()
    why: list[str | None] = [None] * len(kinds)
    raw: list[str | None] = [None] * len(kinds)
    for at in (kind == "unreadable").arg_true():
        end = body.begins[at + 1] if at + 1 < len(kinds) else len(texts)
        raw[at] = "\n".join(texts[body.begins[at] : end])
        have = len(body.cells[at] or ())
        why[at] = body.why.get(at) or f"{have} cells, but the header has {width}"
    return parsed.select(pl.all().gather(place)).with_columns(
        line=pl.Series(body.begins, dtype=pl.Int64) + block.first_line,
        kind=pl.coalesce("kind", kind),
        suffixes=pl.col("suffixes").fill_null(0),
        why=pl.Series(why, dtype=pl.String),
        raw=pl.Series(raw, dtype=pl.String),
    )


def _kind(cells: list[str] | None, found: Header) -> str:
    if cells is None:
        return "unreadable"
    if len(cells) == len(found.names) > 0:
        if tuple(map(str.strip, cells)) == found.names:
            return "skipped"
        return "event" if any(map(str.strip, cells)) else "skipped"
    if len(cells) <= 1 and not "".join(cells).strip():
        return "blank"
    return "skipped" if _is_separator(cells) else "unreadable"


def _columns(good: Sequence[list[str]], found: Header, reading: Reading) -> pl.DataFrame:
    """The columns whose names say a role, as text, by those names; times with their zone."""
    roles = table(reading.fields)
    columns: dict[str, pl.Series] = {}
    values = list(zip(*good, strict=True)) or [()] * len(found.names)
    for name, cells in zip(found.names, values, strict=True):
        plain, zone = bare(name)
        hit = roles.role_of((name,))
        if hit is None and (hit := roles.role_of((plain,))) is not None:
            name = plain  # noqa: PLW2901
        if hit is None or name in columns:
            continue
        column = pl.Series(name, cells, dtype=pl.String)
        if hit[0] == "time":
            column = _zoned(_dotted(column), zone, reading)
        elif hit[0] == "message":
            column = column.set(column == "", None)
        columns[name] = column
    frame = pl.DataFrame(list(columns.values()))
    return _with_clock(frame) if {"date", "time"} <= {name.lower() for name in columns} else frame


def _dotted(column: pl.Series) -> pl.Series:
    if not column.str.contains(_DOTTED).any():
        return column
    clock = column.str.contains(_DOTTED + "$") & (column.str.count_matches(":") == 1)
    column = column.str.replace(_DOTTED, "${3}-${2}-${1} ${4}${5}")
    return pl.select(pl.when(clock).then(column + ":00").otherwise(column)).to_series()


def _zoned(column: pl.Series, zone: str | None, reading: Reading) -> pl.Series:
    """Times with the ZONE of their column's name, where they have none of their own."""
    if zone is None:
        return column
    if zone in ("UTC", "GMT", "Z"):
        zone = "Z"
    elif hit := _OFFSET.match(zone):
        zone = hit[1]
    else:
        reading.notes.add(f"the header says that times are in {zone}: give it as --tz")
        return column
    bare_ = column.str.contains(r"[0-9]:[0-9]{2}") & ~column.str.contains(_HAS_ZONE)
    return pl.select(pl.when(bare_).then(column.str.strip_chars_end() + zone).otherwise(column)
                     .alias(column.name)).to_series()  # fmt: skip


def _with_clock(frame: pl.DataFrame) -> pl.DataFrame:
    """FRAME with `date` and `time` in one column, where they are a day and a time of day."""
    names = {name.lower(): name for name in frame.columns}
    day, clock = frame[names["date"]], frame[names["time"]]
    both = day.str.contains(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$") & clock.str.contains("^[0-9]{2}:")
    joined = pl.when(both).then(day + " " + clock).otherwise(clock)
    return frame.with_columns(joined.alias(names["time"]))
