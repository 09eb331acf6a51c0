"""Where a result goes: standard output, or a file that is never half of one."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, cast

from cuidx.errors import CuidxError, UsageError

_STDOUT = {"-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"}


@contextmanager
def opened(output: Path | None) -> Iterator[IO[bytes]]:
    """OUTPUT for writing; None and `-` are standard output.

    A regular file appears, or changes, only when the block ends well: until then the bytes are in
    a temporary file beside it. Devices, pipes and sockets are written directly.
    """
    if is_stdout(output):
        yield _stdout()
        return
    assert output is not None  # noqa: S101 - for mypy
    target = Path(os.path.realpath(output))  # a link stays a link
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        mode = None
    except OSError as error:
        raise _cannot(output, error) from None
    if mode is not None and stat.S_ISDIR(mode):
        raise UsageError("is a folder", where=str(output), do="name a file in it")
    if mode is not None and not stat.S_ISREG(mode):
        with _opened(output, target) as file:
            yield file
        return
    with _replacing(output, target, mode) as file:
        yield file


def is_stdout(output: Path | None) -> bool:
    """Whether OUTPUT means standard output."""
    return output is None or str(output) in _STDOUT


def check(output: Path | None) -> None:
    """Refuse what can't become a file, before an hour of reading is lost to it.

    Raises:
        UsageError: OUTPUT is a folder, or in none.
    """
    if output is None or is_stdout(output):
        return
    if output.is_dir():
        raise UsageError("is a folder", where=str(output), do="name a file in it")
    if not Path(os.path.realpath(output)).parent.is_dir():
        folder = output.parent
        raise UsageError(
            f"there is no folder {folder}",
            where=str(output),
            do=f"make it first: mkdir -p {folder}",
        )


@contextmanager
def _replacing(output: Path, target: Path, mode: int | None) -> Iterator[IO[bytes]]:
    check(output)
    part = target.with_name(f".{target.name[:80]}.{os.urandom(4).hex()}.part")
    try:
        with _opened(output, part, flags=os.O_EXCL) as file:
            yield file
        if mode is not None:
            part.chmod(stat.S_IMODE(mode))
        try:
            part.replace(target)
        except OSError as error:
            raise _cannot(output, error) from None
    except BaseException:  # also KeyboardInterrupt: nothing half-written stays
        with suppress(OSError):
            part.unlink()
        raise


@contextmanager
def _opened(output: Path, path: Path, flags: int = 0) -> Iterator[IO[bytes]]:
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | flags, 0o666)
    except OSError as error:
        raise _cannot(output, error) from None
    try:
        with os.fdopen(number, "wb") as file:
            yield file
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}:
            raise
        raise CuidxError(
            f"writing stopped: {error.strerror}", where=str(output), do="nothing was written there"
        ) from None


def _cannot(output: Path, error: OSError) -> UsageError:
    return UsageError(
        f"can't be written: {error.strerror}",
        where=str(output),
        do="name a file in a folder that you can write to",
    )


def _stdout() -> IO[bytes]:
    sys.stdout.flush()
    return cast("IO[bytes]", getattr(sys.stdout, "buffer", None) or _Encoded())


class _Encoded:
    """Bytes for a standard output that takes only text (a notebook's)."""

    def write(self, data: bytes) -> int:
        sys.stdout.write(data.decode("utf-8"))
        return len(data)

    def flush(self) -> None:
        sys.stdout.flush()
