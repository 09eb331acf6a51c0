"""How long cuidx takes to start: what every call waits for, however small its sources.

    python tests/bench/start.py [--runs 20] [--write]

Whole processes in turns, as in `timeline.py`. What Python, typer and polars take without cuidx
stands beside it, for a start can't be shorter than what it loads.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from timeline import ROOT, Contender, installed, machine

RESULTS = Path(__file__).parent / "RESULTS-start.md"
TEN_LINES = "fixtures/paper/figure5.jsonl"
HELP, SMALL, TAG = "cuidx --help", "cuidx timeline, ten lines", "cuidx tag --help"
AIMS = {HELP: "130", SMALL: "700", TAG: "30 more than Python"}


def contenders() -> list[Contender]:
    python, ours = [sys.executable], [sys.executable, "-m", "cuidx"]
    return [
        Contender(HELP, [*ours, "--help"]),
        Contender(SMALL, [*ours, "timeline", TEN_LINES, "-q"]),
        Contender(TAG, [*ours, "tag", "--help"]),
        Contender("Python alone", [*python, "-c", "pass"]),
        Contender("import typer", [*python, "-c", "import typer"]),
        Contender("import polars", [*python, "-c", "import polars"]),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--write", action="store_true", help=f"also write {RESULTS.name}")
    args = parser.parse_args()
    # Installed, Python's own code is compiled once.
    compiled = [sys.executable, "-m", "compileall", "-q", "cuidx"]
    subprocess.run(compiled, check=True, cwd=ROOT, env=installed())
    found = contenders()
    for _ in range(args.runs):
        for contender in found:
            contender.run()
    lines = [
        "# How long cuidx takes to start",
        "",
        f"Made by `python tests/bench/start.py --runs {args.runs} --write`: medians of "
        f"{args.runs} runs in turns.",
        "",
        f"{machine()}.",
        "",
        "| whole process | median ms | least to most | CPU ms | aim, ms |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for c in found:
        spread = f"{min(c.seconds) * 1000:.0f} to {max(c.seconds) * 1000:.0f}"
        aim = AIMS.get(c.name, "")
        lines.append(
            f"| {c.name} | {c.median * 1000:.0f} | {spread} | {c.median_cpu * 1000:.0f} | {aim} |"
        )
    text = "\n".join(lines) + "\n"
    print(text)
    if args.write:
        RESULTS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
