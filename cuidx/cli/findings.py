"""cuidx findings: what is odd in the evidence, with the lines that show it."""

from __future__ import annotations

from cuidx.cli import options as o
from cuidx.cli.app import app
from cuidx.cli.session import Session


@app.command(epilog="Example: cuidx findings fixtures/formats/jsonl-cut.jsonl")
def findings(
    sources: o.Sources,
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
    output: o.Output = None,
    rejects: o.Rejects = None,
    strict: o.Strict = False,
    exact: o.Exact = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
    no_color: o.NoColor = False,
) -> int:
    """Show what is odd in the evidence: forged suffixes, two holders, clocks, gaps, cuts."""
    session = Session(**{k: v for k, v in locals().items() if k != "session"})
    # That nothing is odd is the answer one hopes for, and no failure to find something: exit 0.
    return session.answer(
        "findings", "findings", lambda case: case.findings(), nothing=lambda table: False
    )
