"""Runs as tables in Markdown: RESULTS.md, and the same between two marks of docs/overhead.md."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Self

from lab.compare import Interval, bootstrap, verdict
from lab.measure import SCENARIOS, Run
from lab.parts import ARMS

__all__ = ["Report", "between", "table"]

BASELINE, CONTROL = ARMS[0].name, ARMS[1].name
QUIET = 0.2  # cores
REACHED = 0.95  # of what was asked for; requests come by chance, so some are missing always
MINUS, NONE = "\u2212", "\u2013"
NOT_OURS = "the method's tagger, as published"


@dataclass(frozen=True)
class Report:
    """All runs of one call of the lab. `about` is what is said above the tables, by name."""

    about: dict[str, str]
    seed: int
    runs: list[Run]

    def write(self, path: Path) -> None:
        head = json.dumps({"about": self.about, "seed": self.seed})
        path.write_text("\n".join([head, *(run.line() for run in self.runs), ""]), "utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        head, *lines = path.read_text("utf-8").splitlines()
        return cls(**json.loads(head), runs=[Run.read(line) for line in lines])

    def markdown(self) -> str:
        """Everything but the page's title."""
        facts = [f"- {name}: {what}" for name, what in [*self.about.items(), self._others()]]
        parts = ["\n".join(facts)]
        parts += [self._scenario(one.name) for one in SCENARIOS if self._of(one.name)]
        return "\n\n".join([*parts, self._published()]) + "\n"

    def _others(self) -> tuple[str, str]:
        cores = [run.others_cpu / run.seconds for run in self.runs]
        said = f"{median(cores):.2f} cores in the median run, {max(cores):.2f} at most"
        if median(cores) > QUIET:
            said += ". **The machine was busy with other work**: intervals are wide, little can be shown"
        return "used by other work during the runs", said

    def _of(self, scenario: str) -> dict[str, list[Run]]:
        """The scenario's runs by arm, each in the order of the rounds."""
        found = {
            arm.name: [run for run in self.runs if (run.scenario, run.arm) == (scenario, arm.name)]
            for arm in ARMS
        }
        return {
            name: sorted(runs, key=lambda run: run.round) for name, runs in found.items() if runs
        }

    def _interval(self, values: Sequence[float]) -> Interval:
        return bootstrap(values, seed=self.seed)

    def _scenario(self, name: str) -> str:
        arms = self._of(name)
        return "\n\n".join(
            [
                f"### {name}",
                f"Rounds: {len(arms[BASELINE])}. {_reached(name, arms[BASELINE])} {_shares(arms)}",
                "Medians over the runs, with 95 % intervals:",
                table(_FIGURES, [self._figures(arm, runs) for arm, runs in arms.items()]),
                f"Difference to *{BASELINE}* within a round, with 95 % intervals:",
                table(_DIFFERENCES, self._differences(arms)),
            ]
        )

    def _figures(self, arm: str, runs: list[Run]) -> list[str]:
        def over(value: Callable[[Run], float], digits: int) -> str:
            return _plain(self._interval([value(run) for run in runs]), digits)

        tagged = any(run.tagged or run.tagger_peak for run in runs)
        cells = [
            arm,
            over(lambda run: run.achieved, 1),
            over(lambda run: run.median, 2),
            over(lambda run: run.p99, 1),
            over(_services_cpu, 2),
        ]
        if not tagged:
            return [*cells, NONE, NONE, f"{sum(run.written for run in runs):,}", NONE, NONE]
        return [
            *cells,
            over(_tagger_cpu, 3),
            over(lambda run: run.tagger_peak, 1),
            f"{sum(run.written for run in runs):,}",
            f"{sum(run.lost for run in runs):,}",
            f"{sum(run.doubled + run.torn for run in runs):,}",
        ]

    def _differences(self, arms: dict[str, list[Run]]) -> list[list[str]]:
        kinds: list[tuple[Callable[[Run], float], int, str, str]] = [
            (lambda run: run.median, 2, "slower", "faster"),
            (lambda run: run.p99, 1, "slower", "faster"),
            (lambda run: run.achieved, 1, "more", "fewer"),
            (_services_cpu, 2, "more", "less"),
        ]
        rows = [[arm] for arm in arms if arm != BASELINE]
        for value, digits, more, less in kinds:
            said = self._verdicts(arms, value, more, less)
            for row in rows:
                its, what = said[row[0]]
                row.append(f"{_signed(its, digits)}: {what}")
        return rows

    def _verdicts(
        self, arms: dict[str, list[Run]], value: Callable[[Run], float], more: str, less: str
    ) -> dict[str, tuple[Interval, str]]:
        """By arm: how far its VALUE is from the baseline's in the same round, and what that says."""
        base = {run.round: value(run) for run in arms[BASELINE]}
        differences = {
            arm: self._interval([value(run) - base[run.round] for run in runs])
            for arm, runs in arms.items()
            if arm != BASELINE
        }
        noise = differences[CONTROL]
        said = {arm: verdict(it, noise, more=more, less=less) for arm, it in differences.items()}
        loud = {arm: f"**{what}**" if what in (more, less) else what for arm, what in said.items()}
        return {arm: (it, loud[arm]) for arm, it in differences.items()} | {
            CONTROL: (noise, "the noise")
        }

    def _published(self) -> str:
        rows = [
            [NOT_OURS, "100", "14", "16", "+14 %"],
            [NOT_OURS, "500", "955.3", "1,082.6", "+13.3 %"],
        ]
        for scenario in SCENARIOS:
            arms = self._of(scenario.name)
            if not arms:
                continue
            said = self._verdicts(arms, lambda run: run.median, "slower", "faster")
            without = median(run.median for run in arms[BASELINE])
            for arm, (_, what) in said.items():
                with_it = median(run.median for run in arms[arm])
                share = f"{with_it / without - 1:+.1%}".replace("%", " %").replace("-", MINUS)
                rows.append(
                    [
                        f"{arm}, {scenario.name.partition('/s ')[2]}",
                        str(scenario.rate),
                        f"{without:,.2f}",
                        f"{with_it:,.2f}",
                        f"{share}: {what}",
                    ]
                )
        return "\n\n".join(
            [
                "### Beside the published figures",
                "Median response times in ms.",
                table(["tagger", "requests/s asked", "without", "with", "difference"], rows),
                "The method's text gives its two figures for 500 requests/s with their labels swapped; "
                "here they stand as its 13.3 % means them.",
            ]
        )


