"""Traps of text shapes and flows: access logs, klog, logfmt, syslog, VPC, Zeek, Hubble, ztunnel."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from stories import conserved, suffix

import cuidx
from cuidx.formats.base import Block, Example, Reading
from cuidx.formats.registry import BY_NAME, TEXTS, begin, detect
from cuidx.schema import EVIDENCE_ROLES, ROLES

ENVOY = (
    '[2026-11-02T09:00:01.240Z] "GET /a HTTP/1.1" 200 - 3 3 11 6 "203.0.113.24" "web" "r1" '
    '"pay" "10.10.11.2:8443"'
)
ISTIO = (
    '[2026-11-02T09:00:01.240Z] "GET /a HTTP/1.1" 200 - via_upstream - "-" 3 3 11 6 "-" "web" "r1" '
    '"pay" "10.10.11.2:8443" {cluster} {upstream} {local} 10.10.10.9:0 - {route}'
)
NGINX = '203.0.113.24 - - [02/Nov/2026:09:00:01 +0000] "GET /a HTTP/1.1" 200 3 "-" "web"'
INGRESS = NGINX + " 209 0.002 [shop-pay-80] [] {upstreams} {rid}"
ZTUNNEL = (
    "2026-11-02T09:00:01.252331Z\tinfo\taccess\tconnection complete\tsrc.addr=10.10.10.4:40112 "
    'src.workload="gw" src.namespace="shop" dst.addr=10.10.11.2:15008 dst.hbone_addr={hbone} '
    'dst.workload="pay" dst.namespace="shop" direction="outbound" bytes_sent=1 bytes_recv=2 '
    'duration="11ms"'
)
VPC = (
    "2 700100200300 eni-0a1b2c3d 10.10.10.4 10.10.11.2 40112 8443 6 12 1840 1793610001 1793610058 "
    "ACCEPT OK"
)
FLOW = {
    "time": "2026-11-02T09:00:01Z", "verdict": "FORWARDED", "l4": {"TCP": {"destination_port": 80}},
    "IP": {"source": "10.10.10.4", "destination": "10.10.11.2"},
    "source": {"namespace": "shop", "pod_name": "gw"}, "destination": {"labels": ["reserved:world"]},
    "node_name": "lab/node-2",
}  # fmt: skip
COLUMNS = (*ROLES, *EVIDENCE_ROLES, "svc", "kind")


def records(text: str, name: str) -> list[dict[str, Any]]:
    """The roles of each line of TEXT, a file that is detected as NAME; those with a value."""
    data = text.encode()
    found = detect(data, "file")
    assert name == found.format.NAME
    reading = Reading(strict_json=found.json_share >= 0.5)
    begin(found.format, reading, data, "file")
    frame = found.format.parse(Block(data, 1), reading)
    assert frame["line"].to_list() == list(range(1, text.rstrip("\n").count("\n") + 2))
    return [
        {name: value for name, value in row.items() if name in COLUMNS and value is not None}
        for row in frame.iter_rows(named=True)
    ]


def one(name: str, line: str, **reads: Any) -> Any:
    """A row: LINE, alone in a file, is detected as NAME and is an event that reads so."""
    return pytest.param(name, line, {"kind": "event", **reads}, id=f"{name}: {line[:60]}")


CLF = "02/Nov/2026:09:00:01 +0000"
START = "2026-11-02T09:00:01.240Z"
# `message` is looked at only where a row names it: in most of these it is the line itself.
TRAPS = [
    one("envoy-default", ENVOY.replace('"web"', '"probe "x" \\ y"'), time=START, request_id="r1",
        forwarded_ip="203.0.113.24", destination_ip="10.10.11.2:8443"),
    one("envoy-default", ENVOY.replace('"web"', '"" "9.9.9.9:1" "x" "y"'), time=START,
        request_id="r1", forwarded_ip="203.0.113.24", destination_ip="10.10.11.2:8443"),
    one("envoy-default", ENVOY.replace("10.10.11.2", "[2001:db8::7]").replace("203.0.113.24", "-"),
        time=START, request_id="r1", destination_ip="[2001:db8::7]:8443"),
    one("envoy-default", ENVOY.replace("GET /a HTTP/1.1", "- - -").replace("200 -", "0 UF,URX")
        .replace("11 6", "11 -").replace('"r1"', '"-"'), time=START,
        forwarded_ip="203.0.113.24", destination_ip="10.10.11.2:8443"),
    one("istio-text", ISTIO.format(cluster="outbound|80||pay", upstream="10.10.10.4:5",
                                   local="10.96.0.1:80", route="default"),
        time=START, request_id="r1", source_ip="10.10.10.9:0", destination_ip="10.10.11.2:8443",
        ip="10.10.10.4:5"),
    one("istio-text", ISTIO.format(cluster="inbound|80||", upstream="127.0.0.6:5",
                                   local="10.10.11.2:80", route="default"),
        time=START, request_id="r1", source_ip="10.10.10.9:0", destination_ip="10.10.11.2:8443",
        ip="10.10.11.2:80"),
    one("istio-text", ISTIO.format(cluster="InboundPassthroughCluster", upstream="127.0.0.6:5",
                                   local="10.10.11.2:80", route="-"),
        time=START, request_id="r1", source_ip="10.10.10.9:0", destination_ip="10.10.11.2:8443",
        ip="10.10.11.2:80"),
    one("istio-text", ISTIO.format(cluster="outbound|80||pay", upstream="-", local="10.96.0.1:80",
                                   route="-").replace("via_upstream", "x{a|b:_c}"),
        time=START, request_id="r1", source_ip="10.10.10.9:0", destination_ip="10.10.11.2:8443"),
    one("ingress-nginx", INGRESS.format(upstreams="10.0.0.1:80, 10.0.0.2:80 : [::1]:80 0, 0 : 3 "
                                        "0.000, 0.001 : 0.002 502, 502 : 200", rid="4f1c"),
        time=CLF, source_ip="203.0.113.24", request_id="4f1c",
        destination_ip="10.0.0.1:80, 10.0.0.2:80 : [::1]:80"),
    one("ingress-nginx", INGRESS.format(upstreams="- - - -", rid="4f1c").replace("- -", "- a b", 1),
        time=CLF, source_ip="203.0.113.24", request_id="4f1c"),
    one("ingress-nginx", INGRESS.format(upstreams="10.0.0.1:80 3 0.001 200", rid="4f1c")
        .replace("- -", "- [203.0.113.24] - -", 1).replace(" [] ", " "),
        time=CLF, source_ip="203.0.113.24", request_id="4f1c", destination_ip="10.0.0.1:80"),
    one("nginx-combined", NGINX.replace("GET /a HTTP/1.1", "\\x16\\x03\\x01\\x22x"), time=CLF,
        source_ip="203.0.113.24"),
    one("nginx-combined", NGINX.replace("GET /a HTTP/1.1", ""), time=CLF, source_ip="203.0.113.24"),
    one("nginx-combined", NGINX.replace("web", "a \\\"b\\\" c"), time=CLF,
        source_ip="203.0.113.24"),
    one("nginx-combined", NGINX.replace("/a", "/a?request_id=7&level=error"), time=CLF,
        source_ip="203.0.113.24"),
    one("nginx-combined", NGINX.replace(' "-" "web"', ""), time=CLF, source_ip="203.0.113.24"),
    one("nginx-combined", NGINX.replace("- -", "- alice smith", 1), time=CLF,
        source_ip="203.0.113.24"),
    one("nginx-combined", f"pay.example:443 {NGINX}", time=CLF, source_ip="203.0.113.24"),
    one("nginx-combined", NGINX.replace(" ", ", 10.0.0.1,10.0.0.2 ", 1), time=CLF,
        source_ip="203.0.113.24", forwarded_ip="10.0.0.1,10.0.0.2"),
    one("nginx-combined", NGINX.replace("203.0.113.24", "2001:db8::7"), time=CLF,
        source_ip="2001:db8::7"),
    one("nginx-combined", NGINX.replace("203.0.113.24", "-"), time=CLF),
    one("nginx-combined", f'{NGINX} "192.0.2.200, 198.51.100.77"', time=CLF,
        source_ip="203.0.113.24", forwarded_ip="192.0.2.200, 198.51.100.77"),
    one("nginx-combined", f'{NGINX} 12 "web@docker" "http://10.10.11.2:80" 3ms', time=CLF,
        source_ip="203.0.113.24", destination_ip="http://10.10.11.2:80"),
    one("nginx-combined", f'[{CLF}] 203.0.113.24 TLSv1.3 TLS_AES "GET /a HTTP/1.1" -', time=CLF,
        source_ip="203.0.113.24"),
    one("klog", "I1102 09:00:01.250883       1 a.go:214] hi", time="1102 09:00:01.250883",
        level="I", message="hi"),
    one("klog", "F20261102 09:00:01.250883 77 a.cc:2] hi trace_id=7",
        time="2026-11-02 09:00:01.250883", level="F", message="hi trace_id=7", trace_id="7"),
    one("klog", "W1102 09:00:01.250883 1 a.go:1]", time="1102 09:00:01.250883", level="W",
        message=""),
    one("logfmt", "level=info ts=1793610001.25 peer=[2001:db8::1]:80 rid=77 trace-id=-",
        time="1793610001.25", level="info", source_ip="[2001:db8::1]:80", request_id="77"),
    one("logfmt", 't=2026-11-02T10:00:01+0100 lvl=warn msg="a \\"b\\" request_id=7" bare pod_ip=',
        time="2026-11-02T10:00:01+0100", level="warn", request_id="7"),
    one("syslog-3164", "Nov  2 09:00:01 node-1 kernel: [ 12.3] up", time="Nov  2 09:00:01",
        node="node-1", service="kernel", message="[ 12.3] up"),
    one("syslog-3164", "<34>Oct 11 22:14:15.250 10.0.0.9 su[7]: 'su root' failed request_id=8",
        time="Oct 11 22:14:15.250", level="CRIT", node="10.0.0.9", host_ip="10.0.0.9", service="su",
        message="'su root' failed request_id=8", request_id="8"),
    one("syslog-3164", "Nov  2 09:00:01 n a: 2026-11-02T09:00:01.5Z ERROR x",
        time="2026-11-02T09:00:01.5Z", level="ERROR", node="n", service="a",
        message="2026-11-02T09:00:01.5Z ERROR x"),
    one("syslog-3164", "Nov  2 09:00:01 n a: valid until 2027-01-01T00:00:00Z",
        time="Nov  2 09:00:01", node="n", service="a", message="valid until 2027-01-01T00:00:00Z"),
    one("syslog-3164", f"<190>Nov  2 09:00:01 n nginx: {NGINX}", time=CLF, level="INFO", node="n",
        service="nginx", message=NGINX, source_ip="203.0.113.24"),
    one("syslog-5424", '<165>1 2026-11-02T09:00:01.003Z n app - ID [a@1 b="x\\]y" trace_id="7"]'
        "[origin ip=\"10.0.0.9\"] \ufeffhi", time="2026-11-02T09:00:01.003Z", level="NOTICE",
        node="n", service="app", host_ip="10.0.0.9", trace_id="7", message="hi"),
    one("syslog-5424", '<11>1 - - - - - [a@1 b="10.0.0.1"]', level="ERR",
        message='[a@1 b="10.0.0.1"]'),
    one("vpc-flow", VPC.replace(" 6 ", " 17 "), time="1793610001", source_ip="10.10.10.4",
        destination_ip="10.10.11.2", message="ACCEPT udp 40112>8443 12 packets 1840 bytes"),
    one("ztunnel", ZTUNNEL.format(hbone="10.96.0.1:80"), time="2026-11-02T09:00:01.252331Z",
        level="info", pod="gw", namespace="shop", source_ip="10.10.10.4:40112",
        destination_ip="10.96.0.1:80", holds="shop/gw=10.10.10.4 shop/pay=10.10.11.2",
        message="connection complete outbound 1 bytes sent 2 received 11ms"),
    one("ztunnel", ZTUNNEL.format(hbone="10.10.11.2:80").replace("\t", "  "), level="info",
        time="2026-11-02T09:00:01.252331Z", pod="gw", namespace="shop",
        source_ip="10.10.10.4:40112", destination_ip="10.10.11.2:80",
        holds="shop/gw=10.10.10.4 shop/pay=10.10.11.2",
        message="connection complete outbound 1 bytes sent 2 received 11ms"),
    one("ztunnel", ZTUNNEL.format(hbone="[2001:db8::2]:80").replace("10.10.10.4", "[2001:db8::1]")
        .replace('src.workload="gw" ', "") + ' error="to 10.0.0.1:80 and [::1]:80"', level="info",
        time="2026-11-02T09:00:01.252331Z", pod="pay", namespace="shop",
        source_ip="[2001:db8::1]:40112", destination_ip="[2001:db8::2]:80",
        holds="shop/pay=10.10.11.2",
        message="connection complete outbound 1 bytes sent 2 received 11ms to … and …"),
    one("hubble", json.dumps({"flow": FLOW}), time="2026-11-02T09:00:01Z", pod="gw",
        namespace="shop", cluster="lab", node="node-2", source_ip="10.10.10.4",
        destination_ip="10.10.11.2", holds="shop/gw=10.10.10.4", message="FORWARDED TCP >80"),
    one("hubble", json.dumps(FLOW | {"source": {}, "destination": FLOW["source"], "is_reply": True,
        "trace_context": {"parent": {"trace_id": "7"}}, "l7": {"http": {"method": "GET", "code": 200,
        "url": "http://10.0.0.1/", "headers": [{"key": "X-Request-Id", "value": "r7"}]}}}),
        time="2026-11-02T09:00:01Z", pod="gw", namespace="shop", cluster="lab", node="node-2",
        source_ip="10.10.10.4", destination_ip="10.10.11.2", holds="shop/gw=10.10.11.2",
        trace_id="7", request_id="r7", message="FORWARDED TCP >80 GET 200 reply"),
    one("istio-json", '{"start_time":"2026-11-02T09:00:01Z","upstream_cluster":"inbound|80||",'
        '"upstream_local_address":"127.0.0.6:5","downstream_local_address":"10.10.11.2:80",'
        '"downstream_remote_address":"10.10.10.4:0","upstream_host":null,"request_id":"r1"}',
        time="2026-11-02T09:00:01Z", ip="10.10.11.2:80", source_ip="10.10.10.4:0",
        request_id="r1", message=""),
]  # fmt: skip


@pytest.mark.parametrize(("name", "line", "reads"), TRAPS)
def test_a_line_reads_as_it_must(name: str, line: str, reads: dict[str, Any]) -> None:
    (row,) = records(line, name)
    if "message" not in reads:
        assert row.pop("message") == line
    assert row == reads


# -- files: what is skipped, what is broken, what stays -----------------------------------------

ERROR_LOG = "2026/11/02 09:00:05 [error] 31#31: *7 connect() failed, client: 203.0.113.24"
OWN = "[2026-11-02 09:00:00.123][1][info][main] [source/server/server.cc:404] initializing"
KLOG = "E1102 09:00:01.250883 1 a.go:1] boo"
PKT = (
    "version interface-id pkt-srcaddr srcaddr pkt-dstaddr dstaddr start action",
    "5 eni-1 10.1.1.1 10.10.1.11 10.1.1.2 10.10.1.12 1793610001 ACCEPT",
    "5 eni-1 - 10.10.1.11 - 10.10.1.12 1793610001 REJECT",
    "5 eni-1 - - - - 1793610001 -",
)
ZEEK = (
    "#separator \\x09", "#unset_field\t-", "#fields\tuid\tid.resp_h\tid.orig_h\tts\tservice",
    "C1\t10.10.11.2\t10.10.10.4\t1793610001.241003\t-", "C2\t10.10.11.2\t10.10.10.4\t1793610001.2",
    "C3\t10.10.11.2\t-\t1793610001.2\tssl",
)  # fmt: skip
LOST = '{"lost_events":{"num_events_lost":"4"},"node_name":"n","time":"2026-11-02T09:00:11Z"}'
ZTUNNEL_LINE = ZTUNNEL.format(hbone="10.10.11.2:80")
E, S, U, B = "event", "skipped", "unreadable", "blank"
FILES: list[Any] = [
    pytest.param("envoy-default", [ENVOY, OWN, KLOG, '{"level":"warn"}', "", ENVOY[:70], ENVOY,
                                   "at com.foo", f"{ENVOY}{suffix('c1')}", ENVOY[:40] + "?level=x"],
                 [E, E, E, E, B, U, E, U, E, U], set(), id="Envoy's own lines, and broken ones"),
    pytest.param("istio-text", [ISTIO.format(cluster="c", upstream="-", local="-", route="-")] * 3
                 + ["2026-11-02T09:00:00.9Z\tinfo\tcache\tgenerated", ENVOY[:90], ENVOY],
                 [E, E, E, E, U, E], set(), id="Istio's own lines, and a broken one"),
    pytest.param("ingress-nginx", [INGRESS.format(upstreams="- - - -", rid="4f")] * 3
                 + [ERROR_LOG, KLOG, NGINX[:60], "2026/11/02 09:00:05 no level"],
                 [E, E, E, E, E, U, U], set(), id="ingress: errors and klog, and broken ones"),
    pytest.param("nginx-combined", [NGINX, ERROR_LOG, NGINX[:-3], NGINX, " \t", "x"],
                 [E, E, U, E, B, U], set(), id="nginx: errors, and broken ones"),
    pytest.param("klog", [KLOG, "goroutine 1 [running]:", KLOG[:20], KLOG], [E] * 4, set(),
                 id="klog: all others are text"),
    pytest.param("logfmt", ["level=info msg=a", "goroutine 1:", 'level=info msg="cut', "a=1 b=2",
                            "level=info msg=b", "level=warn msg=c"], [E] * 6, set(),
                 id="logfmt: all others are text"),
    pytest.param("syslog-3164", ["Nov  2 09:00:01 n a: b", "  at foo", "Nov  2 09:00:01 INFO a: b",
                                 "Nov 32 09"], [E] * 4, set(), id="syslog: all others are text"),
    pytest.param("syslog-5424", ["<11>1 - - - - - -", "<11>1 - - -", "x"], [E] * 3, set(),
                 id="RFC 5424: all others are text"),
    pytest.param("vpc-flow", [VPC, VPC[:60], VPC.replace("10.10.10.4", "x"), "", "hello",
                              "2 700100200300 eni-1 - - - - - - - 1793610000 1793610060 - NODATA",
                              "2 700100200300 eni-1 - - - - - - - 1793610000 1793610060 - SKIPDATA",
                              VPC],
                 [E, U, U, B, U, S, S, E],
                 {"it has SKIPDATA rows: flows of those intervals are not known"},
                 id="VPC without a header"),
    pytest.param("vpc-flow", [*PKT, PKT[0], PKT[1] + " 7"], [S, E, E, S, S, U], set(),
                 id="VPC with columns of its own"),
    pytest.param("zeek-conn", [*ZEEK, "", "#close\t2026"], [S, S, S, E, U, U, B, S], set(),
                 id="Zeek with columns of its own, closed"),
    pytest.param("zeek-conn", ZEEK[:4], [S, S, S, E],
                 {"it has no #close line: it was cut off, or was still being written"},
                 id="Zeek, not closed"),
    pytest.param("hubble", [json.dumps({"flow": FLOW}), LOST, json.dumps(FLOW), "{", "text",
                            '{"node_status":{},"node_name":"n"}'],
                 [E, S, E, U, E, S], {"it has lost_events: flows are missing in it"}, id="Hubble"),
    pytest.param("ztunnel", [ZTUNNEL_LINE, ZTUNNEL_LINE[:120], "x", ZTUNNEL_LINE,
                             "2026-11-02T09:00:00.9Z\tinfo\txds::client:xds{id=7}\thello"],
                 [E, U, U, E, E], set(), id="ztunnel's own lines, and broken ones"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "lines", "kinds", "notes"), FILES)
def test_a_file_s_lines_are_in_their_bins(
    name: str, lines: list[str], kinds: list[str], notes: set[str], tmp_path: Path
) -> None:
    text = "\n".join(lines) + "\n"
    rows = records(text, name)
    assert [row["kind"] for row in rows] == kinds
    # Of what is no event nothing is known.
    assert all(row.keys() == {"kind"} for row in rows if row["kind"] in (S, U, B))
    path = tmp_path / "file"
    path.write_text(text)
    case = cuidx.open_case(path, tz="UTC")
    counted = case.accounting.as_json()
    conserved(counted)
    assert {bin_: counted[word] for bin_, word in
            ((E, "events"), (S, "skipped"), (U, "unreadable"), (B, "blank"))} == {
        bin_: kinds.count(bin_) for bin_ in (E, S, U, B)}  # fmt: skip
    assert case.opened[0].notes == notes


def test_packets_addresses_come_before_the_interface_s() -> None:
    rows = records("\n".join(PKT), "vpc-flow")
    assert [(row["source_ip"], row["destination_ip"], row["message"]) for row in rows[1:3]] == [
        ("10.1.1.1", "10.1.1.2", "ACCEPT"),
        ("10.10.1.11", "10.10.1.12", "REJECT"),
    ]


def test_zeek_s_columns_are_those_of_its_header() -> None:
    assert records("\n".join(ZEEK), "zeek-conn")[3] == {
        "kind": "event", "time": "1793610001.241003", "source_ip": "10.10.10.4",
        "destination_ip": "10.10.11.2", "message": "",
    }  # fmt: skip


# -- in envelopes, and side by side -------------------------------------------------------------

ENVELOPES: dict[str, Callable[[str], str]] = {
    "bare": lambda line: line,
    "CRI": lambda line: f"2026-11-02T09:00:02.000000001Z stdout F {line}",
    "Fluentd": lambda line: json.dumps(
        {"log": line + "\n", "stream": "stdout", "@timestamp": "2026-11-02T09:00:02Z",
         "kubernetes": {"container_name": "c"}}),
    "elasticdump": lambda line: json.dumps(
        {"_index": "i", "_id": "1", "_source": {"message": line, "@timestamp": 1793610002000}}),
    "document in a document": lambda line: json.dumps(
        {"message": json.dumps({"log": line, "stream": "stdout"}), "agent": {"type": "x"}}),
    "tagged": lambda line: line + suffix("c1"),
}  # fmt: skip
SHAPES = [
    pytest.param(name, sample, id=f"{name} {at}")
    for name, format_ in BY_NAME.items() if format_ in TEXTS
    for at, sample in enumerate(format_.SAMPLES)
    # Evidence is no event: test_formats_evidence has it.
    if not sample.raw.startswith("{") and sample.reads.get("kind") != "evidence"
]  # fmt: skip
KEPT = ("source_ip", "destination_ip", "forwarded_ip", "request_id", "trace_id", "level")


@pytest.mark.parametrize(("name", "sample"), SHAPES)
def test_a_shape_is_known_in_any_envelope(name: str, sample: Example, tmp_path: Path) -> None:
    for envelope, wrap in ENVELOPES.items():
        (tmp_path / envelope).write_text(wrap(sample.raw) + "\n")
    case = cuidx.open_case(tmp_path, tz="UTC")
    seen = {
        Path(row["source"]).name: {role: row[role] for role in KEPT}
        for row in case.events.collect().to_dicts()
    }
    for row in case.annotate().to_dicts():
        mentioned = sorted((one["role"], one["ip"]) for one in row["mentions"])
        seen[Path(row["source"]).name]["mentions"] = mentioned
    bare = seen.pop("bare")
    assert len(seen) == len(ENVELOPES) - 1
    for envelope, got in seen.items():
        want = dict(bare)
        if name == "vpc-flow" and envelope in ("Fluentd", "elasticdump", "document in a document"):
            want["mentions"] = got["mentions"] if want["mentions"] <= got["mentions"] else None
        assert got == want, envelope


def test_shapes_side_by_side_do_not_change_each_other() -> None:
    lines = [row.values[1].raw for row in SHAPES] + ["plain request_id=7 level=info"]  # type: ignore[attr-defined]
    parse, columns = BY_NAME["rawtext"].parse, sorted(COLUMNS)

    def rows(texts: list[str]) -> list[dict[str, Any]]:
        frame = parse(Block("\n".join(texts).encode(), 1), Reading())
        missing = [pl.lit(None, pl.String).alias(c) for c in columns if c not in frame.columns]
        return frame.with_columns(missing).select(columns).to_dicts()

    assert rows(lines) == [row for line in lines for row in rows([line])]


@pytest.mark.parametrize("format_", TEXTS, ids=lambda one: one.NAME)
def test_what_reads_a_shape_says_so_of_no_other(format_: Any) -> None:
    """Each sample's line is likely for its own shape; nothing fits an empty or a plain line."""
    own = [one.raw for one in format_.SAMPLES if not one.raw.startswith("{")]
    assert pl.Series(own).str.contains(format_.LIKELY).all()
    plain = pl.Series(["", " ", "2026-11-02T09:00:01Z INFO x", "at com.foo.Bar(Bar.java:7)"])
    assert not format_.read(plain, frozenset(ROLES))["fits"].fill_null(False).any()


