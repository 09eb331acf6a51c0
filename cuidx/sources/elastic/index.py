"""One index pattern, read at one point in time: its sources, its records, what adds up over them.

Everything is asked of one point in time, so all answers speak of the same documents, whatever is
written meanwhile. It is opened when first needed, and closed when the Index is let go of, at the
program's end at the latest; the server forgets it by itself after some minutes.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from threading import Lock
from typing import Any, Final

import orjson
import polars as pl

from cuidx.errors import SourceError
from cuidx.sources.elastic import hits, layout
from cuidx.sources.elastic.address import Address, parse
from cuidx.sources.elastic.client import Client, RefusedError

_KEPT: Final = "10m"  # how long the server keeps a point in time that nobody asks about
_PAGE: Final = 10_000  # documents, the most that a search gives by default
_BUCKETS: Final = 5_000
_MARK: Final = {"exists": {"field": layout.GROUP}}  # cuidx wrote it
Query = dict[str, Any]
# From the newest time (ns, or None) to (since, until), None where that side is open.
Window = Callable[[int | None], tuple[int | None, int | None]]
Piece = bytes | Callable[[], pl.DataFrame]


def open_index(
    url: str, *, ca: str | os.PathLike[str] | None = None, insecure: bool = False
) -> Index:
    """The index pattern that URL names. CA is a PEM file; INSECURE trusts any certificate.

    Raises:
        UsageError: the URL is none.
    """
    return Index(parse(url, ca=ca, insecure=insecure))


@dataclass(frozen=True, slots=True)
class Stored:
    """The documents that `push` made of one source, as that source."""

    index: Index
    path: str
    count: int
    first: int  # lines
    last: int

    def pieces(
        self, want: frozenset[str], roles: hits.Roles, only: Query | None = None
    ) -> Iterator[Piece]:
        """The records in order, some thousand lines each, to be read side by side.

        ONLY is a query that their documents fit; without it all are given.
        """
        del roles  # their fields are known
        if only is not None:  # nobody knows how many there are: page by page
            for frame in self._pages(self.first, self.last + 1, want, only):
                yield partial(_given, frame)
            return
        # Gaps are where lines had no event. A page holds most ranges whole.
        lines = self.last - self.first + 1
        step = max(lines * _PAGE // (2 * max(self.count, 1)), 1)
        for start in range(self.first, self.last + 1, step):
            yield partial(self._range, start, start + step, want)

    def _range(self, start: int, end: int, want: frozenset[str]) -> pl.DataFrame:
        return pl.concat(self._pages(start, end, want), how="diagonal")

    def _pages(
        self, start: int, end: int, want: frozenset[str], only: Query | None = None
    ) -> Iterator[pl.DataFrame]:
        """The records of the lines from START up to END, at least one frame."""
        wanted: list[Query] = [
            {"term": {layout.SOURCE: self.path}},
            {"range": {layout.LINE: {"gte": start, "lt": end}}},
        ]
        body = {
            "query": {"bool": {"filter": wanted + ([] if only is None else [only])}},
            "sort": [{layout.LINE: "asc"}, {layout.INDEX: {"order": "asc", "missing": -1}}],
            "_source": layout.includes(want),
        }
        kind = pl.Struct(
            {"hits": pl.Struct({"hits": pl.List(
                pl.Struct({"_source": layout.document_type(want), "sort": pl.List(pl.Int64())}))})}
        )  # fmt: skip
        while True:
            page = pl.Series([self.index.page(body, _PAGE).decode()]).str.json_decode(kind)
            rows = page.struct.field("hits").struct.field("hits").drop_nulls().explode()
            rows = rows.drop_nulls()  # none at all is a null
            yield layout.restored(rows.struct.field("_source"), want)
            if len(rows) < _PAGE:
                return
            body["search_after"] = rows.struct.field("sort")[-1].to_list()


@dataclass(frozen=True, slots=True)
class Foreign:
    """Documents of somebody else, as one source: its lines are the documents, in order of time."""

    index: Index
    path: str
    count: int

    def pieces(
        self,
        want: frozenset[str],
        roles: hits.Roles,
        only: Query | None = None,
        window: Query | None = None,
    ) -> Iterator[Piece]:
        """The documents as elasticdump writes them, in blocks of whole lines.

        ROLES say what a field means. All are given: what they say is known once they are read; but
        WINDOW, if given, is a query that they must fit.
        """
        del only
        mapped = self.index.mapped
        by = hits.time_field(mapped, roles)
        yield from hits.blocks(
            self.index.page,
            self._query(window),
            sorted_by=by,
            nanos=by is not None and "date_nanos" in mapped[by],
            excludes=hits.useless(mapped, roles, want),
            count=self.count,
        )

    def window(self, span: Window, roles: hits.Roles) -> tuple[Query | None, int]:
        """(the query that documents of SPAN fit, how many do not); None where none can be made.

        It takes in some more: the index may know a document's time to the millisecond only.
        """
        by = hits.time_field(self.index.mapped, roles)
        if by is None:
            return None, 0
        newest = self.index.newest(self._query(), by)
        since, until = span(newest)
        sides: dict[str, Any] = {"format": "epoch_millis"}
        if since is not None:
            sides["gte"] = str(since // 1_000_000 - 1)
        if until is not None:
            sides["lt"] = str(until // 1_000_000 + 1)
        query: Query = {"range": {by: sides}}
        return query, self.count - self.index.count(self._query(query))

    def _query(self, window: Query | None = None) -> Query:
        return {
            "bool": {
                "must_not": [_MARK] if self.index.has_stored else [],
                "filter": [] if window is None else [window],
            }
        }


class Index:
    """What a URL leads to."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.client = Client(address)
        self._lock = Lock()
        self._point: list[str] = []  # the id, once there is one; a list, for who closes it
        weakref.finalize(self, _close, self.client, self._point)

    def close(self) -> None:
        """Let the server forget the point in time; another question opens another."""
        _close(self.client, self._point)

    # -- asking ----------------------------------------------------------------------------

    def page(self, body: Mapping[str, Any], size: int) -> bytes:
        """The answer to a search: SIZE hits of BODY's query, with where each was.

        Raises:
            SourceError: the server can't be reached, or has lost the point in time.
        """
        point = {"id": self._open(), "keep_alive": _KEPT}
        whole = {"size": size, "track_total_hits": False, **body, "pit": point}
        try:
            answer = self.client.send(
                "POST", "/_search?filter_path=pit_id,timed_out,aggregations,hits.total,"
                "hits.hits._index,hits.hits._id,hits.hits._source,hits.hits.sort"
                "&allow_partial_search_results=false", whole,
            )  # fmt: skip
        except RefusedError as error:
            if error.status == 404:
                self._point.clear()
                raise SourceError(
                    "the server has lost its point in time: it was restarted, or idle for long",
                    where=self.address.shown, do="start again",
                ) from None  # fmt: skip
            raise
        return answer

    def _open(self) -> str:
        with self._lock:
            if not self._point:
                target = f"{self.address.target}/_pit?keep_alive={_KEPT}"
                self._point.append(str(self.client.ask("POST", target)["id"]))
            return self._point[0]

    def aggregate(self, query: Query | None, aggregations: Mapping[str, Any]) -> dict[str, Any]:
        """The answers of AGGREGATIONS over the documents that fit QUERY."""
        body: dict[str, Any] = {"aggs": aggregations}
        if query is not None:
            body["query"] = query
        found: dict[str, Any] = orjson.loads(self.page(body, 0)).get("aggregations", {})
        return found

    def buckets(
        self,
        fields: Sequence[str],
        inner: Mapping[str, Any] | None = None,
        query: Query | None = None,
    ) -> Iterator[dict[str, Any]]:
        """One bucket for each combination of values of FIELDS, all of them, page by page.

        `key` has the values by the fields' places, `doc_count` how many documents; counts of a
        composite aggregation are exact.
        """
        sources = [{str(at): {"terms": {"field": name}}} for at, name in enumerate(fields)]
        composite: dict[str, Any] = {"size": _BUCKETS, "sources": sources}
        while True:
            asked = {"composite": composite, **({"aggs": inner} if inner else {})}
            found = self.aggregate(query, {"all": asked}).get("all", {})
            yield from found.get("buckets", ())
            if len(found.get("buckets", ())) < _BUCKETS:
                return
            composite["after"] = found["after_key"]

    # -- what is in it ---------------------------------------------------------------------

    @cached_property
    def mapped(self) -> dict[str, set[str]]:
        """Field → the types that the indices give it."""
        found = self.client.ask("GET", f"{self.address.target}/_field_caps?fields=*"
                                "&include_unmapped=false")  # fmt: skip
        if not found.get("indices"):
            raise SourceError(
                "no index fits this pattern", where=self.address.shown, do="check the pattern"
            )
        return {
            name: set(kinds)
            for name, kinds in found["fields"].items()
            if not any(kind.get("metadata_field") for kind in kinds.values())
        }

    @property
    def has_stored(self) -> bool:
        """Whether cuidx's fields are mapped."""
        return "keyword" in self.mapped.get(layout.GROUP, ())

    @cached_property
    def sources(self) -> list[Stored | Foreign]:
        """What is in it, as sources: those that were pushed, and all else as one."""
        found: list[Stored | Foreign] = []
        others: Query | None = None
        if self.has_stored:
            lines = {
                "first": {"min": {"field": layout.LINE}},
                "last": {"max": {"field": layout.LINE}},
            }
            found += [
                Stored(self, bucket["key"]["0"], bucket["doc_count"],
                       int(bucket["first"]["value"]), int(bucket["last"]["value"]))
                for bucket in self.buckets([layout.SOURCE], lines, _MARK)
            ]  # fmt: skip
            others = {"bool": {"must_not": [_MARK]}}
        count = self.count(others)
        if count or not found:
            found.append(Foreign(self, self.address.shown, count))
        return found

    def newest(self, query: Query, field: str) -> int | None:
        """The newest time in FIELD, in ns, maybe cut to the millisecond."""
        found = self.aggregate(query, {"newest": {"max": {"field": field}}})["newest"]["value"]
        return None if found is None else int(found) * 1_000_000

    def count(self, query: Query | None) -> int:
        """How many documents fit QUERY."""
        body: dict[str, Any] = {"track_total_hits": True}
        if query is not None:
            body["query"] = query
        return int(orjson.loads(self.page(body, 0))["hits"]["total"]["value"])


def _given(frame: pl.DataFrame) -> pl.DataFrame:
    return frame


def _close(client: Client, point: list[str]) -> None:
    while point:
        try:
            client.send("DELETE", "/_pit", {"id": point.pop()}, waits=())
        except SourceError:
            return  # the server forgets it by itself
