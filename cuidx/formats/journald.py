r"""The systemd journal, `journalctl -o json`: one entry a line, keys in no order.

    {"__REALTIME_TIMESTAMP":"1793610000100412","MESSAGE":"…","PRIORITY":"6","_HOSTNAME":"node-1",
     "CONTAINER_ID_FULL":"28492db5…","CONTAINER_NAME":"k8s_gateway_gateway-x2k4q_shop_51d2…_0",…}

A MESSAGE with a control character (a colour) or bytes that are not UTF-8 is a list of byte values;
above 4096 bytes it is null, unless `--all` was given. A field that an entry has twice is a list.
Docker and podman cut long lines: CONTAINER_PARTIAL_MESSAGE stands in all pieces but the last.
Their PRIORITY tells stdout (6) from stderr (3), and nothing of the line's level.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import orjson
import polars as pl

from cuidx.formats import pieces
from cuidx.formats.base import Block, Example, Reading, Sample

__all__ = [
    "ADAPTS",
    "NAME",
    "PARTS",
    "SAMPLES",
    "SOURCE",
    "TITLE",
    "adapt",
    "cut",
    "parse",
    "sniff",
]

NAME: Final = "journald"
TITLE: Final = "systemd journal, journalctl -o json"
SOURCE: Final = (
    "systemd, man systemd.journal-fields and docs/JOURNAL_EXPORT_FORMATS.md; moby/moby, "
    "daemon/logger/journald; containers/conmon, src/ctr_logging.c"
)

_CONTAINER: Final = (
    '"CONTAINER_ID":"28492db5f2de","CONTAINER_ID_FULL":"28492db5f2decbb8affd8e3c5def1ee8",'
    '"CONTAINER_NAME":"k8s_gateway_gateway-x2k4q_shop_51d2c7a4_1","_HOSTNAME":"node-1",'
)
PARTS: Final = (
    ("a JSON object", r"^\s*\{"),
    ("the key __REALTIME_TIMESTAMP", r'"__REALTIME_TIMESTAMP"\s*:'),
)
SAMPLES: Final = (
    Example(
        "{" + _CONTAINER + '"PRIORITY":"6","__REALTIME_TIMESTAMP":"1793610000100412","MESSAGE":'
        '"2026-11-02T09:00:00.100Z WARN GET /checkout request_id=4f1c {\\"ikontainer_CUID\\":'
        '\\"7f0c\\",\\"svc\\":\\"gateway.shop.lab\\"}","_SYSTEMD_UNIT":"docker.service"}',
        {
            "time": "2026-11-02T09:00:00.100412Z",
            "time_from": "collector",
            "message": "2026-11-02T09:00:00.100Z WARN GET /checkout request_id=4f1c",
            "level": "WARN",
            "cuid": "7f0c",
            "service": "gateway",
            "container_id": "28492db5f2decbb8affd8e3c5def1ee8",
            "container_name": "gateway",
            "pod": "gateway-x2k4q",
            "namespace": "shop",
            "pod_uid": "51d2c7a4",
            "restart": 1,
            "node": "node-1",
            "request_id": "4f1c",
        },
    ),
    Example(  # a colour before WARN
        "{" + _CONTAINER + '"PRIORITY":"3","__REALTIME_TIMESTAMP":"1793610000200000","MESSAGE":'
        "[27,91,51,51,109,87,65,82,78,27,91,48,109,32,255]}",
        {"message": "\x1b[33mWARN\x1b[0m \ufffd", "level": "WARN"},
    ),
    Example(  # a unit of the node's
        '{ "__REALTIME_TIMESTAMP" : "1534860261221373", "PRIORITY" : "3", "_HOSTNAME" : "imx6ul", '
        '"SYSLOG_IDENTIFIER" : "python", "_SYSTEMD_UNIT" : "gps.service", "MESSAGE" : "no fix" }',
        {
            "time": "2018-08-21T14:04:21.221373Z",
            "message": "no fix",
            "level": "ERROR",
            "service": "gps",
            "node": "imx6ul",
            "identity": "none",
        },
    ),
)

ADAPTS: Final = frozenset({"__REALTIME_TIMESTAMP"})

_PRIORITIES: Final = ("EMERG", "ALERT", "CRIT", "ERR", "WARNING", "NOTICE", "INFO", "DEBUG")
_DEFAULT: Final = "6"  # what a program's standard output gets that says nothing itself
_CUT_OFF: Final = re.compile(rb'"MESSAGE"\s*:\s*null')
_PARTIAL: Final = b'"CONTAINER_PARTIAL_MESSAGE"'


def sniff(sample: Sample) -> float:
    """Share of lines with the journal's own time."""
    return sample.share(sum("__REALTIME_TIMESTAMP" in document for document in sample.documents))


