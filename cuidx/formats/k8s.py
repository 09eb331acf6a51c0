"""Files of Kubernetes objects, as kubectl and the API give them: one record an object.

    {"kind": "List", "items": [{"kind": "Pod", …}, {"kind": "Event", …}, …]}
    {"kind": "Pod", …}{"kind": "Pod", …}                   one after the other, indented or not
    {"type": "MODIFIED", "object": {"kind": "Pod", …}}     a watch: what became of one

The formats are `k8s_pods`, `k8s_pods_watch` and `k8s_events`; all three read all of these, since
`kubectl get pods,events` mixes them. What an object says is in `k8s_objects`.

Source: Kubernetes API reference, core/v1 and events.k8s.io/v1; metav1 WatchEvent.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from cuidx.formats import lines, whole
from cuidx.formats.base import Block, Reading, Sample
from cuidx.formats.k8s_objects import event, is_event, is_pod, newest, part, pod, status_said

_BEGIN: Final = re.compile(r'\s*(?:\[\s*)?\{\s*"(?:apiVersion|items|kind|metadata)"\s*:')
_WATCH: Final = re.compile(
    r'\s*\{\s*"(?:type"\s*:\s*"(?:ADDED|MODIFIED|DELETED|BOOKMARK|ERROR)"|object"\s*:\s*\{)'
)
_INNER: Final = re.compile(r'"(?:metadata|items|objectRef|involvedObject)"\s*:')
_AUDIT: Final = re.compile(r'"apiVersion"\s*:\s*"audit\.k8s\.io/')
_NEXT: Final = re.compile(r"\n(?=\{)")  # in what is indented only a document begins a line


def begins(sample: Sample) -> str:
    """The beginning of a file of objects; "" if it is none (audit records hold objects, too)."""
    if not _BEGIN.match(sample.text):
        return ""
    # What an audit record is stands before the objects in it; later lines may be anything.
    audit, inner = _AUDIT.search(sample.text), _INNER.search(sample.text)
    return "" if audit and (inner is None or audit.start() < inner.start()) else sample.text


def watched(sample: Sample) -> str:
    """The beginning of a recorded watch; "" if it is none."""
    return sample.text if _WATCH.match(sample.text) else ""


@dataclass(slots=True)
class _Object:
    """An object of the API, where it stands, and what a watch says happened to it."""

    line: int
    value: Any
    became: str | None = None
    why: str | None = None  # of what is broken
    raw: str | None = None

    @property
    def uid(self) -> Any:
        return part(self.value, "metadata").get("uid")


def parse(block: Block, reading: Reading) -> pl.DataFrame:
    """One row an object: Pods and Events are evidence, what tells of no Pod is skipped.

    A file of Pods is a snapshot. The newest time in it is the latest moment of which it knows that
    all of them were there. A watch shows a Pod again and again, each time as it was then.
    """
    objects = list(_objects(block.data.decode("utf-8", "replace"), block.first_line))
    times = Counter(one.uid for one in objects if one.became is None and is_pod(one.value))
    snapshot = None
    if max(times.values(), default=0) <= 1:  # else someone recorded `kubectl get pods --watch`
        snapshot = newest(one.value for one in objects if one.became is None)
    records = [_record(one, snapshot, reading) for one in objects]
    return lines.of_records(lines.numbered(records), reading)


def _objects(text: str, first_line: int) -> Iterator[_Object]:
    """The objects in TEXT; after a broken one those of the next document on."""
    where, at = whole.Lines(text, first_line), 0
    while at < len(text):
        try:
            for place, value in whole.each(text, "items", at):
                if isinstance(value, dict) and value.keys() == {"type", "object"}:
                    yield _Object(where.at(place), value["object"], str(value["type"]))
                else:
                    yield _Object(where.at(place), value)
            return
        except whole.BrokenError as error:
            following = _NEXT.search(text, error.at)
            at = following.end() if following else len(text)
            raw = text[error.at : at].rstrip()
            yield _Object(where.at(error.at), None, why=str(error), raw=raw)


def _record(one: _Object, snapshot: str | None, reading: Reading) -> lines.Record:
    item = one.value
    if one.why is not None:
        return lines.Record(one.line, None, {}, "unreadable", why=one.why, raw=one.raw)
    if one.became == "ERROR":
        reading.notes.add(f"the watch broke off ({status_said(item)}): what happened until it "
                          "was begun again is missing")  # fmt: skip
    elif is_event(item):
        return lines.Record(one.line, None, event(item), "evidence")
    elif is_pod(item):
        seen = newest([item]) if one.became or snapshot is None else snapshot
        roles = pod(item, seen, gone=one.became == "DELETED")
        return lines.Record(one.line, None, roles, "evidence")
    return lines.Record(one.line, None, {}, "skipped")
