r"""Filebeat (and Elastic Agent): ECS documents, the line in `message`.

    {"@timestamp":"….100Z","message":"…","container":{"id":"…"},"kubernetes":{"pod":{"name":"…",
     "uid":"…","ip":"…"},…},"host":{"ip":["10.10.1.11","fe80::…"]},"agent":{"type":"filebeat"}}

`host` is the node: its addresses are never the Pod's. A line that is JSON is a text in `message`,
or an object in `json`. Filebeat before 7 has `beat` in place of `agent`.
"""

from __future__ import annotations

from typing import Any, Final

from cuidx.formats.base import Example, Sample, whole_lines
from cuidx.formats.lines import parse

__all__ = ["NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "parse", "sniff"]

NAME: Final = "filebeat"
TITLE: Final = "Filebeat and Elastic Agent, ECS documents"
SOURCE: Final = "elastic/beats, add_kubernetes_metadata and the console output; ECS 8.11"

PARTS: Final = (
    ("a JSON object", r"^\s*\{"),
    ("the key @timestamp", r'"@timestamp"\s*:'),
    ("agent.type, @metadata.beat or beat", r'"(?:agent|agent\.type|beat)"\s*:'),
)
SAMPLES: Final = (
    Example(
        '{"@timestamp":"2026-11-02T09:00:00.100Z","@metadata":{"beat":"filebeat","type":"_doc"},'
        '"stream":"stdout","message":"2026-11-02T09:00:00.100Z INFO GET /checkout request_id=4f1c '
        '{\\"ikontainer_CUID\\":\\"7f0c\\",\\"svc\\":\\"gateway.shop.lab\\"}","log":{"offset":0,'
        '"file":{"path":"/var/log/containers/gateway-x2k4q.log"}},"container":{"id":"28492db5"},'
        '"kubernetes":{"namespace":"shop","pod":{"name":"gateway-x2k4q","uid":"51d2c7a4",'
        '"ip":"10.10.10.4"},"container":{"name":"gateway"},"node":{"name":"node-1"}},'
        '"orchestrator":{"cluster":{"name":"lab"}},"host":{"name":"node-1","ip":["10.10.1.11",'
        '"fe80::10ff:fe10:b"]},"agent":{"type":"filebeat"},"ecs":{"version":"8.0.0"}}',
        {
            "time": "2026-11-02T09:00:00.100Z",
            "time_from": "collector",
            "message": "2026-11-02T09:00:00.100Z INFO GET /checkout request_id=4f1c",
            "level": "INFO",
            "cuid": "7f0c",
            "container_id": "28492db5",
            "container_name": "gateway",
            "pod_uid": "51d2c7a4",
            "pod": "gateway-x2k4q",
            "namespace": "shop",
            "cluster": "lab",
            "node": "node-1",
            "ip": "10.10.10.4",
            "host_ip": "10.10.1.11, fe80::10ff:fe10:b",
            "request_id": "4f1c",
        },
    ),
    Example(  # no metadata of Kubernetes: the file's name tells the Pod and the container
        '{"@timestamp":"2026-11-02T09:00:02.400Z","message":"queued","log":{"file":{"path":'
        '"/var/log/containers/mail-q9t2w_shop_mail-'
        '3efe504917c152f66e79aac572ba177118b79c8f3ef97b678097a503ccd66957.log"}},'
        '"agent":{"type":"filebeat"}}',
        {
            "pod": "mail-q9t2w",
            "namespace": "shop",
            "container_name": "mail",
            "container_id": "3efe504917c152f66e79aac572ba177118b79c8f3ef97b678097a503ccd66957",
        },
    ),
    Example(  # Filebeat 6, and `json` as its input decodes it
        '{"@timestamp":"2026-11-02T09:00:01.250Z","beat":{"name":"n","version":"6.8.0"},'
        '"source":"/var/log/app.log","json":{"level":"error","msg":"declined","request_id":"a82b",'
        '"ikontainer_CUID":"3b9d","svc":"payment.shop.lab"}}',
        {"message": "declined", "level": "ERROR", "request_id": "a82b", "cuid": "3b9d"},
    ),
)

cut = whole_lines


def sniff(sample: Sample) -> float:
    """Share of lines that an agent of the Elastic Stack signed."""
    return sample.share(sum(map(_fits, sample.documents)))


def _fits(document: dict[str, Any]) -> bool:
    if "@timestamp" not in document:
        return False
    agent, metadata = document.get("agent"), document.get("@metadata")
    return (
        (isinstance(agent, dict) and "type" in agent)
        or (isinstance(metadata, dict) and "beat" in metadata)
        or isinstance(document.get("beat"), dict)
        or "agent.type" in document
    )
