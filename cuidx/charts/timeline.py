"""The lifetimes chart: a lane for each address, a bar for each holder, a mark where errors are."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from cuidx.charts.lanes import Lanes
from cuidx.charts.theme import ERROR, LETTER, Legend
from cuidx.present.accounting import many
from cuidx.present.cells import text
from cuidx.present.timeaxis import clock, day, duration

if TYPE_CHECKING:
    import altair as alt

_WIDTH: Final = 720
_FEW, _STEP, _LOW_STEP = 24, 22, 15  # up to so many lanes are this high; more are lower
_THIN: Final = 0.003  # of the whole: no bar is thinner


def timeline_chart(lanes: Lanes, most: int = 60, *, ink: str = "#333") -> alt.LayerChart:
    """LANES as a chart; of more than MOST lanes, those with most holders.

    In a notebook it zooms and moves along the time, and a click in the legend picks a service.
    """
    import altair as alt

    kept = _kept(lanes, most)
    step = _STEP if len(kept) <= _FEW else _LOW_STEP
    legend = Legend.of(bar.service for bar in lanes.bars)
    bars = [_bar(lanes, at, kept, legend) for at, bar in enumerate(lanes.bars) if bar.lane in kept]
    marks = [_mark(lanes, at, kept) for at in range(len(lanes.marks))
             if lanes.bars[lanes.marks[at].bar].lane in kept]  # fmt: skip
    order = list(kept.values())
    y = alt.Y("lane:N", sort=order, scale=alt.Scale(domain=order), title=None,
              axis=alt.Axis(grid=False, ticks=False, domain=False))  # fmt: skip
    kind = "T" if lanes.clock == "time" else "Q"
    span = [_x(lanes, lanes.low), _x(lanes, lanes.high)]
    axis = alt.Scale(domain=span, type="utc" if kind == "T" else "linear")
    ruler = alt.Axis(format=_ticks(lanes), title="UTC" if kind == "T" else "line", tickMinStep=1)
    x = alt.X(f"first:{kind}", scale=axis, axis=ruler)
    chosen = alt.selection_point(fields=["service"], bind="legend")
    zoom = alt.selection_interval(bind="scales", encodings=["x"])
    base = alt.Chart(alt.NamedData("bars")).encode(x=x, y=y)
    free = base.transform_filter("isValid(datum.free_from)").encode(
        x=alt.X(f"free_from:{kind}", scale=axis, axis=ruler),
        x2="first",
    ).mark_rule(stroke=ink, strokeDash=[1, 3], opacity=0.7)  # fmt: skip
    lived = base.mark_bar(height=step * 0.64, stroke=ink, strokeWidth=0.4).encode(
        x2="last", color=legend.encoding(), tooltip=[alt.Tooltip(f"{name}:N") for name in _TOLD],
        opacity=alt.condition(chosen, alt.value(1.0), alt.value(0.12)),
    ).add_params(chosen, zoom)  # fmt: skip
    handed = base.transform_filter("datum.change != 'first'").mark_tick(
        orient="vertical", thickness=2, height=step * 0.95, color=ink, opacity=1
    )
    named = base.transform_filter("datum.room").mark_text(
        align="left", dx=5, fontSize=10 if step == _STEP else 9
    ).encode(text="name:N", color=alt.Color("written:N", scale=None))  # fmt: skip
    wrong = alt.Chart(alt.NamedData("errors")).encode(x=x, y=y).mark_point(
        shape="triangle-down", filled=True, color=ERROR, opacity=1, size=26, stroke=ink,
        strokeWidth=0.4, yOffset=-step * 0.4,
    ).encode(tooltip=[alt.Tooltip(f"{name}:N") for name in _SAID])  # fmt: skip
    head, below = _title(lanes, len(kept))
    title = alt.TitleParams([head], subtitle=[below])
    layers = [free, lived, handed, named, *([wrong] if marks else [])]
    datasets = {"bars": bars, "errors": marks}  # once, not with each layer
    chart = alt.LayerChart(layer=layers, title=title, datasets=datasets)
    return chart.properties(width=_WIDTH, height=alt.Step(step))


_TOLD: Final = ("container", "address", "pod", "from", "to", "lines", "errors", "change")
_SAID: Final = ("errors", "time", "message", "line")


def _ticks(lanes: Lanes) -> str:
    """How the axis writes its times, all digits of a day; or its line numbers."""
    if lanes.clock == "order":
        return ",d"
    days = (lanes.high - lanes.low) / 86_400e9
    return "%H:%M:%S" if days < 0.1 else "%H:%M" if days < 1 else "%m-%d %H:%M"


def _kept(lanes: Lanes, most: int) -> dict[int, str]:
    """The lanes that are drawn, in order, with labels that differ."""
    holders = Counter(bar.lane for bar in lanes.bars)
    best = sorted(range(len(lanes.lanes)), key=lambda lane: (-holders[lane], lane))[:most]
    seen = Counter[str]()
    kept: dict[int, str] = {}
    for lane in sorted(best):
        label = text(lanes.lanes[lane].label)
        seen[label] += 1
        kept[lane] = label if seen[label] == 1 else f"{label} ({seen[label]})"
    return kept


def _x(lanes: Lanes, at: int) -> float:
    return at / 1e6 if lanes.clock == "time" else at


def _when(lanes: Lanes, at: int) -> str:
    if lanes.clock == "order":
        return f"line {at:,}"
    return f"{day(at // 1000)} {clock(at // 1000, date=False)} UTC"


def _bar(lanes: Lanes, index: int, kept: dict[int, str], legend: Legend) -> dict[str, Any]:
    bar = lanes.bars[index]
    whole = lanes.high - lanes.low
    last = max(bar.last, bar.first + int(whole * _THIN))
    room = (last - bar.first) / whole * _WIDTH - 8
    return {
        "lane": kept[bar.lane],
        "first": _x(lanes, bar.first),
        "last": _x(lanes, last),
        "free_from": None if bar.free_from is None else _x(lanes, bar.free_from),
        "service": legend.entry(bar.service),
        "name": bar.name,
        "written": legend.written(bar.service),
        "room": len(bar.name) * LETTER <= room,
        "container": ", ".join(map(text, bar.containers)),
        "address": lanes.lanes[bar.lane].label if lanes.lanes[bar.lane].kind != "none" else "-",
        "pod": text(bar.pod) or "-",
        "from": _when(lanes, bar.first),
        "to": _when(lanes, bar.last),
        "lines": f"{bar.lines:,}",
        "errors": f"{bar.errors:,}",
        "change": bar.change,
    }


def _mark(lanes: Lanes, index: int, kept: dict[int, str]) -> dict[str, Any]:
    mark = lanes.marks[index]
    return {
        "lane": kept[lanes.bars[mark.bar].lane],
        "first": _x(lanes, mark.at),
        "errors": many(mark.count, "error"),
        "time": _when(lanes, mark.at),
        "message": text(mark.message),
        "line": f"{text(mark.source)}:{mark.line}",
    }


def _title(lanes: Lanes, kept: int) -> tuple[str, str]:
    reused = len({lane.label for lane in lanes.lanes if lane.kind == "reused"})
    head = f"{many(len(lanes.bars), 'container')} on their addresses, {reused:,} reused"
    how = "a tick: the address changes hands, ···: nobody is seen with it, ▼: errors"
    parts = [how]
    if lanes.clock == "time" and lanes.bars:
        parts.append(f"{_when(lanes, lanes.low)}, {duration((lanes.high - lanes.low) // 1000)}")
    if kept < len(lanes.lanes):
        parts.append(f"{kept} of {len(lanes.lanes):,} lanes: those with most holders")
    return head, " · ".join(parts)
