r"""OpenTelemetry's OTLP as JSON: one batch a line (the Collector's file exporter), or indented.

    {"resourceLogs":[{"resource":{"attributes":[{"key":"k8s.pod.uid","value":{"stringValue":"…"}}]},
      "scopeLogs":[{"logRecords":[{"timeUnixNano":"…","severityText":"info","body":{…},
        "attributes":[…],"traceId":"…"}]}]}]}

Each log record is an event: most lines have several. A body is the line as text, or a map where the
Collector parsed it. Attributes are read like the keys of any document, the record's own before the
resource's. The observed time counts only where neither the record nor its line has a time.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any, Final

import orjson
import polars as pl

from cuidx.formats import lines, whole
from cuidx.formats.base import Block, Example, Reading, Sample, whole_lines
from cuidx.formats.documents import NotJSONError, loads

__all__ = ["NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "parse", "sniff"]

NAME: Final = "otlp"
TITLE: Final = "OpenTelemetry logs, OTLP as JSON"
SOURCE: Final = (
    "open-telemetry/opentelemetry-proto, logs/v1/logs.proto and examples/logs.json; "
    "opentelemetry-collector-contrib, pkg/stanza/docs/operators/container.md"
)

PARTS: Final = (
    ("a JSON object", r"^\s*\{"),
    ("the key resourceLogs", r'"resourceLogs"\s*:'),
)
SAMPLES: Final = (
    Example(
        '{"resourceLogs":[{"resource":{"attributes":['
        '{"key":"k8s.namespace.name","value":{"stringValue":"shop"}},'
        '{"key":"k8s.pod.name","value":{"stringValue":"payment-0"}},'
        '{"key":"k8s.pod.uid","value":{"stringValue":"8ac1e0b2"}},'
        '{"key":"k8s.container.restart_count","value":{"stringValue":"1"}},'
        '{"key":"container.id","value":{"stringValue":"57d35fa9"}},'
        '{"key":"k8s.pod.ip","value":{"stringValue":"10.10.11.2"}}]},"scopeLogs":[{"logRecords":['
        '{"timeUnixNano":"1793610001250883117","observedTimeUnixNano":"1793610002150883117",'
        '"severityNumber":13,"body":{"kvlistValue":{"values":['
        '{"key":"msg","value":{"stringValue":"slow"}},'
        '{"key":"client_ip","value":{"stringValue":"10.10.10.4"}},'
        '{"key":"ikontainer_CUID","value":{"stringValue":"3b9d"}},'
        '{"key":"svc","value":{"stringValue":"payment.shop.lab"}}]}},'
        '"traceId":"91c5e07ad2b84f3694aa10de5c7b2f68"}]}]}]}',
        {
            "time": "2026-11-02T09:00:01.250883117Z",
            "time_from": "collector",
            "message": "slow",
            "level": "WARN",
            "cuid": "3b9d",
            "service": "payment",
            "container_id": "57d35fa9",
            "pod_uid": "8ac1e0b2",
            "pod": "payment-0",
            "namespace": "shop",
            "restart": 1,
            "ip": "10.10.11.2",
            "source_ip": "10.10.10.4",
            "trace_id": "91c5e07ad2b84f3694aa10de5c7b2f68",
        },
    ),
    Example(  # no time but the line's; the Pod by the file's name
        '{"resourceLogs":[{"resource":{},"scopeLogs":[{"logRecords":[{"timeUnixNano":"0",'
        '"observedTimeUnixNano":"1793610009000000000","body":{"stringValue":'
        '"2026-11-02T09:00:02.400Z INFO queued"},"attributes":[{"key":"log.file.path","value":'
        '{"stringValue":"/var/log/pods/shop_mail-q9t2w_2f64a9d0-b831-4d7c-8e5f-a09c1b2d3e74/mail/'
        '0.log"}}],"traceId":""}]}]}]}',
        {
            "time": "2026-11-02T09:00:02.400Z",
            "time_from": "own",
            "level": "INFO",
            "pod_uid": "2f64a9d0-b831-4d7c-8e5f-a09c1b2d3e74",
            "trace_id": None,
        },
    ),
)

_BATCHES: Final = ("resourceLogs", "resourceSpans", "resourceMetrics", "resourceProfiles")
# 1 to 4 are TRACE, 5 to 8 DEBUG, …
_SEVERITIES: Final = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")


def sniff(sample: Sample) -> float:
    """Share of lines that are batches of logs; sure of an indented one."""
    if _is_indented(sample.filled[0] if sample.filled else ""):
        return 1.0 if '"resourceLogs"' in sample.text else 0.0
    return sample.share(sum("resourceLogs" in document for document in sample.documents))


def cut(data: bytes) -> int:
    """Whole lines, but nothing of a batch that is indented: that ends where the source ends."""
    first = data.lstrip().partition(b"\n")[0]
    return 0 if _is_indented(first[:80].decode("utf-8", "replace")) else whole_lines(data)


def _is_indented(line: str) -> bool:
    return line.strip() in ("{", "[")


def parse(block: Block, reading: Reading) -> pl.DataFrame:
    """One row a log record; a batch without any is skipped."""
    texts = block.texts()
    first = next((text for text in texts if text.strip()), "")
    records = list(_indented(block) if _is_indented(first) else _lines(texts, block.first_line))
    observed = pl.Series([one.roles.pop("observed", None) for one in records], dtype=pl.String)
    frame = lines.of_records(records, reading)
    if "time" in frame.columns:
        late = frame["time"].is_null() & observed.is_not_null()
        frame = frame.with_columns(
            time=pl.when(late).then(observed).otherwise("time"), envelope=pl.col("envelope") | late
        )
    return frame


def _lines(texts: list[str], first: int) -> Iterator[lines.Record]:
    for line, text in enumerate(texts, first):
        if not text.strip():
            yield lines.Record(line, None, kind="blank")
            continue
        try:
            document = loads(text)
        except NotJSONError as error:
            if text.lstrip().startswith(("{", "[")):
                yield lines.Record(line, None, kind="unreadable", raw=text,
                                   why=f"no valid JSON: {error}")  # fmt: skip
            else:
                yield lines.Record(line, None, {"message": text, "is_line": True})
            continue
        if not isinstance(document, dict):
            yield lines.Record(line, None, {"message": text})
        elif document.keys().isdisjoint(_BATCHES):
            yield lines.Record(line, document)
        else:
            yield from _several(line, _records(document))


def _indented(block: Block) -> Iterator[lines.Record]:
    """Batches over many lines: a record is where its resource begins."""
    text = block.data.decode("utf-8", "replace")
    where = whole.Lines(text, block.first_line)
    none = True
    try:
        for at, resource in whole.every(text, "resourceLogs"):
            found = list(_records({"resourceLogs": [resource]}))
            none &= not found
            if found:
                yield from _several(where.at(at), found)
    except whole.BrokenError as error:
        none = False
        yield lines.Record(where.at(error.at), None, kind="unreadable", why=str(error),
                           raw=text[error.at :])  # fmt: skip
    if none:
        yield lines.Record(block.first_line, None, kind="skipped")


def _several(
    line: int, found: Iterator[lines.Record] | list[lines.Record]
) -> Iterator[lines.Record]:
    records = list(found) or [lines.Record(line, None, kind="skipped")]
    for index, record in enumerate(records):
        record.line = line
        record.index = index if len(records) > 1 else None
        yield record


def _records(batch: dict[str, Any]) -> Iterator[lines.Record]:
    for logs in _objects(batch.get("resourceLogs")):
        resource = _attributes(_object(logs.get("resource")).get("attributes"))
        # instrumentationLibraryLogs: before OTLP 0.15
        for scope in _objects(logs.get("scopeLogs") or logs.get("instrumentationLibraryLogs")):
            for record in _objects(scope.get("logRecords")):
                yield _record(resource, record)


def _record(resource: dict[str, Any], record: dict[str, Any]) -> lines.Record:
    document = {**resource, **_attributes(record.get("attributes"))}
    roles: dict[str, Any] = {"envelope": False, "is_line": True}
    if time := _nanoseconds(record.get("timeUnixNano")):
        roles |= {"time": time, "envelope": True}
    roles["observed"] = _nanoseconds(record.get("observedTimeUnixNano"))
    body = _value(record.get("body"))
    if body is not None:
        roles["message"] = body if isinstance(body, str) else orjson.dumps(body).decode()
    if level := _level(record):
        roles["level"] = level
    if trace := _trace(record.get("traceId")):
        roles["trace_id"] = trace
    return lines.Record(0, document, roles)


def _nanoseconds(value: Any) -> str | None:
    text = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    return text if text.isdecimal() and text.strip("0") else None


def _level(record: dict[str, Any]) -> str | None:
    text, number = record.get("severityText"), record.get("severityNumber")
    if isinstance(text, str) and text:
        return text
    if isinstance(number, int) and 1 <= number <= 24:
        return _SEVERITIES[(number - 1) // 4]
    return None


def _trace(value: Any) -> str | None:
    """Hexadecimal; in base64, as generic JSON of protobuf has it, turned to that."""
    if not isinstance(value, str) or not value.strip("0"):
        return None
    if len(value) == 24 and value.endswith("=="):
        try:
            return base64.b64decode(value, validate=True).hex()
        except binascii.Error:
            pass
    return value


def _attributes(found: Any) -> dict[str, Any]:
    return {
        one["key"]: _value(one.get("value"))
        for one in _objects(found)
        if isinstance(one.get("key"), str)
    }


def _value(value: Any) -> Any:
    """What an AnyValue stands for; None for one that is empty or none."""
    match value:
        case {"kvlistValue": {"values": inner}}:
            return _attributes(inner)
        case {"arrayValue": {"values": [*inner]}}:
            return [_value(one) for one in inner]
        case {"bytesValue": str(inner)}:
            try:
                return base64.b64decode(inner).decode("utf-8", "replace")
            except (binascii.Error, ValueError):
                return inner
        case (
            {"stringValue": inner} | {"intValue": inner} | {"doubleValue": inner}
            | {"boolValue": inner}
        ):  # fmt: skip
            return inner
    return None


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
