"""A table of answers as rows for JSON: times as RFC 3339 text, missing ones as None."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl


def json_rows(table: pl.DataFrame) -> list[dict[str, Any]]:
    """TABLE's rows, ready for `json.dumps`."""
    rows: list[dict[str, Any]] = [{} for _ in range(len(table))]
    for name in table.columns:
        for row, value in zip(rows, _texts(table[name]), strict=True):
            row[name] = value
    return rows


def flat_columns(table: pl.DataFrame) -> pl.DataFrame:
    """TABLE with a column for each field of a struct (`ip_search.lines`), as CSV needs it."""
    import polars as pl

    while structs := [name for name, dtype in table.schema.items() if isinstance(dtype, pl.Struct)]:
        table = table.unnest(structs, separator=".")
    return table


def _texts(values: pl.Series) -> list[Any]:
    import polars as pl

    from cuidx import times

    dtype = values.dtype
    if isinstance(dtype, pl.Datetime):
        return values.to_frame("t").select(times.text(pl.col("t"))).to_series().to_list()
    if isinstance(dtype, pl.List):
        flat = iter(_texts(values.explode(empty_as_null=False)))
        sizes = values.list.len().to_list()
        return [None if n is None else [next(flat) for _ in range(n)] for n in sizes]
    if isinstance(dtype, pl.Struct):
        fields = [_texts(values.struct.field(field.name)) for field in dtype.fields]
        names = [field.name for field in dtype.fields]
        there = values.is_not_null().to_list()
        return [
            dict(zip(names, row, strict=True)) if is_there else None
            for is_there, row in zip(there, zip(*fields, strict=True), strict=True)
        ]
    return values.to_list()
