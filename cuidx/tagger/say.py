"""Words on standard error, each once, and the numbers that `/metrics` shows."""

from __future__ import annotations

import contextlib
import os
import sys

# What `/metrics` tells; each name becomes `cuidx_tag_<name>`.
counts: dict[str, int] = {
    "lines_total": 0,
    "read_bytes_total": 0,
    "written_bytes_total": 0,
    "write_errors_total": 0,
    "unreadable_total": 0,
    "rewritten_total": 0,
    "event_overflows_total": 0,
    "rescans_total": 0,
    "files": 0,
    "open_files": 0,
    "folders": 0,
    "polled_folders": 0,
    "blocked": 0,
    "ready": 0,
}
_said: set[str] = set()


class Refusal(Exception):  # noqa: N818 - it is no error of the program
    """A reason not to start, in one plain line, with the exit code (INTERFACE, section 2)."""

    def __init__(self, why: str, code: int = 2) -> None:
        super().__init__(why)
        self.code = code


def note(text: str) -> None:
    """Print TEXT on standard error; a closed standard error is nobody's loss."""
    with contextlib.suppress(OSError):
        os.write(2, f"cuidx tag: {text}\n".encode("utf-8", "backslashreplace"))


def once(key: str, text: str) -> None:
    """Print TEXT if nothing was said under KEY before. Memory is bounded: 1,000 keys."""
    if key not in _said:
        if len(_said) < 1000:
            _said.add(key)
            note(text)
        elif "…" not in _said:
            _said.add("…")
            note("more of the same is not said any more; see /metrics")


def again(key: str) -> None:
    """Forget that something was said under KEY: it is over, and would be news again."""
    _said.discard(key)


def shown(path: bytes) -> str:
    """PATH for people: any bytes, on one line."""
    text = path.decode("utf-8", "backslashreplace")
    return text if text.isprintable() else ascii(text)[1:-1]


def version() -> str:
    """The version that `--version` prints."""
    return f"cuidx tag 0.1.0 (Python {sys.version_info[0]}.{sys.version_info[1]})"
