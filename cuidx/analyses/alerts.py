"""Which events are the alerts: places as a user names them, `SOURCE:LINE[:INDEX]`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

import polars as pl

from cuidx.errors import UsageError

_PLACE: Final = re.compile(r"(?P<path>.+?):(?P<line>[0-9]{1,18})(?::(?P<index>[0-9]{1,9}))?", re.S)
_NAMED: Final = 5  # paths that an error lists


@dataclass(frozen=True)
class Place:
    """A record: the SOURCE's place among the sources, a line from 1, an index in it from 0."""

    said: str
    source: int
    line: int
    index: int | None = None

    def of(self, source: int, frame: pl.DataFrame) -> pl.DataFrame:
        """Those of FRAME (line, maybe index; records of SOURCE) that stand here."""
        if source != self.source:
            return frame.clear()
        here = frame.filter(pl.col("line") == self.line)
        if self.index is None:
            return here
        if "index" not in frame.columns:
            return here if self.index == 0 else here.clear()
        return here.filter(pl.col("index").fill_null(0) == self.index)


def places(said: Sequence[str], paths: Sequence[str]) -> list[Place]:
    """What SAID names among PATHS, each a path as given or a base name that only one has.

    Raises:
        UsageError: no such source, several of that name, or no line number.
    """
    return [_place(words, paths) for words in said]


def _place(words: str, paths: Sequence[str]) -> Place:
    hit = _PLACE.fullmatch(words)
    if hit is None:
        raise UsageError(
            f"--alert {words}: no line number", do="SOURCE:LINE, for example export.jsonl:10"
        )
    # `a:1:2` is index 2 of line 1 of `a`, or line 2 of a source called `a:1`.
    index = int(hit["index"]) if hit["index"] else None
    choices: list[tuple[str, int, int | None]] = [(hit["path"], int(hit["line"]), index)]
    if index is not None:
        choices.append((f"{hit['path']}:{hit['line']}", index, None))
    for path, line, at_index in choices:
        known = [at for at, one in enumerate(paths) if one == path] or [
            at for at, one in enumerate(paths) if PurePath(one).name == path
        ]
        if len(known) == 1:
            return Place(words, known[0], line, at_index)
        if known:
            raise UsageError(
                f"--alert {words}: {len(known)} sources are called {path}",
                do=f"give the path: {_listed([paths[at] for at in known])}",
            )
    raise UsageError(
        f"--alert {words}: no source is called {choices[0][0]}", do=f"sources: {_listed(paths)}"
    )


def _listed(paths: Sequence[str]) -> str:
    more = len(paths) - _NAMED
    return ", ".join(paths[:_NAMED]) + (f" and {more} more" if more > 0 else "")
