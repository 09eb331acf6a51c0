"""Hypothesis for all tests, and what they found out in figures, shown at the end."""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# No deadlines, because other work may keep the machine busy.
settings.register_profile("cuidx", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("cuidx")

_LARGE = 20_000  # characters; a diff takes the square of it, and more

# The files whose tests take longest begin first, so that several workers end together.
LONGEST = (
    "test_formats.py", "test_accounting.py", "test_elastic.py", "test_sources.py", "test_cli.py",
    "test_report.py", "test_failures.py", "test_laws.py", "test_simulate.py", "test_steps.py",
    "test_docs.py", "test_samples.py", "test_grouped.py", "test_forward.py", "test_pods.py",
    "test_notebooks.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[Any]) -> None:
    def place(item: Any) -> int:
        return LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST)

    items.sort(key=place)  # stable: all others stay as they were


@pytest.hookimpl(tryfirst=True)
def pytest_assertrepr_compare(op: str, left: object, right: object) -> None:
    """End an assertion about large values here: pytest would draw their diff, with CI for hours."""
    if op != "==" or max(len(one := repr(left)), len(other := repr(right))) < _LARGE:
        return
    at = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
              min(len(one), len(other)))  # fmt: skip
    near = slice(max(at - 40, 0), at + 80)
    raise AssertionError(
        f"{type(left).__name__} of {len(one):,} characters is not the {len(other):,} expected; "
        f"from {at:,} on:\n  …{one[near]}…\nand not\n  …{other[near]}…"
    )


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Lines that a test printed with `figure: ` before them: what it counted or measured."""
    reports = [r for how in ("passed", "failed") for r in terminalreporter.stats.get(how, [])]
    said = sorted(
        line for report in reports for line in report.capstdout.splitlines()
        if line.startswith("figure: ")
    )  # fmt: skip
    if said:
        terminalreporter.section("figures")
        for line in said:
            terminalreporter.line(line.removeprefix("figure: "))
