"""How much reading a CUID spares, and how often an address is given to the right container.

    python tests/bench/study.py [--only TABLE] [--write]

Stories of `cuidx simulate`, whose truth is known, with one thing changed at a time. With --write
the tables of docs/evaluation.md are made anew. A row needs no other row, so a few can be checked
(tests/test_study.py); notebooks/05-evaluation.ipynb shows the same functions at work.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))  # attribution.py

import polars as pl
from attribution import checked

import cuidx
from cuidx import times
from cuidx.simulation import Simulated

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "evaluation.md"
SEEDS = (1, 2, 3, 4, 5)
# An hour of 24 Pods, each replaced or restarted every ten minutes; twice as many addresses.
BASE: dict[str, Any] = {"events": 10_000, "length": "1h", "pods": 24, "churn": 6}
WINDOW = "5m"
FACTORS: dict[str, list[Any]] = {
    "churn": [0, 1, 6, 20, 60],
    "pool": [36, 48, 96, 384],
    "cooldown": ["0s", "30s", "2m", "5m"],
    "ipam": ["fifo", "round-robin", "lowest-free"],
    "fanout": [0, 1, 3, 6],
    "window": ["30s", "1m", "5m", "15m"],
}
# What a factor's rows have besides: where it makes a difference at all.
BESIDES: dict[str, dict[str, Any]] = {"cooldown": {"ipam": "lowest-free"}, "window": {"churn": 20}}
TITLES = {
    "churn": "Changes of a Pod in an hour",
    "pool": "Addresses for 24 Pods and those that scaling adds",
    "cooldown": "Cool-down of an address, the lowest free one first",
    "ipam": "Which free address is next",
    "fanout": "Services that a request's entry calls",
    "window": "Window of the search by address and time, 20 changes of a Pod in an hour",
}
RUNGS = ("cuid", "container_id", "pod_uid", "pod_name", "ip")
EVIDENCE: tuple[tuple[str, ...], ...] = ((), ("pods", "events"), ("prometheus",))
# Fewer addresses, handed out again at once, and much churn: hard on whoever goes by the clock.
HARD: dict[str, Any] = {
    "events": 6_000, "length": "20m", "churn": 40, "ipam": "lowest-free", "cooldown": "0s",
}  # fmt: skip
HOTTEST: dict[str, Any] = {"length": "15m", "churn": 120}
BOOTS = ("0s", "500ms", "1500ms")


# --- spared reading ------------------------------------------------------------------------------


def opened(story: Simulated) -> cuidx.Case:
    """STORY as a user opens it, but silent on the way: a notebook would show how far it is."""
    return cuidx.open_case(*map(str, story.sources), progress=lambda path, size: None)


def alerts_of(case: cuidx.Case, window: str = WINDOW) -> pl.DataFrame:
    """One row for each alert of CASE (errors): what each search reads, and what it misses.

    `own_seen`: the share of its container's lines that the search by address and time finds.
    """
    found = case.steps(window=window).with_row_index("alert")
    events = case.events.select("line", "container", pl.col("time").cast(pl.Int64)).collect()
    half = times.length(window)
    at = events.select("line", at="time")
    mine = (
        found.select("alert", "line", "container").join(at, on="line")
        .join(events.select("container", "time"), on="container")
        .group_by("alert")
        .agg(own_seen=((pl.col("time") - pl.col("at")).abs() <= half).mean())
    )  # fmt: skip
    return found.join(mine, on="alert").sort("alert").select(
        "ip", "container",
        by_ip=pl.col("ip_search").struct["lines"],
        by_ip_time=pl.col("ip_time_search").struct["lines"],
        by_cuid=pl.col("cuid_search").struct["lines"],
        ip_searches=pl.col("ip_search").struct["searches"],
        cuid_searches=pl.col("cuid_search").struct["searches"],
        spared=1 - pl.col("cuid_search").struct["lines"] / pl.col("ip_search").struct["lines"],
        own_seen="own_seen",
    )  # fmt: skip


def alerts(seeds: Iterable[int] = SEEDS, window: str = WINDOW, **changed: Any) -> pl.DataFrame:
    """The alerts of all stories of SEEDS with this CHANGED from the base."""
    parts = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            story = cuidx.simulate(Path(folder) / str(seed), seed=seed, **{**BASE, **changed})
            parts.append(alerts_of(opened(story), window))
    return pl.concat(parts)


def summary(found: pl.DataFrame) -> dict[str, str]:
    """A row of a table: quantiles over alerts, not means."""

    def lines(name: str) -> str:
        return " / ".join(f"{found[name].quantile(q, 'nearest'):,.0f}" for q in (0.1, 0.5, 0.9))

    def share(value: Any) -> str:
        return f"{100 * value:.0f} %"

    spared = [share(found["spared"].quantile(q, "nearest")) for q in (0.1, 0.5, 0.9)]
    return {
        "alerts": f"{len(found):,}",
        "by IP": lines("by_ip"),
        "by IP and time": lines("by_ip_time"),
        "by CUID": lines("by_cuid"),
        "searches, IP → CUID": f"{found['ip_searches'].median():,.0f} → "
        f"{found['cuid_searches'].median():,.0f}",
        "spared of by IP": " / ".join(spared),
        "nothing spared": share((found["spared"] <= 0).mean()),
        "time window reads less": share((found["by_ip_time"] < found["by_cuid"]).mean()),
        "… and sees of its own": share(found["own_seen"].median()),
    }


def spared_row(factor: str, value: Any, seeds: Iterable[int] = SEEDS) -> dict[str, str]:
    """The row of FACTOR's table for VALUE."""
    changed = {**BESIDES.get(factor, {}), factor: value}
    return {factor: str(value), **summary(alerts(seeds, **changed))}


