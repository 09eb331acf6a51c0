"""`crictl pods -o json`: which sandbox is of which Pod.

    {"items":[{"id":"397f…","metadata":{"name":"payment-0","uid":"d97f…","namespace":"shop",
    "attempt":0},"state":"SANDBOX_READY","createdAt":"1793610006296004117","labels":{…},…},…]}

No address is in it. It is the bridge from the ids in the logs of network plugins to Pods. Sandboxes
of former Pods are listed too, as NOTREADY; an attempt above 0 is a new sandbox of the same Pod.

Source: kubernetes-sigs/cri-tools, docs/crictl.md; CRI API, PodSandbox.
"""

from __future__ import annotations

import re
from typing import Any, Final

import polars as pl

from cuidx.formats import lines, whole
from cuidx.formats.base import Block, Example, Reading, Sample, whole_document
from cuidx.formats.documents import Adapted
from cuidx.formats.k8s_objects import part

__all__ = ["NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "parse", "sniff"]

NAME: Final = "crictl-pods"
TITLE: Final = "sandboxes: crictl pods -o json"
SOURCE: Final = "kubernetes-sigs/cri-tools, docs/crictl.md; public crictl captures"

PARTS: Final = (
    ("a JSON object with items", r'^\s*\{\s*"items"\s*:'),
    ("a state SANDBOX_…", r'"state"\s*:\s*"SANDBOX_'),
)
SAMPLES: Final = (
    Example(
        '{"items":[{"id":"397fc5f3","metadata":{"name":"payment-0","uid":"d97f3b15","namespace":'
        '"shop","attempt":0},"state":"SANDBOX_READY","createdAt":"1793610006296004117","labels":'
        '{"app":"payment"},"annotations":{},"runtimeHandler":""}]}',
        {
            "time": "2026-11-02T09:00:06.296004117Z",
            "service": "payment",
            "namespace": "shop",
            "pod": "payment-0",
            "pod_uid": "d97f3b15",
            "sandbox_id": "397fc5f3",
            "ip": None,
            "kind": "evidence",
        },
    ),
)

cut = whole_document

_BEGIN: Final = re.compile(r'\s*\{\s*"items"\s*:\s*\[')
_STATE: Final = re.compile(r'"state"\s*:\s*"SANDBOX_(?:NOT)?READY"')


def sniff(sample: Sample) -> float:
    """1 for a list with the state of a sandbox in it."""
    return float(bool(_BEGIN.match(sample.text) and _STATE.search(sample.text)))


def parse(block: Block, reading: Reading) -> pl.DataFrame:
    """One row a sandbox, as evidence; what is no sandbox is skipped."""
    text = block.data.decode("utf-8", "replace")
    where = whole.Lines(text, block.first_line)
    records = []
    try:
        for at, item in whole.each(text, "items"):
            meta = part(item, "metadata")
            known = "id" in item and "uid" in meta if isinstance(item, dict) else False
            records.append(
                lines.Record(where.at(at), None, _sandbox(item, meta), "evidence")
                if known
                else lines.Record(where.at(at), None, {}, "skipped")
            )
    except whole.BrokenError as error:
        records.append(lines.Record(where.at(error.at), None, {}, "unreadable", why=str(error),
                                    raw=text[error.at :].rstrip()))  # fmt: skip
    if not records and text.strip():
        records.append(lines.Record(block.first_line, None, {}, "skipped"))
    return lines.of_records(lines.numbered(records), reading)


def _sandbox(item: dict[str, Any], meta: dict[str, Any]) -> Adapted:
    labels = part(item, "labels")
    return {
        "time": item.get("createdAt"),
        "message": str(item.get("state") or ""),
        "service": labels.get("app.kubernetes.io/name") or labels.get("app"),
        "namespace": meta.get("namespace"),
        "pod": meta.get("name"),
        "pod_uid": meta.get("uid"),
        "sandbox_id": item.get("id"),
    }
