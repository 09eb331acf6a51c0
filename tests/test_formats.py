"""Formats: samples, payloads in every envelope, no line dropped, and quick way = exact way."""

import bz2
import functools
import gzip
import io
import itertools
import json
import lzma
import operator
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
import zstandard
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from stories import FULL, answers, conserved, folder, reading, rows_of, suffix

import cuidx
from cuidx.enrich.identity import normalise
from cuidx.formats import native
from cuidx.formats.advice import lacks
from cuidx.formats.base import Block, Example, Reading
from cuidx.formats.documents import FIELDS
from cuidx.formats.registry import BY_NAME, FORMATS, detect
from cuidx.formats.scan import Scanner
from cuidx.schema import EVENTS, PARSED, ROLES

# -- samples --------------------------------------------------------------------------------

SAMPLES: list[Any] = [
    pytest.param(f.NAME, s, id=f"{f.NAME} {at}: {s.raw[:30]}")
    for f in FORMATS
    for at, s in enumerate(f.SAMPLES)
]
WAYS: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda data: data + b"\n",
    "no final newline": lambda data: data,
    "CRLF": lambda data: data + b"\r\n",
    "BOM": lambda data: b"\xef\xbb\xbf" + data + b"\n",
    "gzip": lambda data: gzip.compress(data + b"\n"),
    "zstd": lambda data: zstandard.compress(data + b"\n"),
    "bzip2": lambda data: bz2.compress(data + b"\n"),
    "xz": lambda data: lzma.compress(data + b"\n"),
    "stdin": lambda data: data + b"\n",
    "among others": lambda data: b"\n".join([data] * 3) + b"\n",
}


def parsed(name: str, sample: Example) -> dict[str, Any]:
    """All that `parse` reads of SAMPLE."""
    whole = BY_NAME[name].parse(Block(sample.raw.encode() + b"\n", 1), Reading())
    return whole.filter(pl.col("kind") != "skipped").row(0, named=True)


def read_sample(name: str, sample: Example, source: str | Path) -> dict[str, Any]:
    """What is read of the sample's first line: as users see it, and the parse's own columns."""
    case = cuidx.open_case(source)
    # Evidence makes no event: it is looked at as a record.
    evidence = sample.reads.get("kind") == "evidence"
    row = rows_of(next(case._story.enriched(frozenset(ROLES))) if evidence else case.events)[0]
    assert case.opened[0].format == name
    counted = case.accounting
    assert counted.records - counted.skipped in (1, 3)  # a header is skipped
    own = parsed(name, sample)
    return {column: (row if column in EVENTS else own)[column] for column in sample.reads}


def wayward() -> Iterator[Any]:
    """Each sample with all ways where FULL, else with one; the next sample with the next way."""
    ways = itertools.cycle(WAYS)
    for one in SAMPLES:
        for way in WAYS if FULL else [next(ways)]:
            yield pytest.param(*one.values, way, id=f"{one.id} {way}")


# Handles that stay open are test_sources' concern.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("name", "sample", "way"), list(wayward()))
def test_each_sample_is_detected_and_reads_what_it_says(
    name: str, sample: Example, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = WAYS[way](sample.raw.encode())
    if way == "stdin":
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
        assert read_sample(name, sample, "-") == sample.reads
        return
    path = tmp_path / "name-says-nothing"
    path.write_bytes(data)
    assert read_sample(name, sample, path) == sample.reads


# By default those that a format itself has to see to; above, each way has some samples.
@pytest.mark.parametrize("way", WAYS if FULL else ["CRLF", "no final newline", "among others"])
def test_all_samples_side_by_side_read_what_they_say(way: str, tmp_path: Path) -> None:
    """As records: what other files know of an address is not told."""
    if way == "stdin":
        return  # there is one
    for at, one in enumerate(SAMPLES):
        (tmp_path / f"{at:03}").write_bytes(WAYS[way](one.values[1].raw.encode()))
    case = cuidx.open_case(*sorted(tmp_path.iterdir()))
    parts = [
        part.frame.filter(pl.col("kind") != "skipped").with_columns(at=part.source)
        for part in case._story.records.parts(frozenset(ROLES))
    ]
    rows = rows_of(normalise(pl.concat(parts, how="diagonal")))
    wrong = {}
    for at, (one, opened) in enumerate(zip(SAMPLES, case._story.records.opened, strict=True)):
        name, sample = one.values
        mine = [row for row in rows if row["at"] == at]
        own = _parsed(at) if sample.reads.keys() - EVENTS else {}
        found = {c: (mine[0] if c in EVENTS else own)[c] for c in sample.reads}
        if (opened.format, len(mine) in (1, 3), found) != (name, True, sample.reads):
            wrong[one.id] = opened.format, len(mine), found
    assert wrong == {}


@functools.cache
def _parsed(at: int) -> dict[str, Any]:
    return parsed(*SAMPLES[at].values)


@pytest.mark.parametrize("name", BY_NAME)
def test_the_samples_together_are_a_file_of_their_format(name: str) -> None:
    data = "\n".join(sample.raw for sample in BY_NAME[name].SAMPLES).encode()
    assert name == detect(data, "file").format.NAME


# -- no line is dropped ---------------------------------------------------------------------

ALL_RAW = [sample.raw for format_ in FORMATS for sample in format_.SAMPLES]
# "\n" alone ends a line: a lone CR, U+2028, U+0085 and form feeds are part of one.
TEXT = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=60)
CUT = st.builds(lambda raw, n: raw[:n], st.sampled_from(ALL_RAW), st.integers(0, 80))
LINES = st.lists(st.one_of(st.sampled_from(ALL_RAW), TEXT, CUT), max_size=12)


