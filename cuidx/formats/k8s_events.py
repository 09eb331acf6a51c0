"""Events as `kubectl get events -o json` prints them: evidence of when a Pod began and ended.

    {"kind":"List","items":[{"kind":"Event","reason":"Killing","involvedObject":{"uid":"…",…},…}]}

`Started` and `Killing` bound a container's lifetime. No address is in them but in their text.
Repeats are folded into one Event with a count, and the API forgets them after an hour.
"""

from __future__ import annotations

import re
from typing import Final

from cuidx.formats.base import Example, Sample, whole_document
from cuidx.formats.k8s import begins, parse, watched

__all__ = ["NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "parse", "sniff"]

NAME: Final = "k8s-events"
TITLE: Final = "events: kubectl get events -o json"
SOURCE: Final = "Kubernetes API reference, core/v1 and events.k8s.io/v1 Event"

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
    Example(  # the newer API has other names; kubelet writes the old times there, too
        '{"apiVersion":"events.k8s.io/v1","kind":"Event","regarding":{"kind":"Pod","namespace":'
        '"shop","name":"payment-0","uid":"d97f3b15-4e62-4a08-b1c9-6e5a7f8d0c23","fieldPath":'
        '"spec.containers{payment}"},"reason":"Started","note":"Started container payment",'
        '"type":"Normal","eventTime":null,"deprecatedSource":{"component":"kubelet","host":'
        '"node-2"},"deprecatedFirstTimestamp":"2026-11-02T09:00:07Z","deprecatedLastTimestamp":'
        '"2026-11-02T09:00:07Z","deprecatedCount":1}',
        {
            "time": "2026-11-02T09:00:07Z",
            "message": "Started container payment",
            "pod_uid": "d97f3b15-4e62-4a08-b1c9-6e5a7f8d0c23",
            "container_name": "payment",
            "node": "node-2",
            "lifecycle": "start",
            "kind": "evidence",
        },
    ),
)


cut = whole_document

_ABOUT: Final = re.compile(r'"(?:involvedObject|regarding)"\s*:')
_POD_IP: Final = re.compile(r'"podIP"\s*:')


def sniff(sample: Sample) -> float:
    """1 where the file begins as objects or a watch, with something an Event is about.

    Less where a Pod comes first.
    """
    text = begins(sample) or watched(sample)
    about, address = _ABOUT.search(text), _POD_IP.search(text)
    if about is None:
        return 0.0
    return 0.9 if address is not None and address.start() < about.start() else 1.0
