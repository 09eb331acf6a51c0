r"""ipamd.log of the AWS VPC CNI: which sandbox was given which address, and when it gave it back.

    {"level":"info","ts":"2026-11-02T09:00:06.312Z","caller":"datastore/data_store.go:714",
    "msg":"assignPodIPAddressUnsafe: Assign IP 10.10.11.2 to sandbox aws-cni/397f…/eth0"}
    2019-05-10T09:12:36.102Z [INFO] AssignPodIPv4Address: Assign IP 10.0.1.7 to pod (name …)

The ids are those of sandboxes, never of containers; requests name the Pod, the other lines do not.
Function names in the texts changed from version to version, the words after them less. Lines of
other kinds are the daemon's own log: events.

Source: aws/amazon-vpc-cni-k8s, pkg/ipamd: datastore/data_store.go and rpc_handler.go, 1.0 to 1.20.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

import polars as pl

from cuidx.formats import lines
from cuidx.formats.base import Block, Example, Reading, Sample, whole_lines
from cuidx.schema import KIND

__all__ = ["NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "parse", "sniff"]

NAME: Final = "aws-ipamd"
TITLE: Final = "ipamd.log of the AWS VPC CNI"
SOURCE: Final = "aws/amazon-vpc-cni-k8s, pkg/ipamd; its issues 1791, 2045, 2203, 3066, 3777"

PARTS: Final = (
    ("a JSON object, or a time and [LEVEL]", r"^\s*\{|^\d{4}-\d\d-\d\dT[\d:.]+Z \["),
    ("a caller in ipamd/, datastore/ or rpc/", r'"caller"\s*:\s*"(?:ipamd|datastore|rpc)/|IPv4'),
    ("the key msg", r'"msg"\s*:|\]'),
)
SAMPLES: Final = (
    Example(
        '{"level":"info","ts":"2026-11-02T09:00:06.312Z","caller":"datastore/data_store.go:714",'
        '"msg":"assignPodIPAddressUnsafe: Assign IP 10.10.11.2 to sandbox aws-cni/397fc5f3/eth0"}',
        {
            "time": "2026-11-02T09:00:06.312Z",
            "sandbox_id": "397fc5f3",
            "ip": "10.10.11.2",
            "lease": "assign",
            "kind": "evidence",
        },
    ),
    Example(
        '{"level":"info","ts":"2026-11-02T09:00:05.702Z","caller":"ipamd/rpc_handler.go:353",'
        '"msg":"UnAssignPodIPAddress: Unassign IP 10.10.11.2 from sandbox aws-cni/b801bde4/eth0"}',
        {"sandbox_id": "b801bde4", "ip": "10.10.11.2", "lease": "release", "kind": "evidence"},
    ),
    Example(
        '{"level":"debug","ts":"2026-11-02T01:00:06.310-0800","caller":"rpc/rpc_grpc.pb.go:117",'
        '"msg":"AddNetworkRequest: K8S_POD_NAME:\\"payment-0\\"  K8S_POD_NAMESPACE:\\"shop\\"  '
        'K8S_POD_INFRA_CONTAINER_ID:\\"397fc5f3\\" ContainerID:\\"397fc5f3\\"  IfName:\\"eth0\\""}',
        {
            "time": "2026-11-02T09:00:06.310Z",
            "namespace": "shop",
            "pod": "payment-0",
            "sandbox_id": "397fc5f3",
            "ip": None,
            "kind": "evidence",
        },
    ),
)

cut = whole_lines

_CALLERS: Final = ("ipamd/", "datastore/", "rpc/")
_OLD: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.?\d*Z \[[A-Z]+\] ")
_OLD_TELLS: Final = re.compile(r"(?:Add|Del)Network|ssignPodIPv4Address|L-IPAMD|ipamd|ENI")

_HINTS: Final = ("ssign IP ", "AddNetwork", "DelNetwork", "ssignPodIPv4Address: pod (")
_IP: Final = r"([0-9A-Fa-f.:]+)"
_KEY: Final = r"sandbox [^/\s]+/([0-9a-f]+)/"  # network/sandbox/interface
_IN_POD: Final = r"\([Nn]ame:? ([^\s,]+), [Nn]ame[Ss]pace ([^\s,)]+)"
_GIVEN: Final = rf"\b(?:A|a)ssign IP {_IP} to "
_TAKEN: Final = rf"\bUnassign IP {_IP} from "
_TAKEN_OLD: Final = rf"UnassignPodIPv4Address: pod \(.*\)'s ipAddr {_IP},"
_STILL: Final = rf"\bReassign IP {_IP} to pod |Received DelNetwork for IP {_IP}, Pod "
_SANDBOX: Final = (
    _KEY,
    r"\b(?:Sandbox|Container|sandbox|container) ([0-9a-f]{12,64})\b",
    r'\bContainerID:"([0-9a-f]+)"',
    r'\bK8S_POD_INFRA_CONTAINER_ID:"([0-9a-f]+)"',
)
_POD: Final = (r'K8S_POD_NAME:"([^"]+)"', r"\bPod ([^\s,]+), Name[Ss]pace ")
_NAMESPACE: Final = (r'K8S_POD_NAMESPACE:"([^"]+)"', r"\bPod [^\s,]+, Name[Ss]pace ([^\s,]+)")


def sniff(sample: Sample) -> float:
    """Share of zap's records if one has an ipamd caller, or of the old text if a line tells it."""
    callers = [document.get("caller") for document in sample.documents if "msg" in document]
    named = [caller for caller in callers if isinstance(caller, str)]
    if any(caller.startswith(_CALLERS) for caller in named):
        return sample.share(len(named))
    old = [line for line in sample.filled if _OLD.match(line)]
    return sample.share(len(old)) if any(_OLD_TELLS.search(line) for line in old) else 0.0


