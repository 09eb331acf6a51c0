"""Investigation steps: what has to be read after an alert, by address and by container.

A search returns hits L. The investigator then searches for each request id among them, R, and
reads all lines that carry one: L and the lines with an id in R. As a hit with an id is itself such
a line, these are

    the hits without an id  +  Σ over r in R of (lines that carry r)

so every count follows from distinct (address, id) and (container, id) pairs, for all alerts at
once. What lies in a window around an alert is counted the other way about: from each run of lines
follows the span of alerts that see it, and an alert sees the spans that it lies in.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
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
_ORDER, _DOWN = ["ip", "hits", "container"], [False, True, False]
_SIZE: Final = pl.UInt32()
_AT_ONCE: Final = 2
_HITS_AT_ONCE: Final = 1_000_000 // _AT_ONCE
_ONE: Final = pl.lit(1, pl.UInt32)


@dataclass(frozen=True)
class Steps:
    """What three searches bring up for each alert.

    alerts  ALERTS, one row an alert, in the order given
    totals  sums over all alerts for each search, with `distinct_lines`; needless, missed, alerts
    hits    HITS: whose lines the search for each alert's address returns, most first
    times   when each alert was, in nanoseconds
    spared  for each alert, lines of the search by address and time that its CUID's has not
    """

    alerts: pl.DataFrame
    totals: dict[str, Any]
    hits: pl.DataFrame
    times: pl.Series
    spared: pl.Series


def steps(
    events: pl.DataFrame,
    alerts: pl.DataFrame,
    window: int,
    found: pl.DataFrame | None = None,
    sizes: pl.DataFrame | None = None,
) -> Steps:
    """Three searches for each of ALERTS: by its address, that within WINDOW (ns), by its container.

        source      line  container  ip          ip_search              cuid_search     needless
        export.log    10  4a23…      10.10.11.2  {2 hits … 7 lines …}   {1 … 2 …}              5

    EVENTS are all events, as EVENTS, any value null; a request may be 64 bits of it. ALERTS have
    the first columns of ALERTS, and time (Int64 nanoseconds). FOUND, as FOUND, is what a search by
    address looks through where that is more than the own address: event (the row in EVENTS) and ip,
    each pair once. Time is n log n in events and alerts, whatever the window; memory 50 bytes an
    event, and what a million need.
    """
    # As long as a column with words lives, they keep their numbers.
    words = pl.Series([""], dtype=WORD)
    asked = _coded(alerts, ASKED).with_row_index("alert")
    every = _coded(events, EVENTS).with_row_index("event")
    size = _sizes(every["request"]) if sizes is None else _known(sizes, every["request"])
    every = every.with_columns(size=size)
    if found is None:
        sought = every.select("event", "ip").filter(_asked_for(asked, "ip"))
    else:
        sought = _coded(found, FOUND).filter(_asked_for(asked, "ip"))

    def told(part: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.Series]:
        rows = sought.filter(_asked_for(part, "ip"))
        hits = every[rows["event"]].with_columns(rows["ip"])
        return (
            _answers(part, every, hits, window),
            _by_writer(hits),
            _seen(part, hits, window),
        )

    # What an alert needs depends on its address and its container alone, so some addresses at a
    # time bound the memory; most of an answer is made on one core.
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="cuidx-steps") as pool:
        answers, writers, seen = zip(*pool.map(told, _parts(asked, sought)), strict=True)
    answer = pl.concat(answers).sort("alert")
    counts, near = _compared(answer), answer["ip_time_search"].struct["lines"]
    table = pl.concat([alerts, counts], how="horizontal").select(list(ALERTS))
    mine = every.filter(_asked_for(asked, "container"))["event"]
    every = every.select("event", "request", "size")
    found_by = (sought["event"], pl.concat(seen), mine)  # as SEARCHES
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="cuidx-steps") as pool:
        counts_ = pool.map(lambda rows: _distinct(every[rows]), found_by)
        distinct = dict(zip(SEARCHES, counts_, strict=True))
    whose = pl.concat(writers).sort(_ORDER, descending=_DOWN)
    del words
    times, spared = alerts["time"].cast(pl.Int64), near - answer["near"]
    return Steps(table, _totals(table, distinct), whose, times, spared.alias("spared"))


def _parts(asked: pl.DataFrame, sought: pl.DataFrame) -> list[pl.DataFrame]:
    """ASKED by addresses, so many at a time that they have about a million hits; at least one."""
    sizes = sought.group_by("ip").agg(hits=_count()).sort("ip")
    sizes = sizes.select("ip", part=pl.col("hits").cum_sum() // _HITS_AT_ONCE)
    parts = asked.join(sizes, on="ip", how="left").with_columns(pl.col("part").fill_null(0))
    return [part.drop("part") for part in parts.partition_by("part", include_key=True)] or [asked]


def _answers(
    asked: pl.DataFrame, every: pl.DataFrame, hits: pl.DataFrame, window: int
) -> pl.DataFrame:
    """ASKED with its three searches, and how many of its CUID's lines two others have too.

    `common` are those of the search by address, `near` of that by address and time.
    """
    mine = every.filter(_asked_for(asked, "container"))
    requests, cuid_requests = _requests(hits, "ip"), _requests(mine, "container")
    by_ip = _search(hits, "ip", requests, "ip_search")
    by_container = _search(mine, "container", cuid_requests, "cuid_search")
    del mine
    return (
        asked.join(by_ip, on="ip", how="left")
        .join(_windowed(asked, hits, requests, cuid_requests, window), on="alert", how="left")
        .join(by_container, on="container", how="left")
        .join(_common(asked, hits, requests, cuid_requests), on=["ip", "container"], how="left")
    )


def _asked_for(asked: pl.DataFrame, name: str) -> pl.Expr:
    return pl.col(name).is_in(asked[name].drop_nulls().unique().implode())


def _compared(result: pl.DataFrame) -> pl.DataFrame:
    """The searches of each alert, and what is in one and not in the other."""
    ip_lines = pl.col("ip_search").struct["lines"]
    cuid_lines = pl.col("cuid_search").struct["lines"]
    return result.select(
        *SEARCHES,
        needless=ip_lines - pl.col("common"),
        missed=cuid_lines - pl.col("common"),
        reduction=(1 - cuid_lines / ip_lines).round(4),
    )


def _coded(frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """The columns of SCHEMA, with numbers for texts."""
    return frame.select(
        pl.col(name).cast(dtype) if dtype != WORD
        else pl.col(name).rank("dense") if frame.schema[name] == pl.UInt64
        else pl.col(name).cast(dtype).to_physical()
        for name, dtype in schema.items()
    )  # fmt: skip


def _sizes(requests: pl.Series) -> pl.Series:
    """For each line how many lines carry its request; null where it has none."""
    known = requests.drop_nulls()
    if known.is_empty():
        return pl.Series([None], dtype=_SIZE).new_from_index(0, len(requests))
    counts = known.value_counts(name="size")
    # The numbers of texts are small: a place for each is less than a table to join with.
    most = int(known.max())  # type: ignore[arg-type]
    size = pl.Series("size", [0], dtype=_SIZE).new_from_index(0, most + 1)
    return size.scatter(counts["request"], counts["size"].cast(_SIZE)).gather(requests)


def _known(sizes: pl.DataFrame, requests: pl.Series) -> pl.Series:
    """The same, as SIZES has it."""
    table = sizes.select(pl.col("request").cast(WORD).to_physical(), pl.col("size").cast(_SIZE))
    asked = requests.to_frame("request")
    return asked.join(table, on="request", how="left", maintain_order="left")["size"]


def _requests(hits: pl.DataFrame, key: str) -> pl.DataFrame:
    """Each request of each KEY's hits: how many lines carry it, first and last of those hits."""
    return (
        hits.lazy()
        .drop_nulls([key, "request"])
        .group_by(key, "request")
        .agg(pl.col("size").first(), first=pl.col("time").min(), last=pl.col("time").max())
        .collect(engine="streaming")
    )


