"""Traps of clients' and servers' exports: kubectl, stern, CloudWatch, Elasticsearch.

Each row is a file and all that must be read of it: kind, line, index and the columns that count.
"""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from stories import FIXTURES, conserved, reading, rows_of

import cuidx
from cuidx.formats.base import Block, Reading
from cuidx.formats.registry import BY_NAME, detect

T = "2026-11-02T09:00:0{}.{}Z"
MS = "2026-11-02T09:00:01.250Z"
NS = "2026-11-02T09:00:01.250883117Z"
POD = "[pod/pay-0/pay]"


def parsed(name: str, text: str, *columns: str) -> tuple[list[tuple[Any, ...]], set[str]]:
    """(kind, line, index and COLUMNS of each record; the notes) of TEXT read as the format NAME."""
    said = Reading()
    frame = BY_NAME[name].parse(Block(text.encode(), 1), said)
    for column in ("index", *columns):
        if column not in frame.columns:
            frame = frame.with_columns(pl.lit(None).alias(column))
    frame = frame.with_columns(pl.col("kind").cast(pl.String))
    return frame.select("kind", "line", "index", *columns).rows(), said.notes


def notes(text: str) -> set[str]:
    """The notes on TEXT, whatever its format is found to be."""
    return parsed(detect(text.encode(), "f").format.NAME, text)[1]


# -- lines with something in front ------------------------------------------------------------

