"""SIGKILL at any instant, under load and with rotation: the same bytes as without."""

from __future__ import annotations

import random
import subprocess
import threading
import time
from pathlib import Path

import pytest

from .conftest import Lab, suffixed

SEED = 20261102


class Load:
    """Writes to files that rotate, some in pieces of lines, and knows what it wrote."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self.stop = threading.Event()
        self.random = random.Random(SEED)
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        number = 0
        turns = 0
        while not self.stop.is_set():
            for name in ("a.log", "b/b.log", "b/c/c.log"):
                path = self.source / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("ab", buffering=0) as file:
                    for _ in range(self.random.randrange(1, 200)):
                        line = b"%s %d %s\n" % (
                            name.encode(),
                            number,
                            b"x" * self.random.choice((0, 10, 100, 5000)),
                        )
                        number += 1
                        cut = self.random.randrange(len(line))
                        file.write(line[:cut])
                        file.write(line[cut:])
                    if self.random.random() < 0.08:
                        self._rotate(path)
                        file.write(b"%s %d into the renamed\n" % (name.encode(), number))
            turns += 1
            self.stop.wait(0.01)

    def _rotate(self, path: Path) -> None:
        number = 1
        while (older := path.with_name(f"{path.name}.{number}")).exists():
            number += 1
        for n in range(number, 1, -1):
            path.with_name(f"{path.name}.{n - 1}").rename(path.with_name(f"{path.name}.{n}"))
            older = path.with_name(f"{path.name}.{n - 1}")
        path.rename(older)

    def __enter__(self) -> Load:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()


@pytest.mark.parametrize("style", ["append", "merge"])
def test_random_kills_under_load_with_rotation(lab: Lab, style: str, full: bool) -> None:
    kills = 200 if full else 20
    chance = random.Random(SEED + 1)
    done = 0
    with Load(lab.source):
        while done < kills:
            process = subprocess.Popen(lab.command("--style", style), env=lab.env)
            time.sleep(chance.choice((0.05, 0.1, 0.15, 0.3)) * chance.random() + 0.05)
            process.kill()
            assert process.wait() == -9
            done += 1
    lab.once("--style", style)
    sources = {
        str(path.relative_to(lab.source)): path.read_bytes()
        for path in lab.source.rglob("*")
        if path.is_file()
    }
    outputs = lab.outputs()
    size = sum(map(len, sources.values()))
    print(f"figure: {done} kills, {len(sources)} files, {size / 1e6:.0f} MB, {style}")
    assert sorted(outputs) == sorted(sources)
    for name, data in sources.items():
        assert outputs[name] == suffixed(data), name
