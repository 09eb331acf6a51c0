r"""CloudWatch Logs as the AWS CLI prints them: filter-log-events and get-log-events.

    {"events": [{"logStreamName": "…", "timestamp": 1793610000100, "message": "…",
                 "ingestionTime": 1793610002410, "eventId": "…"}, …], "nextToken": "…"}

A message is a program's line, or a collector's whole record as text: then that record's own time
is finer than `timestamp`. On EKS the name of the stream says Pod, namespace and container.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import polars as pl

from cuidx.formats import responses
from cuidx.formats.base import Block, Example, Reading, Sample
from cuidx.formats.base import whole_document as cut
from cuidx.formats.documents import ORDER, Adapted, NotJSONError, is_wrapped, loads, table
from cuidx.formats.lines import Record
from cuidx.formats.responses import Answer

__all__ = [
    "NAME",
    "PARTS",
    "SAMPLES",
    "SOURCE",
    "TITLE",
    "cut",
    "parse",
    "record",
    "sniff",
    "stream",
]

NAME: Final = "cloudwatch"
TITLE: Final = "CloudWatch Logs: aws logs filter-log-events, get-log-events"
SOURCE: Final = "Amazon CloudWatch Logs API reference, FilterLogEvents and GetLogEvents"

PARTS: Final = (
    ("a JSON object", r"^\s*\{"),
    ("a list at events", r'"events"\s*:\s*\['),
    ("message and timestamp in it", r'"(?:message|timestamp)"\s*:'),
)

SAMPLES: Final = (
    Example(
        '{"events":[{"logStreamName":"node-1-application.var.log.containers.mail-q9t2w_shop_mail-'
        + "3efe504917c152f66e79aac572ba177118b79c8f3ef97b678097a503ccd66957"
        + '.log","timestamp":1793610010900,"message":"WARN smtp retry","ingestionTime":'
        '1793610012410,"eventId":"1"}]}',
        {
            "time": "2026-11-02T09:00:10.900Z",
            "time_from": "collector",
            "level": "WARN",
            "message": "WARN smtp retry",
            "pod": "mail-q9t2w",
            "namespace": "shop",
            "container_name": "mail",
            "container_id": "3efe504917c152f66e79aac572ba177118b79c8f3ef97b678097a503ccd66957",
        },
    ),
    Example(
        '{"events":[{"timestamp":1793610001250,"ingestionTime":1793610003560,"message":'
        '"{\\"time\\":\\"2026-11-02T09:00:01.250883117Z\\",\\"stream\\":\\"stdout\\",\\"log\\":'
        '\\"charge accepted\\",\\"kubernetes\\":{\\"pod_name\\":\\"payment-0\\",\\"pod_ip\\":'
        '\\"10.10.11.2\\"}}"}]}',
        {
            "time": "2026-11-02T09:00:01.250883117Z",
            "time_from": "collector",
            "message": "charge accepted",
            "pod": "payment-0",
            "ip": "10.10.11.2",
        },
    ),
)

_BEGINS: Final = re.compile(
    r'\s*\{\s*"(?:events|searchedLogStreams|next(?:Forward|Backward)?Token)"'
)
_EVENTS: Final = re.compile(
    r'"events"\s*:\s*\[\s*(?:\]|\{\s*"(?:logStreamName|timestamp|message)"\s*:)'
)
# As Container Insights' Fluent Bit and Fargate's router name their streams.
_STREAM: Final = re.compile(
    r"containers\.(?P<pod>[^_/]+)_(?P<namespace>[^_/]+)_(?P<container_name>[^_/]+)"
    r"-(?P<container_id>[0-9a-f]{64})(?:\.log)?$"
)
_MOST: Final = 10_000  # what one call gives at most, and by default


def sniff(sample: Sample) -> float:
    """1 where the file begins as such an answer with its events."""
    text = sample.text
    return float(bool(_BEGINS.match(text) and _EVENTS.search(text)))


def parse(block: Block, reading: Reading) -> pl.DataFrame:
    """One row an event of the document's list."""

    def build(line: int, event: Any, answer: Answer) -> Record:
        del answer
        if not isinstance(event, dict) or "message" not in event:
            return Record(line, None, kind="unreadable", why="no event with a message",
                          raw=str(event))  # fmt: skip
        found = {"time": event.get("timestamp"), **stream(event.get("logStreamName"))}
        return record(line, event["message"], found, {}, reading)

    return responses.parse(
        block, reading, [("events",)], build, _notes, what="list of events in it"
    )


def stream(name: Any) -> Adapted:
    """What the name of a log stream says of its container."""
    hit = _STREAM.search(name) if isinstance(name, str) else None
    return dict(hit.groupdict()) if hit else {}


def record(
    line: int, message: Any, found: Adapted, document: dict[str, Any], reading: Reading
) -> Record:
    """The record of a MESSAGE; a collector's whole record in it comes before what was FOUND."""
    if isinstance(message, str) and message.lstrip().startswith("{"):
        try:
            inner = loads(message)
        except NotJSONError:
            inner = None
        if isinstance(inner, dict) and is_wrapped(inner):
            row = table(reading.fields).row(inner)
            said = {role for role, value in zip(ORDER, row, strict=False) if value is not None}
            rest = {role: value for role, value in found.items() if role not in said}
            return Record(line, inner, {**rest, "envelope": True})
    told = {"message": message, "envelope": True, "is_line": True}
    return Record(line, document, {**found, **told})


def _notes(answers: Sequence[Answer]) -> Iterator[str]:
    # Of pages one after the other the last one says whether there are more.
    last = answers[-1].members if answers else {}
    events = sum(len(answer.records) for answer in answers)
    if last.get("nextToken") or last.get("NextToken"):
        yield "this is one page of the events: its nextToken says that there are more"
    elif "nextForwardToken" in last and events and events % _MOST == 0:
        yield f"{events} events, just what one call gives at most: there may be more"
    if any(
        isinstance(one, dict) and one.get("searchedCompletely") is False
        for one in last.get("searchedLogStreams") or ()
    ):
        yield "not all log streams were searched to their end: events are missing"
