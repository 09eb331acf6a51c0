"""How long `cuidx timeline` takes on 1 GB, and how long DuckDB takes for the same answer.

    python tests/bench/timeline.py [--events 3700000] [--runs 5] [--dir DIR] [--write]

Each run is a whole process, from its start to its exit, with its imports; the commands take turns,
so that what else the machine does hits all of them; the figure is the median. The file is read once
before, so that all find it in the page cache. Answers are compared: a quick wrong one is no result.
"""

import argparse
import hashlib
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
RESULTS = HERE / "RESULTS-timeline.md"
CUIDX = "cuidx timeline"
BARE, SAME = "DuckDB, lifetimes alone", "DuckDB, with the same accounting"


@dataclass
class Contender:
    """A command, and what its runs took."""

    name: str
    argv: list[str]
    output: Path | None = None
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)  # steadier than the clock on a shared machine
    peak_mb: list[float] = field(default_factory=list)

    def run(self) -> None:
        with Path(os.devnull).open("wb") as nowhere:
            begin = time.perf_counter()
            process = subprocess.Popen(
                self.argv, stdout=nowhere, stderr=subprocess.PIPE, cwd=ROOT, env=installed()
            )
            # None of them writes more to standard error than a pipe holds.
            _, status, usage = os.wait4(process.pid, 0)
            self.seconds.append(time.perf_counter() - begin)
        process.returncode = os.waitstatus_to_exitcode(status)
        said = process.stderr.read().decode(errors="replace") if process.stderr else ""
        if process.stderr:
            process.stderr.close()
        if process.returncode:
            raise SystemExit(f"{' '.join(self.argv)} ended with {process.returncode}\n{said}")
        self.cpu.append(usage.ru_utime + usage.ru_stime)
        # Linux counts in KiB, and a child starts with its parent's peak: 20 MB or less say nothing.
        self.peak_mb.append(usage.ru_maxrss / 1024)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def median_cpu(self) -> float:
        return statistics.median(self.cpu)


def installed() -> dict[str, str]:
    """The environment of who installed what is measured: Python keeps what it compiled."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment.setdefault("PYTHONPYCACHEPREFIX", str(Path(tempfile.gettempdir()) / "cuidx-pyc"))
    return environment


def story(directory: Path, events: int, seed: int, shape: str = "flat") -> Path:
    """The generated file; made anew when the generator has changed."""
    generator = HERE / "generate.py"
    version = hashlib.sha256(generator.read_bytes()).hexdigest()[:8]
    path = directory / f"{shape}-{events}-{seed}-{version}.jsonl"
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        command = [sys.executable, str(generator), "--events", str(events), "--seed", str(seed)]
        command += ["--shape", shape]
        subprocess.run([*command, "-o", str(part)], check=True, stdout=subprocess.DEVNULL)
        part.rename(path)
    return path


def contenders(path: Path, directory: Path) -> list[Contender]:
    rival = [sys.executable, str(HERE / "duckdb_timeline.py"), str(path)]

    def out(name: str) -> Path:
        return directory / f"{name}.json"

    found = []
    if (ROOT / "cuidx" / "__main__.py").exists():
        ours = [sys.executable, "-m", "cuidx", "timeline", str(path), "-q", "-f", "json"]
        found.append(Contender(CUIDX, [*ours, "-o", str(out("cuidx"))], out("cuidx")))
    return [
        *found,
        Contender(BARE, [*rival, "-o", str(out("bare"))], out("bare")),
        Contender(SAME, [*rival, "--accounting", "-o", str(out("same"))], out("same")),
        Contender("cat", ["cat", str(path)]),
        Contender("wc -l", ["wc", "-l", str(path)]),
    ]


def disagreements(found: list[Contender]) -> list[str]:
    """Where the answers differ from those of DuckDB with accounting."""
    answers: dict[str, dict[str, Any]] = {
        c.name: json.loads(c.output.read_text(encoding="utf-8")) for c in found if c.output
    }
    truth = answers[SAME]
    says = []
    for name, answer in answers.items():
        if comparable(answer) != comparable(truth):
            says.append(f"{name}: other containers than '{SAME}'")
        bins = truth["accounting"]
        counted = answer.get("accounting", bins)
        says += [
            f"{name}: {key} {counted[key]}, by '{SAME}' {bins[key]}"
            for key in ("records", "events", "blank", "unreadable")
            if counted[key] != bins[key]
        ]
    return says


def comparable(answer: dict[str, Any]) -> list[tuple[Any, ...]]:
    # Service names differ in form (payment, payment.shop.lab), times in trailing zeros.
    return [
        (
            *(row[key] for key in ("container", "lines", "errors", "requests")),
            row["service"].partition(".")[0],
            sorted(row["ips"]),
            row["first_seen"][:19],
            row["last_seen"][:19],
        )
        for row in answer["containers"]
    ]


def machine() -> str:
    """Cores, processor, memory and versions: without them a figure says nothing."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        model = next(
            (x.partition(":")[2].strip() for x in lines if x.startswith("model name")), model
        )
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    cores = len(os.sched_getaffinity(0))
    parts = [f"{cores} cores ({model})", f"{memory:.0f} GiB", f"{platform.system()}"]
    parts.append(f"Python {platform.python_version()}")
    for package in ("cuidx", "polars", "duckdb"):
        try:
            parts.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            parts.append(f"{package} not installed")
    return ", ".join(parts)


