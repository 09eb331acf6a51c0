"""What collectors, Loki, OpenTelemetry, docker and the journal write: each trap is a row here.

The samples themselves are test_samples' and test_formats' concern.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from stories import FIXTURES, conserved, reading, rows_of

import cuidx

ID = "57d35fa95ff48a03aa5fdb2964ef3263408ab6a98b7bab341e25a026e2855ec9"
UID = "8ac1e0b2-7d54-4c39-a6e7-f10b2d3c4e52"
FILE = f"/var/log/pods/shop_payment-0_{UID}/payment/2.log"
LINK = f"/var/log/containers/payment-0_shop_payment-{ID}.log"
TAG = '{"ikontainer_CUID":"c1","svc":"payment.shop.lab"}'
FORGED = '{"ikontainer_CUID":"forged","svc":"a.b.c"}'
T = "2026-11-02T09:00:01"
NS = 1793610001_000000000

Rows = list[dict[str, Any]]


def seen(case: cuidx.Case, *columns: str) -> Rows:
    return [{name: row[name] for name in columns} for row in rows_of(case.events)]


def bins(case: cuidx.Case) -> dict[str, int]:
    """The bins that have any record; all of them together are the records."""
    counted = case.accounting.as_json()
    conserved(counted)
    names = ("events", "fragments", "duplicates", "evidence", "skipped", "blank", "unreadable")
    return {name: counted[name] for name in names if counted[name]}


def opened(path: Path, *documents: object, end: str = "\n", **options: Any) -> cuidx.Case:
    lines = [d if isinstance(d, str) else json.dumps(d, separators=(",", ":")) for d in documents]
    path.write_text(end.join(lines) + end, "utf-8", newline="")
    return cuidx.open_case(path, **options)


# -- JSON lines of collectors -------------------------------------------------------------------

KUBERNETES = {"pod_name": "payment-0", "namespace_name": "shop", "docker_id": ID}
FILEBEAT = {"@timestamp": f"{T}.250Z", "agent": {"type": "filebeat"}}
VECTOR = {"source_type": "kubernetes_logs", "timestamp": f"{T}.250883117Z"}
LOKI = {"timestamp": f"{T}.250883117Z"}
ONE: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "fluentbit: `date` is noise below microseconds": (
        "fluentbit",
        {"date": 1793610001.2508831, "time": f"{T}.250883117Z", "log": "x", "_p": "F",
         "kubernetes": KUBERNETES},
        {"time": f"{T}.250883117Z"}),
    "fluentbit: the docker object is Fluentd's": (
        "fluentd-es",
        {"time": f"{T}.250883117Z", "log": "x", "docker": {"container_id": ID},
         "kubernetes": {"pod_name": "p", "pod_id": UID}},
        {"container_id": ID}),
    "fluentd: a finer time beside @timestamp, another offset": (
        "fluentd-es",
        {"@timestamp": "2026-11-02T14:30:01.250+05:30", "time": f"{T}.250883117Z", "log": "x",
         "docker": {"container_id": ID}, "kubernetes": {"pod_name": "p", "pod_id": UID}},
        {"time": f"{T}.250883117Z"}),
    "fluentd: older names, and the tag": (
        "fluentd-es",
        {"@timestamp": f"{T}Z", "log": "x", "docker": {"id": "1234"},
         "kubernetes": {"pod_name": "payment-0"}, "tag": f"kubernetes.{LINK[1:].replace('/', '.')}"},
        {"container_id": "1234", "pod": "payment-0", "namespace": "shop",
         "container_name": "payment"}),
    "merged: the payload's level and stream took the envelope's place": (
        "fluentbit-merged",
        {"@timestamp": f"{T}.250Z", "time": f"{T}.250883117Z", "stream": "orders",
         "level": "error", "msg": "no", "kubernetes": KUBERNETES},
        {"time": f"{T}.250883117Z", "level": "ERROR", "message": "no"}),
    "merged: the payload's time is coarser, or no time": (
        "fluentbit-merged",
        {"@timestamp": f"{T}.250Z", "time": "09:00", "msg": "no", "kubernetes": KUBERNETES},
        {"time": f"{T}.250Z", "time_from": "collector"}),
    "merged: the CUID at the top": (
        "fluentbit-merged",
        {"@timestamp": f"{T}Z", "log": "{}", "msg": "m", "ikontainer_CUID": "c1",
         "svc": "payment.shop.lab", "kubernetes": KUBERNETES},
        {"cuid": "c1", "service": "payment", "cluster": "lab"}),
    "filebeat: the host's addresses are the node's": (
        "filebeat",
        FILEBEAT | {"message": "x", "host": {"ip": ["10.10.1.11", "172.17.0.1"], "name": "n1"}},
        {"ip": None, "host_ip": "10.10.1.11, 172.17.0.1", "node": "n1"}),
    "filebeat: JSON as a text in message": (
        "filebeat",
        FILEBEAT | {"message": json.dumps({"msg": "m", "level": "warn", "cuid": "c2"})},
        {"message": "m", "level": "WARN", "cuid": "c2"}),
    "filebeat: no metadata, only the file": (
        "filebeat",
        FILEBEAT | {"message": "x", "log": {"offset": 7, "file": {"path": LINK}}},
        {"container_id": ID, "pod": "payment-0", "namespace": "shop", "identity": "container_id"}),
    "filebeat: what the document says comes before the file's name": (
        "filebeat",
        FILEBEAT | {"message": "x", "container": {"id": "other"}, "log": {"file": {"path": LINK}}},
        {"container_id": "other", "pod": "payment-0"}),
    "filebeat: the name of a Deployment stands in for a label": (
        "filebeat",
        FILEBEAT | {"message": "x", "kubernetes": {"deployment": {"name": "gateway"}}},
        {"service": "gateway"}),
    "filebeat: traces and peers of ECS": (
        "filebeat",
        FILEBEAT | {"message": "x", "trace": {"id": "t1"}, "source": {"ip": "10.0.0.1"},
                    "destination": {"ip": "10.0.0.2"}},
        {"trace_id": "t1", "source_ip": "10.0.0.1", "destination_ip": "10.0.0.2"}),
    "vector: both families, the first counts": (
        "vector",
        VECTOR | {"message": "x", "kubernetes": {"pod_ips": ["10.10.11.2", "fd00::2"]}},
        {"ip": "10.10.11.2"}),
    "vector: a young container has no id yet": (
        "vector",
        VECTOR | {"message": "x", "file": FILE, "kubernetes": {"pod_name": "payment-0"}},
        {"pod_uid": UID, "restart": 2, "container_id": None, "identity": "pod_uid"}),
    "vector: the runtime before the id": (
        "vector",
        VECTOR | {"message": "x", "kubernetes": {"container_id": f"cri-o://{ID}"}},
        {"container_id": ID}),
    "vector: another source of its": (
        "vector",
        {"source_type": "docker_logs", "timestamp": f"{T}Z", "message": "x", "container_id": ID},
        {"container_id": ID, "time_from": "collector"}),
    "logcli: without labels": (
        "loki-logcli", LOKI | {"line": f"hello {TAG}"}, {"cuid": "c1", "message": "hello"}),
    "logcli: a line that is JSON": (
        "loki-logcli",
        LOKI | {"labels": {"pod": "p"}, "line": json.dumps({"ts": "2026-11-02T08:00:00Z", "msg": "m",
                                                            "client_ip": "10.0.0.1"})},
        {"time": f"{T}.250883117Z", "message": "m", "source_ip": "10.0.0.1", "pod": "p"}),
    "logcli: an address in a label has no role": (
        "loki-logcli", LOKI | {"labels": {"pod_ip": "10.0.0.9", "ip": "10.0.0.9"}, "line": "x"},
        {"ip": None}),
    "not logcli: `line` is that of a source file": (
        "jsonl-flat", LOKI | {"file": "main.go", "line": 12}, {"time_from": "own"}),
}  # fmt: skip


@pytest.mark.parametrize("trap", ONE)
def test_a_record_is_read_as_its_collector_means_it(trap: str, tmp_path: Path) -> None:
    name, document, reads = ONE[trap]
    case = opened(tmp_path / "log", document)
    assert seen(case, *reads) == [reads]
    assert case.opened[0].format == name


@pytest.mark.parametrize("trap", ONE)
def test_the_quick_way_reads_it_alike(trap: str, tmp_path: Path) -> None:
    _, document, _ = ONE[trap]
    other = {"timestamp": f"{T}Z", "message": "another", "level": "info"}
    with reading(head=200):
        quick = opened(tmp_path / "log", document, document, document, other)
        exact = cuidx.open_case(tmp_path / "log", exact=True)
        assert rows_of(quick.events) == rows_of(exact.events)


def test_forged_text_in_a_merged_message_is_no_identity_beside_a_real_one(tmp_path: Path) -> None:
    said = f"he said {FORGED}"
    case = opened(
        tmp_path / "log",
        {"@timestamp": f"{T}Z", "log": json.dumps({"msg": said}) + TAG, "kubernetes": KUBERNETES},
        {"@timestamp": f"{T}Z", "log": said + TAG, "stream": "stdout", "kubernetes": KUBERNETES},
    )
    assert seen(case, "cuid", "message") == [{"cuid": "c1", "message": said}] * 2


def test_a_piece_that_fluent_bit_left_is_said(tmp_path: Path) -> None:
    piece = {"date": 1793610001.5, "_p": "P", "log": "half", "kubernetes": KUBERNETES}
    assert opened(tmp_path / "a", piece | {"_p": "F"}).warnings == []
    (said,) = opened(tmp_path / "b", piece).warnings
    assert "pieces of longer lines that Fluent Bit did not join" in said


@pytest.mark.parametrize(("count", "notes"), [(29, 0), (30, 1), (31, 0)])
def test_a_full_answer_of_logcli_may_have_been_cut(count: int, notes: int, tmp_path: Path) -> None:
    case = opened(tmp_path / "log", *[LOKI | {"line": f"l{n}"} for n in range(count)])
    assert sum("--limit" in warning for warning in case.warnings) == notes


# -- Fluentd's file -----------------------------------------------------------------------------

FRONT = f"2026-11-02T10:00:01+01:00\tkubernetes.{LINK[1:].replace('/', '.')}\t"
OUT_FILE: dict[str, tuple[str, dict[str, Any]]] = {
    "the record's time comes first": (
        FRONT + json.dumps({"log": "x\n", "time": f"{T}.250883117Z"}),
        {"time": f"{T}.250883117Z", "time_from": "collector", "container_id": ID}),
    "a time in the record that is none": (
        FRONT + json.dumps({"log": "x\n", "time": "12ms"}), {"time": f"{T}Z"}),
    "a time in the line alone is the line's": (
        FRONT + json.dumps({"log": "2026-11-02T08:00:00Z INFO x\n"}), {"level": "INFO"}),
    "a tab in the line": (FRONT + json.dumps({"log": "a\tb\n"}), {"message": "a\tb"}),
    "any other tag": (
        '2026-11-02 09:00:01 +0000\tapp.web\t{"message":"x"}',
        {"time": f"{T}Z", "message": "x", "pod": None}),
    "a CR": (FRONT + '{"log":"x"}\r', {"message": "x", "pod": "payment-0"}),
}  # fmt: skip


@pytest.mark.parametrize("trap", OUT_FILE)
def test_a_line_of_fluentds_file(trap: str, tmp_path: Path) -> None:
    line, reads = OUT_FILE[trap]
    case = opened(tmp_path / "log", line)
    assert seen(case, *reads) == [reads]
    assert case.opened[0].format == "fluentd-file"


# -- docker's pieces ----------------------------------------------------------------------------


def docker(log: str, second: int = 1, stream: str = "stdout") -> dict[str, str]:
    return {"log": log, "stream": stream, "time": f"2026-11-02T09:00:0{second}.5Z"}


Bins = dict[str, int]
DOCKER: dict[str, tuple[list[object], list[tuple[int, str]], Bins]] = {
    "two pieces": (
        [docker("a"), docker("b\n")], [(1, "ab")], {"events": 1, "fragments": 1}),
    "three, then another": (
        [docker("a"), docker("b"), docker(f"c{TAG}\n"), docker("d\n", 2)],
        [(1, "abc"), (4, "d")], {"events": 2, "fragments": 2}),
    "another time: a program ended without a newline": (
        [docker("a"), docker("b\n", 2)], [(1, "a"), (2, "b")], {"events": 2}),
    "at the file's end": ([docker("a\n"), docker("b")], [(1, "a"), (2, "b")], {"events": 2}),
    "two streams between each other": (
        [docker("a"), docker("x", 1, "stderr"), docker("b\n"), docker("y\n", 1, "stderr")],
        [(1, "ab"), (2, "xy")], {"events": 2, "fragments": 2}),
    "a whole line of the other stream between": (
        [docker("a"), docker("x\n", 2, "stderr"), docker("b\n")],
        [(1, "ab"), (2, "x")], {"events": 2, "fragments": 1}),
    "a broken and a blank line between": (
        [docker("a"), '{"log":', "", docker("b\n")],
        [(1, "ab")], {"events": 1, "fragments": 1, "unreadable": 1, "blank": 1}),
    "a backslash and an n at its end are text": (
        [docker("a\\n"), docker("b\n")], [(1, "a\\nb")], {"events": 1, "fragments": 1}),
    "a newline, as \\u000a": (
        ['{"log":"a\\u000a","stream":"stdout","time":"2026-11-02T09:00:01.5Z"}', docker("b\n")],
        [(1, "a"), (2, "b")], {"events": 2}),
    "an empty line": ([docker("\n"), docker("a\n")], [(1, ""), (2, "a")], {"events": 2}),
    "blanks between the keys": (
        [json.dumps(docker("a")), json.dumps(docker("b\n"))], [(1, "ab")],
        {"events": 1, "fragments": 1}),
    "no stream and no time": (
        [{"log": "a"}, {"log": "b\n"}, {"log": "c\n"}], [(1, "ab"), (3, "c")],
        {"events": 2, "fragments": 1}),
    "attrs before the time": (
        [docker("a") | {"attrs": {"tag": "web"}}, docker("b\n") | {"attrs": {"tag": "web"}}],
        [(1, "ab")], {"events": 1, "fragments": 1}),
}  # fmt: skip


@pytest.mark.parametrize("size", [None, 40], ids=["whole", "in small blocks"])
@pytest.mark.parametrize("trap", DOCKER)
def test_docker_pieces_are_one_event(trap: str, size: int | None, tmp_path: Path) -> None:
    lines, rows, counted = DOCKER[trap]
    with reading(block=size, head=size and 3 * size):
        case = opened(tmp_path / "log", *lines)
        said = [(row["line"], row["message"]) for row in seen(case, "line", "message")]
        assert said == rows
        assert bins(case) == counted
        assert case.opened[0].format == "docker-json"


def test_the_suffix_at_the_end_of_a_cut_line_names_the_whole(tmp_path: Path) -> None:
    line = "x" * 40_000 + TAG + "\n"
    parts = [docker(line[at : at + 16_384]) for at in range(0, len(line), 16_384)]
    case = opened(tmp_path / "log", *parts)
    assert seen(case, "cuid", "message") == [{"cuid": "c1", "message": "x" * 40_000}]
    assert bins(case) == {"events": 1, "fragments": 2}


def test_a_piece_that_nothing_follows_does_not_hold_up_the_file(tmp_path: Path) -> None:
    rest = [docker(f"l{n}\n", 2) for n in range(3000)]
    with reading(block=4000, head=4000):
        case = opened(tmp_path / "log", docker("prompt> ", 1, "stderr"), *rest)
        assert bins(case) == {"events": 3001}
        assert max(len(part.frame) for part in case._story.records.parts()) < 2000


def test_the_name_of_dockers_file_is_the_containers_id(tmp_path: Path) -> None:
    for name in (f"{ID}-json.log", f"{ID}-json.log.1"):
        case = opened(tmp_path / name, docker("a\n"))
        assert seen(case, "container", "identity") == [
            {"container": ID, "identity": "container_id"}
        ]


# -- Loki's API ---------------------------------------------------------------------------------


def loki(*streams: dict[str, Any], returned: int | None = None, **more: Any) -> dict[str, Any]:
    data: dict[str, Any] = {"resultType": "streams", "result": list(streams)}
    if returned is not None:
        data["stats"] = {"summary": {"totalEntriesReturned": returned}}
    return {"status": "success", "data": data, **more}


def stream(*values: list[Any], **labels: str) -> dict[str, Any]:
    return {"stream": labels, "values": list(values)}


ANSWER = loki(
    stream([f"{NS + 1}", f"a {TAG}"], [f"{NS}", "b"], pod="p", filename=FILE),
    stream([f"{NS + 2}", "c", {"trace_id": "t1", "k8s_pod_uid": "u1"}], pod="q"),
    stream([f"{NS + 3}", "d", {"structuredMetadata": {"trace_id": "t2"}, "parsed": {"level": "error"}}]),
    returned=4,
)  # fmt: skip
READ = [
    {"time": f"{T}.000000001Z", "cuid": "c1", "pod_uid": UID, "pod": "p", "trace_id": None,
     "level": None},
    {"time": f"{T}Z", "cuid": None, "pod_uid": UID, "pod": "p", "trace_id": None, "level": None},
    {"time": f"{T}.000000002Z", "cuid": None, "pod_uid": "u1", "pod": "q", "trace_id": "t1",
     "level": None},
    {"time": f"{T}.000000003Z", "cuid": None, "pod_uid": None, "pod": None, "trace_id": "t2",
     "level": "ERROR"},
]  # fmt: skip


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("sort", [False, True], ids=["as Loki writes", "keys sorted"])
def test_lines_of_streams_with_their_own_metadata(
    indent: int | None, sort: bool, tmp_path: Path
) -> None:
    text = json.dumps(ANSWER, indent=indent, sort_keys=sort)
    case = opened(tmp_path / "log", text)
    assert seen(case, *READ[0]) == READ
    assert case.opened[0].format == "loki-api"
    assert case.warnings == []
    places = [(row["line"], row["index"]) for row in rows_of(case.events)]
    if indent is None:
        assert places == [(1, 0), (1, 1), (1, 2), (1, 3)]
    else:
        lines = text.split("\n")
        assert all(lines[line - 1].strip() == "[" for line, _ in places)
        assert [index for _, index in places] == [None] * 4


def test_answers_one_after_the_other(tmp_path: Path) -> None:
    one = json.dumps(ANSWER)
    case = opened(tmp_path / "log", one, one)
    assert [(r["line"], r["index"]) for r in seen(case, "line", "index")][3:5] == [(1, 3), (2, 0)]
    assert bins(case) == {"events": 8}


@pytest.mark.parametrize(
    ("kept", "events"), [("a ", 0), ('"b"', 1), ('"c"', 2), ('"t1"', 2), ('"t2"', 3)]
)
def test_an_answer_that_is_cut_off_gives_the_lines_before(
    kept: str, events: int, tmp_path: Path
) -> None:
    text = json.dumps(ANSWER)
    case = opened(tmp_path / "log", text[: text.index(kept) + len(kept)])
    assert bins(case) == {"events": events, "unreadable": 1} if events else {"unreadable": 1}
    assert seen(case, *READ[0]) == READ[:events]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (loki(stream([f"{NS}", "a"], pod="p"), returned=1), None),
        (loki(stream([f"{NS}", "a"], pod="p"), returned=7), "gave 7 lines, and 1 are there"),
        (
            loki(stream(*[[f"{NS + n}", "a"] for n in range(100)], pod="p"), returned=100),
            "there may be more",
        ),
        (loki(stream([f"{NS}", "a"], pod="p")) | {"status": "partial"}, "lines may be missing"),
    ],
    ids=["whole", "fewer than it says", "just the limit", "another status"],
)
def test_an_answer_that_may_not_be_all_is_said(
    answer: dict[str, Any], says: str | None, tmp_path: Path
) -> None:
    case = opened(tmp_path / "log", answer)
    assert [w for w in case.warnings if says is None or says not in w] == []
    assert len(case.warnings) == (says is not None)


def test_an_answer_without_lines_and_odd_values(tmp_path: Path) -> None:
    assert bins(opened(tmp_path / "a", loki())) == {"skipped": 1}
    odd = loki({"stream": {}, "values": [[f"{NS}", "a"], ["x"], 7]}, {"values": None})
    assert bins(opened(tmp_path / "b", odd)) == {"events": 1, "unreadable": 3}


# -- OTLP ---------------------------------------------------------------------------------------


def attributes(**given: Any) -> list[dict[str, Any]]:
    kinds = {str: "stringValue", bool: "boolValue", float: "doubleValue"}
    return [
        {"key": key.replace("__", "."),
         "value": {"intValue": str(v)} if type(v) is int else v if isinstance(v, dict)
         else {kinds[type(v)]: v}}
        for key, v in given.items()
    ]  # fmt: skip


def batch(*records: dict[str, Any], **resource: Any) -> dict[str, Any]:
    return {"resourceLogs": [{"resource": {"attributes": attributes(**resource)},
                              "scopeLogs": [{"scope": {}, "logRecords": list(records)}]}]}  # fmt: skip


def record(body: Any = "x", **more: Any) -> dict[str, Any]:
    inner = {"stringValue": body} if isinstance(body, str) else body
    return {"timeUnixNano": str(NS + 5), "body": inner, **more}


OTLP: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "time as a number": (record(timeUnixNano=NS + 7), {"time": f"{T}.000000007Z"}),
    "time 0: the line's own": (
        record(f"{T}.25Z INFO x", timeUnixNano=0, observedTimeUnixNano=str(NS)),
        {"time": f"{T}.250Z", "time_from": "own"}),
    "no time: the observed one": (
        {"body": {"stringValue": "x"}, "observedTimeUnixNano": str(NS + 1)},
        {"time": f"{T}.000000001Z", "time_from": "collector"}),
    "no time at all": ({"body": {"stringValue": "x"}}, {"time": None, "time_from": "none"}),
    "a map hides the CUID one level down": (
        record({"kvlistValue": {"values": attributes(msg="m", level="warn", ikontainer_CUID="c1",
                                                     svc="payment.shop.lab")}}),
        {"cuid": "c1", "message": "m", "level": "WARN", "service": "payment"}),
    "the suffix in the text": (record(f"hello {TAG}"), {"cuid": "c1", "message": "hello"}),
    "JSON as text": (record('{"msg":"m","cuid":"c2"}'), {"cuid": "c2", "message": "m"}),
    "payload parsed to attributes": (
        record(attributes=attributes(request_id="r1", client_ip="10.0.0.1", cuid="c3")),
        {"request_id": "r1", "source_ip": "10.0.0.1", "cuid": "c3"}),
    "severity by number alone": (record(severityNumber=18), {"level": "ERROR"}),
    "severity's text first": (record(severityNumber=9, severityText="FATAL"), {"level": "FATAL"}),
    "severity 0: what the line says": (record(f"{T}Z WARN x", severityNumber=0), {"level": "WARN"}),
    "no trace": (record(traceId="", spanId=""), {"trace_id": None}),
    "a trace of zeros": (record(traceId="0" * 32), {"trace_id": None}),
    "a trace in base64": (
        record(traceId=base64.b64encode(bytes(range(1, 17))).decode()),
        {"trace_id": bytes(range(1, 17)).hex()}),
    "the record's own attributes come first": (
        record(attributes=attributes(k8s__pod__name="mine")), {"pod": "mine"}),
    "an integer as text": (
        record(attributes=attributes(k8s__container__restart_count=3)), {"restart": 3}),
    "addresses of both families": (
        record(attributes=[{"key": "k8s.pod.ip", "value": {"arrayValue": {"values": [
            {"stringValue": "10.10.11.2"}, {"stringValue": "fd00::2"}]}}}]),
        {"ip": "10.10.11.2"}),
    "bytes": (record({"bytesValue": base64.b64encode(b"h\xff").decode()}), {"message": "h\ufffd"}),
    "a number as body": (record({"intValue": "42"}), {"message": "42"}),
    "no body": ({"timeUnixNano": str(NS)}, {"time": f"{T}Z", "message": None}),
}  # fmt: skip


@pytest.mark.parametrize("trap", OTLP)
def test_a_log_record_of_otlp(trap: str, tmp_path: Path) -> None:
    given, reads = OTLP[trap]
    case = opened(tmp_path / "log", batch(given, k8s__pod__name="theirs"))
    assert seen(case, *reads) == [reads]
    assert case.opened[0].format == "otlp"


def test_a_batch_has_many_records_and_a_file_other_things_too(tmp_path: Path) -> None:
    case = opened(
        tmp_path / "log",
        batch(record("a"), record("b"), k8s__pod__uid="u1"),
        {"resourceLogs": []},
        {"resourceSpans": [{"scopeSpans": []}]},
        "",
        f"{T}Z ERROR exporter failed",
        '{"resourceLogs":[{"resource"',
        {"resourceLogs": [{"instrumentationLibraryLogs": [{"logRecords": [record("old")]}]}]},
    )
    assert seen(case, "line", "index", "message", "pod_uid", "level") == [
        {"line": 1, "index": 0, "message": "a", "pod_uid": "u1", "level": None},
        {"line": 1, "index": 1, "message": "b", "pod_uid": "u1", "level": None},
        {"line": 5, "index": None, "message": f"{T}Z ERROR exporter failed", "pod_uid": None,
         "level": "ERROR"},
        {"line": 7, "index": None, "message": "old", "pod_uid": None, "level": None},
    ]  # fmt: skip
    assert bins(case) == {"events": 4, "skipped": 2, "blank": 1, "unreadable": 1}


@pytest.mark.parametrize("size", [None, 100])
def test_an_indented_batch(size: int | None, tmp_path: Path) -> None:
    text = json.dumps(batch(record("a"), record("b")), indent=2)
    whole = "\n".join([text, text])
    with reading(block=size, head=size):
        case = opened(tmp_path / "log", whole)
        assert bins(case) == {"events": 4}
        assert case.opened[0].format == "otlp"
        first = text.split("\n").index("    {") + 1
        second = first + text.count("\n") + 1
        assert [(r["line"], r["index"]) for r in seen(case, "line", "index")] == [
            (first, 0), (first, 1), (second, 0), (second, 1)
        ]  # fmt: skip
        cut = opened(tmp_path / "cut", whole[: len(text) + 60])
        assert bins(cut) == {"events": 2, "unreadable": 1}


# -- the journal --------------------------------------------------------------------------------

ENTRY = {"__REALTIME_TIMESTAMP": str(NS // 1000 + 7), "_HOSTNAME": "n1"}
POD = {"CONTAINER_ID_FULL": ID, "CONTAINER_ID": ID[:12], "PRIORITY": "6"}
JOURNAL: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "bytes with a colour": (
        POD | {"MESSAGE": list(f"\x1b[31mERROR\x1b[0m no{TAG}".encode())},
        {"message": "\x1b[31mERROR\x1b[0m no", "cuid": "c1", "level": "ERROR"}),
    "bytes that are not UTF-8": (POD | {"MESSAGE": [104, 255, 105]}, {"message": "h\ufffdi"}),
    "null, above 4096 bytes": (
        POD | {"MESSAGE": None}, {"message": None, "container_id": ID, "time": f"{T}.000007Z"}),
    "a field twice": (
        POD | {"MESSAGE": ["one", "two"], "_HOSTNAME": ["a", "b"]}, {"message": "one", "node": "a"}),
    "bytes twice": (POD | {"MESSAGE": [[104, 105], [7]]}, {"message": "hi"}),
    "the short id, where there is no other": (
        {"CONTAINER_ID": ID[:12], "MESSAGE": "x"}, {"container_id": ID[:12]}),
    "the kubelet's name of a container": (
        POD | {"CONTAINER_NAME": f"k8s_payment_payment-0_shop_{UID}_3", "MESSAGE": "x"},
        {"container_name": "payment", "pod": "payment-0", "namespace": "shop", "pod_uid": UID,
         "restart": 3}),
    "a name of docker's": (
        POD | {"CONTAINER_NAME": "web_1", "MESSAGE": "x"},
        {"container_name": "web_1", "pod": None}),
    "standard error of a container is no error": (
        POD | {"PRIORITY": "3", "MESSAGE": "note"}, {"level": None}),
    "a unit's priority is its level": (
        {"PRIORITY": "3", "MESSAGE": "x", "_SYSTEMD_UNIT": "kubelet.service"},
        {"level": "ERROR", "service": "kubelet", "identity": "none"}),
    "a unit's standard output says its level itself": (
        {"PRIORITY": "6", "_TRANSPORT": "stdout", "MESSAGE": f"{T}Z ERROR x"}, {"level": "ERROR"}),
    "a priority that is none": ({"PRIORITY": "12", "MESSAGE": "x"}, {"level": None}),
    "the source's time is another": (
        POD | {"_SOURCE_REALTIME_TIMESTAMP": "1", "MESSAGE": "x"}, {"time": f"{T}.000007Z"}),
    "JSON with its own time": (
        POD | {"MESSAGE": '{"ts":"2026-11-02T08:00:00Z","msg":"m","request_id":"r"}'},
        {"time": f"{T}.000007Z", "message": "m", "request_id": "r"}),
}  # fmt: skip


@pytest.mark.parametrize("trap", JOURNAL)
def test_an_entry_of_the_journal(trap: str, tmp_path: Path) -> None:
    given, reads = JOURNAL[trap]
    case = opened(tmp_path / "log", ENTRY | given)
    assert seen(case, *reads) == [reads]
    assert case.opened[0].format == "journald"
    cut = any("4096 bytes" in warning for warning in case.warnings)
    assert cut == (given["MESSAGE"] is None)


@pytest.mark.parametrize("size", [None, 100])
def test_pieces_in_the_journal(size: int | None, tmp_path: Path) -> None:
    going = {"CONTAINER_PARTIAL_MESSAGE": "true"}
    other = POD | {"CONTAINER_ID_FULL": "ff" * 32}
    with reading(block=size, head=size and 3 * size):
        case = opened(
            tmp_path / "log",
            ENTRY | POD | going | {"MESSAGE": "a"},
            ENTRY | other | {"MESSAGE": "between"},
            ENTRY | {"MESSAGE": "a unit's"},
            ENTRY | POD | going | {"MESSAGE": list(b"\x1b[0mb")},
            ENTRY | POD | {"MESSAGE": f"c{TAG}"},
            ENTRY | POD | {"MESSAGE": "d"},
        )
        assert seen(case, "line", "message", "cuid") == [
            {"line": 1, "message": "a\x1b[0mbc", "cuid": "c1"},
            {"line": 2, "message": "between", "cuid": None},
            {"line": 3, "message": "a unit's", "cuid": None},
            {"line": 6, "message": "d", "cuid": None},
        ]
        assert bins(case) == {"events": 4, "fragments": 2}


# -- a broken line, and real files --------------------------------------------------------------

LINES = {
    "docker-json": 5, "filebeat": 8, "fluentbit": 8, "fluentbit-merged": 8, "fluentd-file": 8,
    "journald": 9, "loki-logcli": 8, "otlp": 3, "vector": 8,
}  # fmt: skip


@pytest.mark.parametrize("name", LINES)
def test_a_broken_line_in_the_middle_costs_itself_alone(name: str, tmp_path: Path) -> None:
    (path,) = (p for p in (FIXTURES / "formats").iterdir() if p.stem == name)
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) == LINES[name]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.write_text("\n".join(lines), "utf-8")
    middle = lines[len(lines) // 2]
    broken.write_text("\n".join([*lines, middle[: len(middle) // 2], *lines]), "utf-8")
    once, twice = cuidx.open_case(whole), cuidx.open_case(broken)
    assert twice.opened[0].format == name
    assert bins(twice) == {k: 2 * n for k, n in bins(once).items()} | {"unreadable": 1}
    columns = [c for c in rows_of(once.events)[0] if c not in ("source", "line")]
    assert seen(twice, *columns) == seen(once, *columns) * 2


PUBLIC: dict[str, tuple[str, Bins, str | None, str | None]] = {
    "docker/kubelet-parse-cases-json.log": (
        "docker-json", {"events": 5}, "2016-10-20T18:39:20.576064430Z", "2020-09-27T11:18:03Z"),
    "docker/tail/dockermode.log": ("docker-json", {"events": 3}, None, None),
    "docker/tail/dockermode_firstline_detection.log": ("docker-json", {"events": 9}, None, None),
    "docker/tail/dockermode_multiple_lines.log": ("docker-json", {"events": 6}, None, None),
    "docker/tail/dockermode_splitted_line.log": (
        "docker-json", {"events": 2, "fragments": 4}, None, None),
    "docker/tail/dockermode_splitted_multiple_lines.log": (
        "docker-json", {"events": 6, "fragments": 2}, None, None),
    "docker/tail/multiline_001.log": (
        "jsonl-flat", {"events": 6}, "2006-07-28T13:22:04Z", "2006-07-28T13:22:04Z"),
    "docker/kubernetes-log/core_base_fluent-bit.log": (
        "docker-json", {"events": 1}, "2019-04-01T17:58:33.598656444Z",
        "2019-04-01T17:58:33.598656444Z"),
    "docker/kubernetes-log/core_unescaping_json.log": (
        "docker-json", {"events": 1}, "2019-04-01T17:58:33.598656444Z",
        "2019-04-01T17:58:33.598656444Z"),
    "docker/kubernetes-log/options_merge-log-enabled_invalid-json.log": (
        "docker-json", {"events": 1}, "2019-04-01T17:58:33.598656444Z",
        "2019-04-01T17:58:33.598656444Z"),
    "docker/kubernetes-log/annotations-parser_multiple-1_container-1.log": (
        "docker-json", {"events": 2}, "2019-04-01T17:58:33.598656444Z",
        "2019-04-01T17:58:33.698656444Z"),
    "lnav/logfile_journald.json": (
        "journald", {"events": 2}, "2018-08-21T14:04:21.221373Z", "2018-08-21T14:04:21.221373Z"),
    "lnav/logfile_otel_collector.jsonl": (
        "otlp", {"events": 11}, "2023-11-14T22:13:20Z", "2023-11-14T22:13:30Z"),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLIC)
def test_real_files_of_other_projects(name: str) -> None:
    format_, counted, first, last = PUBLIC[name]
    case = cuidx.open_case(FIXTURES / "public" / name)
    accounting = case.accounting.as_json()
    assert case.opened[0].format == format_
    assert bins(case) == counted
    assert (accounting["first"], accounting["last"]) == (first, last)


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("block", [None, 1], ids=["one block", "small blocks"])
def test_a_piece_of_a_cri_line_has_no_cr_of_its_file_s_line_ends(
    end: str, block: int | None, tmp_path: Path
) -> None:
    at = "2026-11-02T09:00:00Z stdout"
    (tmp_path / "a.log").write_bytes(
        end.join([f"{at} F first", f"{at} P b", "no record", f"{at} F a"]).encode()
    )
    with reading(block=block, head=48):
        case = cuidx.open_case(tmp_path / "a.log", input_format="cri")
        assert [event["message"] for event in rows_of(case.events)] == ["first", "ba"]


def test_a_cr_that_a_piece_ends_with_is_the_line_s_own_where_lines_end_in_lf(
    tmp_path: Path,
) -> None:
    at = "2026-11-02T09:00:00Z stdout"
    (tmp_path / "a.log").write_text(f"{at} P 10%\r\n{at} F 20%\n", newline="")
    case = cuidx.open_case(tmp_path / "a.log", input_format="cri")
    assert [event["message"] for event in rows_of(case.events)] == ["10%\r20%"]
