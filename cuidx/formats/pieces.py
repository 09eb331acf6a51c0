"""JSON lines that are pieces of one record: put together before they are read.

Docker's daemon cuts a container's line every 16 KiB, whatever the log driver.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import polars as pl

from cuidx.formats import lines
from cuidx.formats.base import Block, Reading
from cuidx.schema import KIND

__all__ = ["Piece", "Pieces", "cut", "parse"]

# Pieces of a line come one close to the other. One that is not followed so long is the last thing
# that a program said, and must not keep the whole rest of the file open.
_FAR: Final = 1000


@dataclass(frozen=True, slots=True)
class Piece:
    """What a line is, as a piece: of which STREAM, and whether the record goes on (MORE).

    SAME must be alike in all pieces of a record.
    """

    stream: Any
    more: bool
    same: Any = None


class Pieces(Protocol):
    """How a format's pieces are known."""

    def none_in(self, data: bytes, /) -> bool:
        """Whether it is plain, and quickly, that no line of DATA goes on in another."""

    def is_whole(self, line: bytes, /) -> bool:
        """The same of one line."""

    def look(self, line: bytes, /) -> Piece | None:
        """What LINE is; None if it is no record."""

    def join(self, pieces: Sequence[bytes], /) -> bytes:
        """One line that says what the PIECES say."""


def cut(data: bytes, pieces: Pieces) -> int:
    """After the last line with which no record is open."""
    end = data.rfind(b"\n") + 1
    if pieces.none_in(data):
        return end
    found = data[:end].split(b"\n")[:-1]
    closed = 0

    def note(at: int) -> None:
        nonlocal closed
        closed = at

    _chains(found, pieces, note)
    return sum(len(line) + 1 for line in found[:closed])


def parse(block: Block, reading: Reading, pieces: Pieces) -> pl.DataFrame:
    """`lines.parse`, but a record in pieces is read as one: where it begins, and fragments."""
    reading = replace(reading, strict_json=True)  # these files have nothing else
    if pieces.none_in(block.data):
        return lines.parse(block, reading)
    found = block.data.split(b"\n")
    if not found[-1]:
        found.pop()
    chains = [chain for chain in _chains(found, pieces) if len(chain) > 1]
    later = {at: chain[0] for chain in chains for at in chain[1:]}
    for chain in chains:
        found[chain[0]] = pieces.join([found[at] for at in chain])
    kept = [at for at in range(len(found)) if at not in later]
    data = b"".join(found[at] + b"\n" for at in kept)
    frame = lines.parse(Block(data, block.first_line), reading).with_columns(
        line=pl.Series(kept, dtype=pl.Int64) + block.first_line
    )
    if not later:
        return frame
    rest = pl.DataFrame(
        {"line": list(later), "back": [at - first for at, first in later.items()]},
        schema={"line": pl.Int64(), "back": pl.Int64()},
    ).with_columns(pl.col("line") + block.first_line, kind=pl.lit("fragment", KIND))
    return pl.concat([frame, rest], how="diagonal").sort("line")


def _chains(
    found: Sequence[bytes], pieces: Pieces, closed: Callable[[int], None] = lambda at: None
) -> list[list[int]]:
    """The places of lines that are pieces, record by record; CLOSED hears how far none is open."""
    done: list[list[int]] = []
    going: dict[Any, tuple[Any, list[int]]] = {}
    for at, line in enumerate(found):
        if going or not pieces.is_whole(line):
            for stream in [s for s, (_, chain) in going.items() if at - chain[-1] > _FAR]:
                done.append(going.pop(stream)[1])
            piece = pieces.look(line)
            if piece is not None:
                same, chain = going.pop(piece.stream, (None, []))
                if chain and same != piece.same:
                    done.append(chain)
                    chain = []
                chain.append(at)
                if piece.more:
                    going[piece.stream] = piece.same, chain
                else:
                    done.append(chain)
        if not going:
            closed(at + 1)
    return done + [chain for _, chain in going.values()]
