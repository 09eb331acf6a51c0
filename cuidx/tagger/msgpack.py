"""As much MessagePack as Fluentd's Forward protocol needs. Source: msgpack spec.md.

Encoding is only for what the tagger sends; decoding knows every type a server may answer with.
"""

from __future__ import annotations

import struct


class Short(Exception):  # noqa: N818 - more bytes are to come
    """The value is not complete yet."""


def text(value: bytes) -> bytes:
    """VALUE as str; its bytes need not be UTF-8: collectors pass them on as they are."""
    size = len(value)
    if size < 32:
        return bytes((0xA0 | size,)) + value
    if size < 256:
        return bytes((0xD9, size)) + value
    if size < 65536:
        return b"\xda" + size.to_bytes(2, "big") + value
    return b"\xdb" + size.to_bytes(4, "big") + value


def text_head(size: int) -> bytes:
    """What stands before a str of SIZE bytes."""
    if size < 32:
        return bytes((0xA0 | size,))
    if size < 256:
        return bytes((0xD9, size))
    return b"\xda" + size.to_bytes(2, "big") if size < 65536 else b"\xdb" + size.to_bytes(4, "big")


def binary_head(size: int) -> bytes:
    """What stands before a bin of SIZE bytes."""
    if size < 256:
        return bytes((0xC4, size))
    return b"\xc5" + size.to_bytes(2, "big") if size < 65536 else b"\xc6" + size.to_bytes(4, "big")


def array_head(size: int) -> bytes:
    """What stands before an array of SIZE values."""
    if size < 16:
        return bytes((0x90 | size,))
    return b"\xdc" + size.to_bytes(2, "big") if size < 65536 else b"\xdd" + size.to_bytes(4, "big")


def number(value: int) -> bytes:
    """A whole number from 0 on."""
    if value < 128:
        return bytes((value,))
    return b"\xce" + value.to_bytes(4, "big")


def event_time(nanoseconds: int) -> bytes:
    """EventTime: extension type 0, seconds and nanoseconds (Forward Protocol Specification v1)."""
    return b"\xd7\x00" + struct.pack(">II", *divmod(nanoseconds, 1_000_000_000))


_FIXED = {
    **{0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q"},
    **{0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"},
}
_SIZED = {  # how many bytes the length has, and how many come after it besides
    **{0xC4: (1, 0), 0xC5: (2, 0), 0xC6: (4, 0), 0xD9: (1, 0), 0xDA: (2, 0), 0xDB: (4, 0)},
    **{0xC7: (1, 1), 0xC8: (2, 1), 0xC9: (4, 1)},
}
_DEEPEST = 32


def decode(data: bytes, at: int = 0, depth: int = 0) -> tuple[object, int]:
    """One value of DATA from AT on, and where it ends. Strings are bytes. Short, ValueError."""
    if at >= len(data):
        raise Short
    first = data[at]
    at += 1
    if first < 0x80:
        return first, at
    if first >= 0xE0:
        return first - 256, at
    if first < 0x90:
        return _map(data, at, first & 15, depth)
    if first < 0xA0:
        return _array(data, at, first & 15, depth)
    if first < 0xC0:
        return _bytes(data, at, first & 31)
    if first in (0xC0, 0xC2, 0xC3):
        return (None, False, True)[max(first - 0xC1, 0)], at
    if first in _FIXED:
        raw, end = _bytes(data, at, struct.calcsize(_FIXED[first]))
        return struct.unpack(_FIXED[first], raw)[0], end
    if first in _SIZED:
        width, more = _SIZED[first]
        raw, at = _bytes(data, at, width)
        return _bytes(data, at, int.from_bytes(raw, "big") + more)
    if 0xD4 <= first <= 0xD8:
        return _bytes(data, at, 1 + (1 << (first - 0xD4)))
    if first >= 0xDC:
        raw, at = _bytes(data, at, 2 if first in (0xDC, 0xDE) else 4)
        count = int.from_bytes(raw, "big")
        return (_array if first < 0xDE else _map)(data, at, count, depth)
    raise ValueError(f"no MessagePack: {first:#x}")


def _bytes(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    if at + size > len(data):
        raise Short
    return data[at : at + size], at + size


def _array(data: bytes, at: int, count: int, depth: int) -> tuple[list[object], int]:
    if depth > _DEEPEST:
        raise ValueError("nested too deep")
    values = []
    for _ in range(count):
        value, at = decode(data, at, depth + 1)
        values.append(value)
    return values, at


def _map(data: bytes, at: int, count: int, depth: int) -> tuple[dict[object, object], int]:
    values, at = _array(data, at, 2 * count, depth)
    keys = (key if isinstance(key, bytes) else repr(key) for key in values[::2])
    return dict(zip(keys, values[1::2], strict=True)), at
