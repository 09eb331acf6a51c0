"""convert: what was read once is read again from Parquet, and every answer is the same."""

import csv
import io
import json
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from stories import FIXTURES, FULL, folder, rows_of
from test_accounting import GARBAGE

import cuidx
from cuidx.case import Case
from cuidx.cli.app import run

DEV = FIXTURES / "dev"
FORMATS = FIXTURES / "formats"
# Sources with each kind of record: pieces, duplicates, evidence, unreadable, blank, no zone, no time.
STORIES: dict[str, list[Path]] = {
    "an export and its Pods": [DEV / "export.jsonl", DEV / "pods.json", DEV / "events.json"],
    "duplicates": [DEV / "elasticdump.jsonl"],
    "CRI with pieces, paths give identity": [DEV / "cri"],
    "tagged files with start and stop": [DEV / "raw"],
    "a broken line": [FORMATS / "jsonl-cut.jsonl", FORMATS / "rawtext.log"],
    "no times": [FIXTURES / "paper" / "figure5.jsonl"],
    "no zone, invalid UTF-8, CRLF": [FIXTURES / "public" / "lnav" / "logfile_crlf.0",
                                     FIXTURES / "public" / "lnav" / "logfile_invalid_utf8.0"],
    "a folder of everything": [FIXTURES / "public" / "docker"],
}  # fmt: skip
ANSWERS: dict[str, Callable[[Case], Any]] = {
    "timeline": lambda case: case.lifetimes(),
    "reuse": lambda case: case.reuse(),
    "annotate": lambda case: case.annotate(),
    "steps": lambda case: case.steps(),
    "findings": lambda case: case.findings(),
}


def answers(case: Case, asked: Collection[str]) -> dict[str, Any]:
    found = {name: rows_of(ANSWERS[name](case)) for name in asked}
    return {**found, "accounting": case.accounting.as_json(), "warnings": case.warnings}


@pytest.mark.parametrize("at", range(len(STORIES)), ids=[*STORIES])
def test_every_answer_is_the_same_from_parquet(at: int, tmp_path: Path) -> None:
    # By default two of the answers, those that are next.
    asked = [*ANSWERS] if FULL else [[*ANSWERS][(at + more) % len(ANSWERS)] for more in (0, 2)]
    case = cuidx.open_case(*[*STORIES.values()][at])
    case.convert(tmp_path / "events.parquet")
    again = cuidx.open_case(tmp_path / "events.parquet")
    wanted, found = answers(case, asked), answers(again, asked)
    left_out = [w for w in wanted["warnings"] if "left out" in w]
    wanted["warnings"] = [w for w in wanted["warnings"] if w not in left_out]
    assert found == wanted
    # And once more: what was converted converts to the same.
    again.convert(tmp_path / "again.parquet")
    assert pl.read_parquet(tmp_path / "again.parquet").equals(
        pl.read_parquet(tmp_path / "events.parquet")
    )


@settings(max_examples=40 if FULL else 10)
@given(data=GARBAGE)
def test_garbage_is_kept_whole(data: bytes) -> None:
    with folder() as here:
        (here / "a.log").write_bytes(data)
        case = cuidx.open_case(here / "a.log")
        try:
            counted = case.accounting.as_json()
        except cuidx.CuidxError:
            return
        case.convert(here / "a.parquet")
        again = cuidx.open_case(here / "a.parquet")
        if counted["records"]:
            assert again.accounting.as_json() == counted
        kinds = pl.read_parquet(here / "a.parquet")["kind"].cast(pl.String).value_counts()
        assert sum(kinds["count"]) == counted["records"]


def test_filters_choose_the_events_and_evidence_stays(tmp_path: Path) -> None:
    sources = STORIES["an export and its Pods"]
    case = cuidx.open_case(*sources, where={"service": "db"})
    case.convert(tmp_path / "db.parquet")
    frame = pl.read_parquet(tmp_path / "db.parquet")
    kinds = dict(frame.group_by(pl.col("kind").cast(pl.String)).len().iter_rows())
    assert kinds == {"event": 310, "evidence": 133}
    assert set(frame.filter(kind="event")["service"]) == {"db"}


def test_other_tools_read_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    cuidx.open_case(DEV / "export.jsonl").convert(path)
    rows = duckdb.sql(
        f"select container, count(*), min(time), list(distinct ip) from '{path}' "
        "where kind = 'event' group by container order by min(time), container"
    ).fetchall()
    case = cuidx.open_case(DEV / "export.jsonl")
    assert [(row[0], row[1], row[3]) for row in rows] == [
        (row["container"], row["lines"], row["ips"]) for row in rows_of(case.lifetimes())
    ]


