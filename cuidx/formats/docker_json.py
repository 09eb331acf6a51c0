r"""Docker's json-file driver: what the daemon writes for a container, /…/ID-json.log.

    {"log":"hello\n","stream":"stdout","time":"2026-11-02T09:00:01.250883117Z"}
    {"log":"…","stream":"stderr","attrs":{"tag":"web"},"time":"…"}       log options add attrs

The daemon cuts lines every 16 KiB: a `log` without its newline goes on in the stream's next record
if that has the same time. Otherwise it is whole: a program may end without a newline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import orjson
import polars as pl

from cuidx.formats import pieces
from cuidx.formats.base import Block, Example, Reading, Sample

__all__ = ["NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "parse", "sniff"]

NAME: Final = "docker-json"
TITLE: Final = "Docker, json-file log driver"
SOURCE: Final = "moby/moby, daemon/logger/jsonfilelog and daemon/logger/copier.go; dockerd 20.10.24"

PARTS: Final = (
    ("a JSON object", r"^\s*\{"),
    ("the key log, a text", r'"log"\s*:\s*"'),
)
SAMPLES: Final = (
    Example(
        '{"log":"2026-11-02T09:00:00.480Z INFO entrypoint: exec payment\\n","stream":"stderr",'
        '"time":"2026-11-02T09:00:00.4802003Z"}',
        {
            "time": "2026-11-02T09:00:00.480200300Z",
            "time_from": "collector",
            "message": "2026-11-02T09:00:00.480Z INFO entrypoint: exec payment",
            "level": "INFO",
        },
    ),
    Example(
        '{"log":"{\\"level\\":\\"warn\\",\\"msg\\":\\"slow\\",\\"ikontainer_CUID\\":\\"3b9d\\",'
        '\\"svc\\":\\"payment.shop.lab\\"}\\n","stream":"stdout","attrs":{'
        '"io.kubernetes.pod.name":"payment-0","io.kubernetes.pod.uid":"8ac1e0b2"},'
        '"time":"2026-11-02T09:00:05.000734901Z"}',
        {
            "message": "slow",
            "level": "WARN",
            "cuid": "3b9d",
            "pod": "payment-0",
            "pod_uid": "8ac1e0b2",
        },
    ),
    Example(  # as some tests and copies have it
        '{"log":"Single log\\n"}', {"message": "Single log", "time": None, "identity": "none"}
    ),
)

_KEYS: Final = frozenset({"log", "stream", "time", "attrs"})
_ALONE: Final = 0.6  # of lines with nothing but `log`
# The end of a log that is whole, as the daemon writes it; a backslash before would be text.
_END: Final = b'\\n","stream":"'
_TEXT_END: Final = b"\\" + _END


def sniff(sample: Sample) -> float:
    """Share of lines with just docker's keys."""
    found = [d for d in sample.documents if d.keys() <= _KEYS and isinstance(d.get("log"), str)]
    return sample.share(len(found)) * (1.0 if any("stream" in d for d in found) else _ALONE)


class _Docker:
    def none_in(self, data: bytes, /) -> bool:
        count = data.count(b"\n") + (not data.endswith(b"\n"))
        return data.count(_END) == count and _TEXT_END not in data

    def is_whole(self, line: bytes, /) -> bool:
        return _END in line and _TEXT_END not in line

    def look(self, line: bytes, /) -> pieces.Piece | None:
        document = _document(line)
        if document is None:
            return None
        more = not document["log"].endswith("\n")
        return pieces.Piece(str(document.get("stream")), more, document.get("time"))

    def join(self, pieces: Sequence[bytes], /) -> bytes:
        documents = [document for one in pieces if (document := _document(one)) is not None]
        log = "".join(document["log"] for document in documents)
        return orjson.dumps({**documents[0], "log": log})


def _document(line: bytes) -> dict[str, Any] | None:
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    found = isinstance(document, dict) and isinstance(document.get("log"), str)
    return document if found else None


_DOCKER: Final = _Docker()


def cut(data: bytes) -> int:
    """After the last line with which no record is open."""
    return pieces.cut(data, _DOCKER)


def parse(block: Block, reading: Reading) -> pl.DataFrame:
    """One row a line; pieces of a record are fragments of its first."""
    return pieces.parse(block, replace(reading, wrapped=True), _DOCKER)
