"""Investigation steps: what has to be read after an alert, by address and by container.

A search returns hits L. The investigator then searches for each request id among them, R, and
reads all lines that carry one: L ∪ {lines with an id in R}. As a hit with an id is itself such a
line, these are

    the hits without an id  +  Σ over r in R of (lines that carry r)

so every count follows from distinct (address, id) and (container, id) pairs, for all alerts at
once. What lies in a window around an alert is counted the other way about: from each run of lines
follows the span of alerts that see it, and an alert sees the spans that it lies in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import polars as pl

_COUNTS: Final = ("hits", "containers", "requests", "lines", "searches")
SEARCH: Final = pl.Struct(dict.fromkeys(_COUNTS, pl.Int64()))
SEARCHES: Final = ("ip_search", "ip_time_search", "cuid_search")
ALERTS: Final = pl.Schema(
    {
        "source": pl.String(),
        "line": pl.Int64(),
        "container": pl.String(),
        "ip": pl.String(),
        "request_id": pl.String(),
        **dict.fromkeys(SEARCHES, SEARCH),
        "needless": pl.Int64(),
        "missed": pl.Int64(),
        "reduction": pl.Float64(),
    }
)
HITS: Final = pl.Schema({"ip": pl.String(), "container": pl.String(), "hits": pl.Int64()})
# Each text is kept once, and is a number wherever it is compared; forgotten when nobody uses it.
WORD: Final = pl.Categorical(pl.Categories("steps", "cuidx"))
EVENTS: Final = pl.Schema({"ip": WORD, "container": WORD, "request": WORD, "time": pl.Int64()})
ASKED: Final = pl.Schema({"ip": WORD, "container": WORD, "time": pl.Int64()})
FOUND: Final = pl.Schema({"event": pl.UInt32(), "ip": WORD})


@dataclass(frozen=True)
class Steps:
    """What three searches bring up for each alert.

    alerts  ALERTS, one row an alert, in the order given
    totals  sums over all alerts for each search, with `distinct_lines`; needless, missed, alerts
    hits    HITS: whose lines the search for each alert's address returns, most first
    """

    alerts: pl.DataFrame
    totals: dict[str, Any]
    hits: pl.DataFrame


def steps(
    events: pl.DataFrame, alerts: pl.DataFrame, window: int, found: pl.DataFrame | None = None
) -> Steps:
    """Three searches for each of ALERTS: by its address, that within WINDOW (ns), by its container.

        source      line  container  ip          ip_search              cuid_search     needless
        export.log    10  4a23…      10.10.11.2  {2 hits … 7 lines …}   {1 … 2 …}              5

    EVENTS are all events, as EVENTS, any value null. ALERTS have the first columns of ALERTS, and
    time (Int64 nanoseconds). FOUND, as FOUND, is what a search by address looks through where that
    is more than the own address: event (the row in EVENTS) and ip, each pair once. Time is n log n
    in events and alerts, whatever the window; memory about 100 bytes an event.
    """
    every = _coded(events, EVENTS).with_row_index("event")
    asked = _coded(alerts, ASKED).with_row_index("alert")
    hits = every.filter(pl.col("ip").is_not_null())
    if found is not None:
        hits = _coded(found, FOUND).join(every.drop("ip"), on="event", how="left")
    sizes = every.drop_nulls("request").group_by("request").agg(size=pl.len().cast(pl.Int64))
    hits = hits.join(asked.select("ip").drop_nulls().unique(), on="ip", how="semi")
    mine = every.join(asked.select("container").drop_nulls().unique(), on="container", how="semi")
    ip_requests, own_requests = _requests(hits, "ip", sizes), _requests(mine, "container", sizes)
    result = (
        asked.join(_search(hits, "ip", ip_requests, "ip_search"), on="ip", how="left")
        .join(_search(mine, "container", own_requests, "cuid_search"), on="container", how="left")
        .join(_common(asked, hits, ip_requests, own_requests), on=["ip", "container"], how="left")
        .join(_windowed(asked, hits, sizes, window), on="alert", how="left")
    )
    ip_lines = pl.col("ip_search").struct["lines"]
    cuid_lines = pl.col("cuid_search").struct["lines"]
    table = pl.concat(
        [
            alerts,
            result.sort("alert").select(
                *SEARCHES,
                needless=ip_lines - pl.col("common"),
                missed=cuid_lines - pl.col("common"),
                reduction=(1 - cuid_lines / ip_lines).round(4),
            ),
        ],
        how="horizontal",
    ).select(list(ALERTS))
    distinct = {
        "ip_search": _distinct(hits, sizes),
        "ip_time_search": _distinct(_seen(asked, hits, window), sizes),
        "cuid_search": _distinct(mine, sizes),
    }
    return Steps(table, _totals(table, distinct), _by_writer(hits))


def _coded(frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """The columns of SCHEMA, with numbers for texts."""
    return frame.select(
        pl.col(name).cast(dtype).to_physical() if dtype == WORD else pl.col(name).cast(dtype)
        for name, dtype in schema.items()
    )


def _requests(hits: pl.DataFrame, key: str, sizes: pl.DataFrame) -> pl.DataFrame:
    """Each request of each KEY's hits, with how many lines carry it (`size`)."""
    pairs = hits.select(key, "request").drop_nulls().unique()
    return pairs.join(sizes, on="request", how="left")