def output(capfd: pytest.CaptureFixture[str], arguments: Sequence[str], code: int = 0) -> str:
    assert run(list(arguments)) == code
    return capfd.readouterr().out


def test_json_lines_and_csv_have_the_events(capfd: pytest.CaptureFixture[str]) -> None:
    path = str(DEV / "export.jsonl")
    lines = [json.loads(line) for line in output(capfd, ["convert", path, "-q"]).splitlines()]
    annotated = rows_of(cuidx.open_case(path).annotate())
    for row in annotated:
        row["mentions"] = [{"ip": m["ip"], "role": m["role"]} for m in row["mentions"]]
    assert lines == annotated
    text = output(capfd, ["convert", path, "-q", "-f", "csv"])
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["container"] for row in rows] == [row["container"] for row in annotated]
    assert list(rows[0]) == list(annotated[0])


def test_converted_lines_are_a_source_too(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    assert run(["convert", str(DEV / "export.jsonl"), "-o", str(path), "-q"]) == 0
    again, case = cuidx.open_case(path), cuidx.open_case(DEV / "export.jsonl")
    assert rows_of(again.lifetimes()) == rows_of(case.lifetimes())
    assert rows_of(again.reuse()) == rows_of(case.reuse())


def test_a_parquet_of_convert_has_no_lines_to_split(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cuidx.open_case(DEV / "export.jsonl").convert(tmp_path / "e.parquet")
    assert run(["split", str(tmp_path / "e.parquet"), "-o", str(tmp_path / "out")]) == 2
    assert "name the original files" in capfd.readouterr().err


# -- lookups --------------------------------------------------------------------------------


def test_a_splunk_lookup_answers_as_resolve_does(capfd: pytest.CaptureFixture[str]) -> None:
    """The latest row before a time, as Splunk takes it, against `resolve` at many times."""
    path = str(DEV / "export.jsonl")
    text = output(capfd, ["convert", path, "--lookup", "splunk", "-q"])
    rows = list(csv.DictReader(io.StringIO(text)))
    case = cuidx.open_case(path)
    times = sorted({row["time"] for row in rows})
    asked = 0
    for ip in sorted({row["ip"] for row in rows}):
        for time in times[:: max(len(times) // 12, 1)]:
            before = [row for row in rows if row["ip"] == ip and row["time"] <= time]
            said = before[-1]["container"] if before else "unknown"
            answer = rows_of(case.resolve(ip, at=time))[0]
            strict = "unknown" if answer["slack"] else answer["container"] or "unknown"
            assert said == strict, (ip, time)
            asked += 1
    assert asked > 60


def test_lifetimes_for_a_lookup_index_are_those_of_timeline(
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = str(DEV / "export.jsonl")
    lookup = output(capfd, ["convert", path, "--lookup", "lifetimes", "-q"])
    timeline = output(capfd, ["timeline", path, "-f", "jsonl", "-q"])
    assert [*map(json.loads, lookup.splitlines())] == [*map(json.loads, timeline.splitlines())]


def test_timesketch_gets_what_it_needs(capfd: pytest.CaptureFixture[str]) -> None:
    text = output(capfd, ["convert", str(DEV / "export.jsonl"), "--lookup", "timesketch", "-q"])
    rows = [json.loads(line) for line in text.splitlines()]
    assert len(rows) == 1679
    assert all(row["message"] and row["timestamp_desc"] for row in rows)
    assert rows[0]["datetime"] == "2026-11-23T18:54:17.989072396+00:00"
    assert rows[0]["timestamp"] == 1795460057989072


def test_lnav_format_names_columns_that_are_there(capfd: pytest.CaptureFixture[str]) -> None:
    said = json.loads(output(capfd, ["convert", "-q", str(DEV / "pods.json"), "--lookup", "lnav"]))
    columns = json.loads(
        output(capfd, ["convert", str(DEV / "export.jsonl"), "-q"]).splitlines()[0]
    )
    assert set(said["cuidx_log"]["value"]) <= set(columns)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--lookup", "excel"], "no such tool"),
        (["-f", "markdown"], "convert writes no markdown"),
        (["-f", "parquet"], "needs a file"),
    ],
)
def test_what_can_t_be_written_is_said(
    arguments: list[str], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["convert", str(DEV / "pods.json"), *arguments]) == 2
    assert words in capfd.readouterr().err
