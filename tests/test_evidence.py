"""Evidence and logs of different kinds in one call: what joins them, and what they must not join.

Each story is written in the shapes that the tools write: Pod objects, a watch, Prometheus, sandboxes,
address managers, flows.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from stories import FIXTURES, at, conserved, jsonl, rows_of

import cuidx
from cuidx.case import Case

U1, U2 = "8ac1e0b2-7d54-4c39-a6e7-f10b2d3c4e52", "d97f3b15-4e62-4a08-b1c9-6e5a7f8d0c23"
C1, C2 = "1" * 64, "2" * 64
S1, S2 = "a" * 64, "b" * 64
IP, IP2 = "10.0.0.1", "10.0.0.2"
NINE = 1_793_610_000


def line(second: float, ip: str | None = None, **who: Any) -> dict[str, Any]:
    return {"time": at(second), "msg": "x", **({"pod_ip": ip} if ip else {}), **who}


def pod(uid: str, name: str, ip: str | None, *, second: float, containers: Sequence[Any] = (),
        **more: Any) -> dict[str, Any]:  # fmt: skip
    """A Pod object; of a list of them the newest past time is the snapshot's."""
    return {
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "shop", "uid": uid},
        "spec": {"nodeName": "node-1", **more.pop("spec", {})},
        "status": {
            "phase": "Running", "startTime": at(second)[:19] + "Z",
            **({"podIP": ip, "podIPs": [{"ip": ip}]} if ip else {}),
            "containerStatuses": [
                {"name": c, "containerID": f"containerd://{id_}", "restartCount": n,
                 "state": {"running": {"startedAt": at(began)[:19] + "Z"}}}
                for c, id_, n, began in containers
            ], **more,
        },
    }  # fmt: skip


def pods(*objects: dict[str, Any]) -> str:
    return json.dumps({"kind": "List", "apiVersion": "v1", "items": list(objects)})


def prometheus(*series: tuple[str, str, str | None, float, float], step: int = 5) -> str:
    """kube_pod_info: (uid, Pod, IP, first second, last second), a sample each STEP seconds."""
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": [
        {"metric": {"__name__": "kube_pod_info", "namespace": "shop", "pod": name, "uid": uid,
                    "node": "node-1", "host_ip": "10.0.9.1", "host_network": "false",
                    **({"pod_ip": ip} if ip else {})},
         "values": [[NINE + s, "1"] for s in range(int(first), int(last) + 1, step)]}
        for uid, name, ip, first, last in series
    ]}})  # fmt: skip


def crictl(*boxes: tuple[str, str, str]) -> str:
    """(sandbox id, uid, Pod)."""
    return json.dumps({"items": [
        {"id": box, "metadata": {"name": name, "uid": uid, "namespace": "shop", "attempt": 0},
         "state": "SANDBOX_READY", "createdAt": str(NINE * 10**9)} for box, uid, name in boxes
    ]})  # fmt: skip


def ipamd(*records: tuple[float, str, str, str]) -> bytes:
    """(second, Assign or Unassign, IP, sandbox id)."""
    to = {"Assign": "to", "Unassign": "from"}
    return jsonl([
        {"level": "info", "ts": at(s), "caller": "datastore/data_store.go:714",
         "msg": f"f: {what} IP {ip} {to[what]} sandbox aws-cni/{box}/eth0"}
        for s, what, ip, box in records
    ])  # fmt: skip


def hubble(*flows: tuple[float, str, str, str, str]) -> bytes:
    """(second, source Pod, its IP, destination Pod, its IP)."""
    return jsonl([
        {"flow": {"time": at(s), "verdict": "FORWARDED", "IP": {"source": a, "destination": b},
                  "l4": {"TCP": {"source_port": 40000, "destination_port": 80}},
                  "source": {"namespace": "shop", "pod_name": p},
                  "destination": {"namespace": "shop", "pod_name": q},
                  "Type": "L3_L4", "is_reply": False},
         "node_name": "n1", "time": at(s)} for s, p, a, q, b in flows
    ])  # fmt: skip


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., Case]:
    def make(logs: Sequence[dict[str, Any]], **evidence: str | bytes) -> Case:
        (tmp_path / "a.jsonl").write_bytes(jsonl(logs))
        for name, text in evidence.items():
            data = text if isinstance(text, bytes) else text.encode()
            (tmp_path / f"{name}.json").write_bytes(data)
        case = cuidx.open_case(tmp_path)
        conserved(case.accounting.as_json())
        return case

    return make


