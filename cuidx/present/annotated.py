"""Annotated events as a person reads them: the line, and below it who the addresses in it were.

TIME         SERVICE CONTAINER MESSAGE
18:54:21.986 db      d93be247  10.89.1.14:48046 -> 10.89.1.13:8080: query order=1001
^ 10.89.1.14 is store 74ef739c
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from cuidx.present.cells import cells, clip, pad, painter, text

_SERVICE: Final = 8
# The row has the time already; the line's own is not repeated before the message.
_OWN_TIME: Final = re.compile(r"^\[?\d{4}-\d\d-\d\d[T ][\d:.,]{8,}(?:Z|[+-]\d\d:?\d\d)?\]? +")
_UUID: Final = re.compile(r"[0-9a-f]{8}-?[0-9a-f-]{8,}", re.IGNORECASE)
_STYLES: Final = {"ERROR": "red", "CRITICAL": "red", "ALERT": "red", "FATAL": "red",
                  "WARN": "yellow"}  # fmt: skip


def draw(
    rows: Iterator[dict[str, Any]],
    known: Callable[[], Mapping[str, str]],
    width: int,
    color: bool,
) -> Iterator[str]:
    """ROWS (of `annotate`) as text, one event a piece, lines of at most WIDTH columns.

    KNOWN gives the service of each holder that is known by one, once the first row is there. An
    own address is not shown: it is that of the container before the message.
    """
    paint = painter(color)
    named = 9 if width < 100 else 13
    indent = 12 + 1 + _SERVICE + 1 + named + 1
    room = max(width - indent, 20)
    head = f"{'TIME':12} {'SERVICE':{_SERVICE}} {'CONTAINER':{named}} MESSAGE"
    day, services = "", dict[str, str]()
    for row in rows:
        services = services or dict(known())
        time = row["time"] or ""
        lines = []
        if head:
            lines.append(paint(head, "bold"))
            head = ""
        if time[:10] != day and time:
            day = time[:10]
            lines.append(paint(f"{day} UTC", "dim"))
        service = pad(clip(text(row["service"]) or "-", _SERVICE), _SERVICE)
        container = pad(short(row["container"], named), named)
        message = clip(_OWN_TIME.sub("", text(row["message"] or ""), count=1), room)
        lines.append(
            f"{time[11:23].rstrip('Z'):12} {service} {container} "
            f"{paint(message, _STYLES.get(row['level'] or '', ''))}".rstrip()
        )
        said = [
            words for mention in row["mentions"] if (words := _said(mention, services, row, named))
        ]
        lines += [paint(" " * indent + line, "cyan") for line in _wrapped(said, room)]
        yield "\n".join(lines) + "\n"
    if head:
        yield "no events\n"


def short(name: str | None, width: int) -> str:
    """A container's name in few letters: the first eight of a UUID or an id, else its two ends."""
    if name is None:
        return "-"
    if not _UUID.match(name):
        return clip(text(name), width, middle=True)
    # A UUID of version 7 begins with its time: those of one minute differ at their ends alone.
    return f"{name[:8]}…{name[-4:]}" if name[13:15] == "-7" else name[:8]


def _said(
    mention: Mapping[str, Any], services: Mapping[str, str], row: Mapping[str, Any], width: int
) -> str:
    name = mention["container"]
    if mention["role"] == "own" and name is not None:
        return ""
    role = "" if mention["role"] == "text" else f"{mention['role']} "
    if name is None:
        return f"{role}{mention['ip']} {mention['verdict']}"
    who = "itself" if name == row["container"] else f"{services.get(name, '')} {short(name, width)}"
    by = "" if mention["by"] == "time" else f" (by {mention['by']})"
    return f"{role}{mention['ip']} is {text(who).strip()}{by}"


def _wrapped(said: list[str], room: int) -> Iterator[str]:
    line = ""
    for words in said:
        if line and cells(line) + 3 + cells(words) > room:
            yield line
            line = ""
        line = f"{line} · {words}" if line else f"^ {words}"
    if line:
        yield line
