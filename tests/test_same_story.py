"""One story in every format: the same lifetimes and leases, as far as a format carries the fields.

The table says what each format lacks, and why. What it lacks can't come out of it; all else must.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from stories import FIXTURES, rows_of

import cuidx

FOLDER = FIXTURES / "formats"
GATEWAY = "7f0c2f7e-8d1b-4c0a-9a55-3f1f5b6e2a10"
FIRST = "3b9d5a0c-1e47-4f7b-8c21-90d4e6a7b3f2"
SECOND = "c4e81f66-2a90-4b3d-b7f5-5d2c9e013a8b"
# container: (first line, last line, lines), to the millisecond; mail has no CUID.
LIVES: dict[str, tuple[str, str, int]] = {
    GATEWAY: ("09:00:00.100", "09:00:09.010", 2),
    FIRST: ("09:00:01.250", "09:00:05.000", 2),
    "mail": ("09:00:02.400", "09:00:10.900", 2),
    SECOND: ("09:00:07.300", "09:00:09.480", 2),
}
ADDRESSES = {"10.10.10.4": [GATEWAY], "10.10.11.2": [FIRST, SECOND], "10.10.12.7": ["mail"]}


@dataclass(frozen=True)
class Carries:
    """What a format carries of the story; WHY says what the rest is lost to."""

    why: str = ""
    ips: tuple[str, ...] = tuple(ADDRESSES)
    lives: dict[str, tuple[str, str, int]] = field(default_factory=lambda: LIVES)
    tz: str = "UTC"


def without(gone: str) -> dict[str, tuple[str, str, int]]:
    return {name: life for name, life in LIVES.items() if name != gone}


NO_IP: tuple[str, ...] = ()
FORMATS: dict[str, Carries] = {
    "fluentd-es.jsonl": Carries(),
    "fluentd-file.log": Carries(),
    "fluentbit.jsonl": Carries(),
    "fluentbit-merged.jsonl": Carries(),
    "filebeat.jsonl": Carries(),
    "vector.jsonl": Carries(),
    "otlp.jsonl": Carries(),
    "elasticdump.jsonl": Carries(),
    "elasticdump-array.json": Carries(),
    "es-search.json": Carries(),
    "es-bulk.ndjson": Carries(),
    "cloudwatch.json": Carries(),
    "kibana.csv": Carries(
        "mail's address is - there, a local time has no zone", ("10.10.10.4", "10.10.11.2"),
        tz="+01:00"),
    "esql.csv": Carries("mail's address is empty there", ("10.10.10.4", "10.10.11.2")),
    "esql-response.json": Carries("mail's address is null there", ("10.10.10.4", "10.10.11.2")),
    "jsonl-flat.jsonl": Carries("only payment writes its own address", ("10.10.11.2",)),
    "generic.csv": Carries("no column has the container's own address", NO_IP),
    "generic-tab.tsv": Carries("no column has the container's own address", NO_IP),
    "loki-logcli.jsonl": Carries("labels have no address", NO_IP),
    "loki-api.json": Carries("labels have no address", NO_IP),
    "stern.jsonl": Carries("stern knows no addresses", NO_IP),
    "stern-default.log": Carries("stern knows no addresses", NO_IP),
    "journald.jsonl": Carries(
        "no addresses; one more line of payment is null there (over 4096 bytes), and its CUID lost",
        NO_IP, LIVES | {"payment": ("09:00:09.700", "09:00:09.700", 1)}),
    "cloudwatch-insights.json": Carries("the fields that were asked for have no address", NO_IP),
    "cloudwatch-export.log": Carries(
        "no addresses; mail has no suffix, and its Pod is in the object's path alone", NO_IP,
        without("mail")),
    "kubectl-logs.log": Carries(
        "kubectl has no lines of a Pod that is gone: the first payment-0 is missing; no addresses",
        NO_IP, without(FIRST)),
}  # fmt: skip
# These tell of other things: one program's own file (rawtext, cri, docker-json), requests, flows, evidence.
OTHERS = {
    "rawtext", "cri", "docker-json", "envoy-default", "istio-text", "istio-json", "ingress-nginx",
    "nginx-combined", "vpc-flow", "zeek-conn", "hubble", "ztunnel", "k8s-pods", "k8s-pods-watch",
    "k8s-events", "k8s-audit", "prometheus-pod-info", "aws-ipamd", "calico-cni", "crictl-pods",
    "containerd", "jsonl-cut",
}  # fmt: skip


def _ms(time: str) -> str:
    """To the millisecond: whole seconds are written without a fraction."""
    return time[11:].rstrip("Z").ljust(9, ".").ljust(12, "0")[:12]


def story(path: Path, tz: str) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """(lifetimes, holders of each address) of a file, with mail under one name."""
    case = cuidx.open_case(path, tz=tz)
    rows = rows_of(case.lifetimes())
    names = {
        r["container"]: r["container"] if r["identity"] == "cuid" else
        "payment" if r["container"].startswith("d89f7bd9") else "mail"
        for r in rows
    }  # fmt: skip
    lives = {
        names[r["container"]]: (_ms(r["first_seen"]), _ms(r["last_seen"]), r["lines"]) for r in rows
    }
    held = {
        r["ip"]: [names.get(h["container"], h["container"]) for h in r["holders"]]
        for r in rows_of(case.reuse())
    }
    return lives, held


@pytest.mark.parametrize("name", FORMATS)
def test_the_story_is_the_same_whichever_format_carried_it(name: str) -> None:
    carries = FORMATS[name]
    lives, held = story(FOLDER / name, carries.tz)
    assert lives == carries.lives, carries.why
    assert held == {ip: ADDRESSES[ip] for ip in carries.ips}, carries.why


def test_the_table_has_every_sample() -> None:
    samples = {path.name for path in FOLDER.iterdir() if path.is_file() and path.suffix != ".md"}
    assert {name for name in samples if Path(name).stem not in OTHERS} == set(FORMATS)
    assert all(carries.why for carries in FORMATS.values() if carries != Carries())
