"""What a format is: one module with its samples, a `sniff`, a `cut` and a `parse`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import orjson
import polars as pl

from cuidx.formats.text import split_suffix
from cuidx.schema import KIND, ROLES
from cuidx.sources.stream import whole_lines
from cuidx.suffix import OPENING

if TYPE_CHECKING:
    from cuidx.formats.scan import Scanner

__all__ = ["Block", "Example", "Format", "Grouped", "Headed", "Reading", "Sample", "whole_document",
           "whole_lines"]  # fmt: skip


class Example(NamedTuple):
    """One record as it stands in a file, and what must be read from it (any PARSED columns)."""

    raw: str
    reads: Mapping[str, object]


@dataclass(frozen=True)
class Sample:
    """The beginning of a source, for `sniff`: some hundred lines, without their newlines."""

    lines: tuple[str, ...]

    @cached_property
    def filled(self) -> tuple[str, ...]:
        """The lines that are not blank."""
        return tuple(line for line in self.lines if line.strip())

    @cached_property
    def documents(self) -> tuple[dict[str, Any], ...]:
        """The lines that are JSON objects, decoded; a suffix after the object does not matter."""
        found = (_document(line) for line in self.filled)
        return tuple(document for document in found if document is not None)

    @cached_property
    def bodies(self) -> pl.Series:
        """The filled lines without their suffix."""
        return split_suffix(pl.Series(self.filled, dtype=pl.String))["body"]

    @cached_property
    def text(self) -> str:
        """The lines as they stand, for formats that are one document."""
        return "\n".join(self.lines)

    def share_of(self, pattern: re.Pattern[str]) -> float:
        """The share of the filled lines that PATTERN matches from their beginning."""
        return self.share(sum(pattern.match(line) is not None for line in self.filled))

    def share(self, count: int) -> float:
        """COUNT as a share of the filled lines, 0 to 1."""
        return count / max(len(self.filled), 1)


def _document(line: str) -> dict[str, Any] | None:
    text = line.strip()
    if not text.startswith("{"):
        return None
    for candidate in (text, text.rpartition(OPENING)[0]):
        try:
            document = orjson.loads(candidate)
        except orjson.JSONDecodeError:
            continue
        return document if isinstance(document, dict) else None
    return None


@dataclass(slots=True)
class Reading:
    """How one source is read: what the user said, what was detected, what is asked for."""

    want: frozenset[str] = frozenset(ROLES)
    fields: tuple[tuple[str, str], ...] = ()  # (role, path) of --field
    patterns: tuple[str, ...] = ()  # of --pattern, in Rust's syntax
    strict_json: bool = False  # a file of JSON records: a broken one is unreadable, not text
    path_roles: Mapping[str, str] = field(default_factory=dict)  # what the file's path says
    wrapped: bool = False  # each document is a collector's, whatever its keys
    head: Any = None  # what `Headed.head` made of the source's first lines
    notes: set[str] = field(default_factory=set)  # what a reader of the answers has to know
    scanner: Scanner | None = None  # the quick way for JSON lines; None: take the exact way only


class Block(NamedTuple):
    """Whole records of one source, as bytes, and the number of the first line."""

    data: bytes
    first_line: int

    def texts(self) -> list[str]:
        """The lines without their newlines; bytes that are not UTF-8 become U+FFFD."""
        lines = self.data.decode("utf-8", "replace").split("\n")
        if lines and not lines[-1]:
            lines.pop()  # what follows the last newline is no line
        return lines


class Grouped(NamedTuple):
    """Events of one source that were grouped as they were read, and the rows of its other lines.

    groups    roles of PARSED as text, kind, and lines, dated, first, last, first_line, last_line
    requests  group (the place in `groups`) and request (`native.bits`), each pair once
    rows      PARSED, of the lines that are in no group
    before    for each of `rows`, in ns, the time of the line before it that is in a group; null
              where there is none, or another of `rows` is nearer
    latest    the same for what follows the last of `rows`
    lines     how many lines the block has
    by_line   a row for each line in a group, if asked for or where it is a document that may come
              twice: BY_LINE
    data      the block, if lines are asked for
    spots     if asked for: an address (IPv4, as a number) that a line mentions beside its own, each
              once, and `row`, the place of the line in `by_line`
    """

    groups: pl.DataFrame
    requests: pl.DataFrame
    rows: pl.DataFrame
    before: pl.Series
    latest: int | None
    lines: int
    by_line: pl.DataFrame | None = None
    data: bytes = b""
    spots: pl.DataFrame | None = None


# Request: 64 bits of its id, which stands at `id_at` in the block; document: those of its index
# and id; of both 0 is none. Fresh (1): its group has that request
# for the first time, as far as is remembered.
BY_LINE: Final = (
    "group", "request", "time", "line", "document", "id_at", "id_size", "fresh",
)  # fmt: skip
SPOTS: Final = ("row", "ip")


class Format(Protocol):
    """A module in `cuidx/formats/`; `cuidx/formats/registry.py` lists them all.

    NAME is what `--input-format` takes, TITLE says what it is, SOURCE where the layout is from.
    PARTS are what a record must have, in words and as an expression: `cuidx detect` says which of
    them a line lacks.
    """

    @property
    def NAME(self) -> str: ...  # noqa: D102, N802 - a constant of the module
    @property
    def TITLE(self) -> str: ...  # noqa: D102, N802
    @property
    def SOURCE(self) -> str: ...  # noqa: D102, N802
    @property
    def SAMPLES(self) -> tuple[Example, ...]: ...  # noqa: D102, N802
    @property
    def PARTS(self) -> tuple[tuple[str, str], ...]: ...  # noqa: D102, N802

    def sniff(self, sample: Sample, /) -> float:
        """How sure it is, 0 to 1. A general format caps its own answer."""

    def cut(self, data: bytes, /) -> int:
        """How many bytes of DATA are whole records."""

    def parse(self, block: Block, reading: Reading, /) -> pl.DataFrame:
        """One row a record, in order; columns of PARSED, those that are all null left out."""


class Headed(Protocol):
    """A format whose first lines say how the others are read: names of columns, a zone."""

    def head(self, sample: Sample, reading: Reading, /) -> Any:
        """What `Reading.head` is for the whole source; may add to `Reading.notes`."""


def kinds(count: int, kind: str) -> pl.Series:
    """A `kind` column of one value."""
    return pl.Series("kind", [kind], dtype=KIND).new_from_index(0, count)


def whole_document(data: bytes, /) -> int:
    """The `cut` of a format that is one document: it ends where the source ends."""
    del data
    return 0
