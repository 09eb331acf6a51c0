"""Split: which file each input line goes to, and the lines themselves, byte for byte.

Records say their source and line; the bytes are read a second time beside them, so memory grows
with files to write and not with lines. A line goes where its records belong: to one container,
to `_mixed` if they are of several, to `_untagged` if they are of none. Pieces of a record go with
its first one, a duplicate goes where its twin went. What has no lines of its own (Parquet, Arrow,
or one document of many lines that holds many records) goes whole to a file of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby, islice
from typing import Final, Literal, Protocol, cast

import polars as pl

from cuidx.enrich.leases import PLACE, Address, Clock, Lease
from cuidx.enrich.summary import Summary
from cuidx.schema import TIME

By = Literal["container", "service", "ip-lease"]
BYS: Final[tuple[By, ...]] = ("container", "service", "ip-lease")
FILES: Final = pl.Schema(
    {
        "path": pl.String(),  # the file's name in the folder
        "kind": pl.Enum((*BYS, "untagged", "mixed", "document")),
        "container": pl.String(),  # with ip-lease: the holder
        "service": pl.String(),
        "pod": pl.String(),
        "ips": pl.List(pl.String()),
        "lines": pl.Int64(),
        "bytes": pl.Int64(),
        "first": TIME,  # of the events in it
        "last": TIME,
        "sources": pl.List(pl.String()),
    }
)
# A place is a target's number; these are always there.
_LEFT_OUT, _UNTAGGED, _MIXED = -1, 0, 1


@dataclass(slots=True)
class Target:
    """One file to write: what it is for, and what went there."""

    key: str
    kind: str
    container: str | None = None
    service: str | None = None
    pod: str | None = None
    ips: Sequence[str] = ()
    times: tuple[int, int] | None = None  # of the first and the last event, ns
    begins: tuple[int, int] | None = None  # (source, line) of its first line
    sources: set[int] = field(default_factory=set)

    def saw(self, source: int, line: int, first: int | None, last: int | None) -> None:
        """Take in that lines of SOURCE, from LINE on, between FIRST and LAST (ns), went here."""
        self.sources.add(source)
        self.begins = min(self.begins or (source, line), (source, line))
        if first is not None and last is not None:
            before = self.times or (first, last)
            self.times = min(before[0], first), max(before[1], last)


class Writer(Protocol):
    """Where lines go."""

    def add(self, lines: Sequence[bytes], places: Sequence[int]) -> None:
        """Write each line and a newline to its place; one below 0 is none."""

    def unended(self, line: bytes, place: int) -> None:
        """Write a line that has no newline."""

    def document(self, path: str) -> None:
        """Make the next place: that of a whole document, the source PATH."""


def targets(summary: Summary, addresses: Sequence[Address], by: By) -> list[Target]:
    """`_untagged` and `_mixed`, then one target for each container, service or lease, by key."""
    fixed = [Target("_untagged", "untagged"), Target("_mixed", "mixed")]
    if by == "ip-lease":
        found = _leases(addresses)
        return fixed + [
            Target(key, by, lease.holder, lease.service, lease.pod, (lease.ip,))
            for key, lease in found
        ]
    groups = summary.groups.filter(pl.col("kind") == "event").drop_nulls(by)
    if by == "container":
        groups = groups.filter(pl.col("identity") != "none")
    facts = groups.group_by(by).agg(
        pl.col("pod").min(),
        pl.col("ip").drop_nulls().unique().sort(),
        other=pl.col("service" if by == "container" else "container").min(),
    )
    rows = facts.select(by, "other", "pod", "ip").sort(by).iter_rows()
    if by == "service":
        return fixed + [Target(key, by, service=key, ips=ips) for key, _, _, ips in rows]
    return fixed + [Target(key, by, key, service, pod, ips) for key, service, pod, ips in rows]


def _leases(addresses: Sequence[Address]) -> list[tuple[str, Lease]]:
    found = []
    for address in addresses:
        seen: dict[str, int] = {}
        for lease in address.leases:
            again = seen[lease.holder] = seen.get(lease.holder, 0) + 1
            key = f"{lease.ip}_{lease.holder}" + (f"_{again}" if again > 1 else "")
            found.append((key, lease))
    return found


class Keys:
    """Which target each record belongs to."""

    def __init__(self, addresses: Sequence[Address], by: By, clock: Clock) -> None:
        self._by, self._clock = by, clock
        rows = [
            (lease.ip, container, lease.first, lease.last, key)
            for key, lease in _leases(addresses)
            for container in lease.containers
        ]
        self._book = pl.DataFrame(
            rows, orient="row",
            schema={"ip": pl.String, "container": pl.String, "from": pl.Int64, "to": pl.Int64,
                    "key": pl.String},
        )  # fmt: skip

    def of(self, frame: pl.DataFrame) -> pl.Series:
        """The keys of FRAME's records; null for one that belongs nowhere."""
        if self._by == "service":
            return frame["service"]
        if self._by == "container":
            known = frame["identity"] != "none"
            return frame.select(pl.when(known).then("container")).to_series()
        at = (
            pl.col("time").cast(pl.Int64)
            if self._clock == "time"
            else pl.col("place") * PLACE + pl.col("line")
        )
        rows = frame.select("ip", "container", at=at).with_row_index("row")
        held = rows.join(self._book, on=["ip", "container"]).filter(
            pl.col("at").is_between("from", "to")
        )
        first = held.unique("row", keep="first", maintain_order=True).select("row", "key")
        return rows.join(first, on="row", how="left", maintain_order="left")["key"]