def lines(case: Case) -> dict[str, int]:
    """Containers that have lines, with how many."""
    return {row["container"]: row["lines"] for row in rows_of(case.lifetimes()) if row["lines"]}


def row(case: Case, container: str) -> dict[str, Any]:
    return next(r for r in rows_of(case.lifetimes()) if r["container"] == container)


def verdict(case: Case, second: float, ip: str = IP) -> tuple[str, str | None]:
    answer = rows_of(case.resolve(ip, at=at(second)))[0]
    return answer["verdict"], answer["container"]


def holders(case: Case, ip: str = IP) -> list[tuple[str, str]]:
    ips = {r["ip"]: r for r in rows_of(case.reuse())}
    return [(h["container"], h["change"]) for h in ips[ip]["holders"]]


# -- rungs ----------------------------------------------------------------------------------


def test_a_pod_object_joins_container_ids_and_names_in_the_pod(opened: Any) -> None:
    case = opened(
        [line(1, container_id=C1), line(2, pod_uid=U1, container_name="app"),
         line(3, pod_uid=U1, container_name="app", restart="0"), line(4, container_id=C2)],
        pods=pods(pod(U1, "pay-0", IP, second=0, containers=[("app", C1, 0, 0)])),
    )  # fmt: skip
    assert lines(case) == {C1: 3, C2: 1}
    events = rows_of(case.events)
    assert [(e["identity"], e["ip"], e["ip_from"]) for e in events] == [
        *[("container_id", IP, "evidence")] * 3, ("container_id", None, None)
    ]  # fmt: skip


def test_a_pod_object_and_the_tagger_s_start_lead_from_a_container_id_to_the_cuid(
    opened: Any,
) -> None:
    start = {"ikontainer_event": "start", "time": at(0), "pod_uid": U1, "ip": IP,
             "ikontainer_CUID": "A", "svc": "s.n.c"}  # fmt: skip
    case = opened(
        [start, line(1, container_id=C1), line(2, cuid="A")],
        pods=pods(pod(U1, "pay-0", IP, second=0, containers=[("app", C1, 0, 0)])),
    )
    assert lines(case) == {"A": 2}
    assert case.accounting.tagged == 2


def test_containers_of_one_pod_stay_apart_and_are_one_holder(opened: Any) -> None:
    case = opened(
        [line(s, container_id=c) for s, c in ((1, C1), (3, C2), (5, C1), (7, C2))],
        pods=pods(pod(U1, "pay-0", IP, second=0, containers=[("app", C1, 0, 0), ("side", C2, 0, 0)])),
    )  # fmt: skip
    assert lines(case) == {C1: 2, C2: 2}
    assert holders(case) == [(U1, "first")]


def test_a_pod_object_tells_the_id_of_its_latest_restart_and_of_no_earlier_one(opened: Any) -> None:
    """CRI files know their restart count, the event and other collectors' lines do not."""
    started = {
        "apiVersion": "v1", "kind": "Event", "reason": "Started", "type": "Normal",
        "metadata": {"name": "web-x.1", "namespace": "shop", "uid": "e"}, "count": 1,
        "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "web-x", "uid": U1,
                           "fieldPath": "spec.containers{app}"},
        "message": "Started container app", "firstTimestamp": at(90)[:19] + "Z",
        "lastTimestamp": at(90)[:19] + "Z",
    }  # fmt: skip
    object_ = pods(pod(U1, "web-x", IP, second=0, containers=[("app", C1, 1, 90)]))
    who = {"pod_uid": U1, "container_name": "app"}
    told = [line(10, **who, restart_count=0), line(100, **who, restart_count=1)]
    events = json.dumps({"kind": "List", "apiVersion": "v1", "items": [started]})
    assert lines(opened(told, pods=object_, events=events)) == {f"{U1}/app": 1, C1: 1}
    untold = [line(10, **who), line(100, **who)]
    assert lines(opened(untold, pods=object_, events=events)) == {f"{U1}/app": 2}


