"""What cuidx says of a simulated story's mentions, against the truth beside it, class by class.

right      the container that the line is about
held       whoever had the address when the line was written, where it is about an earlier one
wrong      any other answer, also one where nobody is the truth
one of several  of those on a node's network, where just one of them is seen at that time
nobody     no container's address, and no answer: a client's
and for what has no answer, why not: `WHY`
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import polars as pl

import cuidx
from cuidx.simulation import Simulated

WHY = {
    "before its first line": "its container has the address, and has not logged yet",
    "after its last line": "its container logged nothing more, or had gone; nobody is seen since",
    "never seen": "no line and no evidence of its container names the address",
    "near two": "within a second of two holders' lines, and inside neither",
    "shared": "several have the address at once: a node's",
    "two at once": "two holders' lines overlap: clocks, or evidence that is coarse",
    "not found": "cuidx does not list the mention",
    "unexplained": "none of these",
}  # fmt: skip
GOOD = ("right", "held", "nobody")
SECOND = 1_000_000_000


def names_of(truth: dict[str, Any]) -> dict[str, set[int]]:
    """Every name that cuidx may give a container or its Pod, and whom it fits."""
    found: dict[str, set[int]] = {}
    for one in truth["containers"]:
        pod = f"{one['namespace']}/{one['pod']}"
        uid, name = one["pod_uid"], "app"
        for said in (one["cuid"], one["container_id"], uid, f"{uid}/{name}", pod, f"{pod}/{name}"):
            found.setdefault(said, set()).add(one["instance"])
        if one["restart"]:
            found.setdefault(f"{uid}/{name}#{one['restart']}", set()).add(one["instance"])
    return found


def answers(case: cuidx.Case, story: Simulated) -> pl.DataFrame:
    """Every row of truth_mentions.jsonl with cuidx's verdict, container and by (null: not found)."""
    truth = pl.read_ndjson(
        story.path / "truth_mentions.jsonl",
        schema={"file": pl.String, "line": pl.Int64, "ip": pl.String, "at": pl.String,
                "cuid": pl.String, "instance": pl.Int64, "held_by": pl.String,
                "shared": pl.Boolean},
    )  # fmt: skip
    said = (
        case.annotate().select("source", "line", "time", "mentions").explode("mentions")
        .drop_nulls("mentions").unnest("mentions")
        .with_columns(
            file=pl.col("source").cast(pl.String).str.strip_prefix(f"{story.path}/"),
            line=pl.col("line").cast(pl.Int64), verdict=pl.col("verdict").cast(pl.String),
        )
    )  # fmt: skip
    key = ["file", "line", "ip"]
    unheard = said.filter(pl.col("role") != "own").join(truth, on=key, how="anti")
    assert unheard.is_empty(), unheard.head(3).to_dicts()
    said = said.select(*key, "time", "verdict", "container", "by")
    return truth.join(said, on=key, how="left")


def classes(case: cuidx.Case, story: Simulated) -> Counter[str]:
    """How many mentions are of which class."""
    names = names_of(story.truth)
    cuids = {one["cuid"]: one["instance"] for one in story.truth["containers"]}
    seen: dict[str, list[tuple[set[int], int, int]]] = {}
    holders = case.reuse().explode("holders").unnest("holders")
    for row in holders.with_columns(pl.col("first_seen", "last_seen").cast(pl.Int64)).iter_rows(
        named=True
    ):
        who: set[int] = set()
        for name in (row["container"], *row["containers"]):
            who |= names.get(name, set())
        seen.setdefault(row["ip"], []).append((who, row["first_seen"], row["last_seen"]))
    frame = answers(case, story).with_columns(pl.col("time").cast(pl.Int64))
    nodes: dict[str, set[int]] = {}
    for one in story.truth["containers"]:
        if one["host_network"]:
            nodes.setdefault(one["ip"], set()).add(one["instance"])
    return Counter(class_of(row, names, cuids, seen, nodes) for row in frame.iter_rows(named=True))


def class_of(row: dict[str, Any], names: dict[str, set[int]], cuids: dict[str, int],
             seen: dict[str, list[tuple[set[int], int, int]]], nodes: dict[str, set[int]]) -> str:  # fmt: skip
    """The class of one mention."""
    meant, verdict = row["instance"], row["verdict"]
    if verdict is None:
        return "not found"
    if verdict == "resolved":
        who = names.get(row["container"], set())
        if meant is not None and meant in who:
            return "right"
        if row["held_by"] is not None and cuids[row["held_by"]] in who:
            return "held"
        if row["shared"] and who and who <= nodes[row["ip"]]:
            return "one of several"
        return "wrong"
    if row["shared"]:
        return "shared"
    if meant is None:
        return "nobody" if verdict == "unknown" else "two at once"
    if verdict == "ambiguous":
        return "two at once"
    mine = [(first, last) for who, first, last in seen.get(row["ip"], []) if meant in who]
    if not mine:
        return "never seen"
    at = row["time"]
    if any(first <= at <= last for first, last in mine):
        return "unexplained"
    if any(first - SECOND <= at <= last + SECOND for first, last in mine):
        return "near two"
    return (
        "before its first line" if at < min(first for first, _ in mine) else "after its last line"
    )


def checked(story: Simulated, **options: Any) -> Counter[str]:
    """Open STORY as a user would, and compare."""
    case = cuidx.open_case(*map(str, story.sources), **options)
    assert case.accounting.unreadable == 0
    return classes(case, story)