def table(found: list[Contender], path: Path, events: int) -> str:
    by_name = {c.name: c for c in found}
    size = path.stat().st_size
    runs = len(found[0].seconds)
    lines = [
        f"{events:,} events, {size / 1e9:.2f} GB of flat JSONL; median of {runs} runs in turns.",
        "",
        machine() + ".",
        "",
        "| whole process | median s | least to most | CPU s | GB/s | peak MB |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for c in found:
        spread = f"{min(c.seconds):.2f} to {max(c.seconds):.2f}"
        speed = size / 1e9 / c.median
        lines.append(
            f"| {c.name} | {c.median:.2f} | {spread} | {statistics.median(c.cpu):.2f} "
            f"| {speed:.2f} | {max(c.peak_mb):.0f} |"
        )
    lines.append("")
    ours = by_name.get(CUIDX)
    for rival in (BARE, SAME):
        lines.append(
            f"- `{CUIDX}` / {rival}: {ours.median / by_name[rival].median:.2f}"
            if ours
            else f"- `{CUIDX}` / {rival}: not measured, there is no command yet"
        )
    says = disagreements(found)
    lines += [f"- **{text}**" for text in says] or ["- All answers are the same."]
    return "\n".join(lines) + "\n"


def measured(found: list[Contender]) -> list[str]:
    """FOUND as lines of a table."""
    lines = [
        "| whole process | median s | least to most | CPU s | peak MB |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for c in found:
        spread = f"{min(c.seconds):.2f} to {max(c.seconds):.2f}"
        row = f"{c.median:.2f} | {spread} | {c.median_cpu:.2f} | {max(c.peak_mb):.0f} |"
        lines.append(f"| {c.name} | {row}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=3_700_000, help="3.7 million are about 1 GB")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--dir", type=Path, default=Path(tempfile.gettempdir()) / "cuidx-bench")
    parser.add_argument("--write", action="store_true", help=f"also write {RESULTS.name}")
    args = parser.parse_args()
    path = story(args.dir, args.events, args.seed)
    found = contenders(path, args.dir)
    warm = next(c for c in found if c.name == "cat")
    subprocess.run(warm.argv, check=True, stdout=subprocess.DEVNULL)
    for _ in range(args.runs):
        for contender in found:
            contender.run()
    result = table(found, path, args.events)
    print(result, end="")
    if args.write:
        command = (
            f"python tests/bench/timeline.py --events {args.events} --runs {args.runs} --write"
        )
        head = f"# cuidx timeline and DuckDB\n\nMade by `{command}`.\n\n"
        RESULTS.write_text(head + result, encoding="utf-8")


if __name__ == "__main__":
    main()
