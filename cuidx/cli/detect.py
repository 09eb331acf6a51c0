"""cuidx detect: what each file is taken for, and why."""

from __future__ import annotations

from cuidx.cli import options as o
from cuidx.cli.app import app
from cuidx.cli.session import Session


@app.command(epilog="Example: cuidx detect fixtures/formats/fluentd-es.jsonl")
def detect(
    sources: o.Sources,
    leases: o.Leases = None,
    input_format: o.InputFormat = None,
    field: o.Field = None,
    pattern: o.Pattern = None,
    config: o.Config = None,
    tz: o.Zone = None,
    skew: o.Skew = None,
    form: o.FormOption = None,
    output: o.Output = None,
    rejects: o.Rejects = None,
    strict: o.Strict = False,
    exact: o.Exact = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
    no_color: o.NoColor = False,
) -> int:
    """Say what each file is taken for and why: format, identity, span, order, zone."""
    session = Session(**{k: v for k, v in locals().items() if k != "session"})
    return session.answer(
        "detect", "files", lambda case: case.detect(), nothing=lambda table: False
    )
