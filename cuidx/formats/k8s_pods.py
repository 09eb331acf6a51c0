"""Pods as `kubectl get pods -o json` prints them: evidence of who has an address.

    {"kind":"List","items":[{"kind":"Pod","metadata":{"uid":"…"},"status":{"podIP":"10.10.11.2",…}}]}

A snapshot: it says that a Pod had its address then, and nothing of those that were there before.
Lists, single objects one after the other, and the API's own PodList, indented or not.
"""

from __future__ import annotations

import re
from typing import Final

from cuidx.formats.base import Example, Sample, whole_document
from cuidx.formats.k8s import begins, parse

__all__ = ["NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "parse", "sniff"]

NAME: Final = "k8s-pods"
TITLE: Final = "Pods: kubectl get pods -o json"
SOURCE: Final = "Kubernetes API reference, core/v1 Pod; public kubectl get pods -o json captures"

cut = whole_document  # its newest time is in it somewhere

_POD: Final = re.compile(r'"kind"\s*:\s*"Pod(?:List)?"')

PARTS: Final = (
    ("a JSON object", r"^\s*\{"),
    ("kind Pod", r'"kind"\s*:\s*"Pod'),
    ("the key status", r'"status"\s*:'),
)
SAMPLES: Final = (
    Example(
        '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"payment-0","namespace":"shop",'
        '"uid":"d97f3b15-4e62-4a08-b1c9-6e5a7f8d0c23","labels":{"app":"payment"}},"spec":'
        '{"nodeName":"node-2"},"status":{"phase":"Running","hostIP":"10.10.1.12",'
        '"podIP":"10.10.11.2","startTime":"2026-11-02T09:00:06Z"}}',
        {
            "time": "2026-11-02T09:00:06Z",
            "service": "payment",
            "namespace": "shop",
            "pod": "payment-0",
            "pod_uid": "d97f3b15-4e62-4a08-b1c9-6e5a7f8d0c23",
            "node": "node-2",
            "ip": "10.10.11.2",
            "host_ip": "10.10.1.12",
            "kind": "evidence",
        },
    ),
    Example(  # the address is the node's
        '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"kube-proxy-x","uid":"51d2c7a4"},'
        '"spec":{"hostNetwork":true},"status":{"phase":"Running","podIP":"10.10.1.12",'
        '"hostIP":"10.10.1.12","startTime":"2026-11-02T08:00:00Z"}}',
        {"pod": "kube-proxy-x", "ip": None, "host_ip": "10.10.1.12", "kind": "evidence"},
    ),
    Example(  # it has ended: `podIP` still stands there, until then it had it
        '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"cleanup-h5v8z","namespace":"shop",'
        '"uid":"6c1d2e3f","creationTimestamp":"2026-11-02T08:55:00Z"},"spec":{},"status":{"phase":'
        '"Succeeded","podIP":"10.10.12.9","podIPs":[{"ip":"10.10.12.9"},{"ip":"fd00::9"}],'
        '"containerStatuses":[{"name":"cleanup","containerID":"containerd://7affd7d5",'
        '"restartCount":0,"state":{"terminated":{"startedAt":"2026-11-02T08:55:01Z",'
        '"finishedAt":"2026-11-02T08:55:21Z"}}}]}}',
        {
            "time": "2026-11-02T08:55:00Z",
            "container_id": "7affd7d5",
            "ip": "10.10.12.9",
            "holds": "=fd00::9",
            "lease": "release",
            "held_from": "2026-11-02T08:55:21Z",
            "held_to": "2026-11-02T08:55:21Z",
            "ended": "2026-11-02T08:55:21Z",
            "members": '[{"name":"cleanup","id":"7affd7d5","restart":0,'
            '"started":"2026-11-02T08:55:01Z","ended":"2026-11-02T08:55:21Z","state":null}]',
            "kind": "evidence",
        },
    ),
)


def sniff(sample: Sample) -> float:
    """1 where the file begins as an object of the API, with a Pod or a list of them.

    Half where events come first: what they are about is a Pod, too. Both are read alike.
    """
    text = begins(sample)
    pod, event = _POD.search(text), text.find('"involvedObject"')
    return 0.0 if pod is None else 1.0 if event < 0 or pod.start() < event else 0.5
