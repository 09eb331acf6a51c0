"""scan.c as Python sees it: plans in, Arrow columns out.

It is a plain shared library, called by ctypes (which lets other threads run meanwhile), so that
neither Python's headers nor a wheel for each Python are needed. Where it was not built, `is_built`
says no, and lines are read the exact way.
"""

from __future__ import annotations

import ctypes
import weakref
from array import array
from collections.abc import Sequence
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any, Final, NamedTuple

import polars as pl

__all__ = ["NOBODY", "NO_TIME", "Cut", "Entry", "Groups", "Odd", "Plan", "bits", "cut", "distinct",
           "group", "group_rows", "is_built"]  # fmt: skip

NO_TIME: Final = -(1 << 63)
NOBODY: Final = (1 << 32) - 1  # no number
_TABLES: Final = 3  # of lines in groups: groups, pairs, spots
_LAYOUT: Final = "polars gives its columns in another layout than was known of"


class _Entry(ctypes.Structure):
    _fields_ = (
        ("key", ctypes.c_char_p), ("size", ctypes.c_uint32), ("context", ctypes.c_int32),
        ("role", ctypes.c_int32), ("rank", ctypes.c_int32), ("child", ctypes.c_int32),
        ("flags", ctypes.c_int32),
    )  # fmt: skip


class _Unknown(ctypes.Structure):
    _fields_ = (("context", ctypes.c_int32), ("size", ctypes.c_uint32), ("key", ctypes.c_void_p))


class _Odd(ctypes.Structure):
    _fields_ = (
        ("line", ctypes.c_int64), ("start", ctypes.c_int64), ("end", ctypes.c_int64),
        ("before", ctypes.c_int64),
    )  # fmt: skip


class _Found(ctypes.Structure):
    _fields_ = (
        ("lines", ctypes.c_int64), ("odds", ctypes.c_int64), ("asks", ctypes.c_int64),
        ("unknowns", ctypes.c_int64), ("latest", ctypes.c_int64), ("odd", ctypes.POINTER(_Odd)),
        ("unknown", ctypes.POINTER(_Unknown)),
    )  # fmt: skip


class _Named(ctypes.Structure):
    _fields_ = (("at", ctypes.c_void_p), ("size", ctypes.c_int64))


# https://arrow.apache.org/docs/format/CDataInterface.html; inside, only `release` is of interest.
class _Schema(ctypes.Structure):
    _fields_ = (
        ("format", ctypes.c_char_p), ("name", ctypes.c_char_p), ("metadata", ctypes.c_char_p),
        ("flags", ctypes.c_int64), ("n_children", ctypes.c_int64), ("children", ctypes.c_void_p),
        ("dictionary", ctypes.c_void_p), ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    )  # fmt: skip


class _Array(ctypes.Structure):
    _fields_ = (
        ("length", ctypes.c_int64), ("null_count", ctypes.c_int64), ("offset", ctypes.c_int64),
        ("n_buffers", ctypes.c_int64), ("n_children", ctypes.c_int64),
        ("buffers", ctypes.c_void_p), ("children", ctypes.c_void_p),
        ("dictionary", ctypes.c_void_p), ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    )  # fmt: skip


_Release: Final = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Arrow:
    """What scan.c filled, as an object that polars takes (Arrow PyCapsule interface)."""

    def __init__(self, schema: _Schema | None = None, array: _Array | None = None) -> None:
        self.schema, self.array = schema or _Schema(), array or _Array()

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        capsule = ctypes.pythonapi.PyCapsule_New
        capsule.restype = ctypes.py_object
        capsule.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
        return (
            capsule(ctypes.addressof(self.schema), b"arrow_schema", None),
            capsule(ctypes.addressof(self.array), b"arrow_array", None),
        )

    def let_go(self) -> None:
        """Free what nobody took; who takes it sets `release` to null."""
        for one in (self.schema, self.array):
            if one.release:
                _Release(one.release)(ctypes.addressof(one))


@cache
def _library() -> Any:
    for suffix in EXTENSION_SUFFIXES:
        path = Path(__file__).with_name(f"_scan{suffix}")
        if path.exists():
            try:
                library = ctypes.CDLL(str(path))
            except OSError:  # built for another system
                return None
            library.cuidx_plan.restype = ctypes.c_void_p
            library.cuidx_plan_free.argtypes = (ctypes.c_void_p,)
            return library
    return None


