"""Evidence formats: the traps of each, a broken record in the middle, and the leases of the samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from stories import FIXTURES

import cuidx
from cuidx import times
from cuidx.formats.base import Block, Reading
from cuidx.formats.registry import BY_NAME, begin, detect

FOLDER = FIXTURES / "formats"
Row = dict[str, Any]


def rows(name: str, text: str, reading: Reading | None = None) -> list[Row]:
    """What NAME's parse reads from TEXT, the columns that have a value; container ids are bare."""
    frame = BY_NAME[name].parse(Block(text.encode(), 1), reading or Reading(strict_json=True))
    found = []
    for row in frame.to_dicts():
        if row.get("container_id"):
            row["container_id"] = row["container_id"].partition("://")[2] or row["container_id"]
        found.append({role: value for role, value in row.items() if value is not None})
    return found


def picked(found: list[Row], *roles: str) -> list[tuple[Any, ...]]:
    return [tuple(row.get(role) for role in roles) for row in found]


# -- Pods -----------------------------------------------------------------------------------------


def container(name: str, ident: str, restart: int = 0, **state: Any) -> Row:
    return {"name": name, "containerID": f"containerd://{ident}", "restartCount": restart, **state}


def running(at: str) -> Row:
    return {"state": {"running": {"startedAt": at}}}


def ended(at: str, until: str) -> Row:
    return {"state": {"terminated": {"startedAt": at, "finishedAt": until}}}


def pod(uid: str = "u1", *, spec: Row | None = None, meta: Row | None = None, **status: Any) -> Row:
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "p", "namespace": "n", "uid": uid, **(meta or {})},
        "spec": {"nodeName": "node-1", **(spec or {})},
        "status": {"phase": "Running", "hostIP": "10.9.0.1", "podIP": "10.0.0.1",
                   "startTime": "2026-11-02T09:00:00Z", **status},
    }  # fmt: skip


T = "2026-11-02T09:{:02}:00Z".format
POD_TRAPS = {
    "running: held at the newest time of the file, open": (
        [pod(containerStatuses=[container("a", "c1", **running(T(1)))]), pod("u2", startTime=T(5))],
        [("10.0.0.1", T(5), T(5), None, "open", "c1"), ("10.0.0.1", T(5), T(5), None, "open", None)],
    ),
    "succeeded: podIP stays, it was given back at the last end": (
        [pod(phase="Succeeded", containerStatuses=[container("a", "c1", **ended(T(1), T(2))),
                                                   container("b", "c2", **ended(T(1), T(3)))])],
        [("10.0.0.1", T(3), T(3), "release", None, None)],
    ),
    "failed without a container: nothing says how long it had its address": (
        [pod(phase="Failed", reason="Evicted")],
        [(None, T(0), T(0), None, None, None)],
    ),
    "on its node's network: the address is the node's": (
        [pod(spec={"hostNetwork": True}, podIP="10.9.0.1")],
        [(None, T(0), T(0), None, "open", None)],
    ),
    "hostNetwork is not said (a part of a Pod), but the address is the node's": (
        [pod(podIP="10.9.0.1")],
        [(None, T(0), T(0), None, "open", None)],
    ),
    "pending: no address yet": (
        [pod(phase="Pending", podIP=None)],
        [(None, T(0), T(0), None, "open", None)],
    ),
    "a deletionTimestamp is a deadline, no time of death": (
        [pod(meta={"deletionTimestamp": T(40)}, containerStatuses=[container("a", "c", **running(T(1)))])],
        [("10.0.0.1", T(1), T(1), None, "open", "c")],
    ),
    "the API's own items carry no kind": (
        [{"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [
            {key: value for key, value in pod().items() if key not in ("kind", "apiVersion")}]}],
        [("10.0.0.1", T(0), T(0), None, "open", None)],
    ),
    "the same Pod again and again: each time as it was then": (
        [pod(phase="Pending", podIP=None), pod(startTime=T(3)),
         pod(phase="Succeeded", containerStatuses=[container("a", "c1", **ended(T(1), T(9)))])],
        [(None, T(0), T(0), None, "open", None), ("10.0.0.1", T(3), T(3), None, "open", None),
         ("10.0.0.1", T(9), T(9), "release", None, "c1")],
    ),
}  # fmt: skip
LEASED = ("ip", "held_from", "held_to", "lease", "state", "container_id")


@pytest.mark.parametrize("indent", [None, 4], ids=["one a line", "indented"])
@pytest.mark.parametrize("trap", POD_TRAPS)
def test_what_pods_say_of_addresses(trap: str, indent: int | None) -> None:
    documents, expected = POD_TRAPS[trap]
    text = "\n".join(json.dumps(one, indent=indent) for one in documents)
    found = rows("k8s-pods", text)
    assert picked(found, *LEASED) == expected
    assert {row["kind"] for row in found} == {"evidence"}
    assert detect(text.encode(), "f").format.NAME == "k8s-pods"


