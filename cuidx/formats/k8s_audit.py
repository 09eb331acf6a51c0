"""The audit log of kube-apiserver: who changed which Pod, and what its status was.

    {"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Request","auditID":"43c0…","stage":
    "ResponseComplete","verb":"delete","user":{"username":"system:node:node-2"},"objectRef":{…},…}

A call has several stages: its last one is the record, the others are skipped. Bodies, and with them
addresses, are there from the level Request on. The first delete is only the order to end; that of
the node, with a grace period of 0, comes when all is over. A call that failed changed nothing.

Source: Kubernetes, audit.k8s.io/v1; kubelet's status manager, which deletes.
"""

from __future__ import annotations

from typing import Any, Final

from cuidx.formats.base import Example, Sample, whole_lines
from cuidx.formats.documents import Adapted, all_texts
from cuidx.formats.k8s_objects import part, pod
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

NAME: Final = "k8s-audit"
TITLE: Final = "audit log of kube-apiserver"
SOURCE: Final = "Kubernetes API reference, audit.k8s.io/v1; public audit.log captures"

PARTS: Final = (
    ("a JSON object", r"^\s*\{"),
    ("apiVersion audit.k8s.io", r'"apiVersion"\s*:\s*"audit\.k8s\.io/'),
    ("the key auditID", r'"auditID"\s*:'),
)
_CALL: Final = (
    '{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"43c0ff8a",'
    '"stage":"ResponseComplete","requestURI":"/api/v1/namespaces/shop/pods/payment-0",'
)
SAMPLES: Final = (
    Example(  # the node's delete: it is over
        _CALL
        + '"verb":"delete","user":{"username":"system:node:node-2"},"sourceIPs":["10.10.1.12"],'
        '"objectRef":{"resource":"pods","namespace":"shop","name":"payment-0","uid":"8ac1e0b2"},'
        '"responseStatus":{"code":200},"requestObject":{"kind":"DeleteOptions",'
        '"gracePeriodSeconds":0},"requestReceivedTimestamp":"2026-11-02T09:00:05.910400Z"}',
        {
            "time": "2026-11-02T09:00:05.910400Z",
            "namespace": "shop",
            "pod": "payment-0",
            "pod_uid": "8ac1e0b2",
            "node": "node-2",
            "source_ip": "10.10.1.12",
            "request_id": "43c0ff8a",
            "lease": "release",
            "kind": "evidence",
        },
    ),
    Example(
        _CALL
        + '"verb":"patch","user":{"username":"system:node:node-2"},"sourceIPs":["10.10.1.12"],'
        '"objectRef":{"resource":"pods","namespace":"shop","name":"payment-0","subresource":'
        '"status"},"responseStatus":{"code":200},"requestObject":{"metadata":{"uid":"d97f3b15"},'
        '"status":{"phase":"Running","podIP":"10.10.11.2","hostIP":"10.10.1.12","startTime":'
        '"2026-11-02T09:00:06Z"}},"requestReceivedTimestamp":"2026-11-02T09:00:07.402551Z"}',
        {
            "time": "2026-11-02T09:00:07.402551Z",
            "pod_uid": "d97f3b15",
            "ip": "10.10.11.2",
            "host_ip": "10.10.1.12",
            "started": "2026-11-02T09:00:06Z",
            "held_to": "2026-11-02T09:00:07.402551Z",
            "state": "open",
            "kind": "evidence",
        },
    ),
)

cut = whole_lines

ADAPTS: Final = frozenset({"auditID"})
_NODE: Final = "system:node:"
_FAILED: Final = 400  # from this HTTP code on


def sniff(sample: Sample) -> float:
    """Share of lines that are audit records."""
    return sample.share(sum(map(_fits, sample.documents)))


def _fits(document: dict[str, Any]) -> bool:
    version = document.get("apiVersion")
    return "auditID" in document and isinstance(version, str) and version.startswith("audit.k8s.io")


def adapt(document: dict[str, Any]) -> Adapted | None:
    """What an audit record says; None if it is none."""
    if not _fits(document):
        return None
    if document.get("stage") in ("RequestReceived", "ResponseStarted"):
        return {"kind": "skipped", "names": False}
    about, verb = part(document, "objectRef"), str(document.get("verb") or "")
    code = part(document, "responseStatus").get("code")
    time = document.get("requestReceivedTimestamp")
    roles: Adapted = {
        "kind": "evidence",
        "names": False,
        "time": time,
        "message": f"{verb} {document.get('requestURI') or ''} {code or ''}".rstrip(),
        "namespace": about.get("namespace"),
        "source_ip": all_texts(document.get("sourceIPs")),
        "request_id": document.get("auditID"),
    }
    if about.get("resource") != "pods" or about.get("apiGroup"):
        return roles
    asked, given = _body(document, "requestObject"), _body(document, "responseObject")
    if asked.get("kind") == "Binding":
        roles["node"] = part(asked, "target").get("name")
    said = given if part(given, "status") else asked  # of a Status it is a word
    meta = part(given, "metadata")
    roles["pod"] = about.get("name") or meta.get("name") or part(asked, "metadata").get("name")
    roles["pod_uid"] = (
        about.get("uid") or meta.get("uid") or part(asked, "metadata").get("uid")
        or part(asked, "preconditions").get("uid")
    )  # fmt: skip
    user = str(part(document, "user").get("username") or "")
    node = user.removeprefix(_NODE) if user.startswith(_NODE) else None
    roles["node"] = roles.get("node") or node
    failed = not isinstance(code, int) or code >= _FAILED
    if failed or "dryRun=" in str(document.get("requestURI")):
        return roles
    over = verb == "delete" and not about.get("subresource") and node is not None and (
        asked.get("gracePeriodSeconds") == 0 or meta.get("deletionGracePeriodSeconds") == 0
    )  # fmt: skip
    if part(said, "status"):
        told = pod(said, time if isinstance(time, str) else None, gone=over)
        roles.update((role, told[role]) for role in (_OF_POD if over else _OF_STATUS))
        roles["node"] = told["node"] or roles["node"]
    if over:
        roles["lease"] = "release"
    return roles


# What a Pod's status in a body says. When the Pod is over, the call itself says from when on.
_OF_POD: Final = ("service", "container_name", "container_id", "restart", "ip", "holds", "host_ip",
                  "started", "ended", "members")  # fmt: skip
_OF_STATUS: Final = (*_OF_POD, "held_from", "held_to", "lease", "state")


def _body(document: dict[str, Any], name: str) -> dict[str, Any]:
    """A body that speaks of a Pod; a list of them speaks of no single one."""
    body = part(document, name)
    return body if "items" not in body else {}
