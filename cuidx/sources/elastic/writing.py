"""Writing: documents in bulks, as fast as the server takes them, and an answer for each.

Every document has its id, and is created or not at all: written again it is already there. So a
bulk whose answer was lost is simply sent once more.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from cuidx.errors import SourceError
from cuidx.sources.elastic.client import WAITS, Client, RefusedError
from cuidx.sources.elastic.layout import GROUP, mappings, template

_BULK: Final = 4 << 20  # bytes
_AT_ONCE: Final = 2  # bulks on their way: more would only wait in the server's queue
_TEMPLATE: Final = "cuidx-events"
_SHOWN: Final = 5  # reasons that are kept
_BUSY: Final = 429


@dataclass(frozen=True, slots=True)
class Item:
    """One document: the two lines of it in a bulk, and the record that it is."""

    lines: str
    source: int
    line: int


@dataclass(slots=True)
class Written:
    """What became of the documents: counts by source, and why some were refused."""

    created: Counter[int] = field(default_factory=Counter)
    existed: Counter[int] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)
    why: list[tuple[int, int, str]] = field(default_factory=list)  # source, line, reason


def prepare(client: Client, index: str) -> None:
    """Make the templates for INDEX, or see that it has the fields it needs.

    Raises:
        SourceError: it is there, and was not made by `push`.
    """
    try:
        target = f"{client.address.target}/_field_caps?fields={GROUP}&include_unmapped=true"
        found = client.ask("GET", target)
    except RefusedError as error:
        if error.status != 404:
            raise
    else:
        if found.get("indices"):
            if set(found["fields"].get(GROUP, {})) != {"keyword"}:
                raise SourceError(
                    "this index is there, and cuidx did not make it",
                    where=client.address.shown, do="name a new one with --index",
                )  # fmt: skip
            return
    client.ask("PUT", f"/_component_template/{_TEMPLATE}", template())
    client.ask(
        "PUT", f"/_index_template/{_TEMPLATE}-{index}",
        {"index_patterns": [index], "composed_of": [_TEMPLATE], "priority": 500},
    )  # fmt: skip


def start_lookup(client: Client, fields: Mapping[str, tuple[str, str]]) -> bool:
    """Make the index of CLIENT's address anew, empty, with FIELDS (any name: field, type).

    Whether ES|QL can join with it: servers before 8.18 may not have lookup indices.
    """
    target = client.address.target
    try:
        there = client.ask("GET", f"{target}/_mapping")
    except RefusedError as error:
        if error.status != 404:
            raise
    else:
        made = [one["mappings"].get("_meta", {}).get("cuidx") for one in there.values()]
        if None in made:
            raise SourceError(
                "this index is there, and cuidx did not make it",
                where=client.address.shown, do="move it away, or leave --lookup out",
            )  # fmt: skip
        client.send("DELETE", target)
    body: dict[str, Any] = {"mappings": mappings(dict(fields.values()))}
    try:
        client.send("PUT", target, {**body, "settings": {"index.mode": "lookup"}})
    except RefusedError as error:
        if error.status != 400:
            raise
        client.send("PUT", target, body)
        return False
    return True


class Bulk:
    """Sends documents while more are made; waits where the server does not keep up."""

    def __init__(self, client: Client, pool: ThreadPoolExecutor) -> None:
        self._client, self._pool = client, pool
        self._items: list[Item] = []
        self._size = 0
        self._sent: deque[Future[list[tuple[Item, dict[str, Any]]]]] = deque()
        self.written = Written()

    def add(self, items: Iterable[Item]) -> None:
        """Take ITEMS in; what fills a bulk goes out."""
        for item in items:
            self._items.append(item)
            self._size += len(item.lines)
            if self._size >= _BULK:
                self._send()

    def _send(self) -> None:
        while len(self._sent) >= _AT_ONCE:
            self._take()
        items, self._items, self._size = self._items, [], 0
        self._sent.append(self._pool.submit(self._bulk, items))

    def finish(self) -> Written:
        """Send the rest, wait for all answers, and make the documents visible to searches."""
        if self._items:
            self._send()
        while self._sent:
            self._take()
        self._client.send("POST", f"{self._client.address.target}/_refresh")
        return self.written

    def _take(self) -> None:
        written = self.written
        for item, answer in self._sent.popleft().result():
            if answer["status"] < 300:
                written.created[item.source] += 1
            elif answer["status"] == 409:
                written.existed[item.source] += 1
            else:
                written.refused[item.source] += 1
                if len(written.why) < _SHOWN:
                    written.why.append((item.source, item.line, _why(answer)))

    def _bulk(self, items: list[Item]) -> list[tuple[Item, dict[str, Any]]]:
        """Each of ITEMS with its answer; those that the server was too busy for are sent again."""
        done: list[tuple[Item, dict[str, Any]]] = []
        for wait in (*WAITS, None):
            answers = self._answers(items)
            busy = []
            for item, answer in zip(items, answers, strict=True):
                if answer["status"] == _BUSY and wait is not None:
                    busy.append(item)
                else:
                    done.append((item, answer))
            items = busy
            if not items or wait is None:
                break
            time.sleep(wait)
        return done

    def _answers(self, items: list[Item]) -> list[dict[str, Any]]:
        body = "".join(item.lines for item in items).encode()
        target = (
            f"{self._client.address.target}/_bulk?filter_path=errors,items.*.status,"
            "items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason"
        )
        found = orjson.loads(self._client.send("POST", target, body))
        return [item["create"] for item in found["items"]]


def _why(answer: dict[str, Any]) -> str:
    error = answer.get("error", {})
    reasons = [error.get("reason"), (error.get("caused_by") or {}).get("reason")]
    return f"{answer['status']}: " + "; ".join(str(one)[:200] for one in reasons if one)


@contextmanager
def bulk(client: Client) -> Iterator[Bulk]:
    """A Bulk whose threads end with the block."""
    pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="cuidx-bulk")
    try:
        yield Bulk(client, pool)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
