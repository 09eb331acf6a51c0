"""Tables as text: a header, then rows of cells between commas, semicolons or tabs.

    time,level,message                               header: skipped, wherever it comes again
    2026-11-02T09:00:00.100Z,INFO,"GET ""/"", then
    another line of the same cell"                   one record, two lines

Cells are quoted as RFC 4180 says; a tab file of a database has `\\t`, `\\n` and `\\N` instead.
A row of another width than the header's is unreadable. One that takes in several lines because a
quote was not closed loses its first line alone: reading starts again on the next.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

import polars as pl

from cuidx.formats import rows
from cuidx.formats.base import Block, Reading, Sample, whole_lines
from cuidx.formats.documents import is_wrapped, table
from cuidx.schema import KIND

LEAST: Final = 3  # columns, for a table that nothing else speaks for
_SOME: Final = 200  # lines that are looked at to know a table
_QUOTED: Final = re.compile(rb'(?:\A|(?<=[,;\t\n]))"[^"]*(?:""[^"]*)*(?:"|\Z)')
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
_LONGEST_CELL: Final = 1 << 30
# 02.11.2026 09:00:00,100: with dots the day is always first.
_DOTTED: Final = (
    r"^([0-9]{2})\.([0-9]{2})\.([0-9]{4}),?[ T]+([0-9]{2}:[0-9]{2})(:[0-9]{2}(?:[.,][0-9]+)?)?"
)


class Row(NamedTuple):
    """A row: which line it begins in (from 0), how many it has, and its cells or what is wrong."""

    begin: int
    lines: int
    cells: list[str] | None
    why: str | None = None


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
        row = next(split(some[first:], plain), None)
        if row is None or row.cells is None:
            continue
        names = tuple(name.strip() for name in row.cells)
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
    whole = list(split(some, found))
    if len(sample.lines) > _SOME and len(whole) > 1:
        whole.pop()  # the sample may end within it
    filled = [row for row in whole if row.cells is None or any(map(str.strip, row.cells))]
    body = [
        row for row in filled
        if row.cells is None
        or (tuple(map(str.strip, row.cells)) != found.names and not _is_separator(row.cells))
    ]  # fmt: skip
    good = [row.cells for row in body if row.cells is not None and _fits(row.cells, found)]
    return len(good) / max(len(body), 1), good


def cut(data: bytes) -> int:
    """After the last newline that stands in no quoted cell."""
    end = whole_lines(data)
    if b'"' not in data:
        return end
    spans = []
    for hit in _QUOTED.finditer(data):
        begin, after = hit.span()
        if data.find(b"\n", begin, after) >= 0:
            spans.append((begin, after))
    while spans and end:
        begin, after = spans.pop()
        if begin < end <= after:
            end = data.rfind(b"\n", 0, begin) + 1
    return end


def split(texts: Sequence[str], found: Header) -> Iterator[Row]:
    """The rows of TEXTS (lines without newlines), in order; a blank line is a row of no cells."""
    if found.escaped:
        for at, line in enumerate(texts):
            yield Row(at, 1, [_unescaped(cell) for cell in line.removesuffix("\r").split("\t")]
                      if line.strip() else [])  # fmt: skip
        return
    if csv.field_size_limit() < _LONGEST_CELL:
        csv.field_size_limit(_LONGEST_CELL)  # the module's own limit is that of no CSV
    width, at = len(found.names), 0
    while at < len(texts):
        reader = csv.reader(
            (f"{line}\n" for line in islice(texts, at, None)), delimiter=found.delimiter,
            strict=True,
        )  # fmt: skip
        begin = start = at
        try:
            for cells in reader:
                end = start + reader.line_num
                if end - begin > 1 and width and len(cells) != width:
                    break
                yield Row(begin, end - begin, cells)
                begin = end
            else:
                return
            why = f"a quote is not closed, or {len(cells)} cells and not {width}"
        except csv.Error as error:
            why = str(error)
            if start + reader.line_num - begin == 1 and "end of data" not in why:
                # Text after a closing quote: no harm where the cells are as many as they must be.
                cells = next(csv.reader([texts[begin]], delimiter=found.delimiter))
                yield Row(begin, 1, cells)
                at = begin + 1
                continue
            if "end of data" in why:
                why = "a quote is not closed"
        yield Row(begin, 1, None, why)
        at = begin + 1


def _unescaped(cell: str) -> str:
    if cell == "\\N":
        return ""
    return _ESCAPE.sub(lambda hit: _ESCAPES[hit[0]], cell) if "\\" in cell else cell


def _fits(cells: Sequence[str], found: Header) -> bool:
    return len(cells) == len(found.names)


def _is_separator(cells: Sequence[str]) -> bool:
    return len(cells) <= 2 and bool(_SEPARATOR.match(cells[0] if cells else "")) or (
        len(cells) == 2 and cells[0].lower() == "sep="
    )  # fmt: skip


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
    body = list(split(texts, found))
    kinds = [_kind(row, found) for row in body]
    good = [row.cells for row, kind in zip(body, kinds, strict=True) if kind == "event"]
    cells = change(_columns(good, found, reading), reading)
    wrapped = is_wrapped({name.partition(".")[0] for name in found.names})
    parsed = rows.parse(cells, 1, reading, wrapped=wrapped)
    if {"_id", "_index"} <= set(found.names):  # of an export: the same document is a duplicate
        parsed = parsed.with_columns(
            pl.Series(role, [row[found.names.index(name)] for row in good], dtype=pl.String)
            for role, name in (("doc_id", "_id"), ("doc_index", "_index"))
        )
    place = pl.Series([None if kind != "event" else 1 for kind in kinds], dtype=pl.Int64)
    bad = [kind == "unreadable" for kind in kinds]
    return parsed.select(pl.all().gather(place.cum_sum() - 1)).with_columns(
        line=pl.Series([row.begin for row in body], dtype=pl.Int64) + block.first_line,
        kind=pl.coalesce("kind", pl.Series(kinds, dtype=KIND)),
        suffixes=pl.col("suffixes").fill_null(0),
        why=pl.Series(
            [_why(row, found) if wrong else None for row, wrong in zip(body, bad, strict=True)],
            dtype=pl.String,
        ),
        raw=pl.Series(
            [
                "\n".join(texts[row.begin : row.begin + row.lines]) if wrong else None
                for row, wrong in zip(body, bad, strict=True)
            ],
            dtype=pl.String,
        ),
    )


def _kind(row: Row, found: Header) -> str:
    cells = row.cells
    if cells is None:
        return "unreadable"
    if len(cells) == len(found.names):
        if cells[0].strip() == found.names[0] and tuple(map(str.strip, cells)) == found.names:
            return "skipped"
        return "event" if any(map(str.strip, cells)) else "skipped"
    if len(cells) <= 1 and not "".join(cells).strip():
        return "blank"
    return "skipped" if _is_separator(cells) else "unreadable"


def _why(row: Row, found: Header) -> str:
    return row.why or f"{len(row.cells or ())} cells, but the header has {len(found.names)}"


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
