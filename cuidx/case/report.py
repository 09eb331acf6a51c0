"""What a report needs, and how often the sources are read for it.

One look for who and when (two where leases need each line's time), one for the searches, one for
findings, errors and messages; with filters one more, for what they leave. Where a message was not
at hand in that look, its line is read alone as the bytes of its file pass for the SHA-256; lines
of findings that can't be read alone need one more look.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from cuidx.analyses.alert_groups import alert_groups
from cuidx.analyses.blocks import Block
from cuidx.analyses.marks import Marks
from cuidx.case.findings import findings
from cuidx.case.look import messages
from cuidx.case.pictures import lanes as drawn
from cuidx.enrich.leases import PLACE, SECOND, Address, Lease
from cuidx.present.rows import json_rows
from cuidx.report.facts import Alerts, Facts, Read, Row, Tenure
from cuidx.sources.paths import STDIN

if TYPE_CHECKING:
    from cuidx.analyses.steps import Steps
    from cuidx.case.filters import Filters
    from cuidx.case.story import Story

Place = tuple[str, int]  # source and line
_TOLD: Final = 200  # groups of alerts, and findings, whose lines' texts are looked up
_LONGEST: Final = 300  # characters of a text


def gathered(
    story: Story,
    filters: Filters,
    steps: Steps,
    *,
    lifetimes: pl.DataFrame,
    reuse: pl.DataFrame,
    warnings: list[str],
    services: dict[str, str],
    alerts_are: str,
    search: str,
    window: str,
) -> Facts:
    """The facts of STORY, with the answers of the questions that a Case has."""
    groups = alert_groups(steps)
    containers = _placed(story, filters, json_rows(lifetimes))
    texts = _Texts(story, filters)
    texts.want(groups.head(_TOLD).select("source", "line").iter_rows())
    texts.want(row["at"] for row in containers if row["at"] is not None)
    errors, paths = Marks(story.clock), story.paths

    def beside(block: Block) -> None:
        errors.add(block, paths[block.place])
        texts.note(block)

    found = json_rows(findings(story, filters, beside))
    texts.want((at["source"], at["line"]) for row in found[:_TOLD] for at in row["lines"])
    texts.look_again()
    texts.want(errors.untold(), shown=False)
    sources = list(_sources(story, texts, filters.want))
    lanes = drawn(story, filters, lifetimes, errors.table(texts.found))
    told = texts.told()
    return Facts(
        accounting=story.accounting.as_json(),
        sources=sources,
        warnings=warnings,
        zone=_zone(story),
        chosen=filters.said,
        containers=containers,
        ips=json_rows(reuse),
        lanes=lanes,
        services=services,
        groups=groups,
        alerts=[_alerts(story, row, told) for row in groups.iter_rows(named=True)],
        alerts_are=alerts_are,
        totals=steps.totals,
        spared=int(steps.spared.sum()) if steps.spared.count() else None,
        search=search,
        window=window,
        findings=found,
        texts=told,
    )


class _Texts:
    """The messages of some events: of alerts, findings, errors, and each container's first."""

    def __init__(self, story: Story, filters: Filters) -> None:
        self._story, self._filters = story, filters
        self._wanted: dict[str, set[int]] = {}
        self._shown: set[Place] = set()  # those of them that are shown by themselves
        self._last: dict[str, tuple[int, str, str]] = {}  # each source's last record
        self._in_groups: set[str] = set()  # sources that have lines in groups
        self.found: dict[Place, str | None] = {}

    def want(self, places: Iterable[Place], *, shown: bool = True) -> None:
        """Those of the events at PLACES are wanted; SHOWN by themselves, or for a chart alone."""
        for source, line in places:
            self._wanted.setdefault(source, set()).add(line)
            if shown:
                self._shown.add((source, line))

    def note(self, block: Block) -> None:
        """Take those that are at hand in BLOCK."""
        source = self._story.paths[block.place]
        self._last[source] = block.last
        if block.groups is not None:
            self._in_groups.add(source)
        if block.events is not None:
            self._take(source, block.events)

    def _take(self, source: str, events: pl.DataFrame) -> None:
        if source in self._wanted:
            at = pl.col("line").is_in(list(self._wanted[source]))
            for row in events.filter(at).iter_rows(named=True):
                self.add(source, row["line"], row.get("message"))

    def add(self, source: str, line: int, message: str | None) -> None:
        """MESSAGE is that of an event; of several on a line the first one counts."""
        self.found.setdefault((source, line), message and message[: _LONGEST + 1])

    def look_again(self) -> None:
        """Read all once more for those that are still missing and can't be read alone."""
        if any(self._missing(source) for source in self._wanted.keys() - self._in_groups):
            paths = self._story.paths
            for place, rows in self._filters.blocks(self._filters.want | {"message"}):
                self._take(paths[place], rows)

    def alone(self, source: str) -> set[int]:
        """The lines of SOURCE that are still to be read, each alone."""
        return self._missing(source) if source in self._in_groups else set()

    def _missing(self, source: str) -> set[int]:
        missing = {n for n in self._wanted.get(source, ()) if (source, n) not in self.found}
        line, kind, _ = self._last.get(source, (0, "", ""))
        return missing if kind == "event" else missing - {line}

    def told(self) -> dict[Place, str]:
        """Those that are shown by themselves, cut if they are long."""
        cut = {}
        for place, message in self.found.items():
            if place in self._shown:
                text = message or ""
                cut[place] = f"{text[:_LONGEST]}\u2026" if len(text) > _LONGEST else text
        return cut


