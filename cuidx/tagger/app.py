"""`cuidx tag`: from the command line to the loop and its end."""

from __future__ import annotations

import fcntl
import os
import stat
import sys
from collections.abc import Callable, Sequence

from cuidx.tagger import lifecycle, options, say
from cuidx.tagger.loop import Loop, ReaderGoneError
from cuidx.tagger.mirror import Mirror
from cuidx.tagger.tagging import STYLES, Tag, make_tag
from cuidx.tagger.tree import Key, Tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cuidx.tagger.kinds import Sink, Tags
    from cuidx.tagger.link import Server

Emit = Callable[[bytes, Tag], None]


def main(words: Sequence[str] | None = None) -> int:
    """Run `cuidx tag`; returns its exit code."""
    given = sys.argv[1:] if words is None else words
    for word, text in (
        ("--help", options.usage),
        ("-h", options.usage),
        ("--version", say.version),
    ):
        if word in given:
            print(text().rstrip())
            return 0
    try:
        return _run(options.parse(given))
    except say.Refusal as refusal:
        say.note(str(refusal))
        return refusal.code
    except OSError as error:
        if os.environ.get("CUIDX_DEBUG") == "1":
            raise
        say.note(f"{error.filename or ''}: {error.strerror or error}".removeprefix(": "))
        return 3


def _run(chosen: options.Chosen) -> int:
    source = os.path.realpath(os.fsencode(chosen.source))
    if not os.path.isdir(source):
        raise say.Refusal(f"--source {chosen.source}: no such folder", 3)
    out = _prepare(chosen.out, source) if chosen.out not in ("", "-") else b""
    state = out
    if chosen.state and os.path.realpath(os.fsencode(chosen.state)) != out:
        state = _prepare(chosen.state, source, what="--state")
    most_open = _descriptors()
    emit: Emit = (lambda line, tag: lifecycle.write(out, line, tag)) if out else lambda *_: None
    tags: Tags
    if chosen.layout == "cri":
        from cuidx.tagger.cri import Instances

        tags = Instances(state, source, svc=chosen.svc, sortable=chosen.uuid7, emit=emit)
    else:
        cuid = chosen.cuid or options.new_uuid(sortable=chosen.uuid7)
        tags = One(make_tag(cuid, chosen.svc or options.default_svc()), emit)
    tree = Tree(
        source,
        but={_key(path) for path in (out, state) if path},
        wanted=tags.found,
        most_open=most_open * 3 // 4,
        poll_only=chosen.poll,
        links=chosen.layout == "cri",
    )
    style = STYLES["cri" if chosen.layout == "cri" else chosen.style]
    sink: Sink
    forward = stream = None
    if chosen.forward:
        from cuidx.tagger.forward import Forward

        sink = forward = Forward(
            _server(chosen),
            tags.tag_for,
            name=chosen.forward_tag,
            mode=chosen.forward_mode,
            state=state,
        )
    elif out:
        sink = Mirror(out, style, tags.tag_for, min(most_open // 4, 256), keep=chosen.keep)
    else:
        from cuidx.tagger.stream import Stream

        sink = stream = Stream(1, style, tags.tag_for)
    loop = Loop(tree, sink, linger=chosen.linger, grace=chosen.grace)
    loop.on_lost = tags.lost
    if chosen.health:
        from cuidx.tagger import health

        health.serve(chosen.health)
    if forward is not None:
        forward.start(loop.wake)
    tags.begin()
    try:
        if stream is not None:
            stream.over = loop.is_over
        if stream is not None and stat.S_IFMT(os.fstat(1).st_mode) in (stat.S_IFIFO, stat.S_IFSOCK):
            loop.end_with(1)
        loop.once() if chosen.once else loop.run()
    except ReaderGoneError:
        return 0
    tags.end()
    return 0


def _server(chosen: options.Chosen) -> Server:
    """The Forward server that the options name."""
    from cuidx.tagger import link

    key = chosen.forward_shared_key or os.environ.get("CUIDX_FORWARD_SHARED_KEY", "")
    try:
        return link.server(
            chosen.forward,
            name=os.environ.get("POD_NAME") or os.uname().nodename,
            key=key,
            tls=chosen.forward_tls,
            ca=chosen.forward_ca,
        )
    except ValueError as error:
        raise say.Refusal(f"--forward {chosen.forward}: {error}") from None
    except OSError as error:  # also ssl.SSLError: a file without a certificate
        raise say.Refusal(f"--forward-ca {chosen.forward_ca}: {error.strerror or error}") from None


class One:
    """One tag for all: the sidecar of one Pod."""

    def __init__(self, tag: Tag, emit: Emit) -> None:
        self.tag = tag
        self.emit = emit

    def begin(self) -> None:
        """Write the start record."""
        self.emit(lifecycle.record("start", lifecycle.facts()), self.tag)

    def found(self, path: bytes) -> bool:
        """All files are wanted."""
        return True

    def tag_for(self, path: bytes) -> Tag:
        """The one tag."""
        return self.tag

    def lost(self, path: bytes) -> None:
        """The Pod goes on without this file."""

    def end(self) -> None:
        """Write the stop record."""
        self.emit(lifecycle.record("stop", lifecycle.facts()), self.tag)


def _key(path: bytes) -> Key:
    about = os.stat(path)
    return about.st_dev, about.st_ino


def _prepare(given: str, source: bytes, what: str = "--out") -> bytes:
    """OUT or the state folder: made if missing, checked against SOURCE, locked while we live."""
    os.makedirs(given, exist_ok=True)
    out = os.path.realpath(os.fsencode(given))
    at, key = source, _key(out)
    while True:  # by device and inode: a bind mount has another path
        if _key(at) == key:
            same = "is" if at == source else "lies below"
            raise say.Refusal(f"--source {same} {what}: it would read what it writes")
        if at == os.path.dirname(at):
            break
        at = os.path.dirname(at)
    _lock(out, f"{what} {given}")
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
