r"""stern as JSON: the line in `message`, and whose it is beside it.

    {"message":"…","nodeName":"node-1","namespace":"shop","podName":"mail-q9t2w","containerName":"mail"}
    {"pod": "payment-0", "container": "payment", "message": {"ts":"…","msg":"…"}}        extjson

There is no time beside the line: with `-t` it stands before the line, in `message`.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from cuidx.formats.base import Example, Sample, whole_lines
from cuidx.formats.documents import Adapted
from cuidx.formats.lines import parse

__all__ = [
    "ADAPTS",
    "NAME",
    "PARTS",
    "SAMPLES",
    "SOURCE",
    "TITLE",
    "adapt",
    "cut",
    "parse",
    "sniff",
]

NAME: Final = "stern-json"
TITLE: Final = "stern -o json or extjson"
SOURCE: Final = "stern/stern, cmd/cmd.go (templates), stern/tail.go (struct Log, times)"

PARTS: Final = (
    ("a JSON object", r"^\s*\{"),
    ("the key message", r'"message"\s*:'),
    ("the key podName or pod", r'"(?:podName|pod)"\s*:'),
    ("the key containerName or container", r'"(?:containerName|container)"\s*:'),
)

SAMPLES: Final = (
    Example(
        '{"message":"2026-11-02T09:00:10.900Z WARN smtp retry relay=192.0.2.25","nodeName":'
        '"node-1","namespace":"shop","podName":"mail-5b7c9d8f64-q9t2w","containerName":"mail"}',
        {
            "time": "2026-11-02T09:00:10.900Z",
            "time_from": "own",
            "level": "WARN",
            "pod": "mail-5b7c9d8f64-q9t2w",
            "namespace": "shop",
            "container_name": "mail",
            "node": "node-1",
        },
    ),
    Example(  # -t
        '{"message":"2026-11-02T10:00:07.300561288+01:00 {\\"ts\\":\\"2026-11-02T09:00:07.300Z\\",'
        '\\"msg\\":\\"listening\\",\\"ikontainer_CUID\\":\\"c4e8\\",\\"svc\\":\\"payment.shop.lab\\"}",'
        '"nodeName":"node-2","namespace":"shop","podName":"payment-0","containerName":"payment"}',
        {
            "time": "2026-11-02T09:00:07.300561288Z",
            "time_from": "collector",
            "message": "listening",
            "cuid": "c4e8",
            "pod": "payment-0",
        },
    ),
    Example(
        '{"pod": "payment-0", "container": "payment", "message": {"ts":"2026-11-02T09:00:07.300Z",'
        '"level":"info","msg":"listening","ikontainer_CUID":"c4e8","svc":"payment.shop.lab"}}',
        {
            "time": "2026-11-02T09:00:07.300Z",
            "message": "listening",
            "level": "INFO",
            "cuid": "c4e8",
            "pod": "payment-0",
            "container_name": "payment",
        },
    ),
)

ADAPTS: Final = frozenset({"podName", "container"})
_TIMED: Final = re.compile(
    r"(?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{9}(?:Z|[+-][0-9]{2}:[0-9]{2})"
    r"|[01][0-9]-[0-3][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2}) "
)

cut = whole_lines


def sniff(sample: Sample) -> float:
    """Share of lines with the keys of either output."""
    return sample.share(sum(_is_json(d) or _is_extended(d) for d in sample.documents))


def adapt(document: dict[str, Any]) -> Adapted | None:
    """The line without the time before it; a line that became an object, as text again."""
    if _is_extended(document):
        message = document["message"]
        text = message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)
        found: Adapted = {"container_name": document["container"]}
    elif _is_json(document):
        text, found = document["message"], {}
    else:
        return None
    if timed := _TIMED.match(text):
        found["time"], text = timed["time"], text[timed.end() :]
    return {**found, "message": text, "is_line": True, "envelope": "time" in found}


def _is_json(document: dict[str, Any]) -> bool:
    return (
        document.keys() >= {"message", "podName", "containerName"}
        and isinstance(document["message"], str)
    )  # fmt: skip


def _is_extended(document: dict[str, Any]) -> bool:
    return document.keys() in (
        {"pod", "container", "message"}, {"namespace", "pod", "container", "message"}
    )  # fmt: skip