def test_containers_of_all_kinds_are_members_and_so_is_the_one_before_a_restart() -> None:
    before = {"lastState": {"terminated": {"containerID": "containerd://c1", "startedAt": T(1),
                                           "finishedAt": T(2)}}}  # fmt: skip
    waits = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    same = {"lastState": {"terminated": {"containerID": "containerd://c4", "startedAt": T(3),
                                         "finishedAt": T(4)}}}  # fmt: skip
    (row,) = rows("k8s-pods", json.dumps(pod(
        initContainerStatuses=[container("init", "c0", **ended(T(0), T(1)))],
        containerStatuses=[container("a", "c2", 1, **before, **running(T(3))),
                           container("b", "c4", 7, **same, **waits),
                           {"name": "not yet", "restartCount": 0, "state": {"waiting": {}}}],
        ephemeralContainerStatuses=[container("debug", "c5", **running(T(5)))],
    )))  # fmt: skip
    keys = ("name", "id", "restart", "started", "ended", "state")
    assert [tuple(one[key] for key in keys) for one in json.loads(row["members"])] == [
        ("init", "c0", 0, T(0), T(1), None),
        ("a", "c1", 0, T(1), T(2), None),
        ("a", "c2", 1, T(3), None, "open"),
        ("b", "c4", 7, T(3), T(4), None),
        ("debug", "c5", 0, T(5), None, "open"),
    ]
    assert "container_id" not in row  # several containers: the Pod alone is named


def test_a_pod_of_both_families_holds_both_addresses() -> None:
    (row,) = rows("k8s-pods", json.dumps(pod(podIPs=[{"ip": "10.0.0.1"}, {"ip": "fd00::7"}],
                                             hostIPs=[{"ip": "10.9.0.1"}, {"ip": "fd09::1"}])))  # fmt: skip
    assert (row["ip"], row["holds"], row["host_ip"]) == (
        "10.0.0.1",
        "=fd00::7",
        "10.9.0.1, fd09::1",
    )


def test_what_is_neither_pod_nor_event_is_skipped() -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
               "spec": {"clusterIP": "10.1.0.1"}, "status": {}}  # fmt: skip
    text = json.dumps({"apiVersion": "v1", "items": [service, pod()], "kind": "List"}, indent=1)
    assert picked(rows("k8s-pods", text), "kind", "ip") == [
        ("skipped", None),
        ("evidence", "10.0.0.1"),
    ]


# -- a watch --------------------------------------------------------------------------------------


def change(what: str, of: Row) -> Row:
    return {"type": what, "object": of}


STATUS = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Expired",
          "message": "too old resource version: 1 (2)", "code": 410}  # fmt: skip
WATCH_TRAPS = {
    "DELETED carries the last state, with its address; no end is in it": (
        [change("DELETED", pod(containerStatuses=[container("a", "c1", **running(T(3)))]))],
        [("10.0.0.1", T(3), T(3), None, None, "c1")],
    ),
    "DELETED after all its containers ended: given back at the last end": (
        [change("DELETED", pod(containerStatuses=[container("a", "c1", **ended(T(1), T(4)))]))],
        [("10.0.0.1", T(4), T(4), "release", None, "c1")],
    ),
    "between two runs of its only container a Pod keeps its address": (
        [change("MODIFIED", pod(containerStatuses=[container("a", "c1", **ended(T(1), T(4)))]))],
        [("10.0.0.1", T(4), T(4), None, "open", "c1")],
    ),
    "ADDED, pending": (
        [change("ADDED", pod(phase="Pending", podIP=None))],
        [(None, T(0), T(0), None, "open", None)],
    ),
    "each document has its own newest time": (
        [change("ADDED", pod("u1")), change("MODIFIED", pod("u2", startTime=T(7)))],
        [("10.0.0.1", T(0), T(0), None, "open", None), ("10.0.0.1", T(7), T(7), None, "open", None)],
    ),
    "a bookmark is skipped": (
        [change("ADDED", pod()), change("BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": "9"}})],
        [("10.0.0.1", T(0), T(0), None, "open", None), (None,) * 6],
    ),
}  # fmt: skip


@pytest.mark.parametrize("indent", [None, 4], ids=["one a line", "indented"])
@pytest.mark.parametrize("trap", WATCH_TRAPS)
def test_what_a_watch_says_of_addresses(trap: str, indent: int | None) -> None:
    documents, expected = WATCH_TRAPS[trap]
    text = "\n".join(json.dumps(one, indent=indent) for one in documents)
    assert picked(rows("k8s-pods-watch", text), *LEASED) == expected
    assert detect(text.encode(), "f").format.NAME == "k8s-pods-watch"


def test_a_watch_that_broke_off_is_said() -> None:
    reading = Reading()
    text = "\n".join(map(json.dumps, [change("ADDED", pod()), change("ERROR", STATUS)]))
    assert picked(rows("k8s-pods-watch", text, reading), "kind") == [("evidence",), ("skipped",)]
    assert reading.notes == {"the watch broke off (too old resource version: 1 (2)): what happened "
                             "until it was begun again is missing"}  # fmt: skip


# -- Events ---------------------------------------------------------------------------------------

