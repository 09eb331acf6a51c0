"""`findings`: each kind where it is, with the lines that show it, and not where it is not."""

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stories import FIXTURES, at, folder, jsonl, reading, suffix

import cuidx
from cuidx.analyses.findings import FINDINGS, KINDS, SHOWN
from cuidx.cli.app import run

CAPTURE = ["export.jsonl", "elasticdump.jsonl", "raw", "cri", "cri_tagged"]


def found(data: bytes | Path, tmp_path: Path | None = None, **options: Any) -> list[dict[str, Any]]:
    """Findings of one log, lines as numbers."""
    if isinstance(data, bytes):
        assert tmp_path is not None
        (tmp_path / "log").write_bytes(data)
        data = tmp_path / "log"
    table = cuidx.open_case(data, **options).findings()
    assert table.schema == FINDINGS
    return [{**row, "lines": [one["line"] for one in row["lines"]]} for row in table.to_dicts()]


def kinds(data: bytes | Path, tmp_path: Path | None = None, **options: Any) -> list[str]:
    return [row["kind"] for row in found(data, tmp_path, **options)]


@pytest.mark.parametrize("name", CAPTURE)
def test_nothing_is_odd_in_the_clean_capture(name: str) -> None:
    assert found(FIXTURES / "dev" / name) == []


def test_figure_5_is_clean() -> None:
    assert found(FIXTURES / "paper" / "figure5.jsonl") == []


# --- suffixes and keys ---------------------------------------------------------------------------


def text(second: float, *cuids: str) -> bytes:
    return f"{at(second)} INFO said {''.join(suffix(c) for c in cuids)}\n".encode()


def test_a_frame_of_the_caller_s_own_is_looked_at_too() -> None:
    rows = [{"time": at(0), "cuid": "A", "ip": "10.0.0.1", "message": "x"}]
    assert cuidx.Case.from_frame(pl.DataFrame(rows)).findings().is_empty()


def test_two_suffixes_in_a_line(tmp_path: Path) -> None:
    data = text(0, "A") + text(1, "F", "A") + text(2, "A") + text(3, "A", "A", "A") + text(4, "B")
    (one,) = found(data, tmp_path)
    assert (one["kind"], one["container"], one["lines"]) == ("suffixes", "A", [2, 4])
    assert one["why"].startswith("2 lines: ")


def test_a_suffix_beside_a_merged_key_or_printed_inside_the_text_is_counted(tmp_path: Path) -> None:
    rows = [{"time": at(0), "log": f"said {suffix('F')} {suffix('A')}\n", "stream": "stdout"}]
    (one,) = found(jsonl(rows), tmp_path)
    assert (one["kind"], one["container"]) == ("suffixes", "A")
    assert kinds(jsonl([{"time": at(0), "log": f"said {suffix('A')}\n"}]), tmp_path) == []


def test_only_some_of_many_lines_are_listed_and_all_are_counted(tmp_path: Path) -> None:
    (one,) = found(b"".join(text(n, "F", "A") for n in range(50)), tmp_path)
    assert one["lines"] == list(range(1, SHOWN + 1))
    assert one["why"].startswith("50 lines: ")
    assert f"the first {SHOWN} are listed" in one["why"]


@pytest.mark.parametrize(
    ("line", "odd"),
    [
        ('{"time":"2026-11-02T09:00:00Z","ikontainer_CUID":"A","ikontainer_CUID":"B"}', True),
        ('{"ikontainer_CUID":"A","m":{"ikontainer_CUID":"x","ikontainer_CUID":"B"}}', True),
        (
            '{"log":"{\\"ikontainer_CUID\\":\\"A\\",\\"ikontainer_CUID\\":\\"B\\"}","stream":"x"}',
            True,
        ),
        ('{"ikontainer_CUID":"A","log_processed":{"ikontainer_CUID":"A"}}', False),
        ('{"ikontainer_CUID":"A","msg":"\\"ikontainer_CUID\\":\\"ikontainer_CUID\\""}', False),
        ('{"ikontainer_CUID":"A","svc":"x","svc":"y"}', False),
    ],
)
def test_the_key_of_the_cuid_twice_in_one_object(line: str, odd: bool, tmp_path: Path) -> None:
    data = b'{"ikontainer_CUID":"Z"}\n' + line.encode() + b"\n"
    rows = found(data, tmp_path)
    assert [(row["kind"], row["lines"]) for row in rows] == ([("repeated-key", [2])] if odd else [])
    if odd:  # the last one counts, as everywhere
        assert rows[0]["container"] == ("A" if '"m"' in line else "B")


