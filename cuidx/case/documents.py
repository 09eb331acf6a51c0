"""Records as the documents that `push` writes: the fields of `sources.elastic.layout`."""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from cuidx import times
from cuidx.enrich.identity import address, normalise, request_text
from cuidx.schema import EVIDENCE_TIMES, LEVEL
from cuidx.sources.elastic import layout

_ERA: Final = 1 << layout.NS_BITS
_ADDRESSES: Final = pl.List(pl.String())


def documents(records: pl.DataFrame, path: str) -> pl.Series:
    """The JSON of each of RECORDS, events and evidence of the source PATH with their `offset`.

    Fields that no record here has are left out; where only some lack one, it is null.
    """
    rows = normalise(records).with_columns(
        pl.lit(None, pl.String).alias(name)
        for name in ("request_id", "trace_id")
        if name not in records.columns
    )
    at = pl.col("time").cast(pl.Int64)
    rows = rows.with_columns(
        era=at // _ERA,
        request=pl.when(pl.col("kind") == "event").then(request_text()),
        error=pl.when(pl.col("level") >= pl.lit("ERROR", LEVEL)).then(pl.lit(1)),
        source=pl.lit(path),
    ).with_columns(ns=at - pl.col("era") * _ERA)
    rows = rows.with_columns(
        times.text(pl.col(name)).alias(name) for name in EVIDENCE_TIMES if name in rows.columns
    )
    tells = pl.col("kind") == "evidence"
    if "holds" in rows.columns:
        tells |= pl.col("holds").is_not_null()
    if "suffixes" in rows.columns:  # only more than one says something
        rows = rows.with_columns(suffixes=pl.when(pl.col("suffixes") > 1).then("suffixes"))
    if "repeats" in rows.columns:
        rows = rows.with_columns(repeats=pl.when("repeats").then("repeats"))
    rows = rows.with_columns(_group(rows))
    fields: dict[str, pl.Expr | pl.Series] = {
        field: pl.col(name)
        for name, (field, _) in layout.FIELDS.items()
        if name in rows.columns and rows[name].null_count() < len(rows)
    }
    fields |= {
        layout.SOURCE: pl.col("source"), layout.OFFSET: pl.col("offset"),
        layout.ERA: pl.col("era"), layout.NS: pl.col("ns"), layout.GROUP: pl.col("group"),
        layout.CONTAINER: pl.col("container"), layout.IDENTITY: pl.col("identity"),
        layout.REQUEST: pl.col("request"), layout.TELLS: pl.when(tells).then(pl.lit(True)),
        # What the mapping's type can't hold is in `era` and `ns` alone.
        layout.TIME_FIELD: pl.when(at >= 0).then(times.text(pl.col("time"))),
    }  # fmt: skip
    for name, field in layout.ADDRESSES.items():
        if name in rows.columns and rows[name].null_count() < len(rows):
            fields[field] = _addresses(rows[name])
    empty = {
        field for field, value in rows.select(**fields).to_dict().items()
        if value.null_count() == len(rows)
    }  # fmt: skip
    tree = layout.nested((field, expr) for field, expr in fields.items() if field not in empty)
    return rows.select(document=struct_of(tree).struct.json_encode()).to_series()


def struct_of(tree: dict[str, Any]) -> pl.Expr:
    """One struct from expressions in `layout.nested` objects."""
    return pl.struct(
        (struct_of(value) if isinstance(value, dict) else value).alias(name)
        for name, value in tree.items()
    )


def _group(rows: pl.DataFrame) -> pl.Series:
    """The word in `cuidx.group` of each row."""
    missing = [name for name in layout.GROUPED if name not in rows.columns]
    keys = ["era", "source", *layout.GROUPED]
    each = rows.with_columns(pl.lit(None).alias(name) for name in missing).select(keys)
    words = each.unique()
    words = words.with_columns(
        group=pl.Series(
            [layout.group_word(values[1:], values[0]) for values in words.iter_rows()],
            dtype=pl.String,
        )
    )
    return each.join(words, on=keys, how="left", nulls_equal=True, maintain_order="left")["group"]


def _addresses(values: pl.Series) -> pl.Series:
    """The addresses in VALUES, which may have ports or be lists, as the type `ip` takes them."""
    known: dict[str | None, list[str] | None] = {None: None}
    for value in values.drop_nulls().unique().to_list():
        found = [ip for part in value.split(",") if (ip := address(part)) is not None]
        known[value] = found or None
    return pl.Series([known[value] for value in values.to_list()], dtype=pl.List(pl.String()))
