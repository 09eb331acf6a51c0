"""Times in every spelling, with the standard library as oracle."""

import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cuidx
from cuidx import times
from cuidx.errors import UsageError
from cuidx.schema import TIME

NS = 1_000_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read(*texts: str | None, tz: str = "UTC") -> list[str | None]:
    parsed, _ = times.parse(pl.Series(texts, dtype=pl.String), tz)
    assert parsed.dtype == TIME
    assert len(parsed) == len(texts)
    return pl.DataFrame({"t": parsed}).select(times.text(pl.col("t")))["t"].to_list()


TABLE = [
    ("2026-11-02T09:00:01Z", "2026-11-02T09:00:01Z", "no fraction"),
    ("2026-11-02T09:00:01.5Z", "2026-11-02T09:00:01.500Z", "one digit"),
    ("2026-11-02T09:00:01.250Z", "2026-11-02T09:00:01.250Z", "three digits"),
    ("2026-11-02T09:00:01.2508Z", "2026-11-02T09:00:01.250800Z", "four digits"),
    ("2026-11-02T09:00:01.250883Z", "2026-11-02T09:00:01.250883Z", "six digits"),
    ("2026-11-02T09:00:01.250883117Z", "2026-11-02T09:00:01.250883117Z", "nine digits"),
    ("2026-11-02T09:00:01.2508831179Z", "2026-11-02T09:00:01.250883117Z", "ten digits: cut"),
    ("2026-11-02T09:00:01.000Z", "2026-11-02T09:00:01Z", "a zero fraction"),
    ("2026-11-02T10:00:01+01:00", "2026-11-02T09:00:01Z", "east"),
    ("2026-11-02T10:00:01+0100", "2026-11-02T09:00:01Z", "no colon"),
    ("2026-11-02T05:30:01.5-03:30", "2026-11-02T09:00:01.500Z", "half an hour west"),
    ("2026-11-02T23:00:01+14:00", "2026-11-02T09:00:01Z", "the most eastern zone"),
    ("2026-11-02T09:00:01-00:00", "2026-11-02T09:00:01Z", "zone unknown, that is UTC"),
    ("2026-11-02 10:00:01,250 +01:00", "2026-11-02T09:00:01.250Z", "comma, blanks"),
    ("2026-11-02 09:00:01 UTC", "2026-11-02T09:00:01Z", "UTC by name"),
    ("2026-11-02 09:00:01 GMT", "2026-11-02T09:00:01Z", "GMT by name"),
    ("2026-11-02t09:00:01z", "2026-11-02T09:00:01Z", "small letters, RFC 3339 allows them"),
    ("2026/11/02 09:00:01", "2026-11-02T09:00:01Z", "slashes, no zone"),
    ("2026-11-02T09:00:01", "2026-11-02T09:00:01Z", "no zone"),
    (" 2026-11-02T09:00:01Z\t", "2026-11-02T09:00:01Z", "blanks around"),
    ("02/Nov/2026:09:00:01 +0000", "2026-11-02T09:00:01Z", "common log format"),
    ("02/Nov/2026:10:00:01 +0130", "2026-11-02T08:30:01Z", "common log format, zone"),
    ("2024-02-29T12:00:00Z", "2024-02-29T12:00:00Z", "leap day"),
    ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z", "leap second"),
    ("2016-12-31T23:59:60.5Z", "2017-01-01T00:00:00.500Z", "inside a leap second"),
    ("2016-12-31T18:59:60-05:00", "2017-01-01T00:00:00Z", "leap second in a zone"),
    ("1678-01-01T00:00:00Z", "1678-01-01T00:00:00Z", "the first year"),
    ("2261-12-31T23:59:59.999999999Z", "2261-12-31T23:59:59.999999999Z", "the last year"),
    ("1793610001", "2026-11-02T09:00:01Z", "seconds"),
    ("1793610001.25", "2026-11-02T09:00:01.250Z", "seconds with a fraction"),
    ("1793610001250", "2026-11-02T09:00:01.250Z", "milliseconds"),
    ("1793610001250.883", "2026-11-02T09:00:01.250883Z", "milliseconds with a fraction"),
    ("1793610001250883", "2026-11-02T09:00:01.250883Z", "microseconds"),
    ("1793610001250883117", "2026-11-02T09:00:01.250883117Z", "nanoseconds"),
    ("999999999", "2001-09-09T01:46:39Z", "seconds of 2001"),
    ("9214646399", "2261-12-31T23:59:59Z", "the last second of the last year"),
]
NOTHING = [
    ("", "empty"),
    ("zz", "letters"),
    ("0001-01-01T00:00:00Z", "Go's zero time"),
    ("0000-00-00T00:00:00Z", "all zero"),
    ("1677-12-31T23:59:59Z", "before the range"),
    ("2262-04-12T00:00:00Z", "after the range"),
    ("9999-12-31T23:59:59Z", "far after the range"),
    ("02/Nov/2999:09:00:01 +0000", "common log format after the range"),
    ("02/Foo/2026:09:00:01 +0000", "no month"),
    ("9223372037", "seconds after the range"),
    ("9999999999", "ten digits after the range"),
    ("9999999999999", "thirteen digits after the range"),
    ("9999999999999999", "sixteen digits after the range"),
    ("9999999999999999999", "nineteen digits after the range"),
    ("12345", "a number that is no epoch"),
    ("17936100012", "eleven digits"),
    ("-1793610001", "negative"),
    ("1e9", "an exponent"),
    ("2026-02-30T00:00:00Z", "no such day"),
    ("2025-02-29T00:00:00Z", "no leap year"),
    ("2026-13-01T00:00:00Z", "month 13"),
    ("2026-11-02T24:00:00Z", "hour 24"),
    ("2026-11-02T09:60:00Z", "minute 60"),
    ("2026-11-02T09:00:61Z", "second 61"),
    ("2026-11-02T09:00:01.Z", "a point alone"),
    ("2026-11-02T09:00:01.+5Z", "a sign in the fraction"),
    ("2026-11-02T09:00:01.1_2Z", "an underscore in the fraction"),
    ("2026-11-02T09:00:01+99:99", "no zone on Earth"),
    ("2026-11-02T09:00:01+24:00", "a whole day of zone"),
    ("2026-11-02T09:00:01+01:60", "sixty minutes of zone"),
    ("2026-11-02", "a day alone"),
    ("09:00:01", "a clock alone"),
    ("2026-11- 2T09:00:01Z", "a blank for a digit of the day"),
    ("2026-11-02T 9:00:01Z", "a blank for a digit of the hour"),
    ("2026-11-02T09:00: 1Z", "a blank for a digit of the second"),
    ("2026-11-02T09:00:01Zjunk", "more behind"),
    ("٢026-11-02T09:00:01Z", "digits that are not ASCII"),
    ("2026-11-02T09:00:01.٢Z", "a fraction that is not ASCII"),
]


