"""The mirror: OUT holds each source's lines under the same relative path, and is the checkpoint.

A restart reads an output back: it tags its source once more with the tag that stands in each
output line and compares. So a place is found by content, never by a name, a length or a note,
and there is nothing that could be written to the mirror and not be remembered.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator

from cuidx.suffix import CUID_KEY
from cuidx.tagger import say
from cuidx.tagger.follow import READ, Source, lines_from
from cuidx.tagger.tagging import STYLES, Style, Tag, append, tag_of, untagged

LIFECYCLE = b"ikontainer.lifecycle.log"
OWN = b".ikontainer."
MOVING = OWN + b"moving."
SHARED = OWN + b"shared"
WRITE = 384 * 1024  # tagged bytes in flight: blank lines grow a hundredfold
COMPARED = 32 * 1024  # of a source at once: blank lines grow here too
HEAD = 512
HEAD_KEY = 64
TRIES = 1000
PAST = 4096
SIBLING = 16 * 1024 * 1024  # larger outputs are not searched for the middle of another source
_KEY = b'"%s":"' % CUID_KEY.encode()

Lookup = Callable[[bytes], Tag]
PlaceIn = Callable[[int, int, int], "Place | None"]


class Place:
    """Where a source's lines go on, given an output."""

    __slots__ = ("cut", "offset", "seam")

    def __init__(self, offset: int, *, seam: bool, cut: int | None = None) -> None:
        self.offset = offset
        self.seam = seam  # the last line of the output was unfinished in the source
        self.cut = cut  # bytes of the output from here on were torn by a crash


