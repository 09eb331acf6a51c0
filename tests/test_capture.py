"""Issue 3: one story in five shapes must be one story, and the one that was recorded from outside.

The figures are printed (`pytest -s tests/test_capture.py`) and asserted to the last line.
"""

import json
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

import polars as pl
import pytest
from stories import FIXTURES, conserved, lifetimes_of, rows_of

import cuidx
from cuidx.case import Case

DEV = FIXTURES / "dev"
TRUTH: dict[str, Any] = json.loads((DEV / "truth.json").read_text())
INSTANCES: dict[str, dict[str, Any]] = {one["cuid"]: one for one in TRUTH["instances"]}
TAGGED = ("raw", "cri_tagged", "export.jsonl", "elasticdump.jsonl")
EXPORTS = ("export.jsonl", "elasticdump.jsonl")
SLACK = 0.2  # seconds; the sidecar's and the collector's times are up to 0.1 s after the line's


class Figures(NamedTuple):
    sources: int
    records: int
    events: int
    fragments: int
    duplicates: int
    tagged: int
    containers: int
    errors: int
    requests: int


FIGURES = {
    "raw": Figures(27, 1679, 1679, 0, 0, 1679, 25, 106, 379),
    "cri_tagged": Figures(25, 1683, 1679, 4, 0, 1679, 25, 106, 379),
    "export.jsonl": Figures(1, 1679, 1679, 0, 0, 1679, 25, 106, 538),
    "elasticdump.jsonl": Figures(1, 1696, 1679, 0, 17, 1679, 25, 106, 538),
    "cri": Figures(32, 1683, 1679, 4, 0, 0, 32, 106, 379),
}


@cache
def case_of(shape: str) -> Case:
    return cuidx.open_case(DEV / shape)


@cache
def rows(shape: str) -> dict[str, dict[str, Any]]:
    return {row["container"]: row for row in rows_of(case_of(shape).lifetimes())}


def seconds_between(one: str, other: str) -> float:
    moments = [datetime.fromisoformat(text[:26].rstrip("Z") + "+00:00") for text in (one, other)]
    return abs((moments[0] - moments[1]).total_seconds())


@pytest.mark.parametrize("shape", FIGURES)
def test_the_figures(shape: str) -> None:
    count, table = case_of(shape).accounting, rows(shape).values()
    found = Figures(
        len(count.sources), count.records, count.events, count.fragments, count.duplicates,
        count.tagged, len(table),
        sum(row["errors"] for row in table), sum(row["requests"] for row in table),
    )  # fmt: skip
    print(f"figure: {shape}: {found}")
    assert found == FIGURES[shape]
    assert sum(row["lines"] for row in table) == TRUTH["totals"]["lines"] == 1679
    assert count.untagged == count.events - count.tagged
    assert case_of(shape).warnings == []
    conserved(count.as_json())


@pytest.mark.parametrize("shape", TAGGED)
def test_containers_and_lines_are_the_true_ones(shape: str) -> None:
    assert len(INSTANCES) == 25
    assert {name: row["lines"] for name, row in rows(shape).items()} == {
        cuid: one["lines_total"] for cuid, one in INSTANCES.items()
    }
    assert {row["identity"] for row in rows(shape).values()} == {"cuid"}


@pytest.mark.parametrize(
    ("shape", "worst"),
    [("raw", 0.0), ("cri_tagged", 0.073121), ("export.jsonl", 0.01805),
     ("elasticdump.jsonl", 0.01805)],
)  # fmt: skip
def test_first_and_last_are_true_within_a_fifth_of_a_second(shape: str, worst: float) -> None:
    found = max(
        seconds_between(row[mine], INSTANCES[cuid][true])
        for cuid, row in rows(shape).items()
        for mine, true in (("first_seen", "first_line_at"), ("last_seen", "last_line_at"))
    )
    print(f"figure: {shape}: first and last are at most {found} s from the truth")
    assert found <= SLACK
    assert found == pytest.approx(worst, abs=1e-6)


