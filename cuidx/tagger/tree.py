"""What is below the source folder, kept up to date: by inotify, or by looking again and again.

No step depends on an event having come. Events say where to look; what is there is then read from
the file system: a watch is set first and the folder listed after it, names are matched with known
inodes, and after an overflow, or once a minute, everything is looked at.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterable

from cuidx.tagger import kernel, say
from cuidx.tagger.follow import OPEN_FLAGS, Descriptors, Source, open_beneath

Key = tuple[int, int]
SAFETY = 60.0  # seconds between two looks at everything, in case an event was lost
FASTEST, SLOWEST = 0.02, 0.5  # seconds between two looks where there are no events
GHOSTS = 0.5  # seconds between two looks whether removed files still have a writer
AWAY = 5.0
FORGET = 600.0  # a removed file is kept open this long after its last line, if nothing says more


class Folder:
    """A folder below the source, with the files in it by name."""

    __slots__ = ("files", "ghosts", "path", "polled", "watch")

    def __init__(self, path: bytes) -> None:
        self.path = path
        self.watch = -1
        self.polled = False
        self.files: dict[bytes, Source] = {}
        self.ghosts: dict[bytes, list[Source]] = {}  # removed, still followed


class Tree:
    """All files below a folder. Calls back: `found` for new ones, `moved`, `lost`."""

    def __init__(
        self,
        root: bytes,
        *,
        but: set[Key],
        wanted: Callable[[bytes], bool],
        most_open: int,
        poll_only: bool = False,
        links: bool = False,
    ) -> None:
        self.path = root
        self.root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.but = but  # OUT and the state folder, which are not watched
        self.wanted = wanted
        self.links = links  # a file may be a link to one elsewhere (docker nodes, node mode alone)
        self.fds = Descriptors(most_open)
        self.folders: dict[bytes, Folder] = {}
        self.watches: dict[int, Folder] = {}
        self.sources: dict[Key, Source] = {}
        self.dirty: dict[Source, None] = {}
        self.fresh: list[Source] = []
        self.moves: list[tuple[Source, bytes]] = []
        self.lost: list[Source] = []
        self.ghosts: dict[Source, None] = {}  # removed, oldest first
        self.ended: list[Source] = []  # of those: nothing more is to come
        self.next_ghosts = 0.0
        self.inotify: kernel.Inotify | None = None
        self.polled = 0
        self.wait = FASTEST
        self.next_poll = 0.0
        self.next_safety = 0.0
        self._devices: dict[int, bool] = {}
        if not poll_only:
            try:
                self.inotify = kernel.Inotify()
            except OSError as error:
                say.once(
                    "inotify", f"no inotify ({os.strerror(error.errno or 0)}): looking instead"
                )

    # -- looking ---------------------------------------------------------------------------------

    def open(self, path: bytes) -> int:
        """Open the file at PATH for reading; a link only where links are wanted."""
        if self.links:
            try:
                return open_beneath(self.root, path)
            except OSError as error:
                if error.errno != errno.ELOOP:
                    raise
                return open_beneath(self.root, path, OPEN_FLAGS & ~os.O_NOFOLLOW)
        return open_beneath(self.root, path)

    def look_at_all(self) -> None:
        """Look at every folder and file, as if nothing were known."""
        say.counts["rescans_total"] += 1
        seen: dict[Key, tuple[bytes, bytes]] = {}
        folders: set[bytes] = set()
        self._list(b"", seen, folders)
        gone = [path for path in self.folders if path not in folders]
        self._settle(seen, set(self._all_names()), gone)
        for source in self.sources.values():
            self.dirty[source] = None
        self.next_safety = time.monotonic() + SAFETY

    def _all_names(self) -> Iterable[tuple[bytes, bytes]]:
        for folder in self.folders.values():
            for name in folder.files:
                yield folder.path, name

    def _list(
        self, start: bytes, seen: dict[Key, tuple[bytes, bytes]], folders: set[bytes]
    ) -> None:
        """Note each file below START in SEEN: its inode and (folder, name)."""
        todo = [start]
        while todo:
            path = todo.pop()
            try:
                fd = (
                    open_beneath(self.root, path, OPEN_FLAGS | os.O_DIRECTORY)
                    if path
                    else os.dup(self.root)
                )
            except OSError as error:
                if error.errno == errno.EACCES:
                    self._refused(path, error)
                    folders.add(path)
                continue
            try:
                about = os.fstat(fd)
                if (about.st_dev, about.st_ino) in self.but:
                    continue
                folders.add(path)
                self._watch(path, about.st_dev)  # first: what comes after it is an event
                with os.scandir(fd) as entries:
                    for entry in entries:
                        name = os.fsencode(entry.name)
                        self._entry(path, name, entry, todo, seen)
            except OSError as error:
                self._refused(path, error)
            finally:
                os.close(fd)

    def _entry(
        self,
        path: bytes,
        name: bytes,
        entry: os.DirEntry[str],
        todo: list[bytes],
        seen: dict[Key, tuple[bytes, bytes]],
    ) -> None:
        try:
            if entry.is_dir(follow_symlinks=False):
                todo.append(path + b"/" + name if path else name)
            elif entry.is_file(follow_symlinks=self.links):
                if self.links and entry.is_symlink():
                    self._look_often(self.folders[path])  # its changes are no events of this folder
                about = entry.stat(follow_symlinks=self.links)
                key = (about.st_dev, about.st_ino)
                known = self.sources.get(key)
                # Of two names of one file the known one stays.
                if key not in seen or (known is not None and known.path == _join(path, name)):
                    seen[key] = (path, name)
        except FileNotFoundError:
            pass  # gone since it was listed

    def _refused(self, path: bytes, error: OSError) -> None:
        say.counts["unreadable_total"] += 1
        where = say.shown(path) or "."
        say.once(
            f"refused {path!r}",
            f"{where}: {error.strerror}; left out until it can be read"
            + (
                " (run the tagger as the application's user)" if error.errno == errno.EACCES else ""
            ),
        )

    def _watch(self, path: bytes, device: int) -> None:
        folder = self.folders.get(path)
        if folder is None:
            folder = self.folders[path] = Folder(path)
        where = self.path + b"/" + path if path else self.path
        remote = self._devices.get(device)
        if remote is None:
            remote = self._devices[device] = kernel.is_remote(where)
            if remote:
                say.once(
                    "remote", f"{say.shown(where)}: a file system without events: looking instead"
                )
        polled = remote or self.inotify is None
        if self.inotify is not None:
            try:
                watch = self.inotify.add(where)
            except OSError as error:
                polled = True
                if kernel.out_of_watches(error):
                    say.once("watches", "no inotify watch left (fs.inotify): looking instead")
            else:
                folder.watch = watch
                self.watches[watch] = folder
        if polled:
            self._look_often(folder)
        elif folder.polled:
            folder.polled = False
            self.polled -= 1

    def _look_often(self, folder: Folder) -> None:
        if not folder.polled:
            folder.polled = True
            self.polled += 1

    def _forget_folder(self, path: bytes) -> None:
        folder = self.folders.pop(path)
        if folder.polled:
            self.polled -= 1
        if folder.watch >= 0 and self.watches.get(folder.watch) is folder:
            del self.watches[folder.watch]
            if self.inotify is not None:
                self.inotify.remove(folder.watch)
        for name, source in folder.files.items():
            if source.path == _join(path, name) and not source.gone:
                self._vanished(source)

    # -- what became of the files ----------------------------------------------------------------

    def _settle(
        self,
        seen: dict[Key, tuple[bytes, bytes]],
        looked: set[tuple[bytes, bytes]],
        gone: list[bytes],
    ) -> None:
        """Match what was SEEN, the names that were LOOKED at and the GONE folders with the known.

        What was seen comes first: a file that left one name may have come under another.
        """
        found = set(seen.values())
        for key, (path, name) in seen.items():
            source = self.sources.get(key)
            whole = _join(path, name)
            if source is not None and source.gone and not self._same(source, whole):
                self.drop(source)  # another file with the inode of one that was not held open
                source = None
            if source is None:
                if not self.wanted(whole):
                    continue
                source = self.sources[key] = Source(whole, key)
                self.fresh.append(source)
            elif source.path != whole or source.gone:
                self._moved(source, whole)
            folder = self.folders.get(path)
            if folder is None:
                folder = self.folders[path] = Folder(path)
            before = folder.files.get(name)
            if before is not None and before is not source and before.path == whole:
                looked.add((path, name))
                folder.ghosts.setdefault(name, []).append(before)
            folder.files[name] = source
            self.dirty[source] = None
            for ghost in folder.ghosts.get(name, ()):
                self.dirty[ghost] = None
        for path, name in looked:
            folder = self.folders.get(path)
            if folder is None:
                continue
            source = folder.files.get(name)
            if source is not None and (path, name) not in found:
                del folder.files[name]
                if source.path == _join(path, name):
                    folder.ghosts.setdefault(name, []).append(source)
            for ghost in list(folder.ghosts.get(name, ())):
                current = folder.files.get(name)
                if ghost is not current and ghost.path == _join(path, name) and not ghost.gone:
                    self._vanished(ghost)
        for path in gone:
            self._forget_folder(path)

    def _moved(self, source: Source, path: bytes) -> None:
        old = source.path
        folder, name = _split(old)
        before = self.folders.get(folder)
        if before is not None:
            if before.files.get(name) is source:
                del before.files[name]
            self._drop_ghost(before, name, source)
        source.path = path
        source.gone = False
        self.ghosts.pop(source, None)
        self.moves.append((source, old))

    def _vanished(self, source: Source) -> None:
        """The name of SOURCE is no more: removed, moved out of the tree, or another hard link."""
        self.dirty[source] = None
        source.quiet_since = time.monotonic()
        source.gone = True
        self.ghosts[source] = None
        self.next_ghosts = min(self.next_ghosts, source.quiet_since + GHOSTS)

    def _same(self, source: Source, path: bytes) -> bool:
        """Whether what has the inode of SOURCE at PATH is still it."""
        if source.fd >= 0 or not source.known:
            return True  # an open inode is not used again; nothing is known yet of what it holds
        try:
            fd = self.open(path)
        except OSError:
            return False
        kept = os.pread(fd, len(source.tail), source.offset - len(source.tail))
        os.close(fd)
        return bool(kept) and kept == source.tail

    def drop(self, source: Source) -> None:
        """Follow SOURCE no longer."""
        if self.sources.get(source.key) is source:
            del self.sources[source.key]
        source.elsewhere = source.fd >= 0 and os.fstat(source.fd).st_nlink > 0
        self.fds.close(source)
        self.dirty.pop(source, None)
        self.ghosts.pop(source, None)
        path, name = _split(source.path)
        folder = self.folders.get(path)
        if folder is not None:
            if folder.files.get(name) is source:
                del folder.files[name]
            self._drop_ghost(folder, name, source)
        self.lost.append(source)

    @staticmethod
    def _drop_ghost(folder: Folder, name: bytes, source: Source) -> None:
        ghosts = folder.ghosts.get(name)
        if ghosts and source in ghosts:
            ghosts.remove(source)
            if not ghosts:
                del folder.ghosts[name]

    # -- events ----------------------------------------------------------------------------------

    def read_events(self) -> None:
        """Take what inotify has: files to read, and names to look at."""
        if self.inotify is None:
            return
        again: dict[tuple[bytes, bytes], None] = {}
        everything = False
        for watch, mask, name in self.inotify.events():
            folder = self.watches.get(watch)
            if mask & (kernel.OVERFLOW | kernel.IGNORED | kernel.DELETE_SELF | kernel.MOVE_SELF):
                if mask & kernel.OVERFLOW:
                    say.counts["event_overflows_total"] += 1
                    everything = True
                continue
            if folder is None:
                continue
            source = folder.files.get(name)
            if mask == kernel.MODIFY and folder.ghosts:
                for ghost in folder.ghosts.get(name, ()):
                    self.dirty[ghost] = None
            if mask == kernel.MODIFY and source is not None:
                self.dirty[source] = None
            elif name:
                again[folder.path, name] = None
            elif mask & kernel.ATTRIB:
                everything = True  # the folder itself may be readable now
        if everything:
            self.look_at_all()
        elif again:
            self.look_at(again)

    def look_at(self, names: Iterable[tuple[bytes, bytes]]) -> None:
        """Look at single names, each (folder, name)."""
        seen: dict[Key, tuple[bytes, bytes]] = {}
        looked: set[tuple[bytes, bytes]] = set()
        gone: list[bytes] = []
        for path, name in names:
            looked.add((path, name))
            whole = _join(path, name)
            try:
                about = self._about(whole)
            except (FileNotFoundError, NotADirectoryError):
                gone += self._at_or_below(whole)
                continue
            except OSError:
                continue  # a path longer than the kernel takes: only the slow look goes there
            if stat.S_ISDIR(about.st_mode):
                below: set[bytes] = set()
                self._list(whole, seen, below)
                gone += [path for path in self._at_or_below(whole) if path not in below]
            elif stat.S_ISREG(about.st_mode):
                key = (about.st_dev, about.st_ino)
                known = self.sources.get(key)
                if known is not None and known.path != whole and self.still(known):
                    continue  # a second hard link
                seen[key] = (path, name)
        self._find_renamed(seen, looked)
        self._settle(seen, looked, list(dict.fromkeys(gone)))

    def _at_or_below(self, path: bytes) -> list[bytes]:
        inside = path + b"/"
        return [each for each in self.folders if each == path or each.startswith(inside)]

    def still(self, source: Source) -> bool:
        """Whether SOURCE still stands under the name it is known by."""
        try:
            about = self._about(source.path)
        except OSError:
            return False
        return (about.st_dev, about.st_ino) == source.key

    def _about(self, path: bytes) -> os.stat_result:
        whole = self.path + b"/" + path
        about = os.lstat(whole)
        return os.stat(whole) if self.links and stat.S_ISLNK(about.st_mode) else about

    def _find_renamed(
        self, seen: dict[Key, tuple[bytes, bytes]], looked: set[tuple[bytes, bytes]]
    ) -> None:
        """Of a rename maybe only the first half is known yet: look for the other name."""
        folders = set()
        for path, name in looked:
            folder = self.folders.get(path)
            source = folder.files.get(name) if folder else None
            if source is None or source.key in seen or self.still(source):
                continue
            if source.fd < 0 or os.fstat(source.fd).st_nlink:
                folders.add(path)
        for path in folders:
            self._list(path, seen, set())

    # -- time ------------------------------------------------------------------------------------

    def timeout(self, now: float) -> float:
        """Seconds until something has to be looked at without an event."""
        until = self.next_safety
        if self.ghosts:
            until = min(until, self.next_ghosts)
        if self.polled or self.inotify is None:
            until = min(until, self.next_poll)
        return max(until - now, 0.0)

    def on_time(self, now: float, *, active: bool) -> None:
        """Look at what is due. ACTIVE: lines came since the last look."""
        if self.ghosts and now >= self.next_ghosts:
            self._forget_ghosts(now)
        polling = self.polled or self.inotify is None
        if now >= self.next_safety or (polling and now >= self.next_poll):
            self.look_at_all()
            self.wait = FASTEST if active else min(self.wait * 1.5, SLOWEST)
            self.next_poll = time.monotonic() + self.wait

    def _forget_ghosts(self, now: float) -> None:
        """Find removed files that nobody writes to any more; at the latest after FORGET."""
        self.next_ghosts = now + GHOSTS
        crowded = len(self.ghosts) - self.fds.most // 2
        for number, source in enumerate(list(self.ghosts)):
            if source in self.dirty:
                continue
            quiet = now - source.quiet_since
            # A file that was moved out of the tree may come back, or be written to elsewhere: of
            # that no watch tells.
            there = os.fstat(source.fd) if source.fd >= 0 else None
            removed = there is not None and not there.st_nlink
            unread = there is not None and there.st_size > source.scanned
            if unread and not source.skipped and quiet < FORGET:
                self.dirty[source] = None
                continue
            over = quiet > (GHOSTS if removed else AWAY) and (
                source.fd < 0 or _has_no_writer(source.fd)
            )
            if over or quiet > FORGET or number < crowded:
                self.ended.append(source)


def _has_no_writer(fd: int) -> bool:
    """Whether nobody has the file open for writing: only then is a read lease given (fcntl(2))."""
    import fcntl

    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError:
        return False
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return True


def _join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name


def _split(path: bytes) -> tuple[bytes, bytes]:
    folder, _, name = path.rpartition(b"/")
    return folder, name
