"""INTERFACE section 1 in small stories: who held which address, and what became of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from stories import at, jsonl, rows_of

import cuidx
from cuidx.case import Case
from cuidx.enrich.leases import Address

IP, IP2, IP3 = "10.0.0.1", "10.0.0.2", "10.0.0.3"


def line(second: float | None, who: str | None, ip: str | None = IP, **more: Any) -> dict[str, Any]:
    """A line of CUID WHO; None: one without."""
    time = {} if second is None else {"time": at(second)}
    return {**time, "cuid": who, "ip": ip, "msg": "x", **more}


def record(event: str, second: float, who: str, ip: str | None = IP, **more: Any) -> dict[str, Any]:
    """The tagger's start or stop record."""
    return {"ikontainer_event": event, "time": at(second), "ip": ip, "node": "n1", **more,
            "ikontainer_CUID": who, "svc": "s.n.c"}  # fmt: skip


def pod(
    second: float, uid: str, container: str, ip: str | None = IP, **more: Any
) -> dict[str, Any]:
    """A line that knows its Pod and container, and no CUID."""
    return line(second, None, ip, pod_uid=uid, container_name=container, **more)


@pytest.fixture
def opened(tmp_path: Path) -> Any:
    def make(rows: Sequence[dict[str, Any]], name: str = "a.jsonl") -> Case:
        (tmp_path / name).write_bytes(jsonl(rows))
        return cuidx.open_case(tmp_path)

    return make


def book(case: Case) -> dict[str, Address]:
    return {address.ip: address for address in case._story.book[1]}


def told(address: Address) -> list[tuple[str, str]]:
    return [(lease.holder, lease.change) for lease in address.leases]


