"""cuidx simulate: a cluster's story that never happened, and the truth about it."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cuidx.cli.app import app

_CLUSTER, _LOGS = "The cluster", "The logs"


class Scenario(StrEnum):
    """Which story."""

    cluster = "cluster"
    auto_healing = "auto-healing"
    figure5 = "figure5"


class Policy(StrEnum):
    """Which free address the next Pod gets."""

    fifo = "fifo"
    round_robin = "round-robin"
    lowest_free = "lowest-free"


class Shape(StrEnum):
    """How lines are written."""

    flat = "flat"
    merged = "merged"
    json_suffix = "json-suffix"
    text = "text"
    cri = "cri"
    fluentd = "fluentd"
    filebeat = "filebeat"
    elasticdump = "elasticdump"
    loki = "loki"
    otlp = "otlp"


class Identity(StrEnum):
    """The best that lines say of whose they are."""

    cuid = "cuid"
    container_id = "container_id"
    pod_uid = "pod_uid"
    pod_name = "pod_name"
    ip = "ip"


class Kept(StrEnum):
    """Evidence that a cluster keeps anyway."""

    pods = "pods"
    prometheus = "prometheus"
    events = "events"


@app.command(epilog="Example: cuidx simulate -o story --seed 1 --events 5000 --force")
def simulate(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="The folder to make.")
    ],
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="The same seed gives the same bytes.")
    ],
    scenario: Annotated[
        Scenario,
        typer.Option(
            "--scenario",
            help="A shop under churn; the method's auto-healing after "
            "overload; or the ten lines of its figure 5.",
        ),
    ] = Scenario.cluster,
    length: Annotated[
        str | None,
        typer.Option(
            "--length",
            metavar="TIME",
            rich_help_panel=_CLUSTER,
            help="How long it runs (usual: 1h).",
        ),
    ] = None,
    pods: Annotated[
        int | None,
        typer.Option(
            "--pods",
            metavar="N",
            rich_help_panel=_CLUSTER,
            help="Pods at a time (usual: 24), besides those on the nodes' network.",
        ),
    ] = None,
    churn: Annotated[
        float | None,
        typer.Option(
            "--churn",
            metavar="RATE",
            rich_help_panel=_CLUSTER,
            help="How often in an hour a Pod is replaced or restarted (usual: 6).",
        ),
    ] = None,
    ipam: Annotated[
        Policy | None,
        typer.Option(
            "--ipam",
            rich_help_panel=_CLUSTER,
            help="Which free address is handed out (usual: fifo).",
        ),
    ] = None,
    cooldown: Annotated[
        str | None,
        typer.Option(
            "--cooldown",
            metavar="TIME",
            rich_help_panel=_CLUSTER,
            help="How long an address rests before it is handed out again (usual: 30s).",
        ),
    ] = None,
    pool: Annotated[
        int | None,
        typer.Option(
            "--pool",
            metavar="N",
            rich_help_panel=_CLUSTER,
            help="Addresses for Pods (usual: twice as many as Pods).",
        ),
    ] = None,
    fanout: Annotated[
        float | None,
        typer.Option(
            "--fanout",
            metavar="N",
            rich_help_panel=_CLUSTER,
            help="Services that a request's entry calls (usual: 3).",
        ),
    ] = None,
    boot: Annotated[
        str | None,
        typer.Option(
            "--boot",
            metavar="TIME",
            rich_help_panel=_CLUSTER,
            help="From getting an address to the first line, at least (usual: 1.5s).",
        ),
    ] = None,
    skew: Annotated[
        str | None,
        typer.Option(
            "--skew",
            metavar="TIME",
            rich_help_panel=_CLUSTER,
            help="How far a node's clock may be off (usual: 20ms).",
        ),
    ] = None,
    events: Annotated[
        int | None,
        typer.Option(
            "--events",
            metavar="N",
            rich_help_panel=_LOGS,
            help="Lines in the files (usual: 20000).",
        ),
    ] = None,
    shape: Annotated[
        Shape, typer.Option("--shape", rich_help_panel=_LOGS, help="How lines are written.")
    ] = Shape.flat,
    identity: Annotated[
        Identity,
        typer.Option(
            "--identity",
            rich_help_panel=_LOGS,
            help="The best that lines say of whose they are; others than cuid "
            "are logs without the tagger.",
        ),
    ] = Identity.cuid,
    evidence: Annotated[
        list[Kept] | None,
        typer.Option(
            "--evidence",
            rich_help_panel=_LOGS,
            help="Write such evidence of leases beside. Repeatable.",
        ),
    ] = None,
    lost: Annotated[
        float | None,
        typer.Option(
            "--lost",
            metavar="SHARE",
            rich_help_panel=_LOGS,
            help="Share of the lines that never arrive (usual: 0).",
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Write into a folder that is not empty: what an earlier "
            "simulation wrote there is replaced, other files stay.",
        ),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say errors alone.")] = False,
) -> None:
    """Write a made-up cluster's logs, with the truth beside them."""
    from cuidx.simulation import simulate

    made = simulate(
        output, seed=seed, scenario=scenario.value, events=events, pods=pods, shape=shape.value,
        identity=identity.value, evidence=[kind.value for kind in evidence or ()], length=length,
        churn=churn, ipam=ipam.value if ipam else None, cooldown=cooldown, pool=pool,
        fanout=fanout, boot=boot, skew=skew, lost=lost, force=force,
    )  # fmt: skip
    if not quiet:
        totals, files = made.totals, len(made.sources)
        print(
            f"{totals['lines']:,} lines of {totals['containers_with_lines']:,} containers in "
            f"{files:,} file{'' if files == 1 else 's'}, and the truth: written to {output}",
            file=sys.stderr,
        )