def adapt(document: dict[str, Any]) -> dict[str, Any] | None:
    """What an entry of the journal says."""
    known: dict[str, Any] = {
        "time": _first(document, "__REALTIME_TIMESTAMP"),
        "message": _first(document, "MESSAGE"),
        "node": _first(document, "_HOSTNAME"),
        "envelope": True,
        "is_line": True,
    }
    container = _first(document, "CONTAINER_ID_FULL") or _first(document, "CONTAINER_ID")
    priority = _first(document, "PRIORITY")
    if container:
        return known | {"container_id": container} | _named(_first(document, "CONTAINER_NAME"))
    said = document.get("_TRANSPORT") != "stdout" or priority != _DEFAULT
    if said and priority in tuple("01234567"):
        known["level"] = _PRIORITIES[int(priority)]
    unit = _first(document, "_SYSTEMD_UNIT") or _first(document, "SYSLOG_IDENTIFIER")
    if unit:
        known["service"] = unit.removesuffix(".service")
    return known


def _named(name: str | None) -> dict[str, Any]:
    """What a container's NAME tells: the kubelet's has the whole Pod in it."""
    match (name or "").split("_"):
        case ["k8s", inner, pod, namespace, uid, restart]:
            return {"container_name": inner, "pod": pod, "namespace": namespace, "pod_uid": uid,
                    "restart": restart}  # fmt: skip
    return {"container_name": name}


def _first(entry: dict[str, Any], key: str) -> str | None:
    """The field KEY as text; of several the first."""
    value = entry.get(key)
    if isinstance(value, list) and value and not isinstance(value[0], int):
        value = value[0]
    if isinstance(value, list):
        try:
            return bytes(value).decode("utf-8", "replace")
        except (TypeError, ValueError):
            return None
    return value if value is None or isinstance(value, str) else str(value)


class _Journal:
    def none_in(self, data: bytes, /) -> bool:
        return _PARTIAL not in data

    def is_whole(self, line: bytes, /) -> bool:
        return _PARTIAL not in line

    def look(self, line: bytes, /) -> pieces.Piece | None:
        entry = _entry(line)
        container = _first(entry, "CONTAINER_ID_FULL") or _first(entry, "CONTAINER_ID")
        if container is None:
            return None
        more = _first(entry, "CONTAINER_PARTIAL_MESSAGE") == "true"
        return pieces.Piece((container, _first(entry, "PRIORITY")), more)

    def join(self, pieces: Sequence[bytes], /) -> bytes:
        entries = [_entry(one) for one in pieces]
        message = "".join(_first(entry, "MESSAGE") or "" for entry in entries)
        return orjson.dumps({**entries[0], "MESSAGE": message})


def _entry(line: bytes) -> dict[str, Any]:
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return entry if isinstance(entry, dict) else {}


_JOURNAL: Final = _Journal()


def cut(data: bytes) -> int:
    """After the last line with which no record is open."""
    return pieces.cut(data, _JOURNAL)


def parse(block: Block, reading: Reading) -> pl.DataFrame:
    """One row an entry; pieces of a line are fragments of its first."""
    if _CUT_OFF.search(block.data):
        reading.notes.add(
            "some entries have no text: journalctl leaves out what is longer than 4096 bytes, and "
            "the suffix with it; --all keeps it"
        )
    return pieces.parse(block, reading, _JOURNAL)
