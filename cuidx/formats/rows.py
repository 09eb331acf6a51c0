"""Rows that are columns already: Parquet, Arrow, a frame of the user's own.

Columns are roles by the same names as JSON keys are (`documents.FIELDS`); a struct is an object.
"""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from cuidx.formats import lines
from cuidx.formats.base import Grouped, Reading, kinds
from cuidx.formats.documents import COLLECTOR_KEYS, Table, table
from cuidx.formats.scan import group_rows
from cuidx.schema import EVIDENCE_ROLES, KIND, TIME


def parse(
    frame: pl.DataFrame, first_line: int, reading: Reading, *, wrapped: bool | None = None
) -> pl.DataFrame:
    """The roles of FRAME's rows: one event a row, line numbers from FIRST_LINE on.

    WRAPPED says whether a collector made the rows of programs' lines, where the names don't.
    """
    columns = _columns(_found(frame, reading))
    count = len(frame)
    out = pl.DataFrame([kinds(count, "event")])
    if columns:
        out = out.hstack(frame.select(**columns))
    out = out.with_columns(
        pl.lit(None, pl.String).alias(role)
        for role in sorted((reading.want | lines.ALWAYS) - set(EVIDENCE_ROLES) - set(columns))
    ).with_columns(
        record_kind=pl.lit(None, KIND),
        envelope=pl.lit(
            not COLLECTOR_KEYS.isdisjoint(frame.columns) if wrapped is None else wrapped
        ),
        document=pl.lit(True),
        is_line=pl.lit(True),
        suffixes=pl.lit(0, pl.Int64),
        repeats=pl.lit(None, pl.Boolean),  # a row has each key once
    )
    if "message" in columns:
        body = out["message"].fill_null("")
        out = lines.read_messages(out, reading, 0)
        for pattern in reading.patterns:
            out = lines.apply_pattern(out, body, pattern, reading.want, out["suffixes"] > 0)
    out = out.with_columns(kind=pl.coalesce("record_kind", "kind"))
    out = out.drop(lines.INNER).with_columns(
        line=pl.int_range(pl.len(), dtype=pl.Int64) + first_line
    )
    return lines.finish(out, reading)


def group(frame: pl.DataFrame, first_line: int, reading: Reading) -> Grouped | None:
    """The same as `parse`, in groups (`scan.group_rows`); None if rows are better."""
    wanted = reading.want | lines.ALWAYS
    found = {role: ranked for role, ranked in _found(frame, reading).items() if role in wanted}
    if not {"time", "cuid"} <= found.keys():
        return None
    # What stands for "none" in a text of its own is known natively.
    plain = {role: ranked[0].value for role, ranked in found.items()
             if len(ranked) == 1 and ranked[0].dtype == pl.String}  # fmt: skip
    others = _columns({role: ranked for role, ranked in found.items() if role not in plain})
    texts = frame.select(**{role: plain.get(role, others.get(role)) for role in found})
    if (dtype := texts["time"].dtype) != pl.String:
        texts = texts.with_columns(pl.col("time").cast(pl.Int64 if dtype == TIME else pl.String))
    return group_rows(
        texts, first_line, reading, lambda odd: parse(frame[odd["row"]], first_line, reading)
    )


def needed(reading: Reading, schema: pl.Schema) -> list[str]:
    """The columns of a table of SCHEMA that what is wanted is read from."""
    wanted = reading.want | lines.ALWAYS
    columns = _columns(_found(pl.DataFrame(schema=schema), reading))
    roots = {name for role in columns.keys() & wanted for name in columns[role].meta.root_names()}
    # Without any column there would be no rows.
    return [name for name in schema if name in roots | COLLECTOR_KEYS] or list(schema)[:1]


class _Value(NamedTuple):
    """Where a role is found: the lowest rank counts."""

    rank: int
    value: pl.Expr
    dtype: pl.DataType


def _columns(found: dict[str, list[_Value]]) -> dict[str, pl.Expr]:
    """What each role is."""
    return {
        role: pl.coalesce(_text(one.value, one.dtype, role) for one in ranked)
        for role, ranked in found.items()
    }


def _found(frame: pl.DataFrame, reading: Reading) -> dict[str, list[_Value]]:
    """Where each role is in FRAME, the best place first."""
    found: dict[str, list[_Value]] = {}
    for name, dtype in frame.schema.items():
        _roles(pl.col(name), dtype, (name,), table(reading.fields), found)
    return {role: sorted(ranked, key=lambda one: one.rank) for role, ranked in found.items()}


def _roles(
    expr: pl.Expr,
    dtype: pl.DataType,
    path: tuple[str, ...],
    roles: Table,
    found: dict[str, list[_Value]],
) -> None:
    if isinstance(dtype, pl.Struct):
        for field in dtype.fields:
            inner = field.dtype if isinstance(field.dtype, pl.DataType) else field.dtype()
            _roles(expr.struct.field(field.name), inner, (*path, field.name), roles, found)
        return
    if hit := roles.role_of(path):
        found.setdefault(hit[0], []).append(_Value(hit[1], expr, dtype))


def _text(expr: pl.Expr, dtype: pl.DataType, role: str) -> pl.Expr:
    if isinstance(dtype, pl.Datetime) and role == "time":
        zoned = expr if dtype.time_zone else expr.dt.replace_time_zone("UTC")
        return zoned.dt.convert_time_zone("UTC").cast(TIME)
    if isinstance(dtype, pl.List | pl.Array):
        expr = expr.list.first() if isinstance(dtype, pl.List) else expr.arr.first()
    text = expr.cast(pl.String)
    if role == "message":
        return text
    return pl.when((text == "") | (text == "-")).then(None).otherwise(text)
