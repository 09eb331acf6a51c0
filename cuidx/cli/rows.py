"""A table of answers as rows for JSON: times as RFC 3339 text, missing ones as None."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl


def json_rows(table: pl.DataFrame) -> list[dict[str, Any]]:
    """TABLE's rows, ready for `json.dumps`."""
    import polars as pl

    from cuidx import times

    return table.with_columns(
        times.text(pl.col(name)).alias(name)
        for name, dtype in table.schema.items()
        if isinstance(dtype, pl.Datetime)
    ).to_dicts()