def test_sandboxes_lead_from_the_address_manager_to_the_pod(opened: Any) -> None:
    case = opened(
        [line(2, pod_uid=U1, container_name="app"), line(8, pod_uid=U2, container_name="app")],
        ipamd=ipamd((1, "Assign", IP, S1), (5, "Unassign", IP, S1), (6, "Assign", IP, S2)),
        crictl=crictl((S1, U1, "pay-0"), (S2, U2, "pay-0")),
    )
    assert holders(case) == [(f"{U1}/app", "first"), (f"{U2}/app", "recycled")]
    assert verdict(case, 3) == ("resolved", f"{U1}/app")
    assert verdict(case, 7) == ("resolved", f"{U2}/app")  # from the assignment to the last line
    assert [e["ip"] for e in rows_of(case.events)] == [IP, IP]


def test_an_address_manager_alone_names_sandboxes_and_ends_leases(opened: Any) -> None:
    case = opened([], ipamd=ipamd((1, "Assign", IP, S1), (5, "Unassign", IP, S1),
                                  (9, "Assign", IP, S2)))  # fmt: skip
    assert holders(case) == [(S1, "first"), (S2, "recycled")]
    assert (verdict(case, 3), verdict(case, 7)) == (("resolved", S1), ("unknown", None))


# -- a Pod's name, which is used again ----------------------------------------------------------


def test_a_generated_name_leads_to_its_uid_at_any_time(opened: Any) -> None:
    case = opened(
        [line(s, pod="mail-5b7c9d8f64-q9t2w", namespace="shop") for s in (1, 30, 90)],
        prometheus=prometheus((U1, "mail-5b7c9d8f64-q9t2w", IP, 10, 60)),
    )
    assert lines(case) == {U1: 3}
    assert {e["ip"] for e in rows_of(case.events)} == {IP}
    assert verdict(case, 75) == ("resolved", U1)


def test_a_name_that_is_used_again_leads_to_who_surely_had_it_then(opened: Any) -> None:
    case = opened(
        [line(s, pod="pay-0", namespace="shop", request_id=f"r{s}") for s in (12, 18, 33, 42, 90)],
        prometheus=prometheus((U1, "pay-0", IP, 10, 20), (U2, "pay-0", IP2, 40, 60)),
    )
    # 33 is between the two, and at 90 it may be a third one.
    assert lines(case) == {U1: 2, "shop/pay-0": 2, U2: 1}
    assert [e["container"] for e in rows_of(case.events)] == [
        U1, U1, "shop/pay-0", U2, "shop/pay-0"
    ]  # fmt: skip
    assert {r["container"]: r["requests"] for r in rows_of(case.lifetimes())} == {
        U1: 2, "shop/pay-0": 2, U2: 1
    }  # fmt: skip


def test_where_two_uids_may_have_the_name_at_once_it_stays_a_name(opened: Any) -> None:
    # The first's last sample and the second's first are the same second.
    case = opened(
        [line(s, pod="pay-0", namespace="shop") for s in (10.5, 20.2, 29.5)],
        prometheus=prometheus((U1, "pay-0", IP, 10, 20), (U2, "pay-0", IP, 20, 30)),
    )
    assert lines(case) == {U1: 1, "shop/pay-0": 1, U2: 1}


