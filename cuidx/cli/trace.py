"""cuidx trace: the hops of a request, or of all requests through a container."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cuidx.cli import options as o
from cuidx.cli.app import app
from cuidx.cli.session import Answer, Session

if TYPE_CHECKING:
    from cuidx.case import Case


@app.command(epilog="Example: cuidx trace fixtures/dev/export.jsonl "
             "--request 66c7a329-6cb1-449a-8a09-5cd25c666b0b")  # fmt: skip
def trace(
    sources: o.Sources,
    leases: o.Leases = None,
    request: Annotated[
        str | None,
        typer.Option("--request", metavar="ID", help="A request or trace id, in any case."),
    ] = None,
    container: Annotated[
        str | None,
        typer.Option(
            "--container",
            metavar="ID",
            help="All requests through this container; the beginning of its name will do.",
        ),
    ] = None,
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
    """Show the way of a request through the containers, and who called whom."""
    own = ("request", "container")
    session = Session(**{k: v for k, v in locals().items() if k not in ("own", *own)})

    def question(case: Case) -> Answer:
        from cuidx.analyses.trace import HOPS

        found = case.trace_calls(request, container)
        return Answer(
            found.select(list(HOPS)),
            drawn=lambda: {
                "levels": found["level"].to_list(),
                "ports": found["port"].to_list(),
                "container": None if container is None else case.find_container(container),
            },
        )

    return session.answer(
        "trace", "hops", question, nothing=lambda table: table.is_empty(),
        missing=f"no event carries the request id {request}" if request is not None
        else f"no request went through a container called {container}",
    )  # fmt: skip
