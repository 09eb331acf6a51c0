"""Documents of somebody else, in one order that does not depend on how the server keeps them.

Sorted by time, then by index and id. The server sorts by time alone (to sort by id it would load
all ids); documents of one time come together, and are put in order here. Slices are read side by
side and merged page by page, so memory does not grow with the index.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any, Final, Protocol

import orjson

_SLICES: Final = 2
_SLICED: Final = 20_000  # documents from which slices pay
_FIRST_PAGE, _LARGEST_PAGE = 500, 10_000  # hits
_WEIGHT: Final = 4 << 20  # bytes that a page should have, and a block
_TOGETHER: Final = 100_000  # documents of one time that are put in order at once
_MOST_EXCLUDES: Final = 500
_DATES: Final = {"date", "date_nanos"}
# Keys at the top that say who made a document, whatever is below them.
_TELLING: Final = frozenset(
    {"kubernetes", "docker", "logtag", "_p", "agent", "@metadata", "stream"}
)
_MIN_TIME: Final = -(1 << 63)

Page = Callable[[Mapping[str, Any], int], bytes]
Mapped = Mapping[str, Collection[str]]


class Roles(Protocol):
    """What keys of documents mean: `formats.documents.Table`."""

    def role_of(self, path: Sequence[str], /) -> tuple[str, int] | None:
        """(role, rank) of the value at PATH."""

    def adapters_of(self, keys: Iterable[str], /) -> Sequence[object]:
        """What knows more of documents with these KEYS than their names say."""


def time_field(mapped: Mapped, roles: Roles) -> str | None:
    """The field of MAPPED that holds a document's time, and is a date in the mapping."""
    known = [
        (hit[1], name)
        for name, kinds in mapped.items()
        if set(kinds) & _DATES
        and (hit := roles.role_of(name.split("."))) is not None
        and hit[0] == "time"
    ]
    return min(known)[1] if known else None


def useless(mapped: Mapped, roles: Roles, want: Collection[str]) -> list[str]:
    """Fields that hold no role of WANT: they need not be sent. What is not mapped always is."""
    if roles.adapters_of({name.partition(".")[0] for name in mapped}):
        return []  # somebody reads them by other names
    found = []
    for name, kinds in sorted(mapped.items()):
        path = name.split(".")
        if path[0] in _TELLING or set(kinds) & {"object", "nested", "flattened"}:
            continue
        hit = roles.role_of(path)
        if hit is None or hit[0] not in want:
            found.append(name)
    # A field within another is a second way to index the same value: `message.keyword`.
    whole = {name for name in mapped if name not in found}
    return [
        name for name in found
        if not any(".".join(name.split(".")[:at]) in whole for at in range(1, name.count(".") + 1))
        or "object" in mapped.get(name.rpartition(".")[0], ())
    ][:_MOST_EXCLUDES]  # fmt: skip


def blocks(
    page: Page,
    query: Mapping[str, Any],
    *,
    sorted_by: str | None,
    nanos: bool,
    excludes: list[str],
    count: int,
) -> Iterator[bytes]:
    """The COUNT documents that fit QUERY, as lines that elasticdump would write, in blocks.

    SORTED_BY is their time's field; without one they come by index and id, some at a time.
    """
    body: dict[str, Any] = {"query": query, "_source": {"excludes": excludes}}
    if sorted_by is None:
        body["sort"] = ["_shard_doc"]
    else:
        order: dict[str, Any] = {"order": "asc", "missing": "_first", "unmapped_type": "date"}
        if nanos:  # beside indices that have milliseconds
            order["numeric_type"] = "date_nanos"
        body["sort"] = [{sorted_by: order}]
    slices = _SLICES if sorted_by is not None and count > _SLICED else 1
    lines: list[bytes] = []
    size = 0
    with ThreadPoolExecutor(slices, thread_name_prefix="cuidx-slice") as pool:
        parts = [
            _hits(page, body if slices == 1 else {**body, "slice": {"id": at, "max": slices}}, pool)
            for at in range(slices)
        ]

        def at(hit: dict[str, Any]) -> int:
            value = hit["sort"][0] if sorted_by is not None else None
            return _MIN_TIME if value is None else int(value)

        for hit in _ordered(heapq.merge(*parts, key=at), at):
            line = _dumped({name: hit[name] for name in ("_index", "_id", "_source")})
            lines.append(line)
            size += len(line) + 1
            if size > _WEIGHT:
                yield b"\n".join(lines) + b"\n"
                lines, size = [], 0
    if lines:
        yield b"\n".join(lines) + b"\n"


def _hits(
    page: Page, body: Mapping[str, Any], pool: ThreadPoolExecutor
) -> Iterator[dict[str, Any]]:
    """The hits of one slice in the server's order; the next page is on its way meanwhile."""
    size = _FIRST_PAGE
    coming = pool.submit(page, body, size)
    while True:
        answer = coming.result()
        found = _loaded(answer).get("hits", {}).get("hits", [])
        full = len(found) == size
        if full:
            size = max(min(size * _WEIGHT // max(len(answer), 1), _LARGEST_PAGE), 1)
            coming = pool.submit(page, {**body, "search_after": found[-1]["sort"]}, size)
        yield from found
        if not full:
            return


def _ordered(
    hits: Iterator[dict[str, Any]], at: Callable[[dict[str, Any]], int]
) -> Iterator[dict[str, Any]]:
    for _, same in groupby(hits, key=at):
        run: list[dict[str, Any]] = []
        for hit in same:
            run.append(hit)
            if len(run) >= _TOGETHER:
                yield from sorted(run, key=_name)
                run = []
        yield from sorted(run, key=_name) if len(run) > 1 else run


def _name(hit: dict[str, Any]) -> tuple[str, str]:
    return str(hit["_index"]), str(hit["_id"])


def _loaded(answer: bytes) -> Any:
    try:
        return orjson.loads(answer)
    except orjson.JSONDecodeError:  # a number of more than 64 bits
        return json.loads(answer)


def _dumped(document: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(document)
    except TypeError:
        return json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")
