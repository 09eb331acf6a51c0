"""A real Elasticsearch for the tests: unpacked, started, waited for, killed, stopped.

tests/install-tools puts the server's zip where ZIP says. It is Elasticsearch's own build for
integration tests, from Maven Central: the server with few modules, and security.
"""

import base64
import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.request
import zipfile
from pathlib import Path
from types import TracebackType
from typing import Any

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cuidx"
ZIP = next(iter(sorted(CACHE.glob("elasticsearch-*.zip"))), CACHE / "elasticsearch.zip")
PASSWORDS = {
    "admin": "pa55word-of-the-admin",
    "reader": "pa55word-of-the-reader",  # may read `shop*`, and nothing else
}
_ADMIN = "Basic " + base64.b64encode(f"admin:{PASSWORDS['admin']}".encode()).decode()
_UID = 64_017  # it refuses to run as root; a number needs no account
_SETTINGS = """\
cluster.name: cuidx-tests
discovery.type: single-node
http.port: {port}
transport.port: {transport}
path.data: {folder}/data
path.logs: {folder}/logs
node.store.allow_mmap: false
cluster.routing.allocation.disk.threshold_enabled: false
xpack.security.enabled: true
xpack.security.http.ssl.enabled: false
"""
_ROLES = """\
reader:
  indices:
    - names: ["shop*"]
      privileges: [read, view_index_metadata]
"""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Server:
    """One node on this machine, with its data in a folder of its own, gone at the end."""

    def __init__(self) -> None:
        java = shutil.which("java")
        if not ZIP.is_file() or java is None:
            lacking = "java" if java is None else ZIP
            raise AssertionError(
                f"the Elasticsearch server for the tests is not there: {lacking} is missing; "
                "tests/install-tools gets it, and says why it can't"
            )
        self._java = Path(java).resolve().parent.parent
        self.folder = Path(tempfile.mkdtemp(prefix="cuidx-elastic-"))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        with zipfile.ZipFile(ZIP) as packed:
            packed.extractall(self.folder)
        self.home = next(self.folder.glob("elasticsearch-*"))
        for script in (self.home / "bin").iterdir():
            script.chmod(0o755)
        config = self.home / "config"
        (config / "elasticsearch.yml").write_text(
            _SETTINGS.format(port=self.port, transport=free_port(), folder=self.folder)
        )
        (config / "roles.yml").write_text(_ROLES)
        users = [f"{user}:{_hashed(password)}\n" for user, password in PASSWORDS.items()]
        (config / "users").write_text("".join(users))
        (config / "users_roles").write_text("superuser:admin\nreader:reader\n")
        self.owner: dict[str, Any] = {}
        if os.geteuid() == 0:
            self.owner = {"user": _UID, "group": _UID, "extra_groups": []}
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, _UID, _UID)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, patience: float = 240) -> None:
        """Start, and wait until it answers."""
        log = self.folder / "out.log"
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                [self.home / "bin" / "elasticsearch"], stdout=out, stderr=out, cwd=self.home,
                stdin=subprocess.DEVNULL, start_new_session=True, **self.owner,
                env={"PATH": os.environ["PATH"], "HOME": str(self.folder),
                     "ES_JAVA_HOME": str(self._java), "ES_TMPDIR": str(self.folder),
                     "ES_JAVA_OPTS": "-Xms512m -Xmx512m", "CLI_JAVA_OPTS": "-Xmx64m"},
            )  # fmt: skip
        end = time.monotonic() + patience
        while time.monotonic() < end:
            if self._process.poll() is not None:
                break
            try:
                if self.ask("GET", "/_cluster/health?wait_for_status=yellow")["status"] != "red":
                    return
            except (OSError, ValueError):
                time.sleep(0.3)
        last = log.read_text("utf-8", "replace").splitlines()[-15:]
        raise AssertionError("the Elasticsearch server does not start:\n" + "\n".join(last))

    def kill(self) -> None:
        """As a power cut would."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(30)

    def stop(self) -> None:
        """Stop it, and remove its folder."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, method: str, target: str, body: object = None) -> Any:
        """What it answers to the admin."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        kind = "application/x-ndjson" if isinstance(body, bytes) else "application/json"
        request = urllib.request.Request(
            self.url + target, data, {"content-type": kind, "authorization": _ADMIN}, method=method
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def count(self, index: str) -> int:
        self.ask("POST", f"/{index}/_refresh")
        return int(self.ask("GET", f"/{index}/_count")["count"])

    def open_searches(self) -> int:
        """Points in time (and scrolls) that nobody has closed."""
        found = self.ask("GET", "/_nodes/stats/indices/search")
        return sum(
            int(node["indices"]["search"]["open_contexts"]) for node in found["nodes"].values()
        )


def _hashed(password: str) -> str:
    salt = os.urandom(32)
    told = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 10_000, 32)
    return f"{{PBKDF2}}10000${base64.b64encode(salt).decode()}${base64.b64encode(told).decode()}"


class Proxy:
    """A TCP proxy in front of a port: with TLS if it has a certificate; counts what goes through.

    AFTER, if set, is called once, when LIMIT bytes of answers have come; if CUTS, neither these nor
    anything else goes through from then on.
    """

    def __init__(self, port: int, certificate: Path | None = None, key: Path | None = None) -> None:
        self._to = port
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate, key)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self.limit: int | None = None
        self.after: Any = None
        self.cuts = False
        self._is_cut = False
        self._lock, self._passed = threading.Lock(), 0
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def _pass(self, client: socket.socket) -> None:
        if self._is_cut:
            client.close()
            return
        try:
            if self._context is not None:
                client = self._context.wrap_socket(client, server_side=True)
            server = socket.create_connection(("127.0.0.1", self._to))
        except OSError:  # no trust in our certificate, or no server
            client.close()
            return
        threading.Thread(target=self._copy, args=(client, server, False), daemon=True).start()
        self._copy(server, client, True)

    def _copy(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        try:
            while data := source.recv(1 << 16):
                if answers:
                    self._seen(len(data))
                if self._is_cut:
                    break
                target.sendall(data)
        except OSError:
            pass
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _seen(self, count: int) -> None:
        with self._lock:
            self._passed += count
            due = self.limit is not None and self._passed >= self.limit
            if due:
                self.limit = None
                self._is_cut = self.cuts
        if due and self.after is not None:
            self.after()