def _search(hits: pl.DataFrame, key: str, requests: pl.DataFrame, name: str) -> pl.DataFrame:
    """KEY and NAME, the counts of the search for it."""
    found = hits.drop_nulls(key).group_by(key).agg(
        hits=_count(),
        containers=pl.col("container").drop_nulls().n_unique().cast(pl.Int64),
        alone=pl.col("request").null_count().cast(pl.Int64),
    )  # fmt: skip
    asked = requests.group_by(key).agg(requests=_count(), read=_sum("size"))
    return found.join(asked, on=key, how="left").select(key, _counted(name))


def _count() -> pl.Expr:
    return pl.len().cast(pl.Int64)


def _sum(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Int64).sum()


def _counted(name: str) -> pl.Expr:
    """SEARCH of hits, containers, hits without a request (`alone`), requests, their lines."""
    requests = pl.col("requests").fill_null(0)
    return pl.struct(
        "hits",
        "containers",
        requests=requests,
        lines=pl.col("alone") + pl.col("read").fill_null(0),
        searches=1 + requests,
    ).cast(SEARCH).alias(name)  # fmt: skip


def _common(
    asked: pl.DataFrame, hits: pl.DataFrame, by_ip: pl.DataFrame, by_container: pl.DataFrame
) -> pl.DataFrame:
    """ip, container, common: how many lines both searches bring up.

    A line with a request is in both if its request is in both; one without if it is a hit of both.
    """
    pair = ["ip", "container"]
    both = asked.select(pair).drop_nulls().unique()
    alone = (
        hits.filter(pl.col("request").is_null())
        .join(both, on=pair, how="semi")
        .group_by(pair)
        .agg(alone=_count())
    )
    shared = (
        both.lazy()
        .join(by_container.lazy(), on="container")
        .join(by_ip.lazy(), on=["ip", "request"], how="semi")
        .group_by(pair)
        .agg(read=_sum("size"))
        .collect(engine="streaming")
    )
    return (
        both.join(alone, on=pair, how="left")
        .join(shared, on=pair, how="left")
        .select(*pair, common=pl.col("alone").fill_null(0) + pl.col("read").fill_null(0))
    )


