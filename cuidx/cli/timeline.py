"""cuidx timeline: the lifetime of each container, from first evidence to last."""

from __future__ import annotations

from cuidx.cli import options as o
from cuidx.cli.app import app
from cuidx.cli.session import Answer, Session


@app.command(epilog="Example: cuidx timeline fixtures/dev/export.jsonl")
def timeline(
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
    """Show when each container lived, on which addresses, and how it ended."""
    session = Session(**{k: v for k, v in locals().items() if k != "session"})
    return session.answer(
        "timeline", "containers",
        lambda case: Answer(case.lifetimes(), drawn=lambda: {"held": case.held}),
    )  # fmt: skip
