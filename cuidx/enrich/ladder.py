"""Where evidence joins rungs of the identity ladder, and what it says of addresses.

A tagger's start record carries its CUID and its Pod's uid: then a line that knows only that uid
names the same container, not another one. Only evidence joins; that two identities stand on one
line is no proof (a collector's metadata can be the previous Pod's for a moment).
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from cuidx.enrich.holding import held
from cuidx.enrich.leases import Address, Lease
from cuidx.enrich.summary import Summary
from cuidx.schema import IDENTITY


@dataclass(frozen=True)
class Ladder:
    """`names`: container → the CUID it is known to be; `told`: container → [(ns, own IP)]."""

    names: dict[str, str] = field(default_factory=dict)
    told: dict[str, list[tuple[int | None, str]]] = field(default_factory=dict)

    @classmethod
    def of(cls, summary: Summary) -> Ladder:
        """What the evidence in SUMMARY joins."""
        evidence = summary.evidence.filter(pl.col("cuid").is_not_null())
        by_pod: dict[tuple[str, str | None, int | None], set[str]] = {}
        for row in evidence.filter(pl.col("pod_uid").is_not_null()).iter_rows(named=True):
            key = (row["pod_uid"], row["container_name"], row["restart"])
            by_pod.setdefault(key, set()).add(row["cuid"])
        names = {}
        if by_pod:
            lines = summary.groups.filter(
                pl.col("cuid").is_null() & pl.col("pod_uid").is_not_null()
            ).select("container", "pod_uid", "container_name", "restart")
            for container, uid, name, restart in lines.unique().iter_rows():
                # Node mode has a CUID for each container; a sidecar has one for its Pod.
                for key in ((uid, name, restart), (uid, name, None), (uid, None, None)):
                    cuids = by_pod.get(key, set())
                    if len(cuids) == 1:
                        names[container] = next(iter(cuids))
                        break
        told: dict[str, list[tuple[int | None, str]]] = {}
        rows = evidence.filter(pl.col("ip").is_not_null()).select(
            "container", pl.col("time").cast(pl.Int64), "ip"
        )
        pods = _pod_objects(summary.evidence).filter(pl.col("ip").is_not_null())
        if pods.height:
            # A Pod keeps its address: what its object says holds for all its containers.
            members = _members(summary.groups).select("pod_uid", "container").unique()
            known = pods.select("pod_uid", pl.col("time").cast(pl.Int64), "ip")
            rows = pl.concat([rows, known.join(members, on="pod_uid").select(rows.columns)])
        for container, at, ip in rows.sort("time", "ip", nulls_last=False).iter_rows():
            known_ips = told.setdefault(names.get(container, container), [])
            if not known_ips or known_ips[-1][1] != ip:
                known_ips.append((at, ip))
        return cls(names, told)

    def moves(self) -> list[str]:
        """Containers that evidence gives more than one address: theirs depend on the time."""
        return sorted(name for name, known in self.told.items() if len(known) > 1)

    def join(self, frame: pl.DataFrame) -> pl.DataFrame:
        """FRAME (container, identity, cuid, ip, maybe time) with the names and addresses told.

        Adds ip_from: `own`, `evidence` or null.
        """
        if self.names:
            known = pl.col("container").is_in(list(self.names))
            renamed = pl.col("container").replace(self.names)
            frame = frame.with_columns(
                identity=pl.when(known).then(pl.lit("cuid", IDENTITY)).otherwise("identity"),
                cuid=pl.when(known).then(renamed).otherwise("cuid"),
                container=renamed,
            )
        frame = frame.with_columns(ip_from=pl.when(pl.col("ip").is_not_null()).then(pl.lit("own")))
        if self.told:
            frame = self._fill(frame)
        return frame

    def _fill(self, frame: pl.DataFrame) -> pl.DataFrame:
        still = {name: known[0][1] for name, known in self.told.items() if len(known) == 1}
        told = pl.col("container").replace_strict(
            list(still), list(still.values()), default=None, return_dtype=pl.String
        )
        frame = frame.with_columns(ip=pl.coalesce("ip", told))
        if "time" in frame.columns and (moved := self.moves()):
            at = (pl.col("ip").is_null() & pl.col("container").is_in(moved)).alias("at")
            rows = frame.select(at)["at"].arg_true()
            ips = [
                self._ip_at(name, ns)
                for name, ns in frame.select("container", pl.col("time").cast(pl.Int64))
                .gather(rows)
                .iter_rows()
            ]
            frame = frame.with_columns(ip=frame["ip"].scatter(rows, ips))
        return frame.with_columns(
            ip_from=pl.when(pl.col("ip_from").is_null() & pl.col("ip").is_not_null())
            .then(pl.lit("evidence"))
            .otherwise("ip_from")
        )

    def standing(self, summary: Summary, addresses: list[Address]) -> list[tuple[str, int, str]]:
        """(ip, ns, holder) of the Pods of which an object says that they have their address."""
        leases = {address.ip: address.leases for address in addresses}
        rows = _pod_objects(summary.evidence).filter(
            pl.col("ip").is_not_null() & pl.col("time").is_not_null()
        ).select("container", "ip", pl.col("time").cast(pl.Int64))  # fmt: skip
        return sorted(
            {
                (ip, at, lease.holder)
                for container, ip, at in rows.iter_rows()
                for lease in leases.get(ip, ())
                if container in lease.containers and lease.first <= at <= lease.last
            },
            key=lambda known: known[1],
        )

    def _ip_at(self, container: str, at: int | None) -> str:
        known = self.told[container]
        if at is None:
            return known[0][1]
        place = bisect_right([when or 0 for when, _ in known], at)
        return known[max(place - 1, 0)][1]

    def summary(self, summary: Summary) -> Summary:
        """SUMMARY with the names joined and the addresses filled in."""
        pairs = summary.pairs
        if self.names:
            names = pl.col("container").cast(pl.String).replace(self.names)
            pairs = pairs.with_columns(names.cast(pairs.schema["container"]))
        groups = self.join(summary.groups).drop("ip_from")
        return Summary(groups, pairs, _given(summary.evidence, groups))


def _pod_objects(evidence: pl.DataFrame) -> pl.DataFrame:
    """The records that speak of a Pod as a whole: its object, not a start or stop in it."""
    return evidence.filter(_IS_POD)


_IS_POD: Final = (
    pl.col("pod_uid").is_not_null() & pl.col("cuid").is_null() & pl.col("lifecycle").is_null()
)


def _members(groups: pl.DataFrame) -> pl.DataFrame:
    """The groups of lines that name a Pod by its uid, and a container."""
    return groups.filter(
        (pl.col("kind") == "event") & pl.col("pod_uid").is_not_null()
        & pl.col("container").is_not_null()
    )  # fmt: skip


def _given(evidence: pl.DataFrame, groups: pl.DataFrame) -> pl.DataFrame:
    """EVIDENCE in which a Pod's object speaks for the containers that lines know of the Pod.

    Of those one after the other (in place restarts, new CUIDs) it is the latest one begun by then.
    """
    members = (
        _members(groups)
        .group_by("pod_uid", "container_name", "container", "identity")
        .agg(pl.col("first").min())
        .drop_nulls("first")
    )
    objects = _pod_objects(evidence).with_row_index("object")
    if members.is_empty() or objects.is_empty():
        return evidence
    meant = (
        objects.select("object", "pod_uid", "time").join(members, on="pod_uid")
        .sort(pl.col("first") > pl.col("time"), pl.col("first"), "container",
              descending=[False, True, False])
        .unique(["object", "container_name"], keep="first", maintain_order=True)
        .select("object", "container", "identity").unique().sort("object", "container")
    )  # fmt: skip
    given = objects.drop("container", "identity").join(meant, on="object")
    rest = objects.join(meant, on="object", how="anti")
    others = evidence.filter(~_IS_POD)
    return pl.concat([others, given.select(evidence.columns), rest.select(evidence.columns)])


class Holders:
    """Who had an address at a time: for lines that know nothing but an IP."""

    def __init__(self, addresses: list[Address]) -> None:
        self._leases = {address.ip: address.leases for address in addresses}

    def at(self, ip: str, when: int) -> Lease | None:
        """The lease of IP's only holder at WHEN (ns), as `held` has it."""
        leases, _ = held(self._leases.get(ip, ()), when)
        return leases[0] if len({lease.holder for lease in leases}) == 1 else None