ABOUT = {
    "kind": "Pod",
    "namespace": "n",
    "name": "p",
    "uid": "u1",
    "fieldPath": "spec.containers{a}",
}
EVENT_TRAPS = {
    "the time in microseconds is the better one": (
        {"involvedObject": ABOUT, "reason": "Scheduled", "eventTime": "2026-11-02T09:00:06.021344Z",
         "lastTimestamp": T(1)},
        ("2026-11-02T09:00:06.021344Z", "u1", None),
    ),
    "repeats are folded: the last one counts": (
        {"involvedObject": ABOUT, "reason": "Started", "eventTime": None, "firstTimestamp": T(1),
         "lastTimestamp": T(9), "count": 3},
        (T(9), "u1", "start"),
    ),
    "events.k8s.io: other names": (
        {"regarding": ABOUT, "reason": "Killing", "eventTime": None, "deprecatedLastTimestamp": T(2),
         "note": "Stopping container a"},
        (T(2), "u1", "stop"),
    ),
    "events.k8s.io: a series": (
        {"regarding": ABOUT, "reason": "BackOff", "eventTime": "2026-11-02T09:01:00.000001Z",
         "series": {"count": 4, "lastObservedTime": "2026-11-02T09:07:00.000001Z"}},
        ("2026-11-02T09:07:00.000001Z", "u1", None),
    ),
    "no time at all but the object's": (
        {"involvedObject": ABOUT, "reason": "Killing", "metadata": {"creationTimestamp": T(3)}},
        (T(3), "u1", "stop"),
    ),
    "a node's event speaks of no Pod": (
        {"involvedObject": {"kind": "Node", "name": "node-1", "uid": "x"}, "reason": "Started",
         "lastTimestamp": T(4)},
        (T(4), None, None),
    ),
}  # fmt: skip


@pytest.mark.parametrize("trap", EVENT_TRAPS)
def test_what_events_say(trap: str) -> None:
    event, expected = EVENT_TRAPS[trap]
    text = json.dumps({"apiVersion": "v1", "kind": "Event", **event})
    assert picked(rows("k8s-events", text), "time", "pod_uid", "lifecycle") == [expected]
    assert detect(text.encode(), "f").format.NAME == "k8s-events"


def test_a_public_watch_of_events_is_read() -> None:
    path = FIXTURES / "public" / "docker" / "k8s-events" / "watch_v1_with_lastTimestamp.json"
    (row,) = rows("k8s-events", path.read_text())
    assert detect(path.read_bytes(), "f").format.NAME == "k8s-events"
    assert (row["time"], row["pod_uid"], row["node"]) == (
        "2024-07-31T18:47:15Z", "d5cd8257-e28a-4e64-8b29-6358309d7196", "minikube")  # fmt: skip


# -- Prometheus -----------------------------------------------------------------------------------


def series(values: list[int], name: str = "kube_pod_info", **labels: str) -> Row:
    known = {"__name__": name, "namespace": "n", "pod": "p", "uid": "u1"}
    return {"metric": {**known, **labels}, "values": [[at, "1"] for at in values]}


def answer(*result: Row, kind: str = "matrix", **more: Any) -> Row:
    return {"status": "success", "data": {"resultType": kind, "result": list(result)}, **more}


PROMETHEUS_TRAPS: dict[str, tuple[list[Row], list[tuple[Any, ...]]]] = {
    "it ends before the answer does: the end is soft": (
        [answer(series([100, 160], pod_ip="10.0.0.1"), series([100, 160, 220], pod_ip="10.0.0.2", uid="u2"))],
        [("u1", "10.0.0.1", "100", "160", "true"), ("u2", "10.0.0.2", "100", "220", None)],
    ),
    "a hole in all series ends none": (
        [answer(series([100, 700, 760], pod_ip="10.0.0.1"))],
        [("u1", "10.0.0.1", "100", "760", None)],
    ),
    "one Pod before and after it got its address": (
        [answer(series([100]), series([160], pod_ip="10.0.0.1"))],
        [("u1", None, "100", "100", "true"), ("u1", "10.0.0.1", "160", "160", None)],
    ),
    "its node's network": (
        [answer(series([100], pod_ip="10.9.0.1", host_ip="10.9.0.1", host_network="true"))],
        [("u1", None, "100", "100", None)],
    ),
    "its node's network, said by the other metric": (
        [answer(series([100], pod_ip="10.9.0.1", host_network="true"),
                series([100], "kube_pod_ips", ip="10.9.0.1"),
                series([100], "kube_pod_ips", ip="10.0.0.2", uid="u2"))],
        [("u1", None, "100", "100", None), ("u1", None, "100", "100", None),
         ("u2", "10.0.0.2", "100", "100", None)],
    ),
    "an instant": (
        [answer({"metric": series([], pod_ip="10.0.0.1")["metric"], "value": [100.5, "1"]}, kind="vector")],
        [("u1", "10.0.0.1", "100.5", "100.5", None)],
    ),
    "two answers, each with its own end": (
        [answer(series([100, 160], pod_ip="10.0.0.1")), answer(series([220], pod_ip="10.0.0.1"))],
        [("u1", "10.0.0.1", "100", "160", None), ("u1", "10.0.0.1", "220", "220", None)],
    ),
    "other metrics are skipped": (
        [answer(series([100], pod_ip="10.0.0.1"), {"metric": {"__name__": "up"}, "values": [[100, "1"]]})],
        [("u1", "10.0.0.1", "100", "100", None), (None,) * 5],
    ),
}  # fmt: skip