def _windowed(
    asked: pl.DataFrame,
    hits: pl.DataFrame,
    requests: pl.DataFrame,
    cuid_requests: pl.DataFrame,
    window: int,
) -> pl.DataFrame:
    """Alert, ip_time_search and `near` (as in `_common`), for alerts with an address and a time."""
    points = asked.drop_nulls(["ip", "time"]).sort("time").select(
        "alert", "ip", "container", at="time"
    )  # fmt: skip
    dated = hits.drop_nulls("time").sort("time")
    each = dated.with_columns(
        first="time", last="time", hits=_ONE, alone=pl.col("request").is_null().cast(pl.Int64)
    )
    lines = _near(points, each, window)
    runs = _near(points, _request_runs(dated, requests, window), window)
    writers = _near(points, _runs(dated, "container", window), window)
    pair = ["ip", "container"]
    both = points.select(pair).drop_nulls().unique()
    near_alone = lines.filter(pl.col("alone") == 1).join(both, on=pair, how="semi")
    near_read = (
        both.join(cuid_requests.select("container", "request"), on="container")
        .join(runs, on=["ip", "request"])
        .select(*pair, "begin", "end", alone="size")
    )
    near = pl.concat([near_alone.select(near_read.columns), near_read], how="vertical_relaxed")
    found = [
        points,
        _seen_by(points, lines, hits="hits", alone="alone"),
        _seen_by(points, writers.with_columns(one=_ONE), containers="one"),
        _seen_by(points, runs.with_columns(one=_ONE), requests="one", read="size"),
        _seen_by(points, near, pair, near="alone"),
    ]
    return pl.concat(found, how="horizontal").select(
        "alert",
        _counted("ip_time_search"),
        near=pl.when(pl.col("container").is_not_null()).then("near"),
    )


def _request_runs(dated: pl.DataFrame, requests: pl.DataFrame, window: int) -> pl.DataFrame:
    """`_runs` of requests, with their size; most requests are short, and one run from the start."""
    short = pl.col("last") - pl.col("first") <= 2 * window
    known = requests.drop_nulls("first")
    pair = ["ip", "request"]
    rest = dated.join(known.filter(~short), on=pair, how="semi", maintain_order="left")
    columns = ["ip", "request", "size", "first", "last"]
    return pl.concat(
        [known.filter(short).select(columns), _runs(rest, "request", window).select(columns)]
    )


