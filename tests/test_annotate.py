"""`annotate`: whose each mentioned address was, against the truth recorded from outside the Pods."""

import csv
import gzip
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stories import FIXTURES, at, folder, jsonl, reading, rows_of

import cuidx
from cuidx.analyses.annotate import ANNOTATED
from cuidx.enrich.holding import AMBIGUOUS, UNKNOWN, Timetable, held
from cuidx.enrich.leases import SECOND, Address, Lease
from cuidx.enrich.mentions import ROLES, mentions
from cuidx.present.annotated import short

DEV = FIXTURES / "dev"
TRUTH: dict[str, Any] = json.loads((DEV / "truth.json").read_text())
MENTIONS = [json.loads(line) for line in (DEV / "truth_mentions.jsonl").read_text().splitlines()]
EVIDENCE = ("pods.json", "events.json")


# --- what is a mention ---------------------------------------------------------------------------

TEXTS = [
    ("10.89.1.14:48046 -> 10.89.1.13:8080: query", ["10.89.1.14", "10.89.1.13"]),
    ("client=203.0.113.188,10.89.1.9 self=10.89.1.9", ["203.0.113.188", "10.89.1.9"]),
    ("(10.0.0.5)\"10.0.0.6\";10.0.0.7-10.0.0.8.", ["10.0.0.5", "10.0.0.6", "10.0.0.7", "10.0.0.8"]),
    ("http://10.0.0.1:80/a/24 and http://10.0.0.2/24/x", ["10.0.0.1", "10.0.0.2"]),
    ("payment/10.0.0.3:80 refused, /10.0.0.4:80 too", ["10.0.0.3", "10.0.0.4"]),
    ("from [::1]:80 to [fe80::1%eth0]:443", ["::1", "fe80::1"]),
    ("2001:db8::1: refused by 2001:DB8:0::2.", ["2001:db8::1", "2001:db8::2"]),
    ("1:2:3:4:5:6:7:8 peer:fe80::1", ["1:2:3:4:5:6:7:8", "fe80::1"]),
    ("::ffff:10.0.0.9 is ::ffff:0a00:0009 is 10.0.0.9", ["10.0.0.9"]),
    ("local=::ffff:10.2.2.2:8080", ["10.2.2.2"]),
    ("127.0.0.6 0.0.0.0:80", ["127.0.0.6", "0.0.0.0"]),
    ("net 10.0.0.0/24, 10.1.0.0/16. fd00::/8 10.0.0.0/255.255.255.0", []),
    ("1.2.3.4567 v1.2.3.4 1.3.6.1.4.1 10.0.0.1.nip.io id_10.0.0.1", []),
    ("256.1.1.1 010.0.0.1 1.2.3", []),
    ("Mozilla/5.0 Chrome/120.0.0.0 Safari/537.36", []),
    ("std::io a::b Foo::Bar aa:bb:cc:dd:ee:ff 00:11:22:33:44:55:66:77", []),
    ("2026-11-02T09:00:07.123Z 18:54:17", []),
    ("", []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "ips"), TEXTS, ids=[text for text, _ in TEXTS])
def test_addresses_in_text(text: str, ips: list[str]) -> None:
    found = mentions(pl.DataFrame({"message": [None, text]}))
    assert found["ip"].to_list() == ips
    assert set(found["role"]) <= {"text"}
    assert set(found["row"]) <= {1}


def test_a_row_names_fields_first_and_in_text_only_what_no_field_has() -> None:
    events = pl.DataFrame(
        {
            "ip": ["10.0.0.1", None], "source_ip": ["10.0.0.2:80", None],
            "destination_ip": ["10.0.0.1", None], "host_ip": ["192.0.2.1", "payment-0"],
            "forwarded_ip": ["203.0.113.1, 10.0.0.2", 'for="[2001:db8::17]:4711"'],
            "message": ["10.0.0.3 10.0.0.1 10.0.0.3 10.0.0.2", "no address"],
        }
    )  # fmt: skip
    assert mentions(events).rows() == [
        (0, "10.0.0.1", "own"), (0, "10.0.0.2", "source"), (0, "10.0.0.1", "destination"),
        (0, "192.0.2.1", "host"), (0, "203.0.113.1", "forwarded"), (0, "10.0.0.2", "forwarded"),
        (0, "10.0.0.3", "text"), (1, "2001:db8::17", "forwarded"),
    ]  # fmt: skip


WORDS = st.sampled_from(
    [
        "10.0.0.1",
        "10.0.0.2",
        "::1",
        "fe80::1%a",
        "1.2.3.4567",
        "10.0.0.0/8",
        "a",
        "[::1]:80",
        "é",
        "",
    ]
)