@pytest.mark.parametrize("indent", [None, 1], ids=["as it comes", "indented"])
@pytest.mark.parametrize("trap", PROMETHEUS_TRAPS)
def test_what_prometheus_says(trap: str, indent: int | None) -> None:
    answers, expected = PROMETHEUS_TRAPS[trap]
    text = "\n".join(json.dumps(one, indent=indent) for one in answers)
    found = rows("prometheus-pod-info", text)
    assert picked(found, "pod_uid", "ip", "held_from", "held_to", "soft") == expected
    assert detect(text.encode(), "f").format.NAME == "prometheus-pod-info"


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (answer(series([1]), warnings=["results truncated"]), "Prometheus warns of its answer: results truncated"),
        ({"status": "error", "errorType": "timeout", "error": "query timed out"},
         "Prometheus answered with an error: query timed out"),
    ],
)  # fmt: skip
def test_what_prometheus_says_of_its_answer_is_said(text: Row, note: str) -> None:
    reading = Reading()
    rows("prometheus-pod-info", json.dumps(text), reading)
    assert reading.notes == {note}


# -- audit ----------------------------------------------------------------------------------------


def call(verb: str, user: str = "system:node:node-1", code: int | None = 200, **more: Any) -> Row:
    about = {
        "resource": "pods",
        "namespace": "n",
        "name": "p",
        "uid": "u1",
        **more.pop("about", {}),
    }
    return {
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "RequestResponse", "auditID": "a-1",
        "stage": "ResponseComplete", "requestURI": "/api/v1/namespaces/n/pods/p", "verb": verb,
        "user": {"username": user}, "sourceIPs": ["10.9.0.1"], "objectRef": about,
        "responseStatus": {"code": code}, "requestReceivedTimestamp": T(5), **more,
    }  # fmt: skip


NOW = {"requestObject": {"kind": "DeleteOptions", "gracePeriodSeconds": 0}}
BODY = {"status": {"phase": "Running", "podIP": "10.0.0.1", "hostIP": "10.9.0.1"}}
AUDIT_TRAPS: dict[str, tuple[Row, tuple[Any, ...]]] = {
    "the node's delete at once is the end": (
        call("delete", **NOW), ("evidence", "u1", None, "release", None)),
    "so it is where the answer alone says how": (
        call("delete", responseObject=pod(meta={"deletionGracePeriodSeconds": 0})),
        ("evidence", "u1", "10.0.0.1", "release", None)),
    "the first delete is only the order": (
        call("delete", "system:serviceaccount:kube-system:statefulset-controller",
             responseObject=pod(meta={"deletionGracePeriodSeconds": 30})),
        ("evidence", "u1", "10.0.0.1", None, "open")),
    "a user's forced delete does not stop the containers": (
        call("delete", "alice", **NOW), ("evidence", "u1", None, None, None)),
    "a call that failed changed nothing": (
        call("delete", code=409, **NOW), ("evidence", "u1", None, None, None)),
    "a status that was refused": (
        call("patch", code=409, requestObject=BODY), ("evidence", "u1", None, None, None)),
    "a dry run": (
        call("delete", requestURI="/api/v1/namespaces/n/pods/p?dryRun=All", **NOW),
        ("evidence", "u1", None, None, None)),
    "the node tells the Pod's status": (
        call("patch", about={"subresource": "status"}, requestObject=BODY),
        ("evidence", "u1", "10.0.0.1", None, "open")),
    "on the node's network": (
        call("patch", about={"subresource": "status"},
             requestObject={"status": {"phase": "Running", "podIP": "10.9.0.1", "hostIP": "10.9.0.1"}}),
        ("evidence", "u1", None, None, "open")),
    "the level Metadata has no bodies": (
        call("get", "alice", about={"uid": None, "subresource": "log"}),
        ("evidence", None, None, None, None)),
    "the stage before is the same call": (
        call("delete", stage="RequestReceived", **NOW), ("skipped", None, None, None, None)),
    "other resources": (
        call("update", about={"resource": "configmaps"}), ("evidence", None, None, None, None)),
    "a Status is no Pod": (
        call("delete", about={"uid": None}, responseObject={"kind": "Status", "status": "Success"}, **NOW),
        ("evidence", None, None, "release", None)),
}  # fmt: skip


@pytest.mark.parametrize("trap", AUDIT_TRAPS)
def test_what_audit_records_say(trap: str) -> None:
    record, expected = AUDIT_TRAPS[trap]
    text = json.dumps(record)
    assert picked(rows("k8s-audit", text), "kind", "pod_uid", "ip", "lease", "state") == [expected]
    assert detect(text.encode(), "f").format.NAME == "k8s-audit"