# In a file of these a record is not a line: a JSON document, pairs of lines, rows of a table.
DOCUMENTS = {"cloudwatch", "cloudwatch-insights", "crictl-pods", "elasticdump-array", "es-bulk",
             "es-search", "esql-csv", "esql-json", "generic-csv", "generic-tsv", "k8s-events",
             "k8s-pods", "k8s-pods-watch", "kibana-csv", "loki-api", "otlp",
             "prometheus-pod-info"}  # fmt: skip


@pytest.mark.parametrize("strict", [False, True], ids=["mixed", "JSON file"])
@pytest.mark.parametrize("name", sorted(set(BY_NAME) - DOCUMENTS))
@settings(max_examples=25 if FULL else 10)
@given(lines=LINES, end=st.sampled_from(["\n", "\r\n"]), last=st.booleans())
def test_no_line_is_dropped(
    name: str, strict: bool, lines: list[str], end: str, last: bool
) -> None:
    text = end.join(lines) + (end if last else "")
    count = len(text.split("\n")) - (not text or text.endswith("\n"))
    parsed = BY_NAME[name].parse(Block(text.encode(), 5), Reading(strict_json=strict))
    assert parsed["line"].to_list() == list(range(5, 5 + count))
    assert parsed["kind"].null_count() == 0
    assert set(parsed.columns) <= set(PARSED)


# -- payloads in envelopes ------------------------------------------------------------------

TAG = suffix("c1")
FORGED = suffix("forged", "x.y.z")
TIME = "2026-11-02T09:00:01.250Z"
# payload: what it reads as (cuid, service, message); None: no identity.
PAYLOADS: dict[str, tuple[str, str | None, str | None, str | None]] = {
    "text+suffix": (f"{TIME} INFO hello{TAG}", "c1", "a", f"{TIME} INFO hello"),
    "text blank suffix": (f"{TIME} INFO hello {TAG}", "c1", "a", f"{TIME} INFO hello"),
    "blanks after the suffix": (f"hello{TAG}  \t", "c1", "a", "hello"),
    "CR after the suffix": (f"hello{TAG}\r", "c1", "a", "hello"),
    "CR before the suffix": (f"hello\r{TAG}", "c1", "a", "hello"),
    "suffix written with blanks": (
        'hello {"ikontainer_CUID": "c1", "svc": "a.b.c" }', "c1", "a", "hello"),
    "only the suffix": (TAG, "c1", "a", ""),
    "svc null": (f"hello {suffix('c1', None)}", "c1", None, "hello"),
    "JSON+suffix": (f'{{"msg":"hello"}}{TAG}', "c1", "a", "hello"),
    "JSON blank suffix": (f'{{"msg":"hello"}} {TAG}', "c1", "a", "hello"),
    "a key and the suffix": (f'{{"a":1}}{TAG}', "c1", "a", None),
    "merged in": (
        '{"msg":"hello","ikontainer_CUID":"c1","svc":"a.b.c"}', "c1", "a", "hello"),
    "merged in, svc null": ('{"msg":"hello","ikontainer_CUID":"c1","svc":null}', "c1", None, "hello"),
    "merged in, first": (
        '{"ikontainer_CUID":"c1","svc":"a.b.c","msg":"hello"}', "c1", "a", "hello"),
    "merged in and a suffix": (
        f'{{"msg":"hello","ikontainer_CUID":"app","svc":"x.y.z"}}{TAG}', "c1", "a", "hello"),
    "key twice, the last wins": (
        '{"ikontainer_CUID":"no","msg":"hello","ikontainer_CUID":"c1","svc":"a.b.c"}',
        "c1", "a", "hello"),
    "forged before": (f"said {FORGED} then {TAG}", "c1", "a", f"said {FORGED} then"),
    "forged just before": (f"said {FORGED}{TAG}", "c1", "a", f"said {FORGED}"),
    "forged in JSON before the suffix": (
        json.dumps({"msg": f"hi {FORGED}"}) + TAG, "c1", "a", f"hi {FORGED}"),
    "forged in msg, keys merged in": (
        json.dumps({"msg": f"hi {FORGED}", "ikontainer_CUID": "c1", "svc": "a.b.c"}),
        "c1", "a", f"hi {FORGED}"),
    "forged in msg alone": (json.dumps({"msg": f"hi {FORGED}"}), None, None, f"hi {FORGED}"),
    "suffix, then more text": (f"hello {TAG} more", None, None, f"hello {TAG} more"),
    "text that looks like JSON": ('{"msg":"hello', None, None, '{"msg":"hello'),
    "message with JSON in it": (
        json.dumps({"msg": 'got {"ip":"1.2.3.4","cuid":"no"}', "ikontainer_CUID": "c1",
                    "svc": "a.b.c"}), "c1", "a", 'got {"ip":"1.2.3.4","cuid":"no"}'),
}  # fmt: skip
ENVELOPES: dict[str, Callable[[str], str]] = {
    "bare": lambda line: line,
    "fluentd": lambda line: json.dumps(
        {"log": line + "\n", "stream": "stdout", "@timestamp": TIME, "kubernetes": {"host": "n1"}}
    ),
    "fluentd, not ASCII": lambda line: json.dumps(
        {"log": line, "stream": "stdout", "note": "ü", "time": TIME}, ensure_ascii=False
    ),
    "cri": lambda line: f"2026-11-02T09:00:02.000000001Z stdout F {line}",
    "elasticdump": lambda line: json.dumps(
        {"_index": "i", "_id": "1", "_source": {"message": line, "kubernetes": {}, "time": TIME}}
    ),
    "document in a document": lambda line: json.dumps(
        {"message": json.dumps({"log": line, "stream": "stdout"}), "agent": {"type": "x"}}
    ),
}


