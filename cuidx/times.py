"""Times as logs write them, to UTC nanoseconds and back.

Everything works on whole columns. What is understood:

    2026-11-02T09:00:01.250Z   2026-11-02 10:00:01,250 +01:00   2026/11/02 09:00:01
    1793610001  1793610001.25  1793610001250  1793610001250883  1793610001250883117
    02/Nov/2026:09:00:01 +0000
    Nov  2 09:00:01   1102 09:00:01.250883      syslog and klog: the year has to be told

An epoch number's unit follows from its digits: 10 seconds, 13 ms, 16 µs, 19 ns. Go's zero time
(year 1) and years outside 1678 to 2262, which nanoseconds can't hold, are no time: null.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl

from cuidx.errors import UsageError
from cuidx.schema import TIME

# The head of every ISO time; `leading` looks for it near the start of a text line.
ISO = (
    r"[0-9]{4}[-/][0-9][0-9][-/][0-9][0-9][T ][0-9][0-9]:[0-9][0-9]:[0-9][0-9]"
    r"(?:[.,][0-9]{1,9})?[0-9]*(?: ?(?:Z|UTC|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9]))?"
)
COMMON_LOG = r"[0-9][0-9]/[A-Z][a-z]{2}/[0-9]{4}:[0-9][0-9]:[0-9][0-9]:[0-9][0-9] [+-][0-9]{4}"
LEADING = rf"(?:{ISO}|{COMMON_LOG})"

_PARTS = (
    r"^(?<year>[0-9]{4})[-/](?<month>[0-9]{2})[-/](?<day>[0-9]{2})"
    r"[Tt ](?<clock>[0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,](?<fraction>[0-9]+))?"
    r"(?: ?(?<zone>Z|z|UTC|GMT|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9]))?$"
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_YEARLESS = (
    rf"^(?:(?<name>{'|'.join(_MONTHS)}) {{1,2}}(?<day>[0-9]{{1,2}})|(?<mmdd>[01][0-9][0-3][0-9])) "
    r"(?<clock>[0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,](?<fraction>[0-9]+))?$"
)
_OFFSET = re.compile(r"([+-])([01][0-9]|2[0-3]):([0-5][0-9])")
_NS = 1_000_000_000
_DAY = 86_400 * _NS
_LAST = datetime(2262, 4, 11, 23, 47, 15)  # noqa: DTZ001 - the last whole second for nanoseconds


def zone(tz: str) -> tzinfo:
    """The zone of a name (`Europe/Berlin`) or of an offset (`+01:00`).

    Raises:
        UsageError: there is none.
    """
    if (hit := _OFFSET.fullmatch(tz)) is not None:
        east = timedelta(hours=int(hit[2]), minutes=int(hit[3]))
        return timezone(-east if hit[1] == "-" else east)
    try:
        if tz != "UTC":  # polars has a list of its own
            pl.Series([None], dtype=pl.Datetime).dt.replace_time_zone(tz)
        return ZoneInfo(tz)
    except (pl.exceptions.PolarsError, KeyError, ValueError, OSError):
        raise UsageError(
            f"--tz: no zone is called {tz!r}", do="examples: UTC, Europe/Berlin, +01:00"
        ) from None


def lacks_year(text: pl.Series) -> pl.Series:
    """Which of TEXT are times without a year."""
    return text.str.contains(_YEARLESS).fill_null(False)


def with_year(text: pl.Series, before: int, tz: str) -> pl.Series:
    """TEXT, times without a year, as texts with the latest year that is not after BEFORE (ns).

    A day after it is still taken: clocks differ, and the newest record may be another's. What is no
    day of a year is null.
    """
    parts = pl.DataFrame({"t": text.str.extract_groups(_YEARLESS)}).unnest("t")
    months = {name: f"{at:02}" for at, name in enumerate(_MONTHS, 1)}
    month = pl.coalesce(pl.col("mmdd").str.head(2), pl.col("name").replace(months))
    day = pl.coalesce(pl.col("mmdd").str.tail(2), pl.col("day").str.pad_start(2, "0"))
    rest = pl.concat_str(
        month, pl.lit("-"), day, pl.lit("T"), "clock",
        pl.when(pl.col("fraction").is_null()).then(pl.lit(""))
        .otherwise(pl.lit(".") + pl.col("fraction")),
    )  # fmt: skip
    limit = datetime.fromtimestamp((before + _DAY) // _NS, zone(tz)).replace(tzinfo=None)
    rests = parts.select(rest.alias("rest"))["rest"]
    found = pl.Series([None], dtype=pl.String).new_from_index(0, len(text))
    # A 29th of February is in one year of four, or of eight.
    for year in range(limit.year, limit.year - 9, -1):
        lacking = (found.is_null() & rests.is_not_null()).arg_true()
        if lacking.is_empty():
            break
        dated = f"{year:04}-" + rests.gather(lacking)
        naive = dated.str.head(19).str.replace(":60$", ":59").str.to_datetime(
            "%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False
        )  # fmt: skip
        found = found.scatter(lacking, dated.set(~(naive <= limit).fill_null(False), None))
    return found


def parse(text: pl.Series, tz: str = "UTC") -> tuple[pl.Series, int]:
    """(times as Datetime[ns, UTC], how many had no zone of their own and were read in TZ).

    What is no time, or has no year, is null. Order and length stay.
    """
    if text.dtype != pl.String:
        text = text.cast(pl.String)
    if text.null_count():
        have = text.is_not_null().arg_true()
        quick = _uniform(text.gather(have))
        if quick is not None:
            nothing = pl.Series([None], dtype=TIME).new_from_index(0, len(text))
            return nothing.scatter(have, quick), 0
    elif (quick := _uniform(text)) is not None:
        return quick, 0
    # Distinct texts first: logs repeat their times, and every step below costs.
    distinct = text.drop_nulls().unique()
    times, zoneless = _parse_distinct(distinct, tz)
    order = pl.DataFrame({"text": text}).join(
        pl.DataFrame({"text": distinct, "time": times, "zoneless": zoneless}),
        on="text",
        how="left",
        maintain_order="left",
    )
    return order["time"], int(order["zoneless"].sum())


def _uniform(text: pl.Series) -> pl.Series | None:
    """The quick way for a column that is all `2026-11-02T09:00:01.250Z`, alike in length."""
    if text.is_empty() or text.null_count():
        return None
    low, high = str(text.min()), str(text.max())
    size = text.str.len_bytes()
    digits = len(low) - 21  # of the fraction; -1 where there is none
    if digits == 0 or digits < -1 or digits > 9 or low < "1678" or high >= "2262":
        return None
    if size.min() != len(low) or size.max() != len(low) or not text.str.ends_with("Z").all():
        return None
    clock = text.str.slice(0, 19)
    if clock.str.contains(" ", literal=True).any():
        return None  # "2026-11- 2T…" is no time, though the parser below skips blanks
    seconds = clock.str.to_datetime(
        "%Y-%m-%dT%H:%M:%S", time_unit="ns", time_zone="UTC", strict=False
    )
    if seconds.null_count():
        return None
    if digits < 0:
        return seconds
    point, fraction = text.str.slice(19, 1), text.str.slice(20, digits)
    # "+12" is no fraction, though a cast to integer takes it: a sign sorts before the digits.
    nanos = fraction.cast(pl.Int64, strict=False)
    if point.min() != "." or point.max() != "." or str(fraction.min()) < "0" or nanos.null_count():
        return None
    total: pl.Series = seconds.cast(pl.Int64) + nanos * 10 ** (9 - digits)
    return total.cast(TIME)


def _parse_distinct(text: pl.Series, tz: str) -> tuple[pl.Series, pl.Series]:
    frame = pl.DataFrame({"text": text}).with_columns(t=pl.col("text").str.strip_chars())
    frame = frame.with_columns(
        # 02/Nov/2026:09:00:01 +0000, the common log format's, written as the others are
        t=pl.when(pl.col("t").str.contains(rf"^{COMMON_LOG}$"))
        .then(
            pl.col("t")
            .str.to_datetime("%d/%b/%Y:%H:%M:%S %z", strict=False, time_unit="us")
            .dt.to_string("%Y-%m-%dT%H:%M:%SZ")
        )
        .otherwise(pl.col("t"))
    )
    parts = frame.select(pl.col("t").str.extract_groups(_PARTS).alias("p"), "t").unnest("p")
    zone = pl.col("zone").str.replace(":", "")
    offset = (
        pl.when(zone.str.contains(r"^[+-][0-9]{4}$"))
        .then(
            (zone.str.slice(1, 2).cast(pl.Int64, strict=False) * 3600
             + zone.str.slice(3, 2).cast(pl.Int64, strict=False) * 60)
            * pl.when(zone.str.starts_with("-")).then(-1).otherwise(1)
        )
        .otherwise(0)
    )  # fmt: skip
    fraction = (
        pl.col("fraction").str.slice(0, 9).str.pad_end(9, "0").cast(pl.Int64, strict=False)
    ).fill_null(0)
    # Second 60 is a leap second: the next second's start, as POSIX clocks show it.
    leap = pl.col("clock").str.ends_with(":60")
    naive = (
        pl.concat_str(
            "year", pl.lit("-"), "month", pl.lit("-"), "day", pl.lit(" "),
            pl.when(leap).then(pl.col("clock").str.replace(":60$", ":59"))
            .otherwise(pl.col("clock")),
        ).str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)
    )  # fmt: skip
    parts = parts.with_columns(
        naive=naive,
        ns=fraction + pl.when(leap).then(_NS).otherwise(0) - offset * _NS,
    )
    # Microseconds until here: a year-1 time would overflow nanoseconds and come out as 1754.
    in_range = pl.col("naive").is_between(datetime(1678, 1, 1), _LAST)  # noqa: DTZ001 - naive
    parts = parts.with_columns(naive=pl.when(in_range).then(pl.col("naive")))
    zoned = pl.col("naive").dt.replace_time_zone("UTC")
    local = pl.coalesce(
        _localised(pl.col("naive"), tz),
        # In the hour that a clock change leaves out: as if the clock had not been changed yet.
        _localised(pl.col("naive").dt.offset_by("-1h"), tz).dt.offset_by("1h"),
    )
    iso = (
        pl.when(pl.col("zone").is_null()).then(local).otherwise(zoned).dt.cast_time_unit("ns")
        .cast(pl.Int64) + pl.col("ns")
    )  # fmt: skip
    return (
        parts.select(pl.coalesce(iso, _epoch(pl.col("t"))).cast(TIME).alias("time"))["time"],
        parts.select((pl.col("naive").is_not_null() & pl.col("zone").is_null()).alias("zoneless"))[
            "zoneless"
        ],
    )


def _localised(naive: pl.Expr, tz: str) -> pl.Expr:
    if _OFFSET.fullmatch(tz):
        east = zone(tz).utcoffset(None)
        return naive.dt.replace_time_zone("UTC") - pl.lit(east)
    zoned = naive.dt.replace_time_zone(tz, ambiguous="earliest", non_existent="null")
    return zoned.dt.convert_time_zone("UTC")


def _epoch(text: pl.Expr) -> pl.Expr:
    """Nanoseconds since 1970 of an epoch number written out; null for anything else."""
    whole = text.str.extract(r"^([0-9]{9,10}|[0-9]{12,13}|[0-9]{15,16}|[0-9]{18,19})(?:\.[0-9]*)?$")
    fraction = text.str.extract(r"^[0-9]+\.([0-9]+)$").str.slice(0, 9).str.pad_end(9, "0")
    digits = whole.str.len_bytes()
    ns = {10: _NS, 13: 1_000_000, 16: 1_000, 19: 1}
    unit = pl.coalesce(
        pl.when(digits <= most).then(pl.lit(unit, pl.Int64)) for most, unit in ns.items()
    )
    below = fraction.cast(pl.Int64, strict=False).fill_null(0) * unit // _NS
    number = whole.cast(pl.Int64, strict=False)
    # Beyond 2262 nanoseconds overflow.
    return pl.when(number < (2**63 - 1) // unit).then(number * unit + below)


def text(time: pl.Expr) -> pl.Expr:
    """RFC 3339 with Z and 0, 3, 6 or 9 fraction digits, as INTERFACE wants it written."""
    return time.dt.to_string("%Y-%m-%dT%H:%M:%S%.fZ")


def one_text(nanoseconds: int | None) -> str | None:
    """The same for a single count of nanoseconds since 1970."""
    if nanoseconds is None:
        return None
    seconds, below = divmod(nanoseconds, _NS)
    digits = 0 if not below else 3 if not below % 1_000_000 else 6 if not below % 1000 else 9
    fraction = f".{below:09d}"[: digits + 1] if digits else ""
    return f"{(_EPOCH + timedelta(seconds=seconds)).isoformat()}{fraction}Z"


_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - the Z is written behind it
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def point(words: str, *, newest: int | None, tz: str = "UTC") -> int:
    """Nanoseconds since 1970 of what a user types for `--since`, `--until`, `--at`.

    RFC 3339, `2026-11-02 09:00`, `2026-11-02`, an epoch number, `-15m`, `today`, `yesterday`.
    Relative ones count from NEWEST (ns); zoneless ones are in TZ.

    Raises:
        UsageError: WORDS is none of these, or relative where nothing is dated.
    """
    said = words.strip()
    relative = _relative(said)
    if relative is not None or said in ("today", "yesterday", "now"):
        if newest is None:
            raise UsageError(
                f"{words!r} counts from the newest event, and no event has a time",
                do="give --now T, or an absolute time such as 2026-11-02T09:00Z",
            )
        if relative is not None:
            return newest + relative
        if said == "now":
            return newest
        day = datetime.fromtimestamp(newest // _NS, zone(tz)).replace(hour=0, minute=0, second=0)
        if said == "yesterday":
            day -= timedelta(days=1)
        return int(day.astimezone(UTC).timestamp()) * _NS
    full = said
    if len(said) == 10 and said[4:5] == "-":
        full = said + " 00:00:00"
    elif re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?![:0-9])", said):
        full = said[:16] + ":00" + said[16:]
    value = parse(pl.Series([full]), tz)[0].cast(pl.Int64).item()
    if value is None:
        raise UsageError(
            f"{words!r} is no time that is understood",
            do="examples: 2026-11-02T09:00:07Z, '2026-11-02 09:00', -15m, yesterday",
        )
    return int(value)


def _relative(said: str) -> int | None:
    hit = re.fullmatch(r"([+-][0-9]{1,9}(?:\.[0-9]{1,9})?)([smhdw])", said)
    return int(float(hit[1]) * _UNITS[hit[2]] * _NS) if hit else None


_LONGEST = 36_525 * 86_400 * _NS  # a hundred years: sums with a time still fit 64 bits


def length(words: str) -> int:
    """Nanoseconds of a length of time such as `5m`, `90s`, `1.5h`, `250ms`, `1h30m`.

    Raises:
        UsageError: WORDS is none, or longer than a hundred years.
    """
    part = r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|[smhdw])"
    said = words.strip()
    if not re.fullmatch(f"(?:{part})+", said):
        raise UsageError(f"{words!r} is no length of time", do="examples: 5m, 90s, 1h30m, 250ms")
    units = {"ms": 0.001, **_UNITS}
    total = sum(round(float(n) * units[unit] * _NS) for n, unit in re.findall(part, said))
    if total > _LONGEST:
        raise UsageError(f"{words!r} is more than a hundred years", do="examples: 5m, 90s, 1h30m")
    return total
