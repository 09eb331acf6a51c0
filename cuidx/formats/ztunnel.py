r"""ztunnel, the node proxy of Istio's ambient mode: its access log, text or JSON.

    2026-11-02T09:00:01.252331Z  info  access  connection complete  src.addr=10.10.10.4:40112
    src.workload="gateway-x2k4q" src.namespace="shop" dst.addr=10.10.11.2:15008
    dst.hbone_addr=10.10.11.2:8443 dst.workload="payment-0" dst.namespace="shop"
    direction="outbound" bytes_sent=1840 bytes_recv=2210 duration="11ms"

Tabs stand between the first five; copies in web pages have blanks. The time is the connection's
end. Port 15008 is the tunnel; where the request went is `hbone_addr`, but it is `dst.addr` that
`dst.workload` held (behind a waypoint they differ). Both ends' proxies log a connection.
"""

from __future__ import annotations

import re
from typing import Any, Final

import polars as pl

from cuidx.formats import access, lines
from cuidx.formats.base import Block, Example, Reading, Sample, whole_lines
from cuidx.formats.documents import Adapted, is_wrapped

NAME: Final = "ztunnel"
TITLE: Final = "ztunnel access log (Istio ambient), text or JSON"
SOURCE: Final = "istio/ztunnel, src/telemetry.rs and src/proxy/metrics.rs"
ADAPTS: Final = frozenset({"src.addr"})

_STAMP: Final = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z[\t ]+(?:trace|debug|info|warn|error)[\t ]+"
LIKELY: Final = rf"{_STAMP}access[\t ]"
IN_FIELDS: Final = True
_RECORD: Final = rf"{LIKELY}+connection "  # … and does not fit: it was cut
_LAYOUT: Final = rf"{_STAMP}[\w:]+(?:\{{[^}}\t]*\}})?[\t ]"  # any line of it
_PATTERN: Final = (
    r"^(?<time>\S+)\s+(?<level>\w+)\s+access\s+(?<said>\S.*?)\s+"
    r'(?<pairs>src\.addr=[^\s"]+(?: [\w.]+=(?:"(?:[^"\\]|\\.)*"|[^\s"]+))*)\s*$'
)
_ANY_IP: Final = r"\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?|\[[0-9A-Fa-f:.]+\](?::\d+)?"
_IP: Final = r"^(?:\[([^\]]+)\]|([0-9A-Fa-f:]+:[0-9A-Fa-f:.]*:[0-9A-Fa-f.]*)|([^:]+))(?::\d+)?$"