def test_a_name_stays_the_former_pod_s_until_the_next_is_there(opened: Any) -> None:
    """Killed at once: of the former nothing is heard after its start, and it logs until then."""

    def started(uid: str, second: float) -> dict[str, Any]:
        time = at(second)[:19] + "Z"
        return {"kind": "Event", "apiVersion": "v1", "reason": "Scheduled", "type": "Normal",
                "metadata": {"name": f"db-0.{second}", "namespace": "shop"},
                "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "db-0", "uid": uid},
                "message": "Successfully assigned shop/db-0 to node-1", "count": 1,
                "firstTimestamp": time, "lastTimestamp": time}  # fmt: skip

    events = json.dumps({"kind": "List", "apiVersion": "v1",
                         "items": [started(U1, 10), started(U2, 100)]})  # fmt: skip
    who = {"namespace": "shop", "pod": "db-0"}
    case = opened([line(10.5, **who), line(99.7, **who), line(100.2, **who)], events=events)
    assert lines(case) == {U1: 1, "shop/db-0": 1, U2: 1}


def test_names_in_other_namespaces_are_other_pods(opened: Any) -> None:
    case = opened(
        [line(12, pod="pay-0", namespace="test"), line(13, pod="pay-0")],
        prometheus=prometheus((U1, "pay-0", IP, 10, 20)),
    )
    # Without a namespace it is the one that is known.
    assert lines(case) == {"test/pay-0": 1, U1: 1}


def test_a_cuid_beside_the_pod_s_name_is_a_container_of_that_pod(opened: Any) -> None:
    case = opened(
        [line(s, IP, cuid="A", pod="mail-5b7c9d8f64-q9t2w", namespace="shop") for s in (1, 9)],
        prometheus=prometheus((U1, "mail-5b7c9d8f64-q9t2w", IP, 0, 20)),
    )
    assert holders(case) == [("A", "first")]  # not shared by the CUID and the uid
    assert verdict(case, 15) == ("resolved", "A")


# -- addresses ------------------------------------------------------------------------------


def test_lines_that_name_no_pod_are_those_of_the_pod_seen_with_the_address(opened: Any) -> None:
    case = opened(
        [line(s, IP, cuid="A") for s in (1, 9)],
        pods=pods(pod(U1, "pay-0", IP, second=5)),
    )
    assert holders(case) == [("A", "first")]
    assert row(case, "A")["pod"] == "pay-0"


def test_another_pod_s_later_snapshot_does_not_claim_earlier_lines(opened: Any) -> None:
    case = opened(
        [line(s, IP, cuid="A") for s in (1, 3)], pods=pods(pod(U2, "pay-0", IP, second=9))
    )
    assert holders(case) == [("A", "first"), (U2, "recycled")]
    assert verdict(case, 2) == ("resolved", "A")
    assert verdict(case, 6) == ("unknown", None)


def test_start_time_bounds_the_life_and_never_the_lease(opened: Any) -> None:
    case = opened([], pods=pods(pod(U1, "pay-0", IP, second=0), pod(U2, "x-0", IP2, second=50)))
    life = row(case, U1)
    assert (life["started"], life["end"]) == ("2026-11-02T09:00:00Z", "open")
    assert verdict(case, 0) == ("unknown", None)  # it began then; its address may have come later
    assert verdict(case, 50) == ("resolved", U1)


def test_a_next_holder_cuts_a_last_sample_that_is_stale(opened: Any) -> None:
    # The first series ends before the query does: it may have been shown up to 5 minutes too long.
    case = opened(
        [line(s, IP, pod_uid=U2) for s in (14, 40)],
        prometheus=prometheus((U1, "a-0", IP, 0, 20), (U2, "b-0", None, 15, 60)),
    )
    assert holders(case) == [(U1, "first"), (U2, "recycled")]
    assert verdict(case, 17) == ("resolved", U2)


def test_two_pods_sampled_with_one_address_for_longer_share_it(opened: Any) -> None:
    case = opened(
        [], prometheus=prometheus((U1, "a-0", IP, 0, 900), (U2, "b-0", IP, 100, 1200), step=30)
    )
    assert holders(case) == [(U1, "shared"), (U2, "shared")]


def test_host_network_is_no_lease(opened: Any) -> None:
    case = opened([], pods=pods(pod(U1, "proxy-x", "10.0.9.1", second=0,
                                    spec={"hostNetwork": True}, hostIP="10.0.9.1")))  # fmt: skip
    assert rows_of(case.reuse()) == []
    assert verdict(case, 0, "10.0.9.1") == ("unknown", None)


