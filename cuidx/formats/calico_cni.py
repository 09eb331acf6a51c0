"""The log of Calico's CNI plugin: which sandbox was given which address, and when it gave it back.

    2026-11-02 10:00:06.180 [INFO][4133] ipam/ipam_plugin.go 283: Calico CNI IPAM assigned addresses
    IPv4=[10.10.11.2/26] IPv6=[] ContainerID="397f…" … Workload="node--2-k8s-payment--0-eth0"

`ContainerID` is the sandbox. A Workload is NODE-k8s-POD-INTERFACE, with each `-` of a name doubled.
What follows the `/` is the block's size, not the host's. Lines of a release name no address. The
time is the node's own, without a zone; `Auto assigning IP` has one in UTC beside it. Other lines in
this frame (Felix, the IPAM's own steps) are events.

Source: projectcalico/calico, cni-plugin/pkg/ipamplugin/ipam_plugin.go; its issue 6968.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from cuidx.formats.base import Example, Reading, Sample, kinds, whole_lines
from cuidx.formats.containerd import SYSLOG
from cuidx.formats.lines import parse

__all__ = ["IN_FIELDS", "LIKELY", "NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "head",
           "parse", "read", "sniff"]  # fmt: skip

NAME: Final = "calico-cni"
TITLE: Final = "log of Calico's CNI plugin, also behind a syslog prefix"
SOURCE: Final = "projectcalico/calico, cni-plugin/pkg/ipamplugin/ipam_plugin.go; issue 6968"

PARTS: Final = (
    ("a local time with milliseconds", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ "),
    ("[LEVEL][process]", r"\[[A-Z]+\]\[\d+\] "),
    ("a .go file and a line", r"\.go \d+: "),
    ("ContainerID=", r" ContainerID="),
)
SAMPLES: Final = (
    Example(
        "2026-11-02 10:00:06.180 [INFO][4133] ipam/ipam_plugin.go 283: Calico CNI IPAM assigned "
        'addresses IPv4=[10.10.11.2/26] IPv6=[fd00::2/122] ContainerID="397fc5f3" HandleID='
        '"k8s-pod-network.397fc5f3" Workload="node--2-k8s-payment--0-eth0"',
        {
            "time": "2026-11-02T10:00:06.180Z",
            "level": "INFO",
            "pod": "payment-0",
            "node": "node-2",
            "sandbox_id": "397fc5f3",
            "ip": "10.10.11.2",
            "holds": "=fd00::2",
            "lease": "assign",
            "kind": "evidence",
        },
    ),
    Example(
        "Nov  2 10:00:05 node-2 kubelet[730]: 2026-11-02 10:00:05.690 [INFO][4110] ipam_plugin.go "
        '427: Released address using handleID ContainerID="b801bde4" HandleID='
        '"k8s-pod-network.b801bde4" Workload="node--2-k8s-payment--0-eth0"',
        {"sandbox_id": "b801bde4", "ip": None, "lease": "release", "kind": "evidence"},
    ),
    Example(
        "2026-11-02 10:00:06.201 [INFO][4121] cni-plugin/k8s.go 419: Calico CNI using IPs: "
        '[10.10.11.2/32] ContainerID="397fc5f3" Namespace="shop" Pod="payment-0" '
        'WorkloadEndpoint="node--2-k8s-payment--0-eth0"',
        {
            "namespace": "shop",
            "pod": "payment-0",
            "sandbox_id": "397fc5f3",
            "ip": "10.10.11.2",
            "kind": "evidence",
        },
    ),
)

cut = whole_lines

_TIME: Final = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+"
_FRAME: Final = rf"^(?:{SYSLOG})?(?<time>{_TIME}) \[(?<level>[A-Z]+)\]\[\d+\] [\w./-]+\.go \d+: "
_PATTERN: Final = _FRAME + r"(?<rest>(?<message>.*?) ContainerID=.*)$"
LIKELY: Final = re.sub(r"\(\?<\w+>", "(?:", _FRAME) + ".* ContainerID="
IN_FIELDS: Final = True

_IS_FRAME: Final = re.compile(_FRAME.replace("(?<", "(?P<"))
_IS_LIKELY: Final = re.compile(LIKELY)
_STAMP: Final = re.compile(rf'(?P<local>{_TIME}) .*"timestamp":"(?P<utc>{_TIME}) \+0000 UTC')
_QUARTER: Final = timedelta(minutes=15)  # all zones are multiples of it

_NAME: Final = r"((?:[^-\"]|--)+)"
_WORKLOAD: Final = rf'\bWorkload(?:Endpoint)?="{_NAME}-k8s-{_NAME}-[^-"]+"'
_USING: Final = r"\busing IPs: \[([^\]]*)\]"
_V4: Final = r"\bassigned addresses IPv4=\[([^\]]*)\]"
_V6: Final = r"\bassigned addresses IPv4=\[[^\]]*\] IPv6=\[([^\]]*)\]"


def sniff(sample: Sample) -> float:
    """Share of lines in Calico's frame, if one of them names a sandbox (Felix has it, too)."""
    if not any(_IS_LIKELY.match(line) for line in sample.filled):
        return 0.0
    return sample.share_of(_IS_FRAME)