@given(st.lists(st.lists(WORDS, max_size=5), max_size=6))
def test_mentions_of_rows_are_those_of_each_row_alone(rows: list[list[str]]) -> None:
    texts = [" ".join(words) for words in rows]
    alone = [
        (at, ip, role)
        for at, text in enumerate(texts)
        for _, ip, role in mentions(pl.DataFrame({"message": [text]})).rows()
    ]
    found = mentions(pl.DataFrame({"message": texts}, schema={"message": pl.String})).rows()
    assert found == alone


# --- whose it was --------------------------------------------------------------------------------


def lease(name: str, first: int, last: int) -> Lease:
    return Lease("10.0.0.1", name, (name,), None, None, None, first, last, 1)


SPANS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 40), st.integers(0, 6)), max_size=8
)


@given(SPANS, st.lists(st.integers(-5, 55), min_size=1, max_size=20))
def test_many_questions_get_the_answer_that_a_search_through_all_leases_gives(
    spans: list[tuple[str, int, int]], moments: list[int]
) -> None:
    half = SECOND // 2
    leases = tuple(lease(n, first * half, (first + length) * half) for n, first, length in spans)
    timetable = Timetable([Address("10.0.0.1", "reused", leases)], "time")
    # Each edge and what is just beside it.
    asked = [moment * half + step for moment in moments for step in (-1, 0, 1)]
    answers = timetable.at(pl.DataFrame({"ip": ["10.0.0.1"] * len(asked), "at": asked}))
    for when, answer in zip(asked, answers, strict=True):
        inside = {le.holder for le in leases if le.first <= when <= le.last}
        near = {le.holder for le in leases if le.first - SECOND <= when <= le.last + SECOND}
        if len(inside) > 1:
            assert answer == AMBIGUOUS
        elif inside or len(near) == 1:
            assert timetable.names[answer] == next(iter(inside or near))
        else:
            assert answer == UNKNOWN
        assert {le.holder for le in held(leases, when)[0]} == (
            inside or (near if len(near) == 1 else set())
        )


@cache
def without_cuids() -> str:
    """The export's lines less their CUIDs; `kubernetes` alone says who wrote them."""
    lines = []
    for text in (DEV / "export.jsonl").read_text().splitlines():
        document = json.loads(text)
        del document["ikontainer_CUID"]
        lines.append(json.dumps(document) + "\n")
    return "".join(lines)


@cache
def cuids_of_holders() -> dict[str, str]:
    """Uid of a Pod, or id of a container that a Pod object names: the CUID it had."""
    cuids = {one["uid"]: one["cuid"] for one in TRUTH["instances"]}
    for pod in json.loads((DEV / "pods.json").read_text())["items"]:
        for status in pod["status"].get("containerStatuses", []):
            _, _, id_ = status.get("containerID", "").rpartition("/")
            cuids[id_] = cuids[pod["metadata"]["uid"]]
    return cuids


@cache
def rows_of_truth() -> dict[tuple[str, int], int]:
    """The row in export.jsonl of each line of the raw files."""
    places: dict[tuple[str, str], list[int]] = {}
    exported = cuidx.open_case(DEV / "export.jsonl").events.select("cuid", "message").collect()
    for place, (cuid, message) in enumerate(exported.iter_rows()):
        places.setdefault((cuid, message), []).append(place)
    raw = cuidx.open_case(DEV / "raw").events.select("source", "line", "cuid", "message").collect()
    return {
        (source.removeprefix(f"{DEV}/"), line): places[cuid, message].pop(0)
        for source, line, cuid, message in raw.iter_rows()
    }


def counted(rows: pl.DataFrame, names: dict[str, str]) -> Counter[str]:
    """How the mentions in ROWS stand to the truth; NAMES: a holder's name to its CUID."""
    found = rows["mentions"].to_list()
    counts: Counter[str] = Counter()
    for true in MENTIONS:
        (mention,) = (
            m
            for m in found[rows_of_truth()[true["file"], true["line_no"]]]
            if m["ip"] == true["ip"]
        )
        if true.get("boundary"):
            continue
        cuid = true.get("meant_cuid") or true["true_cuid"]
        name = names.get(mention["container"], mention["container"])
        assert (name is None) == (mention["verdict"] != "resolved")
        if cuid is None:
            counts["nobody's: unknown" if mention["verdict"] == "unknown" else "WRONG"] += 1
        elif name is None:
            counts["missed"] += 1
        else:
            counts[f"right, by {mention['by']}" if name == cuid else "WRONG"] += 1
    return counts


def test_on_the_capture_every_mention_is_answered_as_the_truth_has_it() -> None:
    counts = counted(cuidx.open_case(DEV / "export.jsonl").annotate(), {})
    print("figure: mentions, CUID identity:", dict(counts))
    assert counts == {"right, by time": 2147, "right, by request": 1, "nobody's: unknown": 6}


