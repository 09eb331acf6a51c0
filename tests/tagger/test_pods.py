"""Real Pods: an application that knows nothing of the tagger, and an address that is used again.

podman runs them, without a registry: the image is this machine's own /usr/bin/python3 and busybox.
Slow, so only with --full. Needed: root, and of Debian: podman netavark runc iptables catatonit
busybox-static.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import ROOT, until

SUFFIX = re.compile(rb'\{"ikontainer_CUID":"([0-9a-f-]{36})","svc":"([^"]*)"\}$')
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
ip=$(hostname -i); n=0; trap 'echo "stopping $ip $n" >>/var/log/app/app.log; exit 0' TERM
while :; do
  echo "request $ip $n" >>/var/log/app/app.log; n=$((n + 1))
  if [ $((n % 400)) = 0 ]; then mv /var/log/app/app.log /var/log/app/app.log.$((n / 400)); fi
  usleep 2000
done
"""
POD = """\
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: shop}}
spec:
  containers:
    - name: app
      image: localhost/base:latest
      command: ["/bin/busybox", "sh", "-c", {script}]
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
            timeout=180,
        )
        assert not check or done.returncode == 0, f"podman {' '.join(words)}: {done.stderr}"
        return done.stdout.strip()

    def base(self) -> None:
        """An image of this machine's Python and busybox."""
        root = self.at / "rootfs"
        files = ["/usr/bin/python3", *Path("/usr/lib/python3.11/lib-dynload").glob("*.so")]
        wanted = {Path(os.path.realpath(each)) for each in files} | {Path("/usr/bin/python3")}
        for each in list(wanted):
            for line in subprocess.run(
                ["ldd", str(each)], capture_output=True, text=True, check=False
            ).stdout.splitlines():
                if found := re.search(r"(/\S+) \(0x", line):
                    wanted.add(Path(found[1]))
        for each in wanted:
            to = root / str(each).lstrip("/")
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(each, to)
        left_out = shutil.ignore_patterns("dist-packages", "test", "__pycache__", "config-*")
        library = "usr/lib/python3.11"
        shutil.copytree(f"/{library}", root / library, ignore=left_out, dirs_exist_ok=True)
        (root / "bin").mkdir(exist_ok=True)
        shutil.copy("/bin/busybox", root / "bin/busybox")
        for name in ("sh", "hostname", "usleep", "mv"):
            (root / "bin" / name).symlink_to("busybox")
        for name in ("tmp", "proc", "sys", "dev", "etc", "var/log/app", "out"):
            (root / name).mkdir(parents=True, exist_ok=True)
        subprocess.run(["tar", "-C", root, "-cf", self.at / "base.tar", "."], check=True)
        self("import", str(self.at / "base.tar"), "localhost/base:latest")


@pytest.fixture
def podman(full: bool) -> Iterator[Podman]:
    if not full:
        pytest.skip("real Pods take a minute: run with --full or CUIDX_FULL=1")
    for tool in ("podman", "runc", "iptables", "catatonit", "busybox"):
        if shutil.which(tool) is None:
            pytest.skip(f"no real Pods here: {tool} is not installed")
    if os.geteuid() or not Path("/usr/lib/python3.11").exists():
        pytest.skip("no real Pods here: root and /usr/bin/python3 3.11 are needed")
    it = Podman(Path(tempfile.mkdtemp(prefix="pods")))  # podman takes 50 characters at most
    it("network", "create", "--subnet", "10.199.77.0/29", "tagtest")
    yield it
    it("pod", "rm", "--all", "--force", "--time", "1", check=False)
    it("rm", "--all", "--force", check=False)
    it("network", "rm", "--force", "tagtest", check=False)
    subprocess.run(["umount", "-R", str(it.at / "root/overlay")], check=False, capture_output=True)
    shutil.rmtree(it.at, ignore_errors=True)


def numbers(lines: list[bytes]) -> list[int]:
    return [int(SUFFIX.sub(b"", line).split()[2]) for line in lines if line.startswith(b"request")]


def test_an_address_used_again_has_another_cuid(
    podman: Podman, capsys: pytest.CaptureFixture[str]
) -> None:
    podman.base()
    podman("build", "--build-arg", "BASE=localhost/base:latest", "-t", "cuidx-tag", str(ROOT))
    truth: dict[str, list[str]] = {}  # by podman's own record: address, Pods in their order
    for number in range(8):
        name = f"pay-{number}"
        out = podman.at / f"out-{number}"
        out.mkdir()
        out.chmod(0o777)  # the tagger has a uid of its own
        script = json.dumps(APPLICATION)
        (podman.at / "pod.yaml").write_text(POD.format(name=name, out=out, script=script))
        podman("play", "kube", "--network", "tagtest", str(podman.at / "pod.yaml"))
        networks = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        infra = podman("pod", "inspect", name, "--format", "{{.InfraContainerID}}")
        address = podman("inspect", infra, "--format", networks)
        truth.setdefault(address, []).append(name)
        until(lambda out=out: (out / "app.log.1").exists(), seconds=60)
        if number == 0:  # a restart in place: killed, and started again over its own output
            podman("kill", "--signal", "KILL", f"{name}-tag")
            time.sleep(0.5)
            podman("start", f"{name}-tag")
            until(lambda out=out: (out / "app.log.3").exists(), seconds=60)
        podman("pod", "stop", "--time", "20", name)
        podman("pod", "rm", "--force", name)
        if len(truth[address]) > 1:
            break
    reused = {address: names for address, names in truth.items() if len(names) > 1}
    assert reused, truth
    cuids: dict[str, set[bytes]] = {}
    for address, names in truth.items():
        for name in names:
            out = podman.at / f"out-{name.rpartition('-')[2]}"
            records = (out / "ikontainer.lifecycle.log").read_bytes().split(b"\n")[:-1]
            events = [json.loads(SUFFIX.sub(b"", line)) for line in records]
            kinds = [event["ikontainer_event"] for event in events]
            assert kinds == (["start", "start", "stop"] if name == "pay-0" else ["start", "stop"])
            assert {event["pod"] for event in events} == {name}
            lines: list[bytes] = []
            rotated = sorted(out.glob("app.log.*"), key=lambda path: int(path.suffix[1:]))
            for path in [*rotated, out / "app.log"]:
                lines += path.read_bytes().split(b"\n")[:-1] if path.exists() else []
            assert all(SUFFIX.search(line) for line in lines)
            assert {line.split()[1].decode() for line in lines} == {address}
            got = numbers(lines)
            assert got == list(range(len(got))), "a line was lost, doubled or out of order"
            cuids[name] = {found[1] for line in lines if (found := SUFFIX.search(line))}
            assert len(cuids[name]) == (2 if name == "pay-0" else 1)
            assert b"pay.shop" in lines[0]
    for names in reused.values():
        assert not set.intersection(*(cuids[name] for name in names))
    with capsys.disabled():
        print(f"\n[{len(cuids)} Pods, used again: {reused}]", end=" ")
