"""How a Case shows itself in a notebook, and how far reading has come there."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from html import escape
from importlib import import_module
from typing import Any, Final

from cuidx.present.accounting import many, span
from cuidx.present.cells import text
from cuidx.present.lanes import short_names

_ROWS: Final = 20
_PATIENCE: Final = 1.0  # seconds of reading before anything is shown
_SMALL: Final = 20_000_000  # bytes; what is smaller is read before anyone could wonder
_COLUMNS: Final = (
    "service", "container", "pod", "address", "first seen", "last seen", "end", "lines", "errors",
)  # fmt: skip


def summary(
    containers: Sequence[Mapping[str, Any]], accounting: Mapping[str, Any], warnings: Sequence[str]
) -> str:
    """What was read, and the first 20 of CONTAINERS (rows of LIFETIMES for JSON), as HTML."""
    reused = {ip for row in containers for ip in row["reused_ips"]}
    errors = sum(row["errors"] for row in containers)
    parts = [
        many(accounting["events"], "event"), many(len(containers), "container"),
        f"{many(len(reused), 'IP')} reused", many(errors, "error"),
        span(accounting["first"], accounting["last"]) or "no times",
    ]  # fmt: skip
    said = "".join(f"<li>{escape(text(warning))}</li>" for warning in warnings)
    names = short_names([(text(row["container"]), text(row["identity"])) for row in containers])
    rows = [_row(row, name) for row, name in zip(containers[:_ROWS], names, strict=False)]
    head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
    body = "".join(f"<tr>{''.join(f'<td>{escape(c)}</td>' for c in row)}</tr>" for row in rows)
    rest = len(containers) - len(rows)
    more = f"<p>and {rest:,} more: <code>case.lifetimes()</code></p>" if rest > 0 else ""
    return (
        f"<p><b>cuidx case</b>: {escape(' · '.join(parts))}</p>"
        f"{f'<ul>{said}</ul>' if said else ''}"
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"
    )


def _row(row: Mapping[str, Any], name: str) -> list[str]:
    first, last = ((row[end] or "")[:19].replace("T", " ") for end in ("first_seen", "last_seen"))
    return [
        text(row["service"]), name, text(row["pod"]), text(row["ips"]), first, last,
        text(row["end"]), text(row["lines"]), text(row["errors"]),
    ]  # fmt: skip


class Meter:
    """One line below the cell that says how much was read, where that takes its time."""

    def __init__(self) -> None:
        self._began = self._last = self._said = 0.0
        self._bytes = 0
        self._handle: Any = None

    def __call__(self, path: str, count: int) -> None:
        """COUNT more bytes are read, of PATH; after a pause, for another answer."""
        now = time.monotonic()
        if now - self._last > _PATIENCE:
            self._began, self._bytes, self._handle = now, 0, None
        self._last = now
        self._bytes += count
        if self._bytes < _SMALL or now - self._began < _PATIENCE or now - self._said < 0.25:
            return
        self._said = now
        line = f"cuidx: {self._bytes / 1e6:,.0f} MB read, now {text(path)[-60:]}"
        shown: Any = import_module("IPython.display")
        if self._handle is None:
            self._handle = shown.display(shown.Pretty(line), display_id=True)
        else:
            self._handle.update(shown.Pretty(line))


def in_notebook() -> bool:
    """Whether this is the kernel of a notebook; nothing is imported to find out."""
    kernel = sys.modules.get("ipykernel.kernelapp")
    return kernel is not None and bool(kernel.IPKernelApp.initialized())
