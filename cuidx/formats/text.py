"""Text lines: a time near the start, a level after it, request ids; and the tagger's suffix.

    2026-11-02T09:00:01.250Z INFO charge accepted request_id=4f1c {"ikontainer_CUID":"3b9d…",…}
    time, in the first 64    level  message                       suffix, the last one of the line

The addresses in a text have no role. What has no time of its own takes that of the line before.
"""

from __future__ import annotations

import json
from typing import Final, Protocol

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
_REQUEST: Final = r'(?i)(?:^|[^\w-])(?:x[-_])?(?:request|req)[-_]?id"?\s*[=:]\s*"?(\w[\w.-]*)'
_RID: Final = r"(?:^|\s)rid=(\w[\w.-]*)"
_TRACE: Final = r'(?i)(?:^|[^\w-])trace[-_]?id"?\s*[=:]\s*"?(\w[\w.-]*)'


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
    columns: dict[str, pl.Expr | pl.Series] = {}
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
    for role, hint, patterns in (
        ("request_id", ("req", "rid="), (_REQUEST, _RID)),
        ("trace_id", ("trace",), (_TRACE,)),
    ):
        if role in want:
            columns[role] = _extract(text, hint, patterns)
    found = pl.DataFrame({"text": text, "message": message}).select(**columns)
    shaped = known(text, want, found)
    if shaped is None:
        return found
    # A shape knows its lines whole: what it says is null is not there.
    return found.with_columns(
        pl.when(shaped["fits"]).then(shaped[role])
        .otherwise(found[role] if role in found.columns else None).alias(role)
        for role in shaped.columns if role != "fits"
    )  # fmt: skip


class Text(Protocol):
    """A shape that text lines have: a format whose lines may stand in any envelope.

    LIKELY is an expression that each such line fits, quick to refuse others: anchored with `^`.
    IN_FIELDS says that all addresses of such a line are roles: none is left for `text`.
    """

    @property
    def LIKELY(self) -> str: ...  # noqa: D102, N802
    @property
    def IN_FIELDS(self) -> bool: ...  # noqa: D102, N802

    def read(self, text: pl.Series, want: frozenset[str], /) -> pl.DataFrame:
        """`fits` (boolean), roles of PARSED and maybe record_kind (KIND), a row for each of TEXT.

        What is left out (`message` where it is the line itself, say) stays as `read` above finds
        it in any text; a column of nulls says that such lines never have it.
        """


def known(
    text: pl.Series, want: frozenset[str], found_so_far: pl.DataFrame | None = None
) -> pl.DataFrame | None:
    """What the shapes in `formats.TEXTS` say of those of TEXT that fit one: roles and record_kind.

    Same length and order as TEXT; all null where none fits. None if no text fits any. Roles that a
    shape leaves out are taken from FOUND_SO_FAR.
    """
    from cuidx.formats.registry import TEXTS  # formats stand on this module

    found: pl.DataFrame | None = None
    likely = text.str.contains("|".join(f"(?:{shape.LIKELY})" for shape in TEXTS)).arg_true()
    if likely.is_empty():
        return None
    some = text.gather(likely)
    left = some.is_not_null()
    for shape in TEXTS:
        at = (left & some.str.contains(shape.LIKELY)).arg_true()
        if at.is_empty():
            continue
        part = shape.read(some.gather(at), want)
        fits = part["fits"].fill_null(False)
        if not fits.any():
            continue
        left = left.clone().scatter(at.filter(fits), False)
        part = part.drop("fits").filter(fits).with_columns(at=likely.gather(at.filter(fits)))
        if found_so_far is not None:
            rest = [name for name in found_so_far.columns if name not in part.columns]
            part = part.with_columns(found_so_far[name].gather(part["at"]) for name in rest)
        found = part if found is None else pl.concat([found, part], how="diagonal")
    if found is None:
        return None
    place = pl.Series([None], dtype=pl.Int64).new_from_index(0, len(text))
    place = place.scatter(found["at"], range(len(found)))
    return found.drop("at").select(pl.all().gather(place), fits=place.is_not_null())


def in_fields(text: pl.Series) -> pl.Series:
    """Which of TEXT are lines of a shape whose addresses are all roles."""
    from cuidx.formats.registry import TEXTS

    shapes = [shape for shape in TEXTS if shape.IN_FIELDS]
    found = pl.Series([False]).new_from_index(0, len(text))
    likely = text.str.contains("|".join(f"(?:{shape.LIKELY})" for shape in shapes)).arg_true()
    some = text.gather(likely)
    for shape in shapes if len(likely) else ():
        at = some.str.contains(shape.LIKELY).arg_true()
        if len(at):
            fits = shape.read(some.gather(at), frozenset())["fits"].fill_null(False)
            found = found.scatter(likely.gather(at.filter(fits)), True)
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
