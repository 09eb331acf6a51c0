"""What each line says of its writer, request and time, kept while the sources are read once.

Lines come in groups, so that a few bytes a line are enough; lines that are in none are kept as they
were parsed, as long as they are few.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

import polars as pl

from cuidx.analyses.steps import FOUND, WORD
from cuidx.enrich.identity import level_of, request_key
from cuidx.enrich.mentions import mentions
from cuidx.formats.base import Grouped
from cuidx.reading import Part
from cuidx.schema import LEVEL, LEVELS, detached

# `request` is `identity.request_key`.
LINES: Final = pl.Schema(
    {"ip": WORD, "container": WORD, "request": pl.UInt64(), "time": pl.Int64()}
)
ALERTS: Final = pl.Schema(
    {"source": pl.String(), "line": pl.Int64(), "container": pl.String(), "ip": pl.String(),
     "request_id": pl.String(), "time": pl.Int64()}
)  # fmt: skip
_MOST_ROWS: Final = 200_000  # lines in no group, of all: more than that are read again


class Enrich(Protocol):
    """`Story.enrich`."""

    def __call__(self, frame: pl.DataFrame, source: int) -> pl.DataFrame:
        """FRAME with who is who, and since when."""


class Lines:
    """The lines of all parts that it is given, if they are in groups; else nothing.

    LEAST is the level from which on a line is an alert. MENTIONS says that the addresses which
    lines mention are kept, too.
    """

    def __init__(self, least: str, *, mentions: bool) -> None:
        self.least, self.mentions = least, mentions
        self.whole = True  # whether all of them could be kept
        self._high = frozenset(LEVELS[LEVELS.index(least) :])
        self._sources: dict[int, _Source] = {}
        self._rows = 0

    def clear(self) -> None:
        """Forget all lines, as they are read again."""
        self.whole, self._rows = True, 0
        self._sources = {}

    def add(self, part: Part) -> None:
        """Keep what the next PART says."""
        grouped = part.grouped
        self._rows += part.frame.height
        # Lines that can't be grouped are parsed without what mentions addresses.
        unread = self.mentions and grouped is None and part.frame.height > 0
        if unread or self._rows > _MOST_ROWS:
            self.whole, self._sources = False, {}
        if not self.whole:
            return
        one = self._sources.setdefault(part.source, _Source())
        if part.frame.height:
            one.frames.append(detached(part.frame))
        if grouped is not None and grouped.by_line is not None:
            one.add(grouped, grouped.by_line, self._high)

    def told(
        self, paths: Sequence[str], enrich: Enrich, left_out: Callable[[int], bool]
    ) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame | None]:
        """(all events as LINES, alerts as ALERTS, mentions as `analyses.steps.FOUND`).

        ENRICH settles who is who in records of a source; sources LEFT_OUT have no events.
        """
        events, alerts, found = [LINES.to_frame()], [ALERTS.to_frame()], [FOUND.to_frame()]
        count = 0
        for source, one in self._sources.items():
            if left_out(source):
                continue
            path, settle = paths[source], partial(enrich, source=source)
            here = [one.of_rows(path, settle, self.least), one.of_groups(path, settle)]
            alerts.append(pl.concat([some[1] for some in here]).sort("line", maintain_order=True))
            for rows, _, spots in here:
                events.append(rows)
                if self.mentions:
                    own = rows.select(event=pl.int_range(pl.len(), dtype=pl.UInt32), ip="ip")
                    both = [own.drop_nulls(), spots]
                    found += [some.with_columns(pl.col("event") + count) for some in both]
                count += len(rows)
        self._sources = {}
        return pl.concat(events), pl.concat(alerts), pl.concat(found) if self.mentions else None


class _Source:
    """The same of one source; its groups are numbered throughout."""

    def __init__(self) -> None:
        self.frames: list[pl.DataFrame] = []
        self._groups: list[pl.DataFrame] = []
        self._lines: list[pl.DataFrame] = []
        self._alerts: list[pl.DataFrame] = []
        self._spots: list[pl.DataFrame] = []
        self._counted = self._grouped = 0

    def add(self, grouped: Grouped, lines: pl.DataFrame, high: frozenset[str]) -> None:
        groups = grouped.groups
        group = (pl.col("group") + self._grouped).cast(pl.UInt32)
        self._lines.append(detached(lines.select(group, "request", "time")))
        known = groups["level"].unique().drop_nulls().to_list() if "level" in groups.columns else []
        loud = [word for word in known if level_of(word) in high]
        if loud:
            wanted = groups.select(pl.col("level").is_in(loud).fill_null(False)).to_series()
            rows = lines.filter(wanted.gather(lines["group"]))
            data = grouped.data
            ids = [
                data[at : at + size].decode() if size else None
                for at, size in rows.select("id_at", "id_size").iter_rows()
            ]
            ids_ = pl.Series("request_id", ids, dtype=pl.String)
            self._alerts.append(rows.select(group, "line", "time").with_columns(ids_))
        if grouped.spots is not None and grouped.spots.height:
            row = (pl.col("row") + self._counted).cast(pl.UInt32)
            self._spots.append(detached(grouped.spots.select(row, "ip")))
        self._groups.append(detached(groups))
        self._counted += len(lines)
        self._grouped += len(groups)

    def of_groups(
        self, path: str, settle: Callable[[pl.DataFrame], pl.DataFrame]
    ) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
        """(events, alerts, mentions beside the own address) of lines in groups."""
        if not self._groups:
            return LINES.to_frame(), ALERTS.to_frame(), FOUND.to_frame()
        groups = settle(pl.concat(self._groups, how="diagonal"))
        lines = pl.concat(self._lines)
        alerts = pl.concat([_HIGH.to_frame(), *self._alerts])
        spots = pl.concat([_SPOT.to_frame(), *self._spots])
        self._groups, self._lines, self._alerts, self._spots = [], [], [], []
        is_event = groups["kind"] == "event"
        if not is_event.all():
            kept = is_event.gather(lines["group"])
            place = kept.cast(pl.UInt32).cum_sum() - 1
            lines = lines.filter(kept)
            alerts = alerts.filter(is_event.gather(alerts["group"]))
            spots = spots.filter(kept.gather(spots["row"]))
            spots = spots.with_columns(row=place.gather(spots["row"]))
        who = groups.select(pl.col("ip", "container").cast(WORD))
        events = who[lines["group"]].with_columns(
            lines["time"],
            request=lines.select(pl.when(pl.col("request") != 0).then("request")).to_series(),
        ).select(list(LINES))  # fmt: skip
        named = groups.select("container", "ip")[alerts["group"]].with_columns(
            alerts["line"], alerts["time"], alerts["request_id"],
            source=pl.lit(path),
        ).select(list(ALERTS))  # fmt: skip
        ips = spots["ip"].unique()  # numbers, and few
        texts = pl.Series("ip", [_dotted(ip) for ip in ips.to_list()], dtype=WORD)
        told = spots.select(event="row", ip=pl.col("ip").replace_strict(ips, texts, default=None))
        return events, detached(named), _others(told, events)

    def of_rows(
        self, path: str, settle: Callable[[pl.DataFrame], pl.DataFrame], least: str
    ) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
        """The same of lines in no group."""
        if not self.frames:
            return LINES.to_frame(), ALERTS.to_frame(), FOUND.to_frame()
        frame = settle(pl.concat(self.frames, how="diagonal"))
        rows = frame.filter(pl.col("kind") == "event")
        events = rows.select("ip", "container", request_key().alias("request"), "time").select(
            pl.col(name).cast(dtype) for name, dtype in LINES.items()
        )
        high = rows.filter((pl.col("level") >= pl.lit(least, LEVEL)).fill_null(False))
        told = mentions(rows).select(event="row", ip="ip").unique(maintain_order=True).select(
            pl.col(name).cast(dtype) for name, dtype in FOUND.items()
        )  # fmt: skip
        return events, alerts_of(high, path), _others(told, events)


_HIGH: Final = pl.Schema(
    {"group": pl.UInt32(), "line": pl.Int64(), "time": pl.Int64(), "request_id": pl.String()}
)
_SPOT: Final = pl.Schema({"row": pl.UInt32(), "ip": pl.UInt32()})


def _others(told: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """What is TOLD of EVENTS, as FOUND, without their own addresses."""
    own = events["ip"].to_physical().gather(told["event"])
    return told.filter(told["ip"].to_physical().ne_missing(own))


def alerts_of(rows: pl.DataFrame, path: str) -> pl.DataFrame:
    """ROWS, events of the source PATH, as ALERTS."""
    return detached(rows.select(
        pl.lit(path).alias("source"), "line", "container", "ip",
        pl.coalesce("request_id", "trace_id").alias("request_id"),
        pl.col("time").cast(pl.Int64),
    ))  # fmt: skip


def _dotted(ip: int) -> str:
    return ".".join(str(ip >> shift & 255) for shift in (24, 16, 8, 0))
