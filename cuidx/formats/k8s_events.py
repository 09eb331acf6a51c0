"""Events as `kubectl get events -o json` prints them: evidence of when a Pod began and ended.

    {"kind":"List","items":[{"kind":"Event","reason":"Killing","involvedObject":{"uid":"…",…},…}]}

`Started` and `Killing` bound a container's lifetime. No address is in them but in their text.
"""

from __future__ import annotations

from typing import Final

from cuidx.formats.base import Example, Sample
from cuidx.formats.k8s import begins, cut, parse

__all__ = ["NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "parse", "sniff"]

NAME: Final = "k8s-events"
TITLE: Final = "events: kubectl get events -o json"
SOURCE: Final = "Kubernetes API reference, core/v1 Event"

PARTS: Final = (
    ("a JSON object", r"^\s*\{"),
    ("the key involvedObject", r'"involvedObject"\s*:'),
)
SAMPLES: Final = (
    Example(
        '{"apiVersion":"v1","kind":"Event","involvedObject":{"kind":"Pod","namespace":"shop",'
        '"name":"payment-0","uid":"8ac1e0b2-7d54-4c39-a6e7-f10b2d3c4e52",'
        '"fieldPath":"spec.containers{payment}"},"reason":"Killing","message":"Stopping container '
        'payment","source":{"component":"kubelet","host":"node-2"},'
        '"firstTimestamp":"2026-11-02T09:00:05Z","lastTimestamp":"2026-11-02T09:00:05Z",'
        '"eventTime":null,"count":1}',
        {
            "time": "2026-11-02T09:00:05Z",
            "message": "Stopping container payment",
            "namespace": "shop",
            "pod": "payment-0",
            "pod_uid": "8ac1e0b2-7d54-4c39-a6e7-f10b2d3c4e52",
            "container_name": "payment",
            "node": "node-2",
            "lifecycle": "stop",
            "ip": None,
            "kind": "evidence",
        },
    ),
)


def sniff(sample: Sample) -> float:
    """1 where the file begins as an object of the API, with something an Event is about.

    Less where a Pod comes first.
    """
    text = begins(sample)
    event = text.find('"involvedObject"')
    return 0.0 if event < 0 else 0.9 if -1 < text.find('"podIP"') < event else 1.0