@pytest.mark.parametrize("envelope", ENVELOPES)
def test_any_payload_in_any_envelope(envelope: str, tmp_path: Path) -> None:
    """Each in a file of its own, all files in one case."""
    for at, (line, *_) in enumerate(PAYLOADS.values()):
        # a document that comes twice would be a duplicate
        record = ENVELOPES[envelope](line).replace('"_id": "1"', f'"_id": "{at}"')
        (tmp_path / f"{at:02}").write_bytes(record.encode() + b"\n")
    found, wanted = {}, {}
    rows = rows_of(cuidx.open_case(tmp_path).events)
    for row, (payload, (_, cuid, service, message)) in zip(rows, PAYLOADS.items(), strict=True):
        if envelope != "bare" and message is None:
            row["message"] = None  # the whole line stands in for the message that it has not
        found[payload] = {name: row[name] for name in ("cuid", "service", "message", "identity")}
        wanted[payload] = {"cuid": cuid, "service": service, "message": message}
        wanted[payload]["identity"] = "cuid" if cuid else "none"
        if service:
            assert (row["namespace"], row["cluster"]) == ("b", "c"), payload
    assert found == wanted


@pytest.mark.parametrize(
    ("line", "count"),
    [
        pytest.param(f"hello {TAG}", 1, id="one"),
        pytest.param(f"said {FORGED} and {FORGED}{TAG}", 3, id="two forged"),
        pytest.param(f"{FORGED} hello", 0, id="not at the end: none"),
        pytest.param(json.dumps({"log": f"said {FORGED}{TAG}"}), 2, id="in an envelope"),
        pytest.param(f"2026-11-02T09:00:02Z stdout F said {FORGED}{TAG}", 2, id="in CRI"),
    ],
)
def test_suffixes_are_counted(line: str, count: int) -> None:
    name = detect(line.encode(), "f").format.NAME
    parsed = BY_NAME[name].parse(Block(line.encode() + b"\n", 1), Reading())
    assert parsed["suffixes"].to_list() == [count]


# -- the quick way is the exact way -----------------------------------------------------------


def differences(data: bytes, head: int | None = None) -> list[str]:
    """Columns and counts in which the quick way differs from the exact one, on DATA."""
    found = []
    with folder() as here, reading(head=len(data) if head is None else head):
        path = here / "a.jsonl"
        path.write_bytes(data)
        quick, exact = cuidx.open_case(path), cuidx.open_case(path, exact=True)
        for what in ("lifetimes", "events"):
            mine, other = (
                c.lifetimes() if what == "lifetimes" else c.events.collect() for c in (quick, exact)
            )
            if len(mine) != len(other):
                found.append(f"{what}: {len(mine)} rows, exact {len(other)}")
                continue
            for column in mine.columns:
                if not mine[column].equals(other[column], null_equal=True):
                    at = next(
                        i for i, (a, b) in enumerate(zip(mine[column], other[column], strict=True))
                        if (a is None) != (b is None) or (a is not None and not _same(a, b))
                    )  # fmt: skip
                    found.append(
                        f"{what}[{at}].{column}: {mine[column][at]!r}, exact {other[column][at]!r}"
                    )
        a, b = quick.accounting.as_json(), exact.accounting.as_json()
        found += [f"accounting.{n}: {a[n]!r}, exact {b[n]!r}" for n in a if a[n] != b[n]]
        conserved(a)
    return found


def _same(a: Any, b: Any) -> bool:
    return a.equals(b) if isinstance(a, pl.Series) else bool(a == b)


