"""How cuidx keeps a record in Elasticsearch: names of ECS, and beside them what reading restores.

@timestamp  message  log.level  service.name  service.node.name (the CUID)  kubernetes.pod.ip
log.file.path  log.offset      the source, and where in it
cuidx.line  cuidx.index        the record's place: reading back sorts by them
cuidx.era  cuidx.ns            the time once more. An aggregation works in floating point, which
                               tells times of today apart by 256 ns; below 2^52 it is exact
cuidx.group                    all that lines are grouped by, as one word: one bucket a group
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import polars as pl

from cuidx import times
from cuidx.schema import EVIDENCE_ROLES, EVIDENCE_TIMES, KIND, TIME, TIME_FROM

VERSION: Final = 1  # of `cuidx.group`: other ones are read line by line
NS_BITS: Final = 52  # an era is 2^52 ns: 52 days

# column of a parsed record: (field, type in the mapping)
FIELDS: Final[dict[str, tuple[str, str]]] = {
    "message": ("message", "text"),
    "level": ("log.level", "keyword"),
    "service": ("service.name", "keyword"),
    "namespace": ("orchestrator.namespace", "keyword"),
    "cluster": ("orchestrator.cluster.name", "keyword"),
    "pod": ("kubernetes.pod.name", "keyword"),
    "pod_uid": ("kubernetes.pod.uid", "keyword"),
    "node": ("kubernetes.node.name", "keyword"),
    "container_name": ("kubernetes.container.name", "keyword"),
    "restart": ("kubernetes.container.restart_count", "long"),
    "container_id": ("container.id", "keyword"),
    "sandbox_id": ("cuidx.sandbox_id", "keyword"),
    "cuid": ("service.node.name", "keyword"),
    "ip": ("kubernetes.pod.ip", "ip"),
    "request_id": ("http.request.id", "keyword"),
    "trace_id": ("trace.id", "keyword"),
    # As written: with a port, or several. The address alone is in ADDRESSES' fields.
    "host_ip": ("cuidx.host_ip", "keyword"),
    "source_ip": ("source.address", "keyword"),
    "destination_ip": ("destination.address", "keyword"),
    "forwarded_ip": ("cuidx.forwarded_ip", "keyword"),
    "line": ("cuidx.line", "long"),
    "index": ("cuidx.index", "long"),
    "kind": ("cuidx.kind", "keyword"),
    "time_from": ("cuidx.time_from", "keyword"),
    **{role: (f"cuidx.{role}", "kept") for role in EVIDENCE_ROLES},
    "suffixes": ("cuidx.suffixes", "long"),
    "repeats": ("cuidx.repeats", "boolean"),
    "own_time": ("cuidx.own_time", "kept"),
}
ADDRESSES: Final = {
    "host_ip": "host.ip", "source_ip": "source.ip", "destination_ip": "destination.ip",
    "forwarded_ip": "network.forwarded_ip",
}  # fmt: skip
TIME_FIELD, SOURCE, OFFSET = "@timestamp", "log.file.path", "log.offset"
ERA, NS, GROUP = "cuidx.era", "cuidx.ns", "cuidx.group"
LINE, INDEX, ROW_KIND = "cuidx.line", "cuidx.index", "cuidx.kind"
TELLS = "cuidx.tells"  # true: evidence, or an event that tells of holders
CONTAINER, IDENTITY, REQUEST = "cuidx.container", "cuidx.identity", "cuidx.request"
_OTHERS: Final = {
    TIME_FIELD: "date_nanos", SOURCE: "keyword", OFFSET: "long", ERA: "long", NS: "long",
    GROUP: "keyword", TELLS: "boolean", CONTAINER: "keyword", IDENTITY: "keyword",
    REQUEST: "keyword",
    **dict.fromkeys(ADDRESSES.values(), "ip"),
}  # fmt: skip
# What a group of lines has in common, in the order of the word in `cuidx.group`.
GROUPED: Final = (
    "kind", "error", "service", "namespace", "cluster", "pod", "pod_uid", "container_name",
    "container_id", "restart", "cuid", "sandbox_id", "ip", "node",
)  # fmt: skip
# Read with every record, whatever is asked for.
_ALWAYS: Final = frozenset({"line", "index", "kind", "time_from"})
_TYPES: Final[dict[str, Any]] = {"long": pl.Int64(), "boolean": pl.Boolean()}  # others: text
# Of any length, and nobody searches for it.
_KEPT: Final = {"type": "keyword", "index": False, "doc_values": False}


def nested(flat: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Objects within objects from dotted names."""
    found: dict[str, Any] = {}
    for path, value in flat:
        *above, last = path.split(".")
        here = found
        for part in above:
            here = here.setdefault(part, {})
        here[last] = value
    return found


