"""What is installed: one file, Kubernetes YAML, and imports of the standard library alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import yaml  # comes with kubernetes-validate

from cuidx.tagger import manifest, options, single

from .conftest import ROOT, Lab, need, suffixed, until
from .test_failures import free_port

TAGGER = ROOT / "cuidx" / "tagger"
BANNED = {"asyncio", "http", "logging", "dataclasses", "inspect", "argparse"}


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("path", sorted(TAGGER.glob("*.py")), ids=lambda path: path.name)
def test_it_imports_the_standard_library_alone(path: Path) -> None:
    for name in imported(path):
        first = name.partition(".")[0]
        assert first not in BANNED, name
        own = name == "cuidx.suffix" or name == "cuidx.tagger" or name.startswith("cuidx.tagger.")
        assert own or first in sys.stdlib_module_names, name


def test_one_file(lab: Lab) -> None:
    target = lab.at / "cuidx-tag.py"
    single.build(target)
    first = target.read_bytes()
    single.build(target)
    assert target.read_bytes() == first
    (lab.source / "app.log").write_bytes(b'{"a":1}\none\n')
    words = lab.command("--once")[3:]
    command = [sys.executable, "-I", "-S", str(target), *words]
    done = subprocess.run(command, cwd="/", capture_output=True, env={}, check=True)
    assert done.stderr == b""
    assert lab.outputs() == {"app.log": suffixed(b'{"a":1}\none\n')}
    done = subprocess.run([str(target), "--help"], capture_output=True, check=True)
    for name, _, _ in options.OPTIONS:
        assert f"  {name}".encode() in done.stdout


def test_the_documentation_has_each_option() -> None:
    page = (ROOT / "docs" / "tagger.md").read_text()
    for name, _, _ in options.OPTIONS:
        assert f"`{name}" in page, name


MANIFESTS = [
    ("sidecar", {}),
    ("sidecar", {"svc": "payment.shop.prod", "image": "team/x@sha256:00"}),
    ("sidecar", {"svc": 'odd "svc": {}', "name": "true"}),
    ("daemonset", {}),
    ("daemonset", {"svc": "node.logs.prod"}),
]


@pytest.mark.parametrize(("kind", "given"), MANIFESTS, ids=str)
def test_manifests_fit_kubernetes_schemas(tmp_path: Path, kind: str, given: dict[str, str]) -> None:
    validate = Path(sys.executable).with_name("kubernetes-validate")
    path = tmp_path / "x.yaml"
    path.write_text(manifest.manifest(kind, **given))
    done = subprocess.run(
        [str(validate), "--strict", str(path)], capture_output=True, check=False, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout + done.stderr


def load(kind: str, tmp_path: Path, **given: str) -> list[dict[str, object]]:
    """The documents, read by kubectl as part of a kustomization."""
    need("kubectl")
    (tmp_path / "x.yaml").write_text(manifest.manifest(kind, **given))
    (tmp_path / "kustomization.yaml").write_text("resources: [x.yaml]\nnamePrefix: pre-\n")
    done = subprocess.run(
        ["kubectl", "kustomize", str(tmp_path)], capture_output=True, check=True, text=True
    )
    assert "name: pre-" in done.stdout
    return list(yaml.safe_load_all(done.stdout))


def test_the_sidecar_is_native_and_restricted(tmp_path: Path) -> None:
    (deployment,) = load("sidecar", tmp_path, svc="payment.shop.prod")
    pod = deployment["spec"]["template"]["spec"]  # type: ignore[index]
    (tagger,) = pod["initContainers"]
    assert tagger["restartPolicy"] == "Always"
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in (tagger, *pod["containers"]):
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert tagger["securityContext"]["readOnlyRootFilesystem"] is True
    assert all("emptyDir" in volume for volume in pod["volumes"])
    assert {"name": "CUIDX_SVC", "value": "payment.shop.prod"} in tagger["env"]
    options.parse(tagger["args"])


def test_the_daemonset_reads_the_nodes_logs(tmp_path: Path) -> None:
    _, daemonset = load("daemonset", tmp_path)
    pod = daemonset["spec"]["template"]["spec"]  # type: ignore[index]
    (tagger,) = pod["containers"]
    chosen = options.parse(tagger["args"])
    assert (chosen.layout, chosen.source) == ("cri", "/var/log/pods")
    mounts = {mount["mountPath"]: mount for mount in tagger["volumeMounts"]}
    assert mounts["/var/log/pods"]["readOnly"] is True
    assert {chosen.out, chosen.state} <= set(mounts)


def test_health_on_all_addresses(lab: Lab) -> None:
    import socket

    port = free_port()
    process = lab.start("--health", f":{port}")
    for host in ("127.0.0.1", *(["::1"] if socket.has_dualstack_ipv6() else [])):
        with socket.create_connection((host, port), 5) as client:
            client.sendall(b"GET /livez HTTP/1.1\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")
    until(lambda: True, process)
    lab.stop(process)
