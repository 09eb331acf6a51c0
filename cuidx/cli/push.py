"""cuidx push: events into Elasticsearch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cuidx.cli import options as o
from cuidx.cli.app import app
from cuidx.cli.session import Answer, Session

if TYPE_CHECKING:
    from cuidx.case import Case


@app.command(epilog="Example: cuidx push fixtures/dev/export.jsonl --to http://localhost:9200/shop "
             "--dry-run")  # fmt: skip
def push(
    sources: o.Sources,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="URL",
            help="http(s)://host:port, or with /index. Who asks is said by "
            "CUIDX_ES_API_KEY, or CUIDX_ES_USER and CUIDX_ES_PASSWORD.",
        ),
    ],
    index: Annotated[
        str | None, typer.Option("--index", metavar="NAME", help="The index, if not in the URL.")
    ] = None,
    lookup: Annotated[
        bool,
        typer.Option(
            "--lookup", help="Write lifetimes to NAME-lifetimes too, for ES|QL's LOOKUP JOIN."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count and write nothing; no server is asked.")
    ] = False,
    ca: o.CA = None,
    insecure: o.Insecure = False,
    input_format: o.InputFormat = None,
    field: o.Field = None,
    pattern: o.Pattern = None,
    config: o.Config = None,
    tz: o.Zone = None,
    form: o.FormOption = None,
    output: o.Output = None,
    rejects: o.Rejects = None,
    strict: o.Strict = False,
    exact: o.Exact = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
    no_color: o.NoColor = False,
) -> int:
    """Write events to an Elasticsearch index; what is there already is not written twice."""
    own = ("to", "index", "lookup", "dry_run")
    session = Session(**{k: v for k, v in locals().items() if k not in ("own", "session", *own)})

    def question(case: Case) -> Answer:
        table = case.push(to, index, lookup=lookup, dry_run=dry_run)
        return Answer(table, {"index": case.pushed_to, "dry_run": dry_run})

    return session.answer("push", "pushed", question, nothing=lambda table: False)