def mappings(types: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The mapping of an index that `push` writes events to, or of fields of these TYPES."""
    if types is None:
        types = {**dict(FIELDS.values()), **_OTHERS}
    properties: dict[str, Any] = {}
    for path, kind in sorted(types.items()):
        here = properties
        *above, last = path.split(".")
        for part in above:
            here = here.setdefault(part, {"properties": {}})["properties"]
        here[last] = _KEPT if kind == "kept" else {"type": kind}
    return {"dynamic": False, "date_detection": False, "_meta": {"cuidx": VERSION},
            "properties": properties}  # fmt: skip


def template() -> dict[str, Any]:
    """The component template: mapping and settings."""
    return {
        "template": {
            # Documents of one source lie together: each range of lines is read from one place.
            "settings": {"index.number_of_shards": 1, "index.auto_expand_replicas": "0-1"},
            "mappings": mappings(),
        }
    }


def columns(want: frozenset[str]) -> dict[str, str]:
    """Column → field, of those that are to be read for WANT (roles and columns of PARSED)."""
    roles = want | _ALWAYS | {"sandbox_id", "suffixes", *EVIDENCE_ROLES}
    return {name: field for name, (field, _) in FIELDS.items() if name in roles}


def includes(want: frozenset[str]) -> list[str]:
    """The fields to ask for, to read the columns of WANT and the time."""
    return sorted({*columns(want).values(), ERA, NS})


def document_type(want: frozenset[str]) -> pl.Struct:
    """The type of a `_source` that has just these fields."""
    leaves = [
        (field, _TYPES.get(FIELDS[name][1], pl.String())) for name, field in columns(want).items()
    ]
    return _struct(nested([*leaves, (ERA, pl.Int64()), (NS, pl.Int64())]))


def _struct(tree: Mapping[str, Any]) -> pl.Struct:
    return pl.Struct(
        {name: _struct(kind) if isinstance(kind, dict) else kind for name, kind in tree.items()}
    )


def restored(documents: pl.Series, want: frozenset[str]) -> pl.DataFrame:
    """DOCUMENTS, of `document_type`, as the records they were made of: PARSED, time, time_from.

    Columns that are null throughout are left out, as a parse does.
    """
    frame = pl.DataFrame({"document": documents})

    def value(path: str) -> pl.Expr:
        first, *rest = path.split(".")
        expr = pl.col("document").struct.field(first)
        for part in rest:
            expr = expr.struct.field(part)
        return expr

    when = value(ERA) * (1 << NS_BITS) + value(NS)
    out = frame.select(
        *(value(field).alias(name) for name, field in columns(want).items()),
        time=when.cast(TIME),
    ).with_columns(pl.col("kind").cast(KIND), pl.col("time_from").cast(pl.Enum(TIME_FROM)))
    keep = {"line", "kind", "time", "time_from", "request_id", "trace_id"}
    out = out.select(
        name for name in out.columns if name in keep or out[name].null_count() < len(out)
    )
    told = [name for name in EVIDENCE_TIMES if name in out.columns]
    out = out.with_columns(times.parse(out[name])[0].alias(name) for name in told)
    if "restart" in out.columns:
        out = out.with_columns(pl.col("restart").cast(pl.String))
    return out


def group_word(values: Iterable[Any], era: int | None) -> str:
    """The word for lines that have VALUES, in the order of GROUPED with the source before them."""
    import orjson

    return orjson.dumps([VERSION, era, *values]).decode()


def group_of(word: str) -> list[Any] | None:
    """[era, source, values of GROUPED…] of a word; None if another version wrote it."""
    import orjson

    found: list[Any] = orjson.loads(word)
    return found[1:] if found[0] == VERSION and len(found) == len(GROUPED) + 3 else None
