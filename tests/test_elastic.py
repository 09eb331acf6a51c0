"""Elasticsearch, against a real server: what was pushed answers as the file it came from does."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from elastic_server import PASSWORDS, Proxy, Server
from stories import FULL

from cuidx.cli.app import run

ROOT = Path(__file__).parent.parent
EXPORT = "fixtures/dev/export.jsonl"
ADMIN = {"CUIDX_ES_USER": "admin", "CUIDX_ES_PASSWORD": PASSWORDS["admin"]}
READER = {"CUIDX_ES_USER": "reader", "CUIDX_ES_PASSWORD": PASSWORDS["reader"]}
ALL = (
    ["fixtures/dev"] if FULL else [f"fixtures/dev/{n}" for n in ("raw", "pods.json", "events.json")]
)
CONTAINERS = 10_200 if FULL else 3_000
SECRETS = ("CUIDX_ES_API_KEY", "CUIDX_ES_USER", "CUIDX_ES_PASSWORD", "CUIDX_ES_CA")


class Said(NamedTuple):
    """What a command line came to."""

    code: int
    out: str
    err: str


def ask(*words: object, **environment: str) -> Said:
    """`cuidx WORDS` in this process; the admin asks, if ENVIRONMENT does not say who."""
    out, err = io.BytesIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, io.TextIOWrapper(out, "utf-8") as stdout:
        patch.chdir(ROOT)
        for name in SECRETS:
            patch.delenv(name, raising=False)
        settings = {"COLUMNS": "100", "NO_COLOR": "1"} | (environment or ADMIN)
        for name, value in settings.items():
            patch.setenv(name, value)
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(err):
            code = run([str(word) for word in words])
        stdout.flush()
        return Said(code, out.getvalue().decode(), err.getvalue())


@cache
def of_file(*words: object) -> Said:
    """The rows that a question about files has."""
    return ask(*words, "-f", "jsonl")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    one = Server()
    try:
        one.start()
        yield one
    finally:
        one.stop()


def pushed(server: Server, index: str, *sources: object) -> str:
    """The URL of INDEX, once SOURCES are in it."""
    said = ask("push", *sources, "--to", f"{server.url}/{index}", "-f", "json")
    assert (said.code, json.loads(said.out)["warnings"]) == (0, []), said.err
    return f"{server.url}/{index}"


@pytest.fixture(scope="module")
def shop(server: Server) -> str:
    return pushed(server, "shop-dev", EXPORT)


@pytest.fixture(scope="module")
def everything(server: Server) -> str:
    """The capture: tagged files, Pod objects and Kubernetes events; in full size its exports, too."""
    return pushed(server, "shop-all", *ALL)


# --- the same answers ----------------------------------------------------------------------------

QUESTIONS = [
    ["timeline"],
    ["reuse"],
    ["steps"],
    ["steps", "--search", "any"],
    ["resolve", "--ip", "10.89.1.14"],
    ["resolve", "--ip", "10.89.1.14", "--at", "2026-11-23T18:55:00Z"],
    ["timeline", "--where", "service=db"],
    ["timeline", "--where", "container=456f", "--where", "level=error"],
    ["timeline", "--where", "ip=10.89.1.14", "--since", "2026-11-23T18:55:07.123456789Z"],
    ["reuse", "--until", "-2m"],
    ["steps", "--where", "level=WARN", "--since", "2026-11-23T18:56:00Z", "--window", "20s"],
    ["steps", "--alert", "export.jsonl:100", "--alert", "export.jsonl:1002"],
    ["annotate", "--where", "service=mail"],
    ["trace", "--container", "456f"],
]


ENGINES = ["local", "elasticsearch"]


@pytest.mark.parametrize(
    ("question", "engine"),
    [
        pytest.param(question, engine, id=" ".join([*question, engine]))
        for at, question in enumerate(QUESTIONS)
        # By default three of them by both engines, the others by one.
        for engine in (ENGINES if FULL or at < 3 else [ENGINES[at % 2]])
    ],
)
def test_an_index_answers_as_its_file_does(
    server: Server, shop: str, question: list[str], engine: str
) -> None:
    command, *options = question
    from_file = of_file(command, EXPORT, *options)
    from_index = ask(command, shop, *options, "-f", "jsonl", "--engine", engine)
    assert from_file.out
    assert (from_index.code, from_index.out) == (from_file.code, from_file.out)
    assert server.open_searches() == 0


@pytest.mark.parametrize("engine", ["local", "elasticsearch"])
@pytest.mark.parametrize("command", ["timeline", "steps", "findings"])
def test_many_sources_and_evidence_come_back_from_an_index(
    everything: str, command: str, engine: str
) -> None:
    from_files = of_file(command, *ALL)
    from_index = ask(command, everything, "-f", "jsonl", "--engine", engine)
    assert from_files.out or command == "findings"
    assert (from_index.code, from_index.out) == (0, from_files.out)


def test_files_and_an_index_are_one_story(server: Server, tmp_path: Path) -> None:
    lines = (ROOT / EXPORT).read_text().splitlines(keepends=True)
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    first.write_text("".join(lines[:800]))
    second.write_text("".join(lines[800:]))
    url = pushed(server, "shop-half", second)
    from_files = ask("timeline", first, second, "-f", "jsonl")
    assert ask("timeline", first, url, "-f", "jsonl").out == from_files.out


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two lines of each of CONTAINERS that have 2,000 addresses in turn."""
    rows = []
    for at in range(CONTAINERS):
        for line in range(2):
            ns = 1_795_460_057_000_000_001 + at * 40_000_000_007 + line * 13_000_000_003
            second, rest = divmod(ns, 1_000_000_000)
            rows.append(
                {
                    "time": f"{second}.{rest:09d}", "pod_ip": f"10.1.{at % 2000 // 250}.{at % 250}",
                    "level": "ERROR" if at % 5 == line else "INFO", "msg": f"line {line}",
                    "request_id": f"{(at + line) % 4001:08x}", "svc": f"s{at % 7}.shop.lab",
                    "ikontainer_CUID": f"{at:08x}-0000-4000-8000-{at * 7919:012x}",
                }
            )  # fmt: skip
    path = tmp_path_factory.mktemp("many") / "many.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_killed_in_mid_push_it_says_so_and_the_next_push_writes_the_rest(
    server: Server, many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cuidx.sources.elastic.client.WAITS", (0.1, 0.2))
    monkeypatch.setattr("cuidx.sources.elastic.writing._BULK", 1 << 18)
    if not FULL:  # not killed, but out of reach: it takes a while to start again
        monkeypatch.setattr("cuidx.sources.elastic.writing._AT_ONCE", 1)  # so it writes nothing now
    with Proxy(server.port) as proxy:
        proxy.limit, proxy.cuts = 50_000, True
        proxy.after = server.kill if FULL else None
        said = ask("push", many, "--to", f"http://127.0.0.1:{proxy.port}/shop-many")
    assert said.code == 3
    assert said.out == ""
    head, do = said.err.splitlines()
    assert head.startswith(f"cuidx: http://127.0.0.1:{proxy.port}/shop-many: the server can't be")
    assert "documents are known to be there" in head
    assert do == "  push again: what is there is not written twice"
    if FULL:
        server.start()
    half = server.count("shop-many")
    assert 0 < half < 2 * CONTAINERS
    assert pushed_rows(server, "shop-many", many) == [
        (2 * CONTAINERS, 2 * CONTAINERS - half, half, 0)
    ]
    assert server.count("shop-many") == 2 * CONTAINERS


