"""What the real elasticdump writes is read as it comes: lines, documents alone, packed.

It is got by tests/install-tools, and talks to a small stand-in for the search API on loopback.
"""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from stories import FIXTURES, answers, conserved

import cuidx

VERSION = "6.125.1"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cuidx"
TOOL = CACHE / f"elasticdump-{VERSION}" / "node_modules/elasticdump/bin/elasticdump"

# 232 documents, as Fluentd sends them, in three pages; each has an _id of its own.
STORY = list(map(json.loads, (FIXTURES / "formats/fluentd-es.jsonl").read_text().splitlines()))
DOCUMENTS = [
    {**document, "@timestamp": document["@timestamp"].replace("T09:00", f"T09:{at:02}")}
    for at in range(29)
    for document in STORY
]


class Search(BaseHTTPRequestHandler):
    """GET /, /INDEX/_search?scroll and /_search/scroll, as far as elasticdump asks for them."""

    pages: ClassVar[list[list[dict[str, Any]]]] = []

    def _answer(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
        if self.path == "/":
            self._say({"version": {"number": "8.17.4"}})
            return
        if not self.path.startswith("/_search/scroll"):
            size = asked["size"]
            hits = [
                {"_index": "shop-2026.11.02", "_id": f"d{at}", "_score": None, "_source": document}
                for at, document in enumerate(DOCUMENTS)
            ]
            self.pages[:] = [hits[at : at + size] for at in range(0, len(hits), size)]
        page = self.pages.pop(0) if self.pages and self.command != "DELETE" else []
        total = {"value": len(DOCUMENTS), "relation": "eq"}
        self._say(
            {
                "_scroll_id": "s", "took": 1, "timed_out": False,
                "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0},
                "hits": {"total": total, "hits": page},
            }
        )  # fmt: skip

    do_GET = do_POST = do_DELETE = _answer

    def _say(self, answer: dict[str, Any]) -> None:
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *said: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Search) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/shop"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("options", "format_"),
    [
        pytest.param([], "elasticdump", id="lines"),
        pytest.param(["--sourceOnly"], "fluentd-es", id="sourceOnly"),
        pytest.param(["--fsCompress"], "elasticdump", id="packed"),
    ],
)
def test_what_elasticdump_writes_is_read(
    options: list[str], format_: str, url: str, tmp_path: Path
) -> None:
    assert TOOL.exists(), f"elasticdump {VERSION} is not there: run tests/install-tools"
    out = tmp_path / "dump.json"
    command = ["node", TOOL, f"--input={url}", f"--output={out}", "--type=data", "--quiet"]
    ran = subprocess.run(
        [*command, *options], check=False, capture_output=True, text=True, timeout=240
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    case = cuidx.open_case(out)
    counted = case.accounting
    conserved(counted.as_json())
    assert counted.sources[0].format == format_
    assert (counted.events, counted.records) == (len(DOCUMENTS), len(DOCUMENTS))
    # The oracle: the documents that the server has, one a line, read without the tool.
    plain = tmp_path / "plain.jsonl"
    plain.write_text("".join(json.dumps(document) + "\n" for document in DOCUMENTS))
    mine, other = answers(case), answers(cuidx.open_case(plain))
    assert mine["lifetimes"] == other["lifetimes"]
    # It may write in another order than the server gave.
    assert sorted(map(event, mine["events"])) == sorted(map(event, other["events"]))


def event(row: dict[str, Any]) -> str:
    return json.dumps({k: v for k, v in row.items() if k not in ("source", "line")}, default=str)


def test_a_dump_twice_in_one_file_adds_nothing(url: str, tmp_path: Path) -> None:
    assert TOOL.exists(), f"elasticdump {VERSION} is not there: run tests/install-tools"
    out = tmp_path / "dump.json"
    command = ["node", TOOL, f"--input={url}", f"--output={out}", "--type=data", "--quiet"]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    out.write_bytes(out.read_bytes() * 2)
    counted = cuidx.open_case(out).accounting
    assert (counted.events, counted.duplicates) == (len(DOCUMENTS), len(DOCUMENTS))