def test_an_audit_record_has_all_the_addresses_it_came_through_and_its_id() -> None:
    (row,) = rows("k8s-audit", json.dumps(call("get", sourceIPs=["203.0.113.24", "10.9.0.9"])))
    assert (row["source_ip"], row["request_id"]) == ("203.0.113.24, 10.9.0.9", "a-1")


# -- network plugins and runtimes -----------------------------------------------------------------


def zap(
    msg: str, caller: str = "ipamd/rpc_handler.go:353", ts: str = "2026-11-02T09:00:05.701Z"
) -> str:
    return json.dumps({"level": "info", "ts": ts, "caller": caller, "msg": msg})


S = "6327bffa3f317e243ad00ce41e4a0934f3596b91d631edb850db3f21b051803d"
OLD = "2019-05-10T09:12:36.102Z [INFO] "
IPAMD_TRAPS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "1.7": (zap(f"AssignPodIPv4Address: Assign IP 10.0.0.1 to sandbox aws-cni/{S}/eth0"),
            ("evidence", "10.0.0.1", "assign", S, None)),
    "1.18": (zap(f"assignPodIPAddressUnsafe: Assign IP 10.0.0.1 to sandbox aws-cni/{S}/eth0"),
             ("evidence", "10.0.0.1", "assign", S, None)),
    "given back, 1.7": (zap(f"UnAssignPodIPv4Address: Unassign IP 10.0.0.1 from sandbox aws-cni/{S}/eth0"),
                        ("evidence", "10.0.0.1", "release", S, None)),
    "given back, 1.18": (zap(f"unassignPodIPAddressUnsafe: Unassign IP fd00::7 from sandbox aws-cni/{S}/eth0"),
                         ("evidence", "fd00::7", "release", S, None)),
    "a sandbox from before an upgrade": (
        zap(f"UnAssignPodIPAddress: Unassign IP 10.0.0.1 from sandbox _migrated-from-cri/{S}/unknown"),
        ("evidence", "10.0.0.1", "release", S, None)),
    "a request names the Pod": (
        zap(f'AddNetworkRequest: ClientVersion:"v1.9.1" K8S_POD_NAME:"p"  K8S_POD_NAMESPACE:"n"  '
            f'K8S_POD_INFRA_CONTAINER_ID:"{S}"  ContainerID:"{S}"  IfName:"eth0"'),
        ("evidence", None, None, S, "n/p")),
    "a reply repeats the address, not whose it is": (
        zap("Send AddNetworkReply: IPv4Addr 10.0.0.1, IPv6Addr: , DeviceNumber: 1, err: <nil>"),
        ("evidence", None, None, None, None)),
    "the daemon's own log": (
        zap("Returning Free IP 10.0.0.1", "datastore/data_store.go:799"), ("event", None, None, None, None)),
    "nothing was given": (
        zap("Unable to get IP address from CIDR: No free IP in the CIDR store"),
        ("event", None, None, None, None)),
    "text of 1.5": (
        f"{OLD}AssignPodIPv4Address: Assign IP 10.0.0.1 to pod (name p, namespace n container {S})",
        ("evidence", "10.0.0.1", "assign", S, "n/p")),
    "text of 1.5, given back": (
        f"{OLD}UnassignPodIPv4Address: pod (Name: p, NameSpace n Container {S})'s ipAddr 10.0.0.1, DeviceNumber0",
        ("evidence", "10.0.0.1", "release", S, "n/p")),
    "text of 1.5, found again after a restart": (
        f"{OLD}AssignPodIPv4Address: Reassign IP 10.0.0.1 to pod (name p, namespace n)",
        ("evidence", "10.0.0.1", None, None, "n/p")),
    "text of 1.5, a request": (
        f"{OLD}Received DelNetwork for IP 10.0.0.1, Pod p, Namespace n, Container {S}",
        ("evidence", "10.0.0.1", None, S, "n/p")),
}  # fmt: skip
FIELDS = ("kind", "ip", "lease", "sandbox_id")


def named(row: Row) -> str | None:
    return f"{row.get('namespace')}/{row['pod']}" if "pod" in row else None


@pytest.mark.parametrize("trap", IPAMD_TRAPS)
def test_what_ipamd_says(trap: str) -> None:
    line, expected = IPAMD_TRAPS[trap]
    (row,) = rows("aws-ipamd", line)
    assert (*picked([row], *FIELDS)[0], named(row)) == expected


def test_a_zap_program_without_an_ipamd_caller_is_not_ipamd() -> None:
    other = "\n".join(zap("started", "cmd/main.go:7") for _ in range(3))
    assert detect(other.encode(), "f").format.NAME == "jsonl-flat"
    some = other + "\n" + zap("started")
    assert detect(some.encode(), "f").format.NAME == "aws-ipamd"
    old = "\n".join(line for line, _ in IPAMD_TRAPS.values() if line.startswith(OLD))
    assert detect(old.encode(), "f").format.NAME == "aws-ipamd"


def calico(text: str, file: str = "ipam/ipam_plugin.go 283") -> str:
    return f"2026-11-02 10:00:06.180 [INFO][4133] {file}: {text}"


