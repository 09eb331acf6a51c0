"""docs/evaluation.md shows what tests/bench/study.py counts. Its rows are made one by one."""

from __future__ import annotations

from typing import Any

import pytest
from bench import study
from stories import FULL

SPARED = [(factor, value) for factor, values in study.FACTORS.items() for value in values]
RUNGS = [(rung, kept) for rung in study.RUNGS for kept in study.EVIDENCE]
FEW = [("churn", 0)]


def shown(name: str, row: dict[str, str]) -> None:
    """ROW is in the table NAME of the page, under the same heads."""
    heads, _, *rows = study.on_page(name).splitlines()
    made = study.markdown([row]).splitlines()
    assert heads == made[0]
    assert made[2] in rows, "\n".join(["the command gives", made[2], "the page has", *rows])


@pytest.mark.parametrize(("factor", "value"), SPARED if FULL else FEW)
def test_spared_reading_is_what_the_page_shows(factor: str, value: Any) -> None:
    shown(factor, study.spared_row(factor, value))


@pytest.mark.parametrize(("rung", "kept"), RUNGS if FULL else [("ip", ())])
def test_attribution_is_what_the_page_shows(rung: str, kept: tuple[str, ...]) -> None:
    shown("attribution", study.attributed_row(rung, kept))


@pytest.mark.parametrize("boot", study.BOOTS if FULL else ["0s"])
def test_the_limit_is_what_the_page_shows(boot: str) -> None:
    shown("boot", study.boot_row(boot))


def test_every_table_has_its_rows_on_the_page() -> None:
    wanted = {**{name: len(values) for name, values in study.FACTORS.items()},
              "attribution": len(RUNGS), "boot": len(study.BOOTS)}  # fmt: skip
    assert list(wanted) == list(study.tables())
    assert {name: len(study.on_page(name).splitlines()) - 2 for name in wanted} == wanted
