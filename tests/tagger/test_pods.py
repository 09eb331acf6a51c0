"""Real Pods: an application that knows nothing of the tagger, and addresses that are used again.

podman runs them, without a registry: the image is the Python that runs this test, and the tagger's
own is built by the Containerfile. What `cuidx timeline`, `reuse` and `resolve` say of the tagged
lines has to agree with podman's own record of who had which address when.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from .conftest import ROOT, need, until

SUFFIX = re.compile(rb'\{"ikontainer_CUID":"([0-9a-f-]{36})","svc":"([^"]*)"\}$')
SLACK = timedelta(seconds=0.5)
RUNNING = datetime.max.replace(tzinfo=UTC)
CONFIG = """\
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[network]
network_backend = "netavark"
"""
APPLICATION = """\
import datetime, json, os, signal, socket, sys, time

ip = socket.gethostbyname(socket.gethostname())
log, number, over = "/var/log/app/app.log", 0, []
signal.signal(signal.SIGTERM, lambda *_: over.append(1))
while not over:
    now = datetime.datetime.now(datetime.UTC).isoformat()
    with open(log, "a") as file:
        print(json.dumps({"time": now, "pod_ip": ip, "message": f"request {number}"}), file=file)
    number += 1
    if number % 400 == 0:
        os.rename(log, f"{log}.{number // 400}")
    time.sleep(0.002)
"""
POD = """\
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: shop}}
spec:
  containers:
    - name: app
      image: localhost/base:latest
      command: ["/usr/bin/python3", "-I", "-S", "-c", {script}]
      volumeMounts: [{{name: {name}-logs, mountPath: /var/log/app}}]
    - name: tag
      image: localhost/cuidx-tag:latest
      args: [--source=/var/log/app, --out=/out, --linger=1, --health=:8088]
      env:
        - {{name: POD_NAME, value: {name}}}
        - {{name: POD_NAMESPACE, value: shop}}
      securityContext:
        readOnlyRootFilesystem: true
        allowPrivilegeEscalation: false
        capabilities: {{drop: [ALL]}}
      volumeMounts:
        - {{name: {name}-logs, mountPath: /var/log/app, readOnly: true}}
        - {{name: out, mountPath: /out}}
  volumes:
    - name: {name}-logs
      emptyDir: {{}}
    - name: out
      hostPath: {{path: {out}, type: Directory}}
"""


class Podman:
    """podman with storage, network and configuration of its own."""

    def __init__(self, at: Path) -> None:
        self.at = at
        (at / "containers.conf").write_text(CONFIG)
        self.env = os.environ | {"CONTAINERS_CONF": str(at / "containers.conf")}

    def __call__(self, *words: str, check: bool = True) -> str:
        own = [f"--{name}={self.at / name}" for name in ("root", "runroot", "network-config-dir")]
        done = subprocess.run(
            ["podman", *own, *words],
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert not check or done.returncode == 0, f"podman {' '.join(words)}: {done.stderr}"
        return done.stdout.strip()

    def network(self) -> None:
        """Two addresses, beside the gateway's; in a subnet that no other run has."""
        for third in range(os.getpid() % 200, os.getpid() % 200 + 50):
            net = f"10.199.{third}"
            few = ("--subnet", f"{net}.0/29", "--ip-range", f"{net}.0/30")
            if self("network", "create", *few, "tagtest", check=False):
                return
        self("network", "create", *few, "tagtest")

    def base(self) -> None:
        """An image of this Python and what it is linked with, and nothing else."""
        root = self.at / "rootfs"
        python = Path(os.path.realpath(sys._base_executable))  # type: ignore[attr-defined]
        library = Path(sysconfig.get_path("stdlib"))
        wanted = {python}
        for each in (python, *(library / "lib-dynload").glob("*.so")):
            linked = subprocess.run(["ldd", each], capture_output=True, text=True, check=False)
            wanted |= {Path(found) for found in re.findall(r"(/\S+) \(0x", linked.stdout)}
        for each in wanted:
            to = root / str(each).lstrip("/")
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(each, to)
        unused = ("site-packages", "dist-packages", "test", "__pycache__", "config-*", "*.a")
        left_out = shutil.ignore_patterns(*unused, "idlelib", "ensurepip", "lib2to3", "tkinter")
        shutil.copytree(library, root / str(library).lstrip("/"), ignore=left_out)
        for name in ("usr/bin", "bin", "tmp", "proc", "sys", "dev", "etc", "var/log/app", "out"):
            (root / name).mkdir(parents=True, exist_ok=True)
        if not (root / "usr/bin/python3").exists():
            (root / "usr/bin/python3").symlink_to(python)
        subprocess.run(["tar", "-C", root, "-cf", self.at / "base.tar", "."], check=True)
        shutil.rmtree(root)
        self("import", str(self.at / "base.tar"), "localhost/base:latest")


