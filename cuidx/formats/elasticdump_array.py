"""The single array that old versions of elasticdump wrote: a hit a line, the comma before it.

    [
    {"_index":"shop-2026.11.02","_id":"27e5c6dc","_score":null,"_source":{…}}
    ,{"_index":"shop-2026.11.02","_id":"1f04c809","_score":null,"_source":{…}}
    ]

Lines end in CRLF. A file that was cut off has no `]`: its hits are read one by one all the same.
Arrays of hits that are laid out in another way are read too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import polars as pl

from cuidx.formats import lines, whole
from cuidx.formats.base import Block, Example, Reading, Sample
from cuidx.formats.documents import NotJSONError, loads
from cuidx.formats.es_search import hit
from cuidx.formats.lines import Record
from cuidx.formats.responses import number
from cuidx.formats.whole import BrokenError, Lines

__all__ = ["NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "parse", "sniff"]

NAME: Final = "elasticdump-array"
TITLE: Final = "elasticdump before 1.0, one array of search hits"
SOURCE: Final = "output of elasticdump 0.16.2"

PARTS: Final = (
    ("a JSON array", r"^\s*\["),
    ("the key _id", r'"_id"\s*:'),
    ("the key _source", r'"_source"\s*:'),
)

SAMPLES: Final = (
    Example(
        '[{"_index":"shop-2026.11.02","_id":"27e5c6dc","_score":null,"_source":{"log":"started\\n",'
        '"kubernetes":{"pod_name":"mail-q9t2w","namespace_name":"shop","pod_ip":"10.10.12.7"},'
        '"@timestamp":"2026-11-02T09:00:02.400120458+00:00"}}]',
        {
            "doc_index": "shop-2026.11.02",
            "doc_id": "27e5c6dc",
            "time": "2026-11-02T09:00:02.400120458Z",
            "message": "started",
            "pod": "mail-q9t2w",
            "ip": "10.10.12.7",
        },
    ),
)

_BEGINS: Final = re.compile(r'\s*\[\s*\{[^{}]*"_source"\s*:\s*\{')
_OPENING: Final = re.compile(r"\s*\[\s*")


def sniff(sample: Sample) -> float:
    """1 where the file begins as an array whose first element is a hit."""
    return float(bool(_BEGINS.match(sample.text)))


def cut(data: bytes) -> int:
    """Before the last line that begins with a comma; other layouts are one document."""
    return data.rfind(b"\n,") + 1


def parse(block: Block, reading: Reading) -> pl.DataFrame:
    """One row a hit; a broken line costs that line alone."""
    text = block.data.decode("utf-8", "replace")
    by_line = "\n," in text or text.startswith(",")
    records = list((_by_line if by_line else _by_value)(text, block.first_line))
    number(records)
    return lines.of_records(records, reading)


def _by_line(text: str, first: int) -> Iterator[Record]:
    for at, line in enumerate(text.split("\n"), first):
        rest = line.strip()
        if at == first:
            rest = _OPENING.sub("", rest, count=1)
        rest = rest.removeprefix(",").strip()
        if rest in ("", "[", "]", "]["):
            continue
        try:
            yield hit(at, loads(rest))
        except NotJSONError as error:
            try:  # the last one, with the array's end behind it
                yield hit(at, loads(rest.removesuffix("]")))
            except NotJSONError:
                yield Record(at, None, kind="unreadable", why=f"no valid JSON: {error}", raw=line)


def _by_value(text: str, first: int) -> Iterator[Record]:
    """Of any layout; arrays one after the other, too."""
    where, at = Lines(text, first), whole.skip(text, 0)
    try:
        while at < len(text):
            found, end = 0, at
            walk = whole.below(text, at, ())
            while True:
                try:
                    place, value = next(walk)
                except StopIteration as done:
                    end = done.value
                    break
                found += 1
                yield hit(where.at(place), value)
            if not found:
                yield Record(where.at(at), None, kind="skipped")
            at = whole.skip(text, end)
    except BrokenError as error:
        raw = text[error.at :].rstrip("\n")
        yield Record(where.at(error.at), None, kind="unreadable", why=str(error), raw=raw)
