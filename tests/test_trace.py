"""`trace` against the capture's truth, its lines' own words, and small stories."""

import json
import re
import subprocess
import sys
from collections import Counter
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from stories import FIXTURES, FULL, ROOT, at

import cuidx
from cuidx.analyses.trace import HOPS

DEV = FIXTURES / "dev"
EXPORT = DEV / "export.jsonl"
TRUTH: dict[str, Any] = json.loads((DEV / "truth.json").read_text())
LINES = [json.loads(line) for line in EXPORT.read_text().splitlines()]
Row = dict[str, Any]


@cache
def capture() -> cuidx.Case:
    return cuidx.open_case(EXPORT)


def hops_of(rows: list[Row], **asked: str) -> list[Row]:
    frame = pl.DataFrame(rows, infer_schema_length=None)
    return cuidx.Case.from_frame(frame).trace(**asked).to_dicts()


# --- the capture ---------------------------------------------------------------------------------


CUIDS = sorted(one["cuid"] for one in TRUTH["instances"])


@pytest.mark.parametrize("cuid", CUIDS if FULL else CUIDS[::3])
def test_all_requests_through_a_container_with_all_their_lines(cuid: str) -> None:
    requests = {line["request_id"] for line in LINES
                if line["ikontainer_CUID"] == cuid and "request_id" in line}  # fmt: skip
    expected = [n for n, line in enumerate(LINES, 1) if line.get("request_id") in requests]
    found = capture().trace(container=cuid)
    assert sorted(found["line"]) == expected
    order = list(zip(found["time"], found["line"], strict=True))
    assert order == sorted(order)
    assert found.schema == HOPS


def holder(ip: str, when: datetime) -> str | None:
    """Who had IP then, as recorded from outside; None near a change of hands, too."""
    for one in TRUTH["ips"].get(ip, ()):
        begin, end = (datetime.fromisoformat(one[x]) if one[x] else when for x in ("from", "to"))
        if begin <= when <= end:
            return str(one["cuid"])
    return None


# What a line says of its caller and of whom it called, in the words of the shop's programs.
SAYS = [
    ("from", re.compile(r"(\d+\.\d+\.\d+\.\d+):\d+ -> ")),
    ("from", re.compile(r" from=(\d+\.\d+\.\d+\.\d+)")),
    ("from", re.compile(r'"peer": "(\d+\.\d+\.\d+\.\d+):')),
    ("to", re.compile(r"(?:ok via|store at|payment at|mail at|db at) (\d+\.\d+\.\d+\.\d+)")),
]


def test_who_called_whom_is_what_the_truth_says_of_the_addresses_in_the_lines() -> None:
    gateways = [one["cuid"] for one in TRUTH["instances"] if one["service"] == "gateway"]
    hops = pl.concat([capture().trace(container=cuid) for cuid in gateways]).unique(["line"])
    assert len(hops) > 1400
    counts: Counter[str] = Counter()
    for hop in hops.to_dicts():
        line = LINES[hop["line"] - 1]
        for end, words in SAYS:
            hit = words.search(line["log"])
            true = hit and holder(hit[1], datetime.fromisoformat(line["@timestamp"]))
            if not true or true == line["ikontainer_CUID"]:
                continue
            counts["right" if hop[end] == true else "wrong"] += 1
            other = "to" if end == "from" else "from"
            assert hop[other] == line["ikontainer_CUID"]
            break
        else:
            counts["says nothing"] += 1
    print("figure: callers and callees:", dict(counts))
    assert counts["wrong"] == 0
    assert counts["right"] > 800


def test_a_request_in_any_spelling() -> None:
    written = "66c7a329-6cb1-449a-8a09-5cd25c666b0b"
    found = capture().trace(request=written)
    assert len(found) == 14
    assert found["request_id"].unique().to_list() == [written]
    assert capture().trace(request=written.upper().replace("-", "")).equals(found)
    names = dict(found.select("container", "service").iter_rows())
    calls = [(names.get(a), names.get(b)) for a, b in found.select("from", "to").rows() if a]
    assert set(calls) == {("gateway", "payment"), ("payment", "store"), ("store", "db"),
                          ("payment", "db"), ("payment", "mail")}  # fmt: skip


def test_figure_5_says_who_took_part_and_not_who_called() -> None:
    case = cuidx.open_case(FIXTURES / "paper" / "figure5.jsonl")
    found = case.trace(request="46bb")
    assert found["container"].to_list() == ["643B", "2F52", "82B8", "CC62", "17E1"]
    assert found["from"].null_count() == found["to"].null_count() == 5
    assert case.trace(container="4A").select("container", "line").rows() == [("CD85", 8),
                                                                             ("4A23", 10)]  # fmt: skip


# --- small stories -------------------------------------------------------------------------------


def line(second: float, cuid: str, ip: str, message: str = "", **more: Any) -> Row:
    return {"time": at(second), "cuid": cuid, "ip": ip, "message": message, "request_id": "r",
            "source_ip": None, "destination_ip": None} | more  # fmt: skip


A, B = ("A", "10.0.0.1"), ("B", "10.0.0.2")