BASE = (
    '{"ts":"2026-11-02T09:00:00Z","level":"INFO","msg":"hello","request_id":"r1",'
    '"pod_ip":"10.0.0.1","cuid":"aa"}'
)
OTHER: dict[str, str] = {
    "the same": BASE,
    "bool before a better key": BASE.replace('"10.0.0.1"', 'true,"ip":"10.0.0.9"'),
    "bool as address": BASE.replace('"10.0.0.1"', "true"),
    "bool as level": BASE.replace('"INFO"', "false"),
    "number as level": BASE.replace('"INFO"', "50"),
    "list as address": BASE.replace('"10.0.0.1"', '["10.0.0.3","10.0.0.4"]'),
    "empty list as address": BASE.replace('"10.0.0.1"', '[],"ip":"10.0.0.9"'),
    "null address": BASE.replace('"10.0.0.1"', 'null,"ip":"10.0.0.9"'),
    "- address": BASE.replace('"10.0.0.1"', '"-","ip":"10.0.0.9"'),
    "empty address": BASE.replace('"10.0.0.1"', '"","ip":"10.0.0.9"'),
    "object as level": BASE.replace('"INFO"', '{"foo":"x"}'),
    "empty object as level": BASE.replace('"INFO"', "{}"),
    "service an object": BASE.replace('"cuid"', '"service":{"foo":"x"},"cuid"'),
    "service a text": BASE.replace('"cuid"', '"service":"s","cuid"'),
    "service with a name": BASE.replace('"cuid"', '"service":{"name":"n"},"cuid"'),
    "service.name dotted": BASE.replace('"cuid"', '"service.name":"d","cuid"'),
    "kubernetes": BASE.replace('"cuid"', '"kubernetes":{"pod_name":"p"},"cuid"'),
    "kubernetes a text": BASE.replace('"cuid"', '"kubernetes":"x","cuid"'),
    "kubernetes null": BASE.replace('"cuid"', '"kubernetes":null,"cuid"'),
    "kubernetes empty": BASE.replace('"cuid"', '"kubernetes":{},"cuid"'),
    "kubernetes a list": BASE.replace('"cuid"', '"kubernetes":[{"pod_name":"p"}],"cuid"'),
    "host a text": BASE.replace('"cuid"', '"host":"h","cuid"'),
    "host with a name": BASE.replace('"cuid"', '"host":{"name":"h2"},"cuid"'),
    "key twice": BASE.replace('"cuid"', '"cuid":"bb","cuid"'),
    "key in another case too": BASE.replace('"cuid"', '"CUID":"bb","cuid"'),
    "key in another case": BASE.replace('"cuid"', '"CUID"'),
    "key escaped": BASE.replace('"cuid"', '"\\u0063uid"'),
    "message escaped": BASE.replace("hello", "h\\u00e9 \\\"q\\\" \\\\ \\n\\t\\/"),
    "lone surrogate": BASE.replace("hello", "\\ud800 x"),
    "pair of surrogates": BASE.replace("hello", "\\ud83d\\ude00"),
    "lone surrogate as CUID": BASE.replace('"aa"', '"\\udc00"'),
    "NUL in the CUID": BASE.replace('"aa"', '"a\\u0000"'),
    "huge integer": BASE.replace('"cuid"', f'"n":{"9" * 40},"cuid"'),
    "huge integer as CUID": BASE.replace('"aa"', "9" * 40),
    "float as CUID": BASE.replace('"aa"', "1.50"),
    "1e400": BASE.replace('"cuid"', '"n":1e400,"cuid"'),
    "-0": BASE.replace('"cuid"', '"n":-0,"cuid"'),
    "01 is no number": BASE.replace('"cuid"', '"n":01,"cuid"'),
    "NaN is no JSON": BASE.replace('"cuid"', '"n":NaN,"cuid"'),
    "trailing comma": BASE.replace("}", ",}"),
    "cut": BASE[:50],
    "two objects": BASE + BASE,
    "blank around": f"  {BASE}\t",
    "blank in": BASE.replace(":", ": ").replace(",", ", "),
    "odd blank in": BASE.replace('":', '" :'),
    "CR": BASE + "\r",
    "two CRs": BASE + "\r\r",
    "blank line": "",
    "only blanks": "  \t",
    "text": "2026-11-02T09:00:00Z ERROR no JSON request_id=q",
    "a list": '[1,"a"]',
    "a broken list": "[1,",
    "a text in quotes": '"text"',
    "deep": BASE.replace('"cuid"', f'"n":{"[" * 900}{"]" * 900},"cuid"'),
    "deep object": BASE.replace('"cuid"', '"n":' + '{"a":' * 30 + "1" + "}" * 30 + ',"cuid"'),
    "deep list as address": BASE.replace('"10.0.0.1"', f'{"[" * 600}"a"{"]" * 600}'),
    "too deep": BASE.replace('"cuid"', f'"n":{"[" * 3000}{"]" * 3000},"cuid"'),
    "the suffix alone": TAG,
    "the CUID alone": '{"ikontainer_CUID":"c1"}',
    "the suffix after": BASE + TAG,
    "CUID and svc merged in": BASE.replace('"cuid":"aa"', '"ikontainer_CUID":"c1","svc":"a.b.c"'),
    "svc null": BASE.replace('"cuid":"aa"', '"ikontainer_CUID":"c1","svc":null'),
    "CUID null": BASE.replace('"cuid":"aa"', '"ikontainer_CUID":null,"svc":"a.b.c"'),
    "CUID empty": BASE.replace('"cuid":"aa"', '"ikontainer_CUID":"","svc":"a.b.c"'),
    "look-alike address": BASE.replace("hello", 'got \\"pod_ip\\":\\"1.2.3.4\\"'),
    "look-alike suffix in msg": BASE.replace("hello", f"x {json.dumps(FORGED)[1:-1]}"),
    "suffix in log": BASE.replace('"msg":"hello"', f'"log":"x {json.dumps(FORGED)[1:-1]}"').replace(
        ',"cuid":"aa"', ""),
    "escaped suffix in log": BASE.replace(
        '"msg":"hello"', '"log":"x {\\"ikontainer\\u005fCUID\\":\\"bb\\",\\"svc\\":\\"x.y.z\\"}"'
    ).replace(',"cuid":"aa"', ""),
    "JSON in log": BASE.replace('"msg":"hello"', '"log":"{\\"cuid\\":\\"zz\\"}"').replace(
        ',"cuid":"aa"', ""),
    "blank and JSON in log": BASE.replace('"msg":"hello"', '"log":" {\\"cuid\\":\\"zz\\"}"').replace(
        ',"cuid":"aa"', ""),
    "escaped blank and JSON in log": BASE.replace(
        '"msg":"hello"', '"log":"\\t{\\"cuid\\":\\"zz\\"}"').replace(',"cuid":"aa"', ""),
    "no level, one in the text": BASE.replace('"level":"INFO",', "").replace(
        "hello", "ERROR it failed"),
    "empty level, one in the text": BASE.replace('"INFO"', '""').replace("hello", "ERROR failed"),
    "no id, one in the text": BASE.replace('"request_id":"r1",', "").replace(
        "hello", "req_id=zzz"),
    "message null": BASE.replace('"hello"', "null"),
    "message empty": BASE.replace('"hello"', '""'),
    "message a number": BASE.replace('"hello"', "5"),
    "message a bool, and log": BASE.replace('"hello"', 'true,"log":"ERROR x"'),
    "message and log": BASE.replace('"hello"', '"hello","log":"other"'),
    "search hit": f'{{"_index":"i","_id":"1","_source":{BASE}}}',
    "search hit, other id": f'{{"_index":"i","_id":"2","_source":{BASE}}}',
    "search hit, id a bool": f'{{"_index":"i","_id":true,"_source":{BASE}}}',
    "search hit, id a number": f'{{"_index":"i","_id":7,"_source":{BASE}}}',
    "search hit, no id": f'{{"_index":"i","_source":{BASE}}}',
    "_source alone": f'{{"_source":{BASE}}}',
    "_source a text": '{"_index":"i","_id":"1","_source":"x"}',
    "_source and a key beside": f'{{"_index":"i","_id":"1","cuid":"no","_source":{BASE}}}',
    "flat with _id": BASE.replace('"cuid"', '"_index":"i","_id":"1","cuid"'),
    "collector's": BASE.replace('"cuid"', '"kubernetes":{"host":"n"},"stream":"stdout","cuid"'),
    "collector's, a finer time": BASE.replace('"ts":"2026-11-02T09:00:00Z"',
        '"@timestamp":"2026-11-02T09:00:00.1Z","time":"2026-11-02T09:00:00.123456Z","logtag":"F"'),
    "collector's, a finer time first": BASE.replace('"ts":"2026-11-02T09:00:00Z"',
        '"logtag":"F","time":"2026-11-02T10:00:00.12+01:00","@timestamp":"2026-11-02T09:00:00Z"'),
    "collector's, a time not finer": BASE.replace('"ts":"2026-11-02T09:00:00Z"',
        '"@timestamp":"2026-11-02T09:00:00.1Z","time":"2026-11-02T09:00:00.2Z","logtag":"F"'),
    "collector's, a length of time": BASE.replace('"ts":"2026-11-02T09:00:00Z"',
        '"@timestamp":"2026-11-02T09:00:00.1Z","time":0.25,"logtag":"F"'),
    "collector's, a time with no zone": BASE.replace('"ts":"2026-11-02T09:00:00Z"',
        '"@timestamp":"2026-11-02T09:00:00.1Z","time":"2026-11-02T11:00:00.123","logtag":"F"'),
    "collector's, a month 13": BASE.replace('"ts":"2026-11-02T09:00:00Z"',
        '"@timestamp":"2026-11-02T09:00:00.1Z","time":"2026-13-02T09:00:00.123Z","logtag":"F"'),
    "collector's, escaped time": BASE.replace('"ts":"2026-11-02T09:00:00Z"',
        '"@timestamp":"2026-11-02T09:00:00.1Z","time":"2026\\u002d11-02T09:00:00.123Z","_p":"F"'),
    "nobody's, a finer time": BASE.replace('"ts":"2026-11-02T09:00:00Z"',
        '"@timestamp":"2026-11-02T09:00:00.1Z","time":"2026-11-02T09:00:00.123Z"'),
    "epoch with microseconds": BASE.replace('"2026-11-02T09:00:00Z"', "1793610000.100412"),
    "epoch with microseconds, a 0": BASE.replace('"2026-11-02T09:00:00Z"', "1793610000.100410"),
    "epoch with seven digits": BASE.replace('"2026-11-02T09:00:00Z"', "1793610000.1004123"),
    "epoch beside a better time": BASE.replace(
        '"ts":"2026-11-02T09:00:00Z"', '"date":1793610000.1004123,"time":"2026-11-02T09:00:01Z"'),
    "message a long number": BASE.replace('"hello"', "1.12345678901234567"),
    "line a number": BASE.replace('"msg":"hello"', '"line":12'),
    "line a text": BASE.replace('"msg":"hello"', '"line":"ERROR it failed"'),
    "line a list": BASE.replace('"msg":"hello"', '"line":[1,"a"]'),
    "payload below log_processed": BASE.replace('"level":"INFO","msg":"hello"',
        '"log_processed":{"level":"ERROR","msg":"hello","client_ip":"10.0.0.7"},"_p":"F"'),
    "a list after a better key": BASE.replace('"10.0.0.1"', '"10.0.0.1","kubernetes":{"pod_ip":'
        '"10.0.0.2","pod_ips":["10.0.0.2","fd00::2"]}'),
    "a list before a better key": BASE.replace('"10.0.0.1"', '"10.0.0.1","kubernetes":{"pod_ips":'
        '["10.0.0.3","fd00::2"],"pod_ip":"10.0.0.2"}'),
    "a file of the kubelet": BASE.replace('"cuid"', '"file":"/var/log/pods/shop_pay-0_8ac1e0b2-7d54'
        '-4c39-a6e7-f10b2d3c4e52/pay/2.log","cuid"'),
    "start record": '{"ikontainer_event":"start","time":"2026-11-02T09:00:00Z","pod_uid":"u",'
    '"ip":"10.0.0.1","ikontainer_CUID":"aa","svc":"a.b.c"}',
}  # fmt: skip


