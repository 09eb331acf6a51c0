"""Fluentd Forward as a sink: at least once, in bounded memory.

The source file is the first buffer: what has no place in flight stays there, unread. `--state`
remembers how far each file was acknowledged, so that a start after SIGKILL sends again only what
was not. Lines of a file that was removed have no such buffer: they are written to `--state` as the
chunks they will be sent as, and when that is full, nothing more is read.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterable

from cuidx.suffix import CUID_KEY, SVC_KEY
from cuidx.tagger import msgpack, say
from cuidx.tagger.follow import Source
from cuidx.tagger.link import Link, Lost, Server
from cuidx.tagger.mirror import Lookup, last_newline
from cuidx.tagger.tagging import Tag

IN_FLIGHT = 4 * 1024 * 1024  # encoded bytes that are not acknowledged
ACK = 30.0  # seconds; Fluentd's own 190 are longer than a Pod's grace
BACKOFF = (0.1, 20.0)
SPILL = 256 * 1024 * 1024
POSITIONS = b".ikontainer.positions"
CHUNK = b".ikontainer.chunk."

_HEADS = [msgpack.text_head(size) for size in range(2048)]


def entries(block: bytes, nanoseconds: int, after: bytes) -> tuple[bytes, int]:
    """The lines of BLOCK as MessagePack entries, one after the other, and how many they are.

    An entry is [time, {"message": line, …}]; AFTER is what follows the line in each of them.
    """
    lines = block.split(b"\n")
    lines.pop()
    before = b"\x92" + msgpack.event_time(nanoseconds) + b"\x84\xa7message"
    try:
        heads = _HEADS
        texts = [heads[len(line)] + line for line in lines]
    except IndexError:
        texts = [msgpack.text(line) for line in lines]
    return before + (after + before).join(texts) + after, len(lines)


def fields(tag: Tag, path: bytes) -> bytes:
    """What follows the line in its record: CUID, svc and file."""
    import json

    known = json.loads(tag.suffix)
    out = []
    for key in (CUID_KEY, SVC_KEY):
        value = known[key]
        packed = b"\xc0" if value is None else msgpack.text(value.encode("utf-8", "replace"))
        out.append(msgpack.text(key.encode()) + packed)
    return b"".join(out) + msgpack.text(b"file") + msgpack.text(path)


def messages(
    mode: str, to: bytes, block: bytes, nanoseconds: int, after: bytes
) -> list[tuple[bytes, bytes]]:
    """BLOCK as Forward messages: (id, message). Mode `message` makes one for each line."""
    packed, count = entries(block, nanoseconds, after)
    if mode == "message":
        one = len(b"\x92") + 10  # [time, record] without its head is what this mode sends
        out = []
        for line in block.split(b"\n")[:-1]:
            entry, _ = entries(line + b"\n", nanoseconds, after)
            name, option = _option(0)
            out.append((name, b"\x94" + msgpack.text(to) + entry[1:one] + entry[one:] + option))
        return out
    name, option = _option(count)
    if mode == "forward":
        body = msgpack.array_head(count) + packed
    else:
        body = msgpack.binary_head(len(packed)) + packed
    return [(name, b"\x93" + msgpack.text(to) + body + option)]


def _option(count: int) -> tuple[bytes, bytes]:
    """A new chunk id and the option map that carries it."""
    name = b64encode(os.urandom(16))
    chunk = msgpack.text(b"chunk") + msgpack.text(name)
    if not count:
        return name, b"\x81" + chunk
    return name, b"\x82" + chunk + msgpack.text(b"size") + msgpack.number(count)


class Chunk:
    """A message that is not acknowledged yet."""

    __slots__ = ("acked", "data", "offset", "path", "seam", "sent_at", "size", "source", "tail")

    def __init__(self, data: bytes, source: Source | None) -> None:
        self.data = data
        self.size = len(data)
        self.source = source
        self.path = b""  # its file in the state folder
        self.offset = 0  # of the source, after these lines
        self.tail = b""
        self.seam = False
        self.sent_at = 0.0
        self.acked = False


class Forward:
    """The sink; a thread of its own sends and waits for acks."""

    def __init__(
        self,
        to: Server,
        tag_for: Lookup,
        *,
        name: str,
        mode: str,
        state: bytes,
    ) -> None:
        self.to = to
        self.tag_for = tag_for
        self.name = os.fsencode(name)
        self.mode = mode
        self.state = state
        self.retry_at = 0.0
        self.keep: float | None = None
        self.chunks: dict[bytes, Chunk] = {}  # all that is not acknowledged, oldest first
        self.waiting: deque[bytes] = deque()  # those of them that are to be sent
        self.flying = 0  # bytes of chunks in memory
        self.spilled = 0  # bytes of chunks in the state folder
        self._lock = threading.Lock()
        self._fields: dict[tuple[Tag, bytes], bytes] = {}
        self._positions = Positions(state) if state else None
        self._bell, self._ring = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._numbers = 0
        self.wake: Callable[[], None] = lambda: None
        self._load_spilled()

    def start(self, wake: Callable[[], None]) -> None:
        """Begin to send; WAKE is called when there is room again."""
        self.wake = wake
        threading.Thread(target=self._run, name="forward", daemon=True).start()

    # -- the loop's side ---------------------------------------------------------------------------

    def write(self, source: Source, block: bytes) -> int:
        """Put BLOCK in flight, if there is room."""
        return self._put(source, block)

    def _put(self, source: Source, block: bytes, *, unfinished: bool = False) -> int:
        spill = source.gone and bool(self.state)
        full = self.flying >= IN_FLIGHT
        if full and not (spill and self.spilled < SPILL):
            say.counts["blocked"] = 1
            self.retry_at = time.monotonic() + 0.5
            if self.flying < IN_FLIGHT:  # an ack has come in between
                self.retry_at = 0.0
            return 0
        made = messages(self.mode, self.name, block, time.time_ns(), self._after(source))
        parts = block.split(b"\n") if self.mode == "message" else [block[:-1]]
        at = 0
        for (name, data), part in zip(made, parts, strict=False):
            start, at = at, at + len(part) + 1
            chunk = Chunk(data, source)
            end = at - 1 if unfinished else at  # the last newline is not the source's then
            chunk.seam = unfinished
            chunk.offset = source.offset + end
            chunk.tail = (source.tail + block[max(end - 128, 0) : end])[-128:]
            if spill:
                chunk.path = self._save(name, chunk)
                if full and not chunk.path:
                    return start
            self._add(name, chunk, in_memory=not full)
            say.counts["lines_total"] += block.count(b"\n", start, at)
        return len(block)

    def _after(self, source: Source) -> bytes:
        tag = self.tag_for(source.path)
        after = self._fields.get((tag, source.path))
        if after is None:
            if len(self._fields) > 1000:
                self._fields.clear()
            after = self._fields[tag, source.path] = fields(tag, source.path)
        return after

    def _add(self, name: bytes, chunk: Chunk, *, in_memory: bool) -> None:
        with self._lock:
            self.chunks[name] = chunk
            self.waiting.append(name)
            if chunk.path:
                self.spilled += chunk.size
            if in_memory:
                self.flying += chunk.size
            else:
                chunk.data = b""
        with contextlib.suppress(BlockingIOError):
            os.write(self._ring, b"\0")

    def finish(self, source: Source) -> bool:
        """Send the unfinished last line of SOURCE: the tagger was told to stop."""
        rest = source.rest()
        if not rest:
            return True
        if not self._put(source, rest + b"\n", unfinished=True):
            return False
        source.begin(source.offset + len(rest), seam=True)
        return True

    def adopt(self, sources: list[Source], open_source: Callable[[Source], bool]) -> None:
        """Go on behind what was acknowledged before the last end."""
        for source in sources:
            if open_source(source):
                self.resume(source)
        if self._positions is not None:
            self._positions.compact(sources)

    def resume(self, source: Source) -> None:
        """The same for a file that was found later."""
        known = self._positions.of(source) if self._positions is not None else None
        source.begin(known[0] if known else 0, seam=bool(known and known[1]))

    def is_taken(self, source: Source) -> bool:
        """Each source has its own positions."""
        return False

    def moved(self, moves: list[tuple[Source, bytes]]) -> None:
        """A position belongs to an inode."""

    def removed(self, source: Source) -> None:
        """The lines of SOURCE that are in flight can't be read a second time: keep them on disk."""
        if self.state:
            with self._lock:
                own = [(n, c) for n, c in self.chunks.items() if c.source is source and not c.path]
            for name, chunk in own:
                path = self._save(name, chunk)
                with self._lock:
                    if path and name in self.chunks:
                        chunk.path = path
                        self.spilled += chunk.size
                        path = b""
                if path:  # acknowledged meanwhile
                    os.unlink(path)

    def release(self, source: Source) -> None:
        """SOURCE is followed no longer; its chunks are sent all the same."""

    def sweep(self, paths: Iterable[bytes]) -> None:
        """There are no outputs to remove."""

    def flush(self) -> bool:
        """Whether all is acknowledged."""
        with self._lock:
            return not self.chunks

    # -- on disk -----------------------------------------------------------------------------------

    def _save(self, name: bytes, chunk: Chunk) -> bytes:
        """Write CHUNK to the state folder, whole or not at all; its path, b"" if that failed."""
        self._numbers += 1
        path = self.state + b"/" + CHUNK + b"%020d" % self._numbers
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        try:
            with open(os.open(path + b".new", flags, 0o600), "wb") as file:
                file.write(msgpack.text(name) + chunk.data)
                file.flush()
                os.fsync(file.fileno())
            os.rename(path + b".new", path)
        except OSError as error:
            say.counts["write_errors_total"] += 1
            say.once("state", f"--state: {error.strerror}; removed files wait for the server")
            with contextlib.suppress(OSError):
                os.unlink(path + b".new")
            return b""
        return path

    def _load_spilled(self) -> None:
        if not self.state:
            return
        for each in sorted(os.listdir(self.state)):
            if not each.startswith(CHUNK):
                continue
            path = self.state + b"/" + each
            if each.endswith(b".new"):
                os.unlink(path)  # not complete: the tagger was killed while it wrote
                continue
            with open(path, "rb") as file:
                name, _ = msgpack.decode(file.read(64))
            self._numbers = max(self._numbers, int(each[len(CHUNK) :]))
            chunk = Chunk(b"", None)
            chunk.size = os.stat(path).st_size
            chunk.path = path
            self.spilled += chunk.size
            if isinstance(name, bytes):
                self.chunks[name] = chunk
                self.waiting.append(name)

    @staticmethod
    def _data(chunk: Chunk) -> bytes:
        if chunk.data:
            return chunk.data
        with open(chunk.path, "rb") as file:
            data = file.read()
        return data[msgpack.decode(data)[1] :]

    # -- the thread's side -------------------------------------------------------------------------

    def _run(self) -> None:
        wait = BACKOFF[0]
        while True:
            link = None
            try:
                self._until_something()
                link = Link(self.to)
                say.again("forward")
                while True:
                    if self._exchange(link):
                        wait = BACKOFF[0]
            except Lost as lost:
                say.counts["write_errors_total"] += 1
                if self.chunks:  # a server may close what is idle
                    where = f"--forward {self.to.host}:{self.to.port}"
                    say.once("forward", f"{where}: {lost}; trying again")
            except Exception as error:  # the thread must not end without a word
                say.once("forward", f"--forward: {type(error).__name__}: {error}; trying again")
            if link is not None:
                link.close()
            with self._lock:  # all in their order, under the same ids
                self.waiting = deque(self.chunks)
                for chunk in self.chunks.values():
                    chunk.sent_at = 0.0
            time.sleep(wait * (0.5 + random.random()))  # noqa: S311 - so that not all come at once
            wait = min(wait * 2, BACKOFF[1])

    def _until_something(self) -> None:
        import select

        while not self.chunks:
            select.select([self._bell], [], [], 3600)
            with contextlib.suppress(BlockingIOError):
                os.read(self._bell, 4096)

    def _exchange(self, link: Link) -> bool:
        """Send one chunk if there is one, take the acks that have come; True if there were any."""
        with self._lock:
            name = self.waiting.popleft() if self.waiting else None
            chunk = self.chunks.get(name) if name else None
        if chunk is not None:
            chunk.sent_at = time.monotonic()
            link.send(self._data(chunk))
        with self._lock:
            oldest = next(iter(self.chunks.values()), None)
        patience = 60.0
        if oldest is not None and oldest.sent_at:
            patience = oldest.sent_at + ACK - time.monotonic()
            if patience < 0 and chunk is None:
                raise Lost("no ack in time")
        found = link.acks(0 if chunk is not None else max(patience, 0), self._bell)
        for ack in found:
            self._acked(ack)
        return bool(found)

    def _acked(self, name: bytes) -> None:
        with self._lock:
            chunk = self.chunks.get(name)
            if chunk is None:
                raise Lost("an ack for nothing that was sent")
            del self.chunks[name]
            if chunk.data:
                self.flying -= chunk.size
            if chunk.path:
                self.spilled -= chunk.size
            chunk.acked = True
            self.retry_at = 0.0
            say.counts["blocked"] = 0
        say.counts["written_bytes_total"] += chunk.size
        if chunk.source is not None and self._positions is not None:
            self._positions.note(chunk)
        if chunk.path:
            os.unlink(chunk.path)
        self.wake()