def is_built() -> bool:
    """Whether the shared library is there."""
    return _library() is not None


class Entry(NamedTuple):
    """A key as it stands between its quotes, and what it means. Roles and contexts are numbers."""

    key: bytes
    context: int  # the object that it is in
    role: int  # -1: none
    rank: int  # of several keys for a role the lowest counts
    below: int  # the context of an object that is its value; -1: its keys mean nothing
    flags: int  # as in scan.c


class Plan:
    """What a file's keys mean, compiled."""

    def __init__(
        self,
        entries: Sequence[Entry],
        contexts: int,
        roles: int,
        special: Sequence[int],
        hits: bool,
    ) -> None:
        """HITS says that the lines are search hits (`_source`).

        SPECIAL are the numbers of the roles time, level, request_id, trace_id, message, cuid, svc,
        doc_index and doc_id; -1 for one that is not asked for, -2 for one that no key has.
        """
        table = (_Entry * len(entries))(
            *(_Entry(e.key, len(e.key), e.context, e.role, e.rank, e.below, e.flags)
              for e in entries)
        )  # fmt: skip
        numbers = (ctypes.c_int32 * 9)(*special)
        library = _library()
        found = library.cuidx_plan(table, len(entries), contexts, roles, numbers, int(hits))
        if not found:
            raise MemoryError("no memory for a file's keys")
        self.address = ctypes.c_void_p(found)
        weakref.finalize(self, library.cuidx_plan_free, self.address)


class Odd(NamedTuple):
    """A line that is not proven: its number from 0, and where it stands, without its newline.

    BEFORE is the time of the last line that was grouped since the odd line before; NO_TIME: none.
    """

    line: int
    start: int
    end: int
    before: int


class Cut(NamedTuple):
    """A block of lines, cut."""

    lines: int
    frame: pl.DataFrame  # a row a line: the roles, then instant and flags; odd ones are null
    odd: list[Odd]  # the lines that are not proven
    asks: int  # rows whose message may tell what the document does not
    unknown: list[tuple[int, bytes]]  # (context, key) that the plan does not have; some of them


def cut(data: bytes, plan: Plan, *, messages: bool) -> Cut:
    """Prove and cut DATA: whole lines, the last with its newline too, less than 2 GiB.

    Without MESSAGES the column of the messages is null.
    """
    library, found, arrow = _library(), _Found(), _Arrow()
    failed = library.cuidx_scan(
        data, ctypes.c_int64(len(data)), plan.address, int(messages), ctypes.byref(found),
        ctypes.byref(arrow.schema), ctypes.byref(arrow.array),
    )  # fmt: skip
    _check(failed)
    try:
        return Cut(found.lines, pl.DataFrame(arrow), _odd(found), found.asks, _unknown(found))
    finally:
        library.cuidx_found_free(ctypes.byref(found))
        arrow.let_go()


class Groups(NamedTuple):
    """A block of lines, grouped by the roles that are keys."""

    lines: int
    frame: pl.DataFrame  # a row a group: the roles, then lines, first, last, first_line, last_line
    pairs: (
        pl.DataFrame
    )  # group (its place in FRAME) and request (`bits`), each pair once; or by line
    spots: pl.DataFrame  # by line: place in PAIRS, and an IPv4 address, as a number, each once
    odd: list[Odd]  # the lines that are not proven, or not to be grouped
    latest: int  # the time of the last line that was grouped since an odd one; NO_TIME: none
    unknown: list[tuple[int, bytes]]  # (context, key) that the plan does not have; some of them


def group(data: bytes, plan: Plan, uses: bytes, shape: int = 0, *, by_line: bool = False) -> Groups:
    """Prove and group DATA, as for `cut`; USES says of each role of PLAN what it is to a group.

    SHAPE is what lines are, as in scan.c. BY_LINE: pairs have a row a line, with group, request
    (0: none), time in ns, line from 0, document (`bits` of its id with those of its index; 0:
    none), where in DATA the request's id stands, its length, and whether it is the group's first
    line with that request (1).
    """
    return _groups(
        _library().cuidx_group, data, ctypes.c_int64(len(data)), plan.address, shape,
        int(by_line), uses,
    )  # fmt: skip


