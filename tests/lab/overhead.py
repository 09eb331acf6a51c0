"""What tagging costs: Locust → Envoy → Flask services, with and without taggers, in random order.

    python tests/lab/overhead.py [--full] [--seed N] [--write]
                                 [--rounds N] [--seconds S] [--only WORD] [--tables]

Four arms: no tagger, no tagger again (what differs there is noise), `cuidx tag`, and the method's
shell design. The short form takes about ten minutes, --full (or CUIDX_FULL=1) about forty. With
--write the runs are kept in runs.jsonl, and the tables in RESULTS.md and docs/overhead.md; --tables
writes the tables of the kept runs anew. On a busy machine root can put `nice -n -10` before it.
Everything runs on 127.0.0.1. What pip can bring (the extra `lab`) is installed if it is missing.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from lab.measure import SCENARIOS, Run, Scenario, Size, load_average, run  # noqa: E402
from lab.page import Report, between  # noqa: E402
from lab.parts import ARMS, ROOT, Arm, Shop, install_what_is_missing, versions  # noqa: E402
from lab.processes import LabError, Processes, end_on_signals  # noqa: E402

RESULTS, RUNS, DOC = HERE / "RESULTS.md", HERE / "runs.jsonl", ROOT / "docs" / "overhead.md"
SHORT = Size("short", warm_up=2.5, measured=3, rounds=6)
FULL = Size("full", warm_up=3, measured=8, rounds=12)
BESIDE = 6.0  # seconds that a run takes beside what is measured, at most in the usual case


def order(scenarios: list[Scenario], rounds: int, seed: int) -> Iterator[tuple[int, Scenario, Arm]]:
    """Every scenario's arms in each round; scenarios and arms in an order drawn for each round."""
    chance = random.Random(seed)
    for number in range(rounds):
        for scenario in chance.sample(scenarios, len(scenarios)):
            for arm in chance.sample(ARMS, len(ARMS)):
                yield number, scenario, arm


def measure(scenarios: list[Scenario], size: Size, seed: int) -> Report:
    """All runs, one after another."""
    many = len(scenarios) * len(ARMS) * size.rounds
    # Twice the usual time; then everything that is left ends by itself.
    limit = 60 + 2 * many * (size.warm_up + size.measured + BESIDE)
    before = load_average()
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="cuidx-lab-") as at, Processes(Path(at), limit) as all_:
        shop = Shop(all_, Path(at))
        shop.start()
        for number, scenario, arm in order(scenarios, size.rounds, seed):
            done = run(shop, scenario, arm, number, size, seed)
            runs.append(done)
            print(
                f"{len(runs):3}/{many} {scenario.name}, {arm.name}: {done.achieved:.1f}/s, "
                f"median {done.median:.2f} ms, p99 {done.p99:.1f} ms, {done.failed} failed, "
                f"{done.written} lines, {done.lost} lost, {done.doubled} doubled",
                file=sys.stderr,
                flush=True,
            )
    about = {
        "machine": f"{os.cpu_count()} CPUs, {platform.system()} {platform.release()}, "
        f"loopback, everything on it: load, Envoy, services, taggers; nice {os.nice(0)}",
        "versions": versions(),
        "form": f"{size.form}: {size.rounds} rounds with each of {len(ARMS)} arms in random order, "
        f"{many} runs of {size.measured:g} s after {size.warm_up:g} s of warming up",
        "seed": str(seed),
        "day": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "failed requests": f"{sum(one.failed for one in runs)} of {sum(one.requests for one in runs):,}",
        "load over 1, 5 and 15 minutes": f"{before} before, {load_average()} after",
    }
    return Report(about, seed, runs)


def keep(report: Report) -> None:
    """Write the runs and their tables."""
    report.write(RUNS)
    write_tables(report)


def write_tables(report: Report) -> None:
    """Write RESULTS.md and its copy in the docs."""
    tables = report.markdown()
    made = f"Made by `python tests/lab/{Path(__file__).name} --write` from runs.jsonl."
    RESULTS.write_text(f"# What tagging costs\n\n{made}\n\n{tables}", "utf-8")
    between(DOC, "overhead", tables)


def main() -> None:
    about, _, more = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=about, epilog=more, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", default=bool(os.environ.get("CUIDX_FULL")))
    parser.add_argument("--seed", type=int, default=20261102)
    parser.add_argument("--write", action="store_true", help="keep runs and tables")
    parser.add_argument("--rounds", type=int, help="instead of the form's")
    parser.add_argument("--seconds", type=float, help="measured in each run, instead of the form's")
    parser.add_argument("--only", default="", help="scenarios with this in their name")
    parser.add_argument("--tables", action="store_true", help="of the kept runs; runs nothing")
    chosen = parser.parse_args()
    if chosen.tables:
        write_tables(Report.read(RUNS))
        return
    form = FULL if chosen.full else SHORT
    size = Size(
        form.form if not (chosen.rounds or chosen.seconds) else "cut",
        min(form.warm_up, chosen.seconds or form.warm_up),
        chosen.seconds or form.measured,
        chosen.rounds or form.rounds,
    )
    scenarios = [one for one in SCENARIOS if chosen.only in one.name]
    if not scenarios:
        parser.error(f"--only {chosen.only!r}: one of {', '.join(one.name for one in SCENARIOS)}")
    end_on_signals()
    try:
        install_what_is_missing()
        report = measure(scenarios, size, chosen.seed)
    except LabError as error:
        print(f"overhead lab: {error}", file=sys.stderr)
        sys.exit(3)
    except KeyboardInterrupt:
        sys.exit(130)
    print(report.markdown(), end="")
    if chosen.write:
        keep(report)


if __name__ == "__main__":
    main()