def test_thousands_of_containers_give_exact_numbers(server: Server, many: Path) -> None:
    for command in ("timeline", "reuse"):
        from_file = ask(command, many, "-f", "jsonl")
        from_index = ask(
            command, f"{server.url}/shop-many", "-f", "jsonl", "--engine", "elasticsearch"
        )
        assert from_file.out.count("\n") >= 2_000
        assert from_index.out == from_file.out
    assert server.open_searches() == 0


# --- push ----------------------------------------------------------------------------------------


def pushed_rows(server: Server, index: str, *sources: object) -> list[tuple[int, int, int, int]]:
    """(documents, created, existed, refused) of each source."""
    said = ask("push", *sources, "--to", server.url, "--index", index, "-f", "jsonl")
    rows = [json.loads(line) for line in said.out.splitlines()]
    return [(r["documents"], r["created"], r["existed"], r["refused"]) for r in rows]


def test_a_second_push_adds_nothing_and_a_grown_file_its_new_lines(
    server: Server, tmp_path: Path
) -> None:
    lines = (ROOT / EXPORT).read_text().splitlines(keepends=True)
    path = tmp_path / "app.jsonl"
    path.write_text("".join(lines[:100]))
    assert pushed_rows(server, "shop-grown", path) == [(100, 100, 0, 0)]
    path.write_text("".join(lines[:130]))
    assert pushed_rows(server, "shop-grown", path) == [(130, 30, 100, 0)]
    moved = tmp_path / "elsewhere" / "app.jsonl"
    moved.parent.mkdir()
    path.rename(moved)
    assert pushed_rows(server, "shop-grown", moved) == [(130, 0, 130, 0)]
    assert server.count("shop-grown") == 130


