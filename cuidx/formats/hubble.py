r"""Cilium Hubble's flows (`hubble observe -o json`, or the agent's export file).

    {"flow":{"time":"…","verdict":"FORWARDED","IP":{"source":"10.10.10.4","destination":"10.10.11.2"},
      "l4":{"TCP":{…}},"source":{"namespace":"shop","pod_name":"gateway-x2k4q"}, …},"node_name":"…"}

Older versions write what is in `flow` alone. A flow's own Pod is the source, else the destination;
that both held their addresses then goes to `holds`. The names are the agent's view at that moment,
without a uid. Replies are rows of their own, with the ends swapped. `lost_events` is a hole.
"""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from cuidx.formats import lines
from cuidx.formats.base import Block, Example, Reading, Sample, whole_lines
from cuidx.formats.documents import Adapted

NAME: Final = "hubble"
TITLE: Final = "Cilium Hubble flows"
SOURCE: Final = "cilium/cilium, api/v1/flow/flow.proto; cilium/hubble, observe -o json"

# What one line of an export holds; `l4` is in an older one's flow without a wrapper.
_NO_FLOWS: Final = ("lost_events", "node_status", "agent_event", "debug_event")
ADAPTS: Final = frozenset({"flow", "l4", *_NO_FLOWS})
_LABELS: Final = ("k8s:app.kubernetes.io/name=", "k8s:app=", "k8s:k8s-app=")

PARTS: Final = (
    ("a JSON object", r"^\s*\{"),
    ("the key flow, or IP with source and destination", r'"(?:flow|lost_events|IP)"\s*:'),
    ("the key node_name", r'"node_name"\s*:'),
)
SAMPLES: Final = (
    Example(
        '{"flow":{"time":"2026-11-02T09:00:01.241220118Z","verdict":"FORWARDED","IP":{"source":'
        '"10.10.10.4","destination":"10.10.11.2","ipVersion":"IPv4"},"l4":{"TCP":{"source_port":'
        '40112,"destination_port":8443,"flags":{"SYN":true}}},"source":{"ID":1250,"namespace":'
        '"shop","labels":["k8s:app=gateway"],"pod_name":"gateway-x2k4q"},"destination":{"namespace"'
        ':"shop","pod_name":"payment-0"},"Type":"L3_L4","node_name":"lab/node-2","is_reply":false,'
        '"Summary":"TCP Flags: SYN"},"node_name":"lab/node-2",'
        '"time":"2026-11-02T09:00:01.241220118Z"}',
        {
            "time": "2026-11-02T09:00:01.241220118Z",
            "message": "FORWARDED TCP 40112>8443 SYN",
            "pod": "gateway-x2k4q",
            "namespace": "shop",
            "service": "gateway",
            "cluster": "lab",
            "node": "node-2",
            "ip": None,
            "source_ip": "10.10.10.4",
            "destination_ip": "10.10.11.2",
            "holds": "shop/gateway-x2k4q=10.10.10.4 shop/payment-0=10.10.11.2",
        },
    ),
    Example(
        '{"time":"2026-11-02T09:00:06.1Z","verdict":"DROPPED","IP":{"source":"10.10.10.4",'
        '"destination":"10.10.11.2"},"l4":{"UDP":{"source_port":40118,"destination_port":53}},'
        '"source":{"identity":2,"labels":["reserved:world"]},"destination":{"namespace":"shop",'
        '"pod_name":"payment-0"},"node_name":"node-2","drop_reason_desc":"POLICY_DENIED"}',
        {
            "message": "DROPPED UDP 40118>53 POLICY_DENIED",
            "pod": "payment-0",
            "node": "node-2",
            "holds": "shop/payment-0=10.10.11.2",
        },
    ),
)

cut = whole_lines


def sniff(sample: Sample) -> float:
    """Share of lines that are flows or other records of such an export."""
    return sample.share(sum(adapt(one) is not None for one in sample.documents))


def parse(block: Block, reading: Reading) -> pl.DataFrame:
    """One row a line; what is no flow is skipped."""
    if b'"lost_events"' in block.data:
        reading.notes.add("it has lost_events: flows are missing in it")
    return lines.parse(block, reading)


def adapt(document: dict[str, Any]) -> Adapted | None:
    """See `documents.Adapter`."""
    flow = document.get("flow")
    if not isinstance(flow, dict):
        if "node_name" in document and any(key in document for key in _NO_FLOWS):
            return {"names": False, "kind": "skipped"}
        flow = document
    if "verdict" not in flow or not isinstance(flow.get("IP") or flow.get("l4"), dict):
        return None
    ends = [_part(flow, "source"), _part(flow, "destination")]
    address = _part(flow, "IP")
    addresses = [address.get("source"), address.get("destination")]
    own = next((end for end in ends if end.get("pod_name")), {})
    cluster, _, node = str(flow.get("node_name") or document.get("node_name") or "").rpartition("/")
    return {
        "names": False,
        "is_line": False,
        "time": flow.get("time") or document.get("time"),
        "message": _message(flow),
        "source_ip": addresses[0],
        "destination_ip": addresses[1],
        "pod": own.get("pod_name"),
        "namespace": own.get("namespace"),
        "service": _service(own),
        "cluster": own.get("cluster_name") or cluster,
        "node": node,
        "trace_id": _part(_part(flow, "trace_context"), "parent").get("trace_id"),
        "request_id": _request_id(flow),
        "holds": " ".join(
            f"{end['namespace']}/{end['pod_name']}={ip}"
            for end, ip in zip(ends, addresses, strict=True)
            if ip and end.get("pod_name") and end.get("namespace")
        ),
    }


def _message(flow: dict[str, Any]) -> str:
    words = [flow.get("verdict")]
    for name, part in _part(flow, "l4").items():
        if not isinstance(part, dict):
            continue
        words.append(name)
        if part.get("destination_port"):
            words.append(f"{part.get('source_port', '')}>{part['destination_port']}")
        words += [flag for flag, is_set in _part(part, "flags").items() if is_set]
    http = _part(_part(flow, "l7"), "http")
    words += [http.get("method"), http.get("code")]
    words.append("reply" if flow.get("is_reply") else None)
    words.append(flow.get("drop_reason_desc"))
    return " ".join(str(word) for word in words if word)


def _service(end: dict[str, Any]) -> str | None:
    labels = end.get("labels")
    texts = (
        [label for label in labels if isinstance(label, str)] if isinstance(labels, list) else []
    )
    found = (label.removeprefix(start) for start in _LABELS for label in texts
             if label.startswith(start))  # fmt: skip
    return next(found, None)


def _request_id(flow: dict[str, Any]) -> str | None:
    headers = _part(_part(flow, "l7"), "http").get("headers")
    for header in headers if isinstance(headers, list) else ():
        if isinstance(header, dict) and str(header.get("key")).lower() == "x-request-id":
            return str(header.get("value"))
    return None


def _part(of: dict[str, Any], name: str) -> dict[str, Any]:
    value = of.get(name)
    return value if isinstance(value, dict) else {}