def test_and_so_it_is_without_cuids(tmp_path: Path) -> None:
    (tmp_path / "export.jsonl").write_text(without_cuids())
    case = cuidx.open_case(tmp_path / "export.jsonl", *(DEV / name for name in EVIDENCE))
    rows = case.annotate()
    # Lines know their Pod and their container's name there; objects know the container's id, too.
    assert set(rows["identity"]) == {"pod_uid", "container_id"}
    names = {
        name: cuids_of_holders()[name.partition("/")[0]]
        for name in {m["container"] for row in rows["mentions"] for m in row if m["container"]}
    }
    counts = counted(rows, names)
    print("figure: mentions, Pod objects and events alone:", dict(counts))
    assert counts == {"right, by time": 2147, "right, by request": 1, "nobody's: unknown": 6}


# --- by the request ------------------------------------------------------------------------------


def hot_reuse() -> list[dict[str, Any]]:
    """51 late lines about a request, each after the peer's address passed on; 44 show it.

    Every 4 s another caller has 10.0.0.1. The worker writes about it 3 s after it went. Seven of
    the callers wrote nothing about the request themselves.
    """
    rows = []
    for n in range(51):
        start, request = 4.0 * n, f"REQ-{n}"
        own = {"cuid": f"caller-{n}", "ip": "10.0.0.1"}
        rows.append({"time": at(start), "msg": "up", **own})
        said = {} if n % 7 == 6 else {"request_id": request}
        rows.append({"time": at(start + 1), "msg": "asking", **own, **said})
        rows.append({"time": at(start + 3), "msg": "down", **own})
        rows.append({"time": at(start + 6), "msg": "posted, requested by 10.0.0.1",
                     "request_id": request.lower(), "cuid": "worker", "ip": "10.0.0.2", "n": n})  # fmt: skip
    rows.append({"time": at(206.5), "msg": "up", "cuid": "last", "ip": "10.0.0.1"})
    return rows


def test_a_late_line_is_about_the_holder_that_took_part_in_its_request(tmp_path: Path) -> None:
    (tmp_path / "hot.jsonl").write_bytes(jsonl(hot_reuse()))
    rows = cuidx.open_case(tmp_path / "hot.jsonl").annotate()
    late = rows.filter(pl.col("container") == "worker")["mentions"].list.get(1).to_list()
    assert len(late) == 51
    by_clock = cuidx.open_case(tmp_path / "hot.jsonl")
    right_by_clock, found = 0, Counter[str]()
    for n, mention in enumerate(late):
        clock = by_clock.resolve("10.0.0.1", at(4.0 * n + 6)).row(0, named=True)
        right_by_clock += clock["container"] == f"caller-{n}"
        found[f"by {mention['by']}"] += 1
        if n % 7 == 6:
            assert (mention["by"], mention["container"]) == ("time", clock["container"])
        else:
            assert (mention["by"], mention["container"]) == ("request", f"caller-{n}")
    print(f"figure: late lines: {dict(found)}; {right_by_clock} of 51 by time alone")
    assert found == {"by request": 44, "by time": 7}
    assert right_by_clock == 0


def annotated(rows: list[dict[str, Any]], **options: Any) -> list[list[dict[str, Any]]]:
    with folder() as there:
        (there / "a.jsonl").write_bytes(jsonl(rows))
        return cuidx.open_case(there / "a.jsonl", **options).annotate()["mentions"].to_list()


def test_two_holders_in_one_request_leave_it_to_the_clock() -> None:
    found = annotated([
        {"time": at(0), "msg": "a", "cuid": "A", "ip": "10.0.0.1", "request_id": "r"},
        {"time": at(10), "msg": "a", "cuid": "B", "ip": "10.0.0.1", "request_id": "r"},
        {"time": at(10), "msg": "retried at 10.0.0.1", "cuid": "C", "request_id": "r"},
        {"time": at(5), "msg": "retried at 10.0.0.1", "cuid": "C", "request_id": "r"},
    ])  # fmt: skip
    assert [(m["container"], m["by"]) for m in found[2]] == [("B", "time")]
    assert [(m["verdict"], m["by"]) for m in found[3]] == [("unknown", None)]


def test_a_container_without_the_address_at_the_time_of_the_request_is_not_meant() -> None:
    found = annotated([
        {"time": at(0), "msg": "a", "cuid": "A", "ip": "10.0.0.1"},
        {"time": at(5), "msg": "a", "cuid": "A", "ip": "10.0.0.9", "request_id": "r"},
        {"time": at(20), "msg": "B has it now", "cuid": "B", "ip": "10.0.0.1"},
        {"time": at(20), "msg": "asked 10.0.0.1", "cuid": "C", "request_id": "r"},
    ])  # fmt: skip
    assert [(m["container"], m["by"]) for m in found[3]] == [("B", "time")]


