"""What helps when a file is not understood: which line, what the nearest formats lack, an option.

line 1 fits no format but plain text: 'when=2026-11-02T09:00:00 who=10.20.0.5 …'
nearest: cri lacks "stdout or stderr after the time", "P or F after that"
--field ip=who.addr    who.addr looks like an address
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from cuidx.formats.base import Format, Sample
from cuidx.formats.documents import table

_CLOSE: Final = 0.15
_PLAIN: Final = ("rawtext", "jsonl-flat")
_NEAREST: Final = 2
_LOOKS: Final = (
    ("cuid", "a UUID", re.compile(r"(?i)^[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}$")),
    ("container_id", "a container's id", re.compile(r"^(?:[a-z-]+://)?[0-9a-f]{64}$")),
    ("ip", "an address", re.compile(r"^(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?::[0-9]+)?$")),
    ("time", "a time", re.compile(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}")),
)  # fmt: skip
_IN_TEXT: Final = (
    ("cuid", "a UUID", r"(?<cuid>[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})"),
    ("container_id", "a long id", r"(?<container_id>[0-9a-f]{32,64})"),
    ("ip", "an address", r"(?<ip>(?:[0-9]{1,3}\.){3}[0-9]{1,3})"),
)


def close_call(name: str, score: float, second: tuple[str, float]) -> str:
    """Which format came next, and whether it was close."""
    other, its = second
    if score - its <= _CLOSE and its > 0:
        return f"a close call: {other} is {its:.0%} sure (--input-format {other} takes it)"
    return f"next: {other}, {its:.0%} sure"


def advice(sample: Sample, name: str, path: str) -> list[str]:
    """What to try with a source that names no container; NAME is the format it was taken for."""
    from cuidx.formats.registry import FORMATS

    said = []
    if name in _PLAIN:
        number, line = next(
            ((at, text) for at, text in enumerate(sample.lines, 1) if text.strip()), (0, "")
        )
        if number:
            said.append(f"{path}:{number} fits no format but {name}: {_short(line)}")
            ranked = sorted(
                (lacks(format_, line) for format_ in FORMATS if format_.NAME not in _PLAIN),
                key=lambda one: (-one[0], one[1]),
            )
            said += [f"nearest: {one[1]} lacks {', '.join(one[2])}" for one in ranked[:_NEAREST]
                     if one[2]]  # fmt: skip
    said += list(dict.fromkeys(_fields(sample) if sample.documents else _patterns(sample)))
    return said


def lacks(format_: Format, line: str) -> tuple[float, str, list[str]]:
    """(share of FORMAT's parts that LINE has, the format's name, the parts that it lacks)."""
    parts = format_.PARTS
    missing = [what for what, pattern in parts if not re.search(pattern, line)]
    return 1 - len(missing) / len(parts), format_.NAME, missing


def _fields(sample: Sample) -> Iterator[str]:
    """`--field` for values that look like an identity under keys that are not known."""
    known = table()
    for document in sample.documents[:20]:
        for path, value in _leaves(document, ()):
            if known.role_of(path) is not None or not isinstance(value, str):
                continue
            for role, what, look in _LOOKS:
                if look.match(value):
                    name = ".".join(path)
                    own = "" if role == "time" else ", if it is the container's own"
                    yield f"--field {role}={name} would help{own}: its values look like {what}"
                    break


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    else:
        yield path, value


def _patterns(sample: Sample) -> Iterator[str]:
    """`--pattern` for what looks like an identity in text."""
    for _, what, pattern in _IN_TEXT:
        look = re.compile(pattern.replace("(?<", "(?P<"))
        if any(look.search(line) for line in sample.filled[:200]):
            own = "if it is the container's own"
            yield f"--pattern '{pattern}' would help, {own}: lines have {what}"


def _short(line: str) -> str:
    return repr(line if len(line) <= 60 else line[:59] + "…")
