"""Where every record went: each is in exactly one bin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import polars as pl

from cuidx import times
from cuidx.enrich.summary import Summary

_BINS: Final = {
    "event": "events", "fragment": "fragments", "duplicate": "duplicates", "evidence": "evidence",
    "skipped": "skipped", "blank": "blank", "unreadable": "unreadable",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bins:
    """Counts of records; `first` and `last` are RFC 3339 texts of the events' times, or None.

    records = events + fragments + duplicates + evidence + skipped + blank + unreadable, and
    events = tagged + untagged (tagged: the identity is a CUID).
    """

    records: int = 0
    events: int = 0
    fragments: int = 0
    duplicates: int = 0
    evidence: int = 0
    skipped: int = 0
    blank: int = 0
    unreadable: int = 0
    tagged: int = 0
    untagged: int = 0
    first: str | None = None
    last: str | None = None
    not_read: int = 0  # bytes that were skipped: they are outside the times asked for


@dataclass(frozen=True, slots=True)
class SourceBins(Bins):
    """The same of one source."""

    path: str = ""
    format: str | None = None


@dataclass(frozen=True, slots=True)
class Accounting(Bins):
    """The same of all sources, and of each."""

    sources: tuple[SourceBins, ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        """As in the JSON output's `accounting`."""
        return {**_as_json(self), "sources": [_as_json(source) for source in self.sources]}


def _as_json(bins: Bins) -> dict[str, Any]:
    counts = asdict(bins)
    if not bins.not_read:  # as nearly always
        del counts["not_read"]
    return counts


def accounting(summary: Summary, sources: Sequence[tuple[int, str, str | None, int]]) -> Accounting:
    """The bins of all records; SOURCES are (number in the groups, path, format, not read)."""
    groups = summary.groups
    return Accounting(
        **_bins(groups),
        not_read=sum(skipped for _, _, _, skipped in sources),
        sources=tuple(
            SourceBins(**_bins(groups.filter(pl.col("source") == at)), path=path, format=name,
                       not_read=skipped)
            for at, path, name, skipped in sources
        ),
    )  # fmt: skip


def _bins(groups: pl.DataFrame) -> dict[str, Any]:
    counted = dict(
        groups.group_by("kind").agg(pl.col("lines").sum()).select("kind", "lines").iter_rows()
    )
    events = groups.filter(pl.col("kind") == "event")
    tagged = int(events.filter(pl.col("identity") == "cuid")["lines"].sum())
    span = events.select(
        times.text(pl.col("first").min()).alias("first"),
        times.text(pl.col("last").max()).alias("last"),
    ).row(0)
    bins = {name: int(counted.get(kind, 0)) for kind, name in _BINS.items()}
    return {
        "records": sum(bins.values()), **bins,
        "tagged": tagged, "untagged": bins["events"] - tagged,
        "first": span[0], "last": span[1],
    }  # fmt: skip
