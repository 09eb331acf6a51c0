"""cuidx split: the original lines, one file for each container."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cuidx.cli import options as o
from cuidx.cli.app import app
from cuidx.cli.session import Session


class By(StrEnum):
    """What a file is for."""

    container = "container"
    service = "service"
    ip_lease = "ip-lease"


@app.command(epilog="Example: cuidx split fixtures/dev/export.jsonl -o lines --force")
def split(
    sources: o.Sources,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="The folder to make.")
    ],
    by: Annotated[
        By, typer.Option("--by", help="One file for each container, service, or lease of an IP.")
    ] = By.container,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Write into a folder that is not empty: what an earlier split "
            "wrote there is replaced, other files stay.",
        ),
    ] = False,
    leases: o.Leases = None,
    input_format: o.InputFormat = None,
    field: o.Field = None,
    pattern: o.Pattern = None,
    config: o.Config = None,
    engine: o.Engine = None,
    ca: o.CA = None,
    insecure: o.Insecure = False,
    tz: o.Zone = None,
    skew: o.Skew = None,
    since: o.Since = None,
    until: o.Until = None,
    where: o.Where = None,
    now: o.Now = None,
    form: o.FormOption = None,
    rejects: o.Rejects = None,
    strict: o.Strict = False,
    exact: o.Exact = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
    no_color: o.NoColor = False,
) -> int:
    """Write the original lines to files, one for each container; list the files."""
    own = ("session", "output", "by", "force")
    session = Session(**{k: v for k, v in locals().items() if k not in ("own", *own)})
    chosen = bool(since or until or where)
    code = session.answer(
        "split", "files", lambda case: case.split(output, by=by.value, force=force),
        nothing=lambda table: chosen and table["lines"].sum() == 0,
    )  # fmt: skip
    if not quiet:
        print(f"written to {output}", file=sys.stderr)
    return code
