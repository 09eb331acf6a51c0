"""A laboratory for the tagger: a source folder, an output folder, the tagger as a process."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
HOW = "as root, tests/install-tools has Debian install it"
CUID = "4a23c1d0-0000-4000-8000-00000000abcd"
SVC = "pay.shop.lab"
SUFFIX = f'{{"ikontainer_CUID":"{CUID}","svc":"{SVC}"}}'.encode()


def suffixed(data: bytes) -> bytes:
    """What the mirror of DATA has to be; written down without the tagger's own code."""
    lines = data.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    return b"".join(line + SUFFIX + b"\n" for line in lines)


def need(*tools: str, root: bool = False) -> None:
    """Fail, never skip, where something is missing that this test can't be run without."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        pytest.fail(f"{', '.join(missing)}: not installed; {HOW}", pytrace=False)
    if root and os.geteuid():
        pytest.fail("this test needs root", pytrace=False)


class Lab:
    compiled = Path()

    def __init__(self, at: Path) -> None:
        self.at = at
        self.source = at / "source"
        self.out = at / "out"
        self.source.mkdir()
        self.running: list[subprocess.Popen[bytes]] = []

    def command(self, *options: str, out: str | None = None) -> list[str]:
        return [
            *(sys.executable, "-m", "cuidx.tagger.app"),
            *("--source", str(self.source), "--out", out or str(self.out)),
            *("--cuid", CUID, "--svc", SVC, "--linger", "0.1", *options),
        ]

    @property
    def env(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("POD_", "CUIDX_"))}
        compiled = {"PYTHONPYCACHEPREFIX": str(self.compiled), "PYTHONDONTWRITEBYTECODE": "1"}
        return kept | {"PYTHONPATH": str(ROOT)} | compiled

    def start(
        self, *options: str, wrap: tuple[str, ...] = (), ready: bool = True, **more: Any
    ) -> subprocess.Popen[bytes]:
        """The tagger, running; READY waits for its start record."""
        log = self.out / "ikontainer.lifecycle.log"
        before = log.read_bytes().count(b"\n") if log.exists() else 0
        process = subprocess.Popen(
            [*wrap, *self.command(*options)],
            env=self.env,
            stderr=subprocess.PIPE,
            **more,
        )
        self.running.append(process)
        if ready:
            until(lambda: log.exists() and log.read_bytes().count(b"\n") > before, process)
        return process

    def once(self, *options: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            self.command("--once", *options),
            env=self.env,
            capture_output=True,
            timeout=60,
            check=False,
            **more,
        )
        assert done.returncode == 0, done.stderr
        return done

    def stop(self, process: subprocess.Popen[bytes]) -> bytes:
        """End it as Kubernetes does; returns what it said."""
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[1]
        assert process.returncode == 0, said
        assert b"Traceback" not in said
        return said

    def mirror(self, name: str, expected: bytes) -> None:
        """Wait until OUT/NAME is EXPECTED, then show the difference if it is not."""
        path = self.out / name
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(FileNotFoundError):  # it may be renamed at any moment
                if path.stat().st_size == len(expected) and path.read_bytes() == expected:
                    return
            time.sleep(0.01)
        assert path.exists(), sorted(str(p) for p in self.out.rglob("*"))
        assert path.read_bytes() == expected

    def outputs(self) -> dict[str, bytes]:
        """All of OUT but the lifecycle log."""
        return {
            str(path.relative_to(self.out)): path.read_bytes()
            for path in sorted(self.out.rglob("*"))
            if path.is_file() and path.name != "ikontainer.lifecycle.log"
        }


def until(
    true: Callable[[], bool], process: subprocess.Popen[bytes] | None = None, seconds: float = 60
) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        if process is not None and process.poll() is not None:
            said = process.stderr.read() if process.stderr else b""
            raise AssertionError(f"the tagger ended: {process.returncode} {said!r}")
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.005)


def heard(process: subprocess.Popen[bytes]) -> bytes:
    """The next line that the tagger says."""
    assert process.stderr is not None
    line = b""
    while not line.endswith(b"\n"):  # byte by byte: what follows is for `communicate`
        assert select.select([process.stderr], [], [], 60)[0], "it says nothing"
        byte = os.read(process.stderr.fileno(), 1)
        assert byte, f"the tagger ended: {line!r}"
        line += byte
    return line


@pytest.fixture(scope="session")
def full() -> bool:
    """Whether sizes are those of `./check --full`."""
    return bool(os.environ.get("CUIDX_FULL"))


@pytest.fixture(scope="session", autouse=True)
def compiled(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The package's bytecode, made once: hundreds of taggers are started."""
    Lab.compiled = tmp_path_factory.mktemp("compiled")
    env = {**os.environ, "PYTHONPYCACHEPREFIX": str(Lab.compiled)}
    subprocess.run([sys.executable, "-m", "compileall", "-q", ROOT / "cuidx"], env=env, check=True)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    it = Lab(tmp_path)
    yield it
    for process in it.running:
        if process.poll() is None:
            process.kill()
        process.communicate()
