"""The two things Python's library can't ask Linux for: inotify, and a file system's type.

Source: inotify(7), statfs(2).
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterator

MODIFY = 0x2
ATTRIB = 0x4
MOVED_FROM = 0x40
MOVED_TO = 0x80
CREATE = 0x100
DELETE = 0x200
DELETE_SELF = 0x400
MOVE_SELF = 0x800
OVERFLOW = 0x4000
IGNORED = 0x8000
ONLYDIR = 0x01000000
DONT_FOLLOW = 0x02000000
ISDIR = 0x40000000

WATCHED = (
    MODIFY | ATTRIB | MOVED_FROM | MOVED_TO | CREATE | DELETE | DELETE_SELF | ONLYDIR | DONT_FOLLOW
)
_HEAD = struct.Struct("iIII")

# File systems on which others write without an event here: NFS, FUSE (also virtiofs), CIFS, SMB2,
# 9p, Ceph, AFS, GPFS, Lustre.
REMOTE = {
    0x6969,
    0x65735546,
    0xFF534D42,
    0xFE534D42,
    0x01021997,
    0x00C36400,
    0x5346414F,
    0x47504653,
    0x0BD00BD0,
}

_libc = ctypes.CDLL(None, use_errno=True)


class Inotify:
    """One inotify instance. OSError with EMFILE or ENFILE when the node has none left."""

    def __init__(self) -> None:
        self.fd: int = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")

    def add(self, path: bytes) -> int:
        """The watch of the folder at PATH; the same number if it has one already."""
        wd: int = _libc.inotify_add_watch(self.fd, path, WATCHED)
        if wd < 0:
            raise OSError(ctypes.get_errno(), "inotify_add_watch")
        return wd

    def remove(self, wd: int) -> None:
        """Forget a watch; one that the kernel has dropped already is fine."""
        _libc.inotify_rm_watch(self.fd, wd)

    def events(self) -> Iterator[tuple[int, int, bytes]]:
        """(watch, mask, name) of what has happened, without waiting."""
        try:
            data = os.read(self.fd, 65536)
        except BlockingIOError:
            return
        at, unpack = 0, _HEAD.unpack_from
        while at < len(data):
            wd, mask, _, size = unpack(data, at)
            at += 16 + size
            yield wd, mask, data[at - size : at].rstrip(b"\0")


def is_remote(path: bytes) -> bool:
    """Whether PATH lies on a file system that others can write to without an event here."""
    buffer = ctypes.create_string_buffer(512)  # struct statfs has about 120 bytes
    if _libc.statfs(path, buffer) != 0:
        return False
    kind: int = struct.unpack_from("L", buffer)[0]
    return kind & 0xFFFFFFFF in REMOTE


def out_of_watches(error: OSError) -> bool:
    """ENOSPC from inotify_add_watch means the limit of watches, not a full disk."""
    return error.errno in (errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSYS)
