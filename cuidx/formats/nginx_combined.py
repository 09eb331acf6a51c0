r"""Access logs of nginx and Apache: combined, common and their kin.

    203.0.113.24 - alice [02/Nov/2026:09:00:01 +0000] "GET / HTTP/1.1" 200 3 "-" "curl/7.88.1"
    client         user   written                      request        status, bytes, referer, agent

    … "GET / HTTP/1.1" 200 3                            common: without referer and agent
    … "-" "curl/7.88.1" "198.51.100.77"                 nginx's `main`: forwarded-for at the end
    shop.example:443 203.0.113.24 - - […                the virtual host first
    203.0.113.24, 10.10.10.4 - - […                     the client, then the proxies it came through
    [02/Nov/2026:09:00:01 +0000] 203.0.113.24 TLSv1.3 TLS_AES_256_GCM_SHA384 "GET / HTTP/1.1" 45
                                                        Apache's ssl_request
    … "curl/7.88.1" 12 "web@docker" "http://10.10.11.2:80" 3ms       Traefik's

There is no request id in it, and no address of where the request went (but in Traefik's).
"""

from __future__ import annotations

import re
from functools import partial
from typing import Final

import polars as pl

from cuidx.formats import access
from cuidx.formats.base import Example, Sample, whole_lines

NAME: Final = "nginx-combined"
TITLE: Final = "access log of nginx or Apache (combined, common)"
SOURCE: Final = "nginx, ngx_http_log_module; Apache, mod_log_config; Traefik, access logs (CLF)"

_IP: Final = r"(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+)"
_Q: Final = access.QUOTED
# An address after the first word says that the word is a virtual host.
_CLIENT: Final = rf'(?:[^\s,"]+ (?<behind>{_IP})|(?<client>[^\s,"\[]+(?:, ?[^\s,"]+)*))'
_TAIL: Final = (
    rf'(?: "(?<forwarded>(?:[^"\\]|\\.)*)"|(?: [\d.]+){{1,3}}'
    rf'| \d+ {_Q} "(?<server>(?:[^"\\]|\\.)*)" \d+ms)?'
)
_COMMON: Final = (
    rf'^{_CLIENT} [^\s"\[]+ [^"\[]*?\[(?<time>{access.CLOCK})\] {_Q} (?:\d{{3}}|-) (?:\d+|-)'
    rf"(?: {_Q} {_Q}{_TAIL})?\s*$"
)
_TLS: Final = (
    rf"^\[(?<time>{access.CLOCK})\] (?<client>\S+) (?:-|(?:TLS|SSL)v[\d.]+) \S+ {_Q} (?:\d+|-)\s*$"
)
PATTERN: Final = re.sub(r"\?<\w+>", "?:", f"{_COMMON}|{_TLS}")  # a name may stand but once
LIKELY: Final = rf'^[^"\[]*\[{access.CLOCK}\] [^"]*"'
IN_FIELDS: Final = True

_RAW: Final = (
    '198.51.100.77 - alice [02/Nov/2026:10:00:06 +0100] "GET /charge/18 HTTP/1.1" 502 157 "-" '
    '"probe \\x22q\\x22 \\x5C y"'
)
PARTS: Final = (
    ("an address at the start", r"^\S+ \S+ \S+ "),
    ("[day/month/year:time zone]", r"\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"),
    ("request, status and size", r'\] ".*" \d{3} (?:\d+|-)'),
)
SAMPLES: Final = (
    Example(
        _RAW,
        {
            "time": "2026-11-02T09:00:06Z",
            "message": _RAW,
            "source_ip": "198.51.100.77",
            "destination_ip": None,
            "forwarded_ip": None,
            "request_id": None,
        },
    ),
    Example(
        '203.0.113.24 - - [02/Nov/2026:09:00:01 +0000] "GET /x?request_id=7 HTTP/1.1" 200 3',
        {"source_ip": "203.0.113.24", "request_id": None},
    ),
    Example(
        'shop.example:443 203.0.113.24 - - [02/Nov/2026:09:00:01 +0000] "GET / HTTP/1.1" 200 3 '
        '"-" "curl/7.88.1"',
        {"source_ip": "203.0.113.24"},
    ),
    Example(
        '203.0.113.24, 10.10.10.4 - - [02/Nov/2026:09:00:01 +0000] "GET / HTTP/1.1" 200 3 "-" '
        '"curl/7.88.1"',
        {"source_ip": "203.0.113.24", "forwarded_ip": "10.10.10.4"},
    ),
    Example(
        "[02/Nov/2026:09:00:01 +0000] 203.0.113.24 TLSv1.3 TLS_AES_256_GCM_SHA384 "
        '"GET / HTTP/1.1" 45',
        {"time": "2026-11-02T09:00:01Z", "source_ip": "203.0.113.24"},
    ),
    Example(
        '10.10.10.4 - - [02/Nov/2026:09:00:01 +0000] "GET / HTTP/1.1" 200 3 "-" "curl/7.88.1" '
        '"192.0.2.200, 198.51.100.77"',
        {"source_ip": "10.10.10.4", "forwarded_ip": "192.0.2.200, 198.51.100.77"},
    ),
)

cut = whole_lines
parse = partial(
    access.parse,
    pattern=PATTERN,
    likely=LIKELY,
    why="no record of an access log of nginx or Apache",
)


def sniff(sample: Sample) -> float:
    """The share of the sample's filled lines that are such records."""
    return access.sure(sample, PATTERN, LIKELY)


def read(text: pl.Series, want: frozenset[str]) -> pl.DataFrame:
    """See `formats.text.Text`."""
    del want
    common, tls = access.groups(text, _COMMON), access.groups(text, _TLS)
    client = pl.coalesce("behind", "client").str.splitn(",", 2)
    return common.select(
        time=pl.coalesce("time", tls["time"]),
        source_ip=pl.coalesce(client.struct[0], tls["client"]),
        forwarded_ip=pl.coalesce(client.struct[1].str.strip_chars(), "forwarded"),
        destination_ip="server",
        level=pl.lit(None, pl.String),
        request_id=pl.lit(None, pl.String),
        trace_id=pl.lit(None, pl.String),
    ).with_columns(fits=pl.col("time").is_not_null())