@pytest.fixture
def podman() -> Iterator[Podman]:
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    need("podman", "runc", "iptables", root=True)
    it = Podman(Path(tempfile.mkdtemp(prefix="pods")))  # podman takes 50 characters at most
    try:
        it.network()
        it.base()
        yield it
    finally:
        it("pod", "rm", "--all", "--force", "--time", "1", check=False)
        it("rm", "--all", "--force", check=False)
        it("network", "rm", "--force", "tagtest", check=False)
        overlay = str(it.at / "root/overlay")
        subprocess.run(["umount", "-R", overlay], check=False, capture_output=True)
        shutil.rmtree(it.at, ignore_errors=True)


@dataclass
class Pod:
    """One Pod as podman has it on record, and where its tagger wrote."""

    name: str
    out: Path
    address: str
    started: datetime
    stopped: datetime = RUNNING

    @property
    def lines(self) -> list[bytes]:
        """The tagged lines in their order."""
        rotated = sorted(self.out.glob("app.log.*"), key=lambda path: int(path.suffix[1:]))
        paths = [*rotated, *self.out.glob("app.log")]
        return [line for path in paths for line in path.read_bytes().split(b"\n")[:-1]]

    @property
    def cuids(self) -> list[str]:
        """The CUIDs of the lines, each once, in their order."""
        tags = (SUFFIX.search(line) for line in self.lines)
        return list(dict.fromkeys(tag[1].decode() for tag in tags if tag))


def when(told: str) -> datetime:
    """podman's time: `2026-11-24 03:02:20.123456789 +0000 UTC`."""
    day, clock, zone = told.split()[:3]
    return datetime.fromisoformat(f"{day}T{clock[:15].ljust(15, '0')}{zone}").astimezone(UTC)


def start(podman: Podman, name: str) -> Pod:
    out = podman.at / f"out-{name}"
    out.mkdir()
    out.chmod(0o777)  # the tagger has a uid of its own
    spec = POD.format(name=name, out=out, script=json.dumps(APPLICATION))
    (podman.at / "pod.yaml").write_text(spec)
    podman("play", "kube", "--network", "tagtest", str(podman.at / "pod.yaml"))
    networks = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    infra = podman("pod", "inspect", name, "--format", "{{.InfraContainerID}}")
    address = podman("inspect", infra, "--format", networks)
    started = when(podman("inspect", f"{name}-app", "--format", "{{.State.StartedAt}}"))
    until((out / "app.log.1").exists, seconds=120)
    return Pod(name, out, address, started)


def stop(podman: Podman, pod: Pod) -> None:
    podman("pod", "stop", "--time", "20", pod.name)
    pod.stopped = when(podman("inspect", f"{pod.name}-app", "--format", "{{.State.FinishedAt}}"))
    podman("pod", "rm", "--force", pod.name)


def restart_the_tagger(podman: Podman, pod: Pod) -> None:
    """Killed, and started again over its own output, as the kubelet does."""
    written = len(list(pod.out.glob("app.log*")))
    podman("kill", "--signal", "KILL", f"{pod.name}-tag")
    podman("wait", f"{pod.name}-tag")  # to start one that still runs does nothing
    podman("start", f"{pod.name}-tag")
    until(lambda: len(list(pod.out.glob("app.log*"))) > written + 1, seconds=120)


