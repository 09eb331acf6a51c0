"""The folder of a story, which appears whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cuidx.errors import CuidxError, UsageError
from cuidx.simulation import truth


def check(output: Path, *, force: bool) -> None:
    """Refuse a folder that can't be the story's, before anything is made.

    Raises:
        UsageError: OUTPUT is a file, has no parent, or is not empty (without FORCE).
    """
    where = str(output)
    if output.exists() and not output.is_dir():
        raise UsageError("is no folder", where=where, do="name a new folder after -o")
    if not output.resolve().parent.is_dir():
        raise UsageError(
            f"there is no folder {output.parent}", where=where,
            do=f"make it first: mkdir -p {output.parent}",
        )  # fmt: skip
    if output.is_dir() and any(output.iterdir()) and not force:
        raise UsageError(
            "this folder is not empty", where=where,
            do="name a new one, or --force: it replaces what an earlier simulation wrote there, "
            "and leaves all other files alone",
        )  # fmt: skip


@contextmanager
def made(output: Path) -> Iterator[Path]:
    """A folder to write into; what is in it comes to OUTPUT when the block ends well.

    Raises:
        UsageError: a file of another's is in the way.
    """
    target = output.resolve()
    there = target.is_dir()
    part = (target if there else target.parent) / f".{target.name[:80]}.{os.urandom(4).hex()}.part"
    try:
        part.mkdir()
        yield part
        if not there:
            part.rename(target)
            return
        _make_room(output, target, [path.name for path in part.iterdir()])
        for path in sorted(part.iterdir()):
            path.rename(target / path.name)
    except OSError as error:
        raise CuidxError(
            f"can't be written: {error.strerror}", where=str(output),
            do="name a folder that you can write to after -o, or make room",
        ) from None  # fmt: skip
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _make_room(output: Path, target: Path, names: list[str]) -> None:
    """Take away what an earlier simulation wrote into TARGET, as its truth says."""
    earlier = _earlier(target)
    left = [path for path in target.rglob("*")
            if path.is_file() and str(path.relative_to(target)) not in earlier]  # fmt: skip
    for path in left:
        if path.relative_to(target).parts[0] in names:
            raise UsageError(
                "is there, and no earlier simulation wrote it",
                where=str(output / path.relative_to(target)),
                do="move it away, or name another folder",
            )
    for name in sorted(earlier):
        (target / name).unlink(missing_ok=True)
        for folder in (target / name).parents:
            if folder == target or not folder.is_dir() or any(folder.iterdir()):
                break
            folder.rmdir()


def _earlier(target: Path) -> set[str]:
    try:
        said = json.loads((target / truth.NAME).read_bytes())
        names = [str(name) for name in said["files"]] if said["simulated"] else []
    except (OSError, ValueError, LookupError, TypeError):
        return set()
    known = {
        name for name in names if ".." not in Path(name).parts and not Path(name).is_absolute()
    }
    return {*known, truth.NAME, truth.MENTIONS}
