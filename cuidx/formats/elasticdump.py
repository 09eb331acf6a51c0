"""elasticdump lines: a document and where it was, in no order of time.

    {"_index":"logstash-2026.11.02","_id":"27e5c6dc","_score":null,"_source":{"@timestamp":"…",…}}

The document is under `_source`. The same `_index` and `_id` again is a duplicate.
"""

from __future__ import annotations

from typing import Final

from cuidx.formats.base import Example, Sample, whole_lines
from cuidx.formats.lines import parse

__all__ = ["NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "parse", "sniff"]

NAME: Final = "elasticdump"
TITLE: Final = "elasticdump, one search hit a line"
SOURCE: Final = "output of elasticdump 6.125.1"

PARTS: Final = (
    ("a JSON object", r"^\s*\{"),
    ("the key _id", r'"_id"\s*:'),
    ("the key _source", r'"_source"\s*:'),
)
SAMPLES: Final = (
    Example(
        '{"_index":"shop-2026.11.02","_id":"27e5c6dc","_score":null,"_source":{"log":"started\\n",'
        '"kubernetes":{"pod_name":"mail-q9t2w","namespace_name":"shop","pod_ip":"10.10.12.7"},'
        '"@timestamp":"2026-11-02T09:00:02.400120458+00:00"}}',
        {
            "doc_index": "shop-2026.11.02",
            "doc_id": "27e5c6dc",
            "time": "2026-11-02T09:00:02.400120458Z",
            "message": "started",
            "pod": "mail-q9t2w",
            "namespace": "shop",
            "ip": "10.10.12.7",
        },
    ),
)

cut = whole_lines


def sniff(sample: Sample) -> float:
    """Share of lines that are search hits."""
    return sample.share(sum("_source" in d and "_id" in d for d in sample.documents))