def answer(*words: str) -> Any:
    """What `cuidx WORDS -f json` prints."""
    command = [sys.executable, "-m", "cuidx", *words, "-q", "-f", "json"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_addresses_used_again_are_told_apart(podman: Podman, full: bool) -> None:
    podman("build", "--build-arg", "BASE=localhost/base:latest", "-t", "cuidx-tag", str(ROOT))
    # Two at a time on two addresses; each address goes to the other service, and sometimes not.
    services = itertools.cycle(["pay", "mail", "mail", "pay", "pay"])
    pods: list[Pod] = []
    running: list[Pod] = []
    for number in range(12 if full else 4):
        if len(running) == 2:
            stop(podman, running.pop(0))
            if number == 3:
                time.sleep(4)  # a hole: for seconds nobody has this address
        pods.append(start(podman, f"{next(services)}-{number}"))
        running.append(pods[-1])
        if number == 0:
            restart_the_tagger(podman, pods[0])
    for pod in running:
        stop(podman, pod)
    addresses = sorted({pod.address for pod in pods})
    assert len(addresses) == 2, pods
    for pod in pods:
        same_lines_same_order_one_suffix_each(pod, starts=2 if pod is pods[0] else 1)
    sources = [str(pod.out) for pod in pods]
    timeline_agrees(answer("timeline", *sources), pods)
    reuse_agrees(answer("reuse", *sources), pods)
    asked = resolve_agrees(sources, pods)
    lines = sum(len(pod.lines) for pod in pods)
    print(f"figure: {len(pods)} Pods on {len(addresses)} addresses, {lines} lines, {asked} times")


def same_lines_same_order_one_suffix_each(pod: Pod, starts: int) -> None:
    records = (pod.out / "ikontainer.lifecycle.log").read_bytes().split(b"\n")[:-1]
    events = [json.loads(SUFFIX.sub(b"", line)) for line in records]
    assert [event["ikontainer_event"] for event in events] == ["start"] * starts + ["stop"]
    assert {event["pod"] for event in events} == {pod.name}
    rows = [json.loads(SUFFIX.sub(b"", line)) for line in pod.lines]
    assert [row["message"] for row in rows] == [f"request {n}" for n in range(len(rows))]
    assert {row["pod_ip"] for row in rows} == {pod.address}
    assert len(pod.cuids) == starts
    service = pod.name.partition("-")[0]
    assert all(found and found[2] == f"{service}.shop".encode()
               for found in map(SUFFIX.search, pod.lines))  # fmt: skip


def timeline_agrees(said: Any, pods: list[Pod]) -> None:
    """One row for each CUID: its Pod, its address, its lines, within the Pod's life."""
    rows = {row["container"]: row for row in said["containers"]}
    assert sorted(rows) == sorted(cuid for pod in pods for cuid in pod.cuids)
    for pod in pods:
        own = [rows[cuid] for cuid in pod.cuids]
        assert {row["identity"] for row in own} == {"cuid"}
        assert {row["pod"] for row in own} == {pod.name}
        assert [row["ips"] for row in own] == [[pod.address]] * len(own)
        assert sum(row["lines"] for row in own) == len(pod.lines)
        assert all(row["reused_ips"] == [pod.address] for row in own)
        # podman notes the start once runc is back: the first line can be before it.
        assert pod.started - SLACK <= datetime.fromisoformat(own[0]["first_seen"])
        assert datetime.fromisoformat(own[-1]["last_seen"]) <= pod.stopped
        assert own[-1]["end"] == "stopped"
    assert said["accounting"]["events"] == sum(len(pod.lines) for pod in pods)
    assert said["accounting"]["untagged"] == 0


def reuse_agrees(said: Any, pods: list[Pod]) -> None:
    """Each address with its holders in podman's order."""
    truth = {
        address: [(pod.name, cuid) for pod in pods if pod.address == address for cuid in pod.cuids]
        for address in {pod.address for pod in pods}
    }
    told = {
        row["ip"]: [(holder["pod"], holder["container"]) for holder in row["holders"]]
        for row in said["ips"]
    }
    assert told == truth
    for row in said["ips"]:
        assert row["kind"] == "reused"
        names = [holder["pod"] for holder in row["holders"]]
        changes = ["restarted" if one == two else "recycled"
                   for one, two in itertools.pairwise(names)]  # fmt: skip
        assert [holder["change"] for holder in row["holders"]] == ["first", *changes]


def resolve_agrees(sources: list[str], pods: list[Pod]) -> int:
    """At the middle of each Pod's life its Pod, in a hole nobody; how many times were asked."""
    asked = 0

    def at(address: str, moment: datetime) -> Any:
        nonlocal asked
        asked += 1
        (found,) = answer("resolve", *sources, "--ip", address, "--at", moment.isoformat())[
            "answers"
        ]
        return found

    for pod in pods:
        found = at(pod.address, pod.stopped - (pod.stopped - pod.started) / 4)
        assert found["verdict"] == "resolved", found
        assert (found["pod"], found["container"]) == (pod.name, pod.cuids[-1])
    holes = 0
    for address in {pod.address for pod in pods}:
        for one, two in itertools.pairwise(pod for pod in pods if pod.address == address):
            if two.started - one.stopped > timedelta(seconds=3.5):
                holes += 1
                found = at(address, one.stopped + (two.started - one.stopped) / 2)
                assert found["verdict"] == "unknown", found
                assert found["nearest_before"]["container"] == one.cuids[-1]
                assert found["nearest_after"]["container"] == two.cuids[0]
    assert holes
    return asked