def test_what_is_nobodys_is_given_to_nobody() -> None:
    rows = [
        {"time": at(0), "msg": "127.0.0.6 ::1 224.0.0.1 0.0.0.0 10.96.0.1", "cuid": "A",
         "ip": "127.0.0.1", "host_ip": "192.0.2.1"},
        {"time": at(0), "msg": "a", "ip": "10.0.0.5"},
        {"time": at(0), "msg": "to 10.0.0.5", "cuid": "A"},
    ]  # fmt: skip
    found = annotated(rows)
    assert {m["verdict"] for row in found for m in row} == {"unknown"}
    assert [len(row) for row in found] == [6, 1, 1]


def test_an_own_address_is_its_own_lines_holder_even_where_it_is_shared() -> None:
    rows = [{"time": at(n), "msg": "at 192.0.2.1", "cuid": "AB"[n % 2], "ip": "192.0.2.1"}
            for n in range(6)]  # fmt: skip
    rows.append({"time": at(3), "msg": "asked 192.0.2.1", "cuid": "C", "ip": "10.0.0.1"})
    found = annotated(rows)
    assert [row[0]["container"] for row in found[:6]] == list("ABABAB")
    assert [len(row) for row in found[:6]] == [1] * 6
    assert found[6][1] == {
        "ip": "192.0.2.1", "role": "text", "verdict": "ambiguous", "container": None, "by": None,
    }  # fmt: skip


def test_without_any_times_the_order_of_lines_stands_in() -> None:
    found = annotated([
        {"msg": "a", "cuid": "A", "ip": "10.0.0.1"}, {"msg": "asked 10.0.0.1", "cuid": "C"},
        {"msg": "a", "cuid": "A", "ip": "10.0.0.1"}, {"msg": "asked 10.0.0.1", "cuid": "C"},
        {"msg": "b", "cuid": "B", "ip": "10.0.0.1"},
    ])  # fmt: skip
    assert [found[n][0]["container"] for n in (0, 1, 3, 4)] == ["A", "A", None, "B"]


# --- every event, in its order -------------------------------------------------------------------

LINES = st.lists(
    st.fixed_dictionaries(
        {"time": st.integers(0, 99).map(at), "msg": st.sampled_from(["10.0.0.1", "to 10.0.0.2", "é"])},
        optional={"cuid": st.sampled_from("ABC"), "ip": st.sampled_from(["10.0.0.1", "10.0.0.2"]),
                  "request_id": st.sampled_from("rst")},
    ),
    max_size=30,
)  # fmt: skip


@settings(max_examples=40)
@given(LINES, st.integers(40, 400))
def test_annotate_keeps_count_and_order_however_it_is_cut(
    lines: list[dict[str, Any]], block: int
) -> None:
    with folder() as there:
        (there / "a.jsonl").write_bytes(jsonl(lines) + b"\n{broken\n")
        case = cuidx.open_case(there / "a.jsonl")
        rows = case.annotate()
        assert rows.schema == ANNOTATED
        assert rows.select("source", "line", "message", "container").equals(
            case.events.select("source", "line", "message", "container").collect()
        )
        with reading(block=block):
            other = cuidx.open_case(there / "a.jsonl")
            other._story.records.block = block
            parts = pl.concat([ANNOTATED.to_frame(), *other.annotated()])
        assert rows_of(parts) == rows_of(rows)
        for row in rows.to_dicts():
            roles = [ROLES.index(m["role"]) for m in row["mentions"]]
            assert roles == sorted(roles)
            for m in row["mentions"]:
                assert (m["container"] is not None) == (m["verdict"] == "resolved")
                assert (m["by"] is not None) == (m["verdict"] == "resolved")


def test_filters_choose_events_and_leases_come_from_all() -> None:
    case = cuidx.open_case(DEV / "export.jsonl", where={"service": "db"}, since="2026-11-23T18:57Z")
    rows, all_rows = case.annotate(), cuidx.open_case(DEV / "export.jsonl").annotate()
    kept = all_rows.filter(pl.col("service") == "db").filter(
        pl.col("time").dt.to_string("%H:%M") >= "18:57"
    )
    assert rows.equals(kept)
    assert 0 < len(rows) < len(all_rows)


def test_asked_after_another_question_it_answers_the_same() -> None:
    case = cuidx.open_case(DEV / "export.jsonl")
    lifetimes = case.lifetimes()
    alone = cuidx.open_case(DEV / "export.jsonl")
    assert case.annotate().equals(alone.annotate())
    assert alone.lifetimes().equals(lifetimes)  # with the requests, which annotate has no need of


# --- evidence ------------------------------------------------------------------------------------


def test_leases_are_read_for_leases_alone() -> None:
    case = cuidx.open_case(DEV / "raw", leases=[DEV / "export.jsonl"])
    rows = case.annotate()
    assert len(rows) == case.accounting.events == 1679
    assert len(case.accounting.sources) == 27
    # The mirror files have no address of their own; the leases' lines say whose they were.
    known = Counter(
        m["verdict"] for row in rows["mentions"] for m in row if m["ip"][:8] == "10.89.1."
    )
    assert known["resolved"] > 1000
    assert "ambiguous" not in known
    assert sum(row["lines"] for row in case.lifetimes().to_dicts()) == 1679


