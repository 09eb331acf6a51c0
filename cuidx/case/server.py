"""What an index computes where it is: the tables that questions stand on, not the lines.

A Summary made by aggregations is the same as one made of all lines (`analyses` can't tell), since
`push` stores the word that lines are grouped by. What needs each line's time (containers whose
addresses cross, lines that know only an IP) is asked for: just those lines are read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from cuidx.enrich.identity import request_key
from cuidx.enrich.pairs import PAIRS, Pairs
from cuidx.enrich.summary import Summary
from cuidx.errors import UsageError
from cuidx.reading import Records
from cuidx.schema import KIND, TIME
from cuidx.sources.elastic import layout

if TYPE_CHECKING:
    from cuidx.sources.elastic.index import Index, Query, Stored

ENGINES: Final = ("auto", "local", "elasticsearch")
LARGE: Final = 100_000  # documents; fewer are as soon read
_MOST_TERMS: Final = 50_000  # that a query may name; the server takes 65,536
_STATS: Final = {
    "first": {"min": {"field": layout.NS}}, "last": {"max": {"field": layout.NS}},
    "first_line": {"min": {"field": layout.LINE}}, "last_line": {"max": {"field": layout.LINE}},
}  # fmt: skip
_TEXTS: Final = tuple(name for name in layout.GROUPED if name not in ("kind", "error"))
_RAW: Final = pl.Schema(
    {
        "source": pl.Int64(), "kind": KIND, "level": pl.String(),
        **dict.fromkeys(_TEXTS, pl.String()),
        "lines": pl.Int64(), "dated": pl.Int64(), "first": TIME, "last": TIME,
        "first_line": pl.Int64(), "last_line": pl.Int64(),
    }
)  # fmt: skip


def chosen(records: Records, engine: str) -> tuple[Server | None, list[str]]:
    """(where RECORDS are computed if not here, what is to be said of that).

    Raises:
        UsageError: no engine is called so, or no source is an index.
    """
    if engine not in ENGINES:
        raise UsageError(f"--engine {engine}: no such engine", do=f"known: {', '.join(ENGINES)}")
    remote = [source.remote for source in records.sources]
    if engine == "elasticsearch" and not any(remote):
        raise UsageError(
            "--engine elasticsearch: no source is an index", do="http(s)://host:port/index is one"
        )
    if engine == "local" or not any(remote):
        return None, []
    from cuidx.sources.elastic.index import Stored

    stored = [one for one in remote if isinstance(one, Stored)]
    if len(stored) == len(remote):
        few = engine == "auto" and sum(one.count for one in stored) < LARGE
        return (None if few else Server(records, stored)), []
    if engine == "auto":
        return None, []
    other = next(source.path for source in records.sources if not isinstance(source.remote, Stored))
    return None, [f"computed here, not by the server: {other} was not written by cuidx push"]


class Server:
    """Aggregations over the indices that RECORDS' sources, all of them STORED, are in."""

    def __init__(self, records: Records, stored: Sequence[Stored]) -> None:
        self._records = records
        self._indices: list[Index] = list({id(one.index): one.index for one in stored}.values())
        self._place = {(id(one.index), one.path): place for place, one in enumerate(stored)}
        for opened in records.opened:
            opened.format = "elasticsearch"

    def summary(self) -> Summary | None:
        """The summary of all records by what each says itself; None: other words are in there."""
        frames = [_RAW.to_frame()]
        for index in self._indices:
            rows = [self._row(index, bucket) for bucket in index.buckets([layout.GROUP], _STATS)]
            if None in rows:
                return None
            frames.append(pl.DataFrame(rows, schema=_RAW, orient="row"))
        evidence = [
            (part.source, part.frame)
            for part in self._records.parts(only={"term": {layout.TELLS: True}})
            if len(part.frame)
        ]
        return Summary.of_groups(pl.concat(frames), self._pairs(), evidence)

    def _row(self, index: Index, bucket: dict[str, Any]) -> tuple[Any, ...] | None:
        group = layout.group_of(bucket["key"]["0"])
        if group is None:
            return None
        era, source, kind, error, *texts = group
        count = bucket["doc_count"]
        dated = era is not None
        span = [
            (era << layout.NS_BITS) + int(bucket[name]["value"]) if dated else None
            for name in ("first", "last")
        ]
        lines = [int(bucket[name]["value"]) for name in ("first_line", "last_line")]
        level = "ERROR" if error else None
        place = self._place[id(index), source]
        words = (None if text is None else str(text) for text in texts)
        return place, kind, level, *words, count, count if dated else 0, *span, *lines

    def _pairs(self) -> Pairs:
        pages = (
            pl.DataFrame(
                page, schema={"container": pl.String, "request": pl.String}, orient="row"
            ).select(pl.col("container").cast(PAIRS["container"]), request_key(pl.col("request")))
            for index in self._indices
            for page in _paged(
                (bucket["key"]["0"], bucket["key"]["1"])
                for bucket in index.buckets([layout.CONTAINER, layout.REQUEST])
            )
        )
        return Pairs(pl.concat([PAIRS.to_frame(), *pages]))

    def request_sizes(self, requests: Collection[str]) -> pl.DataFrame:
        """request, size: how many events carry each of REQUESTS, as `request_text` writes them."""
        query: Query | None = None
        if len(requests) <= _MOST_TERMS:
            query = {"terms": {layout.REQUEST: sorted(requests)}}
        sizes: dict[str, int] = {}
        for index in self._indices:
            for bucket in index.buckets([layout.REQUEST], query=query):
                name = bucket["key"]["0"]
                sizes[name] = sizes.get(name, 0) + bucket["doc_count"]
        return pl.DataFrame(
            {"request": list(sizes), "size": list(sizes.values())},
            schema={"request": pl.String, "size": pl.UInt32},
        )


def _paged(pairs: Iterable[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    page: list[tuple[str, str]] = []
    for pair in pairs:
        page.append(pair)
        if len(page) == 50_000:
            yield page
            page = []
    if page:
        yield page


# -- queries: what a record that is wanted fits; others may be given, too --------------------------


def any_of(*queries: Query | None) -> Query | None:
    """What fits one of QUERIES; None fits all."""
    known = [query for query in queries if query is not None]
    if len(known) < len(queries):
        return None
    return {"bool": {"should": known, "minimum_should_match": 1}}


def all_of(queries: Sequence[Query | None]) -> Query | None:
    """What fits all of QUERIES."""
    known = [query for query in queries if query is not None]
    return {"bool": {"filter": known}} if known else None


def term(field: str, values: Collection[object]) -> Query | None:
    """What has one of VALUES in FIELD; None (all) where they are too many to name."""
    if len(values) > _MOST_TERMS:
        return None
    return {"terms": {field: sorted(values, key=str)}}


def time_from(ns: int, *, until: bool = False) -> Query:
    """What is dated NS or later; with UNTIL, what is dated before."""
    era, rest = ns >> layout.NS_BITS, ns & ((1 << layout.NS_BITS) - 1)
    beyond, within = ("lt", "lt") if until else ("gt", "gte")
    inside = [{"term": {layout.ERA: era}}, {"range": {layout.NS: {within: rest}}}]
    return {
        "bool": {
            "should": [{"range": {layout.ERA: {beyond: era}}}, {"bool": {"filter": inside}}],
            "minimum_should_match": 1,
        }
    }
