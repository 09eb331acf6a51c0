"""How long a real Pod takes to start, as a yardstick: podman's, with nothing in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from lab.processes import LabError

# What podman needs where there is no systemd and a limit on open files; no network, no image.
CONFIG = """\
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[network]
network_backend = "netavark"
"""
NAME = "payment-0"


def started_and_asked(rounds: int) -> tuple[list[float], list[float]]:
    """Seconds to create and start a Pod, and to ask podman for its id, ROUNDS times."""
    if shutil.which("podman") is None or os.geteuid():
        raise LabError("podman and root are needed\nas root, tests/install-tools has Debian do it")
    at = Path(tempfile.mkdtemp(prefix="pods"))  # podman takes 50 characters at most
    (at / "containers.conf").write_text(CONFIG)
    env = os.environ | {"CONTAINERS_CONF": str(at / "containers.conf")}
    env["PATH"] += ":/usr/sbin:/sbin"
    own = [f"--{name}={at / name}" for name in ("root", "runroot", "tmpdir")]

    def podman(*words: str) -> str:
        done = subprocess.run(
            ["podman", *own, *words],
            env=env, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        if done.returncode:
            raise LabError(f"podman {' '.join(words)} did not work:\n{done.stderr[-400:]}")
        return done.stdout.strip()

    def timed(*commands: tuple[str, ...]) -> tuple[float, str]:
        begin = time.perf_counter()
        said = [podman(*words) for words in commands]
        return time.perf_counter() - begin, said[-1]

    starts, asks = [], []
    create = ("pod", "create", "--name", NAME, "--network", "none")
    try:
        for turn in range(rounds + 1):
            spent, made = timed(create, ("pod", "start", NAME))
            asked, told = timed(("pod", "inspect", NAME, "--format", "{{.Id}}"))
            if told != made:
                raise LabError(f"podman calls the Pod {made} {told}")
            podman("pod", "rm", "--force", "--time", "0", NAME)
            if turn:  # the first one makes the infra image and the storage
                starts.append(spent)
                asks.append(asked)
    finally:
        subprocess.run(
            ["podman", *own, "pod", "rm", "--all", "--force", "--time", "0"],
            env=env, capture_output=True, timeout=120, check=False,
        )  # fmt: skip
        overlay = str(at / "root" / "overlay")
        subprocess.run(["umount", "-R", overlay], check=False, capture_output=True)
        shutil.rmtree(at, ignore_errors=True)
    return starts, asks