@pytest.mark.parametrize("shape", TAGGED)
def test_names_are_the_true_ones(shape: str) -> None:
    for cuid, row in rows(shape).items():
        true = INSTANCES[cuid]
        assert (row["service"], row["namespace"], row["cluster"]) == (
            true["service"], true["namespace"], TRUTH["cluster"]
        )  # fmt: skip
        # The raw mirror files say nothing of their Pods; CRI files do, by their paths.
        assert row["pod"] == (None if shape == "raw" else true["pod"])
        assert row["node"] == (TRUTH["node"] if shape in EXPORTS else None)


@pytest.mark.parametrize("shape", TAGGED)
def test_addresses_are_the_true_ones_where_they_are_told(shape: str) -> None:
    for cuid, row in rows(shape).items():
        assert row["ips"] == ([INSTANCES[cuid]["ip"]] if shape in EXPORTS else [])
        # Each of the six addresses was held by two Pods or more.
        assert row["reused_ips"] == row["ips"]
        # No evidence is read here that could say so.
        assert (row["started"], row["ended"]) == (None, None)


@pytest.mark.parametrize("shape", EXPORTS)
def test_holders_of_each_address_follow_each_other_as_they_did(shape: str) -> None:
    book = {address.ip: address for address in case_of(shape)._story.book[1]}
    assert {ip: [lease.holder for lease in address.leases] for ip, address in book.items()} == {
        ip: [one["cuid"] for one in holders] for ip, holders in TRUTH["ips"].items()
    }
    assert {address.kind for address in book.values()} == {"reused"}
    followed = sum(len(address.leases) - 1 for address in book.values())
    print(f"figure: {shape}: {len(book)} addresses passed on {followed} times")
    assert followed == TRUTH["totals"]["reassignments"] == 19


@pytest.mark.parametrize("shape", EXPORTS)
def test_whoever_lost_its_address_was_replaced(shape: str) -> None:
    latest = {holders[-1]["cuid"] for holders in TRUTH["ips"].values()}
    assert {name for name, row in rows(shape).items() if row["end"] == "unknown"} == latest
    assert {row["end"] for row in rows(shape).values()} == {"unknown", "replaced"}


def test_the_two_exports_are_one_table() -> None:
    assert rows("elasticdump.jsonl") == rows("export.jsonl")
    assert list(rows("elasticdump.jsonl")) == list(rows("export.jsonl"))


def test_the_shapes_agree_but_for_what_only_some_of_them_tell() -> None:
    same = ("identity", "service", "namespace", "cluster", "lines", "errors")
    for shape in TAGGED[1:]:
        assert rows(shape).keys() == rows("raw").keys()
        for cuid, row in rows(shape).items():
            raw = rows("raw")[cuid]
            assert {name: row[name] for name in same} == {name: raw[name] for name in same}
            assert seconds_between(row["first_seen"], raw["first_seen"]) <= SLACK
            assert seconds_between(row["last_seen"], raw["last_seen"]) <= SLACK
    # Request ids that stand in a text under no name are in the exports' fields alone.
    for one, other in (("cri_tagged", "raw"), ("elasticdump.jsonl", "export.jsonl")):
        assert {c: r["requests"] for c, r in rows(one).items()} == {
            c: r["requests"] for c, r in rows(other).items()
        }


@pytest.mark.parametrize("shape", FIGURES)
def test_levels_are_the_true_ones(shape: str) -> None:
    events = case_of(shape).events.collect()
    levels = dict(events["level"].cast(pl.String).fill_null("NONE").value_counts().iter_rows())
    print(f"figure: {shape}: {levels}")
    assert levels == TRUTH["totals"]["levels"]
    assert levels["ERROR"] == 106


