"""JSON objects as logs have them: which key holds which role, whoever wrote it.

Keys are compared without case, blanks, `_` and `-`; a nested object and a dotted key are the same
(`{"kubernetes":{"pod_ip":…}}`, `{"kubernetes.pod_ip":…}`). Of several keys for one role the one
named first in FIELDS wins, so that one file may mix collectors: each document is read by itself.

Sources: fluent-plugin-kubernetes_metadata_filter; Fluent Bit's kubernetes filter; Filebeat's
add_kubernetes_metadata; Vector's kubernetes_logs; ECS 8.11; OpenTelemetry resource conventions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any, Final, Protocol

import orjson

from cuidx.schema import INNER_ROLES, ROLES
from cuidx.suffix import CUID_KEY, LIFECYCLE_KEY, SVC_KEY

# role: paths, best first, as they are usually written.
FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "time": (
        "@timestamp", "timestamp", "time", "ts", "datetime", "asctime", "date", "event.created",
    ),
    "message": (
        "message", "msg", "log", "body", "text", "event.original", "log.original", "line",
    ),
    "level": (
        "level", "severity", "lvl", "loglevel", "log.level", "levelname", "severity_text",
        "log_level", "labels.level", "labels.detected_level",
    ),
    "svc": (SVC_KEY,),
    "service": (
        "service.name", "service", "service_name", "app", "application", "component",
        "kubernetes.labels.app", "kubernetes.labels.app_kubernetes_io/name",
        "kubernetes.labels.app.kubernetes.io/name", "kubernetes.pod_labels.app",
        "kubernetes.pod_labels.app.kubernetes.io/name", "labels.app", "labels.service_name",
        "kubernetes.deployment.name", "kubernetes.statefulset.name", "kubernetes.daemonset.name",
        "k8s.deployment.name", "k8s.statefulset.name", "k8s.daemonset.name", "name",
    ),
    "namespace": (
        "kubernetes.namespace_name", "kubernetes.namespace", "kubernetes.pod_namespace",
        "k8s.namespace.name", "namespace", "namespace_name", "orchestrator.namespace",
        "labels.namespace", "labels.k8s_namespace_name", "attrs.io.kubernetes.pod.namespace",
    ),
    "cluster": (
        "orchestrator.cluster.name", "k8s.cluster.name", "kubernetes.cluster_name", "cluster",
        "cluster_name", "labels.cluster", "labels.k8s_cluster_name",
    ),
    "pod": (
        "kubernetes.pod_name", "kubernetes.pod.name", "k8s.pod.name", "pod", "pod_name",
        "pod.name", "labels.pod", "labels.pod_name", "labels.k8s_pod_name",
        "attrs.io.kubernetes.pod.name",
    ),
    "pod_uid": (
        "kubernetes.pod_id", "kubernetes.pod.uid", "kubernetes.pod_uid", "k8s.pod.uid",
        "pod_uid", "pod.uid", "pod_id", "labels.pod_uid", "labels.k8s_pod_uid",
        "attrs.io.kubernetes.pod.uid",
    ),
    "node": (
        "kubernetes.host", "kubernetes.node.name", "kubernetes.pod_node_name", "k8s.node.name",
        "node", "node_name", "host.name", "hostname", "host", "labels.node_name", "labels.node",
        "labels.k8s_node_name",
    ),
    "container_name": (
        "kubernetes.container_name", "kubernetes.container.name", "k8s.container.name",
        "container_name", "container.name", "labels.container", "labels.k8s_container_name",
        "attrs.io.kubernetes.container.name",
    ),
    "container_id": (
        "docker.container_id", "docker.id", "container.id", "kubernetes.docker_id",
        "kubernetes.container_id", "container_id",
    ),
    "restart": ("k8s.container.restart_count", "kubernetes.container.restart_count",
                "restart_count", "restart"),
    "sandbox_id": ("sandbox_id",),
    "cuid": (CUID_KEY, "cuid", "service.instance.id"),
    "ip": (
        "kubernetes.pod_ip", "kubernetes.pod.ip", "k8s.pod.ip", "kubernetes.pod_ips", "pod_ip",
        "pod.ip", "ip", "ip_address",
    ),
    "host_ip": ("kubernetes.host_ip", "host_ip", "host.ip", "node_ip"),
    "source_ip": (
        "source.ip", "source.address", "client_ip", "src_ip", "source_ip", "remote_addr",
        "remote_ip", "client.ip", "client.address", "network.peer.address",
        "peer", "peer_ip", "peer_addr", "peer_address",
    ),
    "destination_ip": (
        "destination.ip", "destination.address", "dst_ip", "dest_ip", "destination_ip",
        "upstream_host", "server.address",
    ),
    "forwarded_ip": (
        "x_forwarded_for", "forwarded_ip", "forwarded_for", "network.forwarded_ip",
        "http.request.headers.x-forwarded-for", "headers.x-forwarded-for",
    ),
    "request_id": (
        "request_id", "request id", "req_id", "x-request-id", "http.request.id",
        "headers.x-request-id", "rid", "labels.request_id",
    ),
    "trace_id": ("trace_id", "trace.id", "trace_context.trace_id", "labels.trace_id"),
    "log_path": (
        "log.file.path", "file", "filename", "labels.filename", "tag", "source", "labels.instance",
    ),
    "lifecycle": (LIFECYCLE_KEY,),
}  # fmt: skip

# Where collectors put the keys of a line that is JSON (Fluent Bit's Merge_Log_Key, Filebeat's
# ndjson): the same names hold there, after all others.
PAYLOAD_KEYS: Final = ("log_processed", "json")
# Where a collector kept the runtime's time of the line beside its own, it counts if it is finer.
STAMP_KEY: Final = "time"

# A document with one of these was wrapped by a collector: its time is the collector's.
COLLECTOR_KEYS: Final = frozenset(
    {"kubernetes", "docker", "logtag", "_p", "agent", "beat", "@metadata"}
)

ORDER: Final = (*ROLES, *INNER_ROLES)
_AT: Final = {role: at for at, role in enumerate(ORDER)}
ENVELOPE: Final = len(ORDER)  # where the row says whether a collector wrapped the document
LINE: Final = ENVELOPE + 1  # … and whether its message is a line as the program wrote it
DOCUMENT_KIND: Final = LINE + 1  # the kind of record it is, where it is not an event
SIZE: Final = DOCUMENT_KIND + 1
# Keys under which collectors put the line; `msg` is what the application says itself, and text
# in it that looks like a suffix is no identity.
LINE_KEYS: Final = frozenset({"log", "message", "event.original", "log.original", "line"})
_TEXT_KEYS: Final = frozenset(
    {"line"}
)  # where it is a number it is that of a line in a source file
_INDEX, _ID, _TIME, _MESSAGE = _AT["doc_index"], _AT["doc_id"], _AT["time"], _AT["message"]
_Plan = tuple[tuple[str, int, int, bool], ...]  # (key, the role's place, rank, may nest)
_NO_RANK: Final = 1_000_000
_PAYLOAD_RANK: Final = 1000
_MOST_PLANS: Final = 10_000
_NO_VALUE: Final = ("", "-")  # how logs write "none"; a message may be either
# Addresses of which a record may have several: of a list all are kept. Of others the first counts.
_SEVERAL: Final = frozenset(
    _AT[role] for role in ("host_ip", "source_ip", "destination_ip", "forwarded_ip")
)

_INSTANT: Final = re.compile(
    r"([0-9]{4})-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.([0-9]{1,9}))?"
    r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
_PLACE: Final = re.compile(r":? line 1 column (\d+) \(char \d+\)$")

Row = list[Any]
"""The values of ORDER as they stand in the document, then ENVELOPE, LINE and DOCUMENT_KIND."""

Adapted = dict[str, Any]
"""What a format knows of a document beyond its keys' names: role → value (None: it has none).