STORIES: dict[str, tuple[list[dict[str, Any]], str, list[tuple[str, str]]]] = {
    "one holder": ([line(0, "A"), line(9, "A")], "single", [("A", "first")]),
    "one after the other": (
        [line(0, "A"), line(5, "A"), line(9, "B"), line(12, "B")],
        "reused", [("A", "first"), ("B", "recycled")],
    ),
    "the same Pod's next tagger": (
        [line(0, "A", pod_uid="u"), line(5, "A", pod_uid="u"), line(9, "B", pod_uid="u")],
        "reused", [("A", "first"), ("B", "restarted")],
    ),
    "the same Pod's next container": (
        [pod(0, "u", "app"), pod(5, "u", "app"), pod(9, "u", "app", restart=1)],
        "reused", [("u/app", "first"), ("u/app#1", "restarted")],
    ),
    "another Pod of the same name": (
        [line(0, "A", pod_uid="u", pod="db-0"), line(9, "B", pod_uid="v", pod="db-0")],
        "reused", [("A", "first"), ("B", "recycled")],
    ),
    "1 s of overlap is the clocks'": (
        [line(0, "A"), line(5, "A"), line(4, "B"), line(9, "B")],
        "reused", [("A", "first"), ("B", "recycled")],
    ),
    "1.001 s of overlap is sharing": (
        [line(0, "A"), line(5.001, "A"), line(4, "B"), line(9, "B")],
        "shared", [("A", "shared"), ("B", "shared")],
    ),
    "one inside the other": (
        [line(0, "A"), line(9, "A"), line(4, "B")],
        "shared", [("A", "shared"), ("B", "shared")],
    ),
    "interleaved": (
        [line(0, "A"), line(3, "B"), line(6, "A"), line(9, "B")],
        "shared", [("A", "shared"), ("B", "shared")],
    ),
    "shared, then one alone": (
        [line(0, "A"), line(5, "A"), line(1, "B"), line(6, "B"), line(9, "C")],
        "shared", [("A", "shared"), ("B", "shared"), ("C", "recycled")],
    ),
    "back after another": (
        [line(0, "A"), line(1, "A", IP2), line(5, "B"), line(9, "A")],
        "reused", [("A", "first"), ("B", "recycled"), ("A", "returned")],
    ),
    "back after another, a stop between": (
        [record("start", 0, "A"), line(1, "A"), record("stop", 3, "A"), line(5, "B"), line(9, "A")],
        "reused", [("A", "first"), ("B", "recycled"), ("A", "returned")],
    ),
    "another own IP between: two leases, but nobody else": (
        [line(0, "A"), line(3, "A", IP2), line(6, "A")],
        "single", [("A", "first"), ("A", "first")],
    ),
    "containers of one Pod at once": (
        [pod(0, "u", "app"), pod(9, "u", "app"), pod(3, "u", "side"), pod(7, "u", "side")],
        "single", [("u", "first")],
    ),
    "containers of one Pod by name": (
        [line(s, None, pod="p", namespace="n", container_name=c)
         for s, c in ((0, "app"), (3, "side"), (6, "side"), (9, "app"))],
        "single", [("n/p", "first")],
    ),
    "a CUID and its Pod's untagged container": (
        [line(0, "A", pod_uid="u"), line(9, "A", pod_uid="u"), pod(2, "u", "app"), pod(8, "u", "app")],
        "single", [("A", "first")],
    ),
    "two taggers of one Pod at once": (
        [line(0, "A", pod_uid="u"), line(9, "A", pod_uid="u"), line(2, "B", pod_uid="u"),
         line(8, "B", pod_uid="u")],
        "single", [("u", "first")],
    ),
    "three containers of one Pod, connected": (
        [pod(0, "u", "a"), pod(4, "u", "a"), pod(2, "u", "b"), pod(7, "u", "b"), pod(5, "u", "c"),
         pod(9, "u", "c")],
        "single", [("u", "first")],
    ),
    "a Pod's containers at once, then another Pod": (
        [pod(0, "u", "app"), pod(9, "u", "app"), pod(3, "u", "side"), pod(7, "u", "side"),
         pod(20, "v", "app")],
        "reused", [("u", "first"), ("v/app", "recycled")],
    ),
    "IP alone": ([line(0, None), line(9, None)], "single", [(IP, "first")]),
    "IP alone beside a better holder": (
        [line(0, "A"), line(9, "A"), line(4, None), line(20, None)], "single", [("A", "first")],
    ),
    "no times: the order of lines": (
        [line(None, "A"), line(None, "A"), line(None, "B")],
        "reused", [("A", "first"), ("B", "recycled")],
    ),
    "no times, interleaved": (
        [line(None, "A"), line(None, "B"), line(None, "A")],
        "shared", [("A", "shared"), ("B", "shared")],
    ),
    "start and stop give the lease": (
        [record("start", 0, "A"), line(2, "A", None), record("stop", 5, "A"), line(9, "B")],
        "reused", [("A", "first"), ("B", "recycled")],
    ),
    "lines up to a second after the stop belong to it": (
        [record("start", 0, "A"), record("stop", 5, "A"), line(5.8, "A"), line(9, "B")],
        "reused", [("A", "first"), ("B", "recycled")],
    ),
    "evidence alone makes a lease": (
        [record("start", 0, "A"), record("stop", 5, "A")], "single", [("A", "first")],
    ),
    "addresses in one spelling": (
        [line(0, "A", "10.0.0.1:8080"), line(5, "B", "::ffff:10.0.0.1")],
        "reused", [("A", "first"), ("B", "recycled")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STORIES)
def test_an_addresss_leases(name: str, opened: Any) -> None:
    rows, kind, leases = STORIES[name]
    found = book(opened(rows))[IP]
    assert (found.kind, told(found)) == (kind, leases)


@pytest.mark.parametrize("name", STORIES)
def test_the_same_from_a_frame(name: str) -> None:
    rows, kind, leases = STORIES[name]
    if any("ikontainer_event" in row for row in rows):
        rows = [
            {"ikontainer_event": None, "ikontainer_CUID": None, "svc": None, **row} for row in rows
        ]
    frame = pl.DataFrame(rows, infer_schema_length=None)
    found = book(Case.from_frame(frame))[IP]
    assert (found.kind, told(found)) == (kind, leases)


def test_leases_have_their_ends_and_lines(opened: Any) -> None:
    case = opened([record("start", 0, "A"), line(2, "A", None), line(3, "A"), record("stop", 5, "A"),
                   line(9, "B"), line(12, "B")])  # fmt: skip
    first, second = book(case)[IP].leases
    nine = 1793610000 * 10**9
    assert [(one.first - nine, one.last - nine, one.lines) for one in (first, second)] == [
        (0, 5 * 10**9, 2), (9 * 10**9, 12 * 10**9, 2)
    ]  # fmt: skip


def test_two_leases_where_another_own_ip_was_between(opened: Any) -> None:
    case = opened([line(0, "A"), line(1, "A"), line(3, "A", IP2), line(6, "A"), line(8, "A")])
    nine = 1793610000 * 10**9
    spans = [((one.first - nine) // 10**9, (one.last - nine) // 10**9, one.lines)
             for one in book(case)[IP].leases]  # fmt: skip
    assert spans == [(0, 1, 2), (6, 8, 2)]
    row = rows_of(case.lifetimes())[0]
    assert (row["ips"], row["reused_ips"], row["end"]) == ([IP, IP2], [], "unknown")


def test_a_dual_stack_keeps_both_addresses(opened: Any) -> None:
    case = opened([line(second, "A", [IP, "fd00::1"][second % 2]) for second in range(0, 15, 3)])
    assert [len(address.leases) for address in book(case).values()] == [1, 1]
    assert case.resolve(IP, at=at(5))["verdict"].to_list() == ["resolved"]


def test_a_start_record_names_the_pod_where_it_names_no_address(opened: Any) -> None:
    case = opened([record("start", 0, "A", None, pod="p", namespace="n"), line(1, "A"),
                   record("start", 5, "B", None, pod="p", namespace="n"), line(6, "B")])  # fmt: skip
    assert told(book(case)[IP]) == [("A", "first"), ("B", "restarted")]
    assert [lease.pod for lease in book(case)[IP].leases] == ["p", "p"]


# -- lifetimes ------------------------------------------------------------------------------


def by_name(case: Case) -> dict[str, dict[str, Any]]:
    return {row["container"]: row for row in rows_of(case.lifetimes())}


def test_start_and_stop_records_are_evidence(opened: Any) -> None:
    case = opened([record("start", 0, "A", pod="p", pod_uid="u"), line(2, "A", None),
                   line(4, "A", None), record("stop", 5, "A", pod="p", pod_uid="u")])  # fmt: skip
    row = by_name(case)["A"]
    wanted = {
        "service": "s", "namespace": "n", "cluster": "c", "pod": "p", "node": "n1", "ips": [IP],
        "first_seen": "2026-11-02T09:00:02Z", "last_seen": "2026-11-02T09:00:04Z",
        "started": "2026-11-02T09:00:00Z", "ended": "2026-11-02T09:00:05Z", "end": "stopped",
        "lines": 2, "identity": "cuid",
    }  # fmt: skip
    assert {name: row[name] for name in wanted} == wanted
    assert (case.accounting.evidence, case.accounting.events) == (2, 2)
    events = rows_of(case.events)
    assert [(e["ip"], e["ip_from"]) for e in events] == [(IP, "evidence")] * 2


def test_a_line_s_own_address_comes_before_the_one_told(opened: Any) -> None:
    case = opened([record("start", 0, "A"), line(2, "A", IP2), line(3, "A", None)])
    events = rows_of(case.events)
    assert [(e["ip"], e["ip_from"]) for e in events] == [(IP2, "own"), (IP, "evidence")]


def test_an_address_that_evidence_moves_depends_on_the_time(opened: Any) -> None:
    case = opened([record("start", 0, "A"), line(1, "A", None), record("start", 5, "A", IP2),
                   line(6, "A", None)])  # fmt: skip
    assert [e["ip"] for e in rows_of(case.events)] == [IP, IP2]


def test_a_start_after_a_stop_takes_the_end_back(opened: Any) -> None:
    case = opened([record("start", 0, "A"), record("stop", 5, "A"), record("start", 8, "A"),
                   line(9, "A")])  # fmt: skip
    row = by_name(case)["A"]
    assert (row["started"], row["ended"], row["end"]) == ("2026-11-02T09:00:00Z", None, "unknown")


def test_evidence_alone_is_a_lifetime_of_no_lines(opened: Any) -> None:
    row = by_name(opened([record("start", 0, "A", pod_uid="u")]))["A"]
    assert (row["lines"], row["first_seen"], row["started"]) == (0, None, "2026-11-02T09:00:00Z")


def test_evidence_joins_lines_that_know_only_the_pod_uid(opened: Any) -> None:
    case = opened(
        [record("start", 0, "A", pod_uid="u"), pod(2, "u", "app", None), line(3, "A", None)]
    )
    assert {name: row["lines"] for name, row in by_name(case).items()} == {"A": 2}
    assert [(e["container"], e["identity"], e["ip"]) for e in rows_of(case.events)] == [
        ("A", "cuid", IP)
    ] * 2
    assert case.accounting.tagged == 2


def test_only_evidence_joins(opened: Any) -> None:
    # That a CUID and a uid stand on one line is no proof.
    case = opened([line(1, "A", None, pod_uid="u"), pod(2, "u", "app", None)])
    assert set(by_name(case)) == {"A", "u/app"}


def test_a_pod_with_two_taggers_does_not_say_whose_an_untagged_line_is(opened: Any) -> None:
    case = opened([record("start", 0, "A", pod_uid="u"), record("start", 5, "B", pod_uid="u"),
                   pod(7, "u", "app", None)])  # fmt: skip
    assert set(by_name(case)) == {"A", "B", "u/app"}


def test_node_mode_joins_each_container_to_its_own_cuid(opened: Any) -> None:
    case = opened([record("start", 0, "A", pod_uid="u", container_name="app"),
                   record("start", 0, "B", pod_uid="u", container_name="side"),
                   pod(2, "u", "app", None), pod(3, "u", "side", None), pod(4, "u", "side", None)])  # fmt: skip
    assert {name: row["lines"] for name, row in by_name(case).items()} == {"A": 1, "B": 2}


def test_lines_that_know_only_an_ip_count_for_its_holder_of_that_time(opened: Any) -> None:
    case = opened([line(0, "A", request_id="r0"), line(6, "A"), line(3, None, request_id="R-1"),
                   line(4, None, level="ERROR"), line(20, None), line(30, "B"), line(36, "B"),
                   line(33, None), line(40, None, IP2)])  # fmt: skip
    rows = by_name(case)
    assert {name: row["lines"] for name, row in rows.items()} == {"A": 4, "B": 3, IP: 1, IP2: 1}
    assert (rows["A"]["requests"], rows["A"]["errors"], rows["A"]["identity"]) == (2, 1, "cuid")
    assert case.accounting.events == 9
    events = rows_of(case.events)
    assert [e["container"] for e in events] == ["A", "A", "A", "A", IP, "B", "B", "B", IP2]


def test_a_line_within_a_second_of_the_lease_still_counts_for_its_holder(opened: Any) -> None:
    rows = by_name(opened([line(0, "A"), line(6, "A"), line(6.9, None), line(8, None)]))
    assert {name: row["lines"] for name, row in rows.items()} == {"A": 3, IP: 1}


def test_a_shared_address_says_nothing_of_who_wrote_a_line(opened: Any) -> None:
    rows = by_name(opened([line(0, "A"), line(9, "A"), line(1, "B"), line(8, "B"), line(5, None)]))
    assert {name: row["lines"] for name, row in rows.items()} == {"A": 2, "B": 2, IP: 1}


@pytest.mark.parametrize("ip", ["127.0.0.1", "127.0.0.6", "::1", "0.0.0.0"])
def test_loopback_is_never_a_lease(ip: str, opened: Any) -> None:
    assert book(opened([line(0, "A", ip), line(5, "B", ip)])) == {}


def test_loopback_between_two_lines_ends_no_lease(opened: Any) -> None:
    case = opened([line(0, "A"), line(1, "A", "127.0.0.6"), line(2, "A"), line(3, "A", IP2),
                   line(4, "A")])  # fmt: skip
    assert len(book(case)[IP].leases) == 2


def test_loopback_is_no_own_address_that_others_would_have_to_take(opened: Any) -> None:
    case = opened([line(0, "A"), line(1, "A", "127.0.0.6"), line(9, "B")])
    assert by_name(case)["A"]["end"] == "replaced"


ENDS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "nobody came": ([line(0, "A")], "unknown"),
    "another took its address": ([line(0, "A"), line(9, "B")], "replaced"),
    "another took one of its two addresses": (
        [line(0, "A"), line(1, "A", IP2), line(9, "B")], "unknown"),
    "others took both its addresses": (
        [line(0, "A"), line(1, "A", IP2), line(9, "B"), line(9, "C", IP2)], "replaced"),
    "it shared its address": ([line(0, "A"), line(9, "A"), line(3, "B")], "unknown"),
    "it came back": ([line(0, "A"), line(1, "A", IP2), line(5, "B"), line(9, "A")], "unknown"),
    "evidence of the end": (
        [record("start", 0, "A"), record("stop", 5, "A"), line(9, "B")], "stopped"),
    "another Pod took its name": (
        [line(0, "A", None, pod="db-0", pod_uid="u"), line(9, "B", None, pod="db-0", pod_uid="v")],
        "replaced"),
    "a Pod of that name elsewhere": (
        [line(0, "A", None, pod="db-0", namespace="x", pod_uid="u"),
         line(9, "B", None, pod="db-0", namespace="y", pod_uid="v")], "unknown"),
    "the same Pod's next tagger, no address": (
        [line(0, "A", None, pod="db-0", pod_uid="u"), line(9, "B", None, pod="db-0", pod_uid="u")],
        "unknown"),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDS)
def test_how_a_lifetime_ended(name: str, opened: Any) -> None:
    rows, end = ENDS[name]
    assert by_name(opened(rows))["A"]["end"] == end


IDENTITIES: dict[str, tuple[dict[str, Any], str, str]] = {
    "CUID": ({"cuid": "A", "container_id": "c", "pod_uid": "u", "ip": IP}, "A", "cuid"),
    "container id": ({"container_id": "containerd://c0", "pod_uid": "u", "ip": IP}, "c0",
                     "container_id"),
    "Pod uid and container": ({"pod_uid": "u", "container_name": "app"}, "u/app", "pod_uid"),
    "restarted": ({"pod_uid": "u", "container_name": "app", "restart": 1}, "u/app#1", "pod_uid"),
    "restart 0": ({"pod_uid": "u", "container_name": "app", "restart": 0}, "u/app", "pod_uid"),
    "Pod uid": ({"pod_uid": "u", "pod": "p", "namespace": "n"}, "u", "pod_uid"),
    "sandbox": ({"sandbox_id": "s", "pod": "p", "ip": IP}, "s", "sandbox_id"),
    "Pod and container": ({"namespace": "n", "pod": "p", "container_name": "c", "ip": IP}, "n/p/c",
                          "pod_name"),
    "Pod": ({"namespace": "n", "pod": "p"}, "n/p", "pod_name"),
    "Pod without a namespace": ({"pod": "p"}, "p", "pod_name"),
    "IP": ({"ip": "10.0.0.1:80", "service": "s"}, IP, "ip"),
}  # fmt: skip


@pytest.mark.parametrize("name", IDENTITIES)
def test_the_identity_ladder(name: str, opened: Any) -> None:
    row, container, identity = IDENTITIES[name]
    event = rows_of(opened([{"time": at(0), **row}]).events)[0]
    assert (event["container"], event["identity"]) == (container, identity)


def test_nothing_known_is_none(opened: Any) -> None:
    case = opened([{"time": at(0), "msg": "x", "service": "s"}])
    assert rows_of(case.events)[0]["identity"] == "none"
    assert rows_of(case.events)[0]["container"] is None
    assert case.lifetimes().is_empty()


def test_requests_are_counted_without_case_and_dashes(opened: Any) -> None:
    ids = [{"request_id": "AB-CD"}, {"request_id": "abcd"}, {"trace_id": "ABCD"},
           {"request_id": "x", "trace_id": "abcd"}, {}]  # fmt: skip
    case = opened([line(s, "A", **one) for s, one in enumerate(ids)])
    assert by_name(case)["A"]["requests"] == 2
    assert rows_of(case.events)[0]["request_id"] == "AB-CD"


def test_rows_are_sorted_by_first_evidence_then_container(opened: Any) -> None:
    case = opened([line(5, "B"), line(5, "A"), line(9, "D", None), record("start", 1, "D", None),
                   line(3, "C"), {"cuid": "Z", "time": "no time"}])  # fmt: skip
    names = [row["container"] for row in rows_of(case.lifetimes())]
    # Z's line carries the time of the line before it, C's.
    assert names == ["D", "C", "Z", "A", "B"]


def test_without_any_time_rows_stand_in_the_order_of_their_first_lines(opened: Any) -> None:
    case = opened([line(None, "B"), line(None, "A"), line(None, "B"), line(None, "C")])
    rows = rows_of(case.lifetimes())
    assert [row["container"] for row in rows] == ["B", "A", "C"]
    assert all(row["first_seen"] is None and row["last_seen"] is None for row in rows)


def test_a_frame_with_the_schema_s_columns_is_taken() -> None:
    frame = pl.DataFrame(
        {"time": ["2026-11-02T09:00:00Z"], "cuid": ["A"], "ip": [IP]}
    ).with_columns(pl.col("time").str.to_datetime(time_unit="us", time_zone="UTC"))
    row = rows_of(Case.from_frame(frame).lifetimes())[0]
    assert (row["container"], row["first_seen"], row["ips"]) == ("A", "2026-11-02T09:00:00Z", [IP])


def test_what_events_gives_is_taken_back(opened: Any) -> None:
    case = opened(
        [line(0, "A"), line(5, "A", request_id="q"), line(9, "B"), pod(10, "u", "app", IP2)]
    )
    again = Case.from_frame(case.events)
    assert rows_of(again.lifetimes()) == rows_of(case.lifetimes())


def reused(case: Any) -> dict[str, Any]:
    return {row["ip"]: row for row in rows_of(case.reuse())}


def test_a_container_of_a_pod_that_says_little_is_not_followed_by_the_others(opened: Any) -> None:
    proxy = {"pod_uid": "u", "container_name": "proxy", "ip": IP}
    app = {"pod_uid": "u", "container_name": "app", "ip": IP}
    case = opened([{"time": at(0), **proxy}, *({"time": at(s), **app} for s in (5, 9))])
    row = reused(case)[IP]
    assert (row["kind"], row["ambiguous_lines"]) == ("single", 0)
    assert [h["containers"] for h in row["holders"]] == [["u/app", "u/proxy"]]
    again = [{"time": at(20), **app, "restart": "1"}, {"time": at(25), **app, "restart": "1"}]
    row = reused(opened([{"time": at(0), **proxy}, {"time": at(5), **app}, *again]))[IP]
    assert [h["change"] for h in row["holders"]] == ["first", "restarted"]


def test_a_holders_lines_are_also_those_that_know_only_its_address(opened: Any) -> None:
    case = opened([line(0, "A"), {"time": at(60), "ip": IP}, line(120, "A")])
    assert by_name(case)["A"]["lines"] == 3
    assert reused(case)[IP]["holders"][0]["lines"] == 3