@pytest.mark.parametrize(
    ("shape", "whence"),
    [
        ("raw", {"own": 1623, "carried": 56}),
        ("cri_tagged", {"collector": 1679}),
        ("export.jsonl", {"collector": 1679}),
        ("elasticdump.jsonl", {"collector": 1679}),
        ("cri", {"collector": 1679}),
    ],
)
def test_where_the_times_are_from(shape: str, whence: dict[str, int]) -> None:
    events = case_of(shape).events.collect()
    assert dict(events["time_from"].cast(pl.String).value_counts().iter_rows()) == whence
    assert events["time"].null_count() == 0
    # Lines without a time of their own: stack traces.
    assert whence.get("carried", 56) == TRUTH["totals"]["lines_without_own_time"]


@pytest.mark.parametrize("shape", EXPORTS)
def test_request_ids_are_as_many_as_were_sent(shape: str) -> None:
    events = case_of(shape).events.collect()
    assert events["request_id"].count() == TRUTH["totals"]["lines_with_request_id"] == 1472


def test_one_file_may_hold_several_containers_in_turn() -> None:
    # db-0 keeps its volume: three Pods wrote one after another into one file.
    db = {c: row["lines"] for c, row in lifetimes_of(DEV / "raw/db-0/app.log").items()}
    print(f"figure: raw/db-0/app.log: {db}")
    assert db == {c: one["lines_total"] for c, one in INSTANCES.items() if one["pod"] == "db-0"}
    assert len(db) == 3


def test_long_lines_come_out_whole_from_their_pieces() -> None:
    longest = {
        shape: sorted(case_of(shape).events.collect()["message"].str.len_bytes())[-2:]
        for shape in ("raw", "cri", "cri_tagged", "export.jsonl")
    }
    print(f"figure: longest messages: {longest}")
    assert min(longest["raw"]) > 16_384
    assert all(lengths == longest["raw"] for lengths in longest.values())
    assert TRUTH["totals"]["lines_over_16KiB"] == 2


def test_messages_are_the_same_in_all_shapes() -> None:
    texts = {
        shape: case_of(shape).events.collect()["message"].sort().to_list() for shape in FIGURES
    }
    assert all(messages == texts["raw"] for messages in texts.values())


def test_untagged_cri_files_have_a_container_for_each_instance_of_a_pod_s_container() -> None:
    table = rows("cri")
    assert {row["identity"] for row in table.values()} == {"pod_uid"}
    names = set()
    for path in (DEV / "cri").rglob("*.log"):
        uid, container, restart = path.parts[-3].rpartition("_")[2], path.parts[-2], path.stem
        names.add(f"{uid}/{container}" + (f"#{restart}" if restart != "0" else ""))
    assert set(table) == names
    assert len(names) == 32  # 25 app, 4 envoy, 3 of app again after a restart in place
    by_uid: dict[str, int] = {}
    for name, row in table.items():
        by_uid[name.partition("/")[0]] = by_uid.get(name.partition("/")[0], 0) + row["lines"]
    assert by_uid == {one["uid"]: one["lines_total"] for one in INSTANCES.values()}
    # The same Pod goes on after a restart: nobody replaced it, but for two of db-0's three Pods.
    assert sorted(row["pod"] for row in table.values() if row["end"] == "replaced") == ["db-0"] * 2


def test_all_shapes_at_once_are_each_counted() -> None:
    # One more index name: the documents of export and elasticdump are not each other's duplicates.
    case = cuidx.open_case(*(DEV / shape for shape in TAGGED))
    count = case.accounting
    assert (count.records, count.events, count.fragments, count.duplicates) == (
        1679 + 1683 + 1679 + 1696, 4 * 1679, 4, 17
    )  # fmt: skip
    assert {row["container"]: row["lines"] for row in rows_of(case.lifetimes())} == {
        cuid: 4 * one["lines_total"] for cuid, one in INSTANCES.items()
    }
    conserved(count.as_json())