@pytest.mark.parametrize(("text", "utc", "why"), TABLE, ids=[row[2] for row in TABLE])
def test_what_is_a_time(text: str, utc: str, why: str) -> None:
    # Alone, in a column of its like, and beside others: the quick way and the other one.
    assert read(text) == [utc]
    assert read(text, text, text) == [utc] * 3
    assert read(text, "zz", None, "1793610001") == [utc, None, None, "2026-11-02T09:00:01Z"]


@pytest.mark.parametrize(("text", "why"), NOTHING, ids=[row[1] for row in NOTHING])
def test_what_is_no_time(text: str, why: str) -> None:
    assert read(text) == [None]
    assert read(text, text) == [None] * 2
    assert read(text, "2026-11-02T09:00:01Z") == [None, "2026-11-02T09:00:01Z"]


ZONES = [
    ("2026-07-01 12:00:00", "2026-07-01T10:00:00Z", "summer"),
    ("2026-12-01 12:00:00", "2026-12-01T11:00:00Z", "winter"),
    ("2026-03-29 01:59:59.999", "2026-03-29T00:59:59.999Z", "before the gap"),
    ("2026-03-29 03:00:00", "2026-03-29T01:00:00Z", "after the gap"),
    ("2026-10-25 02:30:00", "2026-10-25T00:30:00Z", "twice there: the earlier one"),
    ("2026-10-25 03:00:00", "2026-10-25T02:00:00Z", "after the doubled hour"),
    ("2026-07-01 12:00:00Z", "2026-07-01T12:00:00Z", "with a zone of its own"),
    ("1793610001", "2026-11-02T09:00:01Z", "an epoch has a zone"),
]


