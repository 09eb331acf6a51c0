"""What a report needs, and how often the sources are read for it.

One look for who and when (two where leases need each line's time), one for the searches, one for
errors and the alerts' messages, one for findings; with filters one more, for what they leave. Last
the bytes of each file, for its SHA-256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from cuidx.analyses.alert_groups import alert_groups
from cuidx.analyses.marks import marks
from cuidx.case.pictures import lanes as drawn
from cuidx.enrich.leases import PLACE, SECOND, Address, Lease
from cuidx.present.rows import json_rows
from cuidx.report.facts import Alerts, Facts, Read, Row, Tenure
from cuidx.sources.paths import STDIN

if TYPE_CHECKING:
    from cuidx.analyses.steps import Steps
    from cuidx.case.filters import Filters
    from cuidx.case.story import Story

_TOLD: Final = 200  # groups of alerts, and findings, whose lines' texts are looked up
_LONGEST: Final = 300  # characters of a text


def gathered(
    story: Story,
    filters: Filters,
    steps: Steps,
    *,
    lifetimes: pl.DataFrame,
    reuse: pl.DataFrame,
    findings: pl.DataFrame,
    warnings: list[str],
    services: dict[str, str],
    alerts_are: str,
    search: str,
    window: str,
) -> Facts:
    """The facts of STORY, with the answers of the questions that a Case has."""
    groups = alert_groups(steps)
    containers = _placed(story, filters, json_rows(lifetimes))
    found = json_rows(findings)
    wanted = _wanted(groups, containers, found)
    texts: dict[tuple[str, int], str] = {}

    def blocks() -> Iterator[tuple[int, pl.DataFrame]]:
        for place, rows in filters.blocks(filters.want | {"message", "level"}):
            _note(rows, wanted, texts)
            yield place, rows

    errors = marks(blocks(), story.clock)
    lanes = drawn(story, filters, lifetimes, errors)
    return Facts(
        accounting=story.accounting.as_json(),
        sources=list(_sources(story)),
        warnings=warnings,
        zone=_zone(story),
        chosen=filters.said,
        containers=containers,
        ips=json_rows(reuse),
        lanes=lanes,
        services=services,
        groups=groups,
        alerts=[_alerts(story, row, texts) for row in groups.iter_rows(named=True)],
        alerts_are=alerts_are,
        totals=steps.totals,
        spared=int(steps.spared.sum()) if steps.spared.count() else None,
        search=search,
        window=window,
        findings=found,
        texts=texts,
    )


def _wanted(
    groups: pl.DataFrame, containers: list[Row], findings: list[Row]
) -> dict[str, list[int]]:
    """The lines of each source whose text is wanted: of alerts, findings, and each container."""
    places = set(groups.head(_TOLD).select("source", "line").iter_rows())
    places |= {(at["source"], at["line"]) for row in findings[:_TOLD] for at in row["lines"]}
    places |= {row["at"] for row in containers if row["at"] is not None}
    wanted: dict[str, list[int]] = {}
    for source, line in sorted(places):
        wanted.setdefault(source, []).append(line)
    return wanted


def _note(
    rows: pl.DataFrame, wanted: dict[str, list[int]], texts: dict[tuple[str, int], str]
) -> None:
    """The texts of the lines WANTED among ROWS, of one source."""
    if rows.is_empty():
        return
    source = str(rows["source"][0])
    found = rows.filter(pl.col("line").is_in(wanted.get(source, [])))
    for line, message in found.select("line", "message").iter_rows():
        cut = f"{message[:_LONGEST]}\u2026" if len(message or "") > _LONGEST else message or ""
        texts.setdefault((source, line), cut)


def _sources(story: Story) -> Iterator[Read]:
    counted = {bins.path: bins for bins in story.accounting.sources}
    for one in story.opened:
        bins = counted.get(one.path)
        yield Read(
            one.path,
            one.format,
            bins.records if bins else 0,
            bins.events if bins else 0,
            bins.unreadable if bins else 0,
            _sha256(one.path),
            one.left_out or (None if bins else "read for its leases alone"),
        )


def _sha256(path: str) -> str | None:
    file = Path(path)
    if path == STDIN or not file.is_file():
        return None
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


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