@pytest.mark.parametrize("name", OTHER)
def test_the_quick_way_gives_what_the_exact_way_gives(name: str) -> None:
    line = OTHER[name]
    files = {"alone": [line] * 5, "beside others": [line] * 5 + [BASE] * 5 + [line]}
    take = [*files] if FULL else [[*files][list(OTHER).index(name) % 2]]
    for how in take:
        lines = files[how]
        assert differences(("\n".join(lines) + "\n").encode()) == [], how


PAIRS = [("kubernetes", "service a text"), ("search hit", "host a text")]


@pytest.mark.parametrize(
    ("name", "pair"),
    [
        pytest.param(name, pair, id=f"{name} beside {' and '.join(pair)}")
        for at, name in enumerate(OTHER)
        for pair in (PAIRS if FULL else [PAIRS[at % 2]])
    ],
)
def test_shapes_side_by_side_do_not_disturb_each_other(name: str, pair: tuple[str, str]) -> None:
    one, two = OTHER[pair[0]], OTHER[pair[1]]
    lines = [one] * 4 + [OTHER[name]] * 4 + [two] * 4 + [OTHER[name], one]
    assert differences(("\n".join(lines) + "\n").encode()) == []


def test_the_native_part_is_built() -> None:
    assert native.is_built(), "cuidx/formats/_scan*.so is missing: pip says why when it installs"