def test_an_access_line_s_path_and_agent_are_no_mention(tmp_path: Path) -> None:
    path = tmp_path / "log"
    line = NGINX.replace("/a", "/a?ip=9.9.9.9")
    path.write_text(
        f"{line}\n2026-11-02T09:00:01Z INFO seen 9.9.9.9\n{json.dumps({'msg': line})}\n"
    )
    rows = cuidx.open_case(path).annotate().to_dicts()
    assert [[(one["role"], one["ip"]) for one in row["mentions"]] for row in rows] == [
        [("source", "203.0.113.24")],
        [("text", "9.9.9.9")],
        # What a program says in `msg` is prose: nothing of it is in a field.
        [("text", "203.0.113.24"), ("text", "9.9.9.9")],
    ]


def test_in_a_file_of_the_kubelet_s_the_pod_is_the_path_s(tmp_path: Path) -> None:
    uid = "8ac1e0b2-4c68-4d39-9a3e-5b2f1d8c7e01"
    folder = tmp_path / f"istio-system_ztunnel-x_{uid}" / "istio-proxy"
    folder.mkdir(parents=True)
    line = ZTUNNEL.format(hbone="10.10.11.2:80")
    (folder / "0.log").write_text(f"2026-11-02T09:00:02Z stdout F {line}\n")
    (row,) = cuidx.open_case(folder / "0.log").events.collect().to_dicts()
    assert (row["namespace"], row["pod"], row["pod_uid"]) == ("istio-system", "ztunnel-x", uid)
