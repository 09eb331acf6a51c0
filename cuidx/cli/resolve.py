"""cuidx resolve: who held an IP, at a time or ever."""

from __future__ import annotations

from typing import Annotated

import typer

from cuidx.cli import options as o
from cuidx.cli.app import app
from cuidx.cli.session import Session


@app.command(epilog="Example: cuidx resolve fixtures/dev/export.jsonl --ip 10.89.1.10 "
             "--at 2026-11-23T18:55:00Z")  # fmt: skip
def resolve(
    sources: o.Sources,
    ip: Annotated[
        str, typer.Option("--ip", metavar="IP", help="The address, IPv4 or IPv6, any spelling.")
    ],
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="When: RFC 3339, '2026-11-02 09:00', -15m."),
    ] = None,
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
    now: o.Now = None,
    form: o.FormOption = None,
    output: o.Output = None,
    rejects: o.Rejects = None,
    strict: o.Strict = False,
    exact: o.Exact = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
    no_color: o.NoColor = False,
) -> int:
    """Show who held an IP at a time, or all its holders: one, several, or unknown."""
    own = ("session", "ip", "at")
    session = Session(**{k: v for k, v in locals().items() if k not in ("own", *own)})
    return session.answer(
        "resolve", "answers", lambda case: case.resolve(ip, at),
        # One row always; but an address that nobody had, asked for without a time, is no match.
        nothing=lambda table: at is None and table["verdict"].to_list() == ["unknown"],
    )  # fmt: skip