def _runs(dated: pl.DataFrame, name: str, window: int) -> pl.DataFrame:
    """Runs of lines of an ip and NAME that no window can tell apart: ip, NAME, size, first, last.

    DATED is in order of time. An alert sees a run if any line of it lies within its window; lines
    whose windows touch are one run, so an alert sees at most one run of each ip and NAME.
    """
    pair = ["ip", name]
    gaps = dated.drop_nulls(name).select(
        *pair,
        "size",
        "time",
        begins=(pl.col("time") - pl.col("time").shift().over(pair) > 2 * window).fill_null(True),
        ends=(pl.col("time").shift(-1).over(pair) - pl.col("time") > 2 * window).fill_null(True),
    )
    first = gaps.filter("begins").sort(*pair, "time")
    last = gaps.filter("ends").sort(*pair, "time")
    return first.select("ip", name, "size", first="time", last=last["time"])


def _near(points: pl.DataFrame, spans: pl.DataFrame, window: int) -> pl.DataFrame:
    """SPANS (first, last) that are within WINDOW of any of POINTS (at; sorted by it).

    `begin` and `end` say of which, as places among their distinct times: a span is within the
    window of those from `begin` to before `end` if any of it is.
    """
    at = points["at"].unique(maintain_order=True)
    return spans.with_columns(
        begin=at.search_sorted(spans["first"] - window, side="left"),
        end=at.search_sorted(spans["last"] + window, side="right"),
    ).filter(pl.col("begin") < pl.col("end"))


def _seen_by(
    points: pl.DataFrame, spans: pl.DataFrame, key: Sequence[str] = ("ip",), **weights: str
) -> pl.DataFrame:
    """For each of POINTS (KEY, at; sorted by at) the sums of WEIGHTS of the SPANS that it sees.

    SPANS are as `_near` gives them: those that began by its place less those that ended by then.
    """
    cells = spans.group_by(*key, "begin", "end").agg(
        pl.col(each).cast(pl.Int64).sum().alias(name) for name, each in weights.items()
    )
    edges = pl.concat(
        cells.select(*key, pl.col(at).alias("place"), pl.col(*weights) * sign)
        for at, sign in (("begin", 1), ("end", -1))
    )
    running = (
        edges.group_by(*key, "place").agg(pl.col(*weights).sum()).sort("place")
        .with_columns(pl.col(*weights).cum_sum().over(key))
    )  # fmt: skip
    places = points.select(*key, place=pl.col("at").rle_id().cast(edges.schema["place"]))
    return places.join_asof(running, on="place", by=list(key), check_sortedness=False).select(
        pl.col(*weights).fill_null(0)
    )


def _seen(asked: pl.DataFrame, hits: pl.DataFrame, window: int) -> pl.Series:
    """The events of those of HITS that are within WINDOW of an alert on their address."""
    points = asked.drop_nulls(["ip", "time"]).select("ip", at="time").sort("at")
    dated = hits.drop_nulls("time").select("event", "ip", first="time", last="time")
    lines = _near(points, dated, window).sort("first")
    # The last alert by the end of a line's window has to be one of those that it is near to.
    found = lines.select("ip", "begin", at=pl.col("first") + window).join_asof(
        points.with_columns(place=pl.col("at").rle_id()), on="at", by="ip", check_sortedness=False
    )
    return lines.filter((found["place"] >= found["begin"]).fill_null(False))["event"]


def _distinct(hits: pl.DataFrame) -> int:
    """How many lines HITS and the lines of their requests are, each counted once."""
    alone = hits["event"].filter(hits["request"].is_null()).n_unique()
    # All lines of a request, over all requests: one line of each with its request's size.
    read = hits.select("request", "size").drop_nulls("request").filter(
        pl.col("request").is_first_distinct()
    )  # fmt: skip
    return alone + int(read.select(_sum("size")).item())


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
    )