def test_a_dual_stack_pod_has_both_addresses(opened: Any) -> None:
    both = pod(U1, "pay-0", IP, second=5)
    both["status"]["podIPs"].append({"ip": "fd00::1"})
    case = opened([line(5, pod_uid=U1)], pods=pods(both))
    assert verdict(case, 5) == verdict(case, 5, "fd00::1") == ("resolved", U1)
    assert rows_of(case.events)[0]["ip"] == IP


# -- flows ----------------------------------------------------------------------------------


def test_flows_tell_who_had_an_address_where_nobody_better_is_known(opened: Any) -> None:
    case = opened([], hubble=hubble((1, "a-0", IP, "b-0", IP2), (9, "a-0", IP, "b-0", IP2)))
    assert holders(case) == [("shop/a-0", "first")]
    assert verdict(case, 5, IP2) == ("resolved", "shop/b-0")
    events = rows_of(case.annotate())
    assert [(m["ip"], m["role"], m["container"]) for m in events[0]["mentions"]] == [
        (IP, "source", "shop/a-0"), (IP2, "destination", "shop/b-0")
    ]  # fmt: skip


def test_flows_are_no_holders_beside_those_that_are_known_better(opened: Any) -> None:
    # A StatefulSet's name spans two Pods: by the name alone the address would seem to be shared.
    case = opened(
        [
            line(2, IP, cuid="A"),
            line(4, IP, cuid="A"),
            line(8, IP, cuid="B"),
            line(9, IP, cuid="B"),
        ],
        hubble=hubble((1, "pay-0", IP, "b-0", IP2), (9, "pay-0", IP, "b-0", IP2)),
    )
    assert holders(case) == [("A", "first"), ("B", "recycled")]


def test_a_flow_s_name_is_better_known_through_prometheus(opened: Any) -> None:
    case = opened(
        [], hubble=hubble((12, "a-0", IP, "b-0", IP2), (18, "a-0", IP, "b-0", IP2)),
        prometheus=prometheus((U1, "a-0", None, 10, 20)),
    )  # fmt: skip
    assert holders(case) == [(U1, "first")]


# -- lifetimes ------------------------------------------------------------------------------


def test_pod_objects_and_events_give_the_capture_s_lifetimes() -> None:
    """Started, ended and open of 25 real containers against what was recorded from outside."""
    dev = FIXTURES / "dev"
    case = cuidx.open_case(dev / "export.jsonl", dev / "pods.json", dev / "events.json")
    truth = {one["cuid"]: one for one in json.loads((dev / "truth.json").read_text())["instances"]}
    found = rows_of(case.lifetimes())
    assert len(found) == len(truth) == 25
    ends = {"stopped": 0, "open": 0}
    for life in found:
        true = truth[life["container"]]
        ends[life["end"]] += 1
        # Kubernetes writes whole seconds.
        assert abs(_seconds(life["started"]) - _seconds(true["started"])) <= 2, life
        if life["end"] == "stopped":
            assert abs(_seconds(life["ended"]) - _seconds(true["stopped"])) <= 2, life
        else:
            assert life["ended"] is None
    assert ends == {"stopped": 20, "open": 5}


def _seconds(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text[:26].rstrip("Z") + "+00:00").timestamp()


