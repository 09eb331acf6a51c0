"""Elasticsearch, against a real server: what was pushed answers as the file it came from does."""

import contextlib
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from elastic_server import PASSWORD, USER, Proxy, Server

from cuidx.cli.app import run

ROOT = Path(__file__).parent.parent
EXPORT = "fixtures/dev/export.jsonl"
SECRETS = ("CUIDX_ES_API_KEY", "CUIDX_ES_USER", "CUIDX_ES_PASSWORD", "CUIDX_ES_CA")


class Said(NamedTuple):
    """What a command line came to."""

    code: int
    out: str
    err: str


def ask(*words: object, **environment: str) -> Said:
    """`cuidx WORDS` in this process."""
    out, err = io.BytesIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, io.TextIOWrapper(out, "utf-8") as stdout:
        patch.chdir(ROOT)
        for name in SECRETS:
            patch.delenv(name, raising=False)
        for name, value in ({"COLUMNS": "100", "NO_COLOR": "1"} | environment).items():
            patch.setenv(name, value)
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(err):
            code = run([str(word) for word in words])
        stdout.flush()
        return Said(code, out.getvalue().decode(), err.getvalue())


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
    """All of the capture: tagged files, exports, Pod objects and Kubernetes events."""
    return pushed(server, "shop-all", "fixtures/dev")


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
    ["findings"],
]


@pytest.mark.parametrize("engine", ["local", "elasticsearch"])
@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
def test_an_index_answers_as_its_file_does(
    server: Server, shop: str, question: list[str], engine: str
) -> None:
    command, *options = question
    from_file = ask(command, EXPORT, *options, "-f", "jsonl")
    from_index = ask(command, shop, *options, "-f", "jsonl", "--engine", engine)
    assert from_file.out
    assert (from_index.code, from_index.out) == (from_file.code, from_file.out)
    assert server.open_searches() == 0


@pytest.mark.parametrize("engine", ["local", "elasticsearch"])
@pytest.mark.parametrize("command", ["timeline", "reuse", "steps"])
def test_many_sources_and_evidence_come_back_from_an_index(
    everything: str, command: str, engine: str
) -> None:
    from_files = ask(command, "fixtures/dev", "-f", "jsonl")
    from_index = ask(command, everything, "-f", "jsonl", "--engine", engine)
    assert from_files.out
    assert (from_index.code, from_index.out) == (0, from_files.out)


def test_files_and_an_index_are_one_story(server: Server, tmp_path: Path) -> None:
    lines = (ROOT / EXPORT).read_text().splitlines(keepends=True)
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    first.write_text("".join(lines[:800]))
    second.write_text("".join(lines[800:]))
    url = pushed(server, "shop-half", second)
    from_files = ask("timeline", first, second, "-f", "jsonl")
    assert ask("timeline", first, url, "-f", "jsonl").out == from_files.out


def test_an_index_of_many_containers_gives_exact_numbers(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "many.jsonl"
    path.write_text(many_containers(11_000))
    url = pushed(server, "shop-many", path)
    for command in ("timeline", "reuse"):
        from_file = ask(command, path, "-f", "jsonl")
        from_index = ask(command, url, "-f", "jsonl", "--engine", "elasticsearch")
        assert from_file.out.count("\n") > 1000
        assert from_index.out == from_file.out
    assert server.open_searches() == 0


def many_containers(count: int) -> str:
    """Two lines of each of COUNT containers that have 2,000 addresses in turn."""
    rows = []
    for at in range(count):
        ip = f"10.1.{at % 2000 // 250}.{at % 250}"
        for line in range(2):
            ns = 1_795_460_057_000_000_001 + at * 40_000_000_007 + line * 13_000_000_003
            second, rest = divmod(ns, 1_000_000_000)
            rows.append(
                json.dumps(
                    {
                        "time": f"{second}.{rest:09d}", "pod_ip": ip, "svc": f"s{at % 7}.shop.lab",
                        "level": "ERROR" if at % 5 == line else "INFO", "msg": f"line {line}",
                        "request_id": f"{(at + line) % 4001:08x}",
                        "ikontainer_CUID": f"{at:08x}-0000-4000-8000-{at * 7919 % 16**12:012x}",
                    }
                )
            )  # fmt: skip
    return "\n".join(rows) + "\n"
