"""The overhead lab: what it concludes from made-up runs, and that its pages show the kept ones."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path

import pytest
from lab import identity, overhead, parts
from lab.compare import NOTHING, TOO_FEW, Interval, bootstrap, percentile, verdict
from lab.measure import SCENARIOS, Lines, Run, compared
from lab.page import NONE, Report, between

# What may be said of runs.


def exact(values: list[float], share: float) -> float:
    """The quantile of all n^n draws' medians, by the binomial law: no drawing."""
    n, need = len(values), len(values) // 2 + 1
    for rank, value in enumerate(sorted(values), 1):
        p = rank / n
        below = sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(need, n + 1))
        if below >= share:
            return value
    raise AssertionError


@pytest.mark.parametrize("n", [3, 5, 9, 15, 31])
def test_the_interval_is_the_one_of_all_possible_draws(n: int) -> None:
    chance = random.Random(n)
    values = [chance.lognormvariate(0, 1) for _ in range(n)]
    it = bootstrap(values, seed=1, draws=40_000)
    assert (it.low, it.middle, it.high, it.runs) == (
        exact(values, 0.025),
        sorted(values)[n // 2],
        exact(values, 0.975),
        n,
    )


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    chance = random.Random(7)
    labs = [[chance.gauss(3, 1) for _ in range(12)] for _ in range(400)]
    held = sum((it := bootstrap(lab, seed=1, draws=400)).low <= 3 <= it.high for lab in labs)
    assert 0.92 <= held / len(labs) <= 0.99


@pytest.mark.parametrize(
    ("values", "share", "is_"),
    [
        ([5.0], 0.99, 5.0),
        ([3.0, 1.0, 2.0], 0.5, 2.0),
        ([float(n) for n in range(1, 101)], 0.99, 99.0),
        ([float(n) for n in range(1, 1001)], 0.99, 990.0),
        ([1.0, 2.0], 0.0, 1.0),
    ],
)
def test_percentiles(values: list[float], share: float, is_: float) -> None:
    assert percentile(values, share) == is_


@pytest.mark.parametrize(
    ("difference", "noise", "says"),
    [
        pytest.param((0.5, 0.7, 0.9), (-0.4, 0.0, 0.3), "slower", id="beyond the noise"),
        pytest.param((-0.9, -0.7, -0.5), (-0.4, 0.0, 0.3), "faster", id="the same, below zero"),
        pytest.param((0.2, 0.7, 0.9), (-0.1, 0.0, 0.3), NOTHING, id="begins within the noise"),
        pytest.param((0.35, 0.7, 0.9), (-0.4, -0.1, 0.3), NOTHING, id="noise has two sides"),
        pytest.param((-0.1, 0.7, 9.0), (0.0, 0.0, 0.0), NOTHING, id="holds zero"),
        pytest.param((0.4, 0.7, 0.9), (-0.4, 0.0, 0.3), NOTHING, id="touches the noise"),
        pytest.param((5.0, 7.0, 9.0), (1.0, 2.0, 4.0), "slower", id="noise that leans"),
    ],
)
def test_a_difference_has_to_stand_out_of_the_noise(
    difference: tuple[float, float, float], noise: tuple[float, float, float], says: str
) -> None:
    said = verdict(Interval(*difference), Interval(*noise), more="slower", less="faster")
    assert said == says


def test_few_rounds_say_nothing() -> None:
    it, noise = bootstrap([9.0] * 4, seed=1), bootstrap([0.0] * 4, seed=1)
    assert verdict(it, noise, more="slower", less="faster") == TOO_FEW


def made_up(shift: float, chance: random.Random, rounds: int, outliers: float = 0.1) -> list[str]:
    """The verdict of a lab whose machine has moods, for an arm that costs SHIFT ms."""
    baseline, control, arm = [], [], []
    for _ in range(rounds):
        mood = chance.uniform(5, 50)
        for values, cost in ((baseline, 0.0), (control, 0.0), (arm, shift)):
            scatter = 10 if chance.random() < outliers else 1
            values.append(mood + cost + chance.gauss(0, scatter))
    noise, its = (
        bootstrap([x - y for x, y in zip(one, baseline, strict=True)], seed=1, draws=300)
        for one in (control, arm)
    )
    return [verdict(its, noise, more="slower", less="faster")]


def test_how_large_a_difference_has_to_be() -> None:
    """docs/overhead.md says these: a cost of three times the scatter of single runs."""
    found = {}
    for rounds in (6, 12):
        chance = random.Random(rounds)
        labs = [made_up(3.0, chance, rounds, outliers=0) for _ in range(100)]
        found[rounds] = labs.count(["slower"])
    print(f"figure: of 100 labs with a cost of 3 scatters the rule finds {found} (by rounds)")
    assert 35 <= found[6] <= 65
    assert 70 <= found[12] <= 95


def test_nothing_is_claimed_where_nothing_is_and_much_where_it_is() -> None:
    chance = random.Random(3)
    nothing = [made_up(0.0, chance, 6) for _ in range(500)]
    much = [made_up(10.0, chance, 12) for _ in range(100)]
    claims = sum(said != [NOTHING] for said in nothing)
    print(f"figure: the lab's rule claims a difference in {claims} of 500 labs that have none")
    assert claims <= 10
    assert sum(said == ["slower"] for said in much) >= 95
    assert ["faster"] not in much


# What became of the lines.


@pytest.mark.parametrize(
    ("source", "output", "is_"),
    [
        (b"a\nb\n", b"aS\nbS\n", Lines(2, 2, 0, 0, 0)),
        (b"a\nb\nc\n", b"aS\nbS\nbS\nxS\n", Lines(3, 4, 1, 1, 1)),
        (b"a\na\n", b"aS\n", Lines(2, 1, 1, 0, 0)),
        (b"a\n", b"a\n", Lines(1, 1, 1, 0, 1)),
        (b"ab\n", b"aS\n", Lines(1, 1, 1, 0, 1)),
        (b"", b"S\n", Lines(0, 1, 0, 0, 1)),
        (b"a\n", b"", Lines(1, 0, 1, 0, 0)),
    ],
    ids=[
        "all is well",
        "one of each",
        "two equal ones",
        "no suffix",
        "cut",
        "from nowhere",
        "none",
    ],
)
def test_lost_doubled_and_torn_lines_are_told_apart(
    source: bytes, output: bytes, is_: Lines
) -> None:
    assert compared(source, output, b"S") == is_


# The page.


def a_run(arm: str, number: int, median: float, **more: float) -> Run:
    zero = dict.fromkeys(Run.__dataclass_fields__, 0)
    return replace(
        Run(**zero),  # type: ignore[arg-type]
        scenario=SCENARIOS[0].name, round=number, arm=arm, requests=800, seconds=8.0,
        achieved=100.0 + number / 10, median=median, p99=4 * median, services_cpu=2.4,
        written=4800, **more,
    )  # fmt: skip


def test_the_tables_of_made_up_runs() -> None:
    tagged = {"tagged": 4800, "tagger_peak": 13.5, "tagger_cpu": 0.4}
    runs = []
    for number in range(5):
        mood = 5.0 + number
        runs += [
            a_run("no tagger", number, mood),
            a_run("no tagger again (A/A)", number, mood + 0.1),
            a_run("`cuidx tag`", number, mood + 0.05, **tagged),
            a_run(
                "shell design, rebuilt", number, mood + 2, lost=100, doubled=20, torn=3, **tagged
            ),
        ]
    random.Random(1).shuffle(runs)
    text = Report({"machine": "made up"}, 1, runs).markdown()
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert text.startswith("- machine: made up\n- used by other work during the runs: 0.00 cores")
    assert [
        row for row in rows if row.startswith(("| no tagger |", "| shell design, rebuilt |"))
    ] == [
        "| no tagger | 100.2 [100.0, 100.4] | 7.00 [5.00, 9.00] | 28.0 [20.0, 36.0] | "
        f"3.00 [3.00, 3.00] | {NONE} | {NONE} | 24,000 | {NONE} | {NONE} |",
        "| shell design, rebuilt | 100.2 [100.0, 100.4] | 9.00 [7.00, 11.00] | 36.0 [28.0, 44.0] | "
        "3.00 [3.00, 3.00] | 0.500 [0.500, 0.500] | 13.5 [13.5, 13.5] | 24,000 | 500 | 115 |",
        "| shell design, rebuilt | +2.00 [+2.00, +2.00]: **slower** | "
        "+8.0 [+8.0, +8.0]: **slower** | +0.0 [+0.0, +0.0]: no difference shown | "
        "+0.00 [+0.00, +0.00]: no difference shown |",
    ]
    assert "| `cuidx tag` | +0.05 [+0.05, +0.05]: no difference shown |" in text
    assert "| `cuidx tag`, through three services | 100 | 7.00 | 7.05 | +0.7 %: no diff" in text


def test_the_kept_results_are_what_the_kept_runs_say() -> None:
    tables = Report.read(overhead.RUNS).markdown()
    assert overhead.RESULTS.read_text("utf-8").partition("\n\n- ")[2] == tables.removeprefix("- ")
    for arm in parts.ARMS:
        assert f"| {arm.name} |" in tables


@pytest.mark.parametrize(
    ("mark", "results"), [("overhead", overhead.RESULTS), ("identity", identity.RESULTS)]
)
def test_the_page_has_the_results(mark: str, results: Path) -> None:
    kept = results.read_text("utf-8").split("\n\n", 2)[2]
    assert between(overhead.DOC, mark) == kept


def test_each_round_has_each_arm_once_in_a_drawn_order() -> None:
    drawn = list(overhead.order(list(SCENARIOS), 4, seed=5))
    assert drawn == list(overhead.order(list(SCENARIOS), 4, seed=5))
    assert drawn != list(overhead.order(list(SCENARIOS), 4, seed=6))
    assert len(set(drawn)) == len(drawn) == 4 * len(SCENARIOS) * len(parts.ARMS)
    blocks = [drawn[at : at + 4] for at in range(0, len(drawn), 4)]
    assert all({arm for _, _, arm in block} == set(parts.ARMS) for block in blocks)
    assert len({tuple(arm.name for _, _, arm in block) for block in blocks}) > 1