def _sources(story: Story, texts: _Texts, want: frozenset[str]) -> Iterator[Read]:
    """What was read, with its SHA-256; on the way lines are looked up that TEXTS lacks."""
    counted = {bins.path: bins for bins in story.accounting.sources}
    for at, one in enumerate(story.opened):
        bins = counted.get(one.path)
        lines, path, digest = texts.alone(one.path), Path(one.path), None
        is_file = one.path != STDIN and path.is_file()
        if is_file:
            digest = hashlib.sha256()
            chunks = _chunks(path, digest)
        if lines:
            plain = chunks if is_file and one.compression is None else None
            for line, message in messages(story, at, lines, want, plain):
                texts.add(one.path, line, message)
        if is_file:
            deque(chunks, maxlen=0)
        yield Read(
            one.path,
            one.format,
            bins.records if bins else 0,
            bins.events if bins else 0,
            bins.unreadable if bins else 0,
            None if digest is None else digest.hexdigest(),
            one.left_out or (None if bins else "read for its leases alone"),
        )


def _chunks(path: Path, digest: hashlib._Hash) -> Iterator[bytes]:
    """The bytes of a file; DIGEST is of those that were given."""
    with path.open("rb", buffering=0) as stream:
        while chunk := stream.read(1 << 16):
            digest.update(chunk)
            yield chunk


def _zone(story: Story) -> str:
    zoneless, tz = story.zoneless, story.records.options.tz
    if story.clock == "order":
        return "No line has a time; the order of lines stands for it."
    if not zoneless:
        return "Every time carries its zone; all are shown in UTC."
    how = "as was asked for" if story.zone_said else "which is an assumption"
    return f"{zoneless:,} times carry no zone and were read as {tz}, {how}; all are shown in UTC."


def _placed(story: Story, filters: Filters, containers: list[Row]) -> list[Row]:
    """CONTAINERS with `at`: the source and number of the first line of each, or None."""
    summary = filters.shown() or story.book[0]
    first = (
        summary.groups.filter((pl.col("kind") == "event") & pl.col("container").is_not_null())
        .sort("first", "source", "first_line", nulls_last=True)
        .unique("container", keep="first", maintain_order=True)
    )
    places = {
        container: (story.paths[source], line)
        for container, source, line in first.select("container", "source", "first_line").iter_rows()
    }
    return [{**row, "at": places.get(row["container"])} for row in containers]


def _alerts(story: Story, row: Row, texts: dict[tuple[str, int], str]) -> Alerts:
    """The alerts of ROW with whose the address was then, before and after."""
    message = texts.get((row["source"], row["line"]), "")
    address = next((one for one in story.book[1] if one.ip == row["ip"]), None)
    at = row["at"]
    if story.clock == "order":
        at = story.paths.index(row["source"]) * PLACE + row["line"]
    if address is None or at is None:
        return Alerts(row, message, None, None, None)
    index = _held(address, row["container"], at)
    if index is None:
        return Alerts(row, message, None, None, None)
    mine = address.leases[index]
    before = [one for one in address.leases[:index] if one.last <= mine.first + SECOND]
    after = [one for one in address.leases[index + 1 :] if one.first >= mine.last - SECOND]
    return Alerts(
        row, message, _tenure(story, mine), _tenure(story, *before[-1:]), _tenure(story, *after[:1])
    )


def _held(address: Address, container: str | None, at: int) -> int | None:
    """Which lease of ADDRESS is CONTAINER's at that time."""
    mine = [i for i, lease in enumerate(address.leases) if container in lease.containers]
    begun = [i for i in mine if address.leases[i].first <= at + SECOND]
    return begun[-1] if begun else next(iter(mine), None)


def _tenure(story: Story, *lease: Lease) -> Tenure | None:
    if not lease:
        return None
    one = lease[0]
    first, last = one.first, one.last
    if story.clock == "order":
        first, last = first % PLACE, last % PLACE
    return Tenure(one.holder, one.service, first, last)


def alerts_in_words(alert: Sequence[str] | str, alert_level: str | None) -> str:
    """What the alerts of a report are, for its reader."""
    said = [alert] if isinstance(alert, str) else list(alert)
    words = [*said, *([f"events of level {alert_level} and above"] if alert_level else [])]
    return ", ".join(words)