@pytest.mark.parametrize(("text", "utc", "why"), ZONES, ids=[row[2] for row in ZONES])
def test_times_without_a_zone_are_read_in_tz(text: str, utc: str, why: str) -> None:
    assert read(text, tz="Europe/Berlin") == [utc]


def test_a_time_in_the_gap_is_read_as_the_clock_before_it() -> None:
    # 02:30 never was on that day in Berlin; with the offset from before, as zoneinfo has it.
    assert read("2026-03-29 02:30:00", tz="Europe/Berlin") == ["2026-03-29T01:30:00Z"]


def test_only_times_without_a_zone_are_counted_as_zoneless() -> None:
    texts = ["2026-11-02 09:00:01", "2026-11-02 09:00:01", "2026-11-02T09:00:01Z", "zz", None,
             "1793610001", "02/Nov/2026:09:00:01 +0000", "2026/11/02 09:00:01,5"]  # fmt: skip
    assert times.parse(pl.Series(texts), "UTC")[1] == 3


def test_an_empty_column_and_one_of_nulls() -> None:
    assert read() == []
    assert read(None, None) == [None, None]


ANY = st.datetimes(datetime(1678, 1, 3), datetime(2261, 12, 29))  # noqa: DTZ001 - naive on purpose
OFFSETS = st.integers(-14 * 60, 14 * 60)


@settings(max_examples=300)
@given(
    moment=ANY,
    nanos=st.integers(0, NS - 1),
    digits=st.integers(0, 9),
    offset=st.none() | OFFSETS,
    separator=st.sampled_from("T ,/"),
    alone=st.booleans(),
)
def test_iso_times_as_datetime_reads_them(
    moment: datetime, nanos: int, digits: int, offset: int | None, separator: str, alone: bool
) -> None:
    fraction = f"{nanos:09}"[:digits]
    text = f"{moment:%Y-%m-%d}".rjust(10, "0") + ("T" if separator == "T" else " ")
    text += f"{moment:%H:%M:%S}"
    if separator == "/":
        text = text.replace("-", "/")
    if digits:
        text += ("," if separator == "," else ".") + fraction
    zone = UTC if offset is None else timezone(timedelta(minutes=offset))
    if offset is not None:
        sign = "-" if offset < 0 else "+"
        text += f"{sign}{abs(offset) // 60:02}:{abs(offset) % 60:02}"
    true = (moment.replace(microsecond=0, tzinfo=zone) - EPOCH) // timedelta(seconds=1) * NS + int(
        fraction.ljust(9, "0")
    )
    column = [text] if alone else [text, "zz", "2026-11-02T09:00:01Z"]
    assert times.parse(pl.Series(column))[0].cast(pl.Int64)[0] == true


@settings(max_examples=150)
@given(
    moment=st.datetimes(datetime(1971, 1, 1), datetime(2036, 1, 1)),  # noqa: DTZ001 - local time
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe",
                          "Africa/Casablanca", "UTC"]),
)  # fmt: skip
def test_local_times_as_zoneinfo_reads_them(moment: datetime, zone: str) -> None:
    moment = moment.replace(microsecond=0)
    true = (moment.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) - EPOCH) // timedelta(seconds=1)
    parsed, zoneless = times.parse(pl.Series([moment.isoformat(" ")]), zone)
    assert zoneless == 1
    assert parsed.cast(pl.Int64)[0] == true * NS


@settings(max_examples=200)
@given(seconds=st.integers(100_000_000, 9_214_646_399), unit=st.sampled_from([0, 3, 6, 9]))
def test_epoch_numbers_by_their_digits(seconds: int, unit: int) -> None:
    text = str(seconds) + "123456789"[:unit]
    expected = int(str(seconds) + "123456789"[:unit].ljust(9, "0"))
    assert times.parse(pl.Series([text]))[0].cast(pl.Int64).to_list() == [expected]