Beside roles it may have `kind` (of the record), `envelope` and `is_line` (see ENVELOPE and LINE),
and `names`: False where names of keys must tell nothing.
"""


class Adapter(Protocol):
    """A format that knows more of some JSON documents than the names of their keys say."""

    @property
    def ADAPTS(self) -> frozenset[str]: ...  # noqa: D102, N802 - a key at the top that such a document has

    def adapt(self, document: dict[str, Any], /) -> Adapted | None:
        """What is known of DOCUMENT; None if it is not one of this format's after all."""


@lru_cache(maxsize=65_536)
def normal(key: str) -> str:
    """The key without case, blanks, `_` and `-`."""
    return key.lower().replace("_", "").replace("-", "").replace(" ", "")


def is_line_key(rank: int) -> bool:
    """Whether a message from the key with this RANK is a line as the program wrote it."""
    paths = FIELDS["message"]
    return rank < 0 or (rank < len(paths) and paths[rank] in LINE_KEYS)


def is_text_key(rank: int) -> bool:
    """Whether the key of a message with this RANK says nothing where its value is a number."""
    paths = FIELDS["message"]
    return 0 <= rank < len(paths) and paths[rank] in _TEXT_KEYS


def fraction(value: Any) -> int:
    """How many digits the seconds of an instant have behind the point; -1 if VALUE is none.

    One with T and a zone, as the quick way reads it (`instant` in scan.c).
    """
    found = _INSTANT.fullmatch(value) if isinstance(value, str) else None
    if found is None or not "1679" <= found[1] <= "2261":
        return -1
    try:
        datetime.fromisoformat(value[:19])
    except ValueError:
        return -1
    return len(found[2] or "")


