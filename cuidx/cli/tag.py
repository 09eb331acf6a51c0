"""cuidx tag: the sidecar, listed here among the other commands.

It has options and a `--help` of its own, because it starts without typer (cuidx/__main__.py).
"""

from __future__ import annotations

import typer

from cuidx.cli.app import app

OWN_WORDS = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


@app.command(context_settings=OWN_WORDS)
def tag(context: typer.Context) -> int:
    """Give every line of a folder's logs its CUID; a sidecar."""
    from cuidx.tagger.app import main

    return main(context.args)
