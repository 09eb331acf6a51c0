"""Who wrote a line: the identity ladder, and the names of containers, services and Pods.

cuid > container_id > pod_uid (with container name and restart count) > sandbox_id > pod_name > ip.
The best rung that a line has names its container (INTERFACE, section 1).
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Final

import polars as pl

from cuidx.formats import native
from cuidx.schema import IDENTITY, LEVEL

# As loggers write levels; numbers are pino's and bunyan's.
_LEVELS: Final = {
    "TRACE": ("TRACE", "FINEST", "FINER", "VERBOSE", "10"),
    "DEBUG": ("DEBUG", "DBG", "FINE", "D", "20"),
    "INFO": ("INFO", "INFORMATION", "INFORMATIONAL", "I", "30", "LOG"),
    "NOTICE": ("NOTICE",),
    "WARN": ("WARN", "WARNING", "W", "40"),
    "ERROR": ("ERROR", "ERR", "SEVERE", "E", "50"),
    "CRITICAL": ("CRITICAL", "CRIT", "C"),
    "ALERT": ("ALERT",),
    "FATAL": ("FATAL", "PANIC", "DPANIC", "EMERG", "EMERGENCY", "F", "60"),
}
_LEVEL_OF: Final = {word: level for level, words in _LEVELS.items() for word in words}


RUNGS: Final = ("cuid", "container_id", "pod_uid", "sandbox_id", "pod", "ip")
TEXTS: Final = (
    "svc", "service", "namespace", "cluster", "pod", "pod_uid", "node", "container_name",
    "container_id", "restart", "cuid", "sandbox_id", "ip", "level",
)  # fmt: skip


def level_of(word: str) -> str | None:
    """The level of LEVELS that a logger means by WORD, in any case; None for other words."""
    return _LEVEL_OF.get(word.strip().upper())


def normalise(frame: pl.DataFrame) -> pl.DataFrame:
    """FRAME's text roles as INTERFACE has them; adds container, identity and pod_key.

    level becomes LEVEL (an unknown word: null), restart a number, ip its shortest spelling
    without a port; svc is split into service, namespace and cluster. `pod_key` says which lines
    are of one Pod: its uid, else namespace/Pod, else null. Works on rows or on groups of rows.
    """
    missing = [pl.lit(None, pl.String).alias(name) for name in TEXTS if name not in frame.columns]
    frame = frame.with_columns(missing)
    svc = pl.col("svc").str.splitn(".", 3)
    part = [svc.struct[f"field_{at}"] for at in range(3)]
    return (
        frame.with_columns(
            # The tagger's word on the service counts before the application's.
            service=pl.coalesce(part[0], "service"),
            namespace=pl.coalesce("namespace", part[1]),
            cluster=pl.coalesce("cluster", part[2]),
            level=_distinct(frame["level"], level_of).cast(LEVEL)
            if frame.schema["level"] != LEVEL
            else frame["level"],
            ip=_distinct(frame["ip"], own_address),
            # containerd://…, docker://…, cri-o://…, as Kubernetes writes them
            container_id=pl.col("container_id").str.replace(r"^[a-z0-9.-]+://", ""),
            restart=pl.col("restart").cast(pl.Int64, strict=False),
        )
        .with_columns(
            pl.when(pl.col(name) == "").then(None).otherwise(pl.col(name)).alias(name)
            for name in ("service", "namespace", "cluster")
        )
        .with_columns(
            identity=_identity(),
            container=_container(),
            pod_key=pl.coalesce("pod_uid", _pod_name()),
        )
        .drop("svc")
    )


def _identity() -> pl.Expr:
    choice: pl.Expr = pl.lit("none", IDENTITY)
    for rung in reversed(RUNGS):
        name = "pod_name" if rung == "pod" else rung
        choice = pl.when(pl.col(rung).is_not_null()).then(pl.lit(name, IDENTITY)).otherwise(choice)
    return choice


def _pod_name() -> pl.Expr:
    return pl.concat_str(pl.col("namespace") + "/", "pod", ignore_nulls=True).pipe(
        lambda both: pl.when(pl.col("pod").is_not_null()).then(both)
    )


def _container() -> pl.Expr:
    inner = pl.when(pl.col("container_name").is_not_null()).then(
        pl.concat_str(
            pl.lit("/"),
            "container_name",
            pl.when(pl.col("restart") > 0).then(pl.format("#{}", "restart")).otherwise(pl.lit("")),
        )
    ).otherwise(pl.lit(""))  # fmt: skip
    plain = pl.when(pl.col("container_name").is_not_null()).then(
        pl.concat_str(pl.lit("/"), "container_name")
    ).otherwise(pl.lit(""))  # fmt: skip
    return pl.coalesce(
        "cuid", "container_id", pl.col("pod_uid") + inner, "sandbox_id", _pod_name() + plain, "ip"
    )


def _distinct(column: pl.Series, function: object) -> pl.Series:
    """FUNCTION on each distinct value: logs repeat theirs, and there is no expression for it."""
    values = column.drop_nulls().unique()
    if values.is_empty():
        return pl.Series(column.name, [None], dtype=pl.String).new_from_index(0, len(column))
    known = {value: function(value) for value in values.to_list()}  # type: ignore[operator]
    return column.replace_strict(
        list(known), pl.Series(list(known.values()), dtype=pl.String), default=None
    )


def request_text(request: pl.Expr | None = None) -> pl.Expr:
    """What makes two requests the same: request_id, else trace_id; no case, no dashes."""
    either = pl.coalesce("request_id", "trace_id") if request is None else request
    return either.str.to_lowercase().str.replace_all("-", "", literal=True)


def request_key(request: pl.Expr | None = None) -> pl.Expr:
    """`request_text` in 64 bits, or null.

    Of ten million requests two look alike with a chance of 3 in a million.
    """
    text = request_text(request)
    if native.is_built():  # the quick way has these bits, too
        return text.map_batches(native.bits, return_dtype=pl.UInt64, is_elementwise=True)
    return pl.when(text.is_not_null()).then(text.hash(0))  # null has a hash, too


def address(text: str) -> str | None:
    """The IP in TEXT in its one spelling, without a port, brackets or zone; None if it is none.

    `10.10.11.2:8080`, `[::1]:80`, `::ffff:10.10.11.2` (that is 10.10.11.2), `FE80::1%eth0`.
    """
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(found)


def address_order(text: str) -> tuple[int, int]:
    """A key that sorts addresses numerically, IPv4 first."""
    found = ipaddress.ip_address(text)
    return found.version, int(found)


@lru_cache(maxsize=1 << 16)  # blocks repeat each other's
def own_address(text: str) -> str | None:
    """`address`, but None for what no Pod ever has of its own.

    That is loopback (127.0.0.6 is Istio's inbound), multicast, and the unspecified address.
    """
    if (found := address(text)) is None:
        return None
    ip = ipaddress.ip_address(found)
    return None if ip.is_loopback or ip.is_unspecified or ip.is_multicast else found