@pytest.mark.parametrize(
    "line",
    [
        b'{"time":"%s","ikontainer_CUID":"B","ikontainer_CUID":"A"}\n',
        b'{"time":"%s","ikontainer_CUID":"A","x":[{"ikontainer_CUID":"A","ikontainer_CUID":1}]}\n',
    ],
    ids=["at the top", "in an object that tells nothing"],
)
def test_a_key_twice_is_seen_in_large_files_too(line: bytes, tmp_path: Path) -> None:
    rows = [{"time": at(n % 900), "ikontainer_CUID": "A", "svc": "a.b.c", "msg": "x" * 300}
            for n in range(4000)]  # fmt: skip
    rows[0]["x"] = [{"ikontainer_CUID": "A"}]
    data = jsonl(rows) + line % at(1).encode()
    assert [(row["kind"], row["lines"]) for row in found(data, tmp_path)] == [
        ("repeated-key", [4001])
    ]


# --- two at once ---------------------------------------------------------------------------------


def own(second: float, cuid: str, ip: str, **more: Any) -> dict[str, Any]:
    return {"time": at(second), "cuid": cuid, "ip": ip, **more}


def test_one_cuid_on_two_addresses_at_once(tmp_path: Path) -> None:
    rows = [own(0, "A", "10.0.0.1"), own(5, "A", "10.0.0.2"), own(7, "A", "10.0.0.1"),
            own(9, "A", "10.0.0.2"), own(20, "A", "10.0.0.2")]  # fmt: skip
    (one,) = found(jsonl(rows), tmp_path)
    assert (one["kind"], one["container"], one["ip"]) == ("two-ips", "A", None)
    assert one["lines"] == [2, 3]
    assert "10.0.0.1" in one["why"]
    assert "10.0.0.2" in one["why"]


