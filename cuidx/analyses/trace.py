"""The way of a request: each of its lines as a hop, with who called whom as far as lines say so.

A line says it by the addresses that it mentions. One in a `source` field called the line's writer,
one in a `destination` field was called by it. An address in the text stands after a word or before
an arrow (`from=10.0.0.1`, `10.0.0.1:80 -> 10.0.0.2:80`); where it does not, the order decides in
which the two containers took part in the request: who came first called. One that never logged the
request was called in vain. A line that mentions nobody says nothing: from and to are null.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import polars as pl

from cuidx.enrich.identity import request_key
from cuidx.schema import LEVEL, TIME

HOPS: Final = pl.Schema(
    {
        "time": TIME,
        "service": pl.String(),
        "container": pl.String(),
        "ip": pl.String(),
        "request_id": pl.String(),
        "source": pl.String(),
        "line": pl.Int64(),
        "message": pl.String(),
        "from": pl.String(),
        "to": pl.String(),
    }
)
# With what a tree needs: the line's level, and the caller's port, which tells two calls apart.
TRACED: Final = pl.Schema({**HOPS, "level": LEVEL, "port": pl.String(), "row": pl.UInt32()})
_BEFORE: Final = r"[=:\s\"'\[(]{0,3}(?:[a-z]+://)?"
_CALLER: Final = rf"(?i)\b(?:from|client|peer|src|source|remote|caller)(?:_?ip|_?addr)?{_BEFORE}"
_CALLED: Final = (
    rf"(?i)\b(?:to|at|via|upstream|dst|dest|destination|calling|backend|target)(?:_?ip|_?addr)?"
    rf"{_BEFORE}"
)
Row = Mapping[str, Any]


def trace(events: pl.DataFrame, found: pl.DataFrame | None = None) -> pl.DataFrame:
    """EVENTS (as schema.EVENTS) as hops, in order of time, source and line: TRACED.

        time       container  request_id  message                      from    to
        09:00:07Z  4a23…      7AD0        charge order=7 from=10.1…    CD85…   4a23…

    FOUND has their mentions, resolved (`annotate.resolved`). Memory grows with EVENTS.
    """
    ordered = (
        events.with_row_index("row")
        .with_columns(key=request_key(), request_id=pl.coalesce("request_id", "trace_id"))
        .sort("time", "source", "line", "index", nulls_last=True, maintain_order=True)
    )
    named: dict[int, list[Row]] = {}
    if found is not None:
        for mention in found.filter(pl.col("verdict") == "resolved").iter_rows(named=True):
            named.setdefault(mention["row"], []).append(mention)
    columns = ("row", "container", "key", "message", "source_ip")
    rows = ordered.select(columns).to_dicts()
    took_part = _took_part(rows, named)
    ends = [_ends(row, named.get(row["row"], ()), took_part[row["key"]]) for row in rows]
    return ordered.with_columns(
        pl.Series(name, [end[at] for end in ends], dtype=pl.String)
        for at, name in enumerate(("from", "to", "port"))
    ).select(list(TRACED))


class _Request:
    """Who took part in a request, in order; and by which name holders' addresses speak of them."""

    def __init__(self) -> None:
        self.order: dict[str, int] = {}
        self.holder: dict[str, str] = {}

    def container(self, holder: str) -> str:
        """The container that took part as HOLDER, if just one did; else HOLDER."""
        if holder in self.order:
            return holder
        known = [container for container, name in self.holder.items() if name == holder]
        return known[0] if len(known) == 1 else holder


def _took_part(rows: Iterable[Row], named: Mapping[int, Sequence[Row]]) -> dict[str, _Request]:
    requests: dict[str, _Request] = {}
    for row in rows:
        request = requests.setdefault(row["key"], _Request())
        if row["container"] is not None:
            request.order.setdefault(row["container"], len(request.order))
            for mention in named.get(row["row"], ()):
                if mention["role"] == "own":
                    request.holder[row["container"]] = mention["container"]
    return requests


def _ends(row: Row, mentions: Iterable[Row], request: _Request) -> tuple[str | None, ...]:
    """(who called, who was called, the caller's port) as a line says it."""
    me = row["container"]
    mine = {me, request.holder.get(me, me)}
    caller = called = port = None
    for mention in mentions:
        if mention["container"] in mine or mention["role"] in ("own", "host", "forwarded"):
            continue
        other = request.container(mention["container"])
        if mention["role"] == "source" or (
            mention["role"] == "text"
            and _calls(row["message"] or "", mention["ip"], me, other, request)
        ):
            if caller is None:
                caller, port = other, _port(row, mention["ip"])
        else:
            called = called or other
    if me is None:  # seen from outside: a flow, an access line of nobody known
        return caller, called, port
    if caller is not None:
        return caller, me, port
    return (me, called, None) if called is not None else (None, None, None)


def _port(row: Row, ip: str) -> str | None:
    """The port beside IP in a line's source field or text."""
    for said in (row["source_ip"], row["message"]):
        if said is not None and (hit := re.search(rf"{re.escape(ip)}\]?:([0-9]+)", said)):
            return hit[1]
    return None


def _calls(message: str, ip: str, me: str | None, other: str, request: _Request) -> bool:
    """Whether the address in a text is that of the caller."""
    there = re.escape(ip) + r"(?![0-9.])"
    if re.search(rf"{there}\]?(?::[0-9]+)?\s*(?:->|=>|→)", message):
        return True
    if re.search(rf"(?:->|=>|→)\s*\[?{there}", message) or re.search(_CALLED + there, message):
        return False
    if re.search(_CALLER + there, message):
        return True
    first = request.order
    return me is not None and other in first and first[other] < first.get(me, len(first))
