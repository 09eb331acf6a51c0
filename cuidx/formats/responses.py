"""Answers of a server: JSON documents with a list of records in them, and facts beside it.

    {"took": 12, "timed_out": false, "hits": {"total": {…}, "hits": [{…}, {…}]}}
    facts: what is missing                                  list of records

A file may hold several, one after the other: pages of one search, one appended to the next. What
is cut off gives the records before the cut.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from cuidx.formats import lines, whole
from cuidx.formats.base import Block, Reading
from cuidx.formats.lines import Record
from cuidx.formats.whole import BrokenError, Lines

Path = tuple[str, ...]
_NOT_HERE: Final = object()


@dataclass(slots=True)
class Answer:
    """One document: its members, the list of records in it, and what could not be read of it."""

    line: int
    members: dict[str, Any]
    records: list[tuple[int, Any]]  # (line it begins in, value)
    has_list: bool
    broken: Record | None = None

    def at(self, *path: str) -> Any:
        """The value at PATH; None if it is not there."""
        return _get(self.members, path, None)


Build = Callable[[int, Any, Answer], Record]


def parse(
    block: Block,
    reading: Reading,
    paths: Sequence[Path],
    build: Build,
    notes: Callable[[Sequence[Answer]], Iterator[str]],
    *,
    what: str,
    reshape: Callable[[Answer], None] = lambda answer: None,
) -> pl.DataFrame:
    """One row for each element of the list at one of PATHS, as BUILD makes it: in their order.

    NOTES says of all documents of the source what is missing. A document with an empty list is
    skipped; one with none is unreadable, for it is no WHAT. RESHAPE may change an answer's records
    before they are built.
    """
    answers = list(_answers(block, paths))
    records: list[Record] = []
    for answer in answers:
        reshape(answer)
        records += (build(line, value, answer) for line, value in answer.records)
        if answer.broken is not None:
            records.append(answer.broken)
        elif not answer.records:
            records.append(
                Record(answer.line, None, kind="skipped")
                if answer.has_list
                else Record(answer.line, None, kind="unreadable", why=f"there is no {what}")
            )
    reading.notes.update(notes(answers))
    number(records)
    return lines.of_records(records, reading)


def number(records: Sequence[Record]) -> None:
    """Give records that share a line their place in it."""
    counted = Counter(record.line for record in records)
    places: Counter[int] = Counter()
    for record in records:
        if counted[record.line] > 1:
            record.index = places[record.line]
            places[record.line] += 1


def count(value: Any) -> int:
    """A number that a document gives, 0 where it gives none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _answers(block: Block, paths: Sequence[Path]) -> Iterator[Answer]:
    text = block.data.decode("utf-8", "replace")
    where = Lines(text, block.first_line)
    at = whole.skip(text, 0)
    while at < len(text):
        try:
            value, end = whole.value_at(text, at)
        except BrokenError as error:
            yield _broken(text, at, paths, where, error)
            return
        yield _answer(text, at, value, paths, where, one_line="\n" not in text[at:end])
        at = whole.skip(text, end)


def _answer(
    text: str, at: int, value: Any, paths: Sequence[Path], where: Lines, *, one_line: bool
) -> Answer:
    line = where.at(at)
    if isinstance(value, dict):
        for path in paths:
            found = _get(value, path, _NOT_HERE)
            if isinstance(found, list):
                records = (
                    [(line, one) for one in found]
                    if one_line
                    else [(where.at(place), one) for place, one in whole.below(text, at, path)]
                )
                return Answer(line, value, records, has_list=True)
    return Answer(line, value if isinstance(value, dict) else {}, [], has_list=False)


def _broken(text: str, at: int, paths: Sequence[Path], where: Lines, error: BrokenError) -> Answer:
    """What can be had of a document that is broken or cut off: what comes before that place."""
    best: tuple[list[tuple[int, Any]], BrokenError] = ([], error)
    for path in paths:
        found: list[tuple[int, Any]] = []
        try:
            for place, one in whole.below(text, at, path):
                found.append((where.at(place), one))
        except BrokenError as there:
            if found or not best[0]:
                best = (found, there)
        if found:
            break
    records, said = best
    rest = Record(
        where.at(said.at), None, kind="unreadable", why=str(said), raw=text[said.at :].rstrip("\n")
    )
    return Answer(where.at(at), whole.members(text[at:]), records, has_list=True, broken=rest)


def _get(value: Any, path: Sequence[str], default: Any) -> Any:
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return default
        value = value[name]
    return value
