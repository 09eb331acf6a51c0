"""How long `cuidx steps` over all errors of 1 GB takes, and how long DuckDB for the same answer.

    python tests/bench/steps.py [--events 3700000] [--runs 3] [--search any] [--dir DIR] [--write]

Whole processes in turns, as in `timeline.py`. Every alert's counts are compared, and the lines that
all searches together bring up.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from timeline import ROOT, Contender, machine, measured, story

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS-steps.md"
CUIDX, TIMELINE, DUCKDB = "cuidx steps", "cuidx timeline (reading alone)", "DuckDB"
SEARCHES = ("ip_search", "ip_time_search", "cuid_search")
COUNTS = ("hits", "containers", "requests", "lines")


def contenders(path: Path, directory: Path, search: str) -> list[Contender]:
    def out(name: str) -> Path:
        return directory / f"steps-{name}.json"

    ours = [sys.executable, "-m", "cuidx"]
    options = [str(path), "-q", "-f", "json"]
    rival = [sys.executable, str(HERE / "duckdb_steps.py"), str(path), "--search", search]
    return [
        Contender(
            CUIDX, [*ours, "steps", *options, "--search", search, "-o", str(out("cuidx"))],
            out("cuidx"),
        ),
        Contender(DUCKDB, [*rival, "-o", str(out("duckdb"))], out("duckdb")),
        Contender(TIMELINE, [*ours, "timeline", *options]),
    ]  # fmt: skip


def ours(answer: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    for row in answer["alerts"]:
        counts = ([row[search][name] for name in COUNTS] for search in SEARCHES)
        yield row["container"], row["ip"], *counts, row["needless"], row["missed"]


def theirs(answer: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    for row in answer["alerts"]:
        counts = (row[search] for search in SEARCHES)
        yield row["container"], row["ip"], *counts, row["needless"], row["missed"]


def disagreements(cuidx: dict[str, Any], duckdb: dict[str, Any]) -> list[str]:
    mine, yours = (sorted(map(repr, rows)) for rows in (ours(cuidx), theirs(duckdb)))
    says = []
    if mine != yours:
        says.append(f"{len(set(mine) ^ set(yours))} alerts have other counts")
    for search, lines in duckdb["distinct_lines"].items():
        if (found := cuidx["totals"][search]["distinct_lines"]) != lines:
            says.append(f"{search}: {found} different lines, by DuckDB {lines}")
    return says


def table(found: list[Contender], path: Path, search: str) -> str:
    by_name = {c.name: c for c in found}
    answers = [json.loads(by_name[n].output.read_text("utf-8")) for n in (CUIDX, DUCKDB)]  # type: ignore[union-attr]
    lines = [
        f"## `--search {search}`",
        "",
        f"{path.stat().st_size / 1e9:.2f} GB of flat JSONL, {len(answers[0]['alerts']):,} alerts; "
        f"median of {len(found[0].seconds)} runs in turns.",
        "",
        *measured(found),
    ]
    mine, theirs = by_name[CUIDX], by_name[DUCKDB]
    lines += [
        "",
        f"- `{CUIDX}` / {DUCKDB}: {mine.median / theirs.median:.2f}; of the CPU: "
        f"{mine.median_cpu / theirs.median_cpu:.2f}",
    ]
    says = disagreements(*answers)
    lines += [f"- **{text}**" for text in says] or ["- Both answers are the same for every alert."]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", nargs="?", type=Path, help="a flat JSONL file instead of a new one")
    parser.add_argument("--events", type=int, default=3_700_000, help="3.7 million are about 1 GB")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--search", choices=["own", "any"], help="one of them instead of both")
    parser.add_argument("--dir", type=Path, default=Path(tempfile.gettempdir()) / "cuidx-bench")
    parser.add_argument("--write", action="store_true", help=f"also write {RESULTS.name}")
    args = parser.parse_args()
    args.dir.mkdir(parents=True, exist_ok=True)
    path = args.file or story(args.dir, args.events, args.seed)
    subprocess.run(["cat", str(path)], check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
    results = []
    for search in [args.search] if args.search else ["own", "any"]:
        found = contenders(path, args.dir, search)
        for _ in range(args.runs):
            for contender in found:
                contender.run()
        results.append(table(found, path, search))
        print(results[-1])
    if args.write:
        command = f"python tests/bench/steps.py --events {args.events} --runs {args.runs} --write"
        head = f"# cuidx steps and DuckDB\n\nMade by `{command}`.\n\n{machine()}.\n\n"
        RESULTS.write_text(head + "\n".join(results), encoding="utf-8")


if __name__ == "__main__":
    main()
