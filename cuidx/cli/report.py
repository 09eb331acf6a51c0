"""cuidx report: all of it on one page, for a colleague or an incident review."""

from __future__ import annotations

from cuidx.cli import options as o
from cuidx.cli.app import app
from cuidx.cli.session import Session


@app.command(
    epilog="Example: cuidx report fixtures/paper/figure5.jsonl --alert figure5.jsonl:10 -f markdown"
)
def report(
    sources: o.Sources,
    alert: o.Alert = None,
    alert_level: o.AlertLevel = None,
    search: o.SearchBy = o.Search.own,
    window: o.Window = "5m",
    input_format: o.InputFormat = None,
    field: o.Field = None,
    pattern: o.Pattern = None,
    config: o.Config = None,
    tz: o.Zone = None,
    skew: o.Skew = None,
    leases: o.Leases = None,
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
    """Write one page with who had which address, what has to be read, and what is odd.

    -o report.html is a page to send: it needs no network and opens from disk. -o ticket.md, or
    -f markdown, is the same as text for a ticket.
    """
    own = ("alert", "alert_level", "search", "window")
    session = Session(**{k: v for k, v in locals().items() if k not in ("own", *own)})
    return session.tell(
        "report",
        lambda case, form: case.report(
            alert=alert or (), alert_level=alert_level, search=search.value, window=window,
            form=form,
        ),
    )  # fmt: skip
