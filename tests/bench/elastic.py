"""What an index costs: one story as a file, read back from Elasticsearch, and computed there.

    python tests/bench/elastic.py [--events 1000000] [--write]

A server of its own is started (tests/elastic_server.py), the story is pushed, pushed again, and
three questions are asked of the file, of the index read here, and of the index computed there. Each
run is a whole process. Answers that are not the same bytes end the benchmark with an error.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from elastic_server import PASSWORDS, Server  # noqa: E402 - beside this folder
from timeline import machine, story  # noqa: E402

RESULTS = HERE / "RESULTS-elastic.md"
QUESTIONS = ("timeline", "reuse", "steps")


class Run(NamedTuple):
    """What a command printed, and what it took."""

    out: bytes
    seconds: float
    peak_mb: float


def cuidx(*words: object) -> Run:
    begin = time.perf_counter()
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "cuidx", *map(str, words), "-q"], stdout=out, cwd=ROOT,
            env=os.environ | {"CUIDX_ES_USER": "admin", "CUIDX_ES_PASSWORD": PASSWORDS["admin"]},
        )  # fmt: skip
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - begin
        if process.returncode:
            raise SystemExit(f"cuidx {words[0]} ended with {process.returncode}")
        out.seek(0)
        # Linux counts in KiB.
        return Run(out.read(), seconds, usage.ru_maxrss / 1024)


def measure(events: int) -> list[str]:
    """The figures of one run with EVENTS events, as lines of a table."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        path = story(Path(name), events, seed=1)
        server = Server()
        try:
            server.start()
            url = f"{server.url}/story"
            for what in ("push", "push again"):
                run = cuidx("push", path, "--to", url, "-f", "json")
                rows.append(f"| {what} | {run.seconds:.1f} | {run.peak_mb:,.0f} |")
            if server.count("story") != events:
                raise SystemExit("the index has not just the events")
            for command in QUESTIONS:
                here = cuidx(command, path, "-f", "jsonl")
                local = cuidx(command, url, "-f", "jsonl", "--engine", "local")
                there = cuidx(command, url, "-f", "jsonl", "--engine", "elasticsearch")
                if not here.out == local.out == there.out:
                    raise SystemExit(f"{command}: the answers differ")
                named = {
                    "the file": here,
                    "index, read here": local,
                    "index, computed there": there,
                }
                rows += [
                    f"| {command}: {how} | {run.seconds:.1f} | {run.peak_mb:,.0f} |"
                    for how, run in named.items()
                ]
        finally:
            server.stop()
    return rows


def main() -> None:
    words = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    words.add_argument("--events", type=int, default=1_000_000)
    words.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    said = words.parse_args()
    rows = measure(said.events)
    text = "\n".join(
        [
            "# An index of Elasticsearch beside its file",
            "",
            f"`python tests/bench/elastic.py --events {said.events} --write`: {said.events:,} events, each",
            "command a whole process, the server (heap 512 MB) on the same machine. The answers of the",
            "three ways are the same bytes. Peak is cuidx's own memory.",
            "",
            machine(),
            "",
            "| command | seconds | peak MB |",
            "| --- | ---: | ---: |",
            *rows,
        ]
    )
    print(text)
    if said.write:
        RESULTS.write_text(text + "\n")


if __name__ == "__main__":
    main()
