"""All that a report tells, gathered before a word of it is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from cuidx.charts.lanes import Lanes

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Read:
    """A source, and whether it is still the same file: the SHA-256 of its bytes as they lie there.

    `sha256` is None for what can't be read again, such as standard input.
    """

    path: str
    format: str | None
    records: int
    events: int
    unreadable: int
    sha256: str | None
    left_out: str | None = None


@dataclass(frozen=True, slots=True)
class Tenure:
    """One holder's time on an address, for a sentence; times in ns, or lines without a clock."""

    holder: str
    service: str | None
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Alerts:
    """Alerts of one container on one address; the first of them stands for all.

    row      a row of ALERT_GROUPS
    message  of the first alert
    holder   whose the address was then, and `before`, `after` whose before and after
    """

    row: Row
    message: str
    holder: Tenure | None
    before: Tenure | None
    after: Tenure | None


@dataclass(frozen=True, slots=True)
class Facts:
    """A case as the report tells it; tables are rows as in the JSON output.

    containers  LIFETIMES, with the place of the first line of each as `at` (source, line)
    ips         REUSE
    groups      ALERT_GROUPS, and `alerts` the same with whose the address was
    chosen      the filters as typed, and `alerts_are` what the alerts are, in words
    spared      sum of what a CUID spares against the search by address and time; None: unknown
    texts       (source, line) to the text of lines that the page may show, cut if they are long
    """

    accounting: Row
    sources: list[Read]
    warnings: list[str]
    zone: str
    chosen: list[str]
    containers: list[Row]
    ips: list[Row]
    lanes: Lanes
    services: dict[str, str]
    groups: pl.DataFrame
    alerts: list[Alerts]
    alerts_are: str
    totals: Row
    spared: int | None
    search: str
    window: str
    findings: list[Row]
    texts: dict[tuple[str, int], str]

    @property
    def reused(self) -> list[Row]:
        """The reused addresses of `ips`."""
        return [row for row in self.ips if row["kind"] == "reused"]
