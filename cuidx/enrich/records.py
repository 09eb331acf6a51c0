"""What a record needs from its neighbours: a carried time, and whether it was seen before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import polars as pl

from cuidx import times
from cuidx.errors import UsageError
from cuidx.formats import native
from cuidx.formats.base import Grouped
from cuidx.schema import EVIDENCE_TIMES, KIND, TIME, TIME_FROM

_WHENCE: Final = pl.Enum(TIME_FROM)
_NO_TIMES: Final = pl.DataFrame(schema={"time": TIME, "time_from": _WHENCE})


class Dated(NamedTuple):
    """Records with their times, and how many of those have no zone, or no year."""

    frame: pl.DataFrame
    zoneless: int
    yearless: int


def date(parsed: pl.DataFrame, tz: str, before: int | None = None) -> Dated:
    """PARSED with `time` as UTC nanoseconds; times without a zone are read in TZ.

    Those without a year get the latest one that is not after BEFORE (ns), and none where that is
    not known. Adds time_from: `collector` for an envelope's time, `own`, or `none` as yet.
    """
    told = [name for name in EVIDENCE_TIMES if name in parsed.columns]
    if told:
        parsed = parsed.with_columns(times.parse(parsed[name], tz)[0].alias(name) for name in told)
    if "time" not in parsed.columns:
        if parsed.is_empty():  # as all lines of a block are in groups: block after block
            return Dated(parsed.hstack(_NO_TIMES), 0, 0)
        nothing = parsed.with_columns(time=pl.lit(None, TIME), time_from=pl.lit("none", _WHENCE))
        return Dated(nothing, 0, 0)
    time, zoneless, yearless = _times(parsed, tz, before)
    wrapped = pl.col("envelope").fill_null(False) if "envelope" in parsed.columns else pl.lit(False)
    frame = parsed.with_columns(time.alias("time")).with_columns(
        time_from=pl.when(pl.col("time").is_null())
        .then(pl.lit("none", _WHENCE))
        .when(wrapped)
        .then(pl.lit("collector", _WHENCE))
        .otherwise(pl.lit("own", _WHENCE))
    )
    return Dated(frame.drop("instant", strict=False), zoneless, yearless)


def _times(parsed: pl.DataFrame, tz: str, before: int | None) -> tuple[pl.Series, int, int]:
    text = parsed["time"]
    if text.dtype == TIME:
        return text, 0, 0
    if "instant" not in parsed.columns:
        time, zoneless = times.parse(text, tz)
    else:  # the quick way has read the usual times already; the others are few
        instant = parsed["instant"].cast(TIME)
        at = (instant.is_null() & text.is_not_null()).arg_true()
        if at.is_empty():
            return instant, 0, 0
        others, zoneless = times.parse(text.gather(at), tz)
        time = instant.clone().scatter(at, others)
    left = (time.is_null() & text.is_not_null()).arg_true()
    left = left.filter(times.lacks_year(text.gather(left)))
    if left.is_empty():
        return time, zoneless, 0
    if before is not None:
        told, without = times.parse(times.with_year(text.gather(left), before, tz), tz)
        time, zoneless = time.clone().scatter(left, told), zoneless + without
    return time, zoneless, len(left)


@dataclass(frozen=True, slots=True)
class Skew:
    """A clock that goes wrong, of a `node`, `service` or `source`: times are moved by `by` ns."""

    kind: str
    name: str
    by: int

    @classmethod
    def of(cls, words: str) -> Skew:
        """What `node-2=+1.2s` or `service=mail=-300ms` means.

        Raises:
            UsageError: it is neither.
        """
        said, _, length = words.rpartition("=")
        kind, equals, name = said.partition("=")
        if not equals or kind not in _CLOCKS:
            kind, name = "node", said
        if not name or length[:1] not in ("+", "-"):
            raise UsageError(
                f"--skew {words}: a node, =, and how much its times are to be moved are needed",
                do="for example: --skew node-2=+1.2s, --skew service=mail=-300ms",
            )
        sign = -1 if length.startswith("-") else 1
        return cls(kind, name, sign * times.length(length[1:]))

    def __str__(self) -> str:
        return f"times of {self.kind} {self.name} were moved by {self.by / 1e9:+g} s (--skew)"


_CLOCKS: Final = ("node", "service", "source")


def shifted(frame: pl.DataFrame, skews: Sequence[Skew], path: str) -> pl.DataFrame:
    """FRAME, parsed records of the source PATH, with its times moved as SKEWS say."""
    for skew in skews:
        if skew.kind == "source":
            if skew.name not in (path, path.rpartition("/")[2]):
                continue
            those = pl.lit(True)
        elif skew.kind == "service":
            names = [pl.col("svc").str.splitn(".", 2).struct[0]] if "svc" in frame.columns else []
            names += [pl.col("service")] if "service" in frame.columns else []
            those = (pl.coalesce(names) == skew.name).fill_null(False) if names else pl.lit(False)
        else:
            if "node" not in frame.columns:
                continue
            those = (pl.col("node") == skew.name).fill_null(False)
        moved = [name for name in ("time", *EVIDENCE_TIMES) if name in frame.columns]
        frame = frame.with_columns(
            pl.when(those).then(pl.col(name) + pl.duration(nanoseconds=skew.by))
            .otherwise(name).cast(TIME).alias(name)
            for name in moved
        )  # fmt: skip
    return frame


class Carry:
    """The last time seen in a file: a line without a time of its own (a stack trace) takes it."""

    def __init__(self) -> None:
        self._last: int | None = None

    def apply(
        self, frame: pl.DataFrame, before: pl.Series | None = None, latest: int | None = None
    ) -> pl.DataFrame:
        """FRAME, the next rows of the file, with times carried on; the state moves behind it.

        BEFORE and LATEST are as in `formats.base.Grouped`, where other lines stand between.
        """
        if frame.is_empty():
            self._last = self._last if latest is None else latest
            return frame
        time = frame["time"]
        told = time.cast(pl.Int64)
        if before is not None:
            both = pl.DataFrame([before.alias("before"), told.alias("own")])
            told = both.select(pl.concat_list("before", "own").explode().forward_fill())[
                "before"
            ].gather_every(2, 1)
        missing = (frame["kind"] == "event") & time.is_null()
        if missing.any():
            told = told.forward_fill()
            if self._last is not None:
                told = told.fill_null(self._last)
            carried = told.cast(TIME)
            frame = frame.with_columns(
                time=pl.when(missing).then(carried).otherwise(time),
                time_from=pl.when(missing & carried.is_not_null())
                .then(pl.lit("carried", _WHENCE))
                .otherwise("time_from"),
            )
        last = told.drop_nulls()
        if latest is not None:
            self._last = latest
        elif len(last):
            self._last = int(last[-1])
        return frame


class Documents:
    """Which documents, by `_index` and `_id`, were seen: the second time they are duplicates.

    Kept as 64-bit hashes in sorted runs that double in length, 8 bytes a document. For a hundred
    million documents the chance that two different ids look alike is 3 in 10,000.
    """

    def __init__(self) -> None:
        self._runs: list[pl.Series] = []

    def mark(self, frame: pl.DataFrame) -> pl.DataFrame:
        """FRAME with the kind `duplicate` where the document came before."""
        ids = _documents(frame)
        if ids is None:
            return frame
        again = self._again(ids["known"])
        return _marked(frame, ids["row"].filter(again)) if again.any() else frame

    def mark_groups(self, frame: pl.DataFrame, grouped: Grouped) -> tuple[pl.DataFrame, Grouped]:
        """The same of a block whose lines are in groups, but for those in FRAME."""
        if grouped.by_line is None:
            return self.mark(frame), grouped
        rows = grouped.by_line.filter(pl.col("document") != 0)
        at = pl.col("line").cast(pl.Int64)
        both = rows.select(at, known="document", row=pl.lit(None, pl.UInt32))
        ids = _documents(frame)
        if ids is not None:
            lines = frame["line"].gather(ids["row"])
            both = pl.concat([both, ids.select(lines, "known", "row")]).sort(at)
        again = both.filter(self._again(both["known"]))
        if again.is_empty():
            return frame, grouped
        return (
            _marked(frame, again["row"].drop_nulls()),
            _without(grouped, grouped.by_line, again.filter(pl.col("row").is_null())["line"]),
        )

    def _again(self, ids: pl.Series) -> pl.Series:
        """Which of IDS came before; those that did not are known from now on."""
        again = ~ids.is_first_distinct()
        for run in self._runs:
            place = run.search_sorted(ids, side="left").clip(0, len(run) - 1)
            again |= run.gather(place) == ids
        self._add(ids.filter(~again).sort())
        return again

    def _add(self, run: pl.Series) -> None:
        if run.is_empty():
            return
        self._runs.append(run)
        while len(self._runs) > 1 and len(self._runs[-1]) * 2 > len(self._runs[-2]):
            last = self._runs.pop()
            self._runs[-1] = pl.concat([self._runs[-1], last]).sort()


def _documents(frame: pl.DataFrame) -> pl.DataFrame | None:
    """row, known: the place of each document in FRAME, and its index and id in 64 bits."""
    if "doc_id" not in frame.columns or frame["doc_id"].null_count() == len(frame):
        return None
    countable = pl.col("kind").is_in(["event", "evidence"]) & pl.col("doc_id").is_not_null()
    # A column in which all is null is left out, and a document need not name its index.
    named = "doc_index" in frame.columns
    index = pl.col("doc_index").fill_null("") if named else pl.lit("")
    rows = (
        frame.with_row_index("row").filter(countable).select("row", "doc_id", index.alias("index"))
    )
    if native.is_built():
        known = native.bits(rows["doc_id"], native.bits(rows["index"]))
    else:
        known = rows.select(pl.struct("index", "doc_id").hash(0)).to_series()
    return rows.select("row", known.alias("known"))


def _marked(frame: pl.DataFrame, rows: pl.Series) -> pl.DataFrame:
    if rows.is_empty():
        return frame
    kind = frame["kind"].cast(pl.String).scatter(rows, "duplicate").cast(KIND)
    return frame.with_columns(kind=kind)


def _without(grouped: Grouped, lines: pl.DataFrame, again: pl.Series) -> Grouped:
    """GROUPED, of LINES, with those AGAIN in groups of their own, of the kind `duplicate`."""
    twice = pl.col("line").is_in(again.implode())
    stats = ("lines", "dated", "first", "last", "first_line", "last_line")
    texts = grouped.groups.drop(stats).with_row_index("group")
    parts, by_line = [], lines.with_row_index("row").with_columns(twice=twice)
    for is_twin in (False, True):
        counts = (
            by_line.filter(pl.col("twice") == is_twin)
            .group_by("group")
            .agg(
                lines=pl.len().cast(pl.Int64),
                dated=pl.len().cast(pl.Int64),
                first=pl.col("time").min().cast(TIME),
                last=pl.col("time").max().cast(TIME),
                first_line=pl.col("line").min(),
                last_line=pl.col("line").max(),
            )
        )
        part = texts.join(counts, on="group", maintain_order="left")
        if is_twin:
            part = part.with_columns(kind=pl.lit("duplicate", KIND))
        parts.append(part)
    place = parts[0].select("group", place=pl.int_range(pl.len(), dtype=pl.UInt32))
    kept = by_line.filter(~pl.col("twice")).join(place, on="group", maintain_order="left")
    rows = kept.select("row", place=pl.int_range(pl.len(), dtype=pl.UInt32))
    kept = kept.with_columns(group="place").drop("place", "twice", "row")
    requests = kept.select("group", "request").filter(pl.col("request") != 0).unique()
    spots = grouped.spots
    if spots is not None and spots.height:
        spots = spots.join(rows, on="row", maintain_order="left").select("ip", row="place")
    groups = pl.concat(parts).select(grouped.groups.columns)
    return grouped._replace(groups=groups, requests=requests, by_line=kept, spots=spots)