def test_start_and_stop_records_beside_the_mirror_files_bound_the_lifetimes(tmp_path: Any) -> None:
    records = []
    for cuid, one in INSTANCES.items():
        ends = (("start", one["started"]), ("stop", one["stopped"]))
        for event, time in ends:
            if time:
                head = {"ikontainer_event": event, "time": time, "pod": one["pod"],
                        "pod_uid": one["uid"], "ip": one["ip"], "node": "node-1"}  # fmt: skip
                tag = {"ikontainer_CUID": cuid, "svc": one["svc"]}
                records.append(json.dumps(head) + json.dumps(tag, separators=(",", ":")) + "\n")
    path = tmp_path / "ikontainer.lifecycle.log"
    path.write_text("".join(records))
    case = cuidx.open_case(DEV / "raw", path)
    table = {row["container"]: row for row in rows_of(case.lifetimes())}
    stopped = sum(one["stopped"] is not None for one in INSTANCES.values())
    print(f"figure: {len(records)} lifecycle records, {stopped} stopped")
    assert (case.accounting.evidence, case.accounting.events, stopped) == (45, 1679, 20)
    for cuid, row in table.items():
        true = INSTANCES[cuid]
        assert (row["lines"], row["ips"], row["pod"]) == (
            true["lines_total"], [true["ip"]], true["pod"]
        )  # fmt: skip
        for mine, when in ((row["started"], true["started"]), (row["ended"], true["stopped"])):
            assert (mine is None) == (when is None)
            assert mine is None or seconds_between(mine, when) == 0
        assert (row["end"] == "stopped") == (true["stopped"] is not None)
    assert {lease.holder: a.ip for a in case._story.book[1] for lease in a.leases} == {
        cuid: one["ip"] for cuid, one in INSTANCES.items()
    }


# -- the method's own example -----------------------------------------------------------------

FIGURE5 = {
    "643B": ("10.10.1.2", 2), "2F52": ("10.10.11.2", 1), "82B8": ("10.10.12.1", 1),
    "7D53": ("10.10.11.1", 1), "CC62": ("10.10.13.1", 1), "17E1": ("10.10.100.1", 1),
    "CD85": ("10.10.1.2", 2), "4A23": ("10.10.11.2", 1),
}  # fmt: skip


@pytest.mark.parametrize("name", ["figure5.jsonl", "figure5.log"])
def test_figure_5_has_eight_containers_in_ten_rows(name: str) -> None:
    case = cuidx.open_case(FIXTURES / "paper" / name)
    table = rows_of(case.lifetimes())
    assert [(row["container"], row["lines"], row["requests"]) for row in table] == [
        (cuid, lines, lines) for cuid, (_, lines) in FIGURE5.items()
    ]
    assert (case.accounting.records, case.accounting.tagged) == (10, 10)
    assert (case.accounting.first, case.accounting.last) == (None, None)


def test_figure_5_s_reused_addresses() -> None:
    path = FIXTURES / "paper" / "figure5.jsonl"
    table = lifetimes_of(path)
    assert {cuid: row["ips"] for cuid, row in table.items()} == {
        cuid: [ip] for cuid, (ip, _) in FIGURE5.items()
    }
    reused = {cuid: row["reused_ips"] for cuid, row in table.items() if row["reused_ips"]}
    assert reused == {"643B": ["10.10.1.2"], "CD85": ["10.10.1.2"],
                      "2F52": ["10.10.11.2"], "4A23": ["10.10.11.2"]}  # fmt: skip
    assert {cuid: row["end"] for cuid, row in table.items() if row["end"] != "unknown"} == {
        "643B": "replaced", "2F52": "replaced"
    }  # fmt: skip
    book = {
        a.ip: [(x.holder, x.change) for x in a.leases] for a in cuidx.open_case(path)._story.book[1]
    }
    assert book["10.10.1.2"] == [("643B", "first"), ("CD85", "recycled")]
    assert book["10.10.11.2"] == [("2F52", "first"), ("4A23", "recycled")]


def test_figure_5_s_text_lines_carry_no_address() -> None:
    table = lifetimes_of(FIXTURES / "paper" / "figure5.log")
    assert all(row["ips"] == [] for row in table.values())
    assert {row["cluster"] for row in table.values()} == {"lab"}
