"""A search response of Elasticsearch or OpenSearch, as curl saves it; also async and scrolled ones.

    {"took": 12, "timed_out": false, "_shards": {"total": 5, "failed": 1, …},
     "hits": {"total": {"value": 10000, "relation": "gte"},
              "hits": [{"_index": "…", "_id": "…", "_source": {…}, "sort": […]}, …]}}

The document is under `_source`, or its values as lists under `fields`. It is read by its own keys,
so one response may hold what several collectors wrote.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import polars as pl

from cuidx.formats import responses
from cuidx.formats.base import Block, Example, Reading, Sample
from cuidx.formats.base import whole_document as cut
from cuidx.formats.lines import Record
from cuidx.formats.responses import Answer, count

__all__ = ["NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "hit", "parse", "sniff"]

NAME: Final = "es-search"
TITLE: Final = "Elasticsearch search response"
SOURCE: Final = "Elasticsearch API reference, search, scroll and async search"

PARTS: Final = (
    ("a JSON object", r"^\s*\{"),
    ("an object at hits", r'"hits"\s*:\s*\{'),
    ("a list at hits.hits", r'"hits"\s*:\s*\['),
)

SAMPLES: Final = (
    Example(
        '{"took":12,"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0},'
        '"hits":{"total":{"value":1,"relation":"eq"},"max_score":null,"hits":[{"_index":'
        '"shop-2026.11.02","_id":"27e5c6dc","_score":null,"_source":{"log":"started\\n",'
        '"kubernetes":{"pod_name":"mail-q9t2w","pod_ip":"10.10.12.7"},'
        '"@timestamp":"2026-11-02T09:00:02.400120458+00:00"}}]}}',
        {
            "doc_index": "shop-2026.11.02",
            "doc_id": "27e5c6dc",
            "time": "2026-11-02T09:00:02.400120458Z",
            "message": "started",
            "pod": "mail-q9t2w",
            "ip": "10.10.12.7",
        },
    ),
    Example(  # "fields" instead of _source
        '{"took":3,"timed_out":false,"hits":{"hits":[{"_index":"shop","_id":"1","fields":'
        '{"@timestamp":["2026-11-02T09:00:02.400Z"],"message":["started"],'
        '"kubernetes.pod_name":["mail-q9t2w"],"host.ip":["10.10.1.11","fe80::1"]}}]}}',
        {
            "doc_id": "1",
            "time": "2026-11-02T09:00:02.400Z",
            "message": "started",
            "pod": "mail-q9t2w",
            "host_ip": "10.10.1.11, fe80::1",
        },
    ),
)

_PATHS: Final = (("hits", "hits"), ("response", "hits", "hits"), ("rawResponse", "hits", "hits"))
_BEGINS: Final = re.compile(
    r'\s*\{\s*"(?:took|timed_out|hits|_shards|_scroll_id|pit_id|id|is_partial|is_running'
    r'|response|rawResponse|num_reduce_phases|terminated_early|_clusters)"\s*:'
)
_HITS: Final = re.compile(r'"hits"\s*:\s*\{.*?"hits"\s*:\s*\[', re.DOTALL)
_DEFAULT_SIZE: Final = 10


def sniff(sample: Sample) -> float:
    """1 where the file begins as a response that has hits."""
    text = sample.text
    return float(bool(_BEGINS.match(text) and _HITS.search(text)))


def parse(block: Block, reading: Reading) -> pl.DataFrame:
    """One row a hit."""

    def build(line: int, one: Any, answer: Answer) -> Record:
        del answer
        return hit(line, one)

    return responses.parse(block, reading, _PATHS, build, _notes, what="list of hits in it")


def hit(line: int, one: Any) -> Record:
    """The record of one hit; one without its document is skipped."""
    if not isinstance(one, dict):
        return Record(line, None, kind="unreadable", why="no hit with an _id", raw=str(one))
    if isinstance(one.get("_source"), dict):
        return Record(line, one)
    if isinstance(one.get("fields"), dict):
        return Record(line, {**one, "_source": one["fields"]})
    return Record(line, None, kind="skipped")


def _notes(answers: Sequence[Answer]) -> Iterator[str]:
    hits = sum(len(answer.records) for answer in answers)
    bodies = [_body(answer) for answer in answers]
    for answer, body in zip(answers, bodies, strict=True):
        yield from _note(answer, body)
    bare = sum(
        isinstance(one, dict) and not {"_source", "fields"} & one.keys()
        for answer in answers for _, one in answer.records
    )  # fmt: skip
    if bare:
        yield f"{bare} hits have no document (no _source, no fields): they are skipped"
    totals = [body["hits"].get("total") for body in bodies if isinstance(body.get("hits"), dict)]
    known = [_total(total) for total in totals if total is not None]
    if known:
        value, at_least = max(known)
        if value > hits or at_least:
            more = "at least " if at_least else ""
            yield f"{hits} of {more}{value} hits are here: this is a part of the result"
    elif totals and hits == _DEFAULT_SIZE:
        yield f"{hits} hits, just what a search gives by default: there may be more"


def _body(answer: Answer) -> dict[str, Any]:
    """The response itself, which an async search wraps."""
    inner = answer.at("response") or answer.at("rawResponse")
    return inner if isinstance(inner, dict) else answer.members


def _note(answer: Answer, body: dict[str, Any]) -> Iterator[str]:
    if body.get("timed_out") is True:
        yield "the search timed out: hits are missing"
    if body.get("terminated_early") is True:
        yield "the search was ended early (terminate_after): hits are missing"
    if answer.members.get("is_partial") is True:
        yield "the async search was not done: hits are missing"
    shards = body.get("_shards")
    if isinstance(shards, dict) and count(shards.get("failed")):
        yield (
            f"{shards['failed']} of {count(shards.get('total'))} shards failed: "
            "their documents are missing"
        )
    clusters = body.get("_clusters")
    if isinstance(clusters, dict):
        lost = sum(count(clusters.get(name)) for name in ("skipped", "failed", "partial"))
        if lost:
            yield f"{lost} of {count(clusters.get('total'))} clusters gave no or a partial result"


def _total(total: Any) -> tuple[int, bool]:
    """(how many hits there are, whether there are more). A bare number is what 6.x writes."""
    if isinstance(total, dict):
        return count(total.get("value")), total.get("relation") == "gte"
    return count(total), False