def test_evidence_of_all_kinds_agrees_on_the_story() -> None:
    """The invented story, from a collector's export and nine kinds of evidence at once."""
    names = ("fluentd-es.jsonl", "aws-ipamd.log", "containerd.log", "crictl-pods.json",
             "k8s-pods.json", "k8s-events.json", "k8s-audit.jsonl", "prometheus-pod-info.json",
             "k8s-pods-watch.json")  # fmt: skip
    case = cuidx.open_case(*(FIXTURES / "formats" / name for name in names))
    first = "3b9d5a0c-1e47-4f7b-8c21-90d4e6a7b3f2"
    second = "c4e81f66-2a90-4b3d-b7f5-5d2c9e013a8b"
    assert holders(case, "10.10.11.2") == [(first, "first"), (second, "recycled")]
    asked = {s: verdict(case, s, "10.10.11.2")[1] for s in (2, 5, 7.3, 9)}
    assert asked == {2: first, 5: first, 7.3: second, 9: second}
    gateway = "7f0c2f7e-8d1b-4c0a-9a55-3f1f5b6e2a10"
    assert verdict(case, 5, "10.10.10.4") == ("resolved", gateway)


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_sources_changes_nothing(order: int, tmp_path: Path) -> None:
    texts = {
        "a": jsonl([line(12, pod="pay-0", namespace="shop"), line(42, pod="pay-0", namespace="shop")]),
        "b": prometheus((U1, "pay-0", IP, 10, 20), (U2, "pay-0", IP2, 40, 60)).encode(),
        "c": crictl((S1, U1, "pay-0")).encode(),
        "d": ipamd((11, "Assign", IP, S1), (19, "Unassign", IP, S1)),
    }  # fmt: skip
    names = [str(at_) for at_ in range(len(texts))][::order]
    for name, data in zip(names, texts.values(), strict=True):
        (tmp_path / name).write_bytes(data)
    case = cuidx.open_case(tmp_path)
    assert lines(case) == {U1: 1, U2: 1}
    assert holders(case) == [(U1, "first")]
    assert verdict(case, 15) == ("resolved", U1)


def test_two_containers_that_begin_at_once_leave_no_choice_to_chance(opened: Any) -> None:
    # Which one was the first was left to the order of groups, which differs from run to run.
    uids = [f"{U1[:-2]}{n}" for n in range(10, 26)]
    case = opened([line(5, pod_uid=uid, cuid=f"{c}{uid}") for uid in uids for c in "AB"],
                  pods=pods(*(pod(uid, f"pay-{uid}", None, second=1) for uid in uids)))  # fmt: skip
    assert {row(case, f"A{uid}")["started"] for uid in uids} == {"2026-11-02T09:00:01Z"}


def stopping(uid: str, name: str, *containers: tuple[str, str, float]) -> str:
    """Kubernetes events of a Pod's containers: (container, reason, second)."""
    return json.dumps({"kind": "List", "apiVersion": "v1", "items": [
        {"apiVersion": "v1", "kind": "Event", "reason": reason, "type": "Normal",
         "metadata": {"name": f"{name}.{n}", "namespace": "shop", "uid": f"e{n}"}, "count": 1,
         "involvedObject": {"kind": "Pod", "namespace": "shop", "name": name, "uid": uid,
                            "fieldPath": f"spec.containers{{{container}}}"},
         "message": f"{reason} container {container}", "firstTimestamp": at(second)[:19] + "Z",
         "lastTimestamp": at(second)[:19] + "Z"}
        for n, (container, reason, second) in enumerate(containers)
    ]})  # fmt: skip


def test_a_pod_without_lines_is_the_one_container_that_events_name(opened: Any) -> None:
    case = opened([], prometheus=prometheus((U1, "pay-0", IP, 0, 20)),
                  events=stopping(U1, "pay-0", ("app", "Started", 1), ("app", "Killing", 21)))  # fmt: skip
    (life,) = rows_of(case.lifetimes())
    assert (life["container"], life["ips"], life["end"]) == (f"{U1}/app", [IP], "stopped")
    assert (life["started"], life["ended"]) == ("2026-11-02T09:00:01Z", "2026-11-02T09:00:21Z")
    assert holders(case) == [(f"{U1}/app", "first")]


def test_a_pod_without_lines_is_all_the_containers_that_events_name(opened: Any) -> None:
    case = opened([], pods=pods(pod(U1, "pay-0", IP, second=9)),
                  events=stopping(U1, "pay-0", ("app", "Started", 1), ("side", "Started", 2)))  # fmt: skip
    found = {r["container"]: (r["ips"], r["end"]) for r in rows_of(case.lifetimes())}
    assert found == {f"{U1}/app": ([IP], "open"), f"{U1}/side": ([IP], "open")}
    assert holders(case) == [(U1, "first")]  # one Pod has one address, and reuses nothing