def _search(hits: pl.DataFrame, key: str, requests: pl.DataFrame, name: str) -> pl.DataFrame:
    """KEY and NAME, the counts of the search for it."""
    found = hits.group_by(key).agg(
        hits=pl.len().cast(pl.Int64),
        containers=pl.col("container").drop_nulls().n_unique().cast(pl.Int64),
        alone=pl.col("request").null_count().cast(pl.Int64),
    )
    asked = requests.group_by(key).agg(requests=pl.len().cast(pl.Int64), read=pl.col("size").sum())
    return (
        found.drop_nulls(key)
        .join(asked, on=key, how="left")
        .select(key, _counted(name))
    )


def _counted(name: str) -> pl.Expr:
    """SEARCH of hits, containers, requests, hits without one (`alone`), lines of requests."""
    requests = pl.col("requests").fill_null(0)
    return pl.struct(
        "hits",
        "containers",
        requests=requests,
        lines=pl.col("alone") + pl.col("read").fill_null(0),
        searches=1 + requests,
    ).cast(SEARCH).alias(name)


def _common(
    asked: pl.DataFrame, hits: pl.DataFrame, by_ip: pl.DataFrame, by_container: pl.DataFrame
) -> pl.DataFrame:
    """ip, container, common: how many lines both searches bring up.

    A line with an id is in both if its id is in both; one without if it is a hit of both.
    """
    pair = ["ip", "container"]
    both = asked.select(pair).drop_nulls().unique()
    alone = (
        hits.filter(pl.col("request").is_null())
        .join(both, on=pair, how="semi")
        .group_by(pair)
        .agg(alone=pl.len().cast(pl.Int64))
    )
    shared = (
        both.join(by_container, on="container")
        .join(by_ip, on=["ip", "request"], how="semi")
        .group_by(pair)
        .agg(read=pl.col("size").sum())
    )
    return (
        both.join(alone, on=pair, how="left")
        .join(shared, on=pair, how="left")
        .select(*pair, common=pl.col("alone").fill_null(0) + pl.col("read").fill_null(0))
    )


def _windowed(
    asked: pl.DataFrame, hits: pl.DataFrame, sizes: pl.DataFrame, window: int
) -> pl.DataFrame:
    """alert and ip_time_search, for alerts with an address and a time."""
    dated = asked.drop_nulls(["ip", "time"]).select("alert", "ip", at="time").sort("at")
    lines = hits.drop_nulls("time").select("ip", "container", "request", "time").sort("time")
    each = pl.lit(1, pl.Int64)
    spans = lines.select("ip", first="time", last="time")
    alone = spans.filter(lines["request"].is_null())
    requests = _runs(lines, "request", window).join(sizes, on="request", how="left")
    counts = {
        "hits": spans.with_columns(weight=each),
        "alone": alone.with_columns(weight=each),
        "containers": _runs(lines, "container", window).with_columns(weight=each),
        "requests": requests.with_columns(weight=each),
        "read": requests.rename({"size": "weight"}),
    }
    return dated.with_columns(
        _seeing(dated, spans, window).alias(name) for name, spans in counts.items()
    ).select("alert", _counted("ip_time_search"))


