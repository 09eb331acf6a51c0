"""How `cuidx timeline` grows with its input, for each shape of log, beside what else would answer.

    python tests/bench/shapes.py [--events 3700000] [--runs 5] [--shape flat …] [--dir DIR] [--write]

Each shape at an eighth, a quarter, a half and all of EVENTS. The rivals are DuckDB in its best form
(explicit columns, or its regular expressions), polars `scan_ndjson` where it can read the file, and
`wc -l` as the floor. As in `timeline.py`: whole processes, in turns, and the answers are compared.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from timeline import HERE, Contender, comparable, machine, story

RESULTS = HERE / "RESULTS-shapes.md"
SHAPES = ("flat", "text", "cri", "elasticdump", "parquet")
PARTS = (8, 4, 2, 1)
COLUMNS = ("ts", "level", "service", "msg", "request_id", "client_ip", "pod_ip", "ikontainer_CUID",
           "svc")  # fmt: skip

# What does not reach the aim (DuckDB's own time; 0.6 of it for text and CRI), and why.
TRIED = """
## What was tried

- `parquet`: what brought it from 2.4 times DuckDB's time to below it. Reading: groups of rows are taken as the file has them (to cut them
  anew costs a third of decoding), a million rows at a time; the native code (1.35 s of CPU for 3.7 million rows, now 0.3) takes
  some hundred rows at once, step by step, by their Arrow views instead of the bytes behind them, remembers the last requests only,
  and looks for suffixes in all bytes of the messages at once, which with a dictionary are a fraction of the rows'. The answer:
  requests are counted natively beside the rest (0.1 s before). The process: only what is needed is loaded (0.1 s), and at the end
  nothing is taken to pieces (0.07 s). Then, of 0.61 s, 0.05 more (AMD EPYC; on an Intel Xeon it was 1.07 to 1.11 times DuckDB's
  time before that): polars decodes a group with several threads and fewer groups at once, so that the first is there sooner and
  60 MB less are touched (each 100 MB cost 25 ms of faults, and 10 ms at the process's end); small tables are joined at once, not by
  lazy plans (lifetimes 19 to 10 ms); without evidence nobody is looked up in it; requests are counted by their groups' numbers,
  in a thread beside the rest; a server's modules wait for a URL. What did not help: remembering messages by their views (there
  are too many), larger tables, `-march=native`, prefetching groups and seen requests, larger or smaller parts, smaller windows,
  the next window begun early, fewer threads of polars, importing polars in a thread beside typer. Huge pages (`thp:always`) gave
  5 % in the median, but runs fell apart in two kinds, 0.50 and 0.60 s. A sixth of the time is still the import of polars; on small
  files it is most.
- `elasticdump`: a document that comes twice is counted once, in both. 64 bits a document in sorted runs take a sixth of the
  memory of DuckDB's `GROUP BY _id`, and as much CPU.