LINES: dict[str, tuple[str, str, list[tuple[Any, ...]]]] = {
    # name: format, file, (kind, time, pod, message) of each line
    "kubectl: an error of the kubelet is no line of the container": (
        "kubectl-logs",
        f"{POD} {NS} a\n{POD} unable to retrieve container logs for containerd://28492db5\n",
        [("event", NS, "pay-0", "a"), ("unreadable", None, "pay-0",
                                            "unable to retrieve container logs for "
                                            "containerd://28492db5")],
    ),
    "kubectl: what it says itself": (
        "kubectl-logs",
        f'Defaulted container "pay" out of: pay, init (init)\n{POD} {NS} a\nerror: no Pod\n',
        [("skipped", None, None, None), ("event", NS, "pay-0", "a"), ("unreadable", None, None, None)],
    ),
    "kubectl: eight digits are the program's": (
        "kubectl-logs", f"{POD} 2026-11-02T09:00:01.25088311Z a\n",
        [("event", "2026-11-02T09:00:01.25088311Z", "pay-0", "2026-11-02T09:00:01.25088311Z a")],
    ),
    "kubectl: an empty line has a time": (
        "kubectl-logs", f"{POD} {NS} \n{POD} {NS}\n",
        [("event", NS, "pay-0", ""), ("event", NS, "pay-0", "")],
    ),
    "kubectl --timestamps, no prefix": (
        "kubectl-logs", f"{NS} {MS} INFO a\n{NS} at Main.java:7\n",
        [("event", NS, None, f"{MS} INFO a"), ("event", NS, None, "at Main.java:7")],
    ),
    "a program that writes nanoseconds is text": (
        "rawtext", f"{NS} INFO a\n{NS} INFO b\n",
        [("event", NS, None, f"{NS} INFO a"), ("event", NS, None, f"{NS} INFO b")],
    ),
    "a program that writes milliseconds is text": (
        "rawtext", f"{MS} INFO a\n", [("event", MS, None, f"{MS} INFO a")],
    ),
    "stern: marks, and a Pod that no controller made": (
        "stern-default", f"+ pay-0 \u203a pay\npay-0 pay {MS} a\nbare side {MS} b\n- pay-0 \u203a pay\n",
        [("skipped", None, None, None), ("event", MS, "pay-0", f"{MS} a"),
         ("event", MS, "bare", f"{MS} b"), ("skipped", None, None, None)],
    ),
    "stern: a broken line in the middle": (
        "stern-default", f"pay-0 pay {MS} a\nBROKEN\npay-0 pay {MS} b\n",
        [("event", MS, "pay-0", f"{MS} a"), ("unreadable", None, None, None),
         ("event", MS, "pay-0", f"{MS} b")],
    ),
    "CloudWatch export: lines of one event, and none": (
        "cloudwatch-export", f"{MS} {MS} ERROR a\n\tat Main.java:7\n{MS} \n{MS} {{\"msg\":\"b\"}}\n",
        [("event", MS, None, f"{MS} ERROR a"), ("event", None, None, "\tat Main.java:7"),
         ("event", MS, None, ""), ("event", MS, None, "b")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LINES)
def test_lines_with_something_in_front(name: str) -> None:
    format_, text, expected = LINES[name]
    assert format_ == detect(text.encode(), "f").format.NAME
    rows, _ = parsed(format_, text, "time", "pod", "message")
    assert [(kind, *rest) for kind, _, _, *rest in rows] == expected
    assert [line for _, line, *_ in rows] == list(range(1, len(rows) + 1))


def test_stern_with_namespaces(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text(f"shop pay-0 pay {MS} a\nbank pay-0 pay {MS} b\n")
    events = cuidx.open_case(path).events.select("namespace", "pod", "container_name", "message")
    assert events.collect().rows() == [
        ("shop", "pay-0", "pay", f"{MS} a"),
        ("bank", "pay-0", "pay", f"{MS} b"),
    ]


@pytest.mark.parametrize("name", ["kubectl-logs", "stern-default"])
def test_the_first_lines_say_how_the_others_are_read(name: str, tmp_path: Path) -> None:
    """Whatever the blocks are: a head that is far away counts."""
    line = {"kubectl-logs": f"{POD} {NS} a\n", "stern-default": f"shop pay-0 pay {MS} a\n"}[name]
    path = tmp_path / "f"
    path.write_text(line * 50)
    whole = rows_of(cuidx.open_case(path).events)
    with reading(block=64):
        assert rows_of(cuidx.open_case(path).events) == whole


# -- documents --------------------------------------------------------------------------------


def event(message: str, **more: Any) -> dict[str, Any]:
    return {"timestamp": 1793610001250, "message": message, "ingestionTime": 1793610009999, **more}


def hit(ident: str, **document: Any) -> dict[str, Any]:
    return {"_index": "i", "_id": ident, "_source": document}


def search(*hits: dict[str, Any], **more: Any) -> dict[str, Any]:
    total = more.pop("total", {"value": len(hits), "relation": "eq"})
    inner = {"hits": list(hits)} if total is None else {"total": total, "hits": list(hits)}
    return {"took": 1, "timed_out": False, "hits": inner, **more}


def esql(*rows: Any, columns: tuple[str, ...] = ("@timestamp", "message"), **more: Any) -> Any:
    types = {"@timestamp": "date"}
    described = [{"name": name, "type": types.get(name, "keyword")} for name in columns]
    return {"took": 1, **more, "columns": described, "values": list(rows)}


def insights(*rows: dict[str, str], **more: Any) -> dict[str, Any]:
    return {
        "results": [[{"field": f, "value": v} for f, v in row.items()] for row in rows], **more
    }  # fmt: skip


EPOCH = "1793610001250"
DOCUMENTS: dict[str, tuple[str, str, list[tuple[Any, ...]]]] = {
    # name: format, file, (kind, line, index, time, message) of each record
    "events on one line": (
        "cloudwatch", json.dumps({"events": [event("a"), event("b")]}),
        [("event", 1, 0, EPOCH, "a"), ("event", 1, 1, EPOCH, "b")],
    ),
    "events over many lines": (
        "cloudwatch", json.dumps({"events": [event("a"), event("b")]}, indent=1),
        [("event", 3, None, EPOCH, "a"), ("event", 8, None, EPOCH, "b")],
    ),
    "pages one after the other": (
        "cloudwatch",
        json.dumps({"events": [event("a")]}) + "\n" + json.dumps({"events": [event("b")]}),
        [("event", 1, None, EPOCH, "a"), ("event", 2, None, EPOCH, "b")],
    ),
    "an empty answer is skipped": (
        "cloudwatch", '{"events": [], "searchedLogStreams": []}', [("skipped", 1, None, None, None)],
    ),
    "what is cut off gives what came before": (
        "cloudwatch", json.dumps({"events": [event("a"), event("b")]}, indent=1)[:-60],
        [("event", 3, None, EPOCH, "a"), ("unreadable", 8, None, None, None)],
    ),
    "an event without a message": (
        "cloudwatch", json.dumps({"events": [event("a"), {"timestamp": 1}, 7]}),
        [("event", 1, 0, EPOCH, "a"), ("unreadable", 1, 1, None, None),
         ("unreadable", 1, 2, None, None)],
    ),
    "a collector's record keeps its own time, else it has the event's": (
        "cloudwatch",
        json.dumps({"events": [event(json.dumps({"log": "a", "kubernetes": {}, "time": NS})),
                               event(json.dumps({"log": "b", "kubernetes": {}}))]}),
        [("event", 1, 0, NS, "a"), ("event", 1, 1, EPOCH, "b")],
    ),
    "insights: figures are no events, fields may be left out": (
        "cloudwatch-insights",
        json.dumps(insights({"bin(5m)": "2026-11-02 09:00:00.000", "count()": "7"},
                            {"@message": "a"}, {"@timestamp": "2026-11-02 09:00:01.250",
                                                "log": "b"})),
        [("skipped", 1, 0, None, None), ("event", 1, 1, None, "a"),
         ("event", 1, 2, "2026-11-02 09:00:01.250Z", "b")],
    ),
    "search: several collectors, and a hit without its document": (
        "es-search",
        json.dumps(search(hit("1", log="a", kubernetes={}, time=NS),
                          hit("2", **{"@timestamp": MS, "message": "b", "agent": {}}),
                          {"_index": "i", "_id": "3"})),
        [("event", 1, 0, NS, "a"), ("event", 1, 1, MS, "b"), ("skipped", 1, 2, None, None)],
    ),
    "search: an async one, as Kibana shows it": (
        "es-search", json.dumps({"rawResponse": search(hit("1", message="a", time=MS))}),
        [("event", 1, None, MS, "a")],
    ),
    "search: cut off": (
        "es-search", json.dumps(search(hit("1", message="a", time=MS), hit("2", message="b")))[:-30],
        [("event", 1, 0, MS, "a"), ("unreadable", 1, 1, None, None)],
    ),
    "ES|QL: another width": (
        "esql-json", json.dumps(esql([MS, "a"], [MS], [None, "b"])),
        [("event", 1, 0, MS, "a"), ("unreadable", 1, 1, None, None), ("event", 1, 2, None, "b")],
    ),
    "ES|QL: by columns": (
        "esql-json", json.dumps(esql([MS, MS, MS], ["a", "b", "c"])),
        [("event", 1, n, MS, m) for n, m in enumerate("abc")],
    ),
    "ES|QL: by columns, as many rows as columns": (
        "esql-json", json.dumps(esql([MS, MS], ["a", "b"])),
        [("event", 1, 0, MS, "a"), ("event", 1, 1, MS, "b")],
    ),
    "ES|QL: by rows, as many as columns": (
        "esql-json", json.dumps(esql([MS, "a"], [MS, "b"])),
        [("event", 1, 0, MS, "a"), ("event", 1, 1, MS, "b")],
    ),
    "SQL": (
        "esql-json",
        json.dumps({"columns": [{"name": "@timestamp", "type": "datetime"},
                                {"name": "message", "type": "text"}], "rows": [[MS, "a"]]}),
        [("event", 1, None, MS, "a")],
    ),
    "old elasticdump: a broken line costs itself": (
        "elasticdump-array",
        "[\n" + json.dumps(hit("1", message="a", time=MS)) + "\r\n,{\"_index\":\"i\",\"_id\r\n,"
        + json.dumps(hit("3", message="c", time=MS)) + "\r\n]\n",
        [("event", 2, None, MS, "a"), ("unreadable", 3, None, None, None),
         ("event", 4, None, MS, "c")],
    ),
    "old elasticdump: cut off, without the bracket": (
        "elasticdump-array",
        "[\n" + json.dumps(hit("1", message="a", time=MS)) + "\r\n,"
        + json.dumps(hit("2", message="b", time=MS)),
        [("event", 2, None, MS, "a"), ("event", 3, None, MS, "b")],
    ),
    "an array of hits, laid out": (
        "elasticdump-array", json.dumps([hit("1", message="a"), hit("2", message="b")], indent=1),
        [("event", 2, None, None, "a"), ("event", 9, None, None, "b")],
    ),
    "bulk: a document with a key that is an action's name": (
        "es-bulk",
        '{"index":{"_id":"1"}}\n{"index":{"name":"x"},"message":"a"}\n'
        '{"create":{}}\n{"index":{"name":"y"}}\n{"index":{}}\n{"message":"c"}\n',
        [("event", 1, None, None, "a"), ("event", 3, None, None, None),
         ("event", 5, None, None, "c")],
    ),
    "bulk: halves of pairs": (
        "es-bulk",
        '{"index":{"_id":"1"}}\n{"index":{"_id":"2"}}\n{"message":"b"}\n{"message":"lost"}\n'
        '{"index":{"_id":"3"}}\n{"message":\n{"index":{"_id":"4"}}',
        [("unreadable", 1, None, None, None), ("event", 2, None, None, "b"),
         ("unreadable", 4, None, None, None), ("unreadable", 5, None, None, None),
         ("unreadable", 7, None, None, None)],
    ),
    "bulk: updates, a delete, blank lines": (
        "es-bulk",
        '{"update":{"_id":"1"}}\n{"doc":{"message":"a"}}\n\n{"delete":{"_id":"1"}}\n'
        '{"update":{"_id":"2"}}\n{"script":{"source":"x"}}\n{"index":{}}\n\n{"message":"b"}\n',
        [("event", 1, None, None, "a"), ("blank", 3, None, None, None),
         ("skipped", 4, None, None, None), ("skipped", 5, None, None, None),
         ("event", 7, None, None, "b"), ("blank", 8, None, None, None)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents(name: str) -> None:
    format_, text, expected = DOCUMENTS[name]
    assert format_ == detect(text.encode(), "f").format.NAME
    rows, _ = parsed(format_, text, "time", "message")
    assert rows == expected


@pytest.mark.parametrize("name", ["es-bulk", "elasticdump-array"])
@pytest.mark.parametrize("block", [32, 300, 2000])
def test_blocks_do_not_tear_records_apart(name: str, block: int) -> None:
    path = next((FIXTURES / "formats").glob(f"{name}.*"))
    whole = rows_of(cuidx.open_case(path).events)
    with reading(block=block):
        case = cuidx.open_case(path)
        assert rows_of(case.events) == whole
        conserved(case.accounting.as_json())


# -- what is missing is said ------------------------------------------------------------------

MISSING: dict[str, tuple[Any, set[str]]] = {
    "all is here": (search(hit("1")), set()),
    "more hits than are here": (
        search(hit("1"), total={"value": 7, "relation": "eq"}),
        {"1 of 7 hits are here: this is a part of the result"},
    ),
    "at least so many": (
        search(hit("1"), total={"value": 10000, "relation": "gte"}),
        {"1 of at least 10000 hits are here: this is a part of the result"},
    ),
    "a bare number, of old versions": (
        search(hit("1"), total=3), {"1 of 3 hits are here: this is a part of the result"},
    ),
    "not counted, just the default": (
        search(*[hit(str(n)) for n in range(10)], total=None),
        {"10 hits, just what a search gives by default: there may be more"},
    ),
    "not counted, another number": (search(*[hit(str(n)) for n in range(9)], total=None), set()),
    "shards failed, timed out": (
        search(hit("1"), timed_out=True, _shards={"total": 5, "failed": 2}),
        {"the search timed out: hits are missing",
         "2 of 5 shards failed: their documents are missing"},
    ),
    "a cluster was left out": (
        search(hit("1"), _clusters={"total": 3, "successful": 2, "skipped": 1}),
        {"1 of 3 clusters gave no or a partial result"},
    ),
    "an async search that was not done": (
        {"id": "x", "is_partial": True, "response": search(hit("1"))},
        {"the async search was not done: hits are missing"},
    ),
    "hits without documents": (
        search({"_index": "i", "_id": "1"}),
        {"1 hits have no document (no _source, no fields): they are skipped"},
    ),
    "ES|QL: partial": (
        esql([MS, "a"], is_partial=True), {"the result is partial (is_partial): rows are missing"},
    ),
    "ES|QL: just the default limit": (
        esql(*[[MS, "a"]] * 1000),
        {"1000 rows, just the default limit of ES|QL: there may be more"},
    ),
    "ES|QL: one less": (esql(*[[MS, "a"]] * 999), set()),
    "SQL: a cursor": (
        esql([MS, "a"], cursor="x"),
        {"this is one page of the rows: its cursor says that there are more"},
    ),
    "CloudWatch: a page": (
        {"events": [event("a")], "nextToken": "x"},
        {"this is one page of the events: its nextToken says that there are more"},
    ),
    "CloudWatch: get-log-events always has tokens": (
        {"events": [event("a")], "nextForwardToken": "f/1", "nextBackwardToken": "b/1"}, set(),
    ),
    "CloudWatch: a stream not searched to its end": (
        {"events": [event("a")],
         "searchedLogStreams": [{"logStreamName": "x", "searchedCompletely": False}]},
        {"not all log streams were searched to their end: events are missing"},
    ),
    "Insights: the limit": (
        insights({"@message": "a"}, statistics={"recordsMatched": 9.0}, status="Complete"),
        {"1 of 9 records that matched: the query's limit left out the rest"},
    ),
    "Insights: not done": (
        insights({"@message": "a"}, statistics={"recordsMatched": 1.0}, status="Running"),
        {"the query's status is Running: rows are missing"},
    ),
    "Insights: just a limit": (
        insights(*[{"@message": "a"}] * 1000),
        {"1000 rows, just the limit of a query that names none: there may be more"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISSING)
def test_what_is_missing_is_said(name: str) -> None:
    document, expected = MISSING[name]
    for text in (json.dumps(document), json.dumps(document, indent=2)):
        assert notes(text) == expected


def test_pages_together_are_the_whole_result() -> None:
    total = {"value": 2, "relation": "eq"}
    pages = [search(hit("1"), total=total), search(hit("2"), total=total), search(total=total)]
    assert notes("\n".join(map(json.dumps, pages))) == set()
    last = [{"events": [event("a")], "nextToken": "x"}, {"events": [event("b")]}]
    assert notes("\n".join(map(json.dumps, last))) == set()


def test_what_is_missing_becomes_a_warning() -> None:
    path = FIXTURES / "formats/es-search.json"
    case = cuidx.open_case(path)
    case.lifetimes()
    assert case.warnings == [
        f"{path}: 1 of 5 shards failed: their documents are missing",
        f"{path}: 8 of at least 10000 hits are here: this is a part of the result",
    ]


def test_the_same_document_in_two_exports_is_one(tmp_path: Path) -> None:
    document = {"@timestamp": MS, "message": "a"}
    (tmp_path / "a.json").write_text(json.dumps(search(hit("1", **document))))
    (tmp_path / "b.ndjson").write_text(
        '{"index":{"_index":"i","_id":"1"}}\n' + json.dumps(document) + "\n"
    )
    (tmp_path / "c.csv").write_text(f"@timestamp,_index,_id,message\r\n{MS},i,1,a\r\n")
    counted = cuidx.open_case(tmp_path).accounting
    assert (counted.events, counted.duplicates) == (1, 2)