def parse(block: Block, reading: Reading) -> pl.DataFrame:
    """One row a line; what tells of a sandbox or an address is evidence."""
    # What kind of record a line is follows from its message, whatever is asked for.
    frame = lines.parse(block, replace(reading, want=reading.want | {"message"}))
    is_text = (frame["kind"] == "event") & frame["message"].is_not_null()
    likely = is_text & frame["message"].str.contains_any(list(_HINTS)).fill_null(False)
    at = likely.arg_true()
    if at.is_empty():
        return frame
    told = _told(frame["message"].gather(at))
    place = pl.Series([None], dtype=pl.Int64).new_from_index(0, len(frame))
    wide = told.select(pl.all().gather(place.scatter(at, range(len(at)))))
    return frame.with_columns(
        *(_over(frame, wide, role) for role in wide.columns),
        kind=pl.when(likely).then(pl.lit("evidence", KIND)).otherwise("kind"),
    )


def _over(frame: pl.DataFrame, wide: pl.DataFrame, role: str) -> pl.Series:
    return (
        wide[role] if role not in frame.columns
        else pl.select(pl.coalesce(wide[role], frame[role]).alias(role)).to_series()
    )  # fmt: skip


def _told(message: pl.Series) -> pl.DataFrame:
    text = pl.col("message")

    def first(*patterns: str, group: int = 1) -> pl.Expr:
        return pl.coalesce(text.str.extract(pattern, group) for pattern in patterns)

    taken = first(_TAKEN, _TAKEN_OLD)
    given = pl.when(taken.is_null()).then(first(_GIVEN))
    return pl.DataFrame({"message": message}).select(
        # The reply repeats the address, but not whose it is.
        text.str.replace(r"(?s)(Send \w+Reply).*", "$1"),
        ip=pl.coalesce(given, taken, first(_STILL), text.str.extract(_STILL, 2)),
        lease=pl.when(taken.is_not_null()).then(pl.lit("release"))
        .when(given.is_not_null()).then(pl.lit("assign")),
        sandbox_id=first(*_SANDBOX),
        pod=first(*_POD, rf"pod {_IN_POD}"),
        namespace=pl.coalesce(first(*_NAMESPACE), text.str.extract(rf"pod {_IN_POD}", 2)),
    )  # fmt: skip