@pytest.mark.parametrize(
    ("said", "ends"),
    [
        pytest.param({"source_ip": "10.0.0.1:4711"}, ("A", "B"), id="a source called"),
        pytest.param({"destination_ip": "10.0.0.1"}, ("B", "A"), id="a destination was called"),
        pytest.param({"message": "10.0.0.1:1 -> 10.0.0.2:80"}, ("A", "B"), id="before an arrow"),
        pytest.param({"message": "10.0.0.2:80 -> 10.0.0.1:1"}, ("B", "A"), id="behind an arrow"),
        pytest.param({"message": "asked from=10.0.0.1"}, ("A", "B"), id="from="),
        pytest.param({"message": "calling http://10.0.0.1:80/"}, ("B", "A"), id="calling"),
        pytest.param({"message": "10.0.0.1 is there"}, ("A", "B"), id="who came first called"),
        pytest.param({"message": "10.0.0.9 is there"}, (None, None), id="nobody that is known"),
        pytest.param({"message": "self=10.0.0.2"}, (None, None), id="only itself"),
    ],
)
def test_what_a_line_says_of_who_called(said: Row, ends: tuple[str, str]) -> None:
    rows = [line(0, *A), line(1, *B, **said), line(2, *A)]
    hop = hops_of(rows, request="R")[1]
    assert (hop["from"], hop["to"]) == ends


def test_who_never_logged_the_request_was_called_in_vain() -> None:
    rows = [line(0, *A), line(1, *A, "10.0.0.2:80 refused"), line(0, *B, request_id="other"),
            line(2, *B, request_id="other")]  # fmt: skip
    assert [(hop["from"], hop["to"]) for hop in hops_of(rows, request="r")] == [
        (None, None), ("A", "B"),
    ]  # fmt: skip


def test_two_holders_of_one_address_are_told_apart_by_the_time() -> None:
    rows = [line(0, "old", "10.0.0.2"), line(1, *A, "to 10.0.0.2"), line(2, "old", "10.0.0.2"),
            line(8, "new", "10.0.0.2"), line(9, *A, "to 10.0.0.2"), line(10, "new", "10.0.0.2")]  # fmt: skip
    rows[2]["request_id"] = rows[0]["request_id"] = "x"  # neither has logged it
    rows[3]["request_id"] = rows[5]["request_id"] = "x"
    assert [hop["to"] for hop in hops_of(rows, request="r")] == ["old", "new"]


def test_filters_choose_hops() -> None:
    rows = [line(0, *A), line(1, *B, "from=10.0.0.1"), line(2, *A)]
    case = cuidx.Case.from_frame(pl.DataFrame(rows), since=at(1))
    assert case.trace(request="r")["from"].to_list() == ["A", None]


@pytest.mark.parametrize("asked", [{}, {"request": "r", "container": "A"}])
def test_a_request_or_a_container_and_not_both(asked: dict[str, str]) -> None:
    with pytest.raises(cuidx.UsageError, match="either a request or a container"):
        hops_of([line(0, *A)], **asked)


# --- the command ---------------------------------------------------------------------------------


def run(*arguments: str, width: int = 80) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cuidx", "trace", str(EXPORT.relative_to(ROOT)), "-q", *arguments],
        cwd=ROOT, env={"COLUMNS": str(width), "NO_COLOR": "1", "PYTHONUTF8": "1"},
        capture_output=True, encoding="utf-8", timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("width", [60, 80, 160])
def test_the_tree_fits_and_shows_a_retry_as_a_call_of_its_own(width: int) -> None:
    done = run("--request", "f60418b5-64e2-4d41-8858-37d88ab41a0d", width=width)
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert max(map(len, lines)) <= width
    assert lines[1].startswith("     +0s gateway 8ff47db0")
    assert sum("payment 7142ce5c" in text and "─ " in text for text in lines) == 2
    assert sum(" ✗ " in text for text in lines) == 7


def test_a_container_shows_its_requests_until_its_first_error() -> None:
    done = run("--container", "456f88e5", width=120)
    head, *lines = done.stdout.splitlines()
    assert head == "14 requests through db 456f88e5; 7 requests until its first error at 18:57:55"
    assert sum(text.startswith("request ") for text in lines) == 7
    assert lines[-1] == "7 requests more through it (-f jsonl has every hop)"
    assert len(run("--container", "456f88e5", "-f", "jsonl").stdout.splitlines()) > 100


@pytest.mark.parametrize(
    ("asked", "code", "why"),
    [
        (["--request", "none"], 1, "no event carries the request id none"),
        (["--container", "none"], 1, "no request went through a container called none"),
        (["--container", "4"], 2, "fits 3 containers: 43a19ae9-"),
        ([], 2, "either a request or a container"),
    ],
)
def test_what_is_not_there_is_said_plainly(asked: list[str], code: int, why: str) -> None:
    done = run(*asked)
    assert done.returncode == code
    assert why in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_json_has_the_interfaces_keys() -> None:
    said = json.loads(run("--request", "66C7A3296CB1449A8A095CD25C666B0B", "-f", "json").stdout)
    assert list(said["hops"][0]) == list(HOPS)
    assert Path(said["hops"][0]["source"]).name == "export.jsonl"