@pytest.mark.parametrize(
    "rows",
    [
        [own(0, "A", "10.0.0.1"), own(5, "A", "10.0.0.1"), own(6, "A", "10.0.0.2")],
        [own(0, "A", "10.0.0.1"), own(0, "A", "fe80::1"), own(9, "A", "10.0.0.1"), own(9, "A", "fe80::1")],
        [own(0, "A", "10.0.0.1"), own(4, "A", "10.0.0.2"), own(5, "A", "10.0.0.1"), own(9, "A", "10.0.0.2")],
    ],
    ids=["one after the other", "dual stack", "within a second"],
)  # fmt: skip
def test_two_addresses_that_are_nothing_odd(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    assert kinds(jsonl(rows), tmp_path) == []


BOTH = [
    own(0, "A", "10.0.0.1"),
    own(5, "B", "10.0.0.1"),
    own(9, "A", "10.0.0.1"),
    own(15, "B", "10.0.0.1"),
]


def test_two_holders_of_one_address_at_once(tmp_path: Path) -> None:
    (one,) = found(jsonl(BOTH), tmp_path)
    assert (one["kind"], one["container"], one["ip"]) == ("two-holders", None, "10.0.0.1")
    assert one["lines"] == [2, 3]  # those that were written while both had it
    assert "held by A and by B" in one["why"]


@pytest.mark.parametrize(
    "rows",
    [
        [own(0, "A", "10.0.0.1"), own(5, "A", "10.0.0.1"), own(6, "B", "10.0.0.1")],
        [*BOTH, own(1, "C", "10.0.0.1"), own(12, "C", "10.0.0.1")],
        [*BOTH, own(1, "D", "10.0.0.7", host_ip="10.0.0.1")],
        [{**row, "pod_uid": "u1"} for row in BOTH],
    ],
    ids=["one after the other", "three at once", "a node's address", "one Pod"],
)
def test_holders_that_may_share_are_nothing_odd(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    assert kinds(jsonl(rows), tmp_path) == []


@pytest.mark.parametrize("path", sorted((FIXTURES / "public").glob("*")), ids=lambda p: p.name)
def test_public_logs_have_no_two_holders(path: Path) -> None:
    if path.is_dir() and any(p.is_file() and p.suffix != ".md" for p in path.rglob("*")):
        try:
            table = cuidx.open_case(path).findings()
        except cuidx.SourceError:
            return  # nothing in it is a log that can be read yet
        assert table.filter(pl.col("kind").is_in(["two-holders", "two-ips"])).height == 0


# --- clocks --------------------------------------------------------------------------------------


def wrapped(second: float, ahead: float, cuid: str, node: str) -> dict[str, Any]:
    """A collector's record of a line that says another time."""
    return {"@timestamp": at(second), "log": f"{at(second + ahead)} INFO said {suffix(cuid)}\n",
            "kubernetes": {"host": node, "pod_ip": f"10.0.0.{ord(cuid)}"}}  # fmt: skip


def clocks(offsets: dict[str, float], odd: float = 0, count: int = 8) -> bytes:
    return jsonl(
        [wrapped(100 + n, offset + (odd if n == 3 else 0), cuid, f"node-{cuid}")
         for n in range(count) for cuid, offset in offsets.items()]
    )  # fmt: skip


def test_a_node_whose_clock_is_off(tmp_path: Path) -> None:
    (one,) = found(clocks({"A": 0, "B": 0.04, "C": -3.2, "D": 0}), tmp_path)
    assert (one["kind"], one["container"], one["ip"]) == ("clock", "C", None)
    assert one["why"].startswith("8 lines: on node node-C the collector's times are ")
    assert "+3.2 s" in one["why"]
    assert one["lines"] == [3]  # one for each offset, in steps of 0.1 s


@pytest.mark.parametrize(
    ("offsets", "odd", "count"),
    [
        ({"A": -3600, "B": -3600, "C": -3599.9}, 0, 8),  # a zone, the same everywhere
        ({"A": 0, "B": 0.8, "C": -0.1}, 0, 8),  # a slow writer
        ({"A": 0, "B": 0}, -50, 8),  # an access line at the end of a long request
        ({"A": 0, "B": -9}, 0, 4),  # too few to say
    ],
)
def test_clocks_that_agree(
    offsets: dict[str, float], odd: float, count: int, tmp_path: Path
) -> None:
    assert kinds(clocks(offsets, odd, count), tmp_path) == []


def test_clocks_in_cri_files(tmp_path: Path) -> None:
    lines = [
        f"{at(100 + n)} stdout F {at(100 + n + (5 if cuid == 'B' else 0))} said{suffix(cuid)}\n"
        for n in range(9) for cuid in "ABC"
    ]  # fmt: skip
    (one,) = found("".join(lines).encode(), tmp_path)
    assert (one["kind"], one["container"]) == ("clock", "B")


# --- gaps ----------------------------------------------------------------------------------------


def ticks(cuid: str, seconds: Iterable[float]) -> list[dict[str, Any]]:
    return [{"time": at(second), "cuid": cuid} for second in seconds]


def test_a_gap_much_longer_than_the_usual_rhythm(tmp_path: Path) -> None:
    other = ticks("B", range(0, 800, 2))
    rows = ticks("A", [*range(0, 100), *range(300, 400)]) + other
    (one,) = found(jsonl(rows), tmp_path)
    assert (one["kind"], one["container"]) == ("gap", "A")
    assert one["lines"] == [100, 101]
    assert "no line for 3m21s" in one["why"]
    assert kinds(jsonl(ticks("A", range(0, 100)) + other), tmp_path) == []  # it only ended


def test_a_gap_of_all_is_one_hole(tmp_path: Path) -> None:
    times = [*range(0, 100), *range(300, 400)]
    (one,) = found(jsonl(ticks("A", times) + ticks("B", [t + 0.5 for t in times])), tmp_path)
    assert (one["kind"], one["container"]) == ("hole", None)
    assert one["lines"] == [300, 101]  # B's last line before it, A's first one after it


@pytest.mark.parametrize(
    "seconds",
    [range(0, 900, 100), [n * 20 + k for n in range(40) for k in (0, 0.1, 0.2)], [0, 0.1, 700], [5] * 50],
    ids=["slow", "in bursts", "few", "at once"],
)  # fmt: skip
def test_pauses_that_are_usual(seconds: Iterable[float], tmp_path: Path) -> None:
    assert kinds(jsonl(ticks("A", seconds)), tmp_path) == []


# --- starts, stops, cuts -------------------------------------------------------------------------


def record(event: str, second: float, cuid: str, ip: str = "10.0.0.1") -> bytes:
    body = {"ikontainer_event": event, "time": at(second), "pod": "p", "pod_uid": cuid, "ip": ip}
    return (json.dumps(body) + suffix(cuid) + "\n").encode()


def test_a_stop_without_a_start_and_the_reverse(tmp_path: Path) -> None:
    data = record("stop", 5, "A") + record("start", 6, "B") + record("start", 60, "C")
    assert [(r["kind"], r["container"], r["ip"], r["lines"]) for r in found(data, tmp_path)] == [
        ("no-start", "A", "10.0.0.1", [1]),
        ("no-stop", "B", "10.0.0.1", [2]),
    ]


def test_whole_lives_and_those_that_go_on_are_nothing_odd(tmp_path: Path) -> None:
    data = record("start", 0, "A") + record("stop", 5, "A") + record("start", 6, "B")
    assert kinds(data, tmp_path) == []


def test_an_export_that_is_cut(tmp_path: Path) -> None:
    whole = jsonl(ticks("A", range(9)))
    (one,) = found(whole + b'{"time":"2026-', tmp_path)
    assert (one["kind"], one["lines"]) == ("cut", [10])
    assert kinds(whole, tmp_path) == []
    assert kinds(b'{"broken\n' + whole, tmp_path) == []  # counted, but nothing was cut off there
    (tmp_path / "x.gz").write_bytes(gzip.compress(whole)[:-4])
    (one,) = found(tmp_path / "x.gz")
    assert (one["kind"], one["lines"]) == ("cut", [9])


# --- the whole -----------------------------------------------------------------------------------

ODD = (
    text(0, "F", "A") + b'{"ikontainer_CUID":"A","ikontainer_CUID":"B"}\n' + jsonl(BOTH)
    + record("stop", 5, "S", "10.0.0.9") + b'{"cut'
)  # fmt: skip


def test_findings_are_sorted_and_filters_choose(tmp_path: Path) -> None:
    rows = found(ODD, tmp_path)
    assert [row["kind"] for row in rows] == [
        "suffixes",
        "repeated-key",
        "two-holders",
        "no-start",
        "cut",
    ]
    assert [row["kind"] for row in rows] == sorted((r["kind"] for r in rows), key=KINDS.index)
    assert kinds(ODD, tmp_path, where={"container": "A"}) == ["suffixes", "two-holders", "cut"]


def test_exit_codes_and_forms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "odd").write_bytes(ODD)
    assert run(["findings", str(tmp_path / "odd"), "-f", "json", "-q"]) == 0
    rows = json.loads(capsys.readouterr().out)["findings"]
    assert [set(row) for row in rows] == [{"kind", "container", "ip", "why", "lines"}] * len(rows)
    assert rows[0]["lines"] == [{"source": str(tmp_path / "odd"), "line": 1}]
    for form in ("jsonl", "csv", "markdown", "html", "table"):
        assert run(["findings", str(tmp_path / "odd"), "-f", form, "-q"]) == 0
        assert "10.0.0.1" in capsys.readouterr().out
    assert run(["findings", str(FIXTURES / "paper" / "figure5.jsonl"), "-q"]) == 0
    assert capsys.readouterr().out == "no findings\n"


@pytest.mark.parametrize("width", ["60", "80", "160"])
def test_the_table_fits_its_width(
    width: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    (tmp_path / "odd").write_bytes(ODD)
    assert run(["findings", str(tmp_path / "odd"), "-q"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= int(width)


LINES = st.lists(
    st.one_of(
        st.builds(text, st.integers(0, 400), st.sampled_from("AB"), st.sampled_from("AB")),
        st.builds(text, st.integers(0, 400), st.sampled_from("AB")),
        st.builds(lambda s, c, ip: jsonl([own(s, c, ip)]), st.integers(0, 400),
                  st.sampled_from("ABC"), st.sampled_from(["10.0.0.1", "10.0.0.2"])),
    ),
    max_size=30,
)  # fmt: skip


@settings(max_examples=15)
@given(LINES, st.sampled_from([64, 300]))
def test_findings_do_not_depend_on_blocks(lines: list[bytes], block: int) -> None:
    with folder() as here:
        (here / "x").write_bytes(b"".join([text(0, "A"), *lines]))
        whole = cuidx.open_case(here / "x").findings()
        with reading(block=block, head=block):
            assert cuidx.open_case(here / "x").findings().equals(whole)


@settings(max_examples=15)
@given(st.lists(st.tuples(st.sampled_from("AB"), st.sampled_from(["10.0.0.1", "10.0.0.2"]),
                          st.integers(0, 20)), max_size=10))  # fmt: skip
def test_two_at_once_agrees_with_looking_at_every_pair(rows: list[tuple[str, str, int]]) -> None:
    spans: dict[tuple[str, str], list[int]] = {}
    for cuid, ip, second in rows:
        spans.setdefault((cuid, ip), []).append(second)
    odd = {
        c
        for (c, ip), mine in spans.items()
        for (d, other), theirs in spans.items()
        if c == d and ip < other and min(max(mine), max(theirs)) - max(min(mine), min(theirs)) > 1
    }
    with folder() as here:
        (here / "x").write_bytes(b'{"n":1}\n' + jsonl([own(s, c, ip) for c, ip, s in rows]))
        table = cuidx.open_case(here / "x").findings()
    assert set(table.filter(pl.col("kind") == "two-ips")["container"]) == odd
