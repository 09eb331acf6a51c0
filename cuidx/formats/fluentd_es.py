r"""Fluentd with kubernetes_metadata, as it goes to Elasticsearch: the line in `log`.

    {"log":"…\n","docker":{"container_id":"…"},"kubernetes":{"pod_name":"…","pod_id":"…"},"@timestamp":"…"}

`@timestamp` is the collector's time of the line, in any zone. `kubernetes.host` is a node's name.
"""

from __future__ import annotations

from typing import Final

from cuidx.formats.base import Example, Sample, whole_lines
from cuidx.formats.lines import parse

__all__ = ["NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "parse", "sniff"]

NAME: Final = "fluentd-es"
TITLE: Final = "Fluentd records with kubernetes_metadata"
SOURCE: Final = "fluent-plugin-kubernetes_metadata_filter, README and lib"

PARTS: Final = (
    ("a JSON object", r"^\s*\{"),
    ("kubernetes.pod_name", r'"pod_name"\s*:'),
    ("kubernetes.pod_id or docker.container_id", r'"(?:pod_id|container_id)"\s*:'),
)
SAMPLES: Final = (
    Example(
        '{"log":"2026-11-02T09:00:00.100Z INFO GET /checkout request_id=4f1c '
        '{\\"ikontainer_CUID\\":\\"7f0c\\",\\"svc\\":\\"gateway.shop.lab\\"}\\n","stream":"stdout",'
        '"docker":{"container_id":"28492db5"},"kubernetes":{"container_name":"gateway",'
        '"namespace_name":"shop","pod_name":"gateway-x2k4q","pod_id":"51d2c7a4",'
        '"pod_ip":"10.10.10.4","host":"node-1"},"@timestamp":"2026-11-02T10:00:00.100412345+01:00"}',
        {
            "time": "2026-11-02T09:00:00.100412345Z",
            "message": "2026-11-02T09:00:00.100Z INFO GET /checkout request_id=4f1c",
            "level": "INFO",
            "cuid": "7f0c",
            "container_id": "28492db5",
            "pod_uid": "51d2c7a4",
            "pod": "gateway-x2k4q",
            "namespace": "shop",
            "node": "node-1",
            "ip": "10.10.10.4",
            "request_id": "4f1c",
        },
    ),
)

cut = whole_lines


def sniff(sample: Sample) -> float:
    """Share of lines whose `kubernetes` has a `pod_id` beside Fluentd's own `docker` or names."""
    return sample.share(sum(map(_fits, sample.documents)))


def _fits(document: dict[str, object]) -> bool:
    kubernetes = document.get("kubernetes")
    return (
        isinstance(kubernetes, dict)
        and "pod_name" in kubernetes
        and "docker_id" not in kubernetes  # Fluent Bit's
        and ("docker" in document or "pod_id" in kubernetes)
    )
