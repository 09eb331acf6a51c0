r"""stern's default output: Pod, container, line; the namespace first where there are several.

    payment-0 payment {"ts":"2026-11-02T09:00:07.300Z","level":"info","msg":"listening",…}
    shop payment-0 payment 2026-11-02T10:00:07.300561288+01:00 listening on 10.10.11.2:8443
    ns   Pod       container  with -t, in stern's own zone     line
    + payment-0 \u203a payment            stern began to follow it; `-`: it stopped

Names may be coloured. With `-t short` the time is `11-02 10:00:07`: no year and no zone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import polars as pl

from cuidx.formats import lines
from cuidx.formats.base import Block, Example, Reading, Sample, whole_lines
from cuidx.times import LEADING

__all__ = ["NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "head", "parse", "sniff"]

NAME: Final = "stern-default"
TITLE: Final = "stern, default output"
SOURCE: Final = "stern/stern, cmd/cmd.go (templates), stern/tail.go (times and marks)"

PARTS: Final = (
    ("a Pod's name at the start", r"^(?:\x1b\[[\d;]*m)*[a-z0-9][a-z0-9.-]*(?:\x1b\[[\d;]*m)* "),
    (
        "a container's name after it",
        r"^\S+ (?:\x1b\[[\d;]*m)*[a-z0-9][a-z0-9-]*(?:\x1b\[[\d;]*m)* ",
    ),
)

_COLOUR: Final = r"(?:\x1b\[[0-9;]*m)*"
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
# A Pod of a controller ends in five letters or a number; others may be called anything.
_MADE: Final = r"[a-z0-9][a-z0-9.-]*-(?:[bcdfghjklmnpqrstvwxz2456789]{5}|[0-9]+)"
_TIME: Final = (
    r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{9}(?:Z|[+-][0-9]{2}:[0-9]{2})"
    r"|[01][0-9]-[0-3][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2})"
)
_MARK: Final = rf"^{_COLOUR}[+-]{_COLOUR} (?:{_COLOUR}[a-z0-9.-]+{_COLOUR} )+\u203a "


def _name(role: str, shape: str) -> str:
    return rf"{_COLOUR}(?<{role}>{shape}){_COLOUR}"


_REST: Final = (
    rf"{_name('pod', '[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?')} {_name('container_name', _LABEL)} "
    rf"(?:(?<time>{_TIME}) )?(?s:(?<text>.*))$"
)
PATTERN: Final = rf"^{_REST}"
WITH_NAMESPACE: Final = rf"^{_name('namespace', _LABEL)} {_REST}"
# How sure a line makes us: a name that a controller made, and what a program's line begins with.
_BEHIND: Final = rf"(?:{_TIME} |\{{|\[?{LEADING}|\[?[A-Z]{{4,}}\b|[A-Za-z]+=)"
_SHAPES: Final = tuple(
    re.compile(rf"{_COLOUR}{before}{_MADE}{_COLOUR} {_COLOUR}{_LABEL}{_COLOUR} {_BEHIND}")
    for before in ("", rf"{_LABEL}{_COLOUR} {_COLOUR}")
)
_MARKS: Final = re.compile(_MARK.removeprefix("^"))

SAMPLES: Final = (
    Example(
        "mail-5b7c9d8f64-q9t2w mail 2026-11-02T09:00:10.900Z WARN smtp retry relay=192.0.2.25",
        {
            "time": "2026-11-02T09:00:10.900Z",
            "time_from": "own",
            "pod": "mail-5b7c9d8f64-q9t2w",
            "container_name": "mail",
            "level": "WARN",
            "message": "2026-11-02T09:00:10.900Z WARN smtp retry relay=192.0.2.25",
        },
    ),
    Example(  # -t: the first time is stern's
        "\x1b[36mpayment-0\x1b[0m \x1b[96mpayment\x1b[0m 2026-11-02T10:00:07.300561288+01:00 "
        '{"ts":"2026-11-02T09:00:07.300Z","msg":"listening","ikontainer_CUID":"c4e8","svc":null}',
        {
            "time": "2026-11-02T09:00:07.300561288Z",
            "time_from": "collector",
            "pod": "payment-0",
            "cuid": "c4e8",
            "message": "listening",
        },
    ),
)

cut = whole_lines


def sniff(sample: Sample) -> float:
    """Share of lines that begin with a controller's Pod and a container; marks make it sure."""
    marks = sample.share_of(_MARKS)
    fits = max(sample.share_of(shape) for shape in _SHAPES)
    return min(1.0, marks + fits) if marks else 0.9 * fits


def head(sample: Sample, reading: Reading) -> str:
    """The pattern of the source's lines: whether a namespace comes first."""
    del reading
    return _pattern(sample.filled)


def _pattern(some: Sequence[str]) -> str:
    short, long = (sum(shape.match(line) is not None for line in some) for shape in _SHAPES)
    return WITH_NAMESPACE if long > short else PATTERN


def parse(block: Block, reading: Reading) -> pl.DataFrame:
    """One row a line; the marks of stern are skipped."""
    pattern = reading.head or _pattern(block.texts()[:1000])
    why = "no Pod and container at the beginning"
    return lines.enveloped(block, reading, pattern, skip=_MARK, why=why)
