"""cuidx steps: what an investigator reads by address, and what by container."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cuidx.cli import options as o
from cuidx.cli.app import app
from cuidx.cli.session import Answer, Session

if TYPE_CHECKING:
    from cuidx.case import Case


@app.command(epilog="Example: cuidx steps fixtures/paper/figure5.jsonl --alert figure5.jsonl:10")
def steps(
    sources: o.Sources,
    leases: o.Leases = None,
    alert: o.Alert = None,
    alert_level: o.AlertLevel = None,
    search: o.SearchBy = o.Search.own,
    window: o.Window = "5m",
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
    """Show what is read after an alert: searching by IP, by IP and time, and by container."""
    own = ("alert", "alert_level", "search", "window")
    session = Session(**{k: v for k, v in locals().items() if k not in ("own", *own)})

    def question(case: Case) -> Answer:
        found = case.compare_searches(alert or (), alert_level, search.value, window)
        return Answer(
            found.alerts,
            {"totals": found.totals},
            lambda: {"hits": found.hits.to_dicts(), "search": search.value, "window": window},
        )

    return session.answer("steps", "alerts", question, nothing=lambda table: table.is_empty())
