"""Fluentd Forward: against a server that is not ours, and against servers that fail."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cuidx.tagger import msgpack

from .conftest import CUID, SVC, Lab, heard, need, until

PACKAGE = "@fluent-org/logger@1.0.10"
HERE = Path(__file__).parent


class Sender(Lab):
    """A laboratory whose tagger sends to a port instead of a folder."""

    port = 0

    def command(self, *options: str, out: str | None = None) -> list[str]:
        return [
            *(sys.executable, "-m", "cuidx.tagger.app", "--source", str(self.source)),
            *("--forward", f"localhost:{self.port}", "--state", str(self.at / "state")),
            *("--cuid", CUID, "--svc", SVC, "--linger", "0.1", *options),
        ]

    def run(self, *options: str) -> subprocess.Popen[bytes]:
        return self.start(*options, ready=False)


@pytest.fixture
def sender(tmp_path: Path) -> Iterator[Sender]:
    it = Sender(tmp_path)
    yield it
    for process in it.running:
        if process.poll() is None:
            process.kill()
        process.communicate()


def numbered(start: int, end: int) -> list[str]:
    return [f"line {n:07d}" for n in range(start, end)]


def joined(lines: list[str]) -> bytes:
    return "".join(line + "\n" for line in lines).encode()


def has_open(process: subprocess.Popen[bytes], path: Path) -> bool:
    folder = Path(f"/proc/{process.pid}/fd")
    return any(os.path.realpath(each) == str(path) for each in folder.iterdir())


# -- a server that is not ours ---------------------------------------------------------------------


@pytest.fixture(scope="session")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need("node", "npm")
    at = tmp_path_factory.mktemp("npm")
    done = subprocess.run(
        ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(at), PACKAGE],
        capture_output=True,
        check=False,
        timeout=300,
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace")[-300:]
        pytest.fail(f"npm could not install {PACKAGE}: {said}", pytrace=False)
    return at / "node_modules"


class Collector:
    """The npm package's server as a process."""

    def __init__(self, modules: Path, out: Path, **env: str) -> None:
        self.out = out
        out.touch()
        before = out.stat().st_size
        with out.open("ab") as received:
            self.process = subprocess.Popen(
                ["node", str(HERE / "forward_server.js")],
                env=os.environ | {"NODE_PATH": str(modules)} | env,
                stdout=received,
            )
        until(lambda: out.stat().st_size > before)

    @property
    def lines(self) -> list[str]:
        return self.out.read_text().split("\n")[:-1]

    @property
    def port(self) -> int:
        return int(next(line for line in reversed(self.lines) if line.isdigit()))

    @property
    def events(self) -> list[list[object]]:
        return [json.loads(line) for line in self.lines if not line.isdigit()]

    def messages(self) -> list[str]:
        return [event[2]["message"] for event in self.events]  # type: ignore[index]

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def collector(modules: Path, tmp_path: Path) -> Iterator[Callable[..., Collector]]:
    made: list[Collector] = []

    def make(**env: str) -> Collector:
        made.append(Collector(modules, tmp_path / "received", **env))
        return made[-1]

    yield make
    for each in made:
        each.stop()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    need("openssl")
    at = tmp_path_factory.mktemp("tls")
    key, cert = str(at / "key.pem"), str(at / "cert.pem")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", key, "-out", cert),
        ],
        check=True,
        capture_output=True,
    )
    return key, cert


