"""A connection to a Forward server: handshake, chunks out, acks in.

Source: Forward Protocol Specification v1, https://github.com/fluent/fluentd/wiki
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import select
import socket
import time

from cuidx.tagger import msgpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl

CONNECT = 10.0  # seconds for the connection, TLS and the handshake
STALL = 30.0  # seconds in which a server that takes nothing is given up


class Lost(Exception):  # noqa: N818 - it is expected, and tried again
    """The connection can't be used any more; the reason in plain words."""


class Server:
    """Where to, and how."""

    __slots__ = ("context", "host", "key", "name", "port")

    def __init__(
        self, host: str, port: int, *, name: str, key: bytes, context: ssl.SSLContext | None
    ) -> None:
        self.host = host
        self.port = port
        self.name = name  # of this host, in the handshake
        self.key = key
        self.context = context


def server(where: str, *, name: str, key: str, tls: bool, ca: str) -> Server:
    """The server of `--forward HOST:PORT`; ValueError or OSError where that can't be."""
    host, _, port = where.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError("HOST:PORT is needed, such as fluentd:24224")
    context = None
    if tls or ca:
        import ssl

        context = ssl.create_default_context(cafile=ca or None)
    host = host.strip("[]")
    return Server(host, int(port), name=name, key=os.fsencode(key), context=context)


class Link:
    """One open connection. Lost is raised by whatever finds out that it is none any more."""

    def __init__(self, to: Server) -> None:
        self._got = b""
        try:
            self.sock = socket.create_connection((to.host, to.port), CONNECT)
        except OSError as error:
            raise Lost(f"no connection: {error.strerror or error}") from None
        try:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if to.context is not None:
                self.sock = to.context.wrap_socket(self.sock, server_hostname=to.host)
            if to.key:
                self._greet(to)
            self.sock.settimeout(STALL)
        except OSError as error:  # ssl.SSLError is one
            self.close()
            raise Lost(f"no connection: {error.strerror or error}") from None
        except Lost:
            self.close()
            raise

    def close(self) -> None:
        """Close it, whatever its state."""
        with contextlib.suppress(OSError):
            self.sock.close()

    def _greet(self, to: Server) -> None:
        """HELO, PING, PONG. Nothing of a log is sent before the server has shown the key too."""
        hello = self._answer("HELO", 2)
        options = hello[1]
        if not isinstance(options, dict):
            raise Lost("handshake: HELO without options")
        nonce = options.get(b"nonce", b"")
        if not isinstance(nonce, bytes) or options.get(b"auth") not in (None, b"", False):
            raise Lost("handshake: the server wants a user, which cuidx tag does not have")
        salt = os.urandom(16).hex().encode()  # hex: servers differ in whether it may be bin
        name = to.name.encode()
        digest = hashlib.sha512(salt + name + nonce + to.key).hexdigest().encode()
        parts = (b"PING", name, salt, digest, b"", b"")
        self.sock.sendall(msgpack.array_head(6) + b"".join(map(msgpack.text, parts)))
        _, yes, why, host, proof = self._answer("PONG", 5)
        if yes is not True:
            raise Lost(f"handshake refused: {_plain(why)}")
        if not isinstance(host, bytes) or host == name:
            raise Lost("handshake: the server has this host's own name")
        expected = hashlib.sha512(salt + host + nonce + to.key).hexdigest().encode()
        if proof != expected:
            raise Lost("handshake: the server does not know the shared key")

    def _answer(self, kind: str, size: int) -> list[object]:
        deadline = time.monotonic() + CONNECT
        while True:
            value = self._value()
            if value is not _NONE:
                if isinstance(value, list) and len(value) >= size and value[0] == kind.encode():
                    return value[:size]
                raise Lost(f"handshake: {kind} expected; has the server a shared key?")
            if time.monotonic() > deadline:
                raise Lost(f"handshake: no {kind} in time; has the server a shared key?")
            data = self.sock.recv(4096)
            if not data:
                raise Lost(f"handshake: closed before {kind}; is the shared key right?")
            self._got += data

    def _value(self) -> object:
        try:
            value, end = msgpack.decode(self._got)
        except msgpack.Short:
            if len(self._got) > 65536:
                raise Lost("an answer without end") from None
            return _NONE
        except ValueError as error:
            raise Lost(f"{error}; is this a Forward server?") from None
        self._got = self._got[end:]
        return value

    def send(self, data: bytes) -> None:
        """Send all of DATA."""
        try:
            self.sock.sendall(data)
        except OSError as error:
            raise Lost(f"while sending: {error.strerror or error}") from None

    def acks(self, wait: float, wake: int) -> list[bytes]:
        """The acks that have come; waits up to WAIT seconds for one, or until WAKE is readable."""
        pending = getattr(self.sock, "pending", None)
        if pending is None or not pending():
            poll = select.poll()
            poll.register(self.sock, select.POLLIN)
            poll.register(wake, select.POLLIN)
            ready = {fd for fd, _ in poll.poll(int(wait * 1000) + 1 if wait > 0 else 0)}
            if wake in ready:
                os.read(wake, 4096)
            if self.sock.fileno() not in ready:
                return []
        self.sock.setblocking(False)  # of TLS there may be something to read that is no data
        try:
            data = self.sock.recv(65536)
        except OSError as error:
            if isinstance(error, BlockingIOError) or type(error).__name__ == "SSLWantReadError":
                return []
            raise Lost(f"while waiting for acks: {error.strerror or error}") from None
        finally:
            self.sock.settimeout(STALL)
        if not data:
            raise Lost("closed by the server")
        self._got += data
        found = []
        while self._got and (value := self._value()) is not _NONE:
            if isinstance(value, dict) and isinstance(value.get(b"ack"), bytes):
                found.append(value[b"ack"])
        return found


_NONE = object()


def _plain(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
