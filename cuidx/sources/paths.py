"""From what the user typed to the files that are read, each once, in the order of their paths."""

from __future__ import annotations

import errno
import glob
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cuidx.errors import SourceError, UsageError

if TYPE_CHECKING:
    from cuidx.sources.elastic.index import Foreign, Stored

STDIN = "-"
_SCHEMES = ("http://", "https://")
CONFIG = "cuidx.toml"  # found beside sources; in a folder of logs it is none of them
# What a simulation says of itself beside its logs: in their folder it is none of them either.
TRUTH = ("truth.json", "truth_mentions.jsonl")
TRUTH_HEAD = b'{"simulated":'


@dataclass(frozen=True, slots=True)
class Source:
    """One input. `path` is how it is named in results: as typed, or as found below a folder."""

    path: str
    named: bool = True  # typed by the user; a file found in a folder may be left out if no text
    twin_of: str | None = None  # the same file under another path that comes before
    remote: Stored | Foreign | None = None  # documents of a server, not a file


def is_url(argument: str) -> bool:
    """Whether a SOURCE is a server's."""
    return argument.lower().startswith(_SCHEMES)


def _at_url(url: str) -> Sequence[Stored | Foreign]:
    from cuidx.sources.elastic.index import open_index

    return open_index(url).sources


def expand(
    arguments: Iterable[str | os.PathLike[str]],
    ask: Callable[[str], Sequence[Stored | Foreign]] = _at_url,
) -> list[Source]:
    """The sources of ARGUMENTS in the order of their paths, standard input first.

    ASK gives what a URL leads to; by default who asks is told by the environment.

    A path named twice is there once; one file reached by two paths is there twice, the second
    time as the twin of the first, so that its records can be counted as duplicates.

    Raises:
        SourceError: a path or a glob that leads to nothing.
        UsageError: no argument at all.
    """
    found: dict[str, bool] = {}
    remote: list[Source] = []
    given = [os.fspath(argument) for argument in arguments]
    if not given:
        raise UsageError("no source given", do="name a file, a folder, a quoted glob, or -")
    for argument in given:
        if not argument:
            raise UsageError("a source has an empty name", do="is a shell variable not set?")
        if is_url(argument):
            remote += [Source(one.path, remote=one) for one in ask(argument)]
            continue
        for path, named in _files(argument):
            found[path] = found.get(path, False) or named
    sources = []
    first_path: dict[tuple[int, int], str] = {}
    for path in sorted(found, key=lambda p: (p != STDIN, p)):
        twin = None
        if path != STDIN:
            status = Path(path).stat()
            if stat.S_ISREG(status.st_mode):
                twin = first_path.setdefault((status.st_dev, status.st_ino), path)
        sources.append(Source(path, found[path], None if twin == path else twin))
    return sorted([*sources, *remote], key=lambda source: (source.path != STDIN, source.path))


def _files(argument: str) -> Iterator[tuple[str, bool]]:
    if argument == STDIN:
        yield STDIN, True
        return
    try:
        Path(argument).stat()
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            yield from _there_or_not(argument)
            return
        raise SourceError(
            f"can't be opened: {getattr(error, 'strerror', None) or error}",
            where=argument,
            do="check the path and its permissions",
        ) from None
    yield from _there_or_not(argument)


def _there_or_not(argument: str) -> Iterator[tuple[str, bool]]:
    path = Path(argument)
    if path.is_dir():
        found = list(_walk(argument))
        if not found:
            raise SourceError("no file is in this folder", where=argument, do="check the path")
        yield from ((below, False) for below in found)
    elif path.exists():
        yield argument, True
    elif glob.has_magic(argument):
        hits = glob.glob(argument, recursive=True)  # noqa: PTH207 - pathlib's drops "./" and "//"
        if not hits:
            raise SourceError("no file fits this glob", where=argument, do="check the pattern")
        for hit in hits:
            if Path(hit).is_dir():
                yield from ((below, False) for below in _walk(hit))
            else:
                yield hit, True
    else:
        raise SourceError("no such file or folder", where=argument, do="check the path")


def _walk(folder: str) -> Iterator[str]:
    def refuse(error: OSError) -> None:
        raise SourceError(
            f"can't list this folder: {error.strerror}",
            where=str(error.filename),
            do="check its permissions, or name the files you can read",
        )

    # Links to folders are not followed: /var/log/pods has none, and loops exist.
    for here, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = os.path.join(here, name)  # noqa: PTH118 - keeps the spelling the user typed
            if name in TRUTH and _is_simulated(here):
                continue
            if not name.startswith(".") and name != CONFIG and Path(path).is_file():
                yield path


def _is_simulated(folder: str) -> bool:
    try:
        with (Path(folder) / TRUTH[0]).open("rb") as file:
            return file.read(len(TRUTH_HEAD)) == TRUTH_HEAD
    except OSError:
        return False