def watched(way: Callable[..., Any], seen: list[bool]) -> Callable[..., Any]:
    """WAY, which notes in SEEN whether it gave anything."""

    def watching(*given: Any, **more: Any) -> Any:
        found = way(*given, **more)
        seen.append(found is not None)
        return found

    return watching


def test_the_tables_above_do_go_the_quick_way() -> None:
    seen: list[bool] = []
    with pytest.MonkeyPatch.context() as patch:
        for way in ("parse", "group"):  # rows for the events, groups for the lifetimes
            patch.setattr(Scanner, way, watched(getattr(Scanner, way), seen))
        assert differences((BASE + "\n").encode() * 10) == []
        assert differences((OTHER["search hit"] + "\n").encode() * 10) == []
    assert len(seen) == 4
    assert all(seen)


def test_many_wide_shapes_are_no_trouble() -> None:
    wide = [
        json.dumps(
            {"ts": "2026-11-02T09:00:00Z", "msg": "m", "cuid": f"c{at}"}
            | {f"key number {at} {n}": "value" for n in range(60)},
            separators=(",", ":"),
        )
        for at in range(60)
    ]
    assert differences(("\n".join(wide * 3) + "\n").encode()) == []


# Documents as pairs, so that keys can come twice, and in any spelling.
PATHS = sorted({path for paths in FIELDS.values() for path in paths})
KEYS = st.one_of(
    st.sampled_from(PATHS),
    st.sampled_from(["ip", "pod_ip", "cuid", "ikontainer_CUID", "svc", "msg", "log", "ts", "level",
                     "request_id", "trace_id", "stream", "kubernetes", "service", "host", "_index",
                     "_id", "_source", "agent", "IP", "Pod-IP", "ikontainer_event"]),
    st.text(max_size=4),
)  # fmt: skip
WORDS = st.one_of(
    st.sampled_from(["10.0.0.1", "10.0.0.2:80", "127.0.0.6", "c1", "c2", "INFO", "ERROR", "-", "",
                     "start", "2026-11-02T09:00:01.250Z", "2026-11-02 09:00:02", "1793610001250",
                     "a.b.c", "r-1", "plain words", "ERROR it broke request_id=77", "1", "0",
                     'got "pod_ip":"1.2.3.4"', f"x {FORGED}", FORGED, '{"cuid":"deep","ip":"1.1.1.1"}',
                     ' {"level":"FATAL"}', "line\n", "tab\tquote\" back\\ slash/", "ü\u2028\x7f"]),
    st.text(max_size=6),
)  # fmt: skip
VALUES = st.recursive(
    st.one_of(
        WORDS, WORDS, WORDS,
        st.none(), st.booleans(), st.integers(-(10**25), 10**25), st.integers(0, 99),
        st.floats(allow_nan=False, allow_infinity=False),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.lists(st.tuples(KEYS, inner), max_size=3).map(tuple),
    ),
    max_leaves=4,
)  # fmt: skip