def test_ids_are_the_documents_own_and_files_that_begin_alike_stay_apart(
    server: Server, tmp_path: Path
) -> None:
    hits = [
        {"_index": index, "_id": name, "_source": {"@timestamp": f"2026-11-02T09:00:0{at}Z"}}
        for at, (index, name) in enumerate([("a", "one"), ("a", "two"), ("b", "one"), ("a", "two")])
    ]
    dump = tmp_path / "dump.jsonl"
    dump.write_text("".join(json.dumps(hit) + "\n" for hit in hits))
    twins = [tmp_path / name / "0.log" for name in "xy"]
    for twin in twins:
        twin.parent.mkdir()
        twin.write_text("2026-11-02T09:00:00Z up\n2026-11-02T09:00:01Z down\n")
    # The fourth document is the second once more.
    assert pushed_rows(server, "shop-ids", dump, *twins) == [
        (3, 3, 0, 0),
        (2, 2, 0, 0),
        (2, 2, 0, 0),
    ]
    found = server.ask("GET", "/shop-ids/_search?size=10&_source=log.offset")["hits"]["hits"]
    ids = {hit["_id"]: hit["_source"]["log"]["offset"] for hit in found}
    assert len(ids) == 7
    assert ids["one"] == 0
    length = len(dump.read_text().splitlines()[0]) + 1
    assert sorted(ids.values()) == [0, 0, 0, 24, 24, length, 2 * length]
    assert pushed_rows(server, "shop-ids", dump, *twins) == [
        (3, 0, 3, 0),
        (2, 0, 2, 0),
        (2, 0, 2, 0),
    ]


def test_a_document_that_the_server_refuses_is_named(server: Server, tmp_path: Path) -> None:
    rows = [{"ts": "2026-11-02T09:00:00Z", "service": "a" * size} for size in (5, 40_000, 6)]
    path = tmp_path / "long.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = ask("push", path, "--to", f"{server.url}/shop-long", "-f", "json")
    answer = json.loads(said.out)
    assert said.code == 3
    assert answer["pushed"] == [
        {"source": str(path), "documents": 3, "created": 2, "existed": 0, "refused": 1}
    ]
    assert "1 document was refused" in said.err
    assert any(f"{path}:2: refused, 400: " in words for words in answer["warnings"])


def test_a_dry_run_asks_no_server() -> None:
    said = ask("push", EXPORT, "--to", "http://127.0.0.1:1/shop", "--dry-run", "-f", "json")
    answer = json.loads(said.out)
    assert said.code == 0
    assert (answer["index"], answer["dry_run"]) == ("http://127.0.0.1:1/shop", True)
    assert answer["pushed"] == [
        {"source": EXPORT, "documents": 1679, "created": 0, "existed": 0, "refused": 0}
    ]


def test_an_index_of_somebody_else_is_not_written_to(server: Server) -> None:
    server.ask("PUT", "/others", {})
    said = ask("push", EXPORT, "--to", f"{server.url}/others")
    assert said.code == 3
    assert "cuidx did not make it" in said.err
    assert server.count("others") == 0


