"""Processes that end: each one bounded in time, all ended on every way out, and what they used."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:  # else imported late: the lab can start without it, and install it
    import psutil


class LabError(Exception):
    """One or two plain lines: what is missing or did not work, and what to do."""


class Processes:
    """Starts processes and, at the end of the `with` block, ends all that are left.

    Each is a process group of its own under `timeout`: it ends by itself after `limit` seconds, also
    when this process is killed without a word. What they say goes to a file each in FOLDER.
    """

    def __init__(self, folder: Path, limit: float) -> None:
        self.folder = folder
        self.limit = limit
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, it: BaseException | None, at: TracebackType | None
    ) -> None:
        for process in self.running.values():
            _signal(process, signal.SIGTERM)
        deadline = time.monotonic() + 3
        for process in self.running.values():
            while process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
            _signal(process, signal.SIGKILL)  # the whole group: its leader may be gone already
            process.wait()
        self.running.clear()

    def start(
        self, name: str, command: list[str], env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """COMMAND under `timeout`, its output in FOLDER/NAME.out."""
        with (self.folder / f"{name}.out").open("ab") as said:
            process = subprocess.Popen(
                ["timeout", "--kill-after=1", f"{self.limit:.0f}", *command],
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        self.running[name] = process
        return process

    def end(self, name: str, seconds: float = 20) -> int:
        """SIGTERM to NAME and all its children; its exit code. SIGKILL after SECONDS."""
        process = self.running.pop(name)
        _signal(process, signal.SIGTERM)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = -signal.SIGKILL
        _signal(process, signal.SIGKILL)
        process.wait()
        return code

    def said(self, name: str) -> str:
        """The last lines of NAME's output."""
        return "\n".join(
            (self.folder / f"{name}.out").read_text("utf-8", "replace").split("\n")[-8:]
        )

    def until(self, true: Callable[[], bool], name: str, seconds: float = 60) -> None:
        """Wait until TRUE; LabError when NAME ends before that, or it takes too long."""
        deadline = time.monotonic() + seconds
        while not true():
            code = self.running[name].poll()
            if code is not None:
                raise LabError(f"{name} ended ({code}):\n{self.said(name)}")
            if time.monotonic() > deadline:
                raise LabError(f"{name} was not ready within {seconds:.0f} s:\n{self.said(name)}")
            time.sleep(0.02)


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def end_on_signals() -> None:
    """SIGTERM and SIGHUP unwind the stack as Ctrl-C does, so that `with` blocks end."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)


def trees(pids: Iterable[int]) -> list[psutil.Process]:
    """The processes of PIDS with all below them."""
    import psutil

    found = []
    for pid in pids:
        try:
            top = psutil.Process(pid)
            found += [top, *top.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU seconds that PIDS and all below them used so far, children that ended included."""
    import psutil

    total = 0.0
    for process in trees(pids):
        try:
            total += sum(process.cpu_times()[:4])
        except psutil.NoSuchProcess:
            continue
    return total


def peak_mb(pid: int) -> float:
    """The sum of the highest resident sizes (VmHWM) of PID and all below it, in MB."""
    total = 0
    for process in trees([pid]):
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            continue
        facts = dict(line.split(":", 1) for line in status.splitlines())
        if facts["Name"].strip() != "timeout":
            total += int(facts.get("VmHWM", "0 kB").split()[0])
    return total / 1024


def busy_seconds() -> float:
    """CPU seconds that the whole machine has used since it was started, all but idle ones."""
    import psutil

    used = psutil.cpu_times()
    return float(used.user + used.nice + used.system + used.irq + used.softirq)
