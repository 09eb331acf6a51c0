"""`reuse` and `resolve` against the truth that was recorded from outside the Pods."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cuidx
from cuidx import times
from cuidx.analyses.resolve import resolve
from cuidx.cli.app import run
from cuidx.enrich.leases import SECOND, Address, Lease

FIXTURES = Path(__file__).parent.parent / "fixtures"
DEV = FIXTURES / "dev"
TRUTH: dict[str, Any] = json.loads((DEV / "truth.json").read_text())
EXPORTS = [pytest.param(DEV / name, id=name) for name in ("export.jsonl", "elasticdump.jsonl")]


@pytest.mark.parametrize("path", EXPORTS)
def test_holders_of_each_address_are_those_of_the_truth_in_their_order(path: Path) -> None:
    rows = {row["ip"]: row for row in cuidx.open_case(path).reuse().to_dicts()}
    assert list(rows) == sorted(TRUTH["ips"], key=lambda ip: [int(part) for part in ip.split(".")])
    for ip, true in TRUTH["ips"].items():
        found = rows[ip]
        assert [h["container"] for h in found["holders"]] == [t["cuid"] for t in true]
        assert [h["change"] for h in found["holders"]] == ["first", *["recycled"] * (len(true) - 1)]
        assert found["kind"] == "reused"
        # A filter on the address returns the lines of all who had it.
        assert found["ambiguous_lines"] == TRUTH["search"][ip]["lines_written_by_holders"]
        written = {c: n["lines_written"] for c, n in TRUTH["search"][ip]["by_cuid"].items()}
        assert {h["container"]: h["lines"] for h in found["holders"]} == written


@pytest.mark.parametrize("path", EXPORTS)
def test_no_mention_is_resolved_to_a_container_that_the_truth_contradicts(path: Path) -> None:
    case = cuidx.open_case(path)
    addresses = case._story.book[1]
    counts: Counter[str] = Counter()
    for line in (DEV / "truth_mentions.jsonl").read_text().splitlines():
        mention = json.loads(line)
        if mention.get("boundary"):
            continue
        at = times.point(mention["at"], newest=None)
        answer = resolve(addresses, mention["ip"], at).row(0, named=True)
        true = mention["true_cuid"]
        if answer["verdict"] == "resolved":
            counts["right" if answer["container"] == true else "wrong"] += 1
        else:
            counts["unknown, rightly" if true is None else "missed"] += 1
    print("figure: resolve,", path.name, dict(counts))
    assert counts["wrong"] == 0
    assert counts["missed"] == 0
    assert counts == {"right": 2147, "unknown, rightly": 7}


def lease(name: str, first: int, last: int) -> Lease:
    return Lease("10.0.0.1", name, (name,), None, None, None, first, last, 1)


SPANS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 40), st.integers(0, 6)), max_size=6
)


@given(SPANS, st.integers(-5, 55))
def test_resolve_agrees_with_a_search_through_all_leases(
    spans: list[tuple[str, int, int]], at: int
) -> None:
    half = SECOND // 2
    leases = tuple(lease(n, first * half, (first + length) * half) for n, first, length in spans)
    when = at * half
    answer = resolve([Address("10.0.0.1", "reused", leases)], "10.0.0.1", when).row(0, named=True)
    inside = {le.holder for le in leases if le.first <= when <= le.last}
    near = {le.holder for le in leases if le.first - SECOND <= when <= le.last + SECOND}
    if inside:
        assert answer["verdict"] == ("resolved" if len(inside) == 1 else "ambiguous")
        assert {c["container"] for c in answer["candidates"]} == inside
        assert not answer["slack"]
    else:
        assert answer["verdict"] == ("resolved" if len(near) == 1 else "unknown")
        assert answer["slack"] == (len(near) == 1)
    assert (answer["container"] is not None) == (answer["verdict"] == "resolved")


@pytest.mark.parametrize("spelled", ["FE80::0:1", "[fe80::1]", "fe80:0:0:0:0:0:0:1%eth0"])
def test_an_address_is_found_in_any_spelling(spelled: str) -> None:
    frame = pl.DataFrame({"cuid": ["A"], "ip": ["fe80::1"], "time": ["2026-11-02T09:00:00Z"]})
    row = cuidx.Case.from_frame(frame).resolve(spelled, "2026-11-02T09:00:00Z").row(0, named=True)
    assert (row["verdict"], row["container"], row["ip"]) == ("resolved", "A", "fe80::1")


def test_an_address_known_only_by_itself_names_nobody() -> None:
    frame = pl.DataFrame({"ip": ["10.0.0.1"], "time": ["2026-11-02T09:00:00Z"]})
    case = cuidx.Case.from_frame(frame)
    assert case.reuse().row(0, named=True)["kind"] == "single"
    assert case.resolve("10.0.0.1", "2026-11-02T09:00:00Z")["verdict"].to_list() == ["unknown"]


def test_what_is_no_address_is_wrong_usage() -> None:
    case = cuidx.open_case(FIXTURES / "paper" / "figure5.jsonl")
    with pytest.raises(cuidx.UsageError, match="no IP address"):
        case.resolve("10.0.0.256")


def test_figure_5_has_two_addresses_that_were_used_again() -> None:
    rows = cuidx.open_case(FIXTURES / "paper" / "figure5.jsonl").reuse()
    again = rows.filter(pl.col("kind") == "reused")
    assert again["ip"].to_list() == ["10.10.1.2", "10.10.11.2"]
    assert again["ambiguous_lines"].to_list() == [4, 2]
    assert [h["container"] for h in again["holders"][1]] == ["2F52", "4A23"]


@pytest.mark.parametrize("width", [80, 160])
@pytest.mark.parametrize(
    "question",
    [
        ["reuse"],
        ["resolve", "--ip", "10.89.1.10"],
        *(["resolve", "--ip", "10.89.1.10", "--at", f"2026-11-23T18:55:{second}Z"]
          for second in ("00", "04", "10")),
    ],
)  # fmt: skip
def test_the_table_cuts_no_address_no_time_and_no_name(
    question: list[str], width: int, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert run([*question, str(DEV / "export.jsonl"), "-q"]) == 0
    said = capsys.readouterr().out
    assert "…" not in said
    assert "not shown" not in said
    assert "10.89.1.10" in said
    assert max(map(len, said.splitlines())) <= width
    assert "2026-11-23" in said
