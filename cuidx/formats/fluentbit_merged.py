r"""Fluent Bit with Merge_Log: a line that is JSON stands beside or instead of `log`, as an object.

    {"time":"…","log":"{\"msg\":…}","log_processed":{"msg":…,"ikontainer_CUID":"3b9d…"},…}
    {"time":"…","msg":"…","ikontainer_CUID":"3b9d…","kubernetes":{…}}

In `log_processed` (Merge_Log_Key) or among the top keys. A line that is text with a suffix is not
merged, so that one file has both. The payload may be there twice: that is one event.
"""

from __future__ import annotations

from typing import Final

from cuidx.formats.base import Example, Sample, whole_lines
from cuidx.formats.fluentbit import fits, is_merged, parse

__all__ = ["NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "parse", "sniff"]

NAME: Final = "fluentbit-merged"
TITLE: Final = "Fluent Bit records with Merge_Log"
SOURCE: Final = "fluent/fluent-bit-docs, pipeline/filters/kubernetes.md (Merge_Log, Keep_Log)"

_KUBERNETES: Final = (
    '"kubernetes":{"pod_name":"payment-0","namespace_name":"shop","pod_id":"8ac1e0b2",'
    '"pod_ip":"10.10.11.2","container_name":"payment","docker_id":"57d35fa9"}'
)

PARTS: Final = (
    ("a JSON object", r"^\s*\{"),
    ("kubernetes.docker_id, _p or logtag", r'"(?:docker_id|container_hash|_p|logtag)"\s*:'),
    (
        "a payload merged in, as log_processed or beside it",
        r'"(?:log_processed|msg|message|level)"\s*:',
    ),
)
SAMPLES: Final = (
    Example(
        '{"@timestamp":"2026-11-02T09:00:01.250Z","time":"2026-11-02T09:00:01.250883117Z",'
        '"stream":"stdout","logtag":"F","log":"{\\"level\\":\\"info\\",\\"msg\\":\\"charged\\",'
        '\\"client_ip\\":\\"10.10.10.4\\",\\"ikontainer_CUID\\":\\"3b9d\\",\\"svc\\":'
        '\\"payment.shop.lab\\"}","log_processed":{"level":"info","msg":"charged","client_ip":'
        '"10.10.10.4","ikontainer_CUID":"3b9d","svc":"payment.shop.lab"},' + _KUBERNETES + "}",
        {
            "time": "2026-11-02T09:00:01.250883117Z",
            "time_from": "collector",
            "message": "charged",
            "level": "INFO",
            "cuid": "3b9d",
            "service": "payment",
            "container_id": "57d35fa9",
            "ip": "10.10.11.2",
            "source_ip": "10.10.10.4",
        },
    ),
    Example(  # Keep_Log Off
        '{"date":1793610001.5,"stream":"stdout","_p":"F","log_processed":{"ts":'
        '"2026-11-02T08:00:00Z","level":"error","msg":"declined","request_id":"a82b",'
        '"ikontainer_CUID":"3b9d","svc":"payment.shop.lab"},' + _KUBERNETES + "}",
        {
            "time": "2026-11-02T09:00:01.500Z",
            "message": "declined",
            "level": "ERROR",
            "request_id": "a82b",
            "cuid": "3b9d",
        },
    ),
    Example(  # no Merge_Log_Key: the payload's `time` took the place of the runtime's
        '{"@timestamp":"2026-11-02T09:00:01.250Z","time":3.5,"level":"warn","msg":"slow",'
        '"ikontainer_CUID":"3b9d","svc":"payment.shop.lab",' + _KUBERNETES + "}",
        {
            "time": "2026-11-02T09:00:01.250Z",
            "message": "slow",
            "level": "WARN",
            "cuid": "3b9d",
            "pod_uid": "8ac1e0b2",
        },
    ),
)

cut = whole_lines


def sniff(sample: Sample) -> float:
    """Share of Fluent Bit's lines, if any has a payload merged in; else none."""
    found = [document for document in sample.documents if fits(document)]
    return sample.share(len(found)) if any(map(is_merged, found)) else 0.0