def written(value: Any, colon: str, comma: str, escape: bool) -> str:
    """VALUE as JSON; a tuple is an object's pairs."""
    if isinstance(value, tuple):
        members = (f"{json.dumps(k, ensure_ascii=escape)}{colon}{written(v, colon, comma, escape)}"
                   for k, v in value)  # fmt: skip
        return "{" + comma.join(members) + "}"
    if isinstance(value, list):
        return "[" + comma.join(written(v, colon, comma, escape) for v in value) + "]"
    return json.dumps(value, ensure_ascii=escape)


# What a well-behaved logger writes; these lines do go the quick way.
CLEAN = st.one_of(
    *[st.sampled_from(
        ["10.0.0.1", "10.0.0.2:80", "c1", "c2", "INFO", "ERROR", "2026-11-02T09:00:01.250Z",
         "a.b.c", "2026-11-02 09:00:02", "r-1", "plain words", "ERROR broke request_id=77", "ü"]
    )] * 5,
    st.sampled_from(['got "pod_ip":"1.2.3.4"', "tab\tquote\" back\\ slash/", f"x {FORGED}"]),
)  # fmt: skip
JUNK = st.sampled_from(["user", "n", "x.y", "kubernetes.labels.z", "ctx", "é", 'q"q', "a b"])


@st.composite
def documents(draw: st.DrawFn) -> list[bytes]:
    """Lines with one document's keys: the values change, now and then the shape, some are damaged."""
    pairs: list[tuple[str, Any]]
    orderly = draw(st.integers(0, 5)) > 0
    if orderly:  # one key a role, texts in the roles, anything elsewhere
        roles = draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=6, unique=True))
        pairs = [(draw(st.sampled_from(FIELDS[role])), draw(CLEAN)) for role in roles]
        pairs += draw(
            st.lists(
                st.tuples(JUNK, st.one_of(WORDS, WORDS, VALUES)),
                max_size=2,
                unique_by=lambda p: p[0],
            )
        )
        pairs = draw(st.permutations(pairs)) or [("cuid", "c1")]
        if draw(st.booleans()):
            pairs = nested(pairs)
    else:
        value = st.one_of(WORDS, WORDS, VALUES)
        pairs = draw(st.lists(st.tuples(KEYS, value), min_size=1, max_size=7))
    if draw(st.integers(0, 4)) == 0:
        pairs = [("_index", "i"), ("_id", draw(CLEAN)), ("_source", tuple(pairs))]
    style = draw(st.sampled_from([(":", ","), (": ", ", ")]))
    escape = not orderly and draw(st.booleans())
    lines = []
    for _ in range(draw(st.integers(2, 7))):
        change = draw(st.integers(0, 29))
        place = draw(st.integers(0, len(pairs) - 1))
        if change == 0:
            pairs = draw(st.permutations(pairs))
        elif change == 1:
            pairs = [*pairs, (pairs[place][0], draw(WORDS))]
        elif change == 2:
            pairs = [*pairs[:place], (pairs[place][0], draw(VALUES)), *pairs[place + 1 :]]
        elif change == 3:
            style, escape = draw(st.sampled_from([(": ", ","), (" :", " , ")])), not escape
        elif type(pairs[place][1]) is str:  # another text in the same shape
            text = draw(st.one_of(CLEAN, CLEAN, CLEAN, WORDS) if orderly else WORDS)
            pairs = [*pairs[:place], (pairs[place][0], text), *pairs[place + 1 :]]
        lines.append(written(tuple(pairs), *style, escape).encode("utf-8", "replace"))
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(lines) - 1))
        lines[at] = damaged(draw, lines[at])
    return [line.replace(b"\n", b" ") for line in lines] * draw(st.integers(1, 3))


