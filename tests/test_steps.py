"""`steps` against its definition, counted line by line, and against DuckDB."""

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from bench import duckdb_steps
from bench.generate import generate
from hypothesis import example, given, settings
from hypothesis import strategies as st
from stories import FIXTURES, ROOT, at, jsonl

import cuidx
from cuidx.analyses import steps as analysis
from cuidx.enrich.mentions import mentions
from cuidx.reading import Records

DEV = FIXTURES / "dev"
SEARCHES = ("ip_search", "ip_time_search", "cuid_search")
SECOND = 1_000_000_000
Row = dict[str, Any]


# --- the definition, word for word ---------------------------------------------------------------


def searched(found: set[int], events: Sequence[Row]) -> tuple[Row, set[int]]:
    """S of the events in FOUND, and the events behind its `lines`."""
    requests = {events[n]["request"] for n in found} - {None}
    lines = found | {n for n, event in enumerate(events) if event["request"] in requests}
    return {
        "hits": len(found),
        "containers": len({events[n]["container"] for n in found} - {None}),
        "requests": len(requests),
        "lines": len(lines),
        "searches": 1 + len(requests),
    }, lines


def by_definition(
    events: Sequence[Row], alerts: Iterable[int], window: int
) -> tuple[list[Row], Row]:
    """The rows and totals of `steps`. EVENTS have container, ip, request, time (ns) and ips."""
    rows: list[Row] = []
    behind: dict[str, set[int]] = {name: set() for name in SEARCHES}
    for alert in alerts:
        one = events[alert]
        hits: dict[str, set[int] | None] = dict.fromkeys(SEARCHES)
        if one["ip"] is not None:
            same = {n for n, event in enumerate(events) if one["ip"] in event["ips"]}
            hits["ip_search"] = same
            if (t := one["time"]) is not None:
                times = {n: events[n]["time"] for n in same}
                hits["ip_time_search"] = {
                    n for n, x in times.items() if x is not None and t - window <= x <= t + window
                }
        if one["container"] is not None:
            hits["cuid_search"] = {
                n for n, event in enumerate(events) if event["container"] == one["container"]
            }
        row: Row = {"container": one["container"], "ip": one["ip"]}
        sets = {}
        for name, found in hits.items():
            row[name] = None
            if found is not None:
                row[name], sets[name] = searched(found, events)
                behind[name] |= sets[name]
        both = "ip_search" in sets and "cuid_search" in sets
        ip, cuid = sets.get("ip_search", set()), sets.get("cuid_search", set())
        row["needless"] = len(ip - cuid) if both else None
        row["missed"] = len(cuid - ip) if both else None
        near = sets.get("ip_time_search", set())
        row["spared"] = (
            len(near - cuid) if "ip_time_search" in sets and "cuid_search" in sets else None
        )
        row["reduction"] = pytest.approx(1 - len(cuid) / len(ip), abs=6e-5) if both else None
        rows.append(row)
    totals: Row = {
        name: {
            **{count: sum(row[name][count] for row in rows if row[name]) for count in COUNTS},
            "distinct_lines": len(behind[name]),
        }
        for name in SEARCHES
    }
    for name in ("needless", "missed"):
        totals[name] = sum(row[name] or 0 for row in rows)
    return rows, totals | {"alerts": len(rows)}


COUNTS = ("hits", "containers", "requests", "lines", "searches")


def given_events(case: cuidx.Case) -> list[Row]:
    """All events with what the definition needs."""
    frame = case.events.collect()
    named: dict[int, set[str]] = {}
    for n, ip in mentions(frame).select("row", "ip").iter_rows():
        named.setdefault(n, set()).add(ip)
    either = pl.coalesce("request_id", "trace_id").alias("request")
    columns = frame.select("container", "ip", either, pl.col("time").cast(pl.Int64), "level")
    return [
        {**row, "request": row["request"] and row["request"].lower().replace("-", ""),
         "named": named.get(n, set())}
        for n, row in enumerate(columns.to_dicts())
    ]  # fmt: skip


def agrees(case: cuidx.Case, alerts: Sequence[int], search: str, window: str, ns: int,
           **chosen: Any) -> None:  # fmt: skip
    events = given_events(case)
    for event in events:
        event["ips"] = event["named"] if search == "any" else {event["ip"]} - {None}
    answer = case.compare_searches(search=search, window=window, **chosen)
    rows, totals = by_definition(events, alerts, ns)
    table = answer.alerts.with_columns(answer.spared)
    found = [{n: row[n] for n in rows[0]} for row in table.to_dicts()] if rows else []
    assert found == rows
    assert answer.totals == totals
    assert answer.alerts.schema == analysis.ALERTS


