"""JSON documents that fill a file: their elements one by one, each with the place where it begins.

    {"took": 12, "hits": {"hits": [{"_id": "1", …}, …]}}      elements at ("hits", "hits")
    {"kind": "Pod", …}{"kind": "Pod", …}                       documents one after the other

The standard library reads values and says where they end; what is cut off in the middle still
gives the elements before the cut.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Generator, Iterator, Sequence
from typing import Any, Final

_BLANK: Final = re.compile(r"[ \t\r\n]*")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


# Of an equal key the last one counts, as everywhere; a raw control character costs no document.
_DECODER: Final = json.JSONDecoder(strict=False, parse_constant=_no_constant)


class BrokenError(ValueError):
    """What is wrong, and `at`: where the value begins that could not be read."""

    def __init__(self, said: str, at: int) -> None:
        super().__init__(said)
        self.at = at


class Lines:
    """Which line (from FIRST on) a place in TEXT is in."""

    def __init__(self, text: str, first: int = 1) -> None:
        self._starts = [found.end() for found in re.finditer("\n", text)]
        self._first = first

    def at(self, place: int) -> int:
        """The number of the line that PLACE is in."""
        return self._first + bisect_right(self._starts, place)


def documents(text: str) -> Iterator[tuple[int, Any]]:
    """(where it begins, value) of each JSON value in TEXT, one after the other.

    Raises:
        BrokenError: after those before it, where what follows is no JSON.
    """
    at = skip(text, 0)
    while at < len(text):
        value, end = value_at(text, at)
        yield at, value
        at = skip(text, end)


def elements(text: str, *path: str) -> Iterator[tuple[int, Any]]:
    """(where it begins, value) of each element of the list at PATH in the first document of TEXT.

    An object there gives itself. Nothing is given if there is no such path.

    Raises:
        BrokenError: after the elements before it, where the document is broken or cut off.
    """
    at = skip(text, 0)
    end = yield from below(text, at, path)
    rest = skip(text, end)
    if rest < len(text):
        raise BrokenError("more text after the document's end", rest)


def every(text: str, *path: str) -> Iterator[tuple[int, Any]]:
    """`elements` of each document in TEXT, one after the other.

    Raises:
        BrokenError: after the elements before it, where a document is broken or cut off.
    """
    at = skip(text, 0)
    while at < len(text):
        at = skip(text, (yield from below(text, at, path)))


def end(text: str, at: int) -> int:
    """Where the value at AT, known to be whole, ends."""
    return value_at(text, at)[1]


def each(text: str, name: str, start: int = 0) -> Iterator[tuple[int, Any]]:
    """(where it begins, value) of each JSON value in TEXT from START on, one after the other.

    Of a list, and of an object with a list under NAME, the elements are given instead.

    Raises:
        BrokenError: after those before it; `at` is where what would have been given next begins.
    """
    at = skip(text, start)
    while at < len(text):
        at = skip(text, (yield from _each(text, at, name)))


def _each(text: str, at: int, name: str) -> Generator[tuple[int, Any], None, int]:
    if text.startswith("[", at):
        return (yield from _items(text, at))
    if not text.startswith("{", at):
        value, end = value_at(text, at)
        yield at, value
        return end
    pairs, listed, found = _Pairs(text, at), False, {}
    try:
        for key, begin in pairs:
            if key == name and text.startswith("[", begin):
                listed = True
                pairs.end = yield from _items(text, begin)
            else:
                found[key], pairs.end = value_at(text, begin)
    except BrokenError as error:
        raise error if listed else BrokenError(str(error), at) from None
    if not listed:
        yield at, found
    return pairs.end


def members(text: str, *path: str, but: Sequence[str] = ()) -> dict[str, Any]:
    """The members of the object at PATH in the first document of TEXT, without those named BUT.

    What is broken ends it early: the members before it are given.
    """
    at = skip(text, 0)
    try:
        for name in path:
            for key, begin in _pairs(text, at):
                if key == name:
                    at = begin
                    break
            else:
                return {}
    except BrokenError:
        return {}
    return members_at(text, at, but=but)


def members_at(text: str, at: int, *, but: Sequence[str] = ()) -> dict[str, Any]:
    """The same of the object that begins at AT."""
    found: dict[str, Any] = {}
    try:
        for key, begin in _pairs(text, at):
            if key not in but:
                found[key] = value_at(text, begin)[0]
    except BrokenError:
        pass
    return found


def below(text: str, at: int, path: Sequence[str]) -> Generator[tuple[int, Any], None, int]:
    """The elements below PATH; gives (returns) where the value at AT ends."""
    if not path:
        if text.startswith("[", at):
            return (yield from _items(text, at))
        value, end = value_at(text, at)
        yield at, value
        return end
    if not text.startswith("{", at):
        return value_at(text, at)[1]
    pairs = _Pairs(text, at)
    for key, begin in pairs:
        if key == path[0]:
            pairs.end = yield from below(text, begin, path[1:])
    return pairs.end


def _items(text: str, at: int) -> Generator[tuple[int, Any], None, int]:
    at = skip(text, at + 1)
    if text.startswith("]", at):
        return at + 1
    while True:
        value, end = value_at(text, at)
        yield at, value
        at = skip(text, end)
        if text.startswith("]", at):
            return at + 1
        if not text.startswith(",", at):
            said = "it ends within a list" if at >= len(text) else "no comma after an element"
            raise BrokenError(said, at)
        at = skip(text, at + 1)


class _Pairs:
    """(key, where its value begins) of the object at AT; `end` is where it, or a value, ends.

    Who reads a value itself sets `end` to the value's; else it is read over.
    """

    def __init__(self, text: str, at: int) -> None:
        self._text, self._at = text, at
        self.end = -1

    def __iter__(self) -> Iterator[tuple[str, int]]:
        text = self._text
        at = skip(text, self._at + 1)
        if text.startswith("}", at):
            self.end = at + 1
            return
        while True:
            if not text.startswith('"', at):
                raise BrokenError("a key in quotes is missing", at)
            key, end = value_at(text, at)
            colon = skip(text, end)
            if not text.startswith(":", colon):
                raise BrokenError("no colon after a key", at)
            begin = skip(text, colon + 1)
            self.end = -1
            yield key, begin
            end = self.end if self.end >= 0 else value_at(text, begin)[1]
            at = skip(text, end)
            if text.startswith("}", at):
                self.end = at + 1
                return
            if not text.startswith(",", at):
                raise BrokenError("it ends within an object" if at >= len(text)
                                  else "no comma after a value", at)  # fmt: skip
            at = skip(text, at + 1)


def _pairs(text: str, at: int) -> Iterator[tuple[str, int]]:
    if not text.startswith("{", at):
        return iter(())
    return iter(_Pairs(text, at))


def value_at(text: str, at: int) -> tuple[Any, int]:
    """(the value that begins at AT, where it ends).

    Raises:
        BrokenError: there is none.
    """
    try:
        return _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError) as error:
        said = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise BrokenError(f"no valid JSON: {said}", at) from None


def skip(text: str, at: int) -> int:
    """Where the blanks at AT end."""
    found = _BLANK.match(text, at)
    return found.end() if found else at