def _runs(lines: pl.DataFrame, name: str, window: int) -> pl.DataFrame:
    """Runs of lines of one ip and NAME that no alert's window can tell apart: ip, first, last.

    An alert sees a run if it lies within the window of any of its lines; so lines whose windows
    touch are one run, and each alert sees at most one run of an ip and NAME.
    """
    keyed = lines.select("ip", name, "time").drop_nulls(name).sort("ip", name, "time")
    new = keyed.select(
        (pl.col("ip") != pl.col("ip").shift())
        | (pl.col(name) != pl.col(name).shift())
        | (pl.col("time") - pl.col("time").shift() > 2 * window)
    ).to_series().fill_null(True)  # fmt: skip
    return keyed.filter(new).select(
        "ip",
        name,
        first="time",
        last=keyed.filter(new.shift(-1, fill_value=True))["time"],
    )


def _seeing(points: pl.DataFrame, spans: pl.DataFrame, window: int) -> pl.Series:
    """For each of POINTS (ip, at; sorted by at) the weights of SPANS of its ip within WINDOW.

    A span is within the window if any of it is: those that began by its end, less those that had
    ended before its start.
    """
    begun = _sum_up_to(points, spans.select("ip", "weight", at="first"), window, strict=False)
    ended = _sum_up_to(points, spans.select("ip", "weight", at="last"), -window, strict=True)
    return begun - ended


def _sum_up_to(
    points: pl.DataFrame, edges: pl.DataFrame, shift: int, *, strict: bool
) -> pl.Series:
    running = edges.sort("at").with_columns(pl.col("weight").cum_sum().over("ip"))
    return (
        points.select("ip", at=pl.col("at") + shift)
        .join_asof(running, on="at", by="ip", allow_exact_matches=not strict, check_sortedness=False)
        ["weight"].fill_null(0)
    )  # fmt: skip


def _seen(asked: pl.DataFrame, hits: pl.DataFrame, window: int) -> pl.DataFrame:
    """Those of HITS that are within WINDOW of an alert on their address."""
    alerts = asked.drop_nulls(["ip", "time"]).select(
        "ip", first="time", last="time", weight=pl.lit(1, pl.Int64)
    )
    lines = hits.drop_nulls("time").sort("time")
    points = lines.select("ip", at="time")
    return lines.filter(_seeing(points, alerts, window) > 0)


def _distinct(hits: pl.DataFrame, sizes: pl.DataFrame) -> int:
    """How many lines HITS and the lines of their requests are, each counted once."""
    alone = hits.filter(pl.col("request").is_null())["event"].n_unique()
    read = sizes.join(hits.select("request"), on="request", how="semi")["size"].sum()
    return int(alone + read)


def _totals(table: pl.DataFrame, distinct: dict[str, int]) -> dict[str, Any]:
    totals: dict[str, Any] = {
        name: {
            **table[name].struct.unnest().select(_COUNTS).sum().row(0, named=True),
            "distinct_lines": distinct[name],
        }
        for name in SEARCHES
    }
    sums = {name: table[name].sum() for name in ("needless", "missed")}
    return {**totals, **sums, "alerts": len(table)}


def _by_writer(hits: pl.DataFrame) -> pl.DataFrame:
    """HITS: how many of an address's hits each container wrote."""
    return (
        hits.group_by("ip", "container")
        .agg(hits=pl.len().cast(pl.Int64))
        .with_columns(pl.col("ip", "container").cat.to(WORD).cast(pl.String))
        .select(list(HITS))
        .sort("ip", "hits", "container", descending=[False, True, False])
    )
