r"""Access log of ingress-nginx, the controller's own format.

    203.0.113.24 - - [02/Nov/2026:09:00:01 +0000] "POST /charge HTTP/1.1" 200 3 "-" "curl/7.88.1"
    client     user   written                      request         status, bytes  referer, agent
    209 0.002 [shop-payment-8443] [] 10.10.11.2:8443, 10.10.11.3:8443 0, 3 0.0, 0.2 502, 200 4f1c…
    sizes      upstream, alternative  upstreams tried, their bytes, seconds, status     request id

After retries there are lists, `, ` between tries and ` : ` between groups. Behind a load balancer
the client is the balancer, unless the proxy protocol says better. The time is the line's end.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import polars as pl

from cuidx.formats import access
from cuidx.formats.base import Example, Sample, whole_lines

NAME: Final = "ingress-nginx"
TITLE: Final = "ingress-nginx access log"
SOURCE: Final = "kubernetes/ingress-nginx, docs/user-guide/nginx-configuration/log-format.md"

_LIST: Final = r"[^\s,:][^\s,]*(?:(?:,| :) [^\s,:][^\s,]*)*"
# Before 0.25 the address stood a second time, in brackets.
_CLIENT: Final = r"(?<source_ip>\S+) - (?:\[[^\]]*\] - )?[^\"]*?"
PATTERN: Final = (
    rf"^{_CLIENT} \[(?<time>{access.CLOCK})\] {access.QUOTED} \d{{3}} \d+ {access.QUOTED}"
    rf" {access.QUOTED} \d+ [\d.]+ \[[^\]]*\](?: \[[^\]]*\])? (?<destination_ip>{_LIST})"
    rf" {_LIST} {_LIST} {_LIST} (?<request_id>\S+)\s*$"
)
LIKELY: Final = rf'^(?:[^"\[]*\[[0-9a-fA-F.:, ]+\])?[^"\[]*\[{access.CLOCK}\] "'
IN_FIELDS: Final = True

_RAW: Final = (
    '203.0.113.24 - - [02/Nov/2026:10:00:01 +0100] "POST /charge/17 HTTP/1.1" 200 3 "-" '
    '"shop-web/1.4" 209 0.002 [shop-payment-8443] [] 10.10.11.2:8443, 10.10.11.3:8443 0, 3 '
    "0.000, 0.002 502, 200 4f1c9e2a0d7b4c689a3e5b2f1d8c7e01"
)
PARTS: Final = (
    ("an address at the start", r"^[0-9a-fA-F.:]+ - "),
    ("[day/month/year:time zone]", r"\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"),
    ("[upstream name] [alternative]", r" \[[^\]]*\] \[[^\]]*\] "),
)
SAMPLES: Final = (
    Example(
        _RAW,
        {
            "time": "2026-11-02T09:00:01Z",
            "message": _RAW,
            "source_ip": "203.0.113.24",
            "destination_ip": "10.10.11.2:8443, 10.10.11.3:8443",
            "request_id": "4f1c9e2a0d7b4c689a3e5b2f1d8c7e01",
        },
    ),
    Example(
        '198.51.100.77 - - [02/Nov/2026:09:00:12 +0000] "\\x16\\x03\\x01\\x02\\x00\\x22x" 400 157 '
        '"-" "-" 0 0.005 [upstream-default-backend] [] - - - - 1581f02f973af65bd6d47f9f95ad8d1a',
        {
            "source_ip": "198.51.100.77",
            "destination_ip": None,
            "request_id": "1581f02f973af65bd6d47f9f95ad8d1a",
        },
    ),
)

cut = whole_lines
parse = partial(
    access.parse, pattern=PATTERN, likely=LIKELY, why="no record of ingress-nginx's access log"
)


def sniff(sample: Sample) -> float:
    """The share of the sample's filled lines that are such records."""
    return access.sure(sample, PATTERN, LIKELY)


def read(text: pl.Series, want: frozenset[str]) -> pl.DataFrame:
    """See `formats.text.Text`."""
    del want
    return access.groups(text, PATTERN).with_columns(
        level=pl.lit(None, pl.String),
        trace_id=pl.lit(None, pl.String),
        fits=pl.col("time").is_not_null(),
    )
