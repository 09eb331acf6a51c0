"""How long `cuidx report` of 1 GB takes, and how long DuckDB for its questions one by one.

    python tests/bench/report.py [--events 3700000] [--runs 3] [--dir DIR] [--write]

Whole processes in turns, as in `timeline.py`; the times of DuckDB's are added. Lifetimes, holders,
errors and findings are compared with what the page holds, and the number of alerts.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from timeline import ROOT, Contender, machine, measured, story

from cuidx.present.findings import TITLES

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS-report.md"
CUIDX, PAGE = "cuidx report", "report.html"
KINDS = ("hole", "gap", "two-ips", "two-holders")
QUESTIONS = {
    "lifetimes": ["duckdb_timeline.py", "--accounting"],
    "reuse": ["duckdb_report.py", "reuse"],
    "steps": ["duckdb_steps.py", "--search", "own"],
    "errors": ["duckdb_report.py", "errors"],
    "findings": ["duckdb_report.py", "findings"],
}


def out(directory: Path, question: str) -> Path:
    return directory / f"report-{question}.json"


def contenders(path: Path, directory: Path) -> list[Contender]:
    page = str(directory / PAGE)
    found = [
        Contender(CUIDX, [sys.executable, "-m", "cuidx", "report", str(path), "-q", "-o", page])
    ]
    for name, (script, *more) in QUESTIONS.items():
        argv = [
            sys.executable,
            str(HERE / script),
            *more,
            str(path),
            "-o",
            str(out(directory, name)),
        ]
        found.append(Contender(f"DuckDB: {name}", argv))
    return found


def told(page: str) -> dict[str, Any]:
    """What the page of `cuidx report` says, in the shape of `answered`."""
    (said,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    data = json.loads(said)
    rows, lanes, bars = data["rows"], data["lanes"], data["bars"]
    errors: Counter[str] = Counter()
    for bar, _, count, *_ in data["marks"]:
        errors[bars[bar][5]] += count
    odd = page.partition('id="findings"')[2].partition("</section>")[0]
    return {
        "lifetimes": sorted((row[1], row[8], row[9], row[10]) for row in rows),
        "holders": sorted(
            (lanes[at][0], name, lines) for at, _, _, _, _, name, _, lines, *_ in bars
        ),
        "alerts": sum(row[9] for row in rows),
        "errors": dict(errors),
        "findings": {kind: odd.count(f"<tr><td>{TITLES[kind]}</td>") for kind in KINDS},
    }


def answered(directory: Path) -> dict[str, Any]:
    """What DuckDB's processes wrote."""
    found = {name: json.loads(out(directory, name).read_text("utf-8")) for name in QUESTIONS}
    errors: Counter[str] = Counter()
    for container, _, count, _ in found["errors"]["marks"]:
        errors[container] += count
    return {
        "lifetimes": sorted(
            (row["container"], row["lines"], row["errors"], row["requests"])
            for row in found["lifetimes"]["containers"]
        ),
        "holders": sorted(
            (ip, container, int(lines))
            for ip, holders in found["reuse"]["ips"] for container, _, _, lines in holders
        ),
        "alerts": len(found["steps"]["alerts"]),
        "errors": dict(errors),
        "findings": {kind: len(found["findings"][kind]) for kind in KINDS},
    }  # fmt: skip


def table(found: list[Contender], path: Path, directory: Path) -> str:
    ours, rivals = found[0], found[1:]
    lines = [
        f"{path.stat().st_size / 1e9:.2f} GB of flat JSONL; median of {len(ours.seconds)} runs in "
        "turns.",
        "",
        machine() + ".",
        "",
        *measured(found),
    ]
    seconds, cpu = sum(c.median for c in rivals), sum(c.median_cpu for c in rivals)
    lines += [
        f"| DuckDB, all of them | {seconds:.2f} | | {cpu:.2f} | |",
        "",
        f"- `{CUIDX}` / DuckDB: {ours.median / seconds:.2f}; of the CPU: "
        f"{ours.median_cpu / cpu:.2f}",
    ]
    mine, theirs = told((directory / PAGE).read_text("utf-8")), answered(directory)
    says = [f"- **{name}: other answers**" for name in mine if mine[name] != theirs[name]]
    return "\n".join([*lines, *(says or ["- All answers are the same."])]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=3_700_000, help="3.7 million are about 1 GB")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--dir", type=Path, default=Path(tempfile.gettempdir()) / "cuidx-bench")
    parser.add_argument("--write", action="store_true", help=f"also write {RESULTS.name}")
    args = parser.parse_args()
    path = story(args.dir, args.events, args.seed)
    found = contenders(path, args.dir)
    subprocess.run(["cat", str(path)], check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
    for _ in range(args.runs):
        for contender in found:
            contender.run()
    result = table(found, path, args.dir)
    print(result, end="")
    if args.write:
        command = f"python tests/bench/report.py --events {args.events} --runs {args.runs} --write"
        head = f"# cuidx report and DuckDB\n\nMade by `{command}`.\n\n"
        RESULTS.write_text(head + result, encoding="utf-8")


if __name__ == "__main__":
    main()