def test_a_pod_object_gives_its_address_to_the_lines_of_all_its_containers() -> None:
    case = cuidx.open_case(DEV / "cri", *(DEV / name for name in EVIDENCE))
    assert case.accounting.evidence == 5 + 128
    rows = case.annotate()
    alive = {pod["metadata"]["uid"]: pod["status"]["podIP"]
             for pod in json.loads((DEV / "pods.json").read_text())["items"]}  # fmt: skip
    own = rows.filter(pl.col("ip").is_not_null())
    assert dict(own.select("pod_uid", "ip").unique().iter_rows()) == alive
    assert set(own["ip_from"]) == {"evidence"}
    cuids = {one["uid"]: one["cuid"] for one in TRUTH["instances"]}
    for pod in json.loads((DEV / "pods.json").read_text())["items"]:  # they name their containers
        for status in pod["status"]["containerStatuses"]:
            for one in (status, status["lastState"].get("terminated", {})):
                ident = one.get("containerID", "").partition("://")[2]
                cuids[ident] = cuids[pod["metadata"]["uid"]]
    wrong = 0
    right = 0
    by_line = {
        (true["file"].split("/")[1], true["ip"], true["at"]): true.get("meant_cuid") or true["true_cuid"]
        for true in MENTIONS if not true.get("boundary") and not true.get("own")
    }  # fmt: skip
    for row in rows.with_columns(
        at=pl.col("time").dt.to_string("%Y-%m-%dT%H:%M:%S%.3fZ")
    ).to_dicts():
        for m in row["mentions"]:
            true = by_line.get((row["pod"], m["ip"], row["at"]))
            if m["verdict"] == "resolved" and m["role"] != "own" and true is not None:
                right += cuids[m["container"].partition("/")[0]] == true
                wrong += cuids[m["container"].partition("/")[0]] != true
    assert wrong == 0
    assert right > 100


def pod(uid: str, ip: str, **status: Any) -> dict[str, Any]:
    return {
        "kind": "Pod", "apiVersion": "v1", "metadata": {"name": uid, "namespace": "n", "uid": uid},
        "spec": {"hostNetwork": status.pop("host", False)},
        "status": {"phase": "Running", "podIP": ip, "startTime": at(0), **status},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "ip"),
    [({}, "10.0.0.1"), ({"phase": "Succeeded"}, None), ({"phase": "Failed"}, None), ({"host": True}, None)],
    ids=["running", "succeeded", "failed", "host network"],
)  # fmt: skip
def test_only_a_pod_that_has_an_address_of_its_own_gets_a_lease(
    status: dict[str, Any], ip: str | None, tmp_path: Path
) -> None:
    (tmp_path / "pod.json").write_text(json.dumps(pod("u1", "10.0.0.1", **status), indent=1))
    assert cuidx.open_case(tmp_path / "pod.json").reuse()["ip"].to_list() == [ip] * bool(ip)


def test_a_snapshot_long_after_the_last_line_is_no_second_holder(tmp_path: Path) -> None:
    started = {"containerStatuses": [{"state": {"running": {"startedAt": at(600)}}}]}
    text = json.dumps(pod("u1", "10.0.0.1")) + "\n" + json.dumps(pod("u2", "10.0.0.2", **started))
    (tmp_path / "pods.json").write_text(text)
    rows = [{"time": at(n), "pod_uid": "u1", "container_name": name, "msg": "m", "ip": "10.0.0.1"}
            for n, name in ((1, "app"), (2, "proxy"), (9, "app"))]  # fmt: skip
    (tmp_path / "a.jsonl").write_bytes(jsonl(rows))
    case = cuidx.open_case(tmp_path)
    book = {row["ip"]: row for row in case.reuse().to_dicts()}
    assert {ip: row["kind"] for ip, row in book.items()} == {
        "10.0.0.1": "single",
        "10.0.0.2": "single",
    }
    (holder,) = book["10.0.0.1"]["holders"]
    assert (holder["container"], holder["containers"]) == ("u1", ["u1/app", "u1/proxy"])
    assert case.resolve("10.0.0.1", at(600))["container"].to_list() == ["u1"]
    # When it started says nothing of the address by then.
    assert case.resolve("10.0.0.2", at(300))["verdict"].to_list() == ["unknown"]


def test_a_broken_object_after_good_ones_is_given_whole_with_its_line(tmp_path: Path) -> None:
    good = (DEV / "pods.json").read_bytes().rstrip() + b"\n"
    (tmp_path / "pods.json").write_bytes(good + b'{"apiVersion":"v1", "kind"\n  oops')
    rejected: list[dict[str, Any]] = []
    case = cuidx.open_case(tmp_path / "pods.json")
    case.reject = lambda _, rows: rejected.extend(rows.to_dicts())
    count = case.accounting
    assert count.evidence == len(json.loads(good)["items"])
    assert count.unreadable == 1
    assert [(row["line"], row["raw"]) for row in rejected] == [
        (good.count(b"\n") + 1, '{"apiVersion":"v1", "kind"\n  oops')
    ]


