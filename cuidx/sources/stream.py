"""Bytes of a source, decompressed by its magic number, in blocks of whole records."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

from cuidx.errors import SourceError
from cuidx.sources.paths import Source

BLOCK: Final = 16 << 20  # bytes; larger blocks cost memory and gain nothing
_LONGEST_OPEN: Final = 256 << 20  # a record that is still open after this is taken as it stands

_MAGIC: Final = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"PAR1", "parquet"),
    (b"ARROW1", "arrow"),
    (b"\xff\xff\xff\xff", "arrow-stream"),  # no UTF-8 text begins so
)


class DamagedError(EOFError):
    """Packed data that make no sense; what came before them does."""


ENDS_EARLY: Final = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)


def compression(head: bytes) -> str | None:
    """The name in _MAGIC of what begins with HEAD; None for anything else."""
    return next((name for magic, name in _MAGIC if head.startswith(magic)), None)


@contextmanager
def open_source(
    source: Source, raw: BinaryIO | None = None
) -> Iterator[tuple[BinaryIO, str | None]]:
    """(the bytes without their compression, its name or None). Parquet and Arrow come as they are.

    RAW is given where the bytes come from an open file (standard input).

    Raises:
        SourceError: it can't be opened.
    """
    file: BinaryIO | None = None
    try:
        file = Path(source.path).open("rb") if raw is None else raw  # noqa: SIM115 - below
        buffered = file if isinstance(file, io.BufferedReader) else io.BufferedReader(file)  # type: ignore[type-var]
        kind = compression(buffered.peek(8)[:8])
    except OSError as error:
        if file is not None:
            file.close()
        raise SourceError(
            f"can't be opened: {error.strerror}",
            where=source.path,
            do="check the path and its permissions",
        ) from error
    with buffered:
        yield _unpacked(cast(BinaryIO, buffered), kind), kind


def _unpacked(packed: BinaryIO, kind: str | None) -> BinaryIO:
    if kind == "gzip":
        return cast(BinaryIO, gzip.GzipFile(fileobj=packed))
    if kind == "bzip2":
        return cast(BinaryIO, bz2.BZ2File(packed))
    if kind == "xz":
        return cast(BinaryIO, lzma.LZMAFile(packed))
    if kind == "zstd":
        import zstandard

        return cast(BinaryIO, _Zstd(packed, zstandard))
    return packed


class _Zstd(io.RawIOBase):
    """zstandard's own reader takes a cut file for a whole one; this one raises EOFError."""

    def __init__(self, raw: BinaryIO, library: object) -> None:
        self._raw = raw
        self._new = library.ZstdDecompressor().decompressobj  # type: ignore[attr-defined]
        self._error = library.ZstdError  # type: ignore[attr-defined]
        self._frame = self._new()
        self._open = False
        self._left = b""
        self._broken: EOFError | None = None

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Up to about SIZE bytes (a frame's block may make it more); b"" at the end."""
        out: list[bytes] = []
        have = 0
        while self._broken is None and (size < 0 or have < size):
            data = self._left or self._raw.read(1 << 18)
            self._left = b""
            if not data:
                if self._open:
                    self._broken = EOFError("the last frame is cut off")
                break
            if self._frame.eof:
                self._frame = self._new()
            try:
                piece = self._frame.decompress(data)
            except self._error as error:
                self._broken = DamagedError(str(error))
                break
            self._open = not self._frame.eof
            self._left = self._frame.unused_data if self._frame.eof else b""
            out.append(piece)
            have += len(piece)
        if self._broken is not None and not have:
            raise self._broken  # what came before it was given first
        return b"".join(out)


def read_some(stream: BinaryIO, size: int) -> bytes:
    """Up to SIZE bytes, b"" at the end. What precedes a damaged place is given before the error."""
    # read() would throw away what it had gathered when a later piece turns out to be cut off.
    return cast(bytes, stream.read1(size)) if hasattr(stream, "read1") else stream.read(size)


def whole_lines(data: bytes) -> int:
    """How many bytes of DATA are whole lines: the usual place to cut a block."""
    return data.rfind(b"\n") + 1


def lines_at(chunks: Iterable[bytes], numbers: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """(number from 1, line with its newline) of the lines NUMBERS, in order, of what CHUNKS are.

    CHUNKS may be cut anywhere. No more of them are taken than it needs.
    """
    if not numbers:
        return
    wanted = iter(numbers)
    number, first = next(wanted, 0), 1  # the first line that ends in this chunk or behind it
    begun: list[bytes] = []  # of it, if it is the wanted one
    for chunk in chunks:
        ends = chunk.count(b"\n")
        behind = first + ends
        if number < behind:
            lines = b"".join([*begun, chunk]).split(b"\n")
            begun = []
            while 0 < number < behind:
                yield number, lines[number - first] + b"\n"
                number = next(wanted, 0)
            if not number:
                return
            if number == behind:
                begun = [lines[-1]]
        elif number == behind:
            begun.append(chunk[chunk.rfind(b"\n") + 1 :])
        first = behind
    if number == first and any(begun):
        yield number, b"".join(begun)


def spans(
    path: str, start: int, limit: int | None = None, size: int = BLOCK
) -> Iterator[tuple[int, int]]:
    """(offset, length) of blocks of whole lines of a plain file, from START to LIMIT (its end).

    Only a little is read, at each block's end: the blocks themselves can be read side by side.
    """
    with Path(path).open("rb", buffering=0) as file:
        end = os.fstat(file.fileno()).st_size if limit is None else limit
        at = start
        while at < end:
            stop, look = min(at + size, end), 1 << 16
            while stop < end:
                low = max(at, stop - look)
                newline = os.pread(file.fileno(), stop - low, low).rfind(b"\n")
                if newline >= 0:
                    stop = low + newline + 1
                    break
                if low == at:  # a line longer than the block
                    stop = min(stop + size, end)
                look = min(look * 4, stop - at)
            yield at, stop - at
            at = stop


def read_span(path: str, at: int, length: int) -> bytes:
    """LENGTH bytes of a plain file from AT on; fewer if it was cut meanwhile."""
    with Path(path).open("rb", buffering=0) as file:
        parts = []
        while length and (piece := os.pread(file.fileno(), length, at)):
            parts.append(piece)
            at, length = at + len(piece), length - len(piece)
        return b"".join(parts) if len(parts) != 1 else parts[0]


def _reason(broken: Exception) -> str:
    if type(broken) is EOFError:
        return "the file is cut off"
    if isinstance(broken, ENDS_EARLY) or (isinstance(broken, OSError) and broken.errno is None):
        return f"the packed data are damaged ({broken})"
    return str(broken)


def blocks(
    stream: BinaryIO,
    path: str,
    *,
    cut: Callable[[bytes], int] = whole_lines,
    head: bytes = b"",
    broken: Exception | None = None,
    limit: int | None = None,
    size: int = BLOCK,
    seen: Callable[[int], None] = lambda count: None,
) -> Iterator[bytes]:
    """DATA in blocks that end where CUT says, HEAD (read before, to detect) first.

    What a cut-off source still gave is yielded before the error, so that it is accounted for.
    BROKEN is what kept from reading more than the head; LIMIT the most bytes to read.

    Raises:
        SourceError: the source ends early or can't be read on.
    """
    rest = head if limit is None else head[:limit]
    left = None if limit is None else max(limit - len(head), 0)
    ended = broken is not None
    while True:
        wanted = size
        parts = [rest]
        have = len(rest)
        while not ended and have < max(wanted, len(rest) + 1):
            try:
                most = min(1 << 20, wanted) if left is None else min(1 << 20, wanted, left)
                piece = read_some(stream, most) if most else b""
            except ENDS_EARLY as error:
                piece, broken = b"", error
            except OSError as error:
                piece, broken = b"", error
            if not piece:
                ended = True
                break
            seen(len(piece))
            left = None if left is None else left - len(piece)
            parts.append(piece)
            have += len(piece)
        data = b"".join(parts)
        if ended:
            if data:
                yield data
            break
        end = cut(data)
        if end <= 0 and len(data) > _LONGEST_OPEN:
            end = whole_lines(data)
        if end > 0:
            yield data[:end]
            rest = data[end:]
        else:
            rest = data
            size = min(size * 2, _LONGEST_OPEN)  # a long line: grow, so that it stays linear
    if broken is not None:
        reason = _reason(broken)
        raise SourceError(
            f"{reason}; what could be read is in the result",
            where=path,
            do="copy the file again; until then the answers cover its readable part",
        ) from broken
