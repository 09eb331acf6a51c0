"""What the page's script draws, as lists: so 5,000 containers stay small."""

from __future__ import annotations

from typing import Any, Final

from cuidx.charts.lanes import Bar
from cuidx.charts.theme import Legend
from cuidx.present.cells import clip, text
from cuidx.report.facts import Facts, Row
from cuidx.report.words import CHANGES, Words, changes

_LONGEST: Final = 200  # cells of a line's text: a page of 5,000 containers has as many


def data(facts: Facts, words: Words) -> dict[str, Any]:
    """All texts as they are shown: controls and direction marks are visible already.

    lanes    [label, kind]
    bars     [lane, first, last, service, name, container, pod, lines, errors, change, free from]
    marks    [bar, at, count, message, place]
    rows     [name, container, service, pod, addresses, first, last, end, lines, errors, requests,
              source, line, reused, text of that line]
    changes  what each change is in words

    Times are milliseconds (without a clock: lines) since `low`; a service is its number.
    """
    lanes = facts.lanes
    unit, low = (1 if words.ordered else 1e6), lanes.low

    def when(at: int) -> float:
        return round((at - low) / unit, 3)

    legend = Legend.of(bar.service for bar in lanes.bars)
    entries = list(legend.colours)
    written = {legend.entry(bar.service): legend.written(bar.service) for bar in lanes.bars}
    numbers = {one.path: at for at, one in enumerate(facts.sources)}
    on_lane: dict[int, list[Bar]] = {}
    for bar in lanes.bars:
        on_lane.setdefault(bar.lane, []).append(bar)
    how = {
        id(bar): key
        for bars in on_lane.values()
        for bar, key in zip(bars, changes([(b.change, b.pod) for b in bars]), strict=True)
    }
    return {
        "ordered": words.ordered,
        "low": low / unit,
        "high": when(lanes.high),
        "services": [[name, legend.colours[name], written.get(name, "#000")] for name in entries],
        "lanes": [[text(lane.label), lane.kind] for lane in lanes.lanes],
        "bars": [
            [
                bar.lane, when(bar.first), when(bar.last), entries.index(legend.entry(bar.service)),
                bar.name, text(bar.holder), text(bar.pod), bar.lines, bar.errors, how[id(bar)],
                None if bar.free_from is None else when(bar.free_from),
            ]
            for bar in lanes.bars
        ],
        "marks": [
            [mark.bar, when(mark.at), mark.count, text(mark.message),
             f"{text(mark.source)}:{mark.line}"]
            for mark in lanes.marks
        ],
        "changes": CHANGES,
        "sources": [text(one.path) for one in facts.sources],
        "rows": [_row(row, words, numbers, facts.texts) for row in facts.containers],
    }  # fmt: skip


def _row(
    row: Row, words: Words, numbers: dict[str, int], texts: dict[tuple[str, int], str]
) -> list[Any]:
    source, line = row["at"] or (None, None)
    return [
        words.short(row["container"]),
        text(row["container"]),
        text(row["service"]),
        text(row["pod"]),
        text(row["ips"]),
        row["first_seen"],
        row["last_seen"],
        row["end"],
        row["lines"],
        row["errors"],
        row["requests"],
        None if source is None else numbers.get(source),
        line,
        int(bool(row["reused_ips"])),
        clip(text(texts.get(row["at"], "")), _LONGEST),
    ]