def test_a_list_of_pods_that_is_cut_off_gives_the_pods_before_the_cut(tmp_path: Path) -> None:
    (tmp_path / "pods.json").write_text((DEV / "pods.json").read_text()[:-20])
    case = cuidx.open_case(tmp_path / "pods.json")
    assert (case.accounting.evidence, case.accounting.unreadable) == (4, 1)


# --- as it comes ---------------------------------------------------------------------------------


def streamed(path: Path, *leases: Path, **options: Any) -> pl.DataFrame:
    """PATH's lines as from standard input."""
    case = cuidx.open_case("-", leases=leases, **options)
    with path.open("rb") as file:
        rows = pl.concat([ANNOTATED.to_frame(), *case._follow(file)])
    assert case.accounting.events == len(rows) or options
    return rows


def said(rows: list[dict[str, Any]], *leases: Path) -> list[list[tuple[Any, ...]]]:
    """(ip, verdict, container, by) of what is mentioned in text."""
    with folder() as there:
        (there / "a.jsonl").write_bytes(jsonl(rows))
        found = streamed(there / "a.jsonl", *leases)["mentions"].to_list()
    return [
        [(m["ip"], m["verdict"], m["container"], m["by"]) for m in row if m["role"] == "text"]
        for row in found
    ]


def test_a_holder_seen_keeps_its_address_until_another_is_seen() -> None:
    asks = {"msg": "asked 10.0.0.1", "cuid": "C"}
    found = said([
        {"time": at(0), **asks},
        {"time": at(1), "msg": "a", "cuid": "A", "ip": "10.0.0.1"},
        {"time": at(500), **asks},
        {"time": at(600), "msg": "b", "cuid": "B", "ip": "10.0.0.1"},
        {"time": at(601), **asks},
        {"time": at(590), **asks},  # a late line
    ])  # fmt: skip
    assert found[0] == [("10.0.0.1", "unknown", None, None)]
    assert [found[n][0][2:] for n in (2, 4, 5)] == [
        ("A", "stream"),
        ("B", "stream"),
        ("A", "stream"),
    ]


def test_an_end_that_is_known_ends_it_and_two_at_once_are_ambiguous() -> None:
    asks = {"msg": "asked 10.0.0.1", "cuid": "C"}
    stop = {"ikontainer_event": "stop", "time": at(5), "ip": "10.0.0.1", "ikontainer_CUID": "A",
            "svc": "a.b.c"}  # fmt: skip
    seen = [{"time": at(n), "msg": "m", "cuid": "AB"[n % 2], "ip": "10.0.0.1"} for n in range(3)]
    assert said([*seen[:1], stop, {"time": at(9), **asks}])[-1] == [
        ("10.0.0.1", "unknown", None, None)
    ]
    assert said([*seen, {"time": at(9), **asks}])[-1] == [("10.0.0.1", "ambiguous", None, None)]


def test_containers_of_one_pod_have_its_address_together() -> None:
    rows = [{"time": at(n), "msg": "m", "pod_uid": "u", "container_name": ("app", "proxy")[n % 2],
             "ip": "10.0.0.1"} for n in range(4)]  # fmt: skip
    asks = {"time": at(9), "msg": "asked 10.0.0.1", "cuid": "C"}
    assert said([*rows, asks])[-1] == [("10.0.0.1", "resolved", "u", "stream")]


def test_a_line_about_a_request_is_about_who_took_part_in_it() -> None:
    found = said([
        {"time": at(0), "msg": "a", "cuid": "A", "ip": "10.0.0.1", "request_id": "R-1"},
        {"time": at(9), "msg": "b", "cuid": "B", "ip": "10.0.0.1"},
        {"time": at(10), "msg": "about 10.0.0.1", "cuid": "C", "request_id": "r1"},
    ])  # fmt: skip
    assert found[2] == [("10.0.0.1", "resolved", "A", "request")]


def test_what_was_read_for_leases_answers_too() -> None:
    moment = {"time": "2026-11-23T18:55:00Z", "msg": "asked 10.89.1.10", "cuid": "C"}
    later = {"time": "2026-11-23T18:59:00Z", "msg": "asked 10.89.1.10 10.89.1.12", "cuid": "C"}
    store = "73c55328-7bca-4c00-95d7-7b45fdbc39c5"
    by_lines = said([moment, later], DEV / "export.jsonl")
    assert by_lines[0] == [("10.89.1.10", "resolved", store, "time")]
    assert {m[1] for m in by_lines[1]} == {"unknown"}  # nothing says that they still run
    # The Pod's object does, and nothing has ended it since.
    (last, nobody) = said([later], DEV / "pods.json")[0]
    assert last[1:] == ("resolved", "feff66e8-7fac-44ce-abf9-19d9b799af5b", "stream")
    assert nobody[1:] == ("unknown", None, None)


