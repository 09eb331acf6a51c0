"""The steps chart: the lines to read after an alert, by IP, by IP and time, and by CUID."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from cuidx.charts.theme import SEARCHES
from cuidx.present.accounting import many
from cuidx.present.cells import text
from cuidx.present.lanes import short_names

if TYPE_CHECKING:
    import altair as alt

MOST: Final = 30  # containers with bars of their own
_WIDTH: Final = 400
_STEP, _CLOSE = 12, 9  # pixels of a bar, and of one among many


def steps_chart(
    groups: pl.DataFrame,
    totals: Mapping[str, Any],
    services: Mapping[str, str],
    window: str,
    most: int = MOST,
    *,
    ink: str = "#333",
) -> alt.LayerChart:
    """GROUPS, as ALERT_GROUPS, as a chart: three bars for each, and for the mean of all alerts.

    Of more than MOST groups, those with most needless lines in all. TOTALS are those of Steps,
    SERVICES names a container's.
    """
    import altair as alt

    words = {
        "ip_search": "by IP",
        "ip_time_search": f"by IP \u00b1{window}",
        "cuid_search": "by CUID",
    }
    kept = groups.head(most)
    labels = _labels(kept, services)
    rows = [_bar(label, words[name], row[name]) for label, row in
            zip(labels, kept.iter_rows(named=True), strict=True) for name in words]  # fmt: skip
    alerts = int(groups["alerts"].sum())
    if len(groups) > 1:
        mean = f"mean of all {alerts:,} alerts"
        rows = [_bar(mean, words[name], _mean(groups, totals, name)) for name in words] + rows
        labels = [mean, *labels]
    known = [row for row in rows if row["lines"] is not None]
    order = [word for word in words.values() if any(row["search"] == word for row in known)]
    ruler = alt.Axis(format=",d", tickMinStep=1)
    base = alt.Chart(alt.NamedData("lines")).encode(
        x=alt.X("lines:Q", title="lines to read after one alert", axis=ruler),
        y=alt.Y("alert:N", sort=labels, scale=alt.Scale(domain=labels, paddingInner=0.28),
                title=None, axis=alt.Axis(grid=False, ticks=False, domain=False)),
        yOffset=alt.YOffset("search:N", sort=order, scale=alt.Scale(domain=order)),
    )  # fmt: skip
    scale = alt.Scale(
        domain=order, range=[SEARCHES[name] for name, word in words.items() if word in order]
    )
    bars = base.mark_bar(stroke=ink, strokeWidth=0.4).encode(
        color=alt.Color("search:N", title="search", sort=order, scale=scale),
        tooltip=[alt.Tooltip(f"{name}:N") for name in ("alert", "search", "shown")],
    )  # fmt: skip
    step = _STEP if len(labels) <= 20 else _CLOSE
    counts = base.mark_text(align="left", dx=4, fontSize=step - 2, color=ink).encode(text="shown:N")
    head = f"What has to be read after {many(alerts, 'alert')}"
    below = ["lines that a search finds, and all lines of the requests named in them"]
    if len(kept) < len(groups):
        below += [
            f"{len(kept)} of {len(groups):,} containers: those with most lines spared "
            "(alerts \u00d7 lines)",
            "the others save less; the mean counts them too",
        ]
    title = alt.TitleParams([head], subtitle=below)
    chart = alt.LayerChart(layer=[bars, counts], title=title, datasets={"lines": known})
    return chart.properties(width=_WIDTH, height=alt.Step(step))


def _bar(label: str, search: str, lines: float | None) -> dict[str, Any]:
    shown = None if lines is None else f"{round(lines):,}"
    return {"alert": label, "search": search, "lines": lines, "shown": shown}


def _mean(groups: pl.DataFrame, totals: Mapping[str, Any], name: str) -> float | None:
    count = int(groups.drop_nulls(name)["alerts"].sum())
    return int(totals[name]["lines"]) / count if count else None


def _labels(groups: pl.DataFrame, services: Mapping[str, str]) -> list[str]:
    containers = groups["container"].to_list()
    known = sorted({name for name in containers if name is not None})
    pairs = [(text(name), "cuid") for name in known]
    short = dict(zip(known, short_names(pairs), strict=True))
    labels = []
    for container, ip, count in groups.select("container", "ip", "alerts").iter_rows():
        who = f"{text(services.get(container, ''))} {short[container]}" if container else "nobody"
        labels.append(f"{who.strip()} on {text(ip) or 'no IP'}, {many(count, 'alert')}")
    return labels
