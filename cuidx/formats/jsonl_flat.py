"""JSON lines: one object a line with the keys that loggers really use.

    {"ts":"2026-11-02T09:00:01.250Z","level":"info","msg":"…","pod_ip":"10.10.11.2","cuid":"3b9d…"}

Which key holds which role is in `documents.FIELDS`: zap, logback, pino, ECS, OpenTelemetry names.
"""

from __future__ import annotations

from typing import Final

from cuidx.formats.base import Example, Sample, whole_lines
from cuidx.formats.lines import parse

__all__ = ["NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "parse", "sniff"]

NAME: Final = "jsonl-flat"
TITLE: Final = "JSON lines with common field names"
SOURCE: Final = "encoders of zap, logback and pino; ECS 8.11; OpenTelemetry semantic conventions"

PARTS: Final = (("a JSON object", r"^\s*\{.*\}"),)
SAMPLES: Final = (
    Example(
        '{"ts":"2026-11-02T09:00:01.250883Z","level":"INFO","service":"payment","msg":"charge '
        'accepted","request_id":"4f1c9e2a","client_ip":"10.10.10.4","pod_ip":"10.10.11.2",'
        '"ikontainer_CUID":"3b9d5a0c","svc":"payment.shop.lab"}',
        {
            "time": "2026-11-02T09:00:01.250883Z",
            "message": "charge accepted",
            "level": "INFO",
            "service": "payment",
            "namespace": "shop",
            "cluster": "lab",
            "cuid": "3b9d5a0c",
            "ip": "10.10.11.2",
            "source_ip": "10.10.10.4",
            "request_id": "4f1c9e2a",
        },
    ),
    Example(
        '{"name":"Gateway","ip":"10.10.1.2","cuid":"643B","request id":"46BB"}',
        {"service": "Gateway", "ip": "10.10.1.2", "cuid": "643B", "request_id": "46BB"},
    ),
    Example(
        '{"@timestamp":1793610001250,"log.level":"error","message":"refused","service.name":"mail",'
        '"kubernetes.pod_ip":"10.10.12.7"}{"ikontainer_CUID":"7f0c","svc":"mail.shop.lab"}',
        {
            "time": "2026-11-02T09:00:01.250Z",
            "level": "ERROR",
            "message": "refused",
            "cuid": "7f0c",
            "ip": "10.10.12.7",
        },
    ),
)

cut = whole_lines


def sniff(sample: Sample) -> float:
    """Half the share of lines that are JSON objects: any collector that is sure wins."""
    return 0.5 * sample.share(len(sample.documents))