def split(
    frames: Iterable[pl.DataFrame],
    raw: Callable[[int], Iterator[bytes]],
    files: list[Target],
    keys: Keys,
    writer: Writer,
    *,
    names: Sequence[str],
    whole: frozenset[int] = frozenset(),
    twins: Mapping[int, int] | None = None,
    repeated: pl.DataFrame | None = None,
    keep: Callable[[pl.DataFrame], pl.Series] | None = None,
) -> None:
    """Send every line of all sources to WRITER, by the records that FRAMES have of it.

    FRAMES are all records in the order of sources and lines; `place` is the source, NAMES its
    path. RAW gives a source's bytes. FILES are the `targets`; whole documents are added to them.

    whole     sources without lines (Parquet, Arrow, whole documents)
    twins     sources that are the same file as another one, which comes before
    repeated  doc_index and doc_id of documents that come more than once
    keep      which events are wanted; the lines of all other records are then left out
    """
    router = _Router(files, keys, repeated, keep)
    twins = twins or {}
    went: dict[int, list[int]] = {at: [] for at in twins.values()}  # where a twin's lines went
    for source, frames_of_it in groupby(frames, key=lambda frame: int(frame["place"][0])):
        parts = iter(frames_of_it)
        both = list(islice(parts, 2))
        if source in whole or _is_document(both, raw, source):
            target = Target(names[source], "document")
            files.append(target)
            writer.document(names[source])
            wanted = [router.whole(frame, target, source) for frame in chain(both, parts)]
            place = len(files) - 1 if any(wanted) else _LEFT_OUT
            _Lines(raw(source), writer, place).finish()
            continue
        lines = _Lines(raw(source), writer, router.nowhere, went.get(source))
        for frame in chain(both, parts):
            numbers, places = router.lines(frame, source, went.get(twins.get(source, -1)))
            lines.send(numbers, places)
        lines.finish()


def _is_document(
    both: Sequence[pl.DataFrame],
    raw: Callable[[int], Iterator[bytes]],
    source: int,
) -> bool:
    """Whether several records share a unit of several lines, none of which stands for itself."""
    first = both[0]
    if "index" not in first.columns or first["index"].count() == 0:
        return False
    last = cast(int, first["line"].max())
    if first["line"].n_unique() < last:
        return True
    if len(both) > 1:
        return cast(int, both[1]["line"].min()) > last + 1
    count = sum(data.count(b"\n") + (not data.endswith(b"\n")) for data in raw(source))
    return count > last


