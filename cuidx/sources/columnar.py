"""Files of columns: Parquet, and Arrow's two forms, a file and a stream. They have no lines."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Final

import polars as pl

from cuidx.errors import SourceError

# What a source is found to be (`stream.compression`): its format, and what people call it.
COLUMNAR: Final = {
    "parquet": ("parquet", "a Parquet file"),
    "arrow": ("arrow", "an Arrow file"),
    "arrow-stream": ("arrow", "an Arrow stream"),
}
NAMES: Final = frozenset(name for name, _ in COLUMNAR.values())
_LEAST, _MOST = 32_768, 131_072  # rows at once, where the file has as many
_AHEAD: Final = 1_048_576  # rows that polars may have read before they are asked for


def frames(
    path: str,
    where: str | io.BytesIO,
    kind: str,
    only: Callable[[pl.Schema], list[str]] | None = None,
) -> Iterator[pl.DataFrame]:
    """The rows of a source of some KIND of COLUMNAR, in parts. A stream is read as a whole.

    ONLY says of its columns which are needed; the others are not read where that is possible.

    Raises:
        SourceError: it can't be read. Nothing of a damaged one is.
    """
    try:
        if kind == "arrow-stream":
            yield from pl.read_ipc_stream(where).iter_slices(_MOST)
            return
        scan = pl.scan_parquet(where) if kind == "parquet" else pl.scan_ipc(where)
        if only is not None:
            scan = scan.select(only(scan.collect_schema()))
        # As the file has them: to cut its groups of rows anew costs a third of reading them.
        for frame in _large(_in_windows(scan)):
            yield from frame.iter_slices(_MOST)
    except (pl.exceptions.PolarsError, OSError) as error:
        what = COLUMNAR[kind][1].split(" ", 1)[1]
        raise SourceError(
            f"this {what} can't be read: {str(error).splitlines()[0]}",
            where=path,
            do=f"write it again; {COLUMNAR[kind][1]} that was cut off has no usable part",
        ) from None


def _in_windows(scan: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """The rows of SCAN as it has them; polars alone reads some thirty groups ahead, of any size."""
    begin, count = 0, _AHEAD
    while count == _AHEAD:
        count = 0
        for frame in scan.slice(begin, _AHEAD).collect_batches(maintain_order=True):
            count += len(frame)
            yield frame
        begin += count


def _large(parts: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """PARTS, with small ones put together."""
    small: list[pl.DataFrame] = []
    rows = 0
    for part in parts:
        small.append(part)
        rows += len(part)
        if rows >= _LEAST:
            yield pl.concat(small, rechunk=False)
            small, rows = [], 0
    if small:
        yield pl.concat(small, rechunk=False)
