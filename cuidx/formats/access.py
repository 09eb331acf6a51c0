"""What access logs have in common: one fixed shape, and a proxy's own lines in the same stream.

    203.0.113.24 - - [02/Nov/2026:09:00:01 +0000] "GET / HTTP/1.1" 200 3 "-" "curl/7.88.1"
    2026/11/02 09:00:05 [error] 31#31: *7 connect() failed (111: Connection refused)

The second is an event as text: it begins with a time and has a level after it. So is a line that
any other known shape fits, and a JSON object. What is left is a record that was cut or mixed up.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from cuidx.formats import lines
from cuidx.formats import text as text_layer
from cuidx.formats.base import Block, Reading, Sample
from cuidx.schema import KIND
from cuidx.times import LEADING

# What stands between quotes where quotes and backslashes in it are escaped.
QUOTED: Final = r'"(?:[^"\\]|\\.)*"'
# Time of the common log format: 02/Nov/2026:09:00:01 +0000
CLOCK: Final = r"[0-3]\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}"

_DATED: Final = rf"^\[?{LEADING}"
_FEW: Final = 0.15
_EMPTY: Final = ("", "-")
_NOT_READ: Final = ("kind", "why", "raw", "line")


def groups(text: pl.Series, pattern: str) -> pl.DataFrame:
    """The named groups of PATTERN in each of TEXT, all null where it does not fit.

    `-` and nothing are null, too, but for `message`: that may be either.
    """
    parts = pl.DataFrame({"text": text.str.extract_groups(pattern)}).unnest("text")
    return parts.with_columns(
        pl.when(~pl.col(name).is_in(_EMPTY)).then(name).alias(name)
        for name in parts.columns if name != "message"
    )  # fmt: skip


def share(sample: Sample, pattern: str) -> float:
    """The share of the sample's filled lines that PATTERN, in Rust's syntax, fits."""
    return sample.share(count(sample, pattern))


def count(sample: Sample, pattern: str) -> int:
    """How many of the sample's filled lines fit PATTERN; a suffix does not matter."""
    return int(sample.bodies.str.contains(pattern).sum())


def sure(sample: Sample, pattern: str, likely: str) -> float:
    """How sure it is that a file with this sample is an access log: its share of records.

    Little where more lines are neither a record nor other known text: then it is a program's text
    that has some records in it, and those other lines are no broken records.
    """
    text = sample.bodies
    fits = text.str.contains(pattern)
    records = int(fits.sum())
    if not records:
        return 0.0
    rest = text.filter(~fits)
    broken = int((~_is_other(rest, likely) & ~rest.str.starts_with("{")).sum())
    return sample.share(records) * (1.0 if records >= broken else _FEW)


def _is_other(text: pl.Series, likely: str) -> pl.Series:
    """Which of TEXT are known to be whole, though no records: another shape, a time and a level."""
    level = text_layer.read(text, frozenset({"level"}))["level"]
    dated = text.str.contains(_DATED) & ~text.str.contains(likely)
    known = text_layer.known(text, frozenset())
    told = dated & level.is_not_null()
    return told if known is None else told | known["fits"]


def parse(block: Block, reading: Reading, *, pattern: str, likely: str, why: str) -> pl.DataFrame:
    """One row a line. One that fits neither PATTERN nor any other known text is unreadable: WHY.

    LIKELY is how records of this format begin: what begins so and does not fit is a broken one.
    """
    raw = pl.Series("raw", block.texts(), dtype=pl.String)
    frame = lines.read(raw, reading)
    body = text_layer.split_suffix(raw)["body"]
    odd = (~body.str.contains(pattern) & (frame["kind"] != "blank")).arg_true()
    if len(odd):
        good = frame["document"].gather(odd) | _is_other(body.gather(odd), likely)
        frame = _mark(frame, raw, odd.filter(~good), why)
    frame = frame.drop(lines.INNER).with_columns(line=pl.int_range(pl.len()) + block.first_line)
    return lines.finish(frame, reading)


def _mark(frame: pl.DataFrame, raw: pl.Series, bad: pl.Series, why: str) -> pl.DataFrame:
    """FRAME with the rows BAD unreadable: nothing is known of them but the line."""
    if bad.is_empty():
        return frame
    is_bad = pl.Series([False]).new_from_index(0, len(frame)).scatter(bad, True)
    return frame.with_columns(
        *(pl.when(~is_bad).then(name).alias(name) for name in frame.columns
          if name not in (*_NOT_READ, "suffixes")),
        suffixes=pl.when(is_bad).then(0).otherwise("suffixes"),
        kind=pl.when(is_bad).then(pl.lit("unreadable", KIND)).otherwise("kind"),
        why=pl.when(is_bad).then(pl.lit(why)).otherwise(
            pl.col("why") if "why" in frame.columns else pl.lit(None, pl.String)),
        raw=pl.when(is_bad).then(raw).otherwise(
            pl.col("raw") if "raw" in frame.columns else pl.lit(None, pl.String)),
    )  # fmt: skip