def test_a_flow_s_name_is_no_container_where_its_pods_are_known(opened: Any) -> None:
    case = opened(
        [], hubble=hubble((12, "pay-0", IP, "pay-0", IP), (32, "pay-0", IP, "pay-0", IP)),
        prometheus=prometheus((U1, "pay-0", IP, 10, 20), (U2, "pay-0", IP, 30, 40)),
    )  # fmt: skip
    assert {r["container"] for r in rows_of(case.lifetimes())} == {U1, U2}
    assert holders(case) == [(U1, "first"), (U2, "recycled")]


def containerd(*stops: tuple[float, str]) -> bytes:
    """(second, container id) of containers that are stopped."""
    return "".join(
        f'time="{at(s)[:-1]}000000Z" level=info msg="StopContainer for \\"{id_}\\" returns successfully"\n'
        for s, id_ in stops
    ).encode()


def test_what_is_told_of_an_id_is_told_of_the_cuid_that_alone_stands_beside_it(opened: Any) -> None:
    told = [line(s, IP, cuid="A", container_id=C1) for s in (1, 5)]
    case = opened(told, stops=containerd((5.2, C1)))
    (life,) = rows_of(case.lifetimes())
    assert (life["container"], life["end"], life["lines"]) == ("A", "stopped", 2)
    assert life["ended"] == "2026-11-02T09:00:05.200Z"


@pytest.mark.parametrize(
    ("more", "rows"),
    [
        # Another CUID beside the id, a line of the CUID without it or with another one.
        ([line(6, IP, cuid="B", container_id=C1)], {"A", "B"}),
        ([line(6, IP, cuid="A")], {"A"}),
        ([line(6, IP, cuid="A", container_id=C2)], {"A"}),
        # A line long after the stop: whose the stop was is not known.
        ([line(60, IP, cuid="A", container_id=C1)], {"A", C1}),
    ],
)
def test_an_id_beside_more_than_one_cuid_says_nothing_of_any(
    more: list[Any], rows: set[str], opened: Any
) -> None:
    told = [line(s, IP, cuid="A", container_id=C1) for s in (1, 5)]
    case = opened([*told, *more], stops=containerd((7, C1)))
    assert {r["container"] for r in rows_of(case.lifetimes())} == rows
    assert row(case, "A")["ended"] is None


def test_an_id_of_another_pod_than_its_cuid_is_stale_metadata(opened: Any) -> None:
    start = {"ikontainer_event": "start", "time": at(0), "pod_uid": U2, "ip": IP,
             "ikontainer_CUID": "A", "svc": "s.n.c"}  # fmt: skip
    case = opened(
        [start, *(line(s, IP, cuid="A", container_id=C1) for s in (1, 5))],
        pods=pods(pod(U1, "pay-0", IP2, second=0, containers=[("app", C1, 0, 0)])),
        stops=containerd((6, C1)),
    )
    assert row(case, "A")["ended"] is None


@pytest.mark.parametrize(
    ("seconds", "ip"),
    [
        ((12, 20), IP),  # both may have had the name at 20, but at 12 only the first
        ((20, 28), IP2),
        ((20,), None),  # either
        ((33, 35), None),  # after both: it may be a third
        ((25, 35), IP2),  # the same container still
        ((12, 35), None),  # that of the first can't have outlived the second
        ((12, 28), None),  # no container is in two Pods
        ((8, 33), None),  # it began before the one, and went on after the other
        ((19.5,), IP),  # the next one was not there yet
    ],
)
def test_a_cuid_is_all_its_life_in_the_pod_that_surely_had_its_name_once(
    seconds: tuple[float, ...], ip: str | None, opened: Any
) -> None:
    levels = ("INFO", "ERROR")  # groups of lines of their own
    case = opened(
        [line(s, cuid="A", pod="pay-0", namespace="shop", level=levels[n % 2])
         for n, s in enumerate(seconds)],
        prometheus=prometheus((U1, "pay-0", IP, 10, 20), (U2, "pay-0", IP2, 20, 30)),
    )  # fmt: skip
    assert row(case, "A")["ips"] == ([ip] if ip else [])
    assert {e["ip"] for e in rows_of(case.events)} == {ip}


