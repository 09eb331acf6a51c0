"""A week in a minute: rotation, Pods that come and go, a slow receiver; nothing grows."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .conftest import Lab, until


def resident(pid: int) -> int:
    """KiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    return 0


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@pytest.mark.parametrize("to", ["mirror", "slow reader"])
def test_memory_and_descriptors_stay_flat(lab: Lab, to: str, full: bool) -> None:
    turns = 1500 if full else 150
    reader = None
    if to == "mirror":
        process = lab.start()
    else:
        process = subprocess.Popen(
            lab.command(out="-"), env=lab.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        lab.running.append(process)
        slow = "import os, time\nwhile os.read(0, 20000): time.sleep(0.001)"
        reader = subprocess.Popen([sys.executable, "-c", slow], stdin=process.stdout)
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
    chance = random.Random(7)
    first = (0, 0)
    most = (0, 0)
    for turn in range(turns):
        pod = lab.source / f"pod{turn}"
        (pod / "deep/er").mkdir(parents=True)
        for name in ("a.log", "deep/b.log", "deep/er/c.log"):
            (pod / name).write_bytes(b"a line of %d\n" % turn * chance.randrange(1, 300))
        if turn >= 5:
            old = lab.source / f"pod{turn - 5}"
            (old / "a.log").rename(old / "a.log.1")
            (old / "a.log").write_bytes(b"after the rotation\n")
        if turn >= 10:
            shutil.rmtree(lab.source / f"pod{turn - 10}")
            shutil.rmtree(lab.out / f"pod{turn - 10}", ignore_errors=True)  # the collector's part
        time.sleep(0.02)
        if turn % 10 == 9:
            now = (resident(process.pid), descriptors(process.pid))
            if turn < turns // 3:
                first = (max(first[0], now[0]), max(first[1], now[1]))
            most = (max(most[0], now[0]), max(most[1], now[1]))
    # Files that nobody writes to any more are given back after some seconds.
    until(lambda: descriptors(process.pid) < 120, process, seconds=30)
    print(
        f"figure: {turns} Pods, {to}: {first[0]} KiB and {first[1]} descriptors in the first "
        f"third, {most[0]} and {most[1]} at most"
    )
    assert most[0] < first[0] + 2048
    assert most[1] < first[1] * 1.5 + 100
    lab.stop(process)
    if reader is not None:
        reader.wait(30)
