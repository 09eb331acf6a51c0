"""Whom evidence speaks for: a Pod's object, for the containers that lines know of the Pod."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from cuidx.enrich.evidence import EVIDENCE
from cuidx.enrich.rungs import contradicted

# Starts and stops that a CUID does not name.
_TURN: Final = (
    pl.col("lifecycle").is_not_null() & pl.col("cuid").is_null() & pl.col("pod_key").is_not_null()
)
# Of one container of a Pod: what speaks of no container may mean any.
_IS_NAMED: Final = pl.col("container_name").is_not_null() | (pl.col("identity") == "container_id")
# The records that speak of a Pod as a whole: its object, an address manager's, a flow's.
_IS_POD: Final = (
    pl.col("pod_key").is_not_null() & pl.col("cuid").is_null() & pl.col("lifecycle").is_null()
    & ~pl.col("member")
)  # fmt: skip


def given(evidence: pl.DataFrame, groups: pl.DataFrame) -> pl.DataFrame:
    """EVIDENCE in which what is known of a Pod speaks for the containers that lines know of it.

    Of those one after the other (in place restarts, new CUIDs) it is the latest one begun by then,
    else the first; when the Pod began is the beginning of the first alone. A start or stop of a
    container that lines know by another name (a CUID, beside the same Pod's uid) is theirs of the
    same name in the Pod. A Pod that no line names has the containers whose starts and stops are
    known, or it is one, by its best name; a container without lines in a Pod that has some is none,
    and neither is one whose id lines carry beside their CUIDs.
    """
    if evidence.is_empty():
        return evidence
    events = groups.filter((pl.col("kind") == "event") & pl.col("container").is_not_null())
    evidence = _without_carried(evidence, events)
    written = pl.col("pod_key").is_in(
        events.drop_nulls("first")["pod_key"].drop_nulls().unique().implode()
    )
    # Of a container that wrote no line its first start or stop is the first that is seen.
    turned = evidence.filter(_TURN & _IS_NAMED & ~written).with_columns(first="time")
    seen = pl.concat([events["container"], turned["container"]]).unique()
    facts = ("pod_key", "container_name", "container", "identity", "first")
    members = (
        pl.concat([events.select(facts), turned.select(facts)])
        .drop_nulls(["pod_key", "first"])
        .group_by("pod_key", "container_name", "container", "identity")
        .agg(pl.col("first").min())
        # Two that begin in one moment are both the first: which of them is no question of order.
        .with_columns(place=pl.col("first").rank("min").over("pod_key", "container_name"))
    )  # fmt: skip
    is_seen = pl.col("container").is_in(seen.implode())
    evidence = evidence.filter(~pl.col("member") | is_seen)
    turns = (_TURN & ~is_seen).fill_null(False)
    turning = _turned(evidence.filter(turns), members)
    evidence = pl.concat([evidence.filter(~turns), turning])
    # What is left of a Pod that lines know is a container without lines: it is none.
    silent = _TURN & ~is_seen & pl.col("pod_key").is_in(members["pod_key"].implode())
    evidence = evidence.filter(~silent.fill_null(False))
    objects = evidence.filter(_IS_POD).with_row_index("object")
    if objects.is_empty():
        return evidence
    meant = (
        objects.select("object", "pod_key", "until").join(members, on="pod_key")
        .sort(pl.col("first") > pl.col("until"), (pl.col("first") - pl.col("until")).abs(),
              "container")
        .unique(["object", "container_name"], keep="first", maintain_order=True)
        .group_by("object", "container", "identity")
        .agg(pl.col("place").min(), called=pl.col("container_name").min())
        .sort("object", "container")
    )  # fmt: skip
    said = objects.drop("container", "identity").join(meant, on="object").with_columns(
        started=pl.when(pl.col("place") == 1).then("started"),
        container_name=pl.coalesce("container_name", "called"),
    )  # fmt: skip
    rest = objects.join(meant, on="object", how="anti")
    best = (
        rest.sort("identity", "container").unique("pod_key", keep="first", maintain_order=True)
        .select("pod_key", best="container", kind="identity")
    )  # fmt: skip
    rest = rest.join(best, on="pod_key", how="left", maintain_order="left").with_columns(
        container="best", identity="kind"
    )
    columns = list(EVIDENCE)
    return pl.concat([evidence.filter(~_IS_POD), said.select(columns), rest.select(columns)])


def in_sandboxes(
    evidence: pl.DataFrame, boxes: Mapping[str, tuple[str, str | None]]
) -> pl.DataFrame:
    """EVIDENCE of BOXES (sandbox → key of its Pod, CUID) as of those Pods, or of those CUIDs."""
    if not boxes:
        return evidence
    homes = pl.DataFrame(
        [(box, *home) for box, home in boxes.items()],
        schema={"container": pl.String, "home": pl.String, "inside": pl.String}, orient="row",
    )  # fmt: skip
    found = evidence.join(homes, on="container", how="left", maintain_order="left")
    return found.with_columns(
        pod_key=pl.coalesce("home", "pod_key"),
        container=pl.coalesce("inside", "container"),
        cuid=pl.coalesce("inside", "cuid"),
        identity=pl.when(pl.col("inside").is_not_null())
        .then(pl.lit("cuid", EVIDENCE["identity"]))
        .otherwise("identity"),
    ).select(evidence.columns)


def _without_carried(evidence: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """EVIDENCE without containers that are known by an id alone which lines carry beside a CUID.

    They are among those that these lines name, if not surely one of them. Where the lines
    contradict what is told of the id, it is not sure whose it was: it stays.
    """
    is_by_id = ((pl.col("identity") == "container_id") & ~_IS_POD).fill_null(False)
    by_id = evidence.filter(
        is_by_id & ~pl.col("container").is_in(events["container"].unique().implode())
    ).with_columns(container_id="container")
    lines = events.filter(pl.col("container_id").is_in(by_id["container"].unique().implode()))
    if lines.is_empty():
        return evidence
    carried = set(lines["container_id"]) - contradicted(lines, by_id)
    those = pl.Series(sorted(carried), dtype=pl.String).implode()
    return evidence.filter(~(is_by_id & pl.col("container").is_in(those)))


def _turned(turns: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """TURNS (starts and stops) with the names of the MEMBERS that they are of, where there are any.

    A start is of the first one that begins then or later, a stop of the latest begun by then.
    """
    if turns.is_empty() or members.is_empty():
        return turns
    numbered = turns.with_row_index("turn")
    near = pl.col("first") + pl.duration(seconds=1)
    fits = (
        numbered.select("turn", "pod_key", "time", "lifecycle", named="container_name")
        .join(members, on="pod_key")
        .filter(pl.col("named").is_null() | pl.col("container_name").is_null()
                | (pl.col("named") == pl.col("container_name")))
        .with_columns(start=pl.col("lifecycle") == "start", later=near >= pl.col("time"))
        # The right side of the moment first; there, the nearest to it.
        .sort("turn", pl.col("start") != pl.col("later"),
              (pl.col("first") - pl.col("time")).abs(), "container")
        .unique("turn", keep="first", maintain_order=True)
        .select("turn", to="container", called="identity")
    )  # fmt: skip
    return (
        numbered.join(fits, on="turn", how="left", maintain_order="left")
        .with_columns(
            container=pl.coalesce("to", "container"), identity=pl.coalesce("called", "identity")
        )
        .select(turns.columns)
    )
