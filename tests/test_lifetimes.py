"""What lifetimes are made of: which of several words counts, and how many requests there are."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from stories import FULL

import cuidx
from cuidx.case import Case
from cuidx.cli.app import run
from cuidx.enrich.pairs import PAIRS, Pairs
from cuidx.formats import native


def case_of(at: Path, records: Iterable[dict[str, Any]]) -> Case:
    path = at / "logs.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return cuidx.open_case(path)


# -- words -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        ("a", "a"),
        ("abb", "b"),  # what most lines say, whoever comes first
        ("bba", "b"),
        ("ba", "a"),  # as many of both: the order of letters
        ("ab", "a"),
        ("a-", "a"),  # who says nothing does not count
        ("--a", "a"),
        ("bc-bca-ab", "b"),
        ("", None),
    ],
)
def test_where_lines_differ_what_most_say_counts(
    said: str, counts: str | None, tmp_path: Path
) -> None:
    rows = [
        {"ts": f"2026-11-02T09:00:{n:02}Z", "msg": "up", "cuid": cuid, "node": "n1"}
        | ({} if word == "-" else {"service": word})
        for n, word in enumerate(said or "-")
        for cuid in ("c1", "c2")
    ]
    for row in rows:
        if row["cuid"] == "c2":  # of another container nothing is in doubt
            row["service"] = "sure"
    found = case_of(tmp_path, rows).lifetimes().select("container", "service", "node").rows()
    assert sorted(found) == [("c1", counts, "n1"), ("c2", "sure", "n1")]


# -- requests ----------------------------------------------------------------------------------


def some_pairs(rng: random.Random) -> tuple[pl.DataFrame, list[tuple[pl.Series, pl.DataFrame]]]:
    """A table and groups with the same few containers: with nobodies, none at all, and in parts."""
    pool = [f"c{n}" for n in range(rng.choice([1, 3, 50]))]
    odd = [0, 1, 1 << 63, (1 << 64) - 1]

    def names(count: int) -> pl.Series:
        texts = pl.Series("container", rng.choices([None, *pool], k=count), dtype=pl.String)
        return texts.cast(PAIRS["container"])

    size = rng.choice([0, 0, 1, 100])
    requests = pl.Series("request", rng.choices([None, *odd, *range(9)], k=size), dtype=pl.UInt64)
    table = pl.DataFrame([names(size), requests])
    if rng.random() < 0.3:
        table = pl.concat([table[: size // 2], table[size // 2 :]], rechunk=False)
    grouped = []
    for _ in range(rng.choice([0, 1, 2, 9])):
        count = rng.choice([0, 1, 5, 30])
        rows = rng.choice([0, 1, 200]) if count else 0
        grouped.append((names(count), pl.DataFrame({
            "group": pl.Series([rng.randrange(count) for _ in range(rows)], dtype=pl.UInt32),
            "request": pl.Series(rng.choices([*odd, *range(30)], k=rows), dtype=pl.UInt64),
        })))  # fmt: skip
    return table, grouped


@pytest.mark.parametrize("seed", range(400 if FULL else 40))
def test_requests_of_each_container_are_counted_once(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, grouped = some_pairs(random.Random(seed))
    every = [*table.rows()]
    for names, pairs in grouped:
        every += [(names[group], request) for group, request in pairs.rows()]
    expected = {(name, request) for name, request in every if name and request is not None}
    pairs_ = Pairs(table, grouped)
    counted = pairs_.by_container()
    assert counted.schema == {"container": pl.String, "requests": pl.Int64}
    assert sum(counted["requests"]) == len(expected)
    assert dict(counted.iter_rows()) == {
        name: len({request for who, request in expected if who == name})
        for name in {name for name, _ in expected}
    }
    assert pairs_.table.schema == PAIRS
    assert set(pairs_.table.rows()) == expected
    monkeypatch.setattr(native, "is_built", lambda: False)
    assert Pairs(table, grouped).by_container().sort("container").equals(counted.sort("container"))


# -- what is drawn -----------------------------------------------------------------------------


def test_what_only_a_table_draws_is_made_for_it_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = []
    held = Case.held.fget
    assert held is not None
    monkeypatch.setattr(Case, "held", property(lambda case: (made.append(1), held(case))[1]))
    path = tmp_path / "logs.jsonl"
    path.write_text('{"ts":"2026-11-02T09:00:00Z","cuid":"c1","pod_ip":"10.0.0.1","msg":"a"}\n')
    for form in ("json", "jsonl", "csv", "markdown", "html"):
        assert run(["timeline", str(path), "-q", "-f", form]) == 0
        assert not made
    assert run(["timeline", str(path), "-q", "-f", "table"]) == 0
    assert made
    capsys.readouterr()
