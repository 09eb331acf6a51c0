"""A folder of files that appears whole or not at all, with names that are safe everywhere."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cuidx.errors import CuidxError, UsageError

INDEX: Final = "index.json"
_WAITING: Final = 64 << 20  # bytes kept until they are written: each file is opened seldom then
_LONGEST: Final = 100  # characters of a name
_ODD: Final = re.compile(r"[^A-Za-z0-9._+=@#-]")
# Windows takes these for devices, whatever follows after a dot.
_DEVICES: Final = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9]|conin\$|conout\$)(\.|$)")


def safe_names(texts: Sequence[str], suffix: str = ".log") -> list[str]:
    """A file name for each of TEXTS: different ones for different texts, on any system.

    A text that can stand as it is does. Of others, and of texts that differ in case alone, a part
    of their SHA-256 keeps them apart, so that a name depends on no other source's lines.
    """
    plain = [_plain(text) for text in texts]
    taken = Counter(name.casefold() for name in plain)
    return [
        (name if name == text and taken[name.casefold()] == 1 else f"{name}~{_digest(text)}")
        + suffix
        for text, name in zip(texts, plain, strict=True)
    ]


def _digest(text: str) -> str:  # behind a "~", which no text keeps: so none can look like another's
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _plain(text: str) -> str:
    name = _ODD.sub("_", text)[:_LONGEST].rstrip(".")
    # "_" is for names of our own; "." hides a file, and "-" looks like an option.
    if not name or name[0] in "._-" or _DEVICES.match(name):
        name = "x" + name
    return name


class Folder:
    """Files of a folder being made. Lines wait in memory and are appended, many at a time.

    No file stays open, so there may be as many as the disk can hold.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.names: list[str] = []
        self.lines: list[int] = []
        self.bytes: list[int] = []
        self._waiting: list[list[bytes]] = []
        self._open_end: list[bool] = []  # whether the last line written has no newline
        self._size = 0
        self._documents = 0

    def document(self, path: str) -> None:
        """Make room for the whole document that PATH is called in its source."""
        base = path.replace("\\", "/").rpartition("/")[2]
        for packed in (".gz", ".zst", ".bz2", ".xz"):  # its bytes come unpacked
            base = base.removesuffix(packed)
        self._documents += 1
        self.expect([f"_document-{self._documents}-{_ODD.sub('_', base)[-_LONGEST:]}"])

    def expect(self, names: Sequence[str]) -> None:
        """Make room for files of these NAMES; their places go on from those before."""
        for name in names:
            self.names.append(name)
            self.lines.append(0)
            self.bytes.append(0)
            self._waiting.append([])
            self._open_end.append(False)

    def add(self, lines: Sequence[bytes], places: Sequence[int]) -> None:
        """Write each of LINES, with a newline, to its place; one below 0 is none."""
        waiting = self._waiting
        for line, place in zip(lines, places, strict=True):
            if place >= 0:
                waiting[place].append(line)
        self._size += sum(map(len, lines))
        if self._size > _WAITING:
            self.flush()

    def unended(self, line: bytes, place: int) -> None:
        """Write a line that has no newline; if another follows, one is put between."""
        if place >= 0:
            self._waiting[place].append(line)
            self._append(place, ended=False)

    def flush(self) -> None:
        """Write what waits."""
        for place, waiting in enumerate(self._waiting):
            if waiting:
                self._append(place)
        self._size = 0

    def _append(self, place: int, *, ended: bool = True) -> None:
        waiting = self._waiting[place]
        data = b"\n".join([b"", *waiting] if self._open_end[place] else waiting)
        if ended:
            data += b"\n"
        with (self._path / self.names[place]).open("ab") as file:
            file.write(data)
        self.lines[place] += len(waiting)
        self.bytes[place] += len(data)
        self._open_end[place] = not ended
        self._waiting[place] = []

    def create(self, place: int) -> None:
        """Make PLACE's file, empty, if nothing was written to it."""
        (self._path / self.names[place]).touch()

    @property
    def path(self) -> Path:
        """Where the files are until all of them are written."""
        return self._path