def test_lifetimes_are_an_index_to_join_with(server: Server) -> None:
    for _ in range(2):  # made anew each time
        said = ask("push", EXPORT, "--to", f"{server.url}/shop-joined", "--lookup")
        assert said.code == 0, said.err
        assert server.count("shop-joined-lifetimes") == 25
    hit = server.ask("GET", "/shop-joined-lifetimes/_search?q=_id:456f*&size=1")
    settings = server.ask("GET", "/shop-joined-lifetimes/_settings?flat_settings=true")
    assert settings["shop-joined-lifetimes"]["settings"]["index.mode"] == "lookup"
    found = {one["_id"]: one["_source"] for one in server.ask(
        "GET", "/shop-joined-lifetimes/_search?size=30")["hits"]["hits"]}  # fmt: skip
    of_db = next(doc for name, doc in found.items() if name.startswith("456f88e5"))
    assert hit["timed_out"] is False
    assert of_db["service"]["node"]["name"].startswith("456f88e5")
    assert (of_db["kubernetes"]["pod"]["ip"], of_db["cuidx"]["lines"]) == (["10.89.1.13"], 53)


# --- documents of somebody else ------------------------------------------------------------------

DUMP = "fixtures/dev/elasticdump.jsonl"


@pytest.fixture(scope="module")
def raw(server: Server) -> str:
    """The capture as its collector would have written it: two indices, with and without a mapping."""
    dated: dict[str, Any] = {
        "@timestamp": {"type": "date_nanos"},
        "kubernetes": {"properties": {"pod_ip": {"type": "ip"}}},
    }
    server.ask("PUT", "/raw-nanos", {"mappings": {"properties": dated}, "aliases": {"both": {}}})
    server.ask("PUT", "/raw-millis", {"aliases": {"both": {}}})
    lines = []
    hits = map(json.loads, (ROOT / DUMP).read_text().splitlines())
    for at, (name, source) in enumerate({hit["_id"]: hit["_source"] for hit in hits}.items()):
        where = {"_index": "raw-nanos" if at % 2 else "raw-millis", "_id": name}
        lines += [json.dumps({"create": where}), json.dumps(source | {"n": at, "x": [at]})]
    data = "\n".join(lines) + "\n"
    assert server.ask("POST", "/_bulk?refresh=true", data.encode())["errors"] is False
    return f"{server.url}/raw-*"


@pytest.mark.parametrize("command", ["timeline", "reuse", "resolve"])
def test_documents_of_somebody_else_answer_as_an_export_of_them(raw: str, command: str) -> None:
    options = ["--ip", "10.89.1.14"] if command == "resolve" else []
    from_file = of_file(command, DUMP, *options)
    alias = raw.replace("raw-*", "both")
    assert ask(command, raw, *options, "-f", "jsonl").out == from_file.out
    assert ask(command, alias, *options, "-f", "jsonl").out == from_file.out


def test_they_come_in_one_order_however_the_server_keeps_them(server: Server, raw: str) -> None:
    before = ask("annotate", raw, "-f", "jsonl")
    lines = [json.loads(line) for line in before.out.splitlines()]
    assert [one["line"] for one in lines] == list(range(1, 1680))
    times = [one["time"][:23] for one in lines]  # one of the mappings knows no more
    assert times == sorted(times)
    server.ask("POST", "/raw-*/_forcemerge?max_num_segments=1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cuidx.sources.elastic.hits._SLICED", 10)
        patch.setattr("cuidx.sources.elastic.hits._FIRST_PAGE", 7)
        assert ask("annotate", raw, "-f", "jsonl").out == before.out
    assert server.open_searches() == 0


def test_what_is_outside_of_the_time_asked_for_is_not_read(raw: str) -> None:
    options = [
        "timeline",
        raw,
        "--since",
        "2026-11-23T18:56:00Z",
        "--until",
        "2026-11-23T18:57:00Z",
    ]
    answer = json.loads(ask(*options, "-f", "json").out)
    whole = json.loads(ask(*options, "--exact", "-f", "json").out)
    counted = [sum(row["lines"] for row in one["containers"]) for one in (answer, whole)]
    assert counted == [counted[0]] * 2
    assert (
        0 < counted[0] <= answer["accounting"]["records"] < whole["accounting"]["records"] == 1679
    )
    left = 1679 - answer["accounting"]["records"]
    assert any(f"{left:,} documents outside" in words for words in answer["warnings"])
    assert whole["warnings"] == []


