"""Standard output as a sink: whole lines, at the reader's pace."""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Callable, Iterable

from cuidx.tagger import say
from cuidx.tagger.follow import Source
from cuidx.tagger.loop import ReaderGoneError
from cuidx.tagger.mirror import Lookup, tagged
from cuidx.tagger.tagging import Style

PIPE_BUF = 4096  # what a pipe that poll(2) calls writable takes without blocking (pipe(7))


class Stream:
    """The sink that writes to a file descriptor."""

    def __init__(self, fd: int, style: Style, tag_for: Lookup) -> None:
        self.fd = fd
        self.style = style
        self.tag_for = tag_for
        self.retry_at = 0.0
        self.keep: float | None = None
        self.over: Callable[[], bool] = lambda: False
        self._is_pipe = stat.S_ISFIFO(os.fstat(fd).st_mode)
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)

    def write(self, source: Source, block: bytes) -> int:
        """Tag BLOCK, whole lines of SOURCE, and write all of it."""
        tag = self.tag_for(source.path)
        for _, whole, lines in tagged(block, tag, self.style):
            made = memoryview(whole)
            say.counts["written_bytes_total"] += len(made)
            while made:
                while self._is_pipe and not self._poll.poll(500):
                    if self.over():
                        raise ReaderGoneError  # a reader that does not read any more
                try:
                    made = made[os.write(self.fd, made[:PIPE_BUF] if self._is_pipe else made) :]
                except BlockingIOError:  # somebody else made it non-blocking
                    self._poll.poll()
                except BrokenPipeError:
                    raise ReaderGoneError from None
            say.counts["lines_total"] += lines
        return len(block)

    def finish(self, source: Source) -> bool:
        """Tag the unfinished last line of SOURCE: the tagger was told to stop."""
        rest = source.rest()
        if rest:
            self.write(source, rest + b"\n")
            source.begin(source.offset + len(rest), seam=True)
        return True

    def adopt(self, sources: list[Source], open_source: Callable[[Source], bool]) -> None:
        """Nothing is remembered between two starts: all is read from its beginning."""

    def resume(self, source: Source) -> None:
        """A new file is read from its beginning."""
        source.begin(0)

    def is_taken(self, source: Source) -> bool:
        """A stream has room for all."""
        return False

    def moved(self, moves: list[tuple[Source, bytes]]) -> None:
        """Names mean nothing to a stream."""

    def removed(self, source: Source) -> None:
        """SOURCE was removed; it is read on through its descriptor."""

    def release(self, source: Source) -> None:
        """SOURCE is followed no longer."""

    def sweep(self, paths: Iterable[bytes]) -> None:
        """There are no outputs to remove."""

    def flush(self) -> bool:
        """Whether all that was taken has arrived."""
        return True