def is_wrapped(keys: Collection[str]) -> bool:
    """Whether a document with these keys was made by a collector from a program's line."""
    return not COLLECTOR_KEYS.isdisjoint(keys) or ("stream" in keys and "log" in keys)


class Table:
    """Key → role, made once for a run from FIELDS and the user's `--field ROLE=PATH`."""

    def __init__(
        self,
        fields: Iterable[tuple[str, str]] = (),
        adapters: Callable[[], Iterable[Adapter]] = tuple,
    ) -> None:
        """ADAPTERS are asked for when the first document comes."""
        fields = tuple(fields)
        self._own = [(_AT[role], path) for role, path in reversed(fields)]
        self._all_adapters = adapters
        self._roles: dict[str, tuple[int, int]] = {}  # normal path: (role's place, rank)
        for role, paths in FIELDS.items():
            for rank, path in enumerate(paths):
                self._roles.setdefault(normal(path), (_AT[role], rank))
                for key in PAYLOAD_KEYS:
                    below = f"{normal(key)}.{normal(path)}"
                    self._roles.setdefault(below, (_AT[role], rank + _PAYLOAD_RANK))
        self.stamps = all(role != "time" for role, _ in fields)  # else the user says what counts
        for rank, (role, path) in enumerate(fields):
            self._roles[normal(path)] = (_AT[role], rank - 1000)  # the user's word comes first
        self._below = {
            path[: at + 1]
            for path in self._roles
            for at, letter in enumerate(path)
            if letter == "."
        }
        self._flat: dict[tuple[str, ...], tuple[_Plan, tuple[Adapter, ...]]] = {}
        self._plans: dict[str, dict[str, tuple[int, int, str | None] | None]] = {"": {}}

    @cached_property
    def _adapters(self) -> dict[str, list[Adapter]]:
        found: dict[str, list[Adapter]] = {}
        for adapter in self._all_adapters():
            for key in adapter.ADAPTS:
                found.setdefault(key, []).append(adapter)
        return found

    def role_of(self, path: Sequence[str]) -> tuple[str, int] | None:
        """(role, rank) of the value at PATH, a list of keys from the outside in."""
        hit = self._roles.get(".".join(normal(key) for key in path))
        return (ORDER[hit[0]], hit[1]) if hit else None

    def leads_on(self, path: Sequence[str]) -> bool:
        """Whether an object at PATH can hold a role."""
        return ".".join(normal(key) for key in path) + "." in self._below

    def row(self, document: dict[str, Any], known: Adapted | None = None) -> Row:
        """The roles of one document; an elasticdump line's `_source` is looked into.

        KNOWN is what a format knows already of the document as a whole.
        """
        index = ident = None
        source = document.get("_source")
        if isinstance(source, dict) and ("_id" in document or "_index" in document):
            index, ident = document.get("_index"), document.get("_id")
            document = source
        keys = tuple(document)
        planned = self._flat.get(keys)
        if planned is None:
            if len(self._flat) > _MOST_PLANS:
                self._flat.clear()
            planned = self._flat[keys] = self._plan(keys), tuple(self.adapters_of(keys))
        plan, adapters = planned
        row = self._named(document, plan, is_wrapped(keys))
        if self.stamps and row[ENVELOPE] and (stamp := document.get(STAMP_KEY)) is not None:
            chosen = row[_TIME]
            if chosen is not stamp and 0 <= fraction(chosen) < fraction(stamp):
                row[_TIME] = stamp
        for adapter in adapters:
            adapted = adapter.adapt(document)
            if adapted is not None:
                row = self._adapted(document, row, adapted)
                break
        if known is not None:
            row = self._adapted(document, row, known)
        if ident is not None or index is not None:
            row[_INDEX], row[_ID] = index, ident
        return row

    def adapters_of(self, keys: Iterable[str]) -> list[Adapter]:
        """The formats that may know more of a document with these KEYS at its top."""
        if not self._adapters:
            return []
        found = [one for key in keys for one in self._adapters.get(key, ())]
        return list(dict.fromkeys(found))

    def _named(self, document: dict[str, Any], plan: _Plan, wrapped: bool) -> Row:
        """The roles that the names of the keys say."""
        row: Row = [None] * SIZE
        rank = self._fill(document, plan, row)
        if rank is None:  # an object that may hold roles
            row, ranks = [None] * SIZE, [_NO_RANK] * ENVELOPE
            self._walk(document, "", row, ranks)
            rank = ranks[_MESSAGE]
        row[ENVELOPE] = wrapped
        row[LINE] = wrapped or is_line_key(rank)
        return row

    def _adapted(self, document: dict[str, Any], row: Row, adapted: Adapted) -> Row:
        """ROW with what a format knows; the user's `--field` still comes first."""
        if not adapted.get("names", True):
            row = [None] * SIZE
        for role, value in adapted.items():
            if role in _AT:
                row[_AT[role]] = None if value in _NO_VALUE and role != "message" else value
        row[ENVELOPE] = adapted.get("envelope", row[ENVELOPE])
        row[LINE] = adapted.get("is_line", row[LINE])
        row[DOCUMENT_KIND] = adapted.get("kind", row[DOCUMENT_KIND])
        for at, path in self._own:
            value = _at_path(document, [normal(key) for key in path.split(".")])
            if value is not None and value not in _NO_VALUE:
                row[at] = value
        return row

    @staticmethod
    def _fill(document: dict[str, Any], plan: _Plan, row: Row) -> int | None:
        """Write the roles into ROW; the rank of the message's key. None: it takes a walk."""
        message_rank = _NO_RANK
        for key, at, rank, nests in plan:
            value = document[key]
            if type(value) is not str:
                if isinstance(value, dict):
                    if nests:
                        return None
                    continue
                if isinstance(value, (bool, list)):
                    value = _texts_at(at, value)
                if value is None or (at == _MESSAGE and _is_number(value) and is_text_key(rank)):
                    continue
            if at >= 0 and row[at] is None and (value not in _NO_VALUE or at == _MESSAGE):
                row[at] = value
                if at == _MESSAGE:
                    message_rank = rank
        return message_rank

    def _plan(self, keys: tuple[str, ...]) -> _Plan:
        """For documents with just these KEYS: which of them to look at, best first."""
        steps = [(key, step) for key in keys if (step := self._step(normal(key))) is not None]
        return tuple(
            (key, at, rank, below is not None)
            for key, (at, rank, below) in sorted(steps, key=lambda item: item[1][1])
        )

    def _walk(self, document: dict[str, Any], prefix: str, row: Row, ranks: list[int]) -> None:
        plan = self._plans[prefix]
        for key, value in document.items():
            try:
                step = plan[key]
            except KeyError:
                step = plan[key] = self._step(prefix + normal(key))
            if step is None or value is None:
                continue
            at, rank, below = step
            if isinstance(value, dict):
                if below is not None:
                    self._walk(value, below, row, ranks)
                continue
            if isinstance(value, (bool, list)) and (value := _texts_at(at, value)) is None:
                continue  # says nothing: the next best key may
            if at == _MESSAGE and _is_number(value) and is_text_key(rank):
                continue
            if at >= 0 and rank < ranks[at] and (value not in _NO_VALUE or at == _MESSAGE):
                row[at], ranks[at] = value, rank

    def _step(self, path: str) -> tuple[int, int, str | None] | None:
        below = path + "." if path + "." in self._below else None
        if below is not None:
            self._plans.setdefault(below, {})
        at, rank = self._roles.get(path, (-1, 0))
        return None if at < 0 and below is None else (at, rank, below)


