"""The reuse chart: whose the lines are that a search for a reused address brings up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from cuidx.charts.theme import LETTER, Legend
from cuidx.present.accounting import many
from cuidx.present.cells import text
from cuidx.present.lanes import short_names

if TYPE_CHECKING:
    import altair as alt

_WIDTH: Final = 720
_STEP: Final = 22
Rows = Sequence[tuple[str, list[dict[str, Any]]]]


def reuse_chart(table: pl.DataFrame, most: int = 40, *, ink: str = "#333") -> alt.LayerChart:
    """REUSE as a chart: a row for each reused address, a piece for each holder, in order.

    Of more than MOST reused addresses, those with most lines.
    """
    import altair as alt

    reused = table.filter(pl.col("kind") == "reused")
    kept = reused.sort("ambiguous_lines", descending=True, maintain_order=True).head(most)
    rows: Rows = kept.select("ip", "holders").rows()
    legend = Legend.of(holder["service"] for _, holders in rows for holder in holders)
    longest = max((sum(h["lines"] for h in holders) for _, holders in rows), default=1) or 1
    names = _names(rows)
    pieces = [
        piece
        for ip, holders in rows
        for piece in _pieces(text(ip), holders, names, legend, _WIDTH / longest)
    ]
    order = [text(ip) for ip, _ in rows]
    ruler = alt.Axis(format=",d", tickMinStep=1)
    base = alt.Chart(alt.NamedData("pieces")).encode(
        x=alt.X("from:Q", title="lines that have the address", axis=ruler),
        y=alt.Y("ip:N", sort=order, scale=alt.Scale(domain=order), title=None,
                axis=alt.Axis(grid=False, ticks=False, domain=False)),
    )  # fmt: skip
    bars = base.mark_bar(height=_STEP * 0.7, stroke=ink, strokeWidth=0.8).encode(
        x2="to",
        color=legend.encoding(),
        tooltip=[alt.Tooltip(f"{name}:N") for name in ("container", "pod", "lines", "change")],
    )  # fmt: skip
    named = base.transform_filter("datum.room").mark_text(align="left", dx=4, fontSize=10).encode(
        text="name:N", color=alt.Color("written:N", scale=None)
    )  # fmt: skip
    head = f"{many(len(reused), 'IP')} reused: a search for one brings up lines of all its holders"
    below = f"the {most} with most lines of {len(reused):,}" if len(kept) < len(reused) else (
        "each piece is one container, in the order in which they had the address"
    )  # fmt: skip
    title = alt.TitleParams([head], subtitle=[below])
    chart = alt.LayerChart(layer=[bars, named], title=title, datasets={"pieces": pieces})
    return chart.properties(width=_WIDTH, height=alt.Step(_STEP))


def _names(rows: Rows) -> dict[str, str]:
    names = sorted({holder["container"] for _, holders in rows for holder in holders})
    return dict(zip(names, short_names([(text(name), "cuid") for name in names]), strict=True))


def _pieces(
    ip: str,
    holders: list[dict[str, Any]],
    names: dict[str, str],
    legend: Legend,
    scale: float,
) -> list[dict[str, Any]]:
    out, at = [], 0
    for holder in holders:
        name = names[holder["container"]]
        out.append(
            {
                "ip": ip, "from": at, "to": at + holder["lines"], "name": name,
                "service": legend.entry(holder["service"]),
                "written": legend.written(holder["service"]),
                "room": len(name) * LETTER + 8 <= holder["lines"] * scale,
                "container": text(holder["container"]), "pod": text(holder["pod"]) or "-",
                "lines": f"{holder['lines']:,}", "change": holder["change"],
            }
        )  # fmt: skip
        at += holder["lines"]
    return out
