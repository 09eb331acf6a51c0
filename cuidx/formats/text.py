"""Text lines: a time near the start, a level after it, request ids; and the tagger's suffix.

    2026-11-02T09:00:01.250Z INFO charge accepted request_id=4f1c {"ikontainer_CUID":"3b9d…",…}
    time, in the first 64    level  message                       suffix, the last one of the line

The addresses in a text have no role. What has no time of its own takes that of the line before.
"""

from __future__ import annotations

import json
from typing import Final

import polars as pl

from cuidx.suffix import OPENING, PATTERN
from cuidx.times import LEADING

_COLOUR: Final = r"\x1b\[[0-9;]*m"
_LEVEL_WORD = (
    r"TRACE|DEBUG|INFO|INFORMATION|NOTICE|WARN|WARNING|ERR|ERROR|CRIT|CRITICAL|ALERT|FATAL|PANIC"
    r"|EMERG|EMERGENCY|SEVERE"
)
_TIME: Final = rf"^[^\n]{{0,63}}?({LEADING})"
# After the time: the level, at most a [thread] and a process number between; any case.
_LEVEL_AFTER: Final = (
    rf"(?i)^[^\n]{{0,63}}?{LEADING}[\]\s|:,;-]*(?:\[[^\]\n]{{0,60}}\][\s|:-]*)?(?:[0-9]+\s+)?"
    rf"[\[(<]?({_LEVEL_WORD})\b"
)
# Without a time only a capital word at the very start, or a key that says so.
_LEVEL_FIRST: Final = rf"^[\[(<]?({_LEVEL_WORD})\b"
_LEVEL_KEY: Final = r'\b(?:level|lvl|severity)="?([A-Za-z]+)'
_REQUEST: Final = r'(?i)(?:^|[^\w-])(?:x[-_])?(?:request|req)[-_]?id"?\s*[=:]\s*"?([\w.-]+)'
_RID: Final = r"(?:^|\s)rid=([\w.-]+)"
_TRACE: Final = r'(?i)(?:^|[^\w-])trace[-_]?id"?\s*[=:]\s*"?([\w.-]+)'


def split_suffix(text: pl.Series) -> pl.DataFrame:
    """Columns body (what the application wrote), cuid, svc, suffixes; the tagger's is the last."""
    count = text.str.count_matches(OPENING, literal=True).cast(pl.Int64)
    if not (count > 0).any():
        nothing = pl.lit(None, pl.String)
        return pl.DataFrame({"body": text, "suffixes": count}).with_columns(
            cuid=nothing, svc=nothing
        )
    frame = pl.DataFrame({"text": text, "suffixes": count}).with_columns(
        tail=pl.when(pl.col("suffixes") > 0).then(pl.col("text").str.extract(f"({PATTERN})", 1))
    )
    groups = pl.col("tail").str.extract_groups(PATTERN)
    # An opening that is not the whole tail is the application's own text, not a suffix.
    before = pl.col("text").str.len_chars() - pl.col("tail").str.len_chars()
    return frame.select(
        body=pl.when(pl.col("tail").is_null())
        .then("text")
        .otherwise(pl.col("text").str.head(before)),
        suffixes=pl.when(pl.col("tail").is_null()).then(0).otherwise("suffixes"),
        cuid=groups.struct[0],
        svc=groups.struct[1],
    ).with_columns(pl.col("cuid", "svc").map_batches(_unescape, return_dtype=pl.String))


def _unescape(values: pl.Series) -> pl.Series:
    """What stood between JSON quotes, as text; empty is none."""
    escaped = values.str.contains("\\", literal=True)
    if escaped.any():  # only a forged or foreign suffix has escapes: no need to be quick
        distinct = values.filter(escaped).unique().to_list()
        values = values.replace(dict(zip(distinct, map(_json_text, distinct), strict=True)))
    return values.set(values == "", None)


def _json_text(quoted: str) -> str:
    try:
        return str(json.loads(f'"{quoted}"', strict=False)).encode("utf-8", "replace").decode()
    except ValueError:
        return quoted


def read(text: pl.Series, want: frozenset[str]) -> pl.DataFrame:
    """Roles of text lines without their suffix, those in WANT; same length, same order."""
    if text.str.contains(_COLOUR).any():  # a colour between time and level hides the level
        text, message = text.str.replace_all(_COLOUR, ""), text
    else:
        message = text
    column = pl.col("text")
    columns: dict[str, pl.Expr] = {}
    if "time" in want:
        columns["time"] = column.str.extract(_TIME, 1)
    if "level" in want:
        columns["level"] = pl.coalesce(
            column.str.extract(_LEVEL_AFTER, 1),
            column.str.extract(_LEVEL_FIRST, 1),
            column.str.extract(_LEVEL_KEY, 1),
        )
    if "message" in want:
        columns["message"] = pl.col("message").str.strip_chars_end()
    found = pl.DataFrame({"text": text, "message": message}).select(**columns)
    for role, hint, patterns in (
        ("request_id", ("req", "rid="), (_REQUEST, _RID)),
        ("trace_id", ("trace",), (_TRACE,)),
    ):
        if role in want:
            found = found.with_columns(_extract(text, hint, patterns).alias(role))
    return found


def _extract(text: pl.Series, hints: tuple[str, ...], patterns: tuple[str, ...]) -> pl.Series:
    """The first group of the first pattern that fits; only texts with a hint are looked into."""
    # Literals are found ten times quicker than expressions, and most lines have none.
    likely = text.str.contains_any(list(hints), ascii_case_insensitive=True).arg_true()
    nothing = pl.Series([None], dtype=pl.String).new_from_index(0, len(text))
    if likely.is_empty():
        return nothing
    some = pl.DataFrame({"text": text.gather(likely)}).select(
        pl.coalesce(pl.col("text").str.extract(pattern, 1) for pattern in patterns)
    )
    return nothing.scatter(likely, some.to_series())