_FIGURES = [
    "arm", "answered/s", "median ms", "p99 ms", "services: CPU ms a request",
    "taggers: CPU ms a request", "a tagger's peak, MB", "lines written", "lost", "doubled or torn",
]  # fmt: skip
_DIFFERENCES = ["arm", "median ms", "p99 ms", "answered/s", "services: CPU ms a request"]


def _reached(scenario: str, runs: list[Run]) -> str:
    (asked,) = (one.rate for one in SCENARIOS if one.name == scenario)
    answered = median(run.achieved for run in runs)
    if answered >= REACHED * asked:
        return "Without a tagger all that was asked for is answered."
    return (
        f"**Overloaded**: without a tagger {answered:.0f} of {asked} requests/s are answered, and a "
        "response time is the length of a queue."
    )


def _shares(arms: dict[str, list[Run]]) -> str:
    """The taggers' CPU beside the services', of the median run."""
    said = [
        f"{arm} {median(run.tagger_cpu / run.services_cpu for run in runs):.0%}".replace("%", " %")
        for arm, runs in arms.items()
        if any(run.tagger_cpu for run in runs)
    ]
    return f"CPU of the taggers, as a share of the services': {', '.join(said)}."


def _services_cpu(run: Run) -> float:
    return run.services_cpu * 1000 / run.requests


def _tagger_cpu(run: Run) -> float:
    return run.tagger_cpu * 1000 / run.requests


def _plain(it: Interval, digits: int) -> str:
    return f"{it.middle:,.{digits}f} [{it.low:,.{digits}f}, {it.high:,.{digits}f}]"


def _signed(it: Interval, digits: int) -> str:
    said = f"{it.middle:+,.{digits}f} [{it.low:+,.{digits}f}, {it.high:+,.{digits}f}]"
    return said.replace("-", MINUS)


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def between(path: Path, mark: str, new: str | None = None) -> str:
    """What stands between `<!-- MARK -->` and `<!-- /MARK -->` in PATH; NEW is put there if given."""
    begin, end = f"<!-- {mark} -->\n", f"<!-- /{mark} -->"
    before, rest = path.read_text("utf-8").split(begin)
    old, after = rest.split(end)
    if new is not None:
        path.write_text(f"{before}{begin}\n{new}\n{end}{after}", "utf-8")
        return new
    return old.removeprefix("\n").removesuffix("\n")
