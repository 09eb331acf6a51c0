"""Requests to Elasticsearch: tried again where that helps, else one plain line.

On the client library's own transport (`elastic_transport`): the rest of the library takes 0.6 s to
import, and each major version of it refuses servers older than itself.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import orjson

from cuidx.errors import SourceError
from cuidx.sources.elastic.address import Address

if TYPE_CHECKING:
    from elastic_transport import HttpHeaders

_AGAIN: Final = frozenset({429, 502, 503, 504})
WAITS: Final = (0.2, 0.5, 1.0, 2.0, 4.0)  # seconds before each further try
_FIRST_WAITS: Final = 2  # of them for a server that has never answered: it may not be there
_LONGEST_WAIT: Final = 15.0  # what is taken of a server's Retry-After
_TIMEOUT: Final = 120.0  # seconds; a page of aggregations over all documents takes some


class RefusedError(SourceError):
    """The server understood, and says no: `status` says how, `kind` is its word for it."""

    def __init__(self, what: str, *, where: str, do: str, status: int, kind: str = "") -> None:
        super().__init__(what, where=where, do=do)
        self.status, self.kind = status, kind


class Client:
    """One server. Used by several threads at once."""

    def __init__(self, address: Address, waits: Sequence[float] | None = None) -> None:
        from elastic_transport import NodeConfig, Urllib3HttpNode

        self.address = address
        self._waits = WAITS if waits is None else waits
        headers = {"accept": "application/json"}
        if address.authorization is not None:
            headers["authorization"] = address.authorization
        tls: dict[str, Any] = {}
        if address.scheme == "https":
            tls = {"verify_certs": not address.insecure, "ssl_show_warn": False}
            if address.ca is not None:
                tls["ca_certs"] = address.ca
        self._node = Urllib3HttpNode(
            NodeConfig(address.scheme, address.host, address.port, path_prefix=address.prefix,
                       headers=headers, request_timeout=_TIMEOUT, **tls)
        )  # fmt: skip
        self._answered = False

    def ask(self, method: str, target: str, body: object = None) -> Any:
        """The JSON that the server answers with; BODY is sent as JSON."""
        return orjson.loads(self.send(method, target, body) or b"null")

    def send(
        self, method: str, target: str, body: object = None, waits: Sequence[float] | None = None
    ) -> bytes:
        """The bytes that the server answers with; BODY is JSON, or bytes of JSON lines.

        WAITS are the seconds before each further try.

        Raises:
            RefusedError: it says no.
            SourceError: it can't be reached, or is no Elasticsearch.
        """
        lines = isinstance(body, bytes)
        data = body if lines or body is None else json.dumps(body).encode()
        kind = "application/x-ndjson" if lines else "application/json"
        said = ""
        for attempt, usual in enumerate((*(self._waits if waits is None else waits), None)):
            wait = usual
            try:
                status, headers, answer = self._once(method, target, data, kind)
            except _UnreachedError as error:
                said = str(error)
                if not self._answered and attempt >= _FIRST_WAITS:
                    wait = None
            else:
                self._answered = True
                if status not in _AGAIN:
                    return self._taken(status, headers, answer)
                said = f"it answers {status}: {_reason(answer)[1] or 'no reason given'}"
                wait = _asked_wait(headers, wait)
            if wait is None:
                break
            time.sleep(wait)
        raise SourceError(
            f"the server can't be reached: {said}",
            where=self.address.shown,
            do="is it running, and the address right? nothing was lost: start again",
        )

    def _once(
        self, method: str, target: str, data: Any, kind: str
    ) -> tuple[int, HttpHeaders, bytes]:
        import elastic_transport as transport

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that TLS is not checked was asked for
                done = self._node.perform_request(
                    method,
                    target,
                    body=data,
                    headers=transport.HttpHeaders({"content-type": kind} if data else {}),
                )
        except transport.TlsError as error:
            what = _short(error)
            if "version number" in what or "record layer" in what:
                raise SourceError(
                    "this port speaks no TLS", where=self.address.shown, do="try http://"
                ) from None
            raise SourceError(
                f"its certificate is not trusted: {what}",
                where=self.address.shown,
                do="--ca FILE for a CA of your own; --insecure asks without looking at it",
            ) from None
        except transport.ConnectionTimeout:
            raise _UnreachedError(f"no answer within {_TIMEOUT:.0f} s") from None
        except transport.ConnectionError as error:
            raise _UnreachedError(_short(error)) from None
        return done.meta.status, done.meta.headers, done.body

    def _taken(self, status: int, headers: HttpHeaders, answer: bytes) -> bytes:
        where = self.address.shown
        known = headers.get("x-elastic-product") == "Elasticsearch"
        if status < 300:
            if known:
                return answer
            raise SourceError(
                "this server does not say that it is Elasticsearch",
                where=where,
                do="cuidx speaks to Elasticsearch 7.14 and later; OpenSearch is another product",
            )
        kind, reason = _reason(answer)
        if status == 401:
            raise RefusedError(
                "the server does not know who asks (401)", where=where, status=status,
                do="set CUIDX_ES_API_KEY, or CUIDX_ES_USER and CUIDX_ES_PASSWORD",
            )  # fmt: skip
        if status == 403:
            raise RefusedError(
                f"who asks may not do this (403): {reason}", where=where, status=status, kind=kind,
                do="reading takes the privileges read and view_index_metadata on the index; "
                "push create_index, create and manage_index_templates",
            )  # fmt: skip
        if not known:
            raise SourceError(
                f"this is no Elasticsearch: it answers {status}", where=where,
                do="the URL is that of the server, not of Kibana",
            )  # fmt: skip
        do = "check the index pattern" if status == 404 else "see the server's log"
        raise RefusedError(
            f"the server refuses ({status}): {reason}", where=where, do=do, status=status, kind=kind
        )


class _UnreachedError(Exception):
    """No answer, this time."""


def _asked_wait(headers: HttpHeaders, wait: float | None) -> float | None:
    said = str(headers.get("retry-after") or "")
    if wait is None or not said.isdigit():
        return wait
    return min(float(said), _LONGEST_WAIT)


def _reason(answer: bytes) -> tuple[str, str]:
    """The server's word for what is wrong, and why, from the body of an error."""
    try:
        error = orjson.loads(answer)["error"]
        if isinstance(error, str):
            return "", error
        cause = (error.get("root_cause") or [error])[0]
        return str(cause.get("type", "")), str(cause.get("reason", ""))[:300]
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", answer[:100].decode("utf-8", "replace").strip().partition("\n")[0]


def _short(error: Exception) -> str:
    """What is wrong, without the library's classes and addresses in memory around it."""
    text = str(getattr(error, "message", error))
    for opening in ("[Errno ", "[SSL: "):
        if (at := text.find(opening)) >= 0:
            text = text[at:].partition("] ")[2].strip("()'\" ") or text[at:]
            return text.partition(" (_ssl")[0].rstrip(")'\"")
    return text.rpartition(">: ")[2].strip("()'\"")[:200]