def group_rows(rows: pl.DataFrame, plan: Plan, uses: bytes, *, by_line: bool = False) -> Groups:
    """`group` of ROWS: the roles of PLAN as texts, but for a time in ns (Int64)."""
    stream, address = _stream(rows)
    found = _groups(_library().cuidx_group_rows, address, plan.address, int(by_line), uses)
    del stream
    return found


def _groups(function: Any, *said: object) -> Groups:
    found, schemas, arrays = _Found(), (_Schema * _TABLES)(), (_Array * _TABLES)()
    failed = function(*said, ctypes.byref(found), schemas, arrays)
    tables = [_Arrow(schemas[at], arrays[at]) for at in range(_TABLES)]
    try:
        _check(failed)
        groups, pairs, spots = (pl.DataFrame(table) for table in tables)
        return Groups(found.lines, groups, pairs, spots, _odd(found), found.latest, _unknown(found))
    finally:
        _library().cuidx_found_free(ctypes.byref(found))
        for table in tables:
            table.let_go()


def _stream(columns: pl.DataFrame | pl.Series) -> tuple[object, ctypes.c_void_p]:
    """What keeps an Arrow stream of COLUMNS alive, and where it is."""
    capsule = columns.__arrow_c_stream__()
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype = ctypes.c_void_p
    pointer.argtypes = (ctypes.py_object, ctypes.c_char_p)
    return capsule, ctypes.c_void_p(pointer(capsule, b"arrow_array_stream"))


def _check(failed: int) -> None:
    if failed:
        raise (
            MemoryError("no memory to cut a block of lines")
            if failed == 1
            else ValueError("whole lines are needed" if failed == 2 else _LAYOUT)
        )


def _odd(found: _Found) -> list[Odd]:
    if not found.odds:
        return []
    return [Odd(o.line, o.start, o.end, o.before) for o in found.odd[: found.odds]]


def _unknown(found: _Found) -> list[tuple[int, bytes]]:
    if not found.unknowns:
        return []
    some = found.unknown[: found.unknowns]
    return [(u.context, ctypes.string_at(u.key, u.size)) for u in some]


def bits(texts: pl.Series, seeds: pl.Series | None = None) -> pl.Series:
    """64 bits for each of TEXTS, null for null, as `group` has them; SEEDS are of their length."""
    stream, address = _stream(texts.cast(pl.String))
    out = array("Q", bytes(8 * len(texts)) if seeds is None else seeds.to_list())
    room = (ctypes.c_uint64 * len(texts)).from_buffer(out)
    if _library().cuidx_bits(address, room, ctypes.c_int64(len(texts))):
        raise ValueError(_LAYOUT)
    del stream
    found = pl.Series(texts.name, out, dtype=pl.UInt64)
    return found.set(texts.is_null(), None) if texts.null_count() else found


def distinct(parts: Sequence[tuple[pl.Series, pl.Series, memoryview]], count: int) -> pl.Series:
    """How many different values each number below COUNT has, at its place (Int64).

    PARTS are (places, values, numbers). Places (UInt32) and values (UInt64) are as many, none null;
    numbers (32 bits) are what stands at each place, NOBODY where rows do not count.
    """
    counts = array("q", bytes(8 * count))
    parts = [part for part in parts if len(part[0]) or len(part[1])]
    if not parts:
        return pl.Series(counts, dtype=pl.Int64)
    columns = [part[0] for part in parts], [part[1] for part in parts]
    whole = (pl.concat([one.rechunk() for one in column], rechunk=False) for column in columns)
    kept, addresses = zip(*(_stream(column) for column in whole), strict=True)
    numbers = [(ctypes.c_uint32 * len(of)).from_buffer(of) for *_, of in parts]
    named = (_Named * len(numbers))()
    for at, one in enumerate(numbers):
        named[at] = _Named(ctypes.addressof(one), len(one))
    _check(_library().cuidx_distinct(
        *addresses, named, ctypes.c_int64(len(named)), ctypes.c_int64(count),
        (ctypes.c_int64 * count).from_buffer(counts),
    ))  # fmt: skip
    del kept
    return pl.Series(counts, dtype=pl.Int64)
