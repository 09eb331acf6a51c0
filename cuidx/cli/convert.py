"""cuidx convert: the events, normalised, for later runs and other tools."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from cuidx.cli import options as o
from cuidx.cli.app import app
from cuidx.cli.session import Session
from cuidx.errors import UsageError
from cuidx.present import Form
from cuidx.present.output import opened

if TYPE_CHECKING:
    import polars as pl

    from cuidx.case import Case

_FORMS = (Form.parquet, Form.json, Form.jsonl, Form.csv)
_LOOKUPS = {"lifetimes": Form.jsonl, "splunk": Form.csv, "timesketch": Form.jsonl,
            "lnav": Form.json}  # fmt: skip
LookupOption = Annotated[
    str | None,
    typer.Option("--lookup", metavar="TOOL", rich_help_panel=o.SHOW_PANEL,
                 help=f"Write what another tool looks things up in: {', '.join(_LOOKUPS)}."),
]  # fmt: skip


@app.command(epilog="Example: cuidx convert fixtures/dev/export.jsonl -f csv")
def convert(
    sources: o.Sources,
    leases: o.Leases = None,
    lookup: LookupOption = None,
    input_format: o.InputFormat = None,
    field: o.Field = None,
    pattern: o.Pattern = None,
    config: o.Config = None,
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
    """Write the events, normalised: Parquet (a source like any other), JSON lines, CSV.

    A Parquet file also keeps evidence and all that was counted, so that later runs give the same
    answers from it. The form is what -o's name says; JSON lines without -o.
    """
    session = Session(**{k: v for k, v in locals().items() if k != "lookup"})
    if lookup is not None:
        return _look_up(session, lookup)
    chosen = o.form_of(form, output)
    if chosen is Form.table and form is None and output is None:
        chosen = Form.jsonl
    if chosen not in _FORMS:
        raise UsageError(
            f"convert writes no {chosen.value}",
            do="name the file events.parquet, .jsonl, .json or .csv, or say -f",
        )
    from cuidx.case.convert import CONVERTED

    session = replace(session, form=chosen)
    if chosen is Form.parquet:
        return session.pour(
            "convert", "events", lambda case: case.kept(), list(CONVERTED),
            lambda case: case.kept_metadata(),
        )  # fmt: skip
    return session.pour("convert", "events", lambda case: case.converted(), list(CONVERTED))


def _look_up(session: Session, lookup: str) -> int:
    if lookup not in _LOOKUPS:
        raise UsageError(f"--lookup {lookup}: no such tool", do=f"known: {', '.join(_LOOKUPS)}")
    if lookup == "lnav":
        from cuidx.analyses.lookups import lnav

        with opened(session.output) as file:
            file.write(json.dumps(lnav(), indent=2).encode() + b"\n")
        return 0
    session = replace(session, form=session.form or _LOOKUPS[lookup])

    def rows(case: Case) -> Iterator[pl.DataFrame]:
        if lookup == "timesketch":
            from cuidx.analyses.lookups import timesketch

            yield from map(timesketch, case.converted())
        else:
            yield case.lookup(lookup)  # type: ignore[arg-type]

    from cuidx.analyses.lifetimes import LIFETIMES
    from cuidx.analyses.lookups import SPLUNK

    columns = {"lifetimes": list(LIFETIMES), "splunk": list(SPLUNK), "timesketch": []}[lookup]
    return session.pour("convert", "events", rows, columns)