def networks(*records: tuple[float, str, str, str]) -> bytes:
    """(second, Add or Del, Pod, sandbox id): the address manager is told of a Pod by its name."""
    return jsonl([
        {"level": "debug", "ts": at(s), "caller": "rpc/rpc_grpc.pb.go:117",
         "msg": f'{what}NetworkRequest: K8S_POD_NAME:"{name}" K8S_POD_NAMESPACE:"shop" '
                f'K8S_POD_INFRA_CONTAINER_ID:"{box}" ContainerID:"{box}" IfName:"eth0" '
                'NetworkName:"aws-cni"'}
        for s, what, name, box in records
    ])  # fmt: skip


def told_by_name(*records: tuple[float, str, str]) -> bytes:
    """(second, Assign or Unassign, sandbox id) of pay-0, with what the request said."""
    return b"".join(
        networks((s, "Add" if what == "Assign" else "Del", "pay-0", box))
        + ipamd((s + 0.001, what, IP, box))
        for s, what, box in records
    )


@pytest.mark.parametrize("uids", [(U1, U2), (None, None)])
def test_a_sandbox_is_the_pod_s_that_had_its_name_and_address_then(uids: Any, opened: Any) -> None:
    case = opened(
        [line(s, IP, cuid=c, pod="pay-0", namespace="shop", **({"pod_uid": uid} if uid else {}))
         for c, uid, times in (("A", uids[0], (2, 5)), ("B", uids[1], (7.1, 9))) for s in times],
        cni=told_by_name((5.7, "Unassign", S1), (6.3, "Assign", S2)),
    )  # fmt: skip
    assert lines(case) == {"A": 2, "B": 2}
    assert len(rows_of(case.lifetimes())) == 2
    # By the Pod's name alone both are of one Pod.
    assert holders(case) == [("A", "first"), ("B", "recycled" if uids[0] else "restarted")]
    assert [verdict(case, s)[1] for s in (5.5, 6.5)] == ["A", "B"]
    assert (row(case, "A")["end"], row(case, "B")["end"]) == ("replaced", "unknown")


def test_who_began_after_an_address_was_given_back_was_not_in_that_sandbox(opened: Any) -> None:
    case = opened(
        [line(s, IP, cuid="B", pod="pay-0", namespace="shop") for s in (6.2, 9)],
        cni=told_by_name((5.7, "Unassign", S1), (5.9, "Assign", S2)),
    )
    assert holders(case) == [(S1, "first"), ("B", "recycled")]
    assert row(case, S1)["end"] == "replaced"


def test_all_that_had_the_name_while_the_sandbox_had_the_address_are_in_it(opened: Any) -> None:
    case = opened(
        [line(s, IP, cuid=c, pod="pay-0", namespace="shop")
         for c, times in (("A", (2, 4)), ("B", (6, 9))) for s in times],
        cni=told_by_name((1, "Assign", S1), (10, "Unassign", S1)),
    )  # fmt: skip
    assert {r["container"] for r in rows_of(case.lifetimes())} == {"A", "B"}
    assert holders(case) == [("A", "first"), ("B", "restarted")]


def test_of_two_that_may_be_in_a_sandbox_none_is(opened: Any) -> None:
    case = opened(
        [line(s, IP, cuid=c, pod="pay-0", namespace="shop") for c in "AB" for s in (2, 5)],
        cni=told_by_name((5.7, "Unassign", S1)),
    )
    assert {r["container"] for r in rows_of(case.lifetimes())} == {"A", "B", S1}


def test_lines_that_may_be_a_sandbox_s_own_have_not_replaced_it(opened: Any) -> None:
    case = opened(
        [line(s, IP, cuid="A", pod="pay-0", namespace="shop") for s in (60, 90)],
        cni=told_by_name((1, "Assign", S1)),
    )
    assert row(case, S1)["end"] == "unknown"