PARTS: Final = (
    ("a time to the microsecond", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"),
    ("access as target", r"\taccess\t|\saccess\s|\"access\""),
    ("src.addr", r"src\.addr"),
)
SAMPLES: Final = (
    Example(
        "2026-11-02T09:00:01.252331Z\tinfo\taccess\tconnection complete\tsrc.addr=10.10.10.4:40112 "
        'src.workload="gateway-x2k4q" src.namespace="shop" dst.addr=10.10.11.2:15008 '
        'dst.hbone_addr=10.10.11.2:8443 dst.workload="payment-0" dst.namespace="shop" '
        'direction="outbound" bytes_sent=1840 bytes_recv=2210 duration="11ms"',
        {
            "time": "2026-11-02T09:00:01.252331Z",
            "level": "INFO",
            "message": "connection complete outbound 1840 bytes sent 2210 received 11ms",
            "pod": "gateway-x2k4q",
            "namespace": "shop",
            "ip": None,
            "source_ip": "10.10.10.4:40112",
            "destination_ip": "10.10.11.2:8443",
            "holds": "shop/gateway-x2k4q=10.10.10.4 shop/payment-0=10.10.11.2",
        },
    ),
    Example(
        '{"level":"error","time":"2026-11-02T09:00:06.100902Z","scope":"access","message":'
        '"connection complete","src.addr":"10.10.10.4:40118","src.workload":"gateway-x2k4q",'
        '"src.namespace":"shop","dst.addr":"10.10.11.2:8443","direction":"outbound","bytes_sent":0,'
        '"bytes_recv":0,"duration":"1000ms","error":"io error: Connection refused (os error 111)"}',
        {
            "time": "2026-11-02T09:00:06.100902Z",
            "level": "ERROR",
            "message": "connection complete outbound 0 bytes sent 0 received 1000ms "
            "io error: Connection refused (os error 111)",
            "pod": "gateway-x2k4q",
            "source_ip": "10.10.10.4:40118",
            "destination_ip": "10.10.11.2:8443",
            "holds": "shop/gateway-x2k4q=10.10.10.4",
        },
    ),
)

cut = whole_lines


def sniff(sample: Sample) -> float:
    """Share of lines in its layout, where one at least is an access record."""
    documents = sum(adapt(one) is not None for one in sample.documents)
    if documents:
        others = sum({"level", "time", "scope"} <= one.keys() for one in sample.documents)
        return sample.share(max(documents, others))
    if not access.count(sample, f"{LIKELY}.*src\\.addr="):
        return 0.0
    return access.share(sample, _LAYOUT)


def parse(block: Block, reading: Reading) -> pl.DataFrame:
    """One row a line: connections, and what the program says beside them."""
    if reading.strict_json:
        return lines.parse(block, reading)
    return access.parse(
        block, reading, pattern=_PATTERN, likely=_RECORD, why="no line of ztunnel's"
    )


def read(text: pl.Series, want: frozenset[str]) -> pl.DataFrame:
    """See `formats.text.Text`."""
    del want
    head = access.groups(text, _PATTERN)
    pairs = head["pairs"].fill_null("")

    def value(*keys: str) -> pl.Expr:
        starts = [rf"(?:^| ){re.escape(key)}=" for key in keys]
        found = [pl.lit(pairs).str.extract(start + value, 1)
                 for start in starts for value in ('"([^"]*)"', r"([^\s\"]+)")]  # fmt: skip
        return pl.coalesce(found)

    ends = head.with_columns(
        **{f"{end}_{part}": value(f"{end}.{part}") for end in ("src", "dst")
           for part in ("addr", "workload", "namespace")},
        hbone=value("dst.hbone_addr"),
        direction=value("direction"), sent=value("bytes_sent"), received=value("bytes_recv"),
        duration=value("duration"),
        error=pairs.str.extract(r' error="((?:[^"\\]|\\.)*)"').str.replace_all(_ANY_IP, "…"),
    )  # fmt: skip
    nothing = pl.lit(None, pl.String)
    return ends.select(
        "time", "level",
        source_ip="src_addr",
        destination_ip=pl.coalesce("hbone", "dst_addr"),
        pod=pl.coalesce("src_workload", "dst_workload"),
        namespace=pl.when(pl.col("src_workload").is_not_null()).then("src_namespace")
        .otherwise("dst_namespace"),
        message=pl.concat_str(
            "said", "direction", pl.col("sent") + " bytes sent", pl.col("received") + " received",
            "duration", "error", separator=" ", ignore_nulls=True,
        ),
        holds=_none(pl.concat_str(_held("src"), _held("dst"), separator=" ", ignore_nulls=True)),
        request_id=nothing, trace_id=nothing,
        fits=pl.col("pairs").is_not_null(),
    )  # fmt: skip


def _held(end: str) -> pl.Expr:
    ip = pl.coalesce(pl.col(f"{end}_addr").str.extract(_IP, at) for at in (1, 2, 3))
    return pl.col(f"{end}_namespace") + "/" + pl.col(f"{end}_workload") + "=" + ip


def _none(text: pl.Expr) -> pl.Expr:
    return pl.when(text != "").then(text)


def adapt(document: dict[str, Any]) -> Adapted | None:
    """See `documents.Adapter`: the same of the JSON mode. Keys of a collector count as ever."""
    if "dst.addr" not in document and "direction" not in document:
        return None
    get = {key: str(value) for key, value in document.items() if value is not None}.get
    source, target = get("src.addr"), get("dst.addr")
    found: Adapted = {
        "is_line": False,
        "source_ip": source,
        "destination_ip": get("dst.hbone_addr") or target,
        "message": " ".join(
            filter(None, (
                get("message"), get("direction"),
                f"{get('bytes_sent', '?')} bytes sent", f"{get('bytes_recv', '?')} received",
                get("duration"), re.sub(_ANY_IP, "…", get("error", "")),
            ))
        ),
        "holds": " ".join(
            f"{get(f'{end}.namespace')}/{get(f'{end}.workload')}={ip[1] or ip[2] or ip[3]}"
            for end, address in (("src", source), ("dst", target))
            if get(f"{end}.namespace") and get(f"{end}.workload")
            and (ip := re.match(_IP, address or ""))
        ),
    }  # fmt: skip
    if not is_wrapped(document):  # else the Pod is ztunnel's own, and the collector knows it
        end = "src" if get("src.workload") else "dst"
        found |= {"pod": get(f"{end}.workload"), "namespace": get(f"{end}.namespace")}
    return found