@pytest.mark.parametrize("leases", [(), ("export.jsonl",)], ids=["alone", "with leases"])
def test_the_stream_of_the_capture_contradicts_no_truth(leases: tuple[str, ...]) -> None:
    rows = streamed(DEV / "export.jsonl", *(DEV / name for name in leases))
    assert rows.drop("mentions", "source").equals(
        cuidx.open_case(DEV / "export.jsonl").annotate().drop("mentions", "source")
    )
    counts = counted(rows, {})
    print("figure: mentions, as a stream, other sources:", len(leases), dict(counts))
    # A stream can't know that a holder went before anyone else is seen: that is said by `by`.
    right = sum(count for what, count in counts.items() if what.startswith("right"))
    assert counts["WRONG"] <= (0 if leases else 6)
    assert right >= (2148 if leases else 2140)


def run(*arguments: str, **how: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "cuidx", "annotate", *arguments], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how,
    )  # fmt: skip


@pytest.mark.parametrize("form", ["jsonl", "table"])
def test_each_line_is_answered_before_the_next_one_comes_and_ctrl_c_ends_it(form: str) -> None:
    process = run("-", "-f", form, "--no-color", "-q")
    killer = threading.Timer(120, process.kill)  # a reader that waits for more would wait for ever
    killer.start()
    assert process.stdin is not None
    assert process.stdout is not None
    for n in range(3):
        row = {"time": at(n), "msg": f"line {n} to 10.0.0.9", "cuid": "A", "ip": "10.0.0.1"}
        process.stdin.write(jsonl([row]))
        process.stdin.flush()
        text = b""
        while f"line {n}".encode() not in text:
            text += process.stdout.readline()
            assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    killer.cancel()
    assert (process.returncode, errors) == (130, b"")


def test_a_reader_that_has_enough_ends_it_quietly() -> None:
    row = jsonl([{"time": at(0), "msg": "m", "cuid": "A", "ip": "10.0.0.1"}])
    with run("-", "-f", "jsonl", "-q") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(row)
        process.stdin.flush()
        assert process.stdout.readline()
        process.stdout.close()
        process.stdin.write(row)
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


def test_pieces_of_a_line_and_a_last_one_without_an_end_are_whole_lines() -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as file:
        for piece in (b'{"msg":"a 10.0', b'.0.1"}\n{"msg":"b"}\n\n{"m', b'sg":"c"}'):
            os.write(writer, piece)
        os.close(writer)
        case = cuidx.open_case("-")
        rows = pl.concat(list(case._follow(file)))
    assert rows.select("message", "line").rows() == [("a 10.0.0.1", 1), ("b", 2), ("c", 4)]
    assert (case.accounting.records, case.accounting.blank) == (4, 1)


def test_packed_bytes_on_standard_input_are_refused() -> None:
    with folder() as there:
        (there / "a").write_bytes(gzip.compress(b"x\n"))
        with (there / "a").open("rb") as file, pytest.raises(cuidx.SourceError, match="gzip"):
            list(cuidx.open_case("-")._follow(file))


# --- the command ---------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["json", "jsonl", "csv", "parquet", "markdown", "html", "table"])
def test_all_forms_have_all_events(form: str, tmp_path: Path) -> None:
    from cuidx.cli.app import run as cuidx_run

    path = tmp_path / "out"
    assert (
        cuidx_run(["annotate", str(DEV / "export.jsonl"), "-f", form, "-o", str(path), "-q"]) == 0
    )
    table = cuidx.open_case(DEV / "export.jsonl").annotate()
    if form == "parquet":
        assert pl.read_parquet(path).equals(table)
        return
    text = path.read_text()
    if form in ("json", "jsonl"):
        whole = json.loads(text) if form == "json" else None
        rows = whole["events"] if whole else [json.loads(line) for line in text.splitlines()]
        assert rows == rows_of(table)
        if whole:
            assert text.index('"events"') < text.index('"accounting"')
            assert whole["accounting"]["events"] == 1679
    elif form == "csv":
        rows = list(csv.DictReader(text.splitlines()))
        assert [json.loads(row["mentions"]) for row in rows] == table["mentions"].to_list()
        assert [row["line"] for row in rows] == [str(n) for n in range(1, 1680)]
    else:
        assert text.count("heartbeat") == table["message"].str.contains("heartbeat").sum()


