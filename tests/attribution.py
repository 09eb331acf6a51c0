"""What cuidx says of a simulated story's mentions, against the truth beside it, class by class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import polars as pl

import cuidx
from cuidx.simulation import Simulated

CLASSES = {
    "right": "the container that the line is about",
    "right, of several": "the same, by a name that others have too: a Pod's name, used again",
    "held": "whoever had the address when the line was written, where it is about an earlier one",
    "wrong": "any other answer",
    "one of several": "one of those on a node's network, where no other is seen at that time",
    "shared": "`ambiguous`: all on a node's network have its address",
    "nobody": "`unknown`, and no container's: a client's",
    "before its first line": "`unknown`: its container had not logged yet",
    "after its last line": "`unknown`: its container logged nothing more, or had gone",
    "never seen": "`unknown`: no line and no evidence of its container names the address",
    "near two": "`unknown`: within a second of two holders' lines, and inside neither",
    "two at once": "`ambiguous`: two holders overlap",
    "not found": "not listed as a mention",
    "unexplained": "none of these",
}
SECOND = 1_000_000_000


class Truth:
    """STORY's truth, and what CASE has seen of each address."""

    def __init__(self, story: Simulated, case: cuidx.Case) -> None:
        self.cuids: dict[int, str] = {}
        self.names: dict[str, set[int]] = {}  # every name that cuidx may give, and whom it fits
        self.nodes: dict[str, set[int]] = {}
        for one in story.truth["containers"]:
            number, uid = one["instance"], one["pod_uid"]
            self.cuids[number] = one["cuid"]
            pod = f"{one['namespace']}/{one['pod']}"
            again = f"{uid}/app#{one['restart']}"
            for name in (one["cuid"], one["container_id"], uid, f"{uid}/app", again, pod,
                         f"{pod}/app"):  # fmt: skip
                self.names.setdefault(name, set()).add(number)
            if one["host_network"]:
                self.nodes.setdefault(one["ip"], set()).add(number)
        self.seen: dict[str, list[tuple[set[int], int, int]]] = {}
        holders = case.reuse().explode("holders").unnest("holders").select(
            "ip", "container", "containers", pl.col("first_seen", "last_seen").cast(pl.Int64)
        )  # fmt: skip
        for ip, name, members, first, last in holders.iter_rows():
            who = set().union(*(self.names.get(one, ()) for one in (name, *members)))
            self.seen.setdefault(ip, []).append((who, first, last))

    def class_of(self, row: dict[str, Any]) -> str:
        """The class of one of `answers`."""
        meant, verdict = row["instance"], row["verdict"]
        if verdict is None:
            return "not found"
        if verdict == "resolved":
            return self._resolved(row, self.names.get(row["container"], set()))
        if row["shared"]:
            return "shared"
        if verdict == "ambiguous":
            return "two at once"
        if meant is None:
            return "nobody"
        mine = [(first, last) for who, first, last in self.seen.get(row["ip"], []) if meant in who]
        at = row["time"]
        if not mine:
            return "never seen"
        if any(first <= at <= last for first, last in mine):
            return "unexplained"
        if any(first - SECOND <= at <= last + SECOND for first, last in mine):
            return "near two"
        begun = min(first for first, _ in mine)
        return "before its first line" if at < begun else "after its last line"

    def _resolved(self, row: dict[str, Any], who: set[int]) -> str:
        if row["instance"] in who:
            several = len({self.cuids[number] for number in who}) > 1
            return "right, of several" if several else "right"
        if row["held_by"] is not None and row["held_by"] in {self.cuids[number] for number in who}:
            return "held"
        if row["shared"] and who and who <= self.nodes[row["ip"]]:
            return "one of several"
        return "wrong"


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
            time=pl.col("time").cast(pl.Int64),
        )
    )  # fmt: skip
    key = ["file", "line", "ip"]
    unheard = said.filter(pl.col("role") != "own").join(truth, on=key, how="anti")
    assert unheard.is_empty(), unheard.head(3).to_dicts()
    return truth.join(said.select(*key, "time", "verdict", "container", "by"), on=key, how="left")


def classes(case: cuidx.Case, story: Simulated) -> Iterator[tuple[dict[str, Any], str]]:
    """Each of `answers` with its class."""
    truth = Truth(story, case)
    for row in answers(case, story).iter_rows(named=True):
        yield row, truth.class_of(row)


def checked(story: Simulated, **options: Any) -> Counter[str]:
    """Open STORY as a user would: how many mentions are of which class."""
    silent = {"progress": lambda path, size: None}  # a notebook would show how far it is
    case = cuidx.open_case(*map(str, story.sources), **silent, **options)
    assert case.accounting.unreadable == 0
    return Counter(name for _, name in classes(case, story))
