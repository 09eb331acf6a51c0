"""cuidx annotate: every event with each IP that it mentions resolved."""

from __future__ import annotations

from cuidx.cli import options as o
from cuidx.cli.app import app
from cuidx.cli.session import Session


@app.command(epilog="Example: cuidx annotate fixtures/dev/export.jsonl --where service=db")
def annotate(
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
    """Show every event and who had each IP that it mentions.

    Standard input is answered as it comes: kubectl logs -f POD | cuidx annotate - --leases p.json
    """
    session = Session(**{k: v for k, v in locals().items() if k != "session"})
    from cuidx.analyses.annotate import ANNOTATED

    return session.pour("annotate", "events", lambda case: case.annotated(), list(ANNOTATED))