- Below 200 MB the imports (0.5 s of CPU) are most of cuidx's time.
"""


def made(directory: Path, events: int, shape: str) -> Path:
    """The file of a shape; of columns, what DuckDB makes of the flat one."""
    if shape != "parquet":
        return story(directory, events, 1, shape)
    flat = story(directory, events, 1)
    path = flat.with_suffix(".parquet")
    if not path.exists():
        columns = ", ".join(f"{name}: 'VARCHAR'" for name in COLUMNS)
        part = path.with_suffix(".part")
        query = (
            f"COPY (FROM read_json('{flat}', format = 'newline_delimited', ignore_errors = true, "
            f"columns = {{{columns}}}) WHERE ts IS NOT NULL) TO '{part}' (FORMAT parquet)"
        )
        # In a process of its own: what is measured starts with the peak of our memory.
        make = [sys.executable, "-c", "import sys, duckdb; duckdb.sql(sys.argv[1])", query]
        subprocess.run(make, check=True)
        part.rename(path)
    return path


def without_bad_lines(path: Path) -> Path:
    """PATH without the lines that end `scan_ndjson`."""
    clean = path.with_suffix(".clean")
    if not clean.exists():
        part = clean.with_suffix(".part")
        with path.open("rb") as lines, part.open("wb") as out:
            out.writelines(line for line in lines if line.endswith(b'"}\n'))
        part.rename(clean)
    return clean


def contenders(path: Path, shape: str, directory: Path) -> list[Contender]:
    def out(name: str) -> Path:
        return directory / f"shapes-{name}.json"

    ours = [sys.executable, "-m", "cuidx", "timeline", str(path), "-q", "-f", "json"]
    rival = [sys.executable, str(HERE / "duckdb_timeline.py"), str(path), "--shape", shape]
    accounting = ["--accounting"] if shape == "flat" else []
    found = [
        Contender("cuidx", [*ours, "-o", str(out("cuidx"))], out("cuidx")),
        Contender("DuckDB", [*rival, *accounting, "-o", str(out("duckdb"))], out("duckdb")),
    ]
    if shape == "flat":
        found.append(
            Contender("polars", [sys.executable, str(HERE / "polars_timeline.py"),
                                 str(without_bad_lines(path)), "-o", str(out("polars"))],
                      out("polars"))
        )  # fmt: skip
    if shape != "parquet":
        found.append(Contender("wc -l", ["wc", "-l", str(path)]))
    return found


def measured(shape: str, events: int, directory: Path, runs: int) -> list[list[Contender]]:
    """The contenders of each size, smallest first."""
    sizes = []
    for part in PARTS:
        path = made(directory, events // part, shape)
        found = contenders(path, shape, directory)
        subprocess.run(["cat", str(path)], check=True, stdout=subprocess.DEVNULL)
        for _ in range(runs):
            for contender in found:
                contender.run()
        answers = [comparable(json.loads(c.output.read_text("utf-8"))) for c in found if c.output]
        if any(answer != answers[0] for answer in answers):
            raise SystemExit(f"{path}: the answers differ")
        sizes.append(found)
    return sizes


def section(shape: str, sizes: list[list[Contender]], events: int, directory: Path) -> str:
    lines = [
        f"## {shape}",
        "",
        "| events | MB | whole process | median s | CPU s | peak MB | cuidx / it | CPU |",
        "| ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for part, found in zip(PARTS, sizes, strict=True):
        size = made(directory, events // part, shape).stat().st_size / 1e6
        ours = found[0]
        for c in found:
            ratio = f"{ours.median / c.median:.2f} | {ours.median_cpu / c.median_cpu:.2f}"
            lines.append(
                f"| {events // part:,} | {size:.0f} | {c.name} | {c.median:.2f} | "
                f"{c.median_cpu:.2f} | {max(c.peak_mb):.0f} | {'' if c is ours else ratio} |".replace(
                    "|  |", "| | |"
                )
            )
    small, large = sizes[0][0], sizes[-1][0]
    slope = math.log(large.median / small.median) / math.log(PARTS[0])
    per_event = (large.median - small.median) / (events - events // PARTS[0]) * 1e6
    lines += [
        "",
        f"From N to 8N cuidx's time grows with the power {slope:.2f}: {per_event:.2f} s for each "
        f"further million events; its memory by {max(large.peak_mb) - max(small.peak_mb):.0f} MB.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=3_700_000, help="3.7 million are about 1 GB")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--shape", choices=SHAPES, nargs="+", default=SHAPES)
    parser.add_argument("--dir", type=Path, default=Path(tempfile.gettempdir()) / "cuidx-bench")
    parser.add_argument("--write", action="store_true", help=f"also write {RESULTS.name}")
    args = parser.parse_args()
    text = (
        "# Each shape, and how time grows with it\n\n"
        f"Made by `python tests/bench/shapes.py --events {args.events} --runs {args.runs} "
        f"--write`: medians of {args.runs} runs in turns; a ratio below 1 says that cuidx is "
        "quicker. The answers are the same.\nDuckDB counts bad and blank lines in the flat file, "
        "as cuidx does in all; polars reads the flat file without its bad lines.\n\n"
        f"{machine()}."
    )
    before = os.getloadavg()[0]
    sections = ""
    for shape in args.shape:
        sizes = measured(shape, args.events, args.dir, args.runs)
        sections += "\n" + section(shape, sizes, args.events, args.dir)
        print(sections.rpartition("## ")[2], flush=True)
    text += f" Load average {before:.0f} before, {os.getloadavg()[0]:.0f} after.\n" + sections
    if args.write:
        RESULTS.write_text(text + TRIED, encoding="utf-8")


if __name__ == "__main__":
    main()
