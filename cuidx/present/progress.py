"""How far reading has come: a bar on standard error, drawn on a terminal only."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from cuidx.present.escape import visible


class Meter(Protocol):
    """What a reader tells: the bytes it has read since it last told, and from which file."""

    def advance(self, count: int, path: str | None = None) -> None:
        """COUNT more bytes are read; PATH is the file being read now."""

    def expect(self, documents: int) -> None:
        """There is no file: DOCUMENTS are to be read, and `advance` counts them."""


class _Silent:
    def advance(self, count: int, path: str | None = None) -> None:
        pass

    def expect(self, documents: int) -> None:
        pass


@contextmanager
def progress(total: int | None, *, quiet: bool = False) -> Iterator[Meter]:
    """A Meter for TOTAL bytes (None: not known). Its bar is gone when the block ends.

    Where standard error is no terminal, or QUIET, nothing is drawn and rich is not imported.
    """
    if quiet or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield _Silent()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    amount = DownloadColumn()
    columns = (
        BarColumn(bar_width=30),
        amount,
        TimeRemainingColumn(compact=True),
        TextColumn("{task.description}", markup=False),
    )
    console = Console(stderr=True, no_color=True if os.environ.get("NO_COLOR") else None)
    with Progress(*columns, console=console, transient=True, refresh_per_second=8) as bar:
        task = bar.add_task("", total=total)

        class Bar:
            def advance(self, count: int, path: str | None = None) -> None:
                shown = None if path is None else visible(path)[-60:]
                bar.update(task, advance=count, description=shown)

            def expect(self, documents: int) -> None:
                bar.columns = tuple(
                    MofNCompleteColumn() if one is amount else one for one in columns
                )
                bar.update(task, total=documents)

        yield Bar()