@pytest.mark.parametrize("mode", ["packed", "forward", "message"])
def test_each_mode_arrives_at_another_server(
    sender: Sender, collector: Callable[..., Collector], mode: str
) -> None:
    server = collector()
    sender.port = server.port
    lines = [*numbered(0, 500), "", "zwölf", "x" * 31, "x" * 32, "x" * 255, "x" * 256, "y" * 70_000]
    (sender.source / "a").mkdir()
    (sender.source / "a/app.log").write_bytes(joined(lines) + b"unfinished")
    begun = time.time()
    sender.once("--forward-mode", mode, "--forward-tag", "pod.app")
    assert server.messages() == [*lines, "unfinished"]
    for tag, seconds, record in server.events:
        assert tag == "pod.app"
        assert begun - 2 < float(str(seconds)) < time.time() + 2
        assert isinstance(record, dict)
        del record["message"]
        assert record == {"ikontainer_CUID": CUID, "svc": SVC, "file": "a/app.log"}
    sender.once("--forward-mode", mode)  # all was acknowledged: nothing comes twice
    assert len(server.events) == len(lines) + 1


def test_live_lines_with_shared_key_and_tls(
    sender: Sender, collector: Callable[..., Collector], certificate: tuple[str, str]
) -> None:
    key, cert = certificate
    server = collector(KEY="secret", TLS_KEY=key, TLS_CERT=cert)
    sender.port = server.port
    process = sender.run("--forward-ca", cert, "--forward-shared-key", "secret")
    for n in range(20):
        with (sender.source / "app.log").open("ab") as file:
            file.write(joined(numbered(n * 10, n * 10 + 10)))
        until(lambda n=n: len(server.events) == n * 10 + 10, process)
    sender.stop(process)
    assert server.messages() == numbered(0, 200)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--forward-tls", "--forward-shared-key", "secret"), b"certificate verify failed"),
        (("--forward-ca", "CERT", "--forward-shared-key", "wrong"), b"shared key"),
        (("--forward-ca", "CERT", "--forward", "127.0.0.1:PORT"), b"IP address mismatch"),
    ],
    ids=["unknown certificate", "wrong key", "another name"],
)
def test_who_is_not_trusted_gets_nothing(
    sender: Sender,
    collector: Callable[..., Collector],
    certificate: tuple[str, str],
    options: tuple[str, ...],
    said: bytes,
) -> None:
    key, cert = certificate
    server = collector(KEY="secret", TLS_KEY=key, TLS_CERT=cert)
    sender.port = server.port
    (sender.source / "app.log").write_bytes(joined(numbered(0, 10)))
    words = [word.replace("CERT", cert).replace("PORT", str(server.port)) for word in options]
    process = sender.run("--grace", "1", *words)
    assert said in heard(process)
    sender.stop(process)
    assert server.events == []
    sender.once("--forward-ca", cert, "--forward-shared-key", "secret")
    assert server.messages() == numbered(0, 10)


def test_a_server_that_is_away_and_comes_back(
    sender: Sender, collector: Callable[..., Collector]
) -> None:
    server = collector()
    sender.port = server.port
    process = sender.run()
    log = sender.source / "app.log"
    log.write_bytes(joined(numbered(0, 100)))
    until(lambda: len(server.events) == 100, process)
    server.stop()
    with log.open("ab") as file:
        file.write(joined(numbered(100, 200)))
    time.sleep(1)
    server = collector(PORT=str(sender.port))
    until(lambda: len(server.events) >= 200, process)
    sender.stop(process)
    assert server.messages() == numbered(0, 200)


# -- servers that fail -----------------------------------------------------------------------------