def test_what_a_terminal_would_obey_is_escaped_as_elsewhere(tmp_path: Path) -> None:
    from cuidx.cli.app import run as cuidx_run

    hostile = 'é \u202e \x7f \x85 \x1b[2J\ttab "quoted" \\ \U000e0041'
    (tmp_path / "a.jsonl").write_text(
        json.dumps({"msg": hostile, "ip": "10.0.0.1", "cuid": "A\u2066"}) + "\n"
    )
    assert (
        cuidx_run(["annotate", str(tmp_path / "a.jsonl"), "-o", str(tmp_path / "b.jsonl"), "-q"])
        == 0
    )
    text = (tmp_path / "b.jsonl").read_text()
    row = json.loads(text)
    assert (row["message"], row["container"]) == (hostile, "A\u2066")
    assert row["mentions"][0]["container"] == "A\u2066"
    assert set(text) & set("\u202e\x7f\x85\x1b\U000e0041\u2066") == set()
    assert "é" in text


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--where", "service=nobody"], 1), (["--leases", "nowhere"], 3), (["-f", "parquet"], 2)],
    ids=["nothing fits", "no such file", "parquet without -o"],
)
def test_exit_codes(arguments: list[str], code: int) -> None:
    from cuidx.cli.app import run as cuidx_run

    assert cuidx_run(["annotate", str(DEV / "export.jsonl"), *arguments, "-q"]) == code


# --- several containers, and the host's network --------------------------------------------------


def test_containers_of_one_pod_never_show_as_reuse_among_themselves(tmp_path: Path) -> None:
    (tmp_path / "export.jsonl").write_text(without_cuids())
    book = cuidx.open_case(tmp_path / "export.jsonl", DEV / "pods.json").reuse().to_dicts()
    together = [len(holder["containers"]) for row in book for holder in row["holders"]]
    assert max(together) == 2  # the gateways' app and envoy
    assert {row["kind"] for row in book} == {"reused"}
    true = {ip: [one["cuid"] for one in holders] for ip, holders in TRUTH["ips"].items()}
    assert true == {
        row["ip"]: [
            cuids_of_holders()[holder["container"].partition("/")[0]] for holder in row["holders"]
        ]
        for row in book
    }


# A Pod in a dump of Go's, as `%+v` or `%#v` writes it; none of them is on the host's network.
DUMPED = (
    r'ObjectMeta\{Name:"?(?<pod>[a-z0-9.-]+)"?, ?GenerateName:"?[^,]*, ?Namespace:"?(?<namespace>[a-z0-9-]+)'
    r'.*?UID:"?(?<pod_uid>[0-9a-f-]{36}).*HostIP:"?(?<host_ip>[0-9.]+)"?, ?PodIP:"?(?<ip>[0-9.]+)'
)
RUNS = {
    "v1.8-kubeadm.e2e.log": ("10.132.0.5", {"10.32.0.5": 2}),
    "v1.10-kube-spawn.e2e.log": ("10.22.0.3", {"10.46.0.2": 2}),
    "v1.12-kubeadm.e2e.log.gz": ("10.0.2.15", {"10.32.0.6": 4, "10.32.0.7": 2, "10.32.0.8": 3}),
}


@pytest.mark.parametrize("name", RUNS)
def test_on_the_conformance_runs_no_address_of_a_node_is_called_reused(
    name: str, tmp_path: Path
) -> None:
    path = FIXTURES / "public" / "k8s-conformance" / name
    node, held_by = RUNS[name]
    plain = cuidx.open_case(path)
    assert plain.reuse().is_empty()  # nobody's own address is a field there
    assert {m["verdict"] for row in plain.annotate()["mentions"] for m in row} == {"unknown"}
    # With the year, which is in the dumps alone, and the Pods that they show.
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    months = {"Sep": "2018-09", "Oct": "2018-10", "Nov": "2017-11"}
    dated = re.sub(
        r"(?m)^(Sep|Oct|Nov) +(\d+) (\d\d:\S+):",
        lambda hit: f"{months[hit[1]]}-{hit[2]:0>2}T{hit[3]}Z",
        text,
    )
    (tmp_path / "e2e.log").write_text(dated)
    case = cuidx.open_case(tmp_path / "e2e.log", pattern=DUMPED)
    book = {row["ip"]: row for row in case.reuse().to_dicts()}
    assert node not in book
    reused = {ip: len(row["holders"]) for ip, row in book.items() if row["kind"] == "reused"}
    assert reused == held_by


def test_sortable_cuids_of_one_minute_are_told_apart() -> None:
    one, two = ("019f0c2b-77aa-7c3e-8a11-3d0c5a9e1b2f", "019f0c2b-91d4-7f02-b6c7-90ab12cd34ef")
    assert short(one, 13) != short(two, 13)
    assert short("3b9d5a0c-58ad-4740-9444-193009544dca", 13) == "3b9d5a0c"


def test_what_was_asked_before_does_not_change_the_next_answer() -> None:
    path, who = DEV / "export.jsonl", "085f8f85"
    alone = cuidx.open_case(path)
    hops, lives = alone.trace(container=who), alone.lifetimes()
    case = cuidx.open_case(path)
    case.annotate()
    assert case.trace(container=who).equals(hops)
    assert case.lifetimes().equals(lives)
    assert len(hops) > 400
