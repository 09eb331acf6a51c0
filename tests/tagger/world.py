"""A world for the tagger that moves only while the tagger makes a system call, by a seed.

    python tests/tagger/world.py SEED FOLDER [removes]

A writer writes lines to FOLDER/source and rotates its files, and the tagger is killed at any call,
also in the middle of a write; at last `--once` runs in peace. The clock is the seed's too. So what
would need a rare moment of two processes comes often, and comes again: FOLDER/out has to be the
mirror of FOLDER/source. What happened is printed, in its order.

With `removes` rotations remove the oldest file, at times the one that is still written to; what
was in such files is kept in FOLDER/removed.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cuidx.tagger import app
from cuidx.tagger.loop import Loop

CALLS = (
    *("open", "read", "pread", "stat", "lstat", "fstat", "dup", "listdir"),
    *("mkdir", "rename", "write", "ftruncate", "unlink"),
)
ROTATIONS = 40  # in all


class World:
    """Writes and rotates, a step whenever it is told to."""

    def __init__(self, source: Path, chance: random.Random, removes: random.Random | None) -> None:
        self.source = source
        self.chance = chance
        self.removes = removes
        self.rotations = self.removed = 0
        self._steps = self._run()

    def step(self, count: int) -> None:
        for _ in range(count):
            next(self._steps)

    def _run(self) -> Iterator[None]:
        chance = self.chance
        names = ("a.log", "b/b.log", "b/c/c.log")[: chance.choice((1, 2, 3))]
        most = chance.choice((5, 20, 200))
        rotates = chance.choice((0.1, 0.3, 0.6))
        large = chance.choice((0.0, 0.02, 0.2))
        number = 0
        while True:
            for path in map(self.source.joinpath, names):
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("ab", buffering=0) as file:
                    yield
                    for _ in range(chance.randrange(1, most)):
                        size = 5000 if chance.random() < large else chance.choice((0, 10, 100))
                        line = b"%s %d %s\n" % (path.name.encode(), number, b"x" * size)
                        number += 1
                        if chance.random() < 0.2:
                            cut = chance.randrange(len(line))
                            file.write(line[:cut])
                            yield
                            line = line[cut:]
                        file.write(line)
                        if chance.random() < 0.3:
                            yield
                    if chance.random() < rotates and self.rotations < ROTATIONS:
                        self.rotations += 1
                        yield from self._rotate(path)
                        late = b"%s %d into the renamed\n" % (path.name.encode(), number)
                        kept = None
                        if self.removes and self.removes.random() < 0.3:
                            kept = self._remove(path.with_name(f"{path.name}.1"))
                            yield
                        file.write(late)
                        if kept is not None:
                            kept.write_bytes(kept.read_bytes() + late)
                        yield

    def _rotate(self, path: Path) -> Iterator[None]:
        older = [path]
        while older[-1].exists():
            older.append(path.with_name(f"{path.name}.{len(older)}"))
        if self.removes and len(older) > self.removes.randrange(2, 5):
            older.pop()
            self._remove(older[-1])
            yield
        for n in range(len(older) - 1, 0, -1):
            older[n - 1].rename(older[n])
            say(f"world: {older[n - 1].name} -> {older[n].name}")
            yield

    def _remove(self, path: Path) -> Path:
        """Remove PATH; returns where its bytes are kept. Its inode may be another's at once."""
        kept = Path("removed") / str(self.removed)
        self.removed += 1
        kept.parent.mkdir(exist_ok=True)
        kept.write_bytes(path.read_bytes())
        path.unlink()
        say(f"world: {path.name} removed, it was {kept}")
        return kept


def say(what: str) -> None:
    print(what, flush=True)  # a kill leaves nothing behind that was not flushed


def die() -> None:
    say("tagger: killed")
    os.kill(os.getpid(), signal.SIGKILL)


def tagger(words: list[str], seed: int, world: socket.socket) -> int:
    """The tagger; between its calls it has the WORLD move, or is killed. `--once` has peace."""
    chance = random.Random(seed)
    peace = "--once" in words
    moves = 0.0 if peace else chance.choice((0.02, 0.1, 0.4))
    kills = 0.0 if peace else chance.choice((0.001, 0.004, 0.02))
    most = chance.choice((3, 10, 60))
    waits = chance.choice((3, 30, 200))
    now = 0.0

    def passes(seconds: float) -> None:
        nonlocal now
        now += seconds

    def monotonic() -> float:
        passes(1e-4)
        return now

    def move(where: str) -> None:
        say(f"tagger: waits at {where}")
        world.send(b"%d" % chance.randrange(1, most))
        world.recv(1)

    def happens(where: str) -> None:
        if chance.random() < moves:
            move(where)
        if chance.random() < kills:
            die()

    def between(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*given: Any, **more: Any) -> Any:
            happens(name)
            if name == "rename":
                old, new = (os.path.relpath(os.fsdecode(path), "out") for path in given)
                say(f"tagger: {old} -> {new}")
            if name == "write" and chance.random() < kills:
                call(given[0], given[1][: chance.randrange(len(given[1]))])
                die()
            return call(*given, **more)

        return called

    class Listing:
        """In the order of names, not of the file system; an entry's stat comes after its move."""

        listing = staticmethod(os.scandir)

        def __init__(self, at: Any) -> None:
            self.entries = iter(sorted(self.listing(at), key=lambda entry: entry.name))

        def __iter__(self) -> Listing:
            return self

        def __next__(self) -> os.DirEntry[str]:
            entry = next(self.entries)
            happens(f"entry {entry.name}")
            return entry

        def __enter__(self) -> Listing:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    class Moved(Loop):
        def begin(self) -> None:
            # From here on: the calls before are others for each Python and each depth of FOLDER.
            vars(os).update({name: between(name, getattr(os, name)) for name in CALLS})
            vars(os).update(scandir=Listing)
            super().begin()

        def _wait(self, timeout: float) -> None:
            nonlocal waits
            if not peace:
                waits -= 1
                if waits < 0:
                    die()
                move("the loop's wait")
            passes(min(timeout, chance.choice((0.0, 0.02, 0.6))))
            super()._wait(0.0)

    vars(time).update(monotonic=monotonic, sleep=passes)
    vars(app).update(Loop=Moved)
    return app.main(words)


def start(words: list[str], seed: int, world: World) -> int:
    """Start the tagger and move the WORLD until it ends; returns how."""
    say(f"start: {' '.join(words[10:])}")
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if not child:
        ours.close()
        signal.alarm(60)  # one that hangs ends, and the trace says so
        os._exit(tagger(words, seed, its))
    its.close()
    with ours:
        while steps := ours.recv(16):
            world.step(int(steps))
            ours.send(b"\n")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(seed: int, at: Path, removes: str = "") -> int:
    chance = random.Random(seed)
    os.chdir(at)
    source = Path("source")
    source.mkdir(exist_ok=True)
    world = World(source, chance, random.Random(seed) if removes else None)
    cuid = "4a23c1d0-0000-4000-8000-00000000abcd"
    style = chance.choice(("append", "merge"))
    words = ["--source", "source", "--out", "out", "--cuid", cuid, "--svc", "pay.shop.lab"]
    words += ["--linger", "0", "--style", style]
    for _ in range(chance.choice((4, 9, 21))):
        world.step(chance.choice((0, 1, 3, 30)))
        more = ["--poll"] if chance.random() < 0.2 else []
        if (code := start([*words, *more], chance.randrange(1 << 30), world)) != -signal.SIGKILL:
            say(f"ended: {code}")
            return 1
    return start([*words, "--once"], seed, world)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]))
