"""Events with every IP that they mention, and whose it was: by the clock, or by the request."""

from __future__ import annotations

from typing import Final

import polars as pl

from cuidx.enrich.holding import AMBIGUOUS, UNKNOWN, Timetable
from cuidx.enrich.identity import request_key
from cuidx.enrich.leases import PLACE
from cuidx.enrich.mentions import ROLE, mentions
from cuidx.enrich.requests import Ties
from cuidx.schema import EVENTS

VERDICT: Final = pl.Enum(("resolved", "ambiguous", "unknown"))
MENTION: Final = pl.Struct(
    {
        "ip": pl.String(),
        "role": ROLE,
        "verdict": VERDICT,
        "container": pl.String(),
        "by": pl.String(),
    }
)
_PEERS: Final = ("host_ip", "source_ip", "destination_ip", "forwarded_ip")
# An event as INTERFACE has it: the peers' addresses are among its mentions.
ANNOTATED: Final = pl.Schema(
    {**{n: t for n, t in EVENTS.items() if n not in _PEERS}, "mentions": pl.List(MENTION)}
)


def annotate(
    events: pl.DataFrame, timetable: Timetable, ties: Ties, place: int = 0
) -> pl.DataFrame:
    """EVENTS (as schema.EVENTS) as ANNOTATED: same rows, same order, with their mentions.

        time       container  message                         mentions
        09:00:07Z  4a23…      10.10.11.2:80 answered 502      [{10.10.11.2, text, resolved, 9c1d…}]

    A mention is answered for by, first of all, who it is: a line's own address is that of its own
    container. Then by the request: where the line has a request id and exactly one holder of the
    address took part in that request while it held it, that one is meant, though the address may
    have passed on since. Else by the clock (`holding.held`). PLACE is the source's, for files in
    which nothing has a time. Memory grows with EVENTS.
    """
    found = resolved(events, mentions(events), timetable, ties, place)
    gathered = found.group_by("row", maintain_order=True).agg(
        mentions=pl.struct("ip", "role", "verdict", "container", "by")
    )
    place_of = pl.DataFrame({"row": pl.int_range(len(events), dtype=pl.UInt32, eager=True)})
    lists = place_of.join(gathered, on="row", how="left", maintain_order="left")["mentions"]
    return events.select(
        *(name for name in ANNOTATED if name != "mentions"), lists.fill_null([]).alias("mentions")
    )


def resolved(
    events: pl.DataFrame, found: pl.DataFrame, timetable: Timetable, ties: Ties, place: int = 0
) -> pl.DataFrame:
    """FOUND (mentions.MENTIONS of EVENTS) with verdict, container and by; same rows and order."""
    at = (
        pl.col("time").cast(pl.Int64)
        if timetable.clock == "time"
        else pl.col("line") + place * PLACE
    )
    asked = found.hstack(
        events.select("container", at=at, request=request_key()).select(
            pl.all().gather(found["row"])
        )
    )
    # Nearly half of all mentions are own ones: each question is asked only of its own rows.
    own = (asked["role"] == "own") & asked["container"].is_not_null()
    rows, others = own.arg_true(), (~own).arg_true()
    mine = timetable.own(asked.gather(rows))
    unsaid = rows.filter(mine == UNKNOWN)
    peers = asked.gather(others)
    clock, tied = timetable.at(peers), ties.of(peers)
    by_request = (tied != UNKNOWN) & (tied != clock)
    answer = (
        pl.Series("answer", [UNKNOWN], dtype=pl.Int32)
        .new_from_index(0, len(asked))
        .scatter(rows, mine)
        .scatter(others, clock.zip_with(~by_request, tied))
        .scatter(unsaid, timetable.at(asked.gather(unsaid)))
    )
    # A line that has no time makes no lease, but it knows who wrote it, unless by an IP alone.
    itself = own & (answer < 0) & (asked["container"] != asked["ip"])
    known = answer >= 0
    requested = (
        pl.Series([False]).new_from_index(0, len(asked)).scatter(others.filter(by_request), True)
    )
    names = timetable.names.gather(answer.set(answer < 0, None))
    return found.with_columns(
        verdict=pl.when(known | itself).then(pl.lit("resolved", VERDICT))
        .when(answer == AMBIGUOUS).then(pl.lit("ambiguous", VERDICT))
        .otherwise(pl.lit("unknown", VERDICT)),
        container=pl.when(itself).then(asked["container"]).otherwise(names),
        by=pl.when(requested).then(pl.lit("request")).when(known | itself).then(pl.lit("time")),
    )  # fmt: skip
