r"""Vector, source kubernetes_logs: the line in `message`, who wrote it in `kubernetes`.

    {"file":"/var/log/pods/…/0.log","kubernetes":{"container_id":"containerd://…","pod_uid":"…",
     "pod_ip":"…","pod_ips":["…"],…},"message":"…","source_type":"kubernetes_logs","timestamp":"…"}

A container that is very young or gone already has no `container_id`; the file's name still tells
the Pod's uid. `timestamp` is the runtime's, to the nanosecond.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import polars as pl

from cuidx.formats import lines
from cuidx.formats.base import Block, Example, Reading, Sample, whole_lines

__all__ = ["NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "parse", "sniff"]

NAME: Final = "vector"
TITLE: Final = "Vector records (kubernetes_logs and its other sources)"
SOURCE: Final = "vectordotdev/vector, website/cue/reference/components/sources/kubernetes_logs.cue"

PARTS: Final = (
    ("a JSON object", r"^\s*\{"),
    ("source_type, or kubernetes.pod_uid", r'"(?:source_type|pod_uid)"\s*:'),
    ("the key timestamp", r'"timestamp"\s*:'),
)
SAMPLES: Final = (
    Example(
        '{"file":"/var/log/pods/shop_gateway-x2k4q_51d2c7a4-0f3e-4a6b-9d18-2c7e5b8f9a01/gateway/'
        '0.log","kubernetes":{"container_id":"containerd://28492db5","container_name":"gateway",'
        '"pod_ip":"10.10.10.4","pod_ips":["10.10.10.4","fd00::4"],"pod_labels":{"app":"gateway"},'
        '"pod_name":"gateway-x2k4q","pod_namespace":"shop","pod_node_name":"node-1",'
        '"pod_uid":"51d2c7a4-0f3e-4a6b-9d18-2c7e5b8f9a01"},"message":"2026-11-02T09:00:00.100Z '
        'INFO GET /checkout {\\"ikontainer_CUID\\":\\"7f0c\\",\\"svc\\":\\"gateway.shop.lab\\"}",'
        '"source_type":"kubernetes_logs","stream":"stdout",'
        '"timestamp":"2026-11-02T09:00:00.100412345Z"}',
        {
            "time": "2026-11-02T09:00:00.100412345Z",
            "time_from": "collector",
            "message": "2026-11-02T09:00:00.100Z INFO GET /checkout",
            "cuid": "7f0c",
            "container_id": "28492db5",
            "container_name": "gateway",
            "pod_uid": "51d2c7a4-0f3e-4a6b-9d18-2c7e5b8f9a01",
            "pod": "gateway-x2k4q",
            "namespace": "shop",
            "service": "gateway",
            "node": "node-1",
            "ip": "10.10.10.4",
        },
    ),
    Example(  # what Vector does not know yet, the file's name tells
        '{"file":"/var/log/pods/shop_mail-q9t2w_2f64a9d0-b831-4d7c-8e5f-a09c1b2d3e74/mail/1.log",'
        '"message":"up","source_type":"kubernetes_logs","timestamp":"2026-11-02T09:00:02Z"}',
        {
            "pod_uid": "2f64a9d0-b831-4d7c-8e5f-a09c1b2d3e74",
            "pod": "mail-q9t2w",
            "container_name": "mail",
            "restart": 1,
            "identity": "pod_uid",
            "time_from": "collector",
        },
    ),
)

cut = whole_lines


def sniff(sample: Sample) -> float:
    """Share of lines that name their source's type, or have Vector's names in `kubernetes`."""
    return sample.share(sum(map(_fits, sample.documents)))


def _fits(document: dict[str, Any]) -> bool:
    kubernetes = document.get("kubernetes")
    if isinstance(kubernetes, dict) and {"pod_namespace", "pod_uid"} <= kubernetes.keys():
        return True
    return isinstance(document.get("source_type"), str) and {"message", "timestamp"} <= set(
        document
    )


def parse(block: Block, reading: Reading) -> pl.DataFrame:
    """One row a line."""
    return lines.parse(block, replace(reading, wrapped=True))