ENDS = f'ContainerID="{S}" HandleID="k8s-pod-network.{S}" Workload="node--2-k8s-a--k8s--b-eth0"'
CALICO_TRAPS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "the block's size is no part of the address": (
        calico(f"Calico CNI IPAM assigned addresses IPv4=[10.0.0.1/26] IPv6=[] {ENDS}"),
        ("evidence", "10.0.0.1", "assign", S, "None/a-k8s-b")),
    "IPv6 alone": (
        calico(f"Calico CNI IPAM assigned addresses IPv4=[] IPv6=[fd00::7/122] {ENDS}"),
        ("evidence", "fd00::7", "assign", S, "None/a-k8s-b")),
    "none was free": (
        calico(f"Calico CNI IPAM assigned addresses IPv4=[] IPv6=[] {ENDS}"),
        ("evidence", None, None, S, "None/a-k8s-b")),
    "a release names no address": (
        calico(f"Released address using handleID {ENDS}"),
        ("evidence", None, "release", S, "None/a-k8s-b")),
    "about to release": (
        calico(f"Releasing address using handleID {ENDS}"), ("evidence", None, None, S, "None/a-k8s-b")),
    "there was nothing to release": (
        calico(f"Asked to release address but it doesn't exist. Ignoring {ENDS}").replace("INFO", "WARNING"),
        ("evidence", None, None, S, "None/a-k8s-b")),
    "behind syslog, an older file name": (
        "Feb 18 02:36:35 orion kubelet[1130554]: 2021-02-18 02:36:35.427 [INFO][1182279] ipam_plugin.go 255: "
        f"Calico CNI IPAM assigned addresses IPv4=[192.168.46.3/26] IPv6=[] {ENDS}",
        ("evidence", "192.168.46.3", "assign", S, "None/a-k8s-b")),
    "the IPAM's own steps": (
        calico("Auto-assigned 1 out of 1 IPv4s: [10.0.0.1/26] handle=\"x\" host=\"node-2\"", "ipam/ipam.go 706"),
        ("event", None, None, None, None)),
}  # fmt: skip


@pytest.mark.parametrize("trap", CALICO_TRAPS)
def test_what_calico_says(trap: str) -> None:
    line, expected = CALICO_TRAPS[trap]
    (row,) = rows("calico-cni", line)
    assert (*picked([row], *FIELDS)[0], named(row)) == expected


@pytest.mark.parametrize(
    ("utc", "zone"),
    [("09:00:06", "+01:00"), ("15:30:06", "-05:30"), ("04:14:40", "+05:45"), ("10:00:04", None)],
)
def test_a_stamp_in_utc_shows_the_zone_of_the_node(utc: str, zone: str | None) -> None:
    line = calico(f'Auto assigning IP {ENDS} Attrs:map[string]string{{"timestamp":"2026-11-02 {utc}.143861207 '
                  '+0000 UTC"}', "ipam/ipam_plugin.go 265")  # fmt: skip
    reading = Reading()
    begin(BY_NAME["calico-cni"], reading, (calico(f"Released {ENDS}") + "\n" + line).encode(), "f")
    assert reading.notes == (set() if zone is None else {
        f"Calico writes local times without a zone; a stamp in line 2 shows {zone}: --tz {zone} reads them so"
    })  # fmt: skip


def test_an_offset_is_a_zone() -> None:
    case = cuidx.open_case(FOLDER / "calico-cni.log", tz="+01:00")
    (part,) = case._story.records.parts(frozenset({"time"}))
    assert part.frame.select(times.text(pl.col("time")))["time"][0] == "2026-11-02T09:00:05.640Z"
    text = pl.Series(["2026-11-02 10:00:05.640"])
    east, west = (times.parse(text, tz)[0] for tz in ("+05:45", "-05:30"))
    assert east.dt.to_string("%H:%M:%S%.3f").to_list() == ["04:15:05.640"]
    assert west.dt.to_string("%H:%M:%S%.3f").to_list() == ["15:30:05.640"]
    assert times.point("2026-11-02 10:00", newest=None, tz="+01:00") == times.point(
        "2026-11-02T09:00Z", newest=None
    )
    with pytest.raises(cuidx.CuidxError, match=r"no zone is called '\+25:00'"):
        cuidx.open_case(FOLDER / "calico-cni.log", tz="+25:00")


def logrus(msg: str, level: str = "info") -> str:
    return f'time="2026-11-02T09:00:05.210448120Z" level={level} msg="{msg}"'


