"""The one loop: wait for something, look where it was, tag what is there.

A file is served in turns, so that none waits for another's backlog; what is read is at once
written, so that memory does not grow with the backlog either.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import time
from collections.abc import Callable

from cuidx.tagger import say
from cuidx.tagger.follow import Source
from cuidx.tagger.tree import Tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cuidx.tagger.kinds import Sink

LOOKS = 5  # at everything, for files that are being renamed
SETTLE = 5.0  # seconds at most until two looks agree
# Lines that come one by one and fast are taken some at a time: half the CPU for 0.2 ms.
OFTEN, PAUSE = 0.001, 0.0002
TURN = 8  # blocks of a file before the next file has its turn


class ReaderGoneError(Exception):
    """The reader of standard output has gone."""


class Loop:
    """Follows a Tree and feeds a Sink."""

    def __init__(self, tree: Tree, sink: Sink, *, linger: float, grace: float) -> None:
        self.tree = tree
        self.sink = sink
        self.linger = linger
        self.grace = grace
        self.stopping = False
        self.on_lost: Callable[[bytes], None] = lambda path: None
        self._told = 0.0
        self._poll = select.poll()
        if tree.inotify is not None:
            self._poll.register(tree.inotify.fd, select.POLLIN)
        self._wake, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll.register(self._wake, select.POLLIN)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        # A lease that is taken back while it is tried tells by SIGIO, which ends a process.
        signal.signal(signal.SIGIO, signal.SIG_IGN)

    def _stop(self, number: int, frame: object) -> None:
        if not self.stopping:
            self.stopping = True
            self._told = time.monotonic()

    def is_over(self) -> bool:
        """Whether the time for an orderly end is used up."""
        return self.stopping and time.monotonic() > self._told + self.grace

    def wake(self) -> None:
        """End a wait, from any thread."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._waker, b"\0")

    def end_with(self, fd: int) -> None:
        """End when the reader of FD has gone, even if nothing is there to be written."""
        self._poll.register(fd, 0)
        self._ends_with = fd

    _ends_with = -1

    # -- the parts ---------------------------------------------------------------------------------

    def begin(self) -> None:
        """Look at everything for the first time."""
        self._look_until_settled()
        self.tree.moves.clear()
        fresh, self.tree.fresh = self.tree.fresh, []
        self.sink.adopt(sorted(fresh, key=lambda source: source.path), self._find)

    def _look_until_settled(self) -> None:
        """Look at everything until two looks agree: then all names are of one moment.

        A single look misses a file that is renamed after its folder was listed: under its old
        name there is another file by then, or none, and its new name was not in the list.
        """
        until = time.monotonic() + SETTLE
        before = None
        while before is None or time.monotonic() < until:
            self.tree.look_at_all()
            names = {s: s.path for s in self.tree.sources.values() if not s.gone}
            if names == before:
                break
            before = names

    def _find(self, source: Source) -> bool:
        """Open SOURCE, under its new name if it was renamed in the meantime."""
        for _ in range(LOOKS):
            if self._open(source):
                return True
            if source.gone or self.tree.still(source):  # it is there, but may not be read
                return False
            self._look_until_settled()
        return False

    def _open(self, source: Source) -> bool:
        try:
            if not source.ready(self.tree.open, self.tree.fds):
                return False
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM):
                say.counts["unreadable_total"] += 1
                say.once(
                    f"refused {source.path!r}",
                    f"{say.shown(source.path)}: {error.strerror}; left out until it can be read "
                    "(run the tagger as the application's user)",
                )
            elif error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                say.once(f"open {source.path!r}", f"{say.shown(source.path)}: {error.strerror}")
            return False
        return True

    def look(self) -> None:
        """Tell the sink what the tree has found out, in the order that loses nothing."""
        tree = self.tree
        self._tell_moves()
        if tree.fresh:
            fresh, tree.fresh = tree.fresh, []
            # Lines of a removed file stand before those of the one that has its name now.
            for ghost in list(tree.ghosts):
                if ghost in tree.dirty:
                    self.serve(ghost, drain=True)
            for source in fresh:
                self._open(source)  # at once: a rename or removal takes the name away
        for ghost in tree.ghosts:
            if not ghost.told:
                ghost.told = True
                self.sink.removed(ghost)
        if tree.ended:
            ended, tree.ended = tree.ended, []
            for source in ended:  # what came before the last look, and a line without an end
                if source.gone and not self.serve(source, drain=True) and self._finish(source):
                    tree.drop(source)
        if tree.lost:
            lost, tree.lost = tree.lost, []
            for source in lost:
                self.sink.release(source)
                self.on_lost(source.path)

    def _tell_moves(self) -> None:
        """Have the sink follow what was renamed."""
        moves, self.tree.moves = self.tree.moves, []
        if moves:
            self.sink.moved(moves)

    def serve(self, source: Source, *, drain: bool = False) -> bool:
        """Tag what SOURCE has for one turn; True if there is more."""
        if source.gone and source.fd < 0:
            return False
        if not self._open(source):
            return False
        try:
            if not source.known:
                if self._awaits_rename(source):
                    return True
                self.sink.resume(source)
            turns = 0
            while turns < TURN or drain:
                turns += 1
                block = source.lines()
                if block is None:
                    say.counts["rewritten_total"] += 1
                    source.begin(0)
                    continue
                if not block:
                    return False
                say.counts["read_bytes_total"] += len(block)
                taken = self.sink.write(source, block)
                if taken:
                    source.quiet_since = time.monotonic()
                    source.done(block if taken == len(block) else block[:taken])
                if taken < len(block):
                    return True
        except OSError as error:
            say.once(f"read {source.path!r}", f"{say.shown(source.path)}: {error.strerror}")
            return False
        return True

    def _awaits_rename(self, source: Source) -> bool:
        """Whether the file that had the name of SOURCE before has another by now, unknown yet.

        Half of a rotation may be known: the new file, but not what became of the old one.
        """
        if source.looks >= LOOKS or not self.sink.is_taken(source):
            return False
        for other in self.tree.sources.values():
            rival = other is not source and other.path == source.path and other.fd >= 0
            if rival and os.fstat(other.fd).st_nlink:
                source.looks += 1
                self._look_until_settled()
                self._tell_moves()  # at once: the next source may have the name that was left
                return not other.gone  # else it was moved out of the tree
        return False

    def turn(self) -> bool:
        """Serve each file that may have lines once; True if any line was taken."""
        before = say.counts["read_bytes_total"]
        blocked = time.monotonic() < self.sink.retry_at
        for source in list(self.tree.dirty):
            if blocked and not source.gone:  # what was removed may have another way out
                continue
            if not self.serve(source):
                self.tree.dirty.pop(source, None)
        return say.counts["read_bytes_total"] > before

    def _wait(self, timeout: float) -> None:
        # Rounded up: poll(2) counts milliseconds, and a wait of 0 would spin.
        for fd, _ in self._poll.poll(int(timeout * 1000) + 1 if timeout > 0 else 0):
            if fd == self._wake:
                os.read(fd, 512)
            elif fd == self._ends_with:
                raise ReaderGoneError
            else:
                self.tree.read_events()

    def step(self, longest: float) -> bool:
        """Wait up to LONGEST seconds for something, then do it; True if any line was taken."""
        now = time.monotonic()
        wait = min(self.tree.timeout(now), longest)
        if self.sink.keep is not None:
            wait = min(wait, max(self._next_sweep - now, 0.0))
        if self.tree.dirty:
            # Files whose output can't be written are tried again by and by, the others at once.
            wait = min(wait, max(self.sink.retry_at - now, 0.05 if self._stuck else 0.0))
        elif self._took and now - self._stepped < OFTEN:
            time.sleep(PAUSE)
        self._stepped = now
        self._wait(wait)
        self.look()
        took = self._took = self.turn()
        self._stuck = not took
        self.tree.on_time(time.monotonic(), active=took)
        self.look()
        self._sweep()
        self._measure()
        return took

    _stuck = False
    _took = False
    _stepped = 0.0

    def _sweep(self) -> None:
        if self.sink.keep is not None and time.monotonic() >= self._next_sweep:
            self._next_sweep = time.monotonic() + min(self.sink.keep / 2 + 1, 60.0)
            self.sink.sweep([source.path for source in self.tree.sources.values()])

    _next_sweep = 0.0

    def _measure(self) -> None:
        say.counts["files"] = len(self.tree.sources)
        say.counts["folders"] = len(self.tree.folders)
        say.counts["polled_folders"] = self.tree.polled
        say.counts["open_files"] = len(self.tree.fds)

    # -- the whole ---------------------------------------------------------------------------------

    def run(self) -> None:
        """Until told to stop; then drain."""
        self.begin()
        say.counts["ready"] = 1
        while not self.stopping:
            self.step(3600.0)
        self.drain(time.monotonic() + self.grace)

    def once(self) -> None:
        """Tag what is there. A full disk is waited for, as always."""
        self.begin()
        say.counts["ready"] = 1
        self.drain(None)

    def drain(self, deadline: float | None) -> None:
        """Take what is left and what still comes, at last the unfinished lines."""
        quiet = time.monotonic()
        linger = self.linger if deadline is not None else 0.0
        self.tree.look_at_all()
        self.look()
        while deadline is None or time.monotonic() < deadline:
            if self.step(0.02):
                quiet = time.monotonic()
            elif not self.tree.dirty and time.monotonic() - quiet >= linger:
                break
            if self.stopping and deadline is None:
                deadline = time.monotonic() + self.grace
        sources = list(self.tree.sources.values())
        while sources and (deadline is None or time.monotonic() < deadline):
            sources = [source for source in sources if not self._finish(source)]
            if sources:
                time.sleep(0.05)
        while not self.sink.flush() and (deadline is None or time.monotonic() < deadline):
            time.sleep(0.05)
        if sources:
            say.note(
                f"{len(sources)} files have lines that could not be written; a restart goes on"
            )

    def _finish(self, source: Source) -> bool:
        if (source.gone and source.fd < 0) or not self._open(source) or not source.known:
            return True
        try:
            return self.sink.finish(source)
        except OSError as error:
            say.once(f"read {source.path!r}", f"{say.shown(source.path)}: {error.strerror}")
            return True
