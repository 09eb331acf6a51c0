"""Node mode: /var/log/pods of one node, with one CUID for each container instance.

    <namespace>_<pod>_<uid>/<container>/<restart count>.log          being written
    <namespace>_<pod>_<uid>/<container>/<restart count>.log.<time>   rotated by the kubelet
    ….gz, ….tmp                                                     compressed: left out

A container instance is (Pod uid, container, restart count). Its CUID is kept in the state folder,
so that it outlives the tagger. Source: kubernetes, pkg/kubelet/kuberuntime/helpers.go
(BuildPodLogsDirectory) and pkg/kubelet/logs/container_log_manager.go.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from cuidx.tagger import lifecycle, options, say
from cuidx.tagger.mirror import last_newline
from cuidx.tagger.tagging import Tag, make_tag

_PATH = re.compile(rb"([^/_]+)_([^/_]+)_([^/_]+)/([^/]+)/(\d+)\.log(?:\.\d{8}-\d{6})?", re.DOTALL)
STATE = b".ikontainer.cuids"
MANY = 10_000  # lines of the state file, from which on it is written anew at a start

Emit = Callable[[bytes, Tag], None]


class Instances:
    """The container instances of a node: their tags, and the records of their lifetimes."""

    def __init__(
        self, state: bytes, source: bytes, *, svc: str | None, sortable: bool, emit: Emit
    ) -> None:
        self.svc = svc
        self.sortable = sortable
        self.emit = emit
        self.tags: dict[bytes, Tag] = {}  # by instance, "uid/container/restart"
        self.files: dict[bytes, int] = {}  # how many files of an instance are followed
        self._cuids: dict[bytes, str] = {}
        self._fd = self._load(state + b"/" + STATE, source)

    def _load(self, path: bytes, source: bytes) -> int:
        """Read the CUIDs that were given before; forget those whose Pod has gone, if many."""
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        size = os.fstat(fd).st_size
        whole = last_newline(fd, size)
        if whole < size:
            os.ftruncate(fd, whole)
        for line in os.pread(fd, whole, 0).split(b"\n")[:-1]:
            key, _, cuid = line.rpartition(b" ")
            self._cuids[key] = cuid.decode()
        if len(self._cuids) > MANY:
            there = {name.rpartition(b"_")[2] for name in os.listdir(source)}
            self._cuids = {k: v for k, v in self._cuids.items() if k.partition(b"/")[0] in there}
            new = os.open(path + b".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(new, "wb") as file:
                file.writelines(b"%s %s\n" % (k, v.encode()) for k, v in self._cuids.items())
                file.flush()
                os.fsync(file.fileno())
            os.rename(path + b".new", path)
            os.close(fd)
            fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        return fd

    def begin(self) -> None:
        """Containers have started before; their records come with their first lines."""

    def end(self) -> None:
        """The tagger ends, the containers do not."""

    def found(self, path: bytes) -> bool:
        """Whether PATH is a container's log, by its place and name; it is counted then."""
        if _PATH.fullmatch(path) is None:
            return False
        key = _key(path)
        self.files[key] = self.files.get(key, 0) + 1
        return True

    def tag_for(self, path: bytes) -> Tag:
        """The tag of the container instance that PATH belongs to."""
        key = _key(path)
        tag = self.tags.get(key)
        return tag if tag is not None else self._new(key, path)

    def _new(self, key: bytes, path: bytes) -> Tag:
        cuid = self._cuids.get(key)
        given = cuid is not None
        if cuid is None:
            cuid = options.new_uuid(sortable=self.sortable)
            # Written before the first line carries it: no crash makes two CUIDs of one container.
            os.write(self._fd, b"%s %s\n" % (key, cuid.encode()))
            os.fsync(self._fd)
            self._cuids[key] = cuid
        about = self._about(path)
        tag = make_tag(
            cuid, self.svc or options.service(about["pod"] or "", about["namespace"] or "")
        )
        self.tags[key] = tag
        if not given:
            self.emit(lifecycle.record("start", about), tag)
        return tag

    @staticmethod
    def _about(path: bytes) -> dict[str, str | None]:
        found = _PATH.fullmatch(path)
        if found is None:
            raise ValueError(path)
        namespace, pod, uid, container, restart = map(os.fsdecode, found.groups())
        return {
            **{"pod": pod, "namespace": namespace, "pod_uid": uid, "ip": None},
            **{"node": lifecycle.facts()["node"], "container_name": container, "restart": restart},
        }

    def lost(self, path: bytes) -> None:
        """A file of an instance was removed; with its last one the instance has ended."""
        key = _key(path)
        left = self.files.get(key, 1) - 1
        if left:
            self.files[key] = left
            return
        self.files.pop(key, None)
        tag = self.tags.pop(key, None)
        if tag is not None:
            self.emit(lifecycle.record("stop", self._about(path)), tag)


def _key(path: bytes) -> bytes:
    found = _PATH.fullmatch(path)
    if found is None:  # `wanted` said yes to each path that comes here
        raise ValueError(say.shown(path))
    return b"/".join(found.group(3, 4, 5))
