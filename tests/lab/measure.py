"""One run: a load on the shop, with or without taggers, and what came out of it."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from lab import parts
from lab.compare import percentile
from lab.processes import LabError, busy_seconds, cpu_seconds, peak_mb

__all__ = ["SCENARIOS", "Lines", "Run", "Scenario", "Size", "compared", "run"]


@dataclass(frozen=True)
class Scenario:
    """A load: `rate` requests a second, through all services or answered by the first."""

    name: str
    rate: int
    path: str


SCENARIOS = (
    Scenario("100 requests/s through three services", 100, "/checkout"),
    Scenario("500 requests/s through three services", 500, "/checkout"),
    Scenario("500 requests/s to one service", 500, "/cart"),
)


@dataclass(frozen=True)
class Size:
    """How long a run is, in seconds, and how many rounds there are."""

    form: str
    warm_up: float
    measured: float
    rounds: int


@dataclass
class Lines:
    """What became of a run's lines: `torn` are outputs that are no line of the source."""

    written: int = 0
    tagged: int = 0
    lost: int = 0
    doubled: int = 0
    torn: int = 0


@dataclass(frozen=True)
class Run:
    """One run's figures. Times in ms, CPU in seconds within the measured window, memory in MB."""

    scenario: str
    round: int
    arm: str
    requests: int
    failed: int
    seconds: float
    achieved: float
    median: float
    p99: float
    services_cpu: float
    tagger_cpu: float
    envoy_cpu: float
    locust_cpu: float
    others_cpu: float
    tagger_peak: float
    written: int
    tagged: int
    lost: int
    doubled: int
    torn: int

    def line(self) -> str:
        """This run as a line of JSON."""
        return json.dumps(
            {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}
        )

    @classmethod
    def read(cls, line: str) -> Self:
        return cls(**json.loads(line))


def compared(source: bytes, output: bytes, suffix: bytes) -> Lines:
    """Each line of SOURCE has to be in OUTPUT once, with SUFFIX.

    source a b c, output a b b x: 3 written, 4 tagged, 1 lost (c), 1 doubled (b), 1 torn (x)
    """
    said = Counter(source.splitlines())
    came: Counter[bytes] = Counter()
    torn = 0
    lines = output.splitlines()
    for line in lines:
        bare = line.removesuffix(suffix)
        if bare == line or bare not in said:
            torn += 1
        else:
            came[bare] += 1
    lost, doubled = said - came, came - said
    return Lines(said.total(), len(lines), lost.total(), doubled.total(), torn)


def run(
    shop: parts.Shop, scenario: Scenario, arm: parts.Arm, number: int, size: Size, seed: int
) -> Run:
    """One run of ARM. Volumes and outputs are empty when it begins and when it ends."""
    processes = shop.processes
    out = shop.at / "out"
    record = shop.at / "record.json"
    started = record.with_suffix(".started")
    for path in (record, started):
        path.unlink(missing_ok=True)
    shop.clear()
    taggers = parts.Taggers(processes, shop, out, arm.tagger)
    load = f"{seed}/{scenario.rate}/{number}"  # the same for all arms of a round
    limit = int(size.warm_up + size.measured + 60)  # it is ended long before
    command, env = parts.locust(shop.url, scenario.path, scenario.rate, limit, load, record)
    processes.start("locust", command, env)
    processes.until(started.exists, "locust")
    time.sleep(size.warm_up)
    before = _used(shop, taggers)
    time.sleep(size.measured)
    after = _used(shop, taggers)
    code = processes.end("locust")
    if not record.exists():
        raise LabError(
            f"Locust ended with {code} and without a record:\n{processes.said('locust')}"
        )
    peak = max(map(peak_mb, taggers.pids()), default=0.0)
    _settle(taggers, shop)
    taggers.end()
    lines = _lines(shop, taggers) if arm.tagger else _written(shop)
    shop.clear()
    shutil.rmtree(out, ignore_errors=True)
    return Run(
        scenario=scenario.name,
        round=number,
        arm=arm.name,
        **_answers(json.loads(record.read_text()), before["at"], after["at"]),
        **{f"{part}_cpu": after[part] - before[part] for part in before if part != "at"},
        tagger_peak=peak,
        **asdict(lines),
    )


def _used(shop: parts.Shop, taggers: parts.Taggers) -> dict[str, float]:
    """CPU seconds so far, and the time."""
    used = {
        "services": cpu_seconds(shop.pids()),
        "tagger": cpu_seconds(taggers.pids()),
        "envoy": cpu_seconds([shop.processes.running["envoy"].pid]),
        "locust": cpu_seconds([shop.processes.running["locust"].pid]),
    }
    return used | {"others": busy_seconds() - sum(used.values()), "at": time.monotonic()}


def _answers(record: dict[str, Any], begin: float, end: float) -> dict[str, Any]:
    """Of the requests that ended within the window."""
    within = [
        (ms, failed)
        for at, ms, failed in zip(record["ended"], record["ms"], record["failed"], strict=True)
        if begin <= at < end
    ]
    good = [ms for ms, failed in within if not failed]
    if not good:
        raise LabError("no request was answered within the measured window")
    return {
        "requests": len(good),
        "failed": len(within) - len(good),
        "seconds": end - begin,
        "achieved": len(good) / (end - begin),
        "median": percentile(good, 0.5),
        "p99": percentile(good, 0.99),
    }


def _settle(taggers: parts.Taggers, shop: parts.Shop, seconds: float = 10) -> None:
    """Until sources and outputs have not grown for half a second, or SECONDS are over."""
    deadline = time.monotonic() + seconds
    last: list[int] = []
    still = time.monotonic()
    while time.monotonic() < min(deadline, still + 0.5):
        sizes = [*taggers.sizes(), *(len(_source(shop, service)) for service in parts.SERVICES)]
        if sizes != last:
            last, still = sizes, time.monotonic()
        time.sleep(0.1)


def _source(shop: parts.Shop, service: str) -> bytes:
    path: Path = shop.log(service)
    return path.read_bytes() if path.exists() else b""


def _written(shop: parts.Shop) -> Lines:
    sources = (_source(shop, service) for service in parts.SERVICES)
    return Lines(written=sum(source.count(b"\n") for source in sources))


def _lines(shop: parts.Shop, taggers: parts.Taggers) -> Lines:
    found = [
        compared(_source(shop, service), taggers.output(service), parts.suffix(service))
        for service in parts.SERVICES
    ]
    return Lines(
        *(sum(each) for each in zip(*(asdict(one).values() for one in found), strict=True))
    )


def load_average() -> str:
    return ", ".join(f"{value:.1f}" for value in os.getloadavg())