# --- attribution ---------------------------------------------------------------------------------


def attributed(identity: str, evidence: tuple[str, ...], seeds: Iterable[int] = SEEDS,
               **changed: Any) -> Counter[str]:  # fmt: skip
    """How the mentions of all stories of SEEDS are answered, by class."""
    sums: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            story = cuidx.simulate(Path(folder) / str(seed), seed=seed, identity=identity,
                                   evidence=evidence, **{**HARD, **changed})  # fmt: skip
            sums += checked(story)
    return sums


def shares(found: Counter[str]) -> dict[str, str]:
    """Counts and shares of the mentions of containers that have an address of their own."""
    unknown = ("before its first line", "after its last line", "never seen", "near two")
    groups = {
        "right": found["right"], "right, of several": found["right, of several"],
        "held": found["held"], "wrong": found["wrong"] + found["unexplained"],
        "unknown": sum(found[name] for name in unknown), "ambiguous": found["two at once"],
    }  # fmt: skip
    whole = sum(groups.values())
    return {
        "mentions": f"{whole:,}",
        **{name: f"{count:,} ({100 * count / whole:.2f} %)" if count else "0"
           for name, count in groups.items()},
    }  # fmt: skip


def attributed_row(identity: str, evidence: tuple[str, ...],
                   seeds: Iterable[int] = SEEDS) -> dict[str, str]:  # fmt: skip
    """The row of a rung, with such evidence beside the lines."""
    found = shares(attributed(identity, evidence, seeds))
    return {"known by": f"`{identity}`", "evidence": ", ".join(evidence) or "none", **found}


def boot_row(boot: str, seeds: Iterable[int] = SEEDS) -> dict[str, str]:
    """The row for Pods that log so soon after they got their address, CUIDs in the lines."""
    return {"boot": boot, **shares(attributed("cuid", (), seeds, boot=boot, **HOTTEST))}


# --- the page ------------------------------------------------------------------------------------


def markdown(rows: list[dict[str, str]]) -> str:
    """ROWS as a table; numbers to the right."""
    heads = list(rows[0])
    lines = ["| " + " | ".join(heads) + " |",
             "| " + " | ".join("---" if n == 0 else "---:" for n in range(len(heads))) + " |"]  # fmt: skip
    return "\n".join([*lines, *("| " + " | ".join(row.values()) + " |" for row in rows)])


def tables() -> dict[str, Callable[[], list[dict[str, str]]]]:
    """Every table by its name on the page."""

    def spared(factor: str) -> Callable[[], list[dict[str, str]]]:
        return lambda: [spared_row(factor, value) for value in FACTORS[factor]]

    return {
        **{factor: spared(factor) for factor in FACTORS},
        "attribution": lambda: [attributed_row(rung, kept) for rung in RUNGS for kept in EVIDENCE],
        "boot": lambda: [boot_row(boot) for boot in BOOTS],
    }


def on_page(name: str) -> str:
    """The table NAME as the page shows it."""
    _, _, rest = PAGE.read_text("utf-8").partition(f"<!-- study: {name} -->\n\n")
    return rest.partition(f"\n\n<!-- /study: {name} -->")[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", metavar="TABLE", help="this one: churn, pool, …, attribution")
    parser.add_argument("--write", action="store_true", help="renew docs/evaluation.md")
    chosen = parser.parse_args()
    for name, make in tables().items():
        if chosen.only not in (None, name):
            continue
        table = markdown(make())
        print(f"{TITLES.get(name, name)}\n\n{table}\n", flush=True)
        if chosen.write:
            text = PAGE.read_text("utf-8")
            begin, end = f"<!-- study: {name} -->\n", f"<!-- /study: {name} -->"
            before, after = text.split(begin)[0], text.split(end)[1]
            PAGE.write_text(f"{before}{begin}\n{table}\n\n{end}{after}", "utf-8")


if __name__ == "__main__":
    main()
