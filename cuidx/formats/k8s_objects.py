"""What a Pod object or an Event says of a Pod: its address and over which time, its containers.

`status.podIP` stays in a Pod that has ended, and with `hostNetwork` it is the node's. A
`deletionTimestamp` is a deadline, not the time of death. `startTime` says when a Pod began, not
that it had its address by then.

Source: Kubernetes API reference, core/v1 Pod, PodStatus, ContainerStatus, Event.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from cuidx.formats.documents import Adapted

# Times of what has happened. A deletionTimestamp is a deadline, an annotation may be anything.
_PAST: Final = {"creationTimestamp", "startTime", "lastTransitionTime", "startedAt", "finishedAt",
                "time"}  # fmt: skip
_ENDED: Final = ("Succeeded", "Failed")
_STATUSES: Final = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
_RUNTIME: Final = re.compile(r"^[a-z0-9.-]+://")
_CONTAINER: Final = re.compile(r"spec\.\w+\{([^}]+)\}")
_LIFECYCLE: Final = {"Started": "start", "Killing": "stop"}


def part(of: Any, name: str) -> dict[str, Any]:
    """The object under NAME, empty where there is none."""
    value = of.get(name) if isinstance(of, dict) else None
    return value if isinstance(value, dict) else {}


def _list(of: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = of.get(name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def is_event(item: Any) -> bool:
    """Whether it is an Event, of core/v1 or of events.k8s.io."""
    return isinstance(item, dict) and ("involvedObject" in item or "regarding" in item)


def is_pod(item: Any) -> bool:
    """Whether it is a Pod; items of the API's own lists do not say their kind."""
    if not isinstance(item, dict) or is_event(item):
        return False
    if "kind" in item:
        return bool(item["kind"] == "Pod")
    return "metadata" in item and (
        "containers" in part(item, "spec") or "phase" in part(item, "status")
    )


def status_said(item: Any) -> str:
    """What an API Status says went wrong."""
    said = item.get("message") or item.get("reason") if isinstance(item, dict) else None
    return str(said or "no reason is given")


def newest(items: Iterable[Any]) -> str | None:
    """The newest past time in Pods (RFC 3339 in UTC, to the second, as the API writes them)."""
    return max((time for item in items if is_pod(item) for time in _times(item)), default=None)


def _times(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in _PAST and isinstance(inner, str):
                yield inner
            elif name not in ("annotations", "labels", "spec"):
                yield from _times(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _times(inner)


def pod(item: dict[str, Any], seen: str | None, *, gone: bool = False) -> Adapted:
    """What a Pod object says that is known to be from SEEN or later; GONE: it was deleted."""
    meta, spec, status = (part(item, name) for name in ("metadata", "spec", "status"))
    labels = part(meta, "labels")
    members = list(_members(status))
    running = [one for one in members if one["state"] == "open"]
    ends = [str(one["ended"]) for one in members if one["ended"]]
    phase = status.get("phase")
    ended = max(ends, default=None) if phase in _ENDED or (gone and not running) else None
    own = [] if spec.get("hostNetwork") else addresses(status)
    if phase in _ENDED and ended is None:
        own = []  # evicted, or lost with its node: nothing says until when it had it
    statuses = _list(status, "containerStatuses")
    only = statuses[0] if len(statuses) == 1 else {}
    return {
        "time": status.get("startTime") or meta.get("creationTimestamp"),
        "message": f"Pod {phase or ''}".rstrip(),
        "service": labels.get("app.kubernetes.io/name") or labels.get("app"),
        "namespace": meta.get("namespace"),
        "pod": meta.get("name"),
        "pod_uid": meta.get("uid"),
        "node": spec.get("nodeName"),
        "container_name": only.get("name"),
        "container_id": only.get("containerID"),
        "restart": only.get("restartCount"),
        "ip": own[0] if own else None,
        "holds": " ".join(f"={ip}" for ip in own[1:]),
        "host_ip": ", ".join(_each_ip(status, "hostIP", "hostIPs")),
        "held_from": ended or seen,
        "held_to": ended or seen,
        "lease": "release" if ended and own else None,
        "started": status.get("startTime"),
        "ended": ended,
        "state": "open" if phase in ("Pending", "Running") and not gone else None,
        "members": json.dumps(members, separators=(",", ":")) if members else None,
    }


def addresses(status: dict[str, Any]) -> list[str]:
    """The Pod's own addresses; the node's, which a Pod on its network shows, is none."""
    host = set(_each_ip(status, "hostIP", "hostIPs"))
    return [ip for ip in _each_ip(status, "podIP", "podIPs") if ip not in host]


def _each_ip(status: dict[str, Any], one: str, several: str) -> list[str]:
    ips = [status.get(one), *(entry.get("ip") for entry in _list(status, several))]
    return list(dict.fromkeys(ip for ip in ips if isinstance(ip, str) and ip))


def _members(status: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The Pod's containers, of each also the one before its restart."""
    for name in _STATUSES:
        for one in _list(status, name):
            state, count = part(one, "state"), one.get("restartCount")
            count = count if isinstance(count, int) else 0
            ident = _id(one.get("containerID"))
            running, ended = part(state, "running"), part(state, "terminated")
            last = part(part(one, "lastState"), "terminated")
            before = _id(last.get("containerID"))
            if before and before != ident:
                yield _member(one, before, count - 1 if count else 0, last)
            elif (
                before and not ended
            ):  # it waits for its next start: its id is still the last one's
                ended = last
            if ident:
                yield _member(one, ident, count, running or ended, is_open="running" in state)


def _member(
    one: dict[str, Any], ident: str, restart: int, bounds: dict[str, Any], *, is_open: bool = False
) -> dict[str, Any]:
    return {
        "name": one.get("name"),
        "id": ident,
        "restart": restart,
        "started": bounds.get("startedAt"),
        "ended": bounds.get("finishedAt"),
        "state": "open" if is_open else None,
    }


def _id(text: Any) -> str | None:
    """A container's id without the runtime's name before it."""
    return _RUNTIME.sub("", text) or None if isinstance(text, str) else None


def event(item: dict[str, Any]) -> Adapted:
    """What an Event says; repeats are folded into one, whose time is the last one's."""
    about = part(item, "involvedObject") or part(item, "regarding")
    is_of_pod = about.get("kind") == "Pod"
    field = _CONTAINER.match(str(about.get("fieldPath") or ""))
    source = part(item, "source") or part(item, "deprecatedSource")
    return {
        "time": part(item, "series").get("lastObservedTime")
        or item.get("eventTime")
        or item.get("lastTimestamp")
        or item.get("deprecatedLastTimestamp")
        or item.get("firstTimestamp")
        or item.get("deprecatedFirstTimestamp")
        or part(item, "metadata").get("creationTimestamp"),
        "message": item.get("message") or item.get("note"),
        "namespace": about.get("namespace"),
        "pod": about.get("name") if is_of_pod else None,
        "pod_uid": about.get("uid") if is_of_pod else None,
        "container_name": field[1] if field else None,
        "node": source.get("host"),
        "lifecycle": _LIFECYCLE.get(str(item.get("reason"))) if is_of_pod else None,
    }