Q = '\\"' + S + '\\"'
META = "&PodSandboxMetadata{Name:p,Uid:u1,Namespace:n,Attempt:0,}"
NEW = 'name:\\"p\\" uid:\\"u1\\" namespace:\\"n\\"'
#                                                      sandbox, container, lifecycle, lease, Pod
CONTAINERD_TRAPS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "a sandbox is of a Pod": (
        logrus(f"RunPodSandbox for {META} returns sandbox id {Q}"), (S, None, None, None, "n/p", "u1")),
    "the same, 2.1": (
        logrus(f"RunPodSandbox for {NEW} returns sandbox id {Q}"), (S, None, None, None, "n/p", "u1")),
    "it is about to run": (logrus(f"RunPodSandbox for {META}"), (None, None, None, None, "n/p", "u1")),
    "it could not run": (
        logrus(f"RunPodSandbox for {META} failed, error", "error"), (None, None, None, None, "n/p", "u1")),
    "a container is in a sandbox": (
        logrus(f"CreateContainer within sandbox {Q} for &ContainerMetadata{{Name:a,Attempt:1,}} returns "
               'container id \\"d89f\\"'), (S, "d89f", None, None, None, None)),
    "it started": (logrus(f"StartContainer for {Q} returns successfully"), (None, S, "start", None, None, None)),
    "it could not start": (logrus(f"StartContainer for {Q} failed", "error"), (None, S, None, None, None, None)),
    "it stops": (logrus(f"StopContainer for {Q} with timeout 30 (s)"), (None, S, "stop", None, None, None)),
    "it stopped": (logrus(f"StopContainer for {Q} returns successfully"), (None, S, "stop", None, None, None)),
    "the network is down: the address may pass on": (
        logrus(f"TearDown network for sandbox {Q} successfully"), (S, None, None, "release", None, None)),
    "it is not yet": (logrus(f"StopPodSandbox for {Q}"), (S, None, None, None, None, None)),
}  # fmt: skip


@pytest.mark.parametrize("prefix", ["", "Nov  2 10:00:05 node-2 containerd[812]: ",
                                    "2026-11-02T10:00:05.210+01:00 node-2 containerd[812]: "])  # fmt: skip
@pytest.mark.parametrize("trap", CONTAINERD_TRAPS)
def test_what_containerd_says(trap: str, prefix: str) -> None:
    line, expected = CONTAINERD_TRAPS[trap]
    (row,) = rows("containerd", prefix + line)
    found = picked([row], "sandbox_id", "container_id", "lifecycle", "lease")[0]
    assert (*found, named(row), row.get("pod_uid")) == expected
    assert (row["kind"], row["time"]) == ("evidence", "2026-11-02T09:00:05.210448120Z")
    assert row.get("node") == ("node-2" if prefix else None)


def test_other_programs_in_the_same_frame_are_no_containerd() -> None:
    other = "\n".join(
        [logrus("API listen on /var/run/docker.sock"), logrus("Loading containers: done.")]
    )
    assert detect(other.encode(), "f").format.NAME != "containerd"
    both = other + "\n" + logrus(f"StopPodSandbox for {Q}")
    assert detect(both.encode(), "f").format.NAME == "containerd"
    assert picked(rows("containerd", both), "kind") == [("event",), ("event",), ("evidence",)]


def test_evidence_is_known_in_an_envelope() -> None:
    line = logrus(f"RunPodSandbox for {META} returns sandbox id {Q}")
    text = json.dumps({"log": line + "\n", "stream": "stdout", "time": "2026-11-02T09:00:09Z"})
    assert picked(rows("jsonl-flat", text), "kind", "sandbox_id", "pod_uid") == [
        ("evidence", S, "u1")
    ]
    text = json.dumps({"_index": "audit", "_id": "1", "_source": call("delete", **NOW)})
    assert picked(rows("elasticdump", text), "kind", "pod_uid", "lease") == [
        ("evidence", "u1", "release")
    ]


def test_ipamd_is_read_the_same_the_quick_way(tmp_path: Path) -> None:
    line = zap(f"assignPodIPAddressUnsafe: Assign IP 10.0.0.1 to sandbox aws-cni/{S}/eth0") + "\n"
    idle = (
        zap("IP stats for Network Card 0 - total IPs: 18, assigned IPs: 3", "ipamd/ipamd.go:785")
        + "\n"
    )
    path = tmp_path / "ipamd.log"
    path.write_text((line + idle * 3) * 2500)
    assert path.stat().st_size > 1 << 20
    counts = [cuidx.open_case(path, exact=exact).accounting.as_json() for exact in (False, True)]
    assert counts[0] == counts[1]
    assert (counts[0]["evidence"], counts[0]["events"]) == (2500, 7500)


# -- a broken record in the middle ----------------------------------------------------------------