def _python(text: str) -> int | None:
    """What the standard library makes of TEXT, where it stands for the same spellings."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if not 1678 <= moment.year <= 2261 or len(text) < 19:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - EPOCH) // timedelta(microseconds=1) * 1000


@settings(max_examples=400)
@given(
    text=st.from_regex(
        r"\A[0-9]{4}[-/][0-9 ]{2}-[0-9]{2}[T ][0-9 ]{2}:[0-9]{2}:[0-9 ]{2}"
        r"(\.[0-9]{3}|\.[0-9]{6})?(Z|[+-][0-2][0-9]:[0-9]{2})?\Z"
    ),
    alone=st.booleans(),
)
def test_damaged_times_are_times_only_where_datetime_agrees(text: str, alone: bool) -> None:
    column = [text] if alone else [text, "2026-11-02T09:00:01.5Z"]
    found = times.parse(pl.Series(column))[0].cast(pl.Int64)[0]
    if "/" in text or text[17:19] == "60":
        return  # spellings that datetime does not know
    assert found == _python(text)


@settings(max_examples=150)
@given(st.lists(st.text(max_size=30) | st.text("0123456789-/:.,TZ+ ", max_size=30), max_size=5))
def test_any_text_is_a_time_or_none_whatever_stands_beside_it(texts: list[str]) -> None:
    together = read(*texts)
    assert together == [read(text)[0] for text in texts]
    assert together == read(*texts, "zz")[:-1]


POINTS = [
    ("2026-11-02T09:00:07Z", "UTC", "2026-11-02T09:00:07Z"),
    ("2026-11-02T09:00Z", "UTC", "2026-11-02T09:00:00Z"),
    ("2026-11-02 09:00", "UTC", "2026-11-02T09:00:00Z"),
    ("2026-11-02 09:00", "Europe/Berlin", "2026-11-02T08:00:00Z"),
    ("2026-11-02", "UTC", "2026-11-02T00:00:00Z"),
    ("2026-11-02", "Europe/Berlin", "2026-11-01T23:00:00Z"),
    ("2026-11-02T10:00:07+01:00", "UTC", "2026-11-02T09:00:07Z"),
    ("1793610001", "UTC", "2026-11-02T09:00:01Z"),
    ("-15m", "UTC", "2026-11-02T11:45:00.500Z"),
    ("-1.5h", "UTC", "2026-11-02T10:30:00.500Z"),
    ("-2d", "UTC", "2026-10-31T12:00:00.500Z"),
    ("-10s", "UTC", "2026-11-02T11:59:50.500Z"),
    ("now", "UTC", "2026-11-02T12:00:00.500Z"),
    ("today", "UTC", "2026-11-02T00:00:00Z"),
    ("yesterday", "UTC", "2026-11-01T00:00:00Z"),
    ("yesterday", "Europe/Berlin", "2026-10-31T23:00:00Z"),
]


@pytest.mark.parametrize(("words", "tz", "utc"), POINTS, ids=[f"{p[0]} in {p[1]}" for p in POINTS])
def test_points_in_time_as_users_write_them(words: str, tz: str, utc: str) -> None:
    newest = 1793620800 * NS + NS // 2  # 2026-11-02 12:00:00.5
    assert times.one_text(times.point(words, newest=newest, tz=tz)) == utc


@pytest.mark.parametrize(
    "words", ["", "soon", "15m", "-m", "-15x", "2026-13-01", "12:00", "-", "-1e9d"]
)
def test_words_that_are_no_time_are_wrong_usage(words: str) -> None:
    with pytest.raises(UsageError):
        times.point(words, newest=0, tz="UTC")


@pytest.mark.parametrize("words", ["-15m", "now", "today", "yesterday"])
def test_relative_times_need_an_event_with_a_time(words: str) -> None:
    with pytest.raises(UsageError, match="--now"):
        times.point(words, newest=None, tz="UTC")


# -- times without a year ---------------------------------------------------------------------

NOVEMBER_2 = 1_793_610_000 * 10**9  # 2026-11-02 09:00 UTC
YEARLESS = {
    "the same day": ("Nov  2 08:59:59", "2026-11-02T08:59:59Z"),
    "one blank": ("Nov 2 08:59:59", "2026-11-02T08:59:59Z"),
    "klog, microseconds": ("1102 08:00:01.250883", "2026-11-02T08:00:01.250883Z"),
    "a day later: clocks differ": ("Nov  3 08:59:59", "2026-11-03T08:59:59Z"),
    "more than a day later: last year's": ("Nov  3 09:00:01", "2025-11-03T09:00:01Z"),
    "over New Year": ("Dec 31 23:59:59", "2025-12-31T23:59:59Z"),
    "a leap day": ("Feb 29 12:00:00", "2024-02-29T12:00:00Z"),
    "a leap second": ("Nov  2 08:59:60", "2026-11-02T09:00:00Z"),
    "no such month": ("1399 00:00:00", None),
    "no such day": ("Nov 31 00:00:00", None),
}


@pytest.mark.parametrize("name", YEARLESS)
def test_a_year_that_is_missing_is_the_latest_before(name: str) -> None:
    text, wanted = YEARLESS[name]
    series = pl.Series([text])
    assert times.parse(series)[0].to_list() == [None]
    found, _ = times.parse(times.with_year(series, NOVEMBER_2, "UTC"))
    assert found.to_frame("t").select(times.text(pl.col("t"))).item() == wanted


@given(st.integers(0, 400 * 86_400))
def test_every_moment_of_the_year_before_comes_back(seconds: int) -> None:
    then = datetime.fromtimestamp(NOVEMBER_2 / 1e9 - seconds % (364 * 86_400), UTC)
    text = pl.Series([then.strftime("%b %e %H:%M:%S")])
    found, zoneless = times.parse(times.with_year(text, NOVEMBER_2, "UTC"))
    assert (found.cast(pl.Int64)[0] // 10**9, zoneless) == (int(then.timestamp()), 1)


def test_the_year_is_that_of_the_newest_dated_record_of_any_source(tmp_path: Path) -> None:
    (tmp_path / "messages").write_text("Nov  2 08:59:59 n1 app[7]: hello\n")
    (tmp_path / "a.jsonl").write_text('{"time":"2023-11-02T09:00:00Z","msg":"x","cuid":"A"}\n')
    case = cuidx.open_case(tmp_path)
    assert str(case.events.collect()["time"][1]) == "2023-11-02 08:59:59+00:00"
    assert any("1 times have no year" in one and "2023-11-02" in one for one in case.warnings)


def test_without_any_it_is_the_file_s_modification_time(tmp_path: Path) -> None:
    path = tmp_path / "messages"
    path.write_text("Nov  2 08:59:59 n1 app[7]: hello\nJan  1 00:00:01 n1 app[7]: again\n")
    os.utime(path, (1_600_000_000, 1_600_000_000))  # September 2020
    case = cuidx.open_case(path)
    assert [str(t) for t in case.events.collect()["time"]] == [
        "2019-11-02 08:59:59+00:00", "2020-01-01 00:00:01+00:00"
    ]  # fmt: skip
    assert any("modification time" in one for one in case.warnings)


# -- clocks that go wrong ---------------------------------------------------------------------

SKEWS = {
    "a node": ("n1=+1.5s", "2026-11-02T09:00:01.500Z"),
    "a node, by its kind": ("node=n1=-500ms", "2026-11-02T08:59:59.500Z"),
    "a service": ("service=mail=+1m", "2026-11-02T09:01:00Z"),
    "a source": ("source=a.jsonl=+1h", "2026-11-02T10:00:00Z"),
    "another node": ("n2=+1.5s", "2026-11-02T09:00:00Z"),
    "another service": ("service=pay=+1s", "2026-11-02T09:00:00Z"),
}


@pytest.mark.parametrize("name", SKEWS)
def test_a_skew_moves_the_times_it_is_about(name: str, tmp_path: Path) -> None:
    words, wanted = SKEWS[name]
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"time":"2026-11-02T09:00:00Z","msg":"x","cuid":"A","service":"mail","node":"n1"}\n'
    )
    case = cuidx.open_case(path, skew=[words])
    assert case.events.select(times.text(pl.col("time"))).collect().item() == wanted
    assert any("--skew" in one for one in case.warnings)


@pytest.mark.parametrize("words", ["n1", "n1=1s", "=+1s", "n1=+1", "n1=+"])
def test_a_skew_that_means_nothing_is_refused(words: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x\n")
    with pytest.raises(cuidx.UsageError):
        cuidx.open_case(tmp_path / "a", skew=[words])