class Faulty:
    """A server that does to each connection what FAULTS say, and works when they are used up."""

    def __init__(self, *faults: str, port: int = 0) -> None:
        self.faults = list(faults)
        self.chunks: list[tuple[bytes, list[bytes]]] = []  # as they came
        self.acked: list[bytes] = []
        self.copies_after_ack = 0
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self.listener.getsockname()[1]
        self.closing = False
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        while True:
            client, _ = self.listener.accept()
            if self.closing:
                client.close()
                return
            fault = self.faults.pop(0) if self.faults else ""
            with client:
                self._serve(client, fault)

    def _serve(self, client: socket.socket, fault: str) -> None:
        client.settimeout(0.05)
        got = b""
        while not self.closing:
            try:
                data = client.recv(1000 if fault == "slow" else 100_000)
            except TimeoutError:
                continue
            except ConnectionError:
                return
            if not data:
                return
            got += data
            if fault == "cut" and len(got) > 5000:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                return  # a reset within a chunk
            while got:
                try:
                    value, end = msgpack.decode(got)
                except msgpack.Short:
                    break
                got = got[end:]
                if not self._chunk(client, fault, value):
                    return

    def _chunk(self, client: socket.socket, fault: str, value: object) -> bool:
        assert isinstance(value, list)
        _, packed, option = value
        name, lines, at = option[b"chunk"], [], 0
        while at < len(packed):
            entry, at = msgpack.decode(packed, at)
            assert isinstance(entry, list)
            lines.append(entry[1][b"message"])
        assert option[b"size"] == len(lines)
        self.copies_after_ack += name in self.acked
        self.chunks.append((name, lines))
        answer = b"\x81\xa3ack" + msgpack.text(name)
        try:
            if fault == "no ack":
                return False
            if fault == "wrong ack":
                client.sendall(b"\x81\xa3ack" + msgpack.text(b"another"))
                time.sleep(0.05)
                return False
            if fault == "rubbish":
                client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n\xc1")
                time.sleep(0.05)
                return False
            pieces = [answer[:3], answer[3:9], answer[9:]] if fault == "pieces" else [answer]
            for piece in pieces:
                client.sendall(piece)
                time.sleep(0.01 if fault == "pieces" else 0)
        except ConnectionError:
            return False
        self.acked.append(name)
        return True

    def lines(self) -> list[bytes]:
        """What a collector has that drops chunks it had before."""
        return [line for _, lines in dict(self.chunks).items() for line in lines]

    def close(self) -> None:
        self.closing = True
        socket.create_connection(("127.0.0.1", self.port)).close()
        self.thread.join()
        self.listener.close()


@pytest.mark.parametrize(
    "faults",
    [
        ["cut", "cut", "no ack", "cut"],
        ["wrong ack", "rubbish", "no ack"],
        ["pieces"],
        ["slow"],
    ],
    ids=",".join,
)
def test_faults(sender: Sender, faults: list[str]) -> None:
    server = Faulty(*faults)
    try:
        sender.port = server.port
        lines = numbered(0, 20_000)
        (sender.source / "app.log").write_bytes(joined(lines[:10_000]))
        process = sender.run()
        until(lambda: len(server.lines()) >= 10_000, process)
        with (sender.source / "app.log").open("ab") as file:
            file.write(joined(lines[10_000:]))
        until(lambda: len(server.lines()) >= 20_000, process, seconds=40)
        sender.stop(process)
        assert server.lines() == [line.encode() for line in lines]
        assert server.copies_after_ack == 0
    finally:
        server.close()


def test_a_refused_connection_first(sender: Sender) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        sender.port = taken.getsockname()[1]
    (sender.source / "app.log").write_bytes(joined(numbered(0, 1000)))
    process = sender.run()
    assert b"refused" in heard(process)
    server = Faulty(port=sender.port)
    try:
        until(lambda: len(server.lines()) == 1000, process)
        assert sender.stop(process) == b""  # it said so once
    finally:
        server.close()


def test_kills_send_again_only_what_was_not_acknowledged(sender: Sender) -> None:
    server = Faulty("slow", "slow", "no ack", "slow")
    try:
        sender.port = server.port
        lines = numbered(0, 60_000)
        log = sender.source / "app.log"
        for n in range(12):
            with log.open("ab") as file:
                file.write(joined(lines[n * 5000 : n * 5000 + 5000]))
            if n == 6:
                log.rename(sender.source / "app.log.1")
            process = sender.run()
            time.sleep(0.1 + 0.02 * n)
            process.send_signal(signal.SIGKILL)
            process.wait()
        sender.once()
        seen = {line for _, got in server.chunks for line in got}
        assert sorted(seen) == [line.encode() for line in lines]
        sent = sum(len(got) for _, got in server.chunks)
        sender.once()
        assert sum(len(got) for _, got in server.chunks) == sent
    finally:
        server.close()