class Positions:
    """How far each file is acknowledged: an append-only list, of which the last word counts."""

    def __init__(self, state: bytes) -> None:
        self.path = state + b"/" + POSITIONS
        self.last: dict[tuple[int, int], tuple[int, bytes, bool]] = {}
        self.fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        size = os.fstat(self.fd).st_size
        whole = last_newline(self.fd, size)
        if whole < size:
            os.ftruncate(self.fd, whole)
        self._lines = 0
        with open(self.path, "rb") as file:
            for line in file:
                device, inode, offset, seam, tail = line.split(b" ")
                self.last[int(device), int(inode)] = (
                    *(int(offset), bytes.fromhex(tail.decode())),
                    seam == b"1",
                )
                self._lines += 1

    def note(self, chunk: Chunk) -> None:
        """CHUNK is acknowledged."""
        if chunk.source is None:
            return
        key = chunk.source.key
        self.last[key] = (chunk.offset, chunk.tail, chunk.seam)
        os.write(self.fd, self._line(key))
        self._lines += 1
        if self._lines > 20_000 + 2 * len(self.last):
            self._rewrite()

    def _line(self, key: tuple[int, int]) -> bytes:
        offset, tail, seam = self.last[key]
        return b"%d %d %d %d %s\n" % (*key, offset, seam, tail.hex().encode())

    def of(self, source: Source) -> tuple[int, bool] | None:
        """(offset, seam) of SOURCE, if it is still the file that was noted: by its content."""
        exact = self.last.get(source.key)
        same = [
            known
            for key, known in self.last.items()
            if known is not exact and key[1] == source.key[1]
        ]  # a device may have another number after the node's restart
        for offset, tail, seam in ([exact] if exact else []) + same:
            if tail and os.pread(source.fd, len(tail), offset - len(tail)) == tail:
                return offset, seam
        return None

    def compact(self, sources: list[Source]) -> None:
        """Forget files that are no more."""
        inodes = {source.key[1] for source in sources}
        self.last = {key: known for key, known in self.last.items() if key[1] in inodes}
        self._rewrite()

    def _rewrite(self) -> None:
        new = os.open(self.path + b".new", os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC, 0o600)
        for key in self.last:
            os.write(new, self._line(key))
        os.fsync(new)
        os.rename(self.path + b".new", self.path)
        os.close(self.fd)
        self.fd = new
        self._lines = len(self.last)