def check(output: Path, *, force: bool, sources: Sequence[str] = ()) -> None:
    """Refuse what can't become the folder, before an hour of reading is lost to it.

    Raises:
        UsageError: OUTPUT is a file, is not empty (without FORCE), or holds a source.
    """
    where = str(output)
    target = Path(os.path.realpath(output))
    if not where or (target.exists() and not target.is_dir()):
        raise UsageError("is no folder", where=where, do="name a new folder after -o")
    if not target.parent.is_dir():
        parent = output.parent
        raise UsageError(
            f"there is no folder {parent}", where=where, do=f"make it first: mkdir -p {parent}"
        )
    for source in sources:
        if target in Path(os.path.realpath(source)).parents:
            raise UsageError(
                f"the source {source} is in it", where=where, do="name a folder apart from the logs"
            )
    try:
        filled = target.is_dir() and any(target.iterdir())
    except OSError as error:
        raise _cannot(output, error) from None
    if filled and not force:
        raise UsageError(
            "this folder is not empty",
            where=where,
            do="name a new one, or --force: it replaces what an earlier split wrote there, "
            "and leaves all other files alone",
        )
    if filled:
        _refuse_others(output, target, [INDEX])


@contextmanager
def made(output: Path) -> Iterator[Folder]:
    """A folder whose files appear in OUTPUT when the block ends well, else not at all.

    What an earlier split wrote into OUTPUT, by its index, is replaced; other files stay.
    """
    target = Path(os.path.realpath(output))
    there = target.is_dir()
    # In a folder that is there, because that may be a file system of its own.
    name = f".{target.name[:80]}.{os.urandom(4).hex()}.part"
    part = (target if there else target.parent) / name
    try:
        part.mkdir()
    except OSError as error:
        raise _cannot(output, error) from None
    try:
        folder = Folder(part)
        yield folder
        folder.flush()
        if there:
            _move_in(output, part, target)
        else:
            part.rename(target)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}:
            raise
        raise CuidxError(
            f"writing stopped: {error.strerror}", where=str(output), do="nothing was written there"
        ) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _move_in(output: Path, part: Path, target: Path) -> None:
    new = sorted(path.name for path in part.iterdir())
    _refuse_others(output, target, new)
    old = part / "old"
    old.mkdir()
    moved: list[tuple[Path, Path]] = []
    try:
        for name in _of_earlier_split(target):
            moved.append((target / name, old / name))
            (target / name).rename(old / name)
        for name in new:
            moved.append((part / name, target / name))
            (part / name).rename(target / name)
    except BaseException:  # also KeyboardInterrupt: as it was
        for before, after in reversed(moved):
            if after.exists() and not before.exists():
                after.rename(before)
        raise


def _refuse_others(output: Path, target: Path, names: Sequence[str]) -> None:
    ours = set(_of_earlier_split(target))
    for name in names:
        if name not in ours and os.path.lexists(target / name):
            raise UsageError(
                "is there, and no earlier split wrote it",
                where=str(output / name),
                do="move it away, or name another folder",
            )


def _of_earlier_split(target: Path) -> list[str]:
    """The files in TARGET that its index says a split wrote, and the index."""
    try:
        index = json.loads((target / INDEX).read_bytes())
        if index["command"] != "split":
            return []
        names = {INDEX, *(str(row["path"]) for row in index["files"])}
    except (OSError, ValueError, LookupError, TypeError):
        return []
    return sorted(name for name in names if Path(name).name == name and (target / name).is_file())


def _cannot(output: Path, error: OSError) -> UsageError:
    return UsageError(
        f"can't be written: {error.strerror}",
        where=str(output),
        do="name a folder that you can write to after -o",
    )
