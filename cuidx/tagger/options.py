"""The command line and the environment of `cuidx tag` (INTERFACE, section 5)."""

from __future__ import annotations

import argparse
import os
import re
import time
from collections.abc import Sequence

from cuidx.tagger import say

_UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}")
# The random end of a Deployment's Pod names (and of a bare ReplicaSet's), a StatefulSet's number.
# Kubernetes takes these letters alone, so that no words come out: apimachinery, util/rand.
_POD_END = re.compile(r"(?:-[bcdf-hj-np-tv-z2-9]{8,10})?-[bcdf-hj-np-tv-z2-9]{5}$|-\d+$")

EXAMPLE = """example:
  cuidx tag --source /var/log/app --out /var/log/tagged --svc payment.shop.prod

environment: CUIDX_SVC, CUIDX_CLUSTER, POD_NAME, POD_NAMESPACE, POD_UID, POD_IP, NODE_NAME"""


def parser() -> argparse.ArgumentParser:
    """All options; their names are a contract."""
    it = argparse.ArgumentParser(
        prog="cuidx tag",
        description="Give every line of a directory tree its container's CUID: same lines, same "
        "order, one suffix each. After a kill it goes on from its own output.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = it.add_argument
    add("--source", metavar="DIR", required=True, help="the folder to watch, with all below it")
    add("--out", metavar="DIR", help="write OUT/<same path>; - is standard output")
    add(
        "--svc",
        metavar="NAME",
        help="svc.namespace.cluster (default: CUIDX_SVC, or the Pod's name)",
    )
    add("--cuid", metavar="UUID", help="the CUID, instead of a new one at each start")
    add("--uuid7", action="store_true", help="a new CUID that sorts by time")
    add(
        "--style",
        choices=("append", "merge"),
        default="append",
        help="suffix, or keys in JSON objects",
    )
    add(
        "--layout",
        choices=("tree", "cri"),
        default="tree",
        help="any tree, or /var/log/pods: a CUID for each container instance",
    )
    add("--state", metavar="DIR", help="where node mode keeps its CUIDs (default: OUT)")
    add("--once", action="store_true", help="tag what is there, then end")
    add("--health", metavar="HOST:PORT", help="serve /livez, /readyz and /metrics")
    add("--poll", action="store_true", help="look at the files again and again, without inotify")
    add(
        "--linger",
        metavar="SECONDS",
        type=float,
        default=0.3,
        help="after SIGTERM, go on until no line came for this long (default %(default)s)",
    )
    add(
        "--grace",
        metavar="SECONDS",
        type=float,
        default=25.0,
        help="after SIGTERM, end within this time (default %(default)s)",
    )
    add("--version", action="version", version=say.version())
    return it


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    """The options, checked; Refusal or SystemExit(2) where they are wrong."""
    chosen = parser().parse_args(words)
    if chosen.out is None:
        raise say.Refusal("where to? give --out DIR, or --out - for standard output")
    if chosen.layout == "cri":
        if chosen.style != "append":
            raise say.Refusal("--layout cri has its own place for the suffix: no --style")
        if chosen.cuid is not None:
            raise say.Refusal("--layout cri gives each container a CUID of its own: no --cuid")
        if chosen.state is None and chosen.out == "-":
            raise say.Refusal("--layout cri needs --state DIR to remember its CUIDs")
    if chosen.cuid is not None:
        chosen.cuid = uuid_of(chosen.cuid)
        if chosen.uuid7:
            raise say.Refusal("--cuid and --uuid7: one of the two")
    return chosen


def uuid_of(text: str) -> str:
    """A UUID as 36 lower-case characters."""
    text = text.strip().lower()
    if not _UUID.fullmatch(text):
        raise say.Refusal(f"--cuid {text!r} is no UUID (36 characters, or 32 without dashes)")
    return _dashed(text.replace("-", ""))


def new_uuid(*, sortable: bool = False) -> str:
    """A new UUID, version 4 or 7 (RFC 9562), without the 2 ms that `import uuid` takes."""
    raw = bytearray(os.urandom(16))
    if sortable:
        raw[:6] = (time.time_ns() // 1_000_000).to_bytes(6, "big")
    raw[6] = raw[6] & 0x0F | (0x70 if sortable else 0x40)
    raw[8] = raw[8] & 0x3F | 0x80
    return _dashed(raw.hex())


def _dashed(text: str) -> str:
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def default_svc() -> str | None:
    """CUIDX_SVC, else workload.namespace[.cluster] by the Downward API, else None."""
    given = os.environ.get("CUIDX_SVC")
    if given:
        return given
    pod, namespace = os.environ.get("POD_NAME"), os.environ.get("POD_NAMESPACE")
    if not pod or not namespace:
        return None
    return service(pod, namespace)


def service(pod: str, namespace: str) -> str:
    """workload.namespace[.cluster] of a Pod, its workload by the shape of its name."""
    parts = [_POD_END.sub("", pod), namespace, os.environ.get("CUIDX_CLUSTER")]
    return ".".join(part for part in parts if part)
