r"""Istio's access log as text: Envoy's, with why and between which two addresses.

    … 200 - via_upstream - "-" 3 3 11 6 "203.0.113.24" "curl/7.88.1" "4f1c9e2a-…" "pay.example"
    "10.10.11.2:8443" outbound|8443||payment.shop.svc.cluster.local 10.10.10.4:57962
     upstream host    cluster                                       upstream's local address
    10.10.10.4:8080 203.0.113.24:38262 - pay
    downstream's local and remote address, server name, route

The proxy stands beside one Pod. Inbound, that Pod is `downstream_local`, and `upstream_local` is
127.0.0.6; outbound, it is `upstream_local`, and `downstream_local` the service that was called.
A refused connection has no `upstream_local`: then the own address is unknown.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import polars as pl

from cuidx.formats import access
from cuidx.formats.base import Example, Sample, whole_lines
from cuidx.formats.envoy_default import HEADERS, LIKELY, REQUEST, SIZES, START

__all__ = ["IN_FIELDS", "LIKELY", "NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "parse",
           "read", "sniff"]  # fmt: skip

NAME: Final = "istio-text"
TITLE: Final = "Istio access log, text"
SOURCE: Final = "istio/istio, pilot/pkg/model/telemetry_logging.go, EnvoyTextLogFormat"

# Between flags and sizes: details, end of connection, failure; older versions have others there.
PATTERN: Final = (
    rf"^{START} {REQUEST} (?:.*? )?{SIZES} {HEADERS} (?<cluster>\S+) (?<upstream_local>\S+)"
    r" (?<downstream_local>\S+) (?<source_ip>\S+) \S+(?: \S.*?)?\s*$"
)
IN_FIELDS: Final = True
INBOUND: Final = ("inbound|", "InboundPassthroughCluster")

_RAW: Final = (
    '[2026-11-02T09:00:09.470Z] "POST /charge HTTP/1.1" 402 - via_upstream - "-" 3 3 44 0 '
    '"192.0.2.200,198.51.100.77" "curl/7.88.1" "a82b6d3f-1c5e-4f97-8d40-7e9c2b1a6f02" '
    '"pay.shop.example" "10.10.11.2:8443" outbound|8443||payment.shop.svc.cluster.local '
    "10.10.10.4:57962 10.10.10.4:8080 198.51.100.77:57038 - pay"
)
PARTS: Final = (
    ("[time] at the start", r"^\[\d{4}-\d\d-\d\dT"),
    ("the request in quotes", r'\] "\S+ \S+'),
    ("cluster, addresses and route after the upstream host", r'"(?:-|\S+:\d+)" \S+ \S+ \S+ \S+'),
)
SAMPLES: Final = (
    Example(
        _RAW,
        {
            "time": "2026-11-02T09:00:09.470Z",
            "message": _RAW,
            "ip": "10.10.10.4",
            "source_ip": "198.51.100.77:57038",
            "destination_ip": "10.10.11.2:8443",
            "forwarded_ip": "192.0.2.200,198.51.100.77",
            "request_id": "a82b6d3f-1c5e-4f97-8d40-7e9c2b1a6f02",
        },
    ),
    Example(
        '[2026-11-02T09:00:01.246Z] "POST /charge/17 HTTP/1.1" 200 - via_upstream - "-" 3 3 4 4 "-"'
        ' "shop-gateway/2.0" "4f1c9e2a-0d7b-4c68-9a3e-5b2f1d8c7e01" "payment.shop:8443" '
        '"10.10.11.2:8443" inbound|8443|| 127.0.0.6:40300 10.10.11.2:8443 10.10.10.4:0 '
        "outbound_.8443_._.payment.shop.svc.cluster.local default",
        {"ip": "10.10.11.2", "source_ip": "10.10.10.4:0", "forwarded_ip": None},
    ),
)

cut = whole_lines
parse = partial(access.parse, pattern=PATTERN, likely=LIKELY, why="no record of Istio's access log")


def sniff(sample: Sample) -> float:
    """The share of the sample's filled lines that are such records."""
    return access.sure(sample, PATTERN, LIKELY)


def read(text: pl.Series, want: frozenset[str]) -> pl.DataFrame:
    """See `formats.text.Text`."""
    del want
    inbound = pl.any_horizontal(pl.col("cluster").str.starts_with(word) for word in INBOUND)
    local = pl.when(inbound).then("downstream_local").otherwise("upstream_local")
    return (
        access.groups(text, PATTERN)
        .with_columns(
            ip=local,
            level=pl.lit(None, pl.String),
            trace_id=pl.lit(None, pl.String),
            fits=pl.col("time").is_not_null(),
        )
        .drop("cluster", "upstream_local", "downstream_local")
    )