class _Router:
    """The place of each line, by its records."""

    def __init__(
        self,
        files: list[Target],
        keys: Keys,
        repeated: pl.DataFrame | None,
        keep: Callable[[pl.DataFrame], pl.Series] | None,
    ) -> None:
        self._files, self._keys, self._repeated, self._keep = files, keys, repeated, keep
        self._places = {t.key: at for at, t in enumerate(files) if at > _MIXED}
        self._documents: dict[tuple[str, str], int] = {}  # where one went that comes again
        self.nowhere = _UNTAGGED if keep is None else _LEFT_OUT

    def lines(
        self, frame: pl.DataFrame, source: int, twin: Sequence[int] | None
    ) -> tuple[list[int], list[int]]:
        """(numbers, places) of the lines that FRAME's records stand in; of a TWIN, its places."""
        time = pl.col("time").cast(pl.Int64)
        rows = frame.select("line", first=time, last=time, at=self._records(frame))
        if rows["line"].n_unique() < len(rows):
            belongs = pl.col("at").filter(pl.col("at") > _MIXED)
            rows = rows.group_by("line", maintain_order=True).agg(
                pl.col("first").min(),
                pl.col("last").max(),
                at=pl.when(belongs.n_unique() > 1).then(_MIXED).otherwise(pl.col("at").max()),
            )
        if twin is not None:
            known = [twin[n - 1] if n <= len(twin) else self.nowhere for n in rows["line"]]
            rows = rows.with_columns(at=pl.Series(known, dtype=pl.Int64))
        if not rows["line"].is_sorted():
            rows = rows.sort("line", maintain_order=True)
        for at, line, first, last in (
            rows.group_by("at").agg(pl.min("line"), pl.min("first"), pl.max("last")).iter_rows()
        ):
            if at != _LEFT_OUT:
                self._files[at].saw(source, line, first, last)
        return rows["line"].to_list(), rows["at"].to_list()

    def whole(self, frame: pl.DataFrame, target: Target, source: int) -> bool:
        """Take FRAME in as records of one document, TARGET; whether one of them is wanted."""
        time = frame["time"].cast(pl.Int64)
        target.saw(source, 1, cast("int | None", time.min()), cast("int | None", time.max()))
        return self._keep is None or bool(self._keep(frame).any())

    def _records(self, frame: pl.DataFrame) -> pl.Series:
        """The place of each record, alone."""
        belongs = self._keys.of(frame).replace_strict(
            list(self._places), list(self._places.values()), default=_UNTAGGED,
            return_dtype=pl.Int64,
        ).fill_null(_UNTAGGED)  # fmt: skip
        event = frame["kind"] == "event"
        wanted = event if self._keep is None else event & self._keep(frame)
        rows = frame.select(
            "line", "kind", at=pl.when(wanted).then(belongs).otherwise(self.nowhere)
        )
        if (rows["kind"] == "fragment").any():
            rows = _with_its_record(rows, frame)
        if (rows["kind"] == "duplicate").any() and self._keep is None:
            again = rows["kind"] == "duplicate"
            rows = rows.with_columns(at=pl.when(again).then(belongs).otherwise("at"))
        if self._repeated is not None and "doc_id" in frame.columns:
            rows = self._with_its_twin(rows, frame)
        return rows["at"]

    def _with_its_twin(self, rows: pl.DataFrame, frame: pl.DataFrame) -> pl.DataFrame:
        """Duplicates at the place where the first of them went."""
        assert self._repeated is not None  # noqa: S101 - for mypy
        ids = frame.select(pl.col("doc_index").fill_null(""), "doc_id", kind=rows["kind"],
                           at=rows["at"]).with_row_index("row")  # fmt: skip
        moved = {}
        for row, index, ident, kind, at in ids.join(
            self._repeated, on=["doc_index", "doc_id"], how="semi", maintain_order="left"
        ).select("row", "doc_index", "doc_id", "kind", "at").iter_rows():  # fmt: skip
            if kind == "duplicate":
                moved[row] = self._documents.get((index, ident), at)
            else:
                self._documents.setdefault((index, ident), at)
        if not moved:
            return rows
        return rows.with_columns(rows["at"].scatter(list(moved), list(moved.values())))


def _with_its_record(rows: pl.DataFrame, frame: pl.DataFrame) -> pl.DataFrame:
    """Fragments at the place of the record that they are pieces of."""
    back = frame["back"] if "back" in frame.columns else pl.lit(None, pl.Int64)
    head = rows.filter(pl.col("kind") != "fragment").select("line", head="at")
    found = rows.select("kind", "at", own="line", line=pl.col("line") - back).join(
        head.unique("line", keep="first"), on="line", how="left", maintain_order="left"
    )
    # A format that does not say so puts the pieces right behind their record.
    before = pl.when(pl.col("kind") != "fragment").then("at").forward_fill()
    at = pl.when(pl.col("kind") == "fragment").then(pl.coalesce("head", before)).otherwise("at")
    return found.select("kind", at.alias("at"), line="own")


class _Lines:
    """The lines of one source, taken in order."""

    def __init__(
        self, blocks: Iterator[bytes], writer: Writer, place: int, went: list[int] | None = None
    ) -> None:
        self._blocks, self._writer, self._went = blocks, writer, went
        self._lines: list[bytes] = []
        self._from = 0  # of _lines, what was not sent yet
        self._sent = 0
        self._place = place  # of a line that no record names: it goes on with the one before

    def send(self, numbers: Sequence[int], places: Sequence[int]) -> None:
        """Write the lines with these NUMBERS (ascending) to their PLACES, and those between."""
        if not numbers:
            return
        if numbers[-1] - self._sent == len(numbers):  # as in every format of one record a line
            self._write(places)
            return
        filled = []
        at = self._sent
        for number, place in zip(numbers, places, strict=True):
            filled += [self._place] * (number - at - 1)
            filled.append(place)
            at, self._place = number, place
        self._write(filled)

    def finish(self) -> None:
        """Write what is left, to the place of the last record."""
        while self._from < len(self._lines) or self._more():
            self._write([self._place] * (len(self._lines) - self._from))

    def _write(self, places: Sequence[int]) -> None:
        done = 0
        while done < len(places):
            if self._from == len(self._lines) and not self._more():
                break  # the file became shorter meanwhile
            some = self._lines[self._from : self._from + len(places) - done]
            there = places[done : done + len(some)]
            self._from += len(some)
            done += len(some)
            if self._from == len(self._lines) and self._unended:
                self._writer.add(some[:-1], there[:-1])
                self._writer.unended(some[-1], there[-1])
            else:
                self._writer.add(some, there)
        if places:
            self._place = places[-1]
        self._sent += done
        if self._went is not None:
            self._went += places

    _unended = False

    def _more(self) -> bool:
        data = next(self._blocks, b"")
        self._lines, self._from = data.split(b"\n"), 0
        last = self._lines.pop()
        self._unended = bool(last)
        if last:
            self._lines.append(last)
        return bool(self._lines)