def test_that_they_can_not_be_computed_there_is_said(raw: str) -> None:
    answer = json.loads(ask("timeline", raw, "--engine", "elasticsearch", "-f", "json").out)
    assert answer["warnings"] == [
        f"computed here, not by the server: {raw} was not written by cuidx push"
    ]
    said = ask("timeline", EXPORT, "--engine", "elasticsearch")
    assert (said.code, "no source is an index" in said.err) == (2, True)


# --- who asks, and through what ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("index", "environment", "code", "words"),
    [
        ("shop-dev", READER, 0, "1,679 records"),
        ("shop-dev", READER | {"CUIDX_ES_PASSWORD": "s3cret"}, 3, "(401)"),
        ("shop-dev", {"CUIDX_ES_USER": ""}, 3, "(401)"),
        ("others", READER, 3, "(403)"),
        ("shop-dev", {"CUIDX_ES_API_KEY": "bm90OmtleQ=="}, 3, "(401)"),
        ("gone", {}, 3, "(404): no such index [gone]"),
        ("gone-*", {}, 3, "no index fits this pattern"),
    ],
)
def test_who_may_not_read_is_told_so_without_a_secret(
    server: Server, shop: str, index: str, environment: dict[str, str], code: int, words: str
) -> None:
    said = ask("timeline", f"{server.url}/{index}", "--verbose", **environment)
    assert (said.code, words in said.err) == (code, True), said.err
    secrets = [value for name, value in environment.items() if value and name != "CUIDX_ES_USER"]
    assert [one for one in secrets if one in said.out + said.err] == []


def test_a_certificate_is_looked_at_unless_that_is_switched_off(
    server: Server, shop: str, tmp_path: Path
) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-out", certificate,
         "-keyout", key],
        check=True, capture_output=True,
    )  # fmt: skip
    with Proxy(server.port, certificate, key) as proxy:
        url = f"https://127.0.0.1:{proxy.port}/shop-dev"
        untrusted = ask("timeline", url)
        assert untrusted.code == 3
        assert f"{url}: its certificate is not trusted: " in untrusted.err
        assert "--ca FILE" in untrusted.err
        rows = of_file("timeline", EXPORT).out
        for options, environment in (
            (["--ca", certificate], {}),
            (["--insecure"], {}),
            ([], ADMIN | {"CUIDX_ES_CA": str(certificate)}),
        ):
            assert ask("timeline", url, "-f", "jsonl", *options, **environment).out == rows
    said = ask("timeline", shop.replace("http:", "https:"))
    assert (said.code, "speaks no TLS" in said.err) == (3, True)


# --- the ways out --------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_point_in_time_is_closed_when_the_program_is_told_to_stop(
    server: Server, number: signal.Signals, code: int
) -> None:
    with Proxy(server.port) as proxy:
        words = ["timeline", f"http://127.0.0.1:{proxy.port}/shop-many", "--engine", "local"]
        process = subprocess.Popen(
            [sys.executable, "-m", "cuidx", *words], cwd=ROOT, stdout=subprocess.DEVNULL,
            env=os.environ | ADMIN,
        )  # fmt: skip
        proxy.limit, proxy.after = 1_000_000, lambda: process.send_signal(number)
        assert process.wait(120) == code
    assert server.open_searches() == 0


def test_killed_in_mid_read_it_says_so_and_shows_nothing(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cuidx.sources.elastic.client.WAITS", (0.1, 0.2))
    with Proxy(server.port) as proxy:
        url = f"http://127.0.0.1:{proxy.port}/shop-many"
        proxy.limit, proxy.after, proxy.cuts = 1_000_000, server.kill, True
        said = ask("timeline", url, "--engine", "local")
    assert (said.code, said.out) == (3, "")
    head, do = said.err.splitlines()
    assert head.startswith(f"cuidx: {url}: the server can't be reached: ")
    assert do == "  is it running, and the address right? nothing was lost: start again"