@lru_cache(maxsize=16)
def table(fields: tuple[tuple[str, str], ...] = ()) -> Table:
    """The table for these `--field` options."""
    return Table(fields, _adapters)


def _adapters() -> Iterable[Adapter]:
    from cuidx.formats.registry import ADAPTERS  # formats stand on this module

    return ADAPTERS


def _at_path(document: Any, path: list[str]) -> Any:
    """The value at PATH, normal keys from the outside in; a dotted key is as good as an object."""
    if not path:
        return document if not isinstance(document, dict) else None
    if not isinstance(document, dict):
        return None
    for key, value in document.items():
        parts = [normal(part) for part in key.split(".")]
        if parts == path[: len(parts)]:
            found = _at_path(value, path[len(parts) :])
            if found is not None:
                return found
    return None


class NotJSONError(ValueError):
    """Text that is no JSON value; says why, and where in it."""

    def __init__(self, error: object) -> None:
        # "line 1" would be that of the record, which is one line: who reads it means the file's.
        super().__init__(_PLACE.sub(r" at character \1", str(error)))


def loads(text: str) -> Any:
    """The JSON value of TEXT. Of an equal key the last one counts, as for Python and most others.

    Raises:
        NotJSONError: it is none, or is nested deeper than 1,000 levels.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        # orjson refuses two things that RFC 8259 allows: a lone surrogate written as \ud800 and
        # integers of any length; and it must not be the judge of what is unreadable.
        if "\\u" not in text and "surrogate" not in str(error):
            raise NotJSONError(error) from None
    try:
        value = json.loads(text, parse_constant=_no_constant)
        # A lone surrogate has no UTF-8 form: it becomes "?".
        return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise NotJSONError(error) from None


def repeats(text: str, key: str) -> bool:
    """Whether KEY stands twice in one object of the JSON TEXT, at any depth."""
    found = False

    def look(pairs: list[tuple[str, Any]]) -> None:
        nonlocal found
        found |= sum(name == key for name, _ in pairs) > 1

    try:
        json.loads(text, object_pairs_hook=look)
    except (ValueError, RecursionError):
        return False
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def as_text(value: Any) -> str | None:
    """A role's value as text: numbers as they are written, a list's first value."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, list):
        texts = (as_text(item) for item in value if not isinstance(item, list))
        return next((text for text in texts if text), None)
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float))


def _texts_at(at: int, value: Any) -> str | None:
    return all_texts(value) if at in _SEVERAL else as_text(value)


def all_texts(value: Any) -> str | None:
    """The same, but of a list all values, with a comma between."""
    if not isinstance(value, list):
        return as_text(value)
    return ", ".join(text for item in value if (text := as_text(item))) or None
