"""Kubernetes objects as kubectl prints them: what a Pod object or an Event says of a Pod.

A List of them, or single objects one after the other, indented or not. The modules `k8s_pods` and
`k8s_events` are the formats; both read both kinds, since `kubectl get pods,events` mixes them.

Source: Kubernetes API reference, core/v1 Pod, PodStatus, Event.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import polars as pl

from cuidx.formats.base import Block, Reading, Sample
from cuidx.schema import KIND, PARSED

_BEGIN: Final = re.compile(r'\s*\{\s*"(?:apiVersion|items|kind|metadata)"\s*:')
# Times of what has happened. A deletionTimestamp is a deadline, an annotation may be anything.
_PAST: Final = {"creationTimestamp", "startTime", "lastTransitionTime", "startedAt", "finishedAt",
                "time"}  # fmt: skip
_FILLED: Final = re.compile(r"\S")
_CONTAINER: Final = re.compile(r"spec\.\w+\{([^}]+)\}")
_LIFECYCLE: Final = {"Started": "start", "Killing": "stop"}
_ENDED: Final = {"Succeeded", "Failed"}  # such a Pod keeps `podIP` long after it was given back
_COLUMNS: Final = ("line", "kind", "why", "raw", "time", "message", "service", "namespace", "pod",
                   "pod_uid", "node", "container_name", "container_id", "ip", "host_ip",
                   "lifecycle")  # fmt: skip


class _BrokenError(ValueError):
    """(what is wrong, where the value begins that it is in)."""


def begins(sample: Sample) -> str:
    """The beginning of a file of objects; "" if it is none."""
    text = "\n".join(sample.lines)
    return text if _BEGIN.match(text) else ""


def cut(data: bytes) -> int:
    """Objects have no end before the file's: a List is one, and so is its newest time."""
    del data
    return 0


def parse(block: Block, reading: Reading) -> pl.DataFrame:
    """One row a Pod or Event, as evidence; a Pod's time is the newest one in the file.

    That is the latest moment of which the file knows that its Pods were there. `startTime` and the
    like say when a Pod began, not that it had its address by then.
    """
    del reading
    text = block.data.decode("utf-8", "replace")
    objects: list[tuple[int, dict[str, Any]]] = []
    rows: list[dict[str, object]] = []
    try:
        for at, document in _documents(text):
            line = text.count("\n", 0, at) + block.first_line
            objects += [(line, item) for item in _items(document)]
    except _BrokenError as error:
        said, at = error.args
        rows.append({"line": text.count("\n", 0, at) + block.first_line, "kind": "unreadable",
                     "raw": text[at:], "why": f"no valid JSON: {said}"})  # fmt: skip
    newest = max((time for _, item in objects for time in _times(item)), default=None)
    for line, item in objects:
        row = _event(item) if "involvedObject" in item else _pod(item, newest)
        rows.append({"line": line, "kind": "evidence", **row})
    schema = {name: PARSED[name] for name in _COLUMNS}
    frame = pl.DataFrame(rows, schema={**schema, "kind": pl.String()}, orient="row")
    # Several on a line are told apart by their place in it.
    place = pl.int_range(pl.len(), dtype=pl.Int64).over("line")
    return frame.with_columns(
        pl.col("kind").cast(KIND),
        index=pl.when(pl.len().over("line") > 1).then(place),
    ).sort("line", "index", maintain_order=True)


def _documents(text: str) -> Iterator[tuple[int, Any]]:
    """(where it begins, value) of each JSON value in TEXT."""
    decoder, at = json.JSONDecoder(), 0
    while begin := _FILLED.search(text, at):
        at = begin.start()
        try:
            value, end = decoder.raw_decode(text, at)
        except ValueError as error:
            raise _BrokenError(str(error), at) from None
        yield at, value
        at = end


def _items(document: Any) -> list[dict[str, Any]]:
    items = document.get("items", [document]) if isinstance(document, dict) else [document]
    return [item if isinstance(item, dict) else {} for item in items]


def _pod(pod: dict[str, Any], newest: str | None) -> dict[str, object]:
    meta, spec, status = (_part(pod, name) for name in ("metadata", "spec", "status"))
    labels = _part(meta, "labels")
    # On the host's network, and after its end, a Pod has no address of its own.
    own = not spec.get("hostNetwork") and status.get("phase") not in _ENDED
    statuses = [one for one in status.get("containerStatuses") or () if isinstance(one, dict)]
    only = statuses[0] if len(statuses) == 1 else {}
    return {
        "time": newest,
        "message": f"Pod {status.get('phase', '')}".rstrip(),
        "service": labels.get("app.kubernetes.io/name") or labels.get("app"),
        "namespace": meta.get("namespace"),
        "pod": meta.get("name"),
        "pod_uid": meta.get("uid"),
        "node": spec.get("nodeName"),
        "container_name": only.get("name"),
        "container_id": only.get("containerID"),
        "ip": status.get("podIP") if own else None,
        "host_ip": status.get("hostIP"),
    }


def _event(event: dict[str, Any]) -> dict[str, object]:
    about = _part(event, "involvedObject")
    is_pod = about.get("kind") == "Pod"
    field = _CONTAINER.match(str(about.get("fieldPath") or ""))
    return {
        "time": event.get("eventTime") or event.get("lastTimestamp") or event.get("firstTimestamp"),
        "message": event.get("message"),
        "namespace": about.get("namespace"),
        "pod": about.get("name") if is_pod else None,
        "pod_uid": about.get("uid") if is_pod else None,
        "container_name": field[1] if field else None,
        "node": _part(event, "source").get("host"),
        "lifecycle": _LIFECYCLE.get(str(event.get("reason"))) if is_pod else None,
    }


def _part(of: dict[str, Any], name: str) -> dict[str, Any]:
    value = of.get(name)
    return value if isinstance(value, dict) else {}


def _times(value: Any) -> Iterator[str]:
    """The past times of a Pod (RFC 3339 in UTC, to the second, as the API writes them)."""
    if isinstance(value, dict) and "involvedObject" not in value:
        for name, inner in value.items():
            if name in _PAST and isinstance(inner, str):
                yield inner
            elif name not in ("annotations", "spec"):
                yield from _times(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _times(inner)
