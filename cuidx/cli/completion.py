"""cuidx completion: what a shell needs to complete commands, options and their values."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from cuidx.cli.app import COMPLETE, app


class Shell(StrEnum):
    """A shell whose completion can be printed."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"


@app.command(epilog="Example: cuidx completion bash")
def completion(
    shell: Annotated[Shell, typer.Argument(help="The shell to print it for.", show_default=False)],
) -> None:
    """Print the completion script for a shell, to be read at its start.

    bash: source <(cuidx completion bash)   in ~/.bashrc
    zsh: source <(cuidx completion zsh)   in ~/.zshrc, after compinit
    fish: cuidx completion fish > ~/.config/fish/completions/cuidx.fish
    """
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    script = get_completion_script(prog_name="cuidx", complete_var=COMPLETE, shell=shell.value)
    print(script.strip())
