"""The start and the stop record: a lifetime's ends and its address, without a line that says so.

{"ikontainer_event":"start","time":"2026-11-02T09:00:00.000000Z","pod":"pay-0",…}{"ikontainer_…
"""

from __future__ import annotations

import os
import time

from cuidx.suffix import LIFECYCLE_KEY
from cuidx.tagger.mirror import LIFECYCLE, last_newline
from cuidx.tagger.tagging import Tag, quoted

# Downward API variables, by the names that Kubernetes' own examples use; "" is unset.
FACTS = {
    "pod": "POD_NAME",
    "namespace": "POD_NAMESPACE",
    "pod_uid": "POD_UID",
    "ip": "POD_IP",
    "node": "NODE_NAME",
}


def facts() -> dict[str, str | None]:
    """What the environment says of the Pod."""
    return {key: os.environ.get(name) or None for key, name in FACTS.items()}


def now() -> str:
    """The time, UTC, RFC 3339 with microseconds."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{text}.{nanoseconds // 1000:06d}Z"


def record(event: str, about: dict[str, str | None]) -> bytes:
    """One lifecycle record without its tag, without a newline."""
    whole = {LIFECYCLE_KEY: event, "time": now(), **about}
    return b"{" + b",".join(b'"%s":%s' % (k.encode(), quoted(v)) for k, v in whole.items()) + b"}"


def write(folder: bytes, line: bytes, tag: Tag) -> None:
    """Append LINE with TAG to the lifecycle log of FOLDER; a torn last record is cut off first."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(folder + b"/" + LIFECYCLE, flags, 0o644)
    try:
        size = os.fstat(fd).st_size
        whole = last_newline(fd, size)
        if whole < size:
            os.ftruncate(fd, whole)
        os.write(fd, line + tag.end)
    finally:
        os.close(fd)
