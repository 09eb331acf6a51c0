"""`cuidx tag`: from the command line to the loop and its end."""

from __future__ import annotations

import fcntl
import os
import stat
import sys
from argparse import Namespace
from collections.abc import Sequence

from cuidx.tagger import lifecycle, options, say
from cuidx.tagger.loop import Loop, Sink
from cuidx.tagger.mirror import Mirror
from cuidx.tagger.tagging import STYLES, make_tag
from cuidx.tagger.tree import Key, Tree


def main(words: Sequence[str] | None = None) -> int:
    """Run `cuidx tag`; returns its exit code."""
    try:
        return _run(options.parse(words))
    except say.Refusal as refusal:
        say.note(str(refusal))
        return refusal.code
    except OSError as error:
        if os.environ.get("CUIDX_DEBUG") == "1":
            raise
        say.note(f"{error.filename or ''}: {error.strerror or error}".removeprefix(": "))
        return 3


def _run(chosen: Namespace) -> int:
    source = os.path.realpath(os.fsencode(chosen.source))
    if not os.path.isdir(source):
        raise say.Refusal(f"--source {chosen.source}: no such folder", 3)
    to_stdout = chosen.out == "-"
    out = b"" if to_stdout else _prepare(chosen.out, source)
    most_open = _descriptors()
    tag = make_tag(
        chosen.cuid or options.new_uuid(sortable=chosen.uuid7), chosen.svc or options.default_svc()
    )
    style = STYLES[chosen.style]
    tree = Tree(
        source,
        but=None if to_stdout else _key(out),
        wanted=lambda path: True,
        most_open=most_open * 3 // 4,
        poll_only=chosen.poll,
    )
    sink: Sink
    if to_stdout:
        _serve_health(chosen.health)
        from cuidx.tagger.stream import Closed, Stream

        sink = Stream(1, style, lambda path: tag)
        loop = Loop(tree, sink, linger=chosen.linger, grace=chosen.grace)
        if stat.S_ISFIFO(os.fstat(1).st_mode) or stat.S_ISSOCK(os.fstat(1).st_mode):
            loop.end_with(1)
        try:
            loop.once() if chosen.once else loop.run()
        except Closed:
            return 0
        return 0
    sink = Mirror(out, style, lambda path: tag, min(most_open // 4, 256))
    loop = Loop(tree, sink, linger=chosen.linger, grace=chosen.grace)
    _serve_health(chosen.health)
    lifecycle.write(out, lifecycle.record("start", lifecycle.facts()), tag)
    loop.once() if chosen.once else loop.run()
    lifecycle.write(out, lifecycle.record("stop", lifecycle.facts()), tag)
    return 0


def _serve_health(where: str | None) -> None:
    if where:
        from cuidx.tagger import health

        health.serve(where)


def _key(path: bytes) -> Key:
    about = os.stat(path)
    return about.st_dev, about.st_ino


def _prepare(given: str, source: bytes) -> bytes:
    """OUT, made if it is missing, checked against SOURCE and locked for as long as we live."""
    os.makedirs(given, exist_ok=True)
    out = os.path.realpath(os.fsencode(given))
    at, key = source, _key(out)
    while True:  # by device and inode: a bind mount has another path
        if _key(at) == key:
            same = "is" if at == source else "lies below"
            raise say.Refusal(
                f"--source {same} --out: the tagger would tag its own output for ever"
            )
        if at == os.path.dirname(at):
            break
        at = os.path.dirname(at)
    _lock(out, given)
    return out


def _lock(out: bytes, given: str) -> None:
    """One tagger for an OUT. The lock is the kernel's, and ends with the process in any case."""
    fd = os.open(out, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:  # NFS locks only files that are open for writing (flock(2))
            name = out + b"/.ikontainer.lock"
            fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise say.Refusal(
            f"--out {given}: another tagger writes there; give each its own"
        ) from None


def _descriptors() -> int:
    """How many files may be open, after asking for as many as the hard limit allows."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    if soft == resource.RLIM_INFINITY:
        return most
    if soft < most:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
        except (OSError, ValueError):
            pass
    return max(soft - 32, 8)


if __name__ == "__main__":
    sys.exit(main())
