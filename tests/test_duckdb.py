"""cuidx and DuckDB must tell the same story of one file.

DuckDB reads the file by itself (`oracle`), so a mistake in cuidx's reading, in its times or in its
counting shows as a row that differs. The generator knows a third time how many lines it made bad.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import oracle
import polars as pl
import pytest
from bench.generate import Made, generate

import cuidx

EVENTS = 200_000
COLUMNS = (
    "container",
    "service",
    "ips",
    "first_seen",
    "last_seen",
    "lines",
    "errors",
    "requests",
)
Rows = list[dict[str, Any]]


class Log(NamedTuple):
    path: Path
    made: Made
    timeline: Rows  # both by DuckDB
    accounting: dict[str, Any]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(False, id="lines of one shape"),
        pytest.param(True, id="mixed spellings, zones, look-alikes"),
    ],
)
def log(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Log:
    path = tmp_path_factory.mktemp("duckdb") / "flat.jsonl"
    made = generate(EVENTS, 11, "flat", path, bad=0.001, variants=request.param)
    return Log(path, made, oracle.timeline(path), oracle.accounting(path))


def rows_of(lifetimes: pl.DataFrame) -> Rows:
    """cuidx's rows as the oracle writes them; the times as text keep their nanoseconds."""
    text = pl.col("first_seen", "last_seen").dt.to_string("%Y-%m-%dT%H:%M:%S%.fZ")
    return lifetimes.with_columns(text).select(COLUMNS).to_dicts()


def differences(ours: Rows, theirs: Rows) -> list[str]:
    """What differs, container by container; the order too, when the containers are the same."""
    mine, other = by_container(ours), by_container(theirs)
    found = [f"{name}: only in cuidx" for name in sorted(mine.keys() - other.keys())]
    found += [f"{name}: only in DuckDB" for name in sorted(other.keys() - mine.keys())]
    for name in sorted(mine.keys() & other.keys()):
        found += [
            f"{name}: {column} is {mine[name][column]!r}, by DuckDB {other[name][column]!r}"
            for column in COLUMNS
            if mine[name][column] != other[name][column]
        ]
    if not found and list(mine) != list(other):
        found.append("the rows are in another order")
    return found


def by_container(rows: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    found = {row["container"]: row for row in rows}
    assert len(found) == len(list(rows)), "a container has two rows"
    return found


def test_every_container_is_as_duckdb_sees_it(log: Log) -> None:
    assert len(log.timeline) > 400, "the story has hundreds of containers"
    lifetimes = cuidx.open_case(log.path).lifetimes()
    assert lifetimes.schema["first_seen"] == pl.Datetime("ns", "UTC")
    assert differences(rows_of(lifetimes), log.timeline) == []


def test_every_record_is_in_duckdbs_bin(log: Log) -> None:
    ours = cuidx.open_case(log.path).accounting
    for name in ("records", "events", "blank", "unreadable", "tagged", "untagged"):
        assert getattr(ours, name) == log.accounting[name], name
    for name in ("fragments", "duplicates", "evidence", "skipped"):
        assert getattr(ours, name) == 0, name


def test_the_oracle_knows_what_the_generator_made(log: Log) -> None:
    found = log.accounting
    assert found["unreadable_lines"] == log.made.bad_lines
    assert found["records"] == log.made.lines
    for name in ("events", "blank", "unreadable", "tagged", "untagged"):
        assert found[name] == getattr(log.made, name), name


# --- a case small enough to be checked by eye -----------------------------------------------------

A, B = "643b0000-0000-4000-8000-000000000001", "cd850000-0000-4000-8000-000000000002"
TINY = [
    f'{{"ts":"2026-11-02T09:00:00.500Z","level":"INFO","msg":"a","request_id":"46BB-1",'
    f'"pod_ip":"10.10.1.2","ikontainer_CUID":"{A}","svc":"gateway.shop.lab"}}',
    "",
    # The same request in another spelling, a level in lower case, an address before the first.
    f'{{"ts":"2026-11-02T11:00:01+02:00","level":"error","msg":"b","trace_id":"46bb1",'
    f'"pod_ip":"10.9.1.2","ikontainer_CUID":"{A}","svc":"gateway.shop.lab"}}',
    f'{{"ts":"2026-11-02T09:00:02Z","level":"INFO","ikontainer_CUID":"{A}","svc":"gate',
    f'{{"ts":"2026-11-02T09:00:09.000000001Z","level":"FATAL","msg":"c",'
    f'"pod_ip":"10.10.1.2","ikontainer_CUID":"{B}","svc":"gateway.shop.lab"}}',
    '{"ts":"2026-11-02T09:00:10Z","level":"ERROR","msg":"nobody\'s"}',
]
ANSWER: Rows = [
    {
        "container": A,
        "service": "gateway",
        "ips": ["10.9.1.2", "10.10.1.2"],
        "first_seen": "2026-11-02T09:00:00.500Z",
        "last_seen": "2026-11-02T09:00:01Z",
        "lines": 2,
        "errors": 1,
        "requests": 1,
    },
    {
        "container": B,
        "service": "gateway",
        "ips": ["10.10.1.2"],
        "first_seen": "2026-11-02T09:00:09.000000001Z",
        "last_seen": "2026-11-02T09:00:09.000000001Z",
        "lines": 1,
        "errors": 1,
        "requests": 0,
    },
]


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.jsonl"
    path.write_text("\n".join(TINY), encoding="utf-8")
    return path


def test_the_oracle_is_right_where_a_person_can_check(tiny: Path) -> None:
    assert oracle.timeline(tiny) == ANSWER
    assert oracle.accounting(tiny) == {
        "records": 6,
        "events": 4,
        "blank": 1,
        "unreadable": 1,
        "tagged": 3,
        "untagged": 1,
        "blank_lines": [2],
        "unreadable_lines": [4],
    }


def test_cuidx_is_right_where_a_person_can_check(tiny: Path) -> None:
    case = cuidx.open_case(tiny)
    assert rows_of(case.lifetimes()) == ANSWER
    bins = ("records", "events", "blank", "unreadable", "tagged", "untagged")
    assert tuple(getattr(case.accounting, name) for name in bins) == (6, 4, 1, 1, 3, 1)


@pytest.mark.parametrize(
    ("line", "old", "new", "column"),
    [
        pytest.param(0, "00.500Z", "00.500000001Z", "first_seen", id="a nanosecond"),
        pytest.param(2, '"error"', '"warn"', "errors", id="an error less"),
        pytest.param(2, "46bb1", "46bb2", "requests", id="a request more"),
        pytest.param(2, "10.9.1.2", "10.9.1.3", "ips", id="another address"),
        pytest.param(2, A, B, "lines", id="a line of the other container"),
        pytest.param(4, B, B[::-1], "only in", id="another container"),
    ],
)
def test_the_comparison_sees_it_when_a_line_changes(
    tmp_path: Path, line: int, old: str, new: str, column: str
) -> None:
    changed = list(TINY)
    changed[line] = changed[line].replace(old, new)
    assert changed != TINY
    path = tmp_path / "changed.jsonl"
    path.write_text("\n".join(changed), encoding="utf-8")
    found = differences(oracle.timeline(path), ANSWER)
    assert any(column in text for text in found), found


def test_the_comparison_sees_another_order() -> None:
    assert differences(ANSWER, ANSWER) == []
    assert differences(ANSWER[::-1], ANSWER) == ["the rows are in another order"]
