r"""containerd's own log: which Pod a sandbox is of, which sandbox a container, when they ended.

    time="2026-11-02T09:00:06.402771865Z" level=info msg="RunPodSandbox for &PodSandboxMetadata{
    Name:payment-0,Uid:d97f…,Namespace:shop,Attempt:0,} returns sandbox id \"397f…\""
    Nov  2 09:00:06 node-2 containerd[812]: time="…" level=info msg="StartContainer for \"…\" …"

The chain Pod uid, sandbox id, container id, and no address; but an address can pass on as soon as
`TearDown network` is done. Many Go programs (dockerd) write the same frame: only lines that speak
of sandboxes and containers are evidence, all others are events.

Source: containerd, internal/cri/instrument/service.go; its issues 8303, 9459, 11984.
"""

from __future__ import annotations

import re
from typing import Final

import polars as pl

from cuidx.formats.base import Example, Sample, kinds, whole_lines
from cuidx.formats.lines import parse

__all__ = ["IN_FIELDS", "LIKELY", "NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "parse",
           "read", "sniff"]  # fmt: skip

NAME: Final = "containerd"
TITLE: Final = "containerd's log, also behind a syslog prefix"
SOURCE: Final = "containerd, internal/cri/instrument; its issues 8303, 9459, 11984"

PARTS: Final = (
    ('time="…"', r'\btime="[^"]+"'),
    ("level=", r" level=[a-z]+"),
    ("a msg of a sandbox or a container", r' msg="\w*(?:PodSandbox|Container|TearDown)\b'),
)
_LINK = (
    'time="2026-11-02T09:00:06.402771865Z" level=info msg="RunPodSandbox for &PodSandboxMetadata{'
    'Name:payment-0,Uid:d97f3b15,Namespace:shop,Attempt:0,} returns sandbox id \\"397fc5f3\\""'
)
SAMPLES: Final = (
    Example(
        _LINK,
        {
            "time": "2026-11-02T09:00:06.402771865Z",
            "level": "INFO",
            "namespace": "shop",
            "pod": "payment-0",
            "pod_uid": "d97f3b15",
            "sandbox_id": "397fc5f3",
            "kind": "evidence",
        },
    ),
    Example(
        'Nov  2 10:00:07 node-2 containerd[812]: time="2026-11-02T10:00:07.101909254+01:00" '
        'level=info msg="StartContainer for \\"d89f7bd9\\" returns successfully"',
        {
            "time": "2026-11-02T09:00:07.101909254Z",
            "node": "node-2",
            "container_id": "d89f7bd9",
            "lifecycle": "start",
            "kind": "evidence",
        },
    ),
    Example(  # as from 2.1 on
        'time="2026-11-02T09:00:06.418220907Z" level=info msg="CreateContainer within sandbox '
        '\\"397fc5f3\\" for name:\\"payment\\" attempt:2 returns container id \\"d89f7bd9\\""',
        {
            "container_name": "payment",
            "container_id": "d89f7bd9",
            "restart": 2,
            "sandbox_id": "397fc5f3",
            "kind": "evidence",
        },
    ),
)

cut = whole_lines

SYSLOG: Final = (
    r"(?:<\d{1,3}>)?(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\S+)"
    r" (?<node>\S+) [^\s:\[]+(?:\[\d+\])?: "
)
_SAYS: Final = (
    r"(?:(?:Run|Stop|Remove)PodSandbox|(?:Create|Start|Stop|Remove)Container|TearDown network)\b"
)
_FRAME: Final = rf'^(?:{SYSLOG})?time="(?<time>[^"]+)" level=(?<level>[a-z]+) msg="'
LIKELY: Final = re.sub(r"\(\?<\w+>", "(?:", _FRAME) + _SAYS
IN_FIELDS: Final = True

_PATTERN: Final = _FRAME + r'(?<message>(?:[^"\\]|\\.)*)"'
_IS_FRAME: Final = re.compile(_FRAME.replace("(?<", "(?P<"))
_IS_LIKELY: Final = re.compile(LIKELY)
_ID: Final = r'"([0-9a-f]+)"'


def sniff(sample: Sample) -> float:
    """Share of lines in the frame, if one of them speaks of a sandbox or a container."""
    if not any(_IS_LIKELY.match(line) for line in sample.filled):
        return 0.0
    return sample.share_of(_IS_FRAME)


def read(text: pl.Series, want: frozenset[str]) -> pl.DataFrame:
    """What the lines say that speak of sandboxes and containers; see `text.Text`."""
    del want
    parts = text.str.extract_groups(_PATTERN).struct.unnest()
    # Quotes inside the message are escaped.
    parts = parts.with_columns(pl.col("message").str.replace_all(r"\"", '"', literal=True))
    says = pl.col("message")

    def first(*patterns: str) -> pl.Expr:
        return pl.coalesce(says.str.extract(pattern, 1) for pattern in patterns)

    of_pod, of_container = says.str.starts_with("RunPod"), says.str.starts_with("CreateC")
    frame = parts.with_columns(
        fits=says.is_not_null(),
        pod=pl.when(of_pod).then(first(r"\{Name:([^,}]*),", r'\bname:"([^"]*)"')),
        pod_uid=pl.when(of_pod).then(first(r",Uid:([^,}]*),", r'\buid:"([^"]*)"')),
        namespace=pl.when(of_pod).then(first(r",Namespace:([^,}]*),", r'\bnamespace:"([^"]*)"')),
        sandbox_id=first(rf"returns sandbox id {_ID}", rf"[sS]andbox (?:for )?{_ID}"),
        container_id=first(rf"returns container id {_ID}", rf"^\w+Container for {_ID}"),
        container_name=pl.when(of_container).then(
            first(r"\{Name:([^,}]*),", r'\bname:"([^"]*)"')
        ),
        restart=pl.when(of_container).then(first(r",Attempt:(\d+)", r"\battempt:(\d+)")),
        lifecycle=pl.when(says.str.contains(rf"^StartContainer for {_ID} returns successfully"))
        .then(pl.lit("start"))
        .when(says.str.contains(rf"^StopContainer for {_ID} (?:with timeout|returns successfully)"))
        .then(pl.lit("stop")),
        lease=pl.when(says.str.contains(rf"^TearDown network for sandbox {_ID} successfully"))
        .then(pl.lit("release")),
    )  # fmt: skip
    return frame.with_columns(record_kind=kinds(len(frame), "evidence").alias("record_kind"))