BROKEN = {
    "k8s-pods": ("".join(json.dumps(pod(f"u{n}")) + "\n" for n in range(3)),
                 ["evidence", "unreadable", "evidence"]),
    "k8s-pods-watch": ("".join(json.dumps(change("ADDED", pod(f"u{n}"))) + "\n" for n in range(3)),
                       ["evidence", "unreadable", "evidence"]),
    "k8s-audit": ((json.dumps(call("get")) + "\n") * 3, ["evidence", "unreadable", "evidence"]),
    "aws-ipamd": ((zap(f"Received DelNetwork for Sandbox {S}") + "\n") * 3,
                  ["evidence", "unreadable", "evidence"]),
    # Text lines are events as they stand, like those of any program.
    "calico-cni": ((calico(f"Released address using handleID {ENDS}") + "\n") * 3,
                   ["evidence", "event", "evidence"]),
    "containerd": ((logrus(f"StopPodSandbox for {Q}") + "\n") * 3, ["evidence", "event", "evidence"]),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_line_in_the_middle_costs_itself_alone(name: str) -> None:
    text, kinds = BROKEN[name]
    lines = text.splitlines(keepends=True)
    lines[1] = lines[1][:60] + "\n"
    found = rows(name, "".join(lines))
    assert picked(found, "line", "kind") == [(at, kind) for at, kind in enumerate(kinds, 1)]
    if "unreadable" in kinds:
        assert found[1]["raw"].rstrip() == lines[1].rstrip()
        assert "no valid JSON" in found[1]["why"]


@pytest.mark.parametrize("name", ["k8s-pods", "k8s-events", "prometheus-pod-info", "crictl-pods"])
def test_a_document_that_is_cut_off_gives_what_came_before(name: str) -> None:
    (path,) = FOLDER.glob(f"{name}.*")
    whole = rows(name, path.read_text())
    text = path.read_text()
    text = text[: int(len(text) * 0.8)]
    found = rows(name, text)
    kinds = [row["kind"] for row in found]
    assert kinds[-1] == "unreadable"
    assert set(kinds[:-1]) == {"evidence"}
    assert 2 < len(found) <= len(whole)
    assert text.rstrip().endswith(found[-1]["raw"])
    same = ("line", "index", "pod_uid", "ip", "container_id", "sandbox_id", "time")
    assert picked(found[:-1], *same) == picked(whole[: len(found) - 1], *same)


# -- the samples' leases --------------------------------------------------------------------------

LEASES = {
    path.stem: json.loads(path.read_text())
    for path in (FOLDER / "expected").iterdir()
    if "leases" in json.loads(path.read_text())
}


def instant(text: str | None) -> int | None:
    if text is None:
        return None
    return int(times.parse(pl.Series([text]))[0].cast(pl.Int64).item())


def sample(name: str) -> list[Row]:
    (path,) = FOLDER.glob(f"{name}.*")
    return rows(name, path.read_text())


@pytest.mark.parametrize("name", [name for name in LEASES if name in BY_NAME])
def test_the_leases_of_a_sample_can_be_read_off_its_rows(name: str) -> None:
    found = sample(name)
    for lease in LEASES[name]["leases"]:
        rung = "pod_uid" if "pod_uid" in lease else "sandbox_id"
        of_it = [row for row in found if row.get(rung) == lease[rung]]
        names = {row["pod"] for row in of_it if "pod" in row}
        assert names == {lease["pod"].partition("/")[2]}
        has = [row for row in of_it if row.get("ip")]
        given = [row for row in of_it if row.get("lease") == "release"]
        assert {row["ip"] for row in has} == ({lease["ip"]} if lease["ip"] else set())
        if "container_id" in lease:
            assert {row["container_id"] for row in of_it} == {lease["container_id"]}
        if lease["from"] is not None:
            begins = [row.get("started") if name == "k8s-pods" else row.get("held_from") or row["time"]
                      for row in has if row.get("lease") != "release" or name == "k8s-pods"]  # fmt: skip
            firsts = [
                instant(begin or row["time"]) for begin, row in zip(begins, has, strict=False)
            ]
            assert min(firsts) == instant(lease["from"])
        if lease["to"] is None:
            assert given == []
        elif given:
            ends = [instant(row.get("held_to") or row["time"]) for row in given]
            assert ends == [instant(lease["to"])]
        else:
            assert max(instant(row["held_to"]) or 0 for row in has) == instant(lease["to"])
            assert name == "prometheus-pod-info"


def test_the_bounds_in_the_sample_of_events() -> None:
    said = json.loads((FOLDER / "expected" / "k8s-events.json").read_text())["bounds"]
    found = {(row["pod_uid"], row["lifecycle"]): instant(row["time"])
             for row in sample("k8s-events") if "lifecycle" in row}  # fmt: skip
    assert found == {
        (one["pod_uid"], "stop" if "stopping" in one else "start"):
            instant(one.get("stopping") or one.get("started"))
        for one in said
    }  # fmt: skip


def test_the_links_in_the_samples() -> None:
    (link,) = json.loads((FOLDER / "expected" / "containerd.json").read_text())["links"]
    found = sample("containerd")
    by_sandbox = {row["sandbox_id"]: (named(row), row["pod_uid"]) for row in found
                  if {"sandbox_id", "pod_uid"} <= row.keys()}  # fmt: skip
    by_container = {row["container_id"]: row["sandbox_id"] for row in found
                    if {"sandbox_id", "container_id"} <= row.keys()}  # fmt: skip
    assert by_container == {link["container_id"]: link["sandbox_id"]}
    assert by_sandbox == {link["sandbox_id"]: (link["pod"], link["pod_uid"])}
    crictl = {row["sandbox_id"]: row["pod_uid"] for row in sample("crictl-pods")}
    assert crictl[link["sandbox_id"]] == link["pod_uid"]
    assert len(crictl) == 5
