"""cuidx manifest: Kubernetes YAML for the tagger."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from cuidx.cli.app import app
from cuidx.tagger.manifest import IMAGE


class Kind(StrEnum):
    """What the tagger runs as."""

    sidecar = "sidecar"
    daemonset = "daemonset"


@app.command(epilog="Example: cuidx manifest sidecar --svc payment.shop.prod")
def manifest(
    kind: Annotated[
        Kind,
        typer.Argument(
            metavar="KIND", help="sidecar: beside one workload; daemonset: one for each node."
        ),
    ],
    svc: Annotated[
        str, typer.Option(metavar="NAME", help="svc.namespace.cluster; else named after the Pod.")
    ] = "",
    image: Annotated[
        str, typer.Option(metavar="IMAGE", help="The image that the Containerfile builds.")
    ] = IMAGE,
    name: Annotated[
        str,
        typer.Option(metavar="NAME", help="The sidecar's Deployment; else the svc's first word."),
    ] = "",
) -> None:
    """Print Kubernetes YAML for the tagger."""
    from cuidx.tagger import manifest as yaml

    typer.echo(yaml.manifest(kind.value, svc=svc, image=image, name=name), nl=False)
