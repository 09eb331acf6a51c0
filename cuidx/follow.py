"""Standard input as it comes: its records as soon as their lines are whole."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO, Final

import polars as pl

from cuidx import times
from cuidx.enrich.records import Carry, Documents, date
from cuidx.errors import SourceError
from cuidx.formats import registry
from cuidx.formats.base import Block, Format, Reading
from cuidx.reading import BOM, STRICT_JSON, Opened, Options
from cuidx.schema import ROLES
from cuidx.sources.paths import STDIN
from cuidx.sources.stream import compression

_MOST: Final = 1 << 20  # bytes taken at once; a pipe gives what is there, be it one line


class Following:
    """The records of a stream, read once; `opened` says what it was found to be."""

    def __init__(self, stream: BinaryIO, options: Options, newest: int | None = None) -> None:
        """NEWEST (ns) is what times without a year are before; without it they are not read."""
        self._stream, self._options, self.newest = stream, options, newest
        self.opened = Opened(STDIN)
        self.kinds: Counter[str] = Counter()
        self.zoneless = self.yearless = self.tagged = 0
        self.span: tuple[int, int] | None = None  # of the events' times, ns

    def parts(self) -> Iterator[pl.DataFrame]:
        """Records (columns of PARSED, time and time_from) as they come; may wait for long.

        Raises:
            SourceError: what comes is packed, no text, or not in the format that was named.
        """
        carry, documents, before = Carry(), Documents(), 0
        chosen: tuple[Format, Reading] | None = None
        for data, ended in self._pieces():
            if chosen is None:
                chosen = self._detect(data)
            format_, reading = chosen
            end = len(data) if ended else format_.cut(data)
            self._rest = data[end:]
            if not end:
                continue
            parsed = format_.parse(Block(data[:end], 1), reading)
            frame, zoneless, yearless = date(parsed, self._options.tz, self.newest)
            last = data.count(b"\n", 0, end)
            frame = documents.mark(carry.apply(frame)).with_columns(pl.col("line") + before)
            before += last
            self.zoneless += zoneless
            self.yearless += yearless
            self._count(frame)
            yield frame

    def _pieces(self) -> Iterator[tuple[bytes, bool]]:
        """(what came and was not taken, whether it is all), each time that a line is whole."""
        # polars makes the system take up a read again after Ctrl-C; a pipe may never answer.
        if threading.current_thread() is threading.main_thread():
            signal.siginterrupt(signal.SIGINT, True)
        number, first = self._stream.fileno(), True
        self._rest = b""
        while piece := os.read(number, _MOST):
            whole = b"\n" in piece
            self._rest += piece
            if first and len(self._rest) >= len(BOM):
                if packed := compression(self._rest):
                    raise SourceError(
                        f"this is {packed} data, which can't be read line by line", where=STDIN,
                        do="unpack it on the way, or name the file instead of -",
                    )  # fmt: skip
                self._rest, first = self._rest.removeprefix(BOM), False
            if whole:
                yield self._rest, False
        if self._rest:
            yield self._rest, True

    def _detect(self, head: bytes) -> tuple[Format, Reading]:
        found = registry.detect(head, STDIN, self._options.input_format)
        self.opened.format, self.opened.confidence = found.format.NAME, found.confidence
        reading = Reading(
            want=frozenset(ROLES),
            fields=self._options.fields,
            patterns=self._options.patterns,
            strict_json=found.json_share >= STRICT_JSON,
            notes=self.opened.notes,
        )
        registry.begin(found.format, reading, head, STDIN)
        return found.format, reading

    def _count(self, frame: pl.DataFrame) -> None:
        self.kinds.update(frame["kind"].cast(pl.String).to_list())
        at = frame.filter(pl.col("kind") == "event")["time"].cast(pl.Int64)
        low, high = at.min(), at.max()
        if isinstance(low, int) and isinstance(high, int):
            first, last = self.span or (low, high)
            self.span = min(first, low), max(last, high)

    def first_and_last(self) -> tuple[str | None, str | None]:
        """The span of the events' times, as RFC 3339."""
        low, high = self.span or (None, None)
        return times.one_text(low), times.one_text(high)
