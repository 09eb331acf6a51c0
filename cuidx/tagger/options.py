"""The command line and the environment of `cuidx tag` (INTERFACE, section 5)."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from cuidx.tagger import say

# The random end of a Deployment's Pod names (and of a bare ReplicaSet's), a StatefulSet's number.
# Kubernetes takes these letters alone, so that no words come out: apimachinery, util/rand.
_POD_END = r"(?:-[bcdf-hj-np-tv-z2-9]{8,10})?-[bcdf-hj-np-tv-z2-9]{5}$|-\d+$"


EXAMPLE = """\
Environment: CUIDX_SVC, CUIDX_CLUSTER, CUIDX_FORWARD_SHARED_KEY, POD_NAME,
POD_NAMESPACE, POD_UID, POD_IP, NODE_NAME

In a Pod: cuidx tag --source /var/log/app --out /var/log/tagged
Example: cuidx tag --source fixtures/dev/raw --out - --once"""


class Chosen:
    """What the words of the command line say."""

    source = ""
    out = ""
    svc: str | None = None
    cuid: str | None = None
    uuid7 = False
    style = "append"
    layout = "tree"
    state: str | None = None
    keep: float | None = None
    once = False
    health: str | None = None
    forward = ""
    forward_tls = False
    forward_ca = ""
    forward_shared_key = ""
    forward_tag = "cuidx"
    forward_mode = "packed"
    poll = False
    linger = 0.3
    grace = 25.0


# (name, what it takes or "" for a switch, what it means)
OPTIONS = (
    ("--source", "DIR", "the folder to watch, with all below it"),
    ("--out", "DIR", "write OUT/<same path>; - is standard output"),
    ("--svc", "NAME", "svc.namespace.cluster (default: CUIDX_SVC, or the Pod's name)"),
    ("--cuid", "UUID", "the CUID, instead of a new one at each start"),
    ("--uuid7", "", "a new CUID that sorts by time"),
    ("--style", "append|merge", "suffix after the line (default), or keys inside JSON objects"),
    ("--layout", "tree|cri", "any tree (default), or /var/log/pods: a CUID for each container"),
    ("--state", "DIR", "CUIDs of node mode (default: OUT), positions of --forward"),
    ("--keep", "SECONDS", "remove the output of a removed source after this long (default: never)"),
    ("--once", "", "tag what is there, then end"),
    ("--health", "HOST:PORT", "serve /livez, /readyz and /metrics"),
    ("--forward", "HOST:PORT", "send to a Fluentd Forward server instead, at least once"),
    ("--forward-tls", "", "with TLS; certificate and name are checked"),
    ("--forward-ca", "FILE", "the certificates to trust (means --forward-tls)"),
    ("--forward-shared-key", "KEY", "better in CUIDX_FORWARD_SHARED_KEY: this line is public"),
    ("--forward-tag", "TAG", "the events' tag (default cuidx)"),
    ("--forward-mode", "packed|forward|message", "how events are sent (default packed)"),
    ("--poll", "", "look at the files again and again, without inotify"),
    ("--linger", "SECONDS", "after SIGTERM, go on until no line came for this long (default 0.3)"),
    ("--grace", "SECONDS", "after SIGTERM, end within this time (default 25)"),
    ("--version", "", "print the version"),
    ("--help", "", "print this"),
)


def usage() -> str:
    """The page that `--help` prints, 80 columns wide."""
    from textwrap import fill

    lines = [
        "usage: cuidx tag --source DIR --out DIR [options]\n",
        "Give every line of a directory tree its container's CUID: same lines, same order,",
        "one suffix each. After a kill it goes on from its own output.\n",
    ]
    for name, takes, what in OPTIONS:
        option = f"  {name} {takes}".rstrip()
        text = fill(what, 80, initial_indent=" " * 28, subsequent_indent=" " * 28)
        fits = len(option) < 27
        lines += [option.ljust(28) + text.lstrip()] if fits else [option, text]
    return "\n".join([*lines, "", EXAMPLE, ""])


def read(words: Sequence[str]) -> Chosen:
    """The options as written. `argparse` is not used: it takes 8 ms and half a megabyte."""
    chosen = Chosen()
    takes = {name: what for name, what, _ in OPTIONS}
    left = list(words)
    while left:
        name, equals, value = left.pop(0).partition("=")
        if name == "-h":
            name = "--help"
        if name not in takes:
            raise say.Refusal(f"no such option: {name}; `cuidx tag --help` lists them")
        kind = takes[name]
        if not kind:
            if equals:
                raise say.Refusal(f"{name} takes no value")
            setattr(chosen, name[2:].replace("-", "_"), True)
            continue
        if not equals:
            if not left:
                raise say.Refusal(f"{name} needs {kind}")
            value = left.pop(0)
        if "|" in kind and value not in kind.split("|"):
            raise say.Refusal(f"{name} {value}: one of {kind.replace('|', ', ')}")
        setattr(chosen, name[2:].replace("-", "_"), _number(name, value, kind))
    return chosen


def _number(name: str, value: str, kind: str) -> str | float:
    if kind != "SECONDS":
        return value
    try:
        return float(value)
    except ValueError:
        raise say.Refusal(f"{name} {value}: a number of seconds is needed") from None


def parse(words: Sequence[str]) -> Chosen:
    """The options, checked; Refusal where they are wrong."""
    chosen = read(words)
    if not chosen.source:
        raise say.Refusal("what to watch? give --source DIR")
    if bool(chosen.out) == bool(chosen.forward):
        raise say.Refusal("where to? give one of --out DIR, --out - and --forward HOST:PORT")
    if chosen.forward and chosen.style != "append":
        raise say.Refusal("--forward sends the CUID beside the line, not in it: no --style")
    if chosen.layout == "cri":
        if chosen.style != "append":
            raise say.Refusal("--layout cri has its own place for the suffix: no --style")
        if chosen.cuid is not None:
            raise say.Refusal("--layout cri gives each container a CUID of its own: no --cuid")
        if chosen.state is None and chosen.out in ("", "-"):
            raise say.Refusal("--layout cri needs --state DIR to remember its CUIDs")
    if chosen.cuid is not None:
        chosen.cuid = uuid_of(chosen.cuid)
        if chosen.uuid7:
            raise say.Refusal("--cuid and --uuid7: one of the two")
    return chosen


def uuid_of(text: str) -> str:
    """A UUID as 36 lower-case characters."""
    plain = text.strip().lower()
    digits = plain.replace("-", "") if plain == _dashed(plain.replace("-", "")) else plain
    if len(digits) != 32 or not set(digits) <= set("0123456789abcdef"):
        raise say.Refusal(f"--cuid {text!r} is no UUID (36 characters, or 32 without dashes)")
    return _dashed(digits)


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
    import re

    parts = [re.sub(_POD_END, "", pod), namespace, os.environ.get("CUIDX_CLUSTER")]
    return ".".join(part for part in parts if part)
