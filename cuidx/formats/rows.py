"""Rows that are columns already: Parquet, Arrow, a frame of the user's own.

Columns are roles by the same names as JSON keys are (`documents.FIELDS`); a struct is an object.
"""

from __future__ import annotations

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
    columns = _columns(frame, reading)
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
    columns = {role: expr for role, expr in _columns(frame, reading).items() if role in wanted}
    if not {"time", "cuid"} <= columns.keys():
        return None
    texts = frame.select(**columns)
    time = texts["time"].dtype == TIME
    texts = texts.with_columns(pl.col("time").cast(pl.Int64 if time else pl.String))
    return group_rows(
        texts, first_line, reading, lambda odd: parse(frame[odd["row"]], first_line, reading)
    )


def _columns(frame: pl.DataFrame, reading: Reading) -> dict[str, pl.Expr]:
    """What each role is in FRAME."""
    found: dict[str, list[tuple[int, pl.Expr]]] = {}
    for name, dtype in frame.schema.items():
        _roles(pl.col(name), dtype, (name,), table(reading.fields), found)
    return {
        role: pl.coalesce(expr for _, expr in sorted(ranked, key=lambda item: item[0]))
        for role, ranked in found.items()
    }


def _roles(
    expr: pl.Expr,
    dtype: pl.DataType,
    path: tuple[str, ...],
    roles: Table,
    found: dict[str, list[tuple[int, pl.Expr]]],
) -> None:
    if isinstance(dtype, pl.Struct):
        for field in dtype.fields:
            inner = field.dtype if isinstance(field.dtype, pl.DataType) else field.dtype()
            _roles(expr.struct.field(field.name), inner, (*path, field.name), roles, found)
        return
    if hit := roles.role_of(path):
        found.setdefault(hit[0], []).append((hit[1], _text(expr, dtype, hit[0])))


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
