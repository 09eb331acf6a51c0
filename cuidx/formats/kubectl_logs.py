"""kubectl logs --prefix, with or without --timestamps: lines of many Pods in one file.

    [pod/payment-0/payment] 2026-11-02T09:00:07.300561288Z {"ts":"…","msg":"listening",…}
         Pod       container  time of the line, ns (--timestamps)   the line

Each Pod's lines come one after the other, so the file is in no order of time; a Pod that was
deleted is not in it. `kubectl logs --timestamps` and `docker logs --timestamps` of one container
have no prefix: they are known by the time that the line inside has beside the one before it.
"""

from __future__ import annotations

import re
from typing import Final

import polars as pl

from cuidx.formats import lines
from cuidx.formats.base import Block, Example, Reading, Sample, whole_lines
from cuidx.schema import KIND
from cuidx.times import LEADING

__all__ = ["NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "head", "parse", "sniff"]

NAME: Final = "kubectl-logs"
TITLE: Final = "kubectl logs --prefix, --timestamps or both"
SOURCE: Final = "kubernetes/kubectl, pkg/cmd/logs/logs.go; kubelet, RFC3339NanoFixed times"

PARTS: Final = (
    (
        "[pod/NAME/CONTAINER], or a time with nine digits, at the start",
        r"^(?:\[pod/|\d{4}-\d\d-\d\dT[\d:]{8}\.\d{9})",
    ),
    ("a blank and the line behind it", r"^\S+ "),
)

# The kubelet writes nine digits, always: a time with fewer is the program's own.
_TIME: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{9}(?:Z|[+-][0-9]{2}:[0-9]{2})"
_PREFIX: Final = r"\[pod/(?<pod>[a-z0-9][a-z0-9.-]*)/(?<container_name>[a-z0-9][a-z0-9-]*)\]"
PREFIXED: Final = rf"^{_PREFIX} (?:(?<time>{_TIME}) ?)?(?s:(?<text>.*))$"
BARE: Final = rf"^(?<time>{_TIME}) ?(?s:(?<text>.*))$"
# What kubectl says itself, on standard error.
_CLIENT: Final = '^Defaulted container "'
_KUBELET: Final = "unable to retrieve container logs for "  # it stands where a line should be
_BEGINS: Final = re.compile(_PREFIX.replace("(?<", "(?P<") + " ")
_TIMED: Final = re.compile(rf"{_TIME} ")
_ENVELOPE: Final = re.compile(rf"{_TIME} (?:\{{|\[?{LEADING})")

SAMPLES: Final = (
    Example(
        "[pod/mail-5b7c9d8f64-q9t2w/mail] 2026-11-02T09:00:10.900348512Z "
        "2026-11-02T09:00:10.900Z WARN smtp retry relay=192.0.2.25",
        {
            "time": "2026-11-02T09:00:10.900348512Z",
            "time_from": "collector",
            "pod": "mail-5b7c9d8f64-q9t2w",
            "container_name": "mail",
            "level": "WARN",
            "message": "2026-11-02T09:00:10.900Z WARN smtp retry relay=192.0.2.25",
        },
    ),
    Example(  # without --timestamps the time is the program's
        '[pod/payment-0/payment] {"ts":"2026-11-02T09:00:07.300Z","level":"info","msg":"listening",'
        '"ikontainer_CUID":"c4e8","svc":"payment.shop.lab"}',
        {
            "time": "2026-11-02T09:00:07.300Z",
            "time_from": "own",
            "pod": "payment-0",
            "cuid": "c4e8",
            "message": "listening",
        },
    ),
    Example("[pod/payment-0/payment] ", {"pod": "payment-0", "message": ""}),
)

cut = whole_lines


def sniff(sample: Sample) -> float:
    """Share of lines with the prefix; with a time alone, if one in ten has a line behind it.

    That is, JSON or a second time: else it may be a program that writes nanoseconds.
    """
    prefixed = sample.share_of(_BEGINS)
    if prefixed:
        return prefixed
    bare = sample.share_of(_TIMED)
    return 0.9 * bare if sample.share_of(_ENVELOPE) >= max(0.1 * bare, 0.01) else 0.0


def head(sample: Sample, reading: Reading) -> str:
    """The pattern of the source's lines: with the prefix, or with a time alone."""
    del reading
    return PREFIXED if sample.share_of(_BEGINS) else BARE


def parse(block: Block, reading: Reading) -> pl.DataFrame:
    """One row a line; what kubectl says itself is skipped, what the kubelet says is unreadable."""
    pattern = reading.head or (PREFIXED if b"[pod/" in block.data else BARE)
    need = "[pod/NAME/CONTAINER]" if pattern is PREFIXED else "time with nine digits"
    why = f"no {need} at the beginning"
    return _without_errors(lines.enveloped(block, reading, pattern, skip=_CLIENT, why=why))


def _without_errors(frame: pl.DataFrame) -> pl.DataFrame:
    """A line that could not be had is none of the container's."""
    if "message" not in frame.columns:
        return frame
    lost = ((frame["kind"] == "event") & frame["message"].str.starts_with(_KUBELET)).fill_null(
        False
    )
    if not lost.any():
        return frame
    return frame.with_columns(
        kind=pl.when(lost).then(pl.lit("unreadable", KIND)).otherwise("kind"),
        why=pl.when(lost).then(pl.lit("the kubelet could not read this container's log"))
        .otherwise("why"),
        raw=pl.when(lost).then("message").otherwise("raw"),
    )  # fmt: skip
