"""What many questions need of all records, in small tables that add up: f(A + B) = f(A) + f(B).

A chunk of records is first grouped by the text of the columns that say who wrote it; the few
hundred groups are then made sense of. Memory grows with containers and with pairs of container
and request id, not with events.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

import polars as pl

from cuidx.enrich.evidence import merged, of_records
from cuidx.enrich.identity import TEXTS, normalise, request_key
from cuidx.enrich.pairs import PAIRS, Pairs
from cuidx.formats.base import Grouped
from cuidx.schema import IDENTITY, KIND, LEVEL, TIME, detached

# What a record is grouped by, beside its source and kind.
_WHO: Final = tuple(name for name in TEXTS if name not in ("level", "node"))
_KEYS: Final = ("source", "kind", *_WHO, "node", "level")
_STATS: Final = {
    "lines": pl.Int64(),
    "dated": pl.Int64(),
    "first": TIME,
    "last": TIME,
    "first_line": pl.Int64(),
    "last_line": pl.Int64(),
}
GROUPS: Final = pl.Schema(
    {
        "source": pl.Int64(),
        "kind": KIND,
        **{name: pl.String() for name in (*_WHO, "node") if name not in ("svc", "restart")},
        "restart": pl.Int64(),
        "identity": IDENTITY,
        "container": pl.String(),
        "pod_key": pl.String(),
        "errors": pl.Int64(),
        **_STATS,
    }
)
_NO_PAIRS: Final = PAIRS.to_frame()
_FIRST_ERROR: Final = "ERROR"


@dataclass(frozen=True)
class Summary:
    """Groups of lines by who wrote them, and (container, request id) pairs.

    groups  GROUPS: lines of one kind of one source by one writer, with first and last time
    pairs   each request of each container, at least once
    evidence  EVIDENCE: what records say of addresses and lifetimes
    """

    groups: pl.DataFrame
    pairs: Pairs
    evidence: pl.DataFrame

    @classmethod
    def of(
        cls,
        parts: Iterable[tuple[int, pl.DataFrame]],
        pairs: Sequence[pl.DataFrame] | None = None,
        grouped: Sequence[tuple[int, Grouped]] = (),
    ) -> Summary:
        """The summary of (source, records) parts, in any order.

        PAIRS are the parts' `request_pairs`, where somebody else makes them while PARTS are read,
        and GROUPED, with their sources, those of their events that come in groups.
        """
        raw: list[pl.DataFrame] = []
        made: list[pl.DataFrame] = []
        evidence: list[pl.DataFrame] = []
        for source, frame in parts:
            if frame.is_empty():
                continue
            at = pl.lit(source, pl.Int64)
            raw.append(detached(_group(frame)).with_columns(source=at))
            if pairs is None:
                made.append(request_pairs(frame))
            if "holds" in frame.columns or (frame["kind"] == "evidence").any():
                evidence.append(detached(of_records(frame, source)))
        table = pl.concat([_NO_PAIRS, *(made if pairs is None else pairs)])
        told = [normalise(pl.concat(raw, how="diagonal"))] if raw else []
        if grouped:
            groups = _groups_of([one for _, one in grouped], [source for source, _ in grouped])
            told.append(groups)
            ends = accumulate((len(one.groups) for _, one in grouped), initial=0)
            names = groups["container"].cast(PAIRS["container"])
            written = (names[begin:end] for begin, end in pairwise(ends))
            requests = zip(written, (one.requests for _, one in grouped), strict=True)
            return cls(_settle(told), Pairs(table, list(requests)), merged(evidence))
        return cls(_settle(told), Pairs(table), merged(evidence))

    @classmethod
    def of_groups(
        cls,
        groups: pl.DataFrame,
        pairs: Pairs,
        evidence: Iterable[tuple[int, pl.DataFrame]],
    ) -> Summary:
        """The summary of records that somebody else has grouped: GROUPS with texts as parsed.

        EVIDENCE are (source, records that are evidence, or tell of holders).
        """
        told = [detached(of_records(rows, source)) for source, rows in evidence if rows.height]
        return cls(_settle([normalise(groups)]), pairs, merged(told))

    @classmethod
    def merge(cls, summaries: Sequence[Summary]) -> Summary:
        """The summary of all the records of SUMMARIES."""
        return cls(
            _regroup(pl.concat([s.groups for s in summaries])),
            # Of one summary they are counted by who needs it: to do it here costs as much again.
            summaries[0].pairs
            if len(summaries) == 1
            else Pairs(pl.concat([s.pairs.table for s in summaries]).unique()),
            merged([s.evidence for s in summaries]),
        )


def _group(frame: pl.DataFrame) -> pl.DataFrame:
    # A column that is null throughout costs as much to group by as any other: leave it out.
    keys = [
        name for name in _KEYS if name in frame.columns and frame[name].null_count() < len(frame)
    ]
    return frame.group_by(keys).agg(
        lines=pl.len().cast(pl.Int64),
        dated=pl.col("time").count().cast(pl.Int64),
        first=pl.col("time").min(),
        last=pl.col("time").max(),
        first_line=pl.col("line").min(),
        last_line=pl.col("line").max(),
    )


def _settle(told: list[pl.DataFrame]) -> pl.DataFrame:
    if not told:
        return GROUPS.to_frame()
    frame = pl.concat(told, how="diagonal").with_columns(
        errors=pl.when(pl.col("level") >= pl.lit(_FIRST_ERROR, LEVEL))
        .then("lines")
        .otherwise(pl.lit(0, pl.Int64))
    )
    return _regroup(frame)


def _regroup(frame: pl.DataFrame) -> pl.DataFrame:
    keys = [name for name in GROUPS if name not in (*_STATS, "errors")]
    return (
        frame.group_by(keys)
        .agg(
            pl.col("errors").sum(),
            pl.col("lines").sum(),
            pl.col("dated").sum(),
            pl.col("first").min(),
            pl.col("last").max(),
            pl.col("first_line").min(),
            pl.col("last_line").max(),
        )
        .select(list(GROUPS))
        .sort(keys)
    )


def request_pairs(frame: pl.DataFrame) -> pl.DataFrame:
    """PAIRS of some records; a pair may come again in another chunk."""
    have = [name for name in ("request_id", "trace_id") if name in frame.columns]
    if not have or frame.is_empty():
        return _NO_PAIRS
    if not (events := frame["kind"] == "event").all():
        frame = frame.filter(events)
    frame = frame.with_columns(request=pl.coalesce(have))
    # The CUID alone names a container; the other columns are needed only where it is missing.
    tagged = frame.select("request", container="cuid" if "cuid" in frame.columns else pl.lit(None))
    parts = [_distinct(tagged.cast(pl.String))]
    if tagged["container"].null_count():
        others = frame if "cuid" not in frame.columns else frame.filter(pl.col("cuid").is_null())
        who = [n for n in _WHO if n in others.columns and others[n].null_count() < len(others)]
        parts.append(_distinct(normalise(others.select(*who, "request").unique())))
    return pl.concat(parts).select(
        pl.col("container").cast(PAIRS["container"]), request_key(pl.col("request"))
    )


def _groups_of(grouped: Sequence[Grouped], sources: Sequence[int]) -> pl.DataFrame:
    """The groups of GROUPED, one after the other, made sense of."""
    groups = [one.groups for one in grouped]
    source = [at for at, some in zip(sources, groups, strict=True) for _ in range(len(some))]
    return normalise(
        pl.concat(groups, how="diagonal").with_columns(source=pl.Series(source, dtype=pl.Int64))
    )


def _distinct(rows: pl.DataFrame) -> pl.DataFrame:
    """The pairs of container and request, once each. Hashes are told apart sooner than texts."""
    rows = rows.select("container", "request").drop_nulls()
    either = rows.select(pl.col("container").hash(0) ^ pl.col("request").hash(1)).to_series()
    return rows[either.arg_unique()]
