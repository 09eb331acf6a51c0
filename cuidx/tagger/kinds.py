"""What the loop wants of a sink, and of who knows the tags. Loaded by type checkers alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from cuidx.tagger.follow import Source
from cuidx.tagger.tagging import Tag


class Sink(Protocol):
    """Where tagged lines go."""

    retry_at: float
    keep: float | None

    def adopt(self, sources: list[Source], open_source: Callable[[Source], bool]) -> None:
        """At the start, find out how much of the sources has arrived already."""

    def resume(self, source: Source) -> None:
        """The same for a file that was found later."""

    def write(self, source: Source, block: bytes) -> int:
        """Take whole lines; returns how many bytes of them, less than all when it can't go on."""

    def finish(self, source: Source) -> bool:
        """Take the unfinished last line; False if that has to be tried again."""

    def is_taken(self, source: Source) -> bool:
        """Whether another source's lines are where those of SOURCE would go."""

    def moved(self, moves: list[tuple[Source, bytes]]) -> None:
        """Sources have other names now."""

    def removed(self, source: Source) -> None:
        """A source was removed; it is read on through its descriptor."""

    def release(self, source: Source) -> None:
        """A source is followed no longer."""

    def sweep(self, paths: Iterable[bytes]) -> None:
        """Remove what is left of sources that are not among PATHS any more, after `keep`."""

    def flush(self) -> bool:
        """Whether all that was taken has arrived."""


class Tags(Protocol):
    """Who knows which tag the lines of a file get."""

    def begin(self) -> None:
        """The tagger starts."""

    def found(self, path: bytes) -> bool:
        """A file was found; whether it is wanted."""

    def tag_for(self, path: bytes) -> Tag:
        """The tag of the lines of a file."""

    def lost(self, path: bytes) -> None:
        """A file was removed."""

    def end(self) -> None:
        """The tagger has drained, and ends."""
