"""Alerts of one container on one address, as one: they need the same searches, but for the time."""

from __future__ import annotations

from typing import Final

import polars as pl

from cuidx.analyses.steps import SEARCHES, Steps

ALERT_GROUPS: Final = pl.Schema(
    {
        "ip": pl.String(),
        "container": pl.String(),
        "alerts": pl.Int64(),
        "at": pl.Int64(),
        "source": pl.String(),
        "line": pl.Int64(),
        "ip_hits": pl.Int64(),
        "cuid_hits": pl.Int64(),
        **dict.fromkeys(SEARCHES, pl.Int64()),
        "needless": pl.Int64(),
        "missed": pl.Int64(),
        "spared": pl.Int64(),
    }
)


def alert_groups(steps: Steps) -> pl.DataFrame:
    """STEPS as ALERT_GROUPS: the lines to read after one alert, by each of three searches.

        ip          container  alerts  at    source  line  ip_search  cuid_search  needless
        10.10.11.2  4a23…           3  …000  app.log   10          7            2         5

    All but the count is of the group's first alert, as are the lines of the search by address and
    time, and `spared` of them; the others are the same for each. `ip_hits` and `cuid_hits` are what
    a search finds itself. The groups with most needless lines in all come first.
    """
    rows = steps.alerts.with_columns(
        *(pl.col(name).struct["lines"].alias(name) for name in SEARCHES),
        ip_hits=pl.col("ip_search").struct["hits"],
        cuid_hits=pl.col("cuid_search").struct["hits"],
        at=steps.times,
        spared=steps.spared,
    )
    first = pl.col("at").fill_null(2**63 - 1).arg_min()
    return (
        rows.group_by("ip", "container", maintain_order=True)
        .agg(
            pl.len().cast(pl.Int64).alias("alerts"),
            pl.col(list(ALERT_GROUPS)[3:]).get(first),
        )
        .sort(
            pl.col("needless").fill_null(0) * pl.col("alerts"), descending=True, maintain_order=True
        )
        .select(list(ALERT_GROUPS))
    )
