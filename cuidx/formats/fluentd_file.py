r"""Fluentd's out_file: a time, a tag and the record, with tabs between.

    2026-11-02T09:00:00+00:00<TAB>kubernetes.var.log.containers.…<TAB>{"log":"…","kubernetes":{…}}

The time in front is cut to seconds: the record's own comes first where it has one. A Pod and a
container that the record does not name are read from the tag.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

import polars as pl

from cuidx.formats import lines, places
from cuidx.formats.base import Block, Example, Reading, Sample, whole_lines
from cuidx.schema import KIND
from cuidx.times import LEADING

__all__ = ["NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "parse", "sniff"]

NAME: Final = "fluentd-file"
TITLE: Final = "Fluentd, out_file: time, tag, record"
SOURCE: Final = "fluent/fluentd-docs-gitbook, formatter/out_file.md"

PATTERN: Final = rf"^(?<stamp>{LEADING})\t(?<log_path>[^\t]*)\t(?<text>\s*\{{.*?)\r?$"
_SHAPE: Final = re.compile(PATTERN.replace("(?<", "(?P<"))
# What is a time, and not a length of time or a clock: the record's `time` may be anything.
_TIME: Final = rf"^{LEADING}$|^[0-9]{{10,19}}(?:\.[0-9]+)?$"

_TAG: Final = (
    "kubernetes.var.log.containers.mail-q9t2w_shop_mail-"
    "3efe504917c152f66e79aac572ba177118b79c8f3ef97b678097a503ccd66957.log"
)
PARTS: Final = (
    ("a time at the start", r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d"),
    ("a tag between tabs", r"\t[^\t]*\t"),
    ("a JSON object behind", r"\t\s*\{"),
)
SAMPLES: Final = (
    Example(
        f"2026-11-02T09:00:02+00:00\t{_TAG}\t"
        '{"log":"2026-11-02T09:00:02.400Z INFO queued request_id=4f1c\\n","stream":"stdout",'
        '"docker":{"container_id":"3efe5049"},"kubernetes":{"pod_name":"mail-q9t2w",'
        '"namespace_name":"shop","pod_id":"2f64a9d0","pod_ip":"10.10.12.7"},'
        '"time":"2026-11-02T09:00:02.400120458Z"}',
        {
            "time": "2026-11-02T09:00:02.400120458Z",
            "time_from": "collector",
            "message": "2026-11-02T09:00:02.400Z INFO queued request_id=4f1c",
            "level": "INFO",
            "request_id": "4f1c",
            "container_id": "3efe5049",
            "pod_uid": "2f64a9d0",
            "ip": "10.10.12.7",
        },
    ),
    Example(  # nothing but the line in the record
        f'2026-11-02T10:00:03+01:00\t{_TAG}\t{{"log":"hello\\n"}}',
        {
            "time": "2026-11-02T09:00:03Z",
            "time_from": "collector",
            "message": "hello",
            "pod": "mail-q9t2w",
            "namespace": "shop",
            "container_name": "mail",
            "container_id": "3efe504917c152f66e79aac572ba177118b79c8f3ef97b678097a503ccd66957",
        },
    ),
)

cut = whole_lines


def sniff(sample: Sample) -> float:
    """Share of lines with a time, a tag and an object."""
    return sample.share_of(_SHAPE)


def parse(block: Block, reading: Reading) -> pl.DataFrame:
    """One row a line."""
    raw = pl.Series("raw", block.texts(), dtype=pl.String)
    parts = pl.DataFrame({"raw": raw.str.extract_groups(PATTERN)}).unnest("raw")
    good = parts["text"].is_not_null()
    bad = ~good & (raw.str.strip_chars() != "")
    strict = replace(reading, strict_json=True, wrapped=True, want=reading.want | {"time"})
    inner = lines.read(parts["text"].fill_null(""), strict)
    own = pl.when(pl.col("time").str.contains(_TIME)).then("time")
    frame = inner.drop(lines.INNER).with_columns(
        parts["log_path"],
        time=pl.coalesce(own, parts["stamp"]),
        line=pl.int_range(pl.len(), dtype=pl.Int64) + block.first_line,
        envelope=good,
        kind=pl.when(bad).then(pl.lit("unreadable", KIND)).otherwise(inner["kind"]),
        why=pl.when(bad)
        .then(pl.lit("no time, tag and record with tabs between"))
        .otherwise(inner["why"] if "why" in inner.columns else None),
    )
    unreadable = frame["kind"] == "unreadable"
    return lines.finish(places.fill(frame.with_columns(raw=pl.when(unreadable).then(raw))), reading)