def head(sample: Sample, reading: Reading) -> None:
    """Say what zone the times seem to be in, where a line has one in UTC beside its own."""
    for number, line in enumerate(sample.lines, 1):
        if stamp := _STAMP.search(line):
            local, utc = (datetime.fromisoformat(stamp[name][:26]) for name in ("local", "utc"))
            quarters = round((local - utc) / _QUARTER)
            if quarters and abs(quarters) <= 14 * 4:
                hours, rest = divmod(abs(quarters) * 15, 60)
                zone = f"{'-' if quarters < 0 else '+'}{hours:02}:{rest:02}"
                reading.notes.add(f"Calico writes local times without a zone; a stamp in line "
                                  f"{number} shows {zone}: --tz {zone} reads them so")  # fmt: skip
            return


def read(text: pl.Series, want: frozenset[str]) -> pl.DataFrame:
    """What the lines say that name a sandbox; see `text.Text`."""
    del want
    parts = text.str.extract_groups(_PATTERN).struct.unnest()
    says = pl.col("rest")

    def first(*patterns: str) -> pl.Expr:
        return pl.coalesce(says.str.extract(pattern, 1) for pattern in patterns)

    # The name's own dashes are doubled.
    node, pod = (says.str.extract(_WORKLOAD, at).str.replace_all("--", "-", literal=True)
                 for at in (1, 2))  # fmt: skip
    given = pl.concat_str(
        first(_USING, _V4), says.str.extract(_V6), separator=" ", ignore_nulls=True
    )
    addresses = given.str.replace_all(r"/\d+", "").str.replace_all(",", " ").str.strip_chars()
    frame = parts.with_columns(
        fits=says.is_not_null(),
        sandbox_id=first(r'\bContainerID="([^"]+)"'),
        namespace=first(r'\bNamespace="([^"]+)"', r'"namespace":"([^"]+)"'),
        pod=pl.coalesce(first(r'\bPod="([^"]+)"', r'"pod":"([^"]+)"'), pod),
        node=pl.coalesce(node, "node", first(r'"node":"([^"]+)"')),
        own=addresses.str.extract_all(r"\S+"),
        lease=pl.when(says.str.contains(r"\bReleased address using (?:handle|workload)ID\b"))
        .then(pl.lit("release"))
        .when(says.str.contains(r"\bassigned addresses IPv[46]="))
        .then(pl.lit("assign")),
    )  # fmt: skip
    own = pl.col("own")
    frame = frame.with_columns(
        ip=own.list.first(),
        holds=pl.when(own.list.len() > 1).then(
            own.list.slice(1).list.eval("=" + pl.element()).list.join(" ")
        ),
        # That none could be given is no lease.
        lease=pl.when((pl.col("lease") == "release") | (own.list.len() > 0)).then("lease"),
    )
    return frame.drop("rest", "own").with_columns(
        record_kind=kinds(len(frame), "evidence").alias("record_kind")
    )