def test_sigterm_while_the_server_is_away(sender: Sender) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        sender.port = taken.getsockname()[1]
    lines = numbered(0, 1000)
    (sender.source / "app.log").write_bytes(joined(lines) + b"unfinished")
    process = sender.run("--grace", "1")
    assert b"refused" in heard(process)
    sender.stop(process)
    server = Faulty(port=sender.port)
    try:
        sender.once()
        assert server.lines() == [*(line.encode() for line in lines), b"unfinished"]
    finally:
        server.close()


def test_lines_of_a_removed_file_outlive_a_kill(sender: Sender) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        sender.port = taken.getsockname()[1]
    lines = numbered(0, 200_000)  # more than is held in memory
    log = sender.source / "app.log"
    log.write_bytes(joined(lines))
    process = sender.run()
    state = sender.at / "state"
    until(lambda: has_open(process, log), process)
    log.unlink()

    def spilled() -> bool:
        files = [path for path in state.glob(".ikontainer.chunk.*") if path.suffix != ".new"]
        return sum(path.read_bytes().count(b"\xa7message") for path in files) == len(lines)

    until(spilled, process)
    process.kill()
    process.wait()
    server = Faulty("cut", port=sender.port)
    try:
        sender.once()
        assert server.lines() == [line.encode() for line in lines]
        assert list(state.glob(".ikontainer.chunk.*")) == []
    finally:
        server.close()


def test_memory_does_not_grow_with_the_backlog(sender: Sender) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        sender.port = taken.getsockname()[1]
    with (sender.source / "app.log").open("wb") as file:
        for n in range(100):
            file.write(joined(numbered(n * 50_000, n * 50_000 + 50_000)))
    process = sender.run("--grace", "0.5")
    time.sleep(2)
    status = Path(f"/proc/{process.pid}/status").read_text()
    peak = int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
    sender.stop(process)
    assert peak < 32 * 1024, f"{peak} KiB"


# -- encoding --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"\x7f", 127),
        (b"\xff", -1),
        (b"\xc0", None),
        (b"\xc2", False),
        (b"\xc3", True),
        (b"\xcd\x01\x00", 256),
        (b"\xd1\xff\xfe", -2),
        (b"\xcb?\xf8\0\0\0\0\0\0", 1.5),
        (b"\xa1x", b"x"),
        (b"\xd9\x01x", b"x"),
        (b"\xc5\x00\x01x", b"x"),
        (b"\x92\x01\x90", [1, []]),
        (b"\xdc\x00\x01\x02", [2]),
        (b"\x81\xa1a\x81\xa1b\x01", {b"a": {b"b": 1}}),
        (b"\xdf\x00\x00\x00\x01\xa1a\x02", {b"a": 2}),
        (b"\xd7\x00" + b"\0" * 8, b"\0" * 9),
    ],
    ids=repr,
)
def test_decode(raw: bytes, value: object) -> None:
    assert msgpack.decode(raw) == (value, len(raw))
    for cut in range(len(raw)):
        with pytest.raises(msgpack.Short):
            msgpack.decode(raw[:cut])


def test_decode_refuses_what_is_none() -> None:
    with pytest.raises(ValueError, match="MessagePack"):
        msgpack.decode(b"\xc1")
    with pytest.raises(ValueError, match="deep"):
        msgpack.decode(b"\x91" * 100 + b"\x01")


@pytest.mark.parametrize("size", [0, 31, 32, 255, 256, 65_535, 65_536, 3_000_000])
def test_text(size: int) -> None:
    value = b"x" * size
    assert msgpack.decode(msgpack.text(value)) == (value, len(msgpack.text(value)))
    assert msgpack.text_head(size) + value == msgpack.text(value)
