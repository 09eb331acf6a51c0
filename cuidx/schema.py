"""The columns that everything speaks of: events, evidence, and the words in them.

Roles are what a format's parse gives (text as it stands in the log); EVENTS is what users see
(INTERFACE, section 3). `enrich/` makes the second from the first.
"""

from __future__ import annotations

from typing import Final

import polars as pl
import polars.selectors as cs

from cuidx.errors import SchemaMismatchError

# Ordered words: compared and sorted by meaning, best or lowest first.
IDENTITIES: Final = ("cuid", "container_id", "pod_uid", "sandbox_id", "pod_name", "ip", "none")
LEVELS: Final = (
    "TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "ERROR", "CRITICAL", "ALERT", "FATAL",
)  # fmt: skip
KINDS: Final = (
    "event", "fragment", "duplicate", "evidence", "skipped", "blank", "unreadable",
)  # fmt: skip
TIME_FROM: Final = ("own", "collector", "carried", "none")

IDENTITY = pl.Enum(IDENTITIES)
LEVEL = pl.Enum(LEVELS)
KIND = pl.Enum(KINDS)
TIME = pl.Datetime("ns", "UTC")  # nanoseconds: a Python datetime would lose three digits

# What `--field ROLE=PATH` and the named groups of `--pattern` may name.
ROLES: Final = (
    "time", "message", "level", "service", "namespace", "cluster", "pod", "pod_uid", "node",
    "container_name", "container_id", "restart", "cuid", "ip", "host_ip", "source_ip",
    "destination_ip", "forwarded_ip", "request_id", "trace_id",
)  # fmt: skip

# What evidence alone says (docs/evidence.md): how an address was handed out, over which time it is
# known to have been held, when the Pod began and ended, its containers, who else held what.
EVIDENCE_ROLES: Final = (
    "lifecycle",  # start, stop: of a container, as the tagger or a Kubernetes event says it
    "lease",  # release: from then on the address is given back; assign: until then it was not held
    "held_from", "held_to",  # `ip` was held all this time; without them, at the record's time
    "soft",  # "true": held_to may be up to 5 minutes too late, a next holder's first sight cuts it
    "started", "ended", "state",  # of the Pod or container; state `open`: it ran at held_to
    "members",  # the Pod's containers, as JSON: [{"name","id","restart","started","ended","state"}]
    "holds",  # further addresses: `=IP` of its own, `NAMESPACE/POD=IP` of others, blanks between
)  # fmt: skip

EVIDENCE_TIMES: Final = ("held_from", "held_to", "started", "ended")  # those of them

# Roles that may mention addresses beside the line's own.
MENTIONING: Final = frozenset(("message", "source_ip", "destination_ip", "host_ip", "forwarded_ip"))

# Roles that only formats fill: the tagger's svc, ids of the document, the file that a collector
# read the line from, and evidence.
INNER_ROLES: Final = ("svc", "sandbox_id", "doc_index", "doc_id", "log_path", *EVIDENCE_ROLES)

# What a parse gives: one row a record, roles as text.
PARSED: Final = pl.Schema(
    {
        "line": pl.Int64(),  # 1-based; of the first piece where pieces were joined
        "index": pl.Int64(),  # 0-based, where a line holds several records; else null
        "back": pl.Int64(),  # of a fragment: how many lines above it its record begins
        "kind": KIND,
        "why": pl.String(),  # for unreadable records
        "raw": pl.String(),  # for unreadable records alone
        "envelope": pl.Boolean(),  # the time is the collector's, not the line's own
        "suffixes": pl.Int64(),  # how many suffixes the line carries
        "repeats": pl.Boolean(),  # the CUID's key stands twice in one object; only if asked for
        "own_time": pl.String(),  # the line's own time inside an envelope; only if asked for
        "is_json": pl.Boolean(),  # what the program wrote is JSON; only if `payload` is asked for
        **{role: pl.String() for role in (*ROLES, *INNER_ROLES)},
    }
)

# One event, as users see it (less `mentions`, which `annotate` and `convert` add).
EVENTS: Final = pl.Schema(
    {
        "time": TIME,
        "time_from": pl.Enum(TIME_FROM),
        "message": pl.String(),
        "level": LEVEL,
        "service": pl.String(),
        "namespace": pl.String(),
        "cluster": pl.String(),
        "pod": pl.String(),
        "node": pl.String(),
        "container": pl.String(),
        "identity": IDENTITY,
        "cuid": pl.String(),
        "container_id": pl.String(),
        "pod_uid": pl.String(),
        "container_name": pl.String(),
        "restart": pl.Int64(),
        "sandbox_id": pl.String(),
        "ip": pl.String(),
        "ip_from": pl.Enum(("own", "evidence")),
        "request_id": pl.String(),
        "trace_id": pl.String(),
        "source": pl.String(),
        "line": pl.Int64(),
        "index": pl.Int64(),
        "host_ip": pl.String(),
        "source_ip": pl.String(),
        "destination_ip": pl.String(),
        "forwarded_ip": pl.String(),
    }
)

# The same facts in the words of OpenTelemetry and of ECS (semantic conventions 1.27; ECS 8.11).
# Only exports write them; inside, the short names hold.
FIELD_NAMES: Final[dict[str, tuple[str, str]]] = {
    "time": ("Timestamp", "@timestamp"),
    "message": ("Body", "message"),
    "level": ("SeverityText", "log.level"),
    "service": ("service.name", "service.name"),
    "namespace": ("k8s.namespace.name", "orchestrator.namespace"),
    "cluster": ("k8s.cluster.name", "orchestrator.cluster.name"),
    "pod": ("k8s.pod.name", "kubernetes.pod.name"),
    "node": ("k8s.node.name", "kubernetes.node.name"),
    "cuid": ("service.instance.id", "service.node.name"),
    "container_id": ("container.id", "container.id"),
    "pod_uid": ("k8s.pod.uid", "kubernetes.pod.uid"),
    "container_name": ("k8s.container.name", "kubernetes.container.name"),
    "restart": ("k8s.container.restart_count", "kubernetes.container.restart_count"),
    "ip": ("k8s.pod.ip", "kubernetes.pod.ip"),
    "source_ip": ("source.address", "source.ip"),
    "destination_ip": ("destination.address", "destination.ip"),
    "request_id": ("http.request.header.x-request-id", "http.request.id"),
    "trace_id": ("TraceId", "trace.id"),
    "source": ("log.file.path", "log.file.path"),
}


def detached(frame: pl.DataFrame) -> pl.DataFrame:
    """FRAME with its texts made anew: they no longer hold on to the block they were cut from.

    For the few rows of a block that are kept while the rest of it goes.
    """
    return frame.with_columns(cs.string() + "")


def conform(frame: pl.LazyFrame, schema: pl.Schema, *, who: str) -> pl.LazyFrame:
    """The frame with exactly the schema's columns, in its order; missing ones are null.

    Raises:
        SchemaMismatchError: a column has another type than the schema says.
    """
    have = frame.collect_schema()
    wrong: dict[str, tuple[object, object]] = {
        name: (have[name], need)
        for name, need in schema.items()
        if name in have and have[name] != need and have[name] != pl.Null
    }
    if wrong:
        raise SchemaMismatchError.of(who, wrong)
    return frame.select(
        pl.col(name).cast(need) if name in have else pl.lit(None, need).alias(name)
        for name, need in schema.items()
    )
