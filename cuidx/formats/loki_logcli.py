r"""Loki's `logcli query --output=jsonl`: a line, its labels and its time, newest first.

    {"labels":{"namespace":"shop","pod":"mail-q9t2w",…},"line":"…","timestamp":"…T09:00:10.9003Z"}

Labels are the collector's choice: Promtail's and Alloy's usual ones are known, and those that
Loki makes of OpenTelemetry's attributes. The Pod's uid may stand in `filename`. No label is an
address. With `--no-labels` only what the line itself says is left.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import polars as pl

from cuidx.formats import lines
from cuidx.formats.base import Block, Example, Reading, Sample, whole_lines

__all__ = ["NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "head", "parse", "sniff"]

NAME: Final = "loki-logcli"
TITLE: Final = "Loki, logcli query --output=jsonl"
SOURCE: Final = "grafana/loki, pkg/logcli/output/jsonl.go and jsonl_test.go"

PARTS: Final = (
    ("a JSON object", r"^\s*\{"),
    ("the key line, a text", r'"line"\s*:\s*"'),
    ("the key timestamp", r'"timestamp"\s*:'),
)
SAMPLES: Final = (
    Example(
        '{"labels":{"app":"gateway","cluster":"lab","container":"gateway","filename":"/var/log/pods'
        '/shop_gateway-x2k4q_51d2c7a4-0f3e-4a6b-9d18-2c7e5b8f9a01/gateway/0.log","namespace":'
        '"shop","node_name":"node-1","pod":"gateway-x2k4q","stream":"stdout"},"line":'
        '"2026-11-02T09:00:00.100Z INFO GET /checkout request_id=4f1c '
        '{\\"ikontainer_CUID\\":\\"7f0c\\",\\"svc\\":\\"gateway.shop.lab\\"}",'
        '"timestamp":"2026-11-02T10:00:00.100412345+01:00"}',
        {
            "time": "2026-11-02T09:00:00.100412345Z",
            "time_from": "collector",
            "message": "2026-11-02T09:00:00.100Z INFO GET /checkout request_id=4f1c",
            "level": "INFO",
            "cuid": "7f0c",
            "container_name": "gateway",
            "pod_uid": "51d2c7a4-0f3e-4a6b-9d18-2c7e5b8f9a01",
            "pod": "gateway-x2k4q",
            "namespace": "shop",
            "cluster": "lab",
            "node": "node-1",
            "request_id": "4f1c",
            "ip": None,
        },
    ),
    Example(  # Grafana Alloy
        '{"labels":{"instance":"shop/mail-q9t2w:mail","job":"shop/mail"},"line":"up",'
        '"timestamp":"2026-11-02T09:00:02Z"}',
        {"pod": "mail-q9t2w", "namespace": "shop", "container_name": "mail", "message": "up"},
    ),
    Example(  # what came in by OTLP; --no-labels
        '{"labels":{"k8s_pod_name":"payment-0","k8s_pod_uid":"8ac1e0b2","k8s_namespace_name":'
        '"shop","detected_level":"warn","trace_id":"91c5"},"line":"slow","timestamp":'
        '"2026-11-02T09:00:03Z"}',
        {"pod": "payment-0", "pod_uid": "8ac1e0b2", "level": "WARN", "trace_id": "91c5"},
    ),
    Example(
        '{"line":"bare","timestamp":"2026-11-02T09:00:04Z"}',
        {"message": "bare", "time": "2026-11-02T09:00:04Z", "identity": "none"},
    ),
)

_KEYS: Final = frozenset({"labels", "line", "timestamp"})
_LIMIT: Final = 30  # what logcli gives without --limit

cut = whole_lines


def sniff(sample: Sample) -> float:
    """Share of lines with just these keys."""
    return sample.share(sum(map(_fits, sample.documents)))


def _fits(document: dict[str, Any]) -> bool:
    keys = document.keys()
    return keys <= _KEYS and "timestamp" in keys and isinstance(document.get("line"), str)


def head(sample: Sample, reading: Reading) -> None:
    """Note that a query may have been cut."""
    if len(sample.filled) == _LIMIT:
        reading.notes.add(
            f"just {_LIMIT} lines, which is logcli's --limit if none is given: there may be more"
        )


def parse(block: Block, reading: Reading) -> pl.DataFrame:
    """One row a line."""
    return lines.parse(block, replace(reading, wrapped=True))
