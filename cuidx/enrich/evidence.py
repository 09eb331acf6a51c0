"""Evidence: records that say who had an address, or when something began and ended.

    at        until     container  identity   ip          lifecycle  lease    started   state
    09:00:00  09:00:30  0d1e…      pod_uid    10.10.11.2  null       null     08:41:11  open
    09:00:05  09:00:05  b801…      sandbox_id null        null       release  null      null

A record becomes one row for each address and each container that it names. Flows (Hubble, ztunnel)
are events that say beside who had an address: by a Pod's name alone, so theirs are `weak`.
"""

from __future__ import annotations

import json
from typing import Any, Final

import polars as pl

from cuidx.enrich.identity import TEXTS, normalise
from cuidx.schema import EVIDENCE_TIMES, IDENTITY, TIME

_WHO: Final = tuple(name for name in TEXTS if name not in ("svc", "restart", "level"))
EVIDENCE: Final = pl.Schema(
    {
        "source": pl.Int64(),
        "line": pl.Int64(),
        "time": TIME,  # of the record
        "at": TIME,  # `ip` was held from here …
        "until": TIME,  # … to here
        **{name: pl.String() for name in _WHO},
        "restart": pl.Int64(),
        "identity": IDENTITY,
        "container": pl.String(),
        "pod_key": pl.String(),
        "lifecycle": pl.String(),
        "lease": pl.String(),
        "soft": pl.Boolean(),
        "started": TIME,
        "ended": TIME,
        "state": pl.String(),
        "member": pl.Boolean(),  # a container that a Pod's object lists: it says nothing of the Pod
        "weak": pl.Boolean(),  # known by the Pod's name alone
    }
)


def of_records(records: pl.DataFrame, source: int) -> pl.DataFrame:
    """EVIDENCE of records of one source: those that are evidence, and events that tell of holders.

    RECORDS are PARSED rows whose times are read.
    """
    parts = []
    rows = records.filter(pl.col("kind") == "evidence")
    if rows.height:
        own = _conformed(normalise(rows), source)
        parts += [own, *_further(rows, own), *_members(rows, own)]
    if "holds" in records.columns:
        parts.append(_told_by_flows(records, source))
    return pl.concat(parts) if parts else EVIDENCE.to_frame()


def _conformed(rows: pl.DataFrame, source: int) -> pl.DataFrame:
    rows = rows.with_columns(
        pl.lit(None, TIME if name in EVIDENCE_TIMES else pl.String).alias(name)
        for name in (*EVIDENCE_TIMES, "lifecycle", "lease", "soft", "state")
        if name not in rows.columns
    )
    at = pl.coalesce("held_from", "time")
    return rows.with_columns(
        source=pl.lit(source, pl.Int64),
        at=at,
        until=pl.coalesce("held_to", at),
        soft=(pl.col("soft") == "true").fill_null(False),
        member=pl.lit(False),
        weak=pl.lit(False),
    ).select(pl.col(name).cast(dtype) for name, dtype in EVIDENCE.items())


def _further(rows: pl.DataFrame, own: pl.DataFrame) -> list[pl.DataFrame]:
    """Further addresses of a record's own: `=IP` in `holds`."""
    if "holds" not in rows.columns:
        return []
    held = own.with_columns(holds=rows["holds"].str.split(" ")).drop("ip").explode("holds")
    held = held.filter(pl.col("holds").str.starts_with("=")).with_columns(
        ip=pl.col("holds").str.strip_prefix("=")
    )
    return [held.select(list(EVIDENCE))]


def _members(rows: pl.DataFrame, own: pl.DataFrame) -> list[pl.DataFrame]:
    """The containers that a Pod's object lists."""
    if "members" not in rows.columns:
        return []
    found: list[dict[str, Any]] = []
    for said, row in zip(rows["members"], own.iter_rows(named=True), strict=True):
        for one in json.loads(said) if said else ():
            found.append(
                {
                    **row, "ip": None, "lease": None, "member": True,
                    "container_name": one.get("name"), "container_id": one.get("id"),
                    "restart": one.get("restart"), "started": None, "ended": None,
                    "held_from": one.get("started"), "held_to": one.get("ended"),
                    "state": one.get("state"),
                }
            )  # fmt: skip
    if not found:
        return []
    frame = pl.DataFrame(
        found, schema={**EVIDENCE, "held_from": pl.String(), "held_to": pl.String()}, orient="row"
    )
    zoned = {name: pl.col(name).str.to_datetime("%+", time_unit="ns", time_zone="UTC", strict=False)
             for name in ("held_from", "held_to")}  # fmt: skip
    frame = frame.with_columns(started=zoned["held_from"], ended=zoned["held_to"])
    names = normalise(frame.drop("identity", "container", "pod_key"))
    return [names.select(pl.col(name).cast(dtype) for name, dtype in EVIDENCE.items())]


def _told_by_flows(records: pl.DataFrame, source: int) -> pl.DataFrame:
    """What flows say of who had an address: `NAMESPACE/POD=IP` in `holds`, first and last time."""
    pairs = (
        records.filter(pl.col("holds").is_not_null() & pl.col("time").is_not_null()
                       & pl.col("kind").is_in(["event", "evidence"]))
        .select("time", "line", pair=pl.col("holds").str.split(" "))
        .explode("pair")
        .filter(pl.col("pair").str.contains("^[^=]+="))
        .group_by("pair")
        .agg(pl.col("line").min(), at=pl.col("time").min(), until=pl.col("time").max())
        .sort("line", "pair")
    )  # fmt: skip
    who = pl.col("pair").str.splitn("=", 2)
    pod = who.struct[0].str.splitn("/", 2)
    named = pairs.select(
        "line", "at", "until", time="at",
        namespace=pl.when(pod.struct[1].is_not_null()).then(pod.struct[0]),
        pod=pl.coalesce(pod.struct[1], pod.struct[0]),
        ip=who.struct[1],
    )  # fmt: skip
    return _conformed(
        normalise(named).rename({"at": "held_from", "until": "held_to"}), source
    ).with_columns(weak=pl.lit(True))


def merged(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """All evidence in the order of sources and lines."""
    if not frames:
        return EVIDENCE.to_frame()
    order = ("source", "line", "member", "weak", "at", "container", "ip")
    return pl.concat(frames).sort(order, maintain_order=True)
