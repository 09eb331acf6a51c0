"""`/livez`, `/readyz` and `/metrics`, answered beside the tagging.

A thread of its own: neither a full disk nor a slow reader of standard output keeps a probe
waiting. Each connection is non-blocking and short-lived; one that is held open costs nothing.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time

from cuidx.tagger import say

MOST = 64  # connections; the oldest goes when one more comes
SECONDS = 5.0  # for a request and its answer


class _Client:
    __slots__ = ("answer", "got", "since", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.got = b""
        self.answer = b""
        self.since = time.monotonic()


def serve(where: str) -> None:
    """Serve on HOST:PORT (or :PORT, or [v6]:PORT) until the process ends."""
    host, _, port = where.rpartition(":")
    host = host.strip("[]")
    if not port.isdigit() or int(port) > 65535:
        raise say.Refusal(f"--health {where}: HOST:PORT is needed, such as 0.0.0.0:8080")
    try:
        listener = _listen(host, int(port))
    except OSError as error:
        raise say.Refusal(f"--health {where}: {error.strerror or error}", 3) from None
    listener.listen(16)
    listener.setblocking(False)
    threading.Thread(target=_loop, args=(listener,), name="health", daemon=True).start()


def _listen(host: str, port: int) -> socket.socket:
    """A listener on HOST, or on all addresses of both families if it is empty."""
    if not host and socket.has_dualstack_ipv6():
        return socket.create_server(
            ("::", port), family=socket.AF_INET6, dualstack_ipv6=True, reuse_port=False
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


def _loop(listener: socket.socket) -> None:
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    clients: dict[int, _Client] = {}

    def drop(fd: int) -> None:
        client = clients.pop(fd)
        poll.unregister(fd)
        client.sock.close()

    while True:
        for fd, _ in poll.poll(1000 if clients else None):
            if fd == listener.fileno():
                with contextlib.suppress(OSError):
                    sock, _ = listener.accept()
                    sock.setblocking(False)
                    clients[sock.fileno()] = _Client(sock)
                    poll.register(sock, select.POLLIN)
                    if len(clients) > MOST:
                        drop(next(iter(clients)))
            elif fd in clients and _is_done(clients[fd], poll):
                drop(fd)
        late = time.monotonic() - SECONDS
        for fd in [fd for fd, client in clients.items() if client.since < late]:
            drop(fd)


def _is_done(client: _Client, poll: select.poll) -> bool:
    """Read the request or write the answer, as far as that goes now."""
    try:
        if not client.answer:
            data = client.sock.recv(4096)
            client.got += data
            if not data or len(client.got) > 16384:
                return True
            if b"\r\n\r\n" not in client.got and b"\n\n" not in client.got:
                return False
            client.answer = answer(client.got)
            poll.modify(client.sock, select.POLLOUT)
        client.answer = client.answer[client.sock.send(client.answer) :]
    except BlockingIOError:
        return False
    except OSError:
        return True
    if not client.answer:
        with contextlib.suppress(OSError):
            client.sock.shutdown(socket.SHUT_WR)
    return not client.answer


def answer(request: bytes) -> bytes:
    """The whole HTTP response to REQUEST."""
    words = request.split(None, 2)
    method, path = (words[0], words[1].partition(b"?")[0]) if len(words) > 1 else (b"", b"")
    kind, status, body = "text/plain; charset=utf-8", "200 OK", "ok\n"
    if method not in (b"GET", b"HEAD"):
        status, body = "405 Method Not Allowed", "GET only\n"
    elif path == b"/readyz":
        if not say.counts["ready"]:
            status, body = "503 Service Unavailable", "the first look is not done\n"
    elif path == b"/metrics":
        kind, body = "text/plain; version=0.0.4; charset=utf-8", metrics()
    elif path != b"/livez":
        status, body = "404 Not Found", "/livez, /readyz, /metrics\n"
    data = body.encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + (b"" if method == b"HEAD" else data)


HELP = {
    "lines_total": "lines tagged",
    "read_bytes_total": "bytes of whole lines read from sources",
    "written_bytes_total": "bytes written, suffixes included",
    "write_errors_total": "writes that failed or were short and are tried again",
    "unreadable_total": "times a file or folder could not be opened",
    "rewritten_total": "times a file was found truncated or written anew",
    "event_overflows_total": "times the inotify queue overflowed; all was looked at again",
    "rescans_total": "times everything was looked at",
    "files": "files followed",
    "open_files": "sources that are open",
    "folders": "folders known",
    "polled_folders": "folders that are looked at again and again, for want of inotify",
    "blocked": "1 while output waits: a full disk, a receiver that does not take more",
    "ready": "1 after the first look at everything",
}


def metrics() -> str:
    """Prometheus text (exposition format 0.0.4)."""
    lines = []
    for name, value in say.counts.items():
        kind = "counter" if name.endswith("_total") else "gauge"
        full = f"cuidx_tag_{name}"
        lines += [f"# HELP {full} {HELP[name]}", f"# TYPE {full} {kind}", f"{full} {value}"]
    with open("/proc/self/statm", "rb") as statm:
        pages = int(statm.read().split()[1])
    size = os.sysconf("SC_PAGE_SIZE")
    lines += [
        "# HELP process_resident_memory_bytes resident memory",
        "# TYPE process_resident_memory_bytes gauge",
        f"process_resident_memory_bytes {pages * size}",
    ]
    return "\n".join(lines) + "\n"
