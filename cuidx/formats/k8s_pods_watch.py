"""A recorded watch of Pods: `kubectl get pods -A -w --output-watch-events -o json`.

    {"type":"DELETED","object":{"kind":"Pod","metadata":{"uid":"…"},"status":{"podIP":"10.10.11.2",…}}}

Each change of a Pod in the order in which they came, indented or one a line. No document says when
it was seen: the newest time in its Pod is the latest that is sure. ADDED at the beginning is the
state then, DELETED carries the last state, with its address.
"""

from __future__ import annotations

import re
from typing import Final

from cuidx.formats.base import Example, Sample, whole_document
from cuidx.formats.k8s import parse, watched

__all__ = ["NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "parse", "sniff"]

NAME: Final = "k8s-pods-watch"
TITLE: Final = "a watch of Pods: kubectl get pods -w --output-watch-events -o json"
SOURCE: Final = "Kubernetes API reference, metav1 WatchEvent and core/v1 Pod"

PARTS: Final = (
    ("a JSON object", r"^\s*\{"),
    ("a type such as MODIFIED", r'"type"\s*:\s*"(?:ADDED|MODIFIED|DELETED|BOOKMARK|ERROR)"'),
    ("an object of kind Pod", r'"object"\s*:\s*\{.*"kind"\s*:\s*"Pod"'),
)
SAMPLES: Final = (
    Example(
        '{"type":"MODIFIED","object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"payment-0",'
        '"namespace":"shop","uid":"d97f3b15","labels":{"app":"payment"}},"spec":{"nodeName":'
        '"node-2"},"status":{"phase":"Running","hostIP":"10.10.1.12","podIP":"10.10.11.2",'
        '"startTime":"2026-11-02T09:00:06Z","containerStatuses":[{"name":"payment","containerID":'
        '"containerd://d89f7bd9","restartCount":0,"state":{"running":{"startedAt":'
        '"2026-11-02T09:00:07Z"}}}]}}}',
        {
            "time": "2026-11-02T09:00:06Z",
            "service": "payment",
            "pod": "payment-0",
            "container_id": "d89f7bd9",
            "node": "node-2",
            "ip": "10.10.11.2",
            "held_from": "2026-11-02T09:00:07Z",
            "held_to": "2026-11-02T09:00:07Z",
            "started": "2026-11-02T09:00:06Z",
            "state": "open",
            "kind": "evidence",
        },
    ),
    Example(  # all its containers have ended: the address was given back
        '{"type":"DELETED","object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"payment-0",'
        '"namespace":"shop","uid":"8ac1e0b2","deletionTimestamp":"2026-11-02T09:00:35Z"},"spec":{},'
        '"status":{"phase":"Running","hostIP":"10.10.1.12","podIP":"10.10.11.2","startTime":'
        '"2026-11-02T08:41:11Z","containerStatuses":[{"name":"payment","containerID":'
        '"containerd://3b3b3b3b","restartCount":0,"state":{"terminated":{"startedAt":'
        '"2026-11-02T08:41:12Z","finishedAt":"2026-11-02T09:00:05Z"}}}]}}}',
        {
            "time": "2026-11-02T08:41:11Z",
            "pod_uid": "8ac1e0b2",
            "ip": "10.10.11.2",
            "lease": "release",
            "held_to": "2026-11-02T09:00:05Z",
            "ended": "2026-11-02T09:00:05Z",
            "kind": "evidence",
        },
    ),
)

cut = whole_document

_POD: Final = re.compile(r'"kind"\s*:\s*"Pod"')
_EVENT: Final = re.compile(r'"(?:involvedObject|regarding)"\s*:')


def sniff(sample: Sample) -> float:
    """1 where the file begins as a watch, and a Pod before any Event."""
    text = watched(sample)
    pod, event = _POD.search(text), _EVENT.search(text)
    if pod is None:
        return 0.0
    return 1.0 if event is None or pod.start() < event.start() else 0.5
