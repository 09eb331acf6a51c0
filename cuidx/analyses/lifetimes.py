"""Container lifetimes: from first evidence to last, on which addresses, and how they ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import polars as pl

from cuidx.enrich.identity import address_order
from cuidx.enrich.leases import PLACE, Address, Lease
from cuidx.enrich.pairs import Pairs
from cuidx.enrich.summary import Summary
from cuidx.schema import IDENTITY, TIME

LIFETIMES: Final = pl.Schema(
    {
        "container": pl.String(),
        "identity": IDENTITY,
        "service": pl.String(),
        "namespace": pl.String(),
        "cluster": pl.String(),
        "pod": pl.String(),
        "node": pl.String(),
        "ips": pl.List(pl.String()),
        "first_seen": TIME,
        "last_seen": TIME,
        "started": TIME,
        "ended": TIME,
        "end": pl.Enum(("stopped", "replaced", "open", "unknown")),
        "lines": pl.Int64(),
        "errors": pl.Int64(),
        "requests": pl.Int64(),
        "reused_ips": pl.List(pl.String()),
    }
)
_TOLD: Final = ("service", "namespace", "cluster", "pod", "node")


def lifetimes(
    summary: Summary,
    addresses: Sequence[Address],
    shown: Summary | None = None,
    requests: Callable[[Pairs], pl.DataFrame] = Pairs.by_container,
) -> pl.DataFrame:
    """One row for each container, as LIFETIMES.

        container  identity  service  ips             first_seen  last_seen  lines  errors  requests
        4a23…      cuid      payment  ["10.10.11.2"]  09:00:01Z   09:04:12Z      7       1         3

    SUMMARY is of all records, SHOWN of those that rows are to count (where a filter is set).
    REQUESTS counts those of its pairs.
    Sorted by first evidence, then container; without any time, by first line. `lines` counts
    events, not pieces; `errors` ERROR and above; `requests` distinct request ids.
    Memory grows with containers and distinct request ids, not with events.
    """
    counted = summary if shown is None else shown
    events = counted.groups.filter((pl.col("kind") == "event") & pl.col("container").is_not_null())
    evidence = summary.evidence.filter(pl.col("container").is_not_null())
    # Containers are few: plans for lazy frames would take longer than the work.
    found = events.group_by("container").agg(
        identity=pl.col("identity").min(),  # the Enum's order is best first
        first_seen=pl.col("first").min(),
        last_seen=pl.col("last").max(),
        lines=pl.col("lines").sum(),
        errors=pl.col("errors").sum(),
        place=(pl.col("source") * PLACE + pl.col("first_line")).min(),
    )
    found = (
        found.join(_bounds(evidence), on="container", coalesce=True,
                   how="full" if shown is None else "left")
        .join(_told(summary), on="container", how="left")
        .join(_ips(summary, evidence), on="container", how="left")
        .join(_reused(addresses), on="container", how="left")
        .with_columns(
            pl.col("lines", "errors").fill_null(0),
            identity=pl.coalesce("identity", "told_identity"),
            ips=pl.col("ips").fill_null([]),
            reused_ips=pl.col("reused_ips").fill_null([]),
            # A later start shows that an earlier stop was not the end.
            ended=pl.when(
                pl.col("restarted").is_null() | (pl.col("restarted") <= pl.col("ended"))
            ).then("ended"),
        )
    )  # fmt: skip
    # A flow's word on who had an address makes no container where better known ones had it.
    holders = {
        name for address in addresses for lease in address.leases for name in lease.containers
    }
    is_holder = pl.col("container").is_in(pl.Series(sorted(holders), dtype=pl.String).implode())
    is_one = (pl.col("lines") > 0) | ~pl.col("hearsay").fill_null(False) | is_holder
    rows = found.filter(is_one)
    followed, renamed = _followed(addresses, evidence), _renamed(summary)
    containers = rows["container"].to_list()
    ips = rows["ips"].to_list()
    rows = rows.with_columns(
        replaced=pl.Series(
            [
                name in renamed or bool(mine and set(mine) <= followed.get(name, set()))
                for name, mine in zip(containers, ips, strict=True)
            ],
            dtype=pl.Boolean,
        ),
    ).with_columns(
        end=pl.when(pl.col("ended").is_not_null()).then(pl.lit("stopped"))
        # A snapshot showed it running, and nobody has come in its place since.
        .when(pl.col("ran").is_not_null() & ~pl.col("replaced")).then(pl.lit("open"))
        .when("replaced").then(pl.lit("replaced"))
        .otherwise(pl.lit("unknown")).cast(LIFETIMES["end"])
    )  # fmt: skip
    rows = rows.join(requests(counted.pairs), on="container", how="left").with_columns(
        pl.col("requests").fill_null(0)
    )
    # With no time at all, by first line.
    first = pl.min_horizontal("first_seen", "started", "told")
    dated = rows.select(first.count()).item()
    order = (first, "container") if dated else ("place", "container")
    return rows.sort(*order, nulls_last=True).select(list(LIFETIMES))


def _bounds(evidence: pl.DataFrame) -> pl.DataFrame:
    """What evidence says of each container's beginning and end; `ran` is when it last still ran.

    What is said of the container itself comes before what is said of its Pod.
    """
    own = pl.col("member")
    start, stop = pl.col("lifecycle") == "start", pl.col("lifecycle") == "stop"
    ran = pl.col("until").filter(pl.col("state") == "open").max()
    ended = pl.max_horizontal(
        pl.col("time").filter(stop).max(),
        pl.coalesce(pl.col("ended").filter(own).max(), pl.col("ended").max()),
    )
    return evidence.group_by("container").agg(
        told_identity=pl.col("identity").min(),
        hearsay=pl.col("weak").all(),
        started=pl.coalesce(
            pl.col("time").filter(start).min(),
            pl.col("started").filter(own).min(),
            pl.col("started").min(),
        ),
        ended=pl.when(ran.is_null() | (ran < ended)).then(ended),
        ran=ran,
        restarted=pl.col("time").filter(start).max(),
        told=pl.min_horizontal(pl.col("time").min(), pl.col("at").min()),
    )


def _told(summary: Summary) -> pl.DataFrame:
    """What lines and evidence say of each container; where they differ, what most lines say."""
    lines = pl.concat(
        [
            summary.groups.filter(pl.col("kind") == "event").select("container", *_TOLD, "lines"),
            summary.evidence.select("container", *_TOLD, lines=pl.lit(0, pl.Int64)),
        ]
    ).filter(pl.col("container").is_not_null())
    said = pl.col(_TOLD).drop_nulls()
    table = lines.group_by("container").agg(said.first(), said.n_unique().name.suffix("_words"))
    for name in _TOLD:
        if not (table[f"{name}_words"] > 1).any():
            continue
        best = (
            lines.filter(pl.col(name).is_not_null())
            .group_by("container", name)
            .agg(pl.col("lines").sum())
            .sort("container", pl.col("lines"), name, descending=[False, True, False])
            .unique("container", keep="first", maintain_order=True)
            .select("container", name)
        )  # fmt: skip
        table = table.drop(name).join(best, on="container", how="left")
    return table.select("container", *_TOLD)


def _ips(summary: Summary, evidence: pl.DataFrame) -> pl.DataFrame:
    own = pl.concat(
        [
            summary.groups.filter(pl.col("kind") == "event").select("container", "ip"),
            evidence.select("container", "ip"),
        ]
    )
    return _each_with_all(own.drop_nulls().unique(), "ips")


def _reused(addresses: Sequence[Address]) -> pl.DataFrame:
    found = {
        (container, address.ip)
        for address in addresses if address.kind == "reused"
        for lease in address.leases for container in lease.containers
    }  # fmt: skip
    schema = {"container": pl.String, "ip": pl.String}
    return _each_with_all(pl.DataFrame(list(found), schema=schema, orient="row"), "reused_ips")


def _each_with_all(pairs: pl.DataFrame, name: str) -> pl.DataFrame:
    """Each container of PAIRS with all its addresses, in order, as the column NAME."""
    ips = sorted(pairs["ip"].unique(), key=address_order)
    rank = pl.DataFrame({"ip": pl.Series(ips, dtype=pl.String), "rank": range(len(ips))})
    rows = pairs.join(rank, on="ip").sort("rank")
    return rows.group_by("container", maintain_order=True).agg(pl.col("ip").alias(name))


def _followed(addresses: Sequence[Address], evidence: pl.DataFrame) -> dict[str, set[str]]:
    """The addresses that another holder took after the container's last lease of them.

    Lines of a Pod of the same name may be the container's own where evidence alone knows it, not
    both uids are known, and the address was not given back: then nobody has replaced it.
    """
    sandboxes = set(evidence.filter(pl.col("identity") == "sandbox_id")["container"])
    released = set(evidence.filter(pl.col("lease") == "release")["container"])

    def has_uid(lease: Lease) -> bool:
        key = lease.pod_key
        return key is not None and "/" not in key and key not in sandboxes

    def own(mine: Lease, later: Lease) -> bool:
        may_be = mine.lines == 0 and later.lines > 0 and mine.pod is not None
        kept = released.isdisjoint(mine.containers)
        return may_be and kept and mine.pod == later.pod and not (has_uid(mine) and has_uid(later))

    followed: dict[str, set[str]] = {}
    for address in addresses:
        latest: dict[str, int] = {}
        for at, lease in enumerate(address.leases):
            for container in lease.containers:
                latest[container] = at
        for container, at in latest.items():
            mine = address.leases[at]
            if mine.change != "shared" and any(
                container not in later.containers
                and later.change != "shared"
                and not own(mine, later)
                for later in address.leases[at + 1 :]
            ):
                followed.setdefault(container, set()).add(address.ip)
    return followed


def _renamed(summary: Summary) -> set[str]:
    """Containers whose Pod's name another Pod took after their last line."""
    pods = (
        summary.groups.filter(
            (pl.col("kind") == "event") & pl.col("pod").is_not_null()
            & pl.col("container").is_not_null() & pl.col("last").is_not_null()
            & pl.col("identity").is_in(["cuid", "container_id", "pod_uid"])
        )
        .group_by("namespace", "pod", "container")
        .agg(
            pl.col("pod_uid").min(),
            pl.col("container_name").min(),
            pl.col("first").min(),
            pl.col("last").max(),
        )
    )  # fmt: skip
    found: set[str] = set()
    for rows in pods.partition_by("namespace", "pod"):
        if len(rows) < 2:
            continue
        records = rows.to_dicts()
        for mine in records:
            for other in records:
                another = (
                    mine["pod_uid"] != other["pod_uid"]
                    if mine["pod_uid"] and other["pod_uid"]
                    # Without a uid only the container of the same name can have followed it.
                    else mine["container_name"] == other["container_name"]
                )
                if another and mine is not other and other["first"] > mine["last"]:
                    found.add(mine["container"])
    return found
