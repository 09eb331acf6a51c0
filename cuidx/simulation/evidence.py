"""Evidence of who had which address, as a cluster keeps it anyway: three SOURCEs more.

pods        kubectl get pods -o json, at the story's end
prometheus  kube_pod_info over the whole time, a sample every 30 s
events      Scheduled, Started and Killing, to the second
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from cuidx.simulation.clock import START, whole
from cuidx.simulation.cluster import OPEN, Instance, Pod
from cuidx.simulation.settings import Settings
from cuidx.simulation.shapes import CONTAINER, NAMESPACE

SCRAPE: Final = 30_000


def evidence(kind: str, pods: list[Pod], settings: Settings) -> dict[str, Any]:
    """The document of KIND about PODS."""
    made = {"pods": _pods, "prometheus": _prometheus, "events": _events}
    return made[kind](pods, settings)


def _node(pod: Pod) -> tuple[str, str]:
    return f"node-{pod.node + 1}", f"10.10.1.{11 + pod.node}"


def _pods(pods: list[Pod], settings: Settings) -> dict[str, Any]:
    alive = [pod for pod in pods if pod.released >= settings.length
             and pod.instances[-1].ended >= settings.length]  # fmt: skip
    return {"apiVersion": "v1", "kind": "List", "items": [_object(pod) for pod in alive]}


def _object(pod: Pod) -> dict[str, Any]:
    one = pod.instances[-1]
    name, host = _node(pod)
    spec: dict[str, Any] = {"containers": [{"name": CONTAINER}], "nodeName": name}
    if pod.host_network:
        spec["hostNetwork"] = True
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod.name, "namespace": NAMESPACE, "uid": pod.uid,
            "creationTimestamp": whole(pod.created), "labels": {"app": pod.service},
        },
        "spec": spec,
        "status": {
            "phase": "Running", "hostIP": host, "podIP": pod.ip, "podIPs": [{"ip": pod.ip}],
            "startTime": whole(pod.created),
            "containerStatuses": [{
                "name": CONTAINER, "containerID": f"containerd://{one.container_id}",
                "restartCount": one.restart, "ready": True,
                "state": {"running": {"startedAt": whole(one.started)}}, "lastState": {},
            }],
        },
    }  # fmt: skip


def _prometheus(pods: list[Pod], settings: Settings) -> dict[str, Any]:
    series = []
    for pod in pods:
        first = -(-max(pod.leased, 0) // SCRAPE) * SCRAPE
        values = [[START + at // 1_000, "1"]
                  for at in range(first, min(pod.released, settings.length), SCRAPE)]  # fmt: skip
        if values:
            name, host = _node(pod)
            metric = {
                "__name__": "kube_pod_info", "host_ip": host,
                "host_network": "true" if pod.host_network else "false",
                "job": "kube-state-metrics", "namespace": NAMESPACE, "node": name,
                "pod": pod.name, "pod_ip": pod.ip, "uid": pod.uid,
            }  # fmt: skip
            series.append({"metric": metric, "values": values})
    return {"status": "success", "data": {"resultType": "matrix", "result": series}}


def _events(pods: list[Pod], settings: Settings) -> dict[str, Any]:
    found: list[tuple[int, int, Pod, str, str]] = []
    for pod in pods:
        name = f"{NAMESPACE}/{pod.name}"
        found.append((pod.created, len(found), pod, "Scheduled",
                      f"Successfully assigned {name} to {_node(pod)[0]}"))  # fmt: skip
        for at, reason, message in _of(pod):
            found.append((at, len(found), pod, reason, message))
    rows = [row for row in sorted(found, key=lambda row: row[:2]) if 0 <= row[0] < settings.length]
    items = [
        {
            "apiVersion": "v1", "kind": "Event", "type": "Normal", "reason": reason,
            "metadata": {"name": f"{pod.name}.{n:016x}", "namespace": NAMESPACE,
                         "uid": f"00000000-0000-4000-8000-{n:012x}"},
            "involvedObject": {
                "apiVersion": "v1", "kind": "Pod", "name": pod.name, "namespace": NAMESPACE,
                "uid": pod.uid,
                **({} if reason == "Scheduled"
                   else {"fieldPath": f"spec.containers{{{CONTAINER}}}"}),
            },
            "message": message, "count": 1, "eventTime": None,
            "source": {"component": "kubelet", "host": _node(pod)[0]},
            "firstTimestamp": whole(at), "lastTimestamp": whole(at),
        }
        for n, (at, _, pod, reason, message) in enumerate(rows)
    ]  # fmt: skip
    return {"apiVersion": "v1", "kind": "List", "items": items}


def _of(pod: Pod) -> Iterator[tuple[int, str, str]]:
    one: Instance
    for one in pod.instances:
        yield one.started, "Started", f"Started container {CONTAINER}"
        if one.drained < OPEN:
            yield one.drained, "Killing", f"Stopping container {CONTAINER}"