EVENT = st.fixed_dictionaries(
    {
        "time": st.one_of(st.none(), st.integers(0, 30)),
        "alert": st.booleans(),
        "container": st.sampled_from(["A", "B", "C", None]),
        "ip": st.sampled_from(["10.0.0.1", "10.0.0.2", None]),
        "request": st.sampled_from(["r1", "r2", "r3", None]),
        "named": st.sets(st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3"])),
    }
)


@pytest.mark.parametrize("at_once", [1, 1_000_000])
@pytest.mark.parametrize("search", ["own", "any"])
@settings(max_examples=60)
@given(events=st.lists(EVENT, max_size=25), window=st.integers(0, 20))
@example(events=[{"time": None, "alert": True, "container": None, "ip": None, "request": None,
                  "named": set()}], window=5)  # fmt: skip
def test_every_count_is_the_definitions(
    search: str, at_once: int, events: list[Row], window: int
) -> None:
    for event in events:
        event["ips"] = {event["ip"], *(event["named"] if search == "any" else ())} - {None}
    alerts = [n for n, event in enumerate(events) if event["alert"]]
    frame = pl.DataFrame(events, schema={**dict.fromkeys(analysis.EVENTS, pl.String),
                                         "time": pl.Int64})  # fmt: skip
    asked = frame[alerts].with_columns(source=pl.lit("x"), line=pl.lit(1, pl.Int64),
                                       request_id=pl.col("request"))  # fmt: skip
    found = pl.DataFrame(
        [(n, ip) for n, event in enumerate(events) for ip in sorted(event["ips"])],
        schema={"event": pl.UInt32, "ip": pl.String}, orient="row",
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(analysis, "_HITS_AT_ONCE", at_once)
        answer = analysis.steps(frame, asked, window, found if search == "any" else None)
    rows, totals = by_definition(events, alerts, window)
    table = answer.alerts.with_columns(answer.spared)
    assert [{n: row[n] for n in rows[0]} for row in table.to_dicts()] == rows
    assert answer.totals == totals


# --- generated logs, and DuckDB ------------------------------------------------------------------


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("steps") / "flat.jsonl"
    generate(20_000, 7, "flat", path, bad=0.001)
    return path


@pytest.mark.parametrize("search", ["own", "any"])
@pytest.mark.parametrize("seconds", [0.25, 300, 86_400])
def test_every_alert_is_as_duckdb_counts_it(generated: Path, search: str, seconds: float) -> None:
    answer = cuidx.open_case(generated).compare_searches(search=search, window=f"{seconds}s")
    theirs = duckdb_steps.steps(generated, search, seconds)
    found = sorted(
        (row["container"], row["ip"], *([row[s][c] for c in COUNTS[:4]] for s in SEARCHES),
         row["needless"], row["missed"])
        for row in answer.alerts.to_dicts()
    )  # fmt: skip
    assert found == sorted(
        (row["container"], row["ip"], *(row[s] for s in SEARCHES), row["needless"], row["missed"])
        for row in theirs["alerts"]
    )
    assert len(found) >= 20
    assert {s: answer.totals[s]["distinct_lines"] for s in SEARCHES} == theirs["distinct_lines"]


def test_many_small_parts_give_what_one_gives(
    generated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = cuidx.open_case(generated)
    once = case.compare_searches(alert_level="warn", search="any")
    monkeypatch.setattr(analysis, "_HITS_AT_ONCE", 500)
    again = case.compare_searches(alert_level="warn", search="any")
    assert once.alerts.equals(again.alerts)
    assert once.totals == again.totals
    assert once.hits.equals(again.hits)


# --- figure 5 and the capture --------------------------------------------------------------------


@pytest.mark.parametrize("search", ["own", "any"])
def test_figure_5(search: str) -> None:
    case = cuidx.open_case(FIXTURES / "paper" / "figure5.jsonl")
    row = case.steps(alert="figure5.jsonl:10", search=search).row(0, named=True)
    by_ip = {"hits": 2, "containers": 2, "requests": 2, "lines": 7, "searches": 3}
    by_cuid = {"hits": 1, "containers": 1, "requests": 1, "lines": 2, "searches": 2}
    assert row["ip_search"] == by_ip
    assert row["ip_time_search"] is None  # the figure has no times
    assert row["cuid_search"] == by_cuid
    assert (row["needless"], row["missed"], row["reduction"]) == (5, 0, 0.7143)
    assert (row["container"], row["ip"], row["request_id"]) == ("4A23", "10.10.11.2", "7AD0")


TRUTH = json.loads((DEV / "truth.json").read_text())["search"]


@pytest.mark.parametrize("search", ["own", "any"])
def test_hits_on_each_address_are_those_of_the_truth(search: str) -> None:
    name = {"own": "lines_written_by_holders", "any": "lines_naming_or_written"}[search]
    case = cuidx.open_case(DEV / "export.jsonl")
    found = {row["ip"]: row["ip_search"]["hits"] for row in case.steps(search=search).to_dicts()}
    assert found == {ip: counts[name] for ip, counts in TRUTH.items()}


@pytest.mark.parametrize("search", ["own", "any"])
def test_all_errors_of_the_capture_are_counted_as_defined(search: str) -> None:
    case = cuidx.open_case(DEV / "export.jsonl")
    alerts = [n for n, event in enumerate(given_events(case)) if event["level"] in
              ("ERROR", "CRITICAL", "ALERT", "FATAL")]  # fmt: skip
    assert len(alerts) == 106
    agrees(case, alerts, search, "30s", 30 * SECOND)


# --- which events are the alerts -----------------------------------------------------------------


def lines(answer: pl.DataFrame) -> list[tuple[str, int]]:
    return [(Path(source).name, line) for source, line in answer.select("source", "line").rows()]


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    """Two files of one name, each with an ERROR in its second line, and a third."""
    rows = [{"time": at(n), "level": level, "cuid": "A", "ip": "10.0.0.1"}
            for n, level in enumerate(("INFO", "ERROR", "WARN", "FATAL"))]  # fmt: skip
    paths = [tmp_path / "a" / "x.log", tmp_path / "b" / "x.log", tmp_path / "y:1"]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(jsonl(rows) + b"\n")
    return paths


def test_without_a_choice_alerts_are_errors_and_above(two: list[Path]) -> None:
    answer = cuidx.open_case(*two).steps()
    assert lines(answer) == [(name, n) for name in ("x.log", "x.log", "y:1") for n in (2, 4)]
    assert len(cuidx.open_case(*two).steps(alert_level="warning")) == 9
    assert len(cuidx.open_case(*two).steps(alert_level="fatal")) == 3


def test_the_filters_choose_alerts_and_the_searches_see_all(two: list[Path]) -> None:
    case = cuidx.open_case(*two, where={"level": "INFO"})
    answer = case.steps()
    assert lines(answer) == [("x.log", 1), ("x.log", 1), ("y:1", 1)]
    assert {row["hits"] for row in answer["ip_search"]} == {12}
    late = cuidx.open_case(*two, since=at(2))
    assert len(late.steps()) == 6
    assert len(late.steps(alert_level="ERROR")) == 3
    assert len(late.steps(alert=f"{two[0]}:1")) == 0


def test_an_alert_is_named_by_its_path_or_a_base_name_that_only_one_has(two: list[Path]) -> None:
    case = cuidx.open_case(*two)
    named = [f"{two[1]}:1", "y:1:3", f"{two[0]}:1:0"]
    assert lines(case.steps(alert=named)) == [("x.log", 1), ("x.log", 1), ("y:1", 3)]
    assert case.steps(alert=named)["source"].to_list() == [str(path) for path in two]
    assert len(case.steps(alert="y:1:3", alert_level="FATAL")) == 4


@pytest.mark.parametrize(
    ("alert", "why"),
    [
        pytest.param("x.log:1", "2 sources are called x.log", id="two of that name"),
        pytest.param("z.log:1", "no source is called z.log", id="none of that name"),
        pytest.param("x.log", "no line number", id="no line"),
        pytest.param("y:1:99", "there is no such record", id="beyond the end"),
        pytest.param("y:1:5", "it is blank, not an event", id="a blank line"),
        pytest.param("y:1:0", "there is no such record", id="lines count from 1"),
    ],
)
def test_what_is_no_event_is_wrong_usage(two: list[Path], alert: str, why: str) -> None:
    with pytest.raises(cuidx.UsageError, match=why):
        cuidx.open_case(*two).steps(alert=alert)


@pytest.mark.parametrize("wrong", [{"alert_level": "loud"}, {"search": "all"}, {"window": "5"},
                                   {"window": "-5m"}, {"window": "9999999w"}])  # fmt: skip
def test_words_that_mean_nothing_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(cuidx.UsageError):
        cuidx.open_case(FIXTURES / "paper" / "figure5.jsonl").steps(**wrong)


# --- the table -----------------------------------------------------------------------------------


def printed(*arguments: str, width: int = 80) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "cuidx", "steps", *arguments, "-q"],
        cwd=ROOT, env={"COLUMNS": str(width), "NO_COLOR": "1", "PYTHONUTF8": "1"},
        capture_output=True, encoding="utf-8", timeout=120, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("width", [60, 80, 160])
def test_the_table_fits_and_names_whose_lines_they_are(width: int) -> None:
    shown = printed("fixtures/dev/export.jsonl", width=width)
    assert max(map(len, shown.splitlines())) <= width
    flat = " ".join(shown.split())
    assert "312 lines have this IP, 126 of 3 other containers: mail ca6756cc (86)" in flat
    assert "Of 109,002 lines read by IP 64,491 (59%) were needless." in flat


def test_many_alerts_do_not_flood_the_terminal_and_json_has_all() -> None:
    arguments = ("fixtures/dev/export.jsonl", "--alert-level", "trace")
    assert len(printed(*arguments, width=160).splitlines()) < 60
    assert len(printed(*arguments, "-f", "jsonl").splitlines()) == 1471
    head, *rows = printed(*arguments, "-f", "csv").splitlines()
    assert "ip_search.lines" in head.split(",")
    assert len(rows) == 1471


def test_the_json_is_the_interfaces() -> None:
    said = json.loads(
        printed("fixtures/paper/figure5.jsonl", "--alert", "figure5.jsonl:10", "-f", "json")
    )
    assert list(said) >= ["cuidx"]
    assert said["totals"]["alerts"] == 1
    assert said["totals"]["ip_search"] == {
        "hits": 2, "containers": 2, "requests": 2, "lines": 7, "searches": 3, "distinct_lines": 7,
    }  # fmt: skip
    assert list(said["alerts"][0]) == list(analysis.ALERTS)
    assert said["alerts"][0]["ip_time_search"] is None


@pytest.mark.parametrize("search", ["own", "any"])
def test_steps_for_errors_read_the_sources_once(
    search: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jsonl"
    generate(20_000, 3, "flat", path)  # larger than what is read at once for detection
    passes, parts = 0, Records.parts

    def counting(*given: Any, **more: Any) -> Any:
        nonlocal passes
        passes += 1
        return parts(*given, **more)

    monkeypatch.setattr(Records, "parts", counting)
    assert len(cuidx.open_case(path).compare_searches(search=search).alerts) > 10
    assert passes == 1


@pytest.mark.parametrize(
    ("search", "since", "until"),
    [
        ("own", "-2h", None),
        ("any", None, "-90m"),
        ("own", "-3h", "-1h"),
        ("any", "1990-01-01", None),
    ],
)
def test_errors_of_a_time_are_found_in_lines_that_were_kept_as_in_those_read_again(
    search: str, since: str | None, until: str | None, generated: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def asked() -> Any:
        case = cuidx.open_case(generated, since=since, until=until)
        return case.compare_searches(alert_level="error", search=search)

    kept = asked()
    monkeypatch.setattr("cuidx.case.steps._kept", lambda *_, **__: None)
    read = asked()
    assert kept.alerts.equals(read.alerts)
    assert (kept.totals, kept.hits.rows()) == (read.totals, read.hits.rows())
    assert kept.alerts.height > 3


@pytest.mark.parametrize("search", ["own", "any"])
def test_an_index_of_another_version_is_read_and_counted_here(search: str) -> None:
    def asked(case: Any) -> Any:
        return case.compare_searches(alert_level="error", search=search).alerts

    case = cuidx.open_case(DEV / "export.jsonl")
    case._story.server = SimpleNamespace(summary=lambda: None)  # type: ignore[assignment]
    assert asked(case).equals(asked(cuidx.open_case(DEV / "export.jsonl")))
    assert case.warnings.count("computed here: another version of cuidx wrote to the index") == 1
    assert not [said for said in case.warnings if "--search any" in said]
