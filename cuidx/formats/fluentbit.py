r"""Fluent Bit with the kubernetes filter: the line in `log`, who wrote it in `kubernetes`.

    {"date":1793610000.1,"time":"…100412345Z","stream":"stdout","_p":"F","log":"…","kubernetes":{…}}

`time` is the container runtime's, to the nanosecond, where the CRI parser kept it; `date` is a
floating number and noise below microseconds, `@timestamp` (Elasticsearch output) has milliseconds.
`docker_id` is the container's id also where containerd runs it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from cuidx.formats import lines
from cuidx.formats.base import Block, Example, Reading, Sample, whole_lines

__all__ = [
    "NAME",
    "PARTS",
    "SAMPLES",
    "SOURCE",
    "TITLE",
    "cut",
    "fits",
    "is_merged",
    "parse",
    "sniff",
]

NAME: Final = "fluentbit"
TITLE: Final = "Fluent Bit records, kubernetes filter"
SOURCE: Final = (
    "fluent/fluent-bit-docs, pipeline/filters/kubernetes.md; fluent/fluent-bit, "
    "tests/runtime/data/kubernetes"
)

PARTS: Final = (
    ("a JSON object", r"^\s*\{"),
    ("kubernetes.docker_id, _p or logtag", r'"(?:docker_id|container_hash|_p|logtag)"\s*:'),
)
SAMPLES: Final = (
    Example(
        '{"date":1793610000.100412,"time":"2026-11-02T09:00:00.100412345Z","stream":"stdout",'
        '"_p":"F","log":"2026-11-02T09:00:00.100Z INFO GET /checkout request_id=4f1c '
        '{\\"ikontainer_CUID\\":\\"7f0c\\",\\"svc\\":\\"gateway.shop.lab\\"}","kubernetes":'
        '{"pod_name":"gateway-x2k4q","namespace_name":"shop","pod_id":"51d2c7a4","host":"node-1",'
        '"pod_ip":"10.10.10.4","container_name":"gateway","docker_id":"28492db5",'
        '"container_hash":"images.example/gateway@sha256:daee"}}',
        {
            "time": "2026-11-02T09:00:00.100412345Z",
            "time_from": "collector",
            "message": "2026-11-02T09:00:00.100Z INFO GET /checkout request_id=4f1c",
            "level": "INFO",
            "cuid": "7f0c",
            "container_id": "28492db5",
            "container_name": "gateway",
            "pod_uid": "51d2c7a4",
            "pod": "gateway-x2k4q",
            "namespace": "shop",
            "service": "gateway",
            "node": "node-1",
            "ip": "10.10.10.4",
            "request_id": "4f1c",
        },
    ),
    Example(  # Elasticsearch's output: `@timestamp` is cut to milliseconds
        '{"@timestamp":"2026-11-02T09:00:02.400Z","time":"2026-11-02T10:00:02.400120458+01:00",'
        '"stream":"stderr","logtag":"F","log":"started","kubernetes":{"pod_name":"mail-q9t2w",'
        '"namespace_name":"shop","docker_id":"3efe5049"}}',
        {"time": "2026-11-02T09:00:02.400120458Z", "message": "started", "pod": "mail-q9t2w"},
    ),
    Example(  # without the filter
        '{"date":1793610003.5,"stream":"stdout","_p":"F","log":"plain"}',
        {"time": "2026-11-02T09:00:03.500Z", "message": "plain", "identity": "none"},
    ),
)

_ENVELOPE: Final = frozenset({
    "@timestamp", "@version", "_flb-key", "_p", "date", "kubernetes", "log", "logtag", "stream",
    "tag", "time", "file", "filename", "cluster", "cluster_name", "ikontainer_CUID", "svc",
})  # fmt: skip
_OWN: Final = frozenset({"docker_id", "container_hash"})
# A piece of a longer line that Fluent Bit was not told to join (`multiline.parser cri`).
_PIECE: Final = re.compile(rb'"(?:_p|logtag)"\s*:\s*"P"')

cut = whole_lines


def fits(document: Mapping[str, Any]) -> bool:
    """Whether Fluent Bit made this document."""
    kubernetes = document.get("kubernetes")
    if isinstance(kubernetes, dict):
        return not _OWN.isdisjoint(kubernetes) and "docker" not in document
    return ("_p" in document or "logtag" in document) and kubernetes is None


def is_merged(document: Mapping[str, Any]) -> bool:
    """Whether it has the payload's keys beside the line, or in its place (Merge_Log)."""
    return "log_processed" in document or not set(document) <= _ENVELOPE


def sniff(sample: Sample) -> float:
    """Share of Fluent Bit's lines; a little less if some have a payload merged in."""
    found = [document for document in sample.documents if fits(document)]
    return sample.share(len(found)) * (0.8 if any(map(is_merged, found)) else 1)


def parse(block: Block, reading: Reading) -> pl.DataFrame:
    """One row a line."""
    if _PIECE.search(block.data):
        reading.notes.add(
            "some records are pieces of longer lines that Fluent Bit did not join (_p or logtag P):"
            " what stands at such a line's end, the suffix too, is only in its last piece"
        )
    return lines.parse(block, reading)
