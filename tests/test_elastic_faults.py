"""What a server does wrong on a bad day: a stand-in does it on demand, and counts who asks again."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pytest

from cuidx.errors import SourceError, UsageError
from cuidx.sources.elastic.address import parse, without_secret
from cuidx.sources.elastic.client import Client, RefusedError
from cuidx.sources.elastic.writing import Item, bulk
from cuidx.sources.paths import is_url

ELASTIC = {"X-Elastic-Product": "Elasticsearch"}


class Answer(NamedTuple):
    """What the stand-in says; status 0 cuts the connection."""

    status: int
    body: Any = None
    headers: dict[str, str] = ELASTIC


class Asked(NamedTuple):
    """A request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


OK = Answer(200, {"fine": True})


@contextmanager
def stand_in(reply: Callable[[Asked, int], Answer]) -> Iterator[tuple[str, list[Asked]]]:
    """A server that answers request after request, numbered from 0, as REPLY says."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked.append(Asked(self.command, self.path, headers, body))
            said = reply(asked[-1], len(asked) - 1)
            if not said.status:
                self.close_connection = True
                self.connection.shutdown(2)
                return
            data = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
            self.send_response(said.status)
            for name, value in {"content-type": "application/json", **said.headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = _answer

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def script(*answers: Answer) -> Callable[[Asked, int], Answer]:
    """These in turn, the last one again and again."""
    return lambda asked, at: answers[min(at, len(answers) - 1)]


def client(url: str, **environment: str) -> Client:
    return Client(parse(f"{url}/logs", environment=environment), waits=(0, 0, 0, 0, 0))


def error(status: int, kind: str, reason: str) -> Answer:
    cause = {"type": kind, "reason": reason}
    return Answer(status, {"error": {**cause, "root_cause": [cause]}, "status": status})


BUSY = error(429, "es_rejected_execution_exception", "rejected execution of search")


@pytest.mark.parametrize(
    ("answers", "requests"),
    [
        pytest.param([OK], 1, id="an answer is taken"),
        pytest.param([BUSY, OK], 2, id="429: too busy"),
        pytest.param([Answer(503, b"<html>"), Answer(502, b""), OK], 3, id="a proxy has no server"),
        pytest.param([Answer(0), Answer(0), OK], 3, id="the connection is cut"),
        pytest.param([Answer(504, b""), Answer(0), BUSY, OK], 4, id="one after the other"),
        pytest.param([Answer(429, {}, {**ELASTIC, "Retry-After": "0"}), OK], 2, id="Retry-After"),
    ],
)
def test_it_asks_again_until_there_is_an_answer(answers: list[Answer], requests: int) -> None:
    with stand_in(script(*answers)) as (url, asked):
        assert client(url).ask("POST", "/_search", {"size": 0}) == {"fine": True}
        assert len(asked) == requests
        assert {(one.method, one.target, one.body) for one in asked} == {
            ("POST", "/_search", b'{"size": 0}')
        }


NO_READER = error(403, "security_exception", "action [search] is unauthorized for user [u]")
REFUSALS = [
    pytest.param(
        error(401, "security_exception", "unable to authenticate user [u]"), RefusedError, 1,
        ["does not know who asks (401)", "CUIDX_ES_API_KEY"], id="401",
    ),
    pytest.param(NO_READER, RefusedError, 1, ["(403): action [search]", "privileges"], id="403"),
    pytest.param(
        error(404, "index_not_found_exception", "no such index [logs]"), RefusedError, 1,
        ["(404): no such index [logs]", "index pattern"], id="404",
    ),
    pytest.param(Answer(200, b"<h1>It works</h1>", {}), SourceError, 1,
                 ["does not say that it is Elasticsearch", "OpenSearch"], id="another product"),
    pytest.param(Answer(404, b"Not Found", {}), SourceError, 1,
                 ["no Elasticsearch: it answers 404", "Kibana"], id="a 404 of another product"),
    pytest.param(BUSY, SourceError, 6, ["can't be reached: it answers 429: rejected", "start again"],
                 id="busy for good"),
    pytest.param(Answer(0), SourceError, 3, ["can't be reached", "is it running"],
                 id="cut from the first on"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "kind", "requests", "words"), REFUSALS)
def test_what_does_not_help_is_said_in_two_lines(
    answer: Answer, kind: type[SourceError], requests: int, words: list[str]
) -> None:
    with stand_in(script(answer)) as (url, asked):
        with pytest.raises(SourceError) as told:
            client(url, CUIDX_ES_USER="u", CUIDX_ES_PASSWORD="s3cret").ask("GET", "/logs/_search")
        assert len(asked) == requests
    text = str(told.value)
    assert type(told.value) is kind
    assert [word for word in words if word not in text] == []
    assert text.startswith(f"{url}/logs: ")
    assert text.count("\n") == 1
    assert "s3cret" not in text


@pytest.mark.parametrize(
    ("user", "environment", "sent"),
    [
        ("", {}, None),
        ("", {"CUIDX_ES_API_KEY": "a2V5"}, "ApiKey a2V5"),
        ("", {"CUIDX_ES_API_KEY": "id:key"}, "ApiKey " + base64.b64encode(b"id:key").decode()),
        ("", {"CUIDX_ES_USER": "u", "CUIDX_ES_PASSWORD": "p:w"}, "u:p:w"),
        ("me@", {"CUIDX_ES_USER": "u", "CUIDX_ES_PASSWORD": "pw"}, "me:pw"),
        ("me:its%40own@", {"CUIDX_ES_API_KEY": "k", "CUIDX_ES_PASSWORD": "pw"}, "me:its@own"),
    ],
)
def test_who_asks_is_said_in_the_header_alone(
    user: str, environment: dict[str, str], sent: str | None
) -> None:
    with stand_in(script(OK)) as (url, asked):
        address = parse(url.replace("//", f"//{user}") + "/logs", environment=environment)
        Client(address).ask("GET", address.target)
    if sent is not None and not sent.startswith("ApiKey "):
        sent = "Basic " + base64.b64encode(sent.encode()).decode()
    assert asked[0].headers.get("authorization") == sent
    assert asked[0].target == "/logs"
    assert sent is None or sent not in repr(address)


@pytest.mark.parametrize(
    ("url", "shown", "words"),
    [
        ("http://h/logs", "http://h/logs", "has no port"),
        ("http://:9200/logs", "http://:9200/logs", "has no host"),
        ("http://h:9200", "http://h:9200", "names no index"),
        ("http://h:9200/", "http://h:9200/", "names no index"),
        ("http://h:port/logs", "http://h:port/logs", "is no URL"),
        ("https://u:pw@h:9200/logs?pretty", "https://h:9200/logs", "names no index"),
        ("https://u:p/w@h:9200", "https://h:9200", "is no URL"),
    ],
)
def test_what_is_no_address_of_an_index_is_refused(url: str, shown: str, words: str) -> None:
    assert is_url(url)
    assert without_secret(url) == shown
    with pytest.raises(UsageError, match=words) as told:
        parse(url, environment={})
    assert "pw" not in str(told.value)


def test_a_server_behind_a_path_and_a_name_with_odd_letters() -> None:
    address = parse("https://h:443/elastic/a%2Cb*", environment={})
    assert (address.prefix, address.index, address.target) == ("/elastic", "a,b*", "/a,b*")
    named = parse("https://h:443/elastic", index="shop", environment={})
    assert (named.prefix, named.index) == ("/elastic", "shop")


def items(count: int) -> list[Item]:
    return [Item(f'{{"create":{{"_id":"{at}"}}}}\n{{}}\n', at % 2, at) for at in range(count)]


def ids_of(asked: Asked) -> list[str]:
    return [json.loads(line)["create"]["_id"] for line in asked.body.decode().splitlines()[::2]]


def test_only_documents_that_the_server_was_too_busy_for_are_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cuidx.sources.elastic.writing.WAITS", (0, 0, 0))
    tries: list[list[str]] = []

    def reply(asked: Asked, at: int) -> Answer:
        if "_bulk" not in asked.target:
            return OK
        ids = ids_of(asked)
        tries.append(ids)
        busy = len(tries) < 3
        status = {"1": 409, "2": 400, "3": 429 if busy else 201, "4": 429 if busy else 201}
        return Answer(200, {"items": [
            {"create": {"status": status.get(one, 201), "error": {"reason": f"no {one}"}}}
            for one in ids
        ]})  # fmt: skip

    with stand_in(reply) as (url, _), bulk(client(url)) as out:
        out.add(items(6))
        written = out.finish()
    assert tries == [["0", "1", "2", "3", "4", "5"], ["3", "4"], ["3", "4"]]
    assert (dict(written.created), dict(written.existed), dict(written.refused)) == (
        {0: 2, 1: 2}, {1: 1}, {0: 1},
    )  # fmt: skip
    assert written.why == [(0, 2, "400: no 2")]


def test_no_more_than_two_bulks_wait_for_a_slow_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cuidx.sources.elastic.writing._BULK", 50)
    gate, now, most = threading.Event(), [0], [0]

    def reply(asked: Asked, at: int) -> Answer:
        if "_bulk" not in asked.target:
            return OK
        now[0] += 1
        most[0] = max(most[0], now[0])
        gate.wait(0.02)
        now[0] -= 1
        return Answer(200, {"items": [{"create": {"status": 201}} for _ in ids_of(asked)]})

    with stand_in(reply) as (url, asked), bulk(client(url)) as out:
        out.add(items(40))
        assert out.finish().created.total() == 40
    assert most[0] <= 2
    assert len(asked) > 10