def _common(a: bytes, b: bytes) -> int:
    """How many bytes A and B begin with alike."""
    low, high = 0, min(len(a), len(b))
    if a[:high] == b[:high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle
    return low


def _first_tag(out: int, at: int, end: int) -> Tag | None:
    """The tag of the first line from AT on that has one."""
    while at < end:
        block = lines_from(out, at)
        if not block:
            return None
        if _KEY in block:
            for line in block.split(b"\n"):
                if tag := tag_of(line):
                    return tag
        at += len(block)
    return None


def place_in(
    source: int, out: int, start: int, end: int, style: Style, *, mixed: bool = False
) -> Place | None:
    """Where SOURCE goes on if OUT[START:END], whole lines, was made from its beginning, else None.

    Reads both once, at about the speed of tagging. MIXED: lines of another file stand in between.
    """
    i, j = start, 0
    seam = False
    tag: Tag | None = None
    while i < end:
        block = lines_from(source, j, COMPARED)
        if block:
            if tag is None:
                tag = _first_tag(out, i, end)
                if tag is None:
                    if style is not STYLES["cri"]:  # pieces alone have no tag
                        return None
                    tag = Tag(b"-" * 36, b"null")
            made = style(block, tag)
            have = os.pread(out, min(len(made), end - i), i)
            same = _common(made, have)
            whole = made.rfind(b"\n", 0, same) + 1
            if whole:
                i += whole
                j += (
                    len(block)
                    if whole == len(made)
                    else _length(block, made.count(b"\n", 0, whole))
                )
                seam = False
                continue
        # The next line differs: another tag, another style, or a line that was unfinished.
        line = lines_from(out, i, 4096)
        line = line[: line.index(b"\n")]
        own = lines_from(source, j, 4096)
        own = own[: own.index(b"\n")] if own else _unfinished(source, j)
        new = tag_of(line)
        step = None
        if new is not None:
            step = _step(line, own, new, style, whole=bool(block))
        if step is None and mixed:
            i += len(line) + 1
            continue
        if step is None:
            if b"\0" * 64 in line and j:  # a crash leaves zeros where data had not come to disk
                return Place(j, seam=seam, cut=i)
            return None
        tag = new
        i += len(line) + 1
        j += step
        seam = step <= len(own)
    return Place(j, seam=seam)


def _length(block: bytes, lines: int) -> int:
    """How long the first LINES lines of BLOCK are."""
    at = 0
    for _ in range(lines):
        at = block.index(b"\n", at) + 1
    return at


def _unfinished(fd: int, at: int) -> bytes:
    pieces = []
    while piece := os.pread(fd, READ, at):
        pieces.append(piece)
        at += len(piece)
    return b"".join(pieces)


def _step(line: bytes, own: bytes, tag: Tag, style: Style, *, whole: bool) -> int | None:
    """How much of OWN, the source's next line, the output's LINE stands for."""
    for each in (style, *STYLES.values()):  # the style may have been another at an earlier start
        if whole and each(own + b"\n", tag) == line + b"\n":
            return len(own) + 1
    for begun in untagged(line, tag):  # tagged at a stop, and grown since
        if begun and own.startswith(begun):
            return len(begun)
    return None


def find_place(source: int, out: int, end: int, style: Style) -> Place | None:
    """The same for an output that holds more before: a source that was truncated or removed."""
    found = place_in(source, out, 0, end, style)
    if found is not None or end == 0:
        return found
    head = os.pread(source, HEAD, 0).partition(b"\n")[0]
    tries = 0
    at, block = 0, b""
    # Merged keys stand before a closing brace; of a blank line nothing but the tag is left.
    needle = b"\n" + (head.rstrip(b"} \t\r") or head or b"{" + _KEY)
    while at < end and tries < TRIES:
        block = os.pread(out, READ, at)
        hit = block.find(needle)
        while hit >= 0 and tries < TRIES:
            tries += 1
            found = place_in(source, out, at + hit + 1, end, style)
            if found is not None:
                return found
            hit = block.find(needle, hit + 1)
        if len(block) < READ:
            break
        at += READ - len(needle) + 1
    last = _last_line(out, end)
    return place_in(source, out, last, end, style) if last else None


def _last_line(fd: int, end: int) -> int:
    """Where the last line begins."""
    return last_newline(fd, end - 1)


def last_newline(fd: int, end: int) -> int:
    """The length of FD[:END] cut back to its last whole line."""
    while end > 0:
        start = max(end - 65536, 0)
        at = os.pread(fd, end - start, start).rfind(b"\n")
        if at >= 0:
            return start + at + 1
        end = start
    return 0


class Output:
    """One file of the mirror. After a removal two sources may write to it."""

    __slots__ = ("fd", "path", "retry_at", "shared_from", "torn", "users")

    def __init__(self, path: bytes) -> None:
        self.path = path
        self.fd = -1
        self.torn = b""  # what a full disk left of a line
        self.retry_at = 0.0
        self.shared_from = -1  # where the second of two files begins
        self.users = 0


class Mirror:
    """The sink that writes to a directory."""

    def __init__(
        self,
        root: bytes,
        style: Style,
        tag_for: Lookup,
        most_open: int,
        *,
        keep: float | None = None,
    ) -> None:
        self.root = root
        self.keep = keep  # seconds that the output of a removed source stays; None: for ever
        self.style = style
        self.tag_for = tag_for
        self.most_open = most_open
        self.outputs: dict[bytes, Output] = {}
        self.retry_at = 0.0  # the disk is full: nothing is read before this time
        self._pause = 0.1
        self._open: dict[Output, None] = {}
        self._moved = 0
        self._shared = self._load_shared()
        self._past: dict[
            bytes, tuple[int, int] | None
        ] = {}  # outputs of this run whose sources are no more

    # -- names and descriptors -------------------------------------------------------------------

    def name_for(self, path: bytes) -> bytes:
        """Where the lines of the source PATH belong; the tagger's own names are taken."""
        if path == LIFECYCLE or path.startswith(OWN):
            return path + b".mirrored"
        return path

    def _at(self, name: bytes) -> bytes:
        return self.root + b"/" + name

    def _output_of(self, source: Source) -> Output:
        if isinstance(source.output, Output):
            return source.output
        return self._bind(source, self.name_for(source.path))

    def _bind(self, source: Source, name: bytes) -> Output:
        output = self.outputs.get(name)
        if output is None:
            output = self.outputs[name] = Output(name)
        output.users += 1
        source.output = output
        if output.users > 1:
            with contextlib.suppress(OSError):  # there may be no output yet
                output.shared_from = os.stat(self._at(output.path)).st_size
        return output

    def _load_shared(self) -> dict[int, int]:
        """Outputs, by inode, that two files wrote to, and from where on. See `_note_shared`."""
        known = {}
        try:
            with open(self._at(SHARED), "rb") as file:
                for line in file:
                    if line.endswith(b"\n"):
                        inode, offset = line.split()
                        known[int(inode)] = int(offset)
        except FileNotFoundError:
            return {}
        if len(known) > 1000:  # all but the newest have long been collected
            os.unlink(self._at(SHARED))
        return known

    def _note_shared(self, output: Output) -> None:
        """Remember where the second of two files begins in OUTPUT; the first has more lines.

        The second has the first one's name, while the first is still written to. A restart could
        not tell their lines, which stand side by side, from those of other files.
        """
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        try:
            inode = os.stat(self._at(output.path)).st_ino
            fd = os.open(self._at(SHARED), flags, 0o644)
            os.write(fd, b"%d %d\n" % (inode, output.shared_from))
            os.close(fd)
        except OSError as error:  # a full disk, say: a restart may be less exact
            say.once("shared", f"{say.shown(SHARED)}: {error.strerror}")
        output.shared_from = -1

    def removed(self, source: Source) -> None:
        """SOURCE was removed; it is read on through its descriptor."""

    def release(self, source: Source) -> None:
        """SOURCE is followed no longer."""
        output, source.output = source.output, None
        if isinstance(output, Output):
            output.users -= 1
            if output.users == 0:
                self._close(output)
                del self.outputs[output.path]
                self._past[output.path] = source.key if source.elsewhere else None
                if len(self._past) > PAST:
                    del self._past[next(iter(self._past))]

    def _close(self, output: Output) -> None:
        self._open.pop(output, None)
        if output.fd >= 0:
            os.close(output.fd)
            output.fd = -1

    def _descriptor(self, output: Output) -> int:
        """OUTPUT, open for appending; its folders are made, what stands in the way set aside."""
        if output.fd < 0:
            try:
                output.fd = self._create(output.path)
            except (FileNotFoundError, NotADirectoryError):
                self._make_folders(output.path)
                output.fd = self._create(output.path)
            except OSError as error:
                if error.errno not in (errno.EISDIR, errno.ELOOP, errno.ENXIO):
                    raise
                self._set_aside(output.path, but=output)
                output.fd = self._create(output.path)
        self._open.pop(output, None)
        self._open[output] = None
        if len(self._open) > self.most_open:
            self._close(next(iter(self._open)))
        return output.fd

    def _create(self, name: bytes) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(self._at(name), flags | os.O_NONBLOCK, 0o644)

    def _make_folders(self, name: bytes) -> None:
        at = b""
        for part in name.split(b"/")[:-1]:
            at = at + b"/" + part if at else part
            try:
                os.mkdir(self._at(at))
            except FileExistsError:
                if not stat.S_ISDIR(os.lstat(self._at(at)).st_mode):
                    self._set_aside(at)
                    os.mkdir(self._at(at))

    def _set_aside(self, name: bytes, but: Output | None = None) -> None:
        """Keep what was tagged for a source that is no more, under a name that is free."""
        folder, slash, last = name.rpartition(b"/")
        number = 1
        while True:
            end = b".kept.%d" % number
            free = folder + slash + last[: 255 - len(end)] + end
            if self._is_free(free):
                break
            number += 1
        with contextlib.suppress(FileNotFoundError):  # nothing was written yet
            os.rename(self._at(name), self._at(free))
        for output in list(self.outputs.values()):  # also below it, if it was a folder
            if output is not but and (output.path == name or output.path.startswith(name + b"/")):
                self._rebind(output, free + output.path[len(name) :])

    def _is_free(self, name: bytes) -> bool:
        """Whether NAME is no output; a source may have one that nothing was written to yet."""
        return name not in self.outputs and not os.path.lexists(self._at(name))

    def _rebind(self, output: Output, name: bytes) -> None:
        if self.outputs.get(output.path) is output:
            del self.outputs[output.path]
        output.path = name
        self.outputs[name] = output

    # -- writing ---------------------------------------------------------------------------------

    def write(self, source: Source, block: bytes) -> int:
        """Tag BLOCK, whole lines of SOURCE, and append it; returns how much of it is done.

        Less than all when the disk is full: the rest of the line that was cut is kept, all after
        it is read again from the source.
        """
        output = self._output_of(source)
        now = time.monotonic()
        if now < self.retry_at or now < output.retry_at:
            return 0
        if source.gone and output.shared_from >= 0:
            self._note_shared(output)
        tag = self.tag_for(source.path)
        done = lines = 0
        try:
            fd = self._descriptor(output)
            while output.torn:
                output.torn = output.torn[os.write(fd, output.torn) :]
            for piece, made, count in tagged(block, tag, self.style):
                wrote = os.write(fd, made)
                say.counts["written_bytes_total"] += wrote
                if wrote == len(made):
                    done += len(piece)
                    lines += count
                    continue
                whole = made.count(b"\n", 0, wrote)
                if wrote and made[wrote - 1] != 10:
                    output.torn = made[wrote : made.index(b"\n", wrote) + 1]
                    whole += 1
                done += _length(piece, whole)
                lines += whole
        except OSError as error:
            self._failed(output, error)
        else:
            if self._pause > 0.1:
                self._pause = 0.1
                say.counts["blocked"] = 0
                say.again("write")
        say.counts["lines_total"] += lines
        return done

    def _failed(self, output: Output, error: OSError) -> None:
        """Say it once and try again later: soon at first, then every 5 seconds."""
        say.counts["write_errors_total"] += 1
        say.counts["blocked"] = 1
        what = f"{say.shown(output.path)}: {error.strerror}"
        later = time.monotonic() + self._pause
        self._pause = min(self._pause * 1.5, 5.0)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            self.retry_at = later
            say.once("write", f"{what}; tagging waits until there is room")
        else:
            output.retry_at = later
            say.once("write " + what, f"{what}; this file waits, the others go on")
        self._close(output)

    def finish(self, source: Source) -> bool:
        """Tag the unfinished last line of SOURCE: the tagger was told to stop."""
        rest = source.rest()
        if rest:
            tag = self.tag_for(source.path)
            if tag.suffix not in self.style(rest + b"\n", tag)[len(rest) - 1 :]:
                return True  # a piece of a container runtime's line: its end is still to come
            if self.write(source, rest + b"\n") <= len(rest):
                return False
            source.begin(source.offset + len(rest), seam=True)
        elif source.offset == 0 and not source.skipped and not source.gone:
            try:
                self._descriptor(self._output_of(source))  # an empty file has an empty mirror
            except OSError as error:
                self._failed(self._output_of(source), error)
                return False
        return True

    # -- where to go on --------------------------------------------------------------------------

    def resume(self, source: Source) -> None:
        """Find out how much of SOURCE, which has just been found, is in the mirror already."""
        name = self.name_for(source.path)
        # A file made anew is a new one whatever it contains; one that comes back is the old one.
        anew = name in self.outputs or self._past.get(name, source.key) != source.key
        if anew or not self._resume_in(source, name):
            if name not in self.outputs:
                self._cut(name)
            source.begin(0)
        self._output_of(source)

    def adopt(self, sources: list[Source], open_source: Callable[[Source], bool]) -> None:
        """At the start: find each source's output, by name or, after a rotation, by content.

        Names are those of the moment of the call: sources may be renamed while this reads, and
        `moved` is told of it afterwards.
        """
        names = {source: self.name_for(source.path) for source in sources}
        lost = [s for s in sources if open_source(s) and not self._resume_in(s, names[s])]
        if lost:
            strays = _Strays(self.root, {names[s] for s in sources if s.known})
            moves = []
            for source in lost:
                held = open_source(source) and strays.holding(source, self._place_in)
                if held:
                    moves.append((held, names[source]))
            self.rename(moves)
            for source in lost:
                if open_source(source) and not self._resume_in(source, names[source]):
                    self._cut(names[source])
                    source.begin(0)
        for source, name in names.items():
            if source.known:
                self._bind(source, name)
        self._recover()

    def _resume_in(self, source: Source, name: bytes) -> bool:
        fd = _look(self._at(name))
        if fd < 0:
            return False
        try:
            size = os.fstat(fd).st_size
            whole = last_newline(fd, size)
            if not whole and os.fstat(source.fd).st_size:  # it would fit any source
                os.unlink(self._at(name))
                return False
            place = self._place_in(source.fd, fd, whole)
            if place is None:
                return False
            end = whole if place.cut is None else place.cut
            if end < size:
                os.ftruncate(fd, end)
            source.begin(place.offset, seam=place.seam)
        finally:
            os.close(fd)
        return True

    def _place_in(self, source: int, out: int, whole: int) -> Place | None:
        """`find_place`, also where the lines of another file stand among those of SOURCE."""
        place = find_place(source, out, whole, self.style)
        if place is not None:
            return place
        start = self._shared.get(os.fstat(out).st_ino)
        if start is None:
            return None
        place = place_in(source, out, start, whole, self.style, mixed=True)
        # All are others' lines where none is the source's: then it is not the one they stand among.
        return place if place is not None and place.offset else None

    def _cut(self, name: bytes) -> None:
        """Cut what is kept of an earlier source back to whole lines: more is coming after it."""
        fd = _look(self._at(name))
        if fd >= 0:
            os.ftruncate(fd, last_newline(fd, os.fstat(fd).st_size))
            os.close(fd)

    def _recover(self) -> None:
        """Give a name to what a kill left half way between two names."""
        for name in os.listdir(self.root):
            if name.startswith(MOVING) and name not in self.outputs:
                os.rename(self._at(name), self._at(b"moved"))
                self._set_aside(b"moved")

    def rename(self, moves: list[tuple[bytes, bytes]]) -> None:
        """Rename outputs as their sources were. What a name held for no one any more is kept."""
        pending = {old: new for old, new in moves if old != new}
        while pending:
            for old, new in pending.items():
                if self._is_free(new):
                    self._rename(old, new)
                    del pending[old]
                    break
            else:
                old, new = next(iter(pending.items()))
                if new in pending:  # a ring of names
                    self._moved += 1
                    free = MOVING + b"%d" % self._moved
                    self._rename(new, free)
                    pending[free] = pending.pop(new)
                else:
                    self._set_aside(new)

    def _rename(self, old: bytes, new: bytes) -> None:
        try:
            try:
                os.rename(self._at(old), self._at(new))
            except (FileNotFoundError, NotADirectoryError):
                if os.path.lexists(self._at(old)):  # else nothing was written yet
                    self._make_folders(new)
                    os.rename(self._at(old), self._at(new))
            folder = old.rpartition(b"/")[0]
            if folder and folder != new.rpartition(b"/")[0]:
                os.removedirs(self._at(folder))  # as far as they are empty
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                say.once(f"rename {old!r}", f"{say.shown(old)}: {error.strerror}")
        output = self.outputs.get(old)
        if output is not None:
            self._rebind(output, new)

    def is_taken(self, source: Source) -> bool:
        """Whether another source's lines are where those of SOURCE would go."""
        return self.name_for(source.path) in self.outputs

    def moved(self, moves: list[tuple[Source, bytes]]) -> None:
        """Sources have other names now: (source, its old path)."""
        names = []
        for source, _ in moves:
            if isinstance(source.output, Output):
                names.append((source.output.path, self.name_for(source.path)))
        self.rename(names)

    def sweep(self, paths: Iterable[bytes]) -> None:
        """Remove outputs that no source has had for `keep` seconds; PATHS are all sources'."""
        if self.keep is None:
            return
        alive = {self.name_for(path) for path in paths} | set(self.outputs)
        late = time.time() - self.keep
        for folder, _, names in os.walk(self.root, topdown=False):
            below = folder[len(self.root) + 1 :]
            for each in names:
                name = below + b"/" + each if below else each
                if name in alive or name == LIFECYCLE or name.startswith(OWN):
                    continue
                with contextlib.suppress(OSError):
                    if os.lstat(self._at(name)).st_mtime < late:
                        os.unlink(self._at(name))
            if below:
                with contextlib.suppress(OSError):
                    os.rmdir(folder)  # if it is empty

    def flush(self) -> bool:
        """Whether all that was taken has arrived."""
        return not any(output.torn for output in self.outputs.values())


class _Strays:
    """Outputs whose source has another name now, found by their first line."""

    def __init__(self, root: bytes, mine: set[bytes]) -> None:
        self.root = root
        self.by_head: dict[bytes, list[bytes]] = {}
        self.by_folder: dict[bytes, list[bytes]] = {}
        for folder, _, names in os.walk(root):
            below = folder[len(root) + 1 :]
            for each in sorted(names):
                name = below + b"/" + each if below else each
                if name in mine or name == LIFECYCLE:
                    continue
                if name.startswith(OWN) and not name.startswith(MOVING):
                    continue
                self._add(name, below)

    def _add(self, name: bytes, folder: bytes) -> None:
        fd = _look(self.root + b"/" + name)
        if fd < 0:
            return
        line = os.pread(fd, 65536, 0).partition(b"\n")[0]
        os.close(fd)
        if not line:
            return
        self.by_folder.setdefault(folder, []).append(name)
        tag = tag_of(line)
        for begun in untagged(line, tag) if tag else (line,):
            self.by_head.setdefault(begun[:HEAD_KEY], []).append(name)

    def holding(self, source: Source, place_in: PlaceIn) -> bytes:
        """The output that SOURCE was tagged into, which is taken then; else b""."""
        head = os.pread(source.fd, HEAD_KEY, 0)
        if not head:
            return b""
        folder = source.path.rpartition(b"/")[0]
        likely = self.by_head.get(head.partition(b"\n")[0], [])
        siblings = self.by_folder.get(folder, [])
        for name in [*likely, *(siblings if len(siblings) <= 50 else [])]:
            fd = _look(self.root + b"/" + name)
            if fd < 0:
                continue
            whole = last_newline(fd, os.fstat(fd).st_size)
            place = None
            if name in likely or whole <= SIBLING:
                place = place_in(source.fd, fd, whole)
            os.close(fd)
            if place is not None and place.offset:
                for names in (*self.by_head.values(), *self.by_folder.values()):
                    if name in names:
                        names.remove(name)
                return name
        return b""


def _look(path: bytes) -> int:
    """A regular file, open for comparing and cutting; -1 if there is none."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return -1
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return -1


def tagged(block: bytes, tag: Tag, style: Style) -> Iterator[tuple[bytes, bytes, int]]:
    """BLOCK in parts of whole lines: (part, the part tagged, how many lines it has).

    There is one part as a rule; more where suffixes would make it larger than WRITE.
    """
    most = WRITE // tag.size
    if style is append:  # what counting newlines alone takes is twice what this takes
        made = block.replace(b"\n", tag.end, most)
        lines = (len(made) - len(block)) // tag.size
        if lines < most:
            yield block, made, lines
            return
    at = 0
    lines = block.count(b"\n")
    part = max(WRITE * len(block) // (len(block) + lines * tag.size), 1)
    while at < len(block):
        end = block.rfind(b"\n", at, at + part) + 1 or block.index(b"\n", at) + 1
        whole = block[at:end]
        yield whole, style(whole, tag), whole.count(b"\n")
        at = end
