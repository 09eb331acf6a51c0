r"""Istio's access log as JSON: the text format's values under their names.

    {"start_time":"2026-11-02T09:00:01.240Z","method":"POST","path":"/charge","response_code":200,
     "downstream_remote_address":"203.0.113.24:38262","upstream_host":"10.10.11.2:8443", …}

Which of the addresses is the proxy's own Pod is said in `istio_text`. Missing values are null.
"""

from __future__ import annotations

from typing import Any, Final

from cuidx.formats.base import Example, Sample, whole_lines
from cuidx.formats.documents import Adapted, is_wrapped
from cuidx.formats.istio_text import INBOUND
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

NAME: Final = "istio-json"
TITLE: Final = "Istio access log, JSON"
SOURCE: Final = "istio/istio, pilot/pkg/model/telemetry_logging.go, EnvoyJSONLogFormatIstio"
ADAPTS: Final = frozenset({"downstream_remote_address"})

PARTS: Final = (
    ("a JSON object", r"^\s*\{"),
    ("the key start_time", r'"start_time"\s*:'),
    ("the key upstream_cluster", r'"upstream_cluster"\s*:'),
)
SAMPLES: Final = (
    Example(
        '{"authority":"pay.shop.example","downstream_local_address":"10.10.10.4:8080",'
        '"downstream_remote_address":"198.51.100.77:57038","duration":44,"method":"POST",'
        '"path":"/charge","protocol":"HTTP/1.1","request_id":"a82b6d3f-1c5e-4f97","response_code":402,'
        '"response_flags":"-","route_name":"pay","start_time":"2026-11-02T09:00:09.470Z",'
        '"upstream_cluster":"outbound|8443||payment.shop.svc.cluster.local",'
        '"upstream_host":"10.10.11.2:8443","upstream_local_address":"10.10.10.4:57962",'
        '"user_agent":"curl/7.88.1","x_forwarded_for":"192.0.2.200,198.51.100.77"}',
        {
            "time": "2026-11-02T09:00:09.470Z",
            "message": "POST /charge HTTP/1.1 402",
            "ip": "10.10.10.4",
            "source_ip": "198.51.100.77:57038",
            "destination_ip": "10.10.11.2:8443",
            "forwarded_ip": "192.0.2.200,198.51.100.77",
            "request_id": "a82b6d3f-1c5e-4f97",
        },
    ),
)

cut = whole_lines

_ROLES: Final = {
    "source_ip": "downstream_remote_address",
    "destination_ip": "upstream_host",
    "forwarded_ip": "x_forwarded_for",
    "request_id": "request_id",
}
_REQUEST: Final = ("method", "path", "protocol", "response_code", "response_flags")


def sniff(sample: Sample) -> float:
    """Share of lines that are such records."""
    return sample.share(
        sum("start_time" in one and adapt(one) is not None for one in sample.documents)
    )


def adapt(document: dict[str, Any]) -> Adapted | None:
    """See `documents.Adapter`. Keys of a collector around the record count as ever."""
    if "upstream_cluster" not in document and "downstream_local_address" not in document:
        return None
    inbound = str(document.get("upstream_cluster")).startswith(INBOUND)
    own = document.get("downstream_local_address" if inbound else "upstream_local_address")
    found: Adapted = {role: document.get(key) for role, key in _ROLES.items()}
    wrapped = is_wrapped(document)
    if own or not wrapped:
        found["ip"] = own
    if not wrapped:
        found |= {"time": document.get("start_time"), "level": None}
    if "message" not in document and "log" not in document:
        words = (document.get(key) for key in _REQUEST)
        found["message"] = " ".join(str(word) for word in words if word not in (None, "-", ""))
    return found
