"""CSV reports of Kibana (Discover, dashboards): the columns that were shown, newest first.

    "@timestamp","kubernetes.pod_name","kubernetes.pod_ip",log
    "Nov 2, 2026 @ 10:00:10.900","mail-q9t2w","-","2026-11-02T09:00:10.900Z WARN smtp retry"

Times are as the user's Kibana shows them, to the millisecond, and no zone is said: that of the
browser, or of the setting dateFormat:tz. Where lines have times of their own, the two together
tell it. `-` is null, several values have a comma between; a cell that a spreadsheet would take for
a formula may begin with `'`. Dashboards may write ISO times in UTC instead.
"""

from __future__ import annotations

import re
from typing import Final

import polars as pl

from cuidx import times
from cuidx.formats import delimited
from cuidx.formats.base import Block, Example, Reading, Sample
from cuidx.formats.delimited import Header, cut
from cuidx.formats.documents import table
from cuidx.formats.esql_csv import several
from cuidx.times import ISO

__all__ = ["NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "head", "parse", "sniff"]

NAME: Final = "kibana-csv"
TITLE: Final = "Kibana CSV report"
SOURCE: Final = "elastic/kibana, kbn-generate-csv; issues 56153, 67621, 281932"

PARTS: Final = (
    ("commas", r","),
    ("a time like Nov 2, 2026 @ 10:00:10.900", r"[A-Z][a-z]{2} \d{1,2}, \d{4} @ \d\d:\d\d:\d\d"),
)

SAMPLES: Final = (
    Example(
        '"@timestamp","kubernetes.pod_name","kubernetes.pod_ip",stream,log\n'
        '"Nov 2, 2026 @ 10:00:10.900","mail-q9t2w","-",stdout,'
        '"2026-11-02T09:00:10.900Z WARN smtp retry relay=""192.0.2.25"""',
        {
            "time": "2026-11-02T10:00:10.900Z",  # no zone: UTC is assumed, and said
            "time_from": "collector",
            "pod": "mail-q9t2w",
            "ip": None,
            "level": "WARN",
            "message": '2026-11-02T09:00:10.900Z WARN smtp retry relay="192.0.2.25"',
        },
    ),
)

_DELIMITERS: Final = ",;\t"
_SHAPE: Final = (
    r"^'?(?<month>[A-Z][a-z]{2}) (?<day>[0-9]{1,2}), (?<year>[0-9]{4}) @ "
    r"(?<clock>[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?)$"
)
_SHOWN: Final = re.compile(_SHAPE.replace("(?<", "(?P<"))
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
_MONTHS: Final = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
)
_QUARTER: Final = 15 * 60 * 1_000_000_000
_NEAR: Final = 60 * 1_000_000_000  # a collector may be that late
_LOOKED_AT: Final = 500  # rows


def sniff(sample: Sample) -> float:
    """Share of rows with a time as Kibana shows it; or in ISO, if `@timestamp` is quoted."""
    found = delimited.header(sample, _DELIMITERS)
    if found is None or len(found.names) < 2:
        return 0.0
    wide, good = delimited.share(sample, found)
    shown = sum(any(map(_SHOWN.match, cells)) for cells in good) / max(len(good), 1)
    if shown or "@timestamp" not in found.names or '"@timestamp"' not in sample.filled[0]:
        return wide * shown
    at = found.names.index("@timestamp")
    return 0.97 * wide * sum(_ISO.fullmatch(c[at]) is not None for c in good) / max(len(good), 1)


def head(sample: Sample, reading: Reading) -> Header | None:
    """The table's header."""
    del reading
    return delimited.header(sample, _DELIMITERS)


def parse(block: Block, reading: Reading) -> pl.DataFrame:
    """One row a row of the report."""
    found = reading.head or delimited.header(Sample(tuple(block.texts()[:100])), _DELIMITERS)
    return delimited.parse(block, reading, found, _change)


def _change(cells: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """Times in ISO, still without a zone; nulls; lists."""
    roles = table(reading.fields)
    cells = cells.with_columns(
        pl.col(name).str.replace(r"^'([=+@-])", "$1").replace("-", None) for name in cells.columns
    )
    dates = [name for name in cells.columns if (roles.role_of((name,)) or ("",))[0] == "time"]
    cells = cells.with_columns(_iso(cells[name]) for name in dates)
    said = [name for name in cells.columns if (roles.role_of((name,)) or ("",))[0] == "message"]
    if dates and said:
        _hint(cells[dates[0]], cells[said[0]], reading)
    lists = {
        name: cells[name].set(~cells[name].str.contains(", ", literal=True), None)
        for name in cells.columns
        if name not in dates
    }
    return several(cells, lists, reading)


def _iso(column: pl.Series) -> pl.Series:
    parts = pl.DataFrame({"t": column}).select(pl.col("t").str.extract_groups(_SHAPE)).unnest("t")
    month = pl.col("month").replace_strict(
        dict(zip(_MONTHS, range(1, 13), strict=True)), default=None, return_dtype=pl.Int64
    ).cast(pl.String).str.zfill(2)  # fmt: skip
    iso = pl.concat_str(
        "year", pl.lit("-"), month, pl.lit("-"), pl.col("day").str.zfill(2), pl.lit(" "), "clock"
    )
    return pl.select(
        pl.coalesce(parts.select(iso).to_series(), column).alias(column.name)
    ).to_series()


def _hint(shown: pl.Series, message: pl.Series, reading: Reading) -> None:
    """Say which zone SHOWN is in, if the lines' own times agree on one."""
    some = shown.head(_LOOKED_AT)
    own = message.head(_LOOKED_AT).str.extract(f"({ISO})", 1)
    have = some.str.contains("^[0-9]{4}-[0-9]{2}-[0-9]{2} ") & own.str.contains(
        "(?:Z|[+-][0-9:]+)$"
    )
    have = have.fill_null(False)
    local, _ = times.parse(some.filter(have))
    line, _ = times.parse(own.filter(have))
    apart = (local.cast(pl.Int64) - line.cast(pl.Int64)).drop_nulls()
    if apart.is_empty():
        return
    nearest = ((apart + _QUARTER // 2) // _QUARTER) * _QUARTER
    offset = int(nearest.mode().sort()[0])
    near = int(((apart - offset).abs() < _NEAR).sum())
    if near < 0.9 * len(apart):
        return
    hours, minutes = divmod(abs(offset) // 60_000_000_000, 60)
    sign = "-" if offset < 0 else "+"
    if offset:
        zone = f"Etc/GMT{'-' if offset > 0 else '+'}{hours}"
        option = f" (--tz {zone}, or the place's name)" if not minutes else " (--tz)"
        reading.notes.add(
            f"times have no zone; those inside the lines say {sign}{hours:02}:{minutes:02}{option}"
        )
