"""One followed file: an inode and how far its lines are tagged, whatever its name is now.

A source is only ever read. Nothing of it is held in memory between two looks but the last bytes
before the offset: they tell a file that was truncated and has grown again from one that went on.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator

# Larger reads were no faster, and what is in flight is most of the tagger's memory.
READ = 128 * 1024
REMEMBERED = 128
LONG = 4096  # an unfinished line longer than this is not read again from its start each time

OPEN_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


# Compressed files are not lines: gzip, zstd, bzip2, xz, lz4, zip, compress.
def is_compressed(head: bytes) -> bool:
    """Whether a file that begins with HEAD, 16 bytes of it, is compressed."""
    return (
        head.startswith((b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\x00", b"\x04\x22\x4d\x18", b"PK\x03\x04"))
        or (
            (head[:3] == b"\x1f\x8b\x08" and head[3:4] < b"\x20")  # the flags that gzip knows
            or (head[:3] == b"BZh" and head[4:10] == b"1AY&SY")
            or (head[:2] == b"\x1f\x9d" and head[2:3] >= b"\x80")
        )
    )


def open_beneath(root: int, path: bytes, flags: int = OPEN_FLAGS) -> int:
    """Open PATH below the folder ROOT, following no link on the way.

    Step by step: a folder that is replaced by a link between two looks leads nowhere else.
    """
    *folders, name = path.split(b"/")
    at = root
    try:
        for folder in folders:
            below = os.open(folder, OPEN_FLAGS | os.O_DIRECTORY, dir_fd=at)
            if at != root:
                os.close(at)
            at = below
        return os.open(name, flags, dir_fd=at)
    finally:
        if at != root:
            os.close(at)


def lines_from(fd: int, at: int, size: int = READ) -> bytes:
    """Whole lines of FD from AT on: about SIZE bytes, or one line if that is longer, or b""."""
    block = os.pread(fd, size, at)
    end = block.rfind(b"\n") + 1
    if end:
        return block[:end]
    pieces = [block]
    while block:
        at += len(block)
        block = os.pread(fd, size, at)
        end = block.find(b"\n") + 1
        pieces.append(block[:end] if end else block)
        if end:
            return b"".join(pieces)
    return b""


class Descriptors:
    """The open sources, least recently read first; the oldest that can be had again is closed."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._open: dict[Source, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    def used(self, source: Source) -> None:
        """SOURCE was read just now."""
        self._open.pop(source, None)
        self._open[source] = None
        if len(self._open) > self.most:
            for other in self._open:
                if not other.gone and other is not source:
                    self.close(other)
                    return

    def close(self, source: Source) -> None:
        """Give the descriptor of SOURCE back."""
        self._open.pop(source, None)
        if source.fd >= 0:
            os.close(source.fd)
            source.fd = -1


class Source:
    """A regular file below the source folder."""

    __slots__ = (
        "elsewhere",
        "fd",
        "gone",
        "key",
        "known",
        "looks",
        "offset",
        "output",
        "path",
        "quiet_since",
        "scanned",
        "seam",
        "skipped",
        "tail",
        "told",
    )

    def __init__(self, path: bytes, key: tuple[int, int]) -> None:
        self.path = path
        self.key = key  # device and inode
        self.fd = -1
        self.offset = 0  # all before it is tagged
        self.scanned = 0  # no newline between offset and here
        self.tail = b""  # the last bytes before the offset
        self.known = False  # whether the offset was looked up in the output
        self.looks = 0  # for what became of the file that had the name before
        self.seam = False  # the unfinished line before the offset was tagged: a newline of ours
        self.told = False  # whether the sink knows that it was removed
        self.gone = False  # removed, but still open
        self.skipped = False  # compressed
        self.elsewhere = False  # moved out of the tree: it may come back
        self.quiet_since = 0.0
        self.output: object = None

    def ready(self, opener: Callable[[bytes], int], fds: Descriptors) -> bool:
        """Have the file open; False if what stands under the path is another one by now."""
        if self.fd < 0:
            fd = opener(self.path)
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode) or (found.st_dev, found.st_ino) != self.key:
                os.close(fd)
                return False
            self.fd = fd
        fds.used(self)
        return True

    def begin(self, offset: int, *, seam: bool = False) -> None:
        """Go on at OFFSET."""
        self.offset = self.scanned = offset
        self.seam = seam
        self.known = True
        self.skipped = False
        start = max(offset - REMEMBERED, 0)
        self.tail = os.pread(self.fd, offset - start, start)
        if len(self.tail) < offset - start:  # truncated since the offset was found
            self.offset = self.scanned = 0
            self.tail = b""
            self.seam = False

    def lines(self) -> bytes | None:
        """The next whole lines; b"" if there are none yet, None if the file was written anew.

        One read as a rule: the bytes before the offset come along and are compared.
        """
        if self.skipped and self._is_compressed():
            return b""
        long = self.scanned - self.offset > LONG
        if long and not self._end_came():
            if os.fstat(self.fd).st_size >= self.scanned:
                return b""
            self.scanned = self.offset  # the unfinished line was taken back
            long = False
        kept = len(self.tail)
        block = os.pread(self.fd, kept + READ, self.offset - kept)
        if block[:kept] != self.tail:
            return None
        if self.seam and len(block) > kept:
            self.seam = False
            if block[kept] == 10:  # the newline that the tagged line had to wait for
                self.begin(self.offset + 1)
                return self.lines()
        if self.offset == 0 and block and self._is_compressed():
            return b""
        end = block.rfind(b"\n") + 1
        if end > kept:
            return block[kept:end]
        if len(block) < kept + READ:
            self.scanned = self.offset + len(block) - kept
            return b""
        if not long:
            self.scanned = self.offset + READ
            if not self._end_came():
                return b""
        return lines_from(self.fd, self.offset)

    def _end_came(self) -> bool:
        """Whether the long unfinished line has its newline now; looks only at what is new."""
        while more := os.pread(self.fd, READ, self.scanned):
            if b"\n" in more:
                return True
            self.scanned += len(more)
        return False

    def _is_compressed(self) -> bool:
        self.skipped = is_compressed(os.pread(self.fd, 16, 0))
        return self.skipped

    def rest(self) -> bytes:
        """The unfinished last line."""
        if self.skipped:
            return b""
        return b"".join(self._pieces())

    def _pieces(self) -> Iterator[bytes]:
        at = self.offset
        while piece := os.pread(self.fd, READ, at):
            yield piece
            at += len(piece)

    def done(self, block: bytes) -> None:
        """BLOCK, which `lines` gave, is tagged."""
        self.offset += len(block)
        self.scanned = self.offset
        if len(block) >= REMEMBERED:
            self.tail = block[-REMEMBERED:]
        else:
            self.tail = (self.tail + block)[-REMEMBERED:]