def nested(pairs: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """PAIRS with `a.b` as b in an object a, wherever that clashes with nothing."""
    tops = {key for key, _ in pairs if "." not in key}
    out: dict[str, Any] = {}
    for key, value in pairs:
        head, dot, rest = key.partition(".")
        if dot and head not in tops:
            out[head] = (*out.get(head, ()), (rest, value))
        else:
            out[key] = value
    return list(out.items())


def damaged(draw: st.DrawFn, line: bytes) -> bytes:
    """LINE with a byte changed, cut, with more behind it, or another in its place."""
    place = draw(st.integers(0, len(line)))
    return draw(
        st.sampled_from(
            [
                line[:place] + bytes([draw(st.integers(0, 255))]) + line[place + 1 :],
                line[:place],
                line + draw(st.sampled_from([TAG, f" {TAG}", " ", "\r", "x", "{}"])).encode(),
                draw(st.sampled_from([b"", b"text", b"[", BASE.encode(), b'{"a":"\\ud800"}'])),
            ]
        )
    )


FILES = st.lists(documents(), min_size=1, max_size=3).map(
    lambda groups: functools.reduce(operator.iadd, groups, [])
)


@settings(max_examples=300 if FULL else 30)
@given(lines=FILES, end=st.sampled_from([b"\n", b"\r\n"]), last=st.booleans())
def test_the_quick_way_is_the_exact_way(lines: list[bytes], end: bytes, last: bool) -> None:
    data = end.join(lines) + (end if last else b"")
    if len(data) > 3:
        assert differences(data) == []


@example(  # the index of a document is first met as a null, and behind a line that is no document
    lines=[b'\x00"_index":null,"_id":"1"}', b'{"_index":null,"_id":"1","_source":{"cuid":"c"}}'],
    base="- address", head=117,
)  # fmt: skip
@settings(max_examples=100 if FULL else 15)
@given(lines=FILES, base=st.sampled_from(sorted(OTHER)), head=st.integers(100, 400))
def test_shapes_learnt_from_the_head_alone_hold_for_the_rest(
    lines: list[bytes], base: str, head: int
) -> None:
    data = b"\n".join([OTHER[base].encode(), BASE.encode(), *lines, OTHER[base].encode()]) + b"\n"
    assert differences(data, head=head) == []


SHARES = [0.5, 0.01, 0.0001]


@settings(max_examples=5, phases=[Phase.generate])  # shrinking would take minutes
@given(lines=FILES)
def test_the_quick_way_is_the_exact_way_above_a_megabyte(lines: list[bytes]) -> None:
    data = b"".join(line + b"\n" for line in [*lines, BASE.encode() * 1])
    padding = (BASE + "\n").encode() * (40_000 // len(BASE))
    block = data + padding
    whole = block * (1_200_000 // len(block) + 1)
    assert differences(whole, head=1 << 20) == []


@pytest.mark.parametrize(
    ("bad", "share"),
    [
        (bad, share)
        for at, bad in enumerate([b"\x80", b"\xff\xfe", b"\xc3", b"\xed\xa0\x80"])
        for share in (SHARES if FULL else [SHARES[at % len(SHARES)]])
    ],
)
def test_invalid_utf8_in_a_large_file(bad: bytes, share: float) -> None:
    good = BASE.encode() + b"\n"
    odd = BASE.encode().replace(b"hello", b"h" + bad) + b"\n" + bad + b"\n"
    count = 1_200_000 // len(good)
    every = int(1 / share)
    data = b"".join(odd if n % every == every // 2 else good for n in range(count))
    assert differences(data, head=1 << 20) == []


def test_answers_are_the_same_with_and_without_exact_on_the_fixture(tmp_path: Path) -> None:
    data = (Path(__file__).parent.parent / "fixtures/dev/export.jsonl").read_bytes()
    path = tmp_path / "large.jsonl"
    path.write_bytes(data * 3)
    assert path.stat().st_size > 1 << 20
    assert answers(cuidx.open_case(path)) == answers(cuidx.open_case(path, exact=True))


@pytest.mark.parametrize("name", BY_NAME)
def test_a_sample_lacks_no_part_of_its_format(name: str) -> None:
    found = [lacks(BY_NAME[name], sample.raw)[2] for sample in BY_NAME[name].SAMPLES]
    # A continuation, a header or a free form may lack one; the format's first sample shows all.
    assert found[0] == []
    assert all(len(missing) < len(BY_NAME[name].PARTS) or name == "rawtext" for missing in found)


def test_rows_under_names_that_say_nothing_are_rows_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('"Nov 2, 2026 @ 10:00:01.250",x,y\n"Nov 2, 2026 @ 10:00:02.000",1,2\n')
    count = cuidx.open_case(path, input_format="kibana-csv").accounting
    assert (count.records, count.events, count.skipped) == (2, 1, 1)
