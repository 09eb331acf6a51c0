"""Rows that come as frames, block by block: written as they come, so that memory does not grow.

Only Markdown and HTML need all rows before the first can be written.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from cuidx.present import cells
from cuidx.present.emit import dumps, emit, version
from cuidx.present.escape import UNSAFE, json_safe, visible
from cuidx.present.form import Form
from cuidx.present.output import is_stdout, opened
from cuidx.present.result import Result

if TYPE_CHECKING:
    import polars as pl

Frames = Iterable["pl.DataFrame"]
Rows = Callable[["pl.DataFrame"], list[dict[str, Any]]]
Draw = Callable[[Iterator[dict[str, Any]], int, bool], Iterator[str]]


def emit_frames(
    result: Result,
    frames: Frames,
    form: Form,
    *,
    rows: Rows,
    draw: Draw,
    output: Path | None,
    color: bool | None = None,
    width: int | None = None,
    metadata: Callable[[], dict[str, str]] | None = None,
) -> None:
    """Write FRAMES, as they come, to OUTPUT (None or `-`: standard output).

    RESULT has no rows; its accounting and warnings are asked for when the last frame is out. ROWS
    makes JSON-ready rows of a frame, DRAW a table's text of rows, width and colour. Each piece is
    flushed: a reader sees what has come. METADATA is for Parquet.
    """
    to_terminal = is_stdout(output) and sys.stdout.isatty()
    if color is None:
        color = is_stdout(output) and cells.terminal_color()
    if form in (Form.markdown, Form.html):
        gathered = [row for frame in frames for row in rows(frame)]
        emit(replace(result, rows=gathered), form, output=output, color=color)
        return
    pieces: Iterator[bytes]
    with opened(output) as file:
        match form:
            case Form.jsonl:
                pieces = map(_lines, frames)
            case Form.json:
                pieces = _json(result, frames)
            case Form.csv if to_terminal:
                pieces = map(_visible, _csv(frames, result))
            case Form.csv:
                pieces = _csv(frames, result)
            case Form.parquet:
                _parquet(frames, file, metadata)
                return
            case _:
                each = (row for frame in frames for row in rows(frame))
                text = draw(each, width or cells.terminal_width(), color)
                pieces = (piece.encode() for piece in text)
        for piece in pieces:
            file.write(piece)
            file.flush()


def _visible(data: bytes) -> bytes:
    """CSV with all that a terminal would obey made visible, but for its line ends."""
    lines = data.decode().split("\r\n")
    return "\r\n".join(map(visible, lines)).encode()


def _lines(frame: pl.DataFrame) -> bytes:
    """FRAME's rows as JSON lines, with what is not to be written as it is escaped."""
    import polars as pl

    lines = _texts(frame).select(pl.struct(pl.all()).struct.json_encode()).to_series()
    data = _written(lines.to_frame(), quote_style="never")
    if data.isascii() and b"\x7f" not in data:
        return data
    hostile = lines.str.contains(UNSAFE).arg_true()
    if hostile.is_empty():
        return data
    safe = [json_safe(line) for line in lines.gather(hostile).to_list()]
    return _written(lines.scatter(hostile, safe).to_frame(), quote_style="never")


def _written(frame: pl.DataFrame, **how: Any) -> bytes:
    buffer = io.BytesIO()
    frame.write_csv(buffer, include_header=False, **how)
    return buffer.getvalue()


def _texts(frame: pl.DataFrame) -> pl.DataFrame:
    """FRAME with its times as text."""
    import polars as pl

    from cuidx import times

    return frame.with_columns(
        times.text(pl.col(name)).alias(name)
        for name, dtype in frame.schema.items()
        if isinstance(dtype, pl.Datetime)
    )


def _json(result: Result, frames: Frames) -> Iterator[bytes]:
    """One object; what was counted comes after the rows, when the last one is out."""
    head: dict[str, object] = {"cuidx": version(), "command": result.command}
    yield (dumps(head)[:-1] + f', "{result.rows_name}": [').encode()
    between = b"\n "
    for frame in frames:
        if len(frame):
            yield between + _lines(frame).rstrip(b"\n").replace(b"\n", b",\n ")
            between = b",\n "
    rest = {"accounting": result.accounting, "warnings": list(result.warnings)}
    yield (("]" if between == b"\n " else "\n]") + ", " + dumps(rest)[1:] + "\n").encode()


def _csv(frames: Frames, result: Result) -> Iterator[bytes]:
    """Lists and objects as JSON in their cell."""
    import polars as pl

    yield (",".join(result.names()) + "\r\n").encode()
    for frame in frames:
        nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
        flat = _texts(frame).with_columns(
            frame.select(cell=pl.struct(name).struct.json_encode())["cell"]
            .str.strip_prefix(f'{{"{name}":').str.strip_suffix("}").alias(name)
            for name in nested
        )  # fmt: skip
        yield _written(flat, line_terminator="\r\n")


def _parquet(
    frames: Frames, file: IO[bytes], metadata: Callable[[], dict[str, str]] | None
) -> None:
    """Times and numbers keep their types."""
    from polars.io.plugins import register_io_source

    each = iter(frames)
    first = next(each)

    def read(
        with_columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        del with_columns, predicate, n_rows, batch_size  # a file of all rows asks for none
        yield first
        yield from each

    buffer = io.BytesIO() if not file.seekable() else file
    said = None if metadata is None else metadata()
    register_io_source(read, schema=first.schema).sink_parquet(buffer, metadata=said)
    if isinstance(buffer, io.BytesIO):
        file.write(buffer.getvalue())


def write_parquet(
    frames: Frames, output: Path, metadata: Callable[[], dict[str, str]] | None = None
) -> None:
    """FRAMES as a Parquet file, whole or not at all."""
    with opened(output) as file:
        _parquet(frames, file, metadata)
