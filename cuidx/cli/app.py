"""The application: its commands, and the one place where an error becomes an exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from cuidx.cli.typed import take_as_typed
from cuidx.errors import CuidxError

# A module each, with the first line of its command's docstring: only what is run is loaded.
COMMANDS = {
    "annotate": "Show every event and who had each IP that it mentions.",
    "completion": "Print the completion script for a shell, to be read at its start.",
    "convert": "Write the events, normalised: Parquet (a source like any other), JSON lines, CSV.",
    "detect": "Say what each file is taken for and why: format, identity, span, order, zone.",
    "findings": "Show what is odd in the evidence: forged suffixes, two holders, clocks, gaps, "
    "cuts.",
    "formats": "List the input formats; their names are what --input-format takes.",
    "manifest": "Print Kubernetes YAML for the tagger.",
    "push": "Write events to an Elasticsearch index; what is there already is not written twice.",
    "report": "Write one page with who had which address, what has to be read, and what is odd.",
    "resolve": "Show who held an IP at a time, or all its holders: one, several, or unknown.",
    "reuse": "Show every own IP with its holders in order, and what each change was.",
    "simulate": "Write a made-up cluster's logs, with the truth beside them.",
    "split": "Write the original lines to files, one for each container; list the files.",
    "steps": "Show what is read after an alert: searching by IP, by IP and time, and by container.",
    "tag": "Give every line of a folder's logs its CUID; a sidecar.",
    "timeline": "Show when each container lived, on which addresses, and how it ended.",
    "trace": "Show the way of a request through the containers, and who called whom.",
}
COMPLETE = "_CUIDX_COMPLETE"  # set by a shell's script that asks what a word may become
EPILOG = (
    "Exit codes: 0 done, 1 nothing matches, 2 wrong usage, 3 a source can't be read, "
    "4 --strict and a record was unreadable."
)


class _Group(TyperGroup):
    """All commands, loaded or not; `_Command` says why it looks at parameters."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, with --help."""
        return take_as_typed(super().get_params(ctx))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands of the help page."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


class _Command(TyperCommand):
    """A command that takes plain values itself, and whose help names SOURCE as users type it."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, with --help."""
        return take_as_typed(super().get_params(ctx))

    def get_help(self, ctx: Any) -> str:
        """The help page; typer writes the type of a list into it."""
        page = super().get_help(ctx).replace("{SOURCE}...", "SOURCE...")
        return page.replace("SOURCE <list[str]>", "SOURCE...".ljust(len("SOURCE <list[str]>")))


class _App(typer.Typer):
    """Commands with the first line of their docstring, whole, as summary."""

    def command(self, name: str | None = None, **how: Any) -> Callable[[Any], Any]:
        """`typer.Typer.command`."""

        def register(function: Any) -> Any:
            summary = (function.__doc__ or "").strip().partition("\n")[0]
            how.setdefault("short_help", summary)
            return super(_App, self).command(name, cls=_Command, **how)(function)

        return register


app = _App(
    name="cuidx",
    cls=_Group,
    help="Tell reused IP addresses in container logs apart.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: quick to start, right in a pipe
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from cuidx import __version__

        typer.echo(f"cuidx {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Tell reused IP addresses in container logs apart."""
    del version


def run(arguments: list[str] | None = None) -> int:
    """The exit code of a command line (INTERFACE, section 2); errors are said in a line or two."""
    _load((sys.argv[1:] if arguments is None else arguments)[:1])
    # polars' allocator gives memory back to the system at once and then asks for it again, block
    # after block; a fifth of the time of a large file went into that. With an arena for each core,
    # not four, a thread finds sooner what another one has freed.
    keep = f"dirty_decay_ms:5000,muzzy_decay_ms:5000,narenas:{os.cpu_count() or 1}"
    os.environ.setdefault("_RJEM_MALLOC_CONF", keep)
    # A Parquet's groups of rows: by several threads each, and no more at once than there are cores
    # (at least two). So the first one is there soon, and few wait in memory.
    os.environ.setdefault("POLARS_PARQUET_DECODE_TARGET_VALUES_PER_THREAD", "200000")
    os.environ.setdefault("POLARS_ROW_GROUP_PREFETCH_SIZE", str(max(2, os.cpu_count() or 1)))
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started us: nobody wants it
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - to the end
    how: dict[str, Any] = {}
    if COMPLETE in os.environ:
        from typer.completion import completion_init  # type: ignore[attr-defined]

        completion_init()
        how["prog_name"] = "cuidx"  # also as `python -m cuidx`
    debug = os.environ.get("CUIDX_DEBUG") == "1"
    try:
        code: Any = app(args=arguments, standalone_mode=False, **how)
        sys.stdout.flush()
    except CuidxError as error:
        if debug:
            raise
        return _say(str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except (BrokenPipeError, SystemExit) as error:
        if isinstance(error, SystemExit) and error.code != 1:
            return int(error.code or 0)
        # The reader has what it wanted (`| head`); typer makes an exit of it. Python itself would
        # complain again at its own end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except BaseException as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            # What could not be written would be tried again at Python's own end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return _say(f"writing stopped: {error.strerror}\nmake room, or write elsewhere", 3)
        if hasattr(error, "exit_code") and hasattr(error, "format_message"):  # typer's own
            return _usage(error)
        if debug:
            raise
        # polars' panics are no Exception; they too end in a line, not in a traceback.
        head = str(error).splitlines()[0] if str(error) else ""
        return _say(
            f"internal error: {type(error).__name__}: {head}\n"
            "CUIDX_DEBUG=1 shows where; please report it with the command and a sample line",
            3,
        )
    return code if isinstance(code, int) else 0


def _load(first: list[str]) -> None:
    """Register the command that is FIRST; all where it is none, for what is close to it."""
    is_option = not first or (first[0].startswith("-") and first[0] != "--")
    if is_option and COMPLETE not in os.environ:
        return
    for name in first if first and first[0] in COMMANDS else COMMANDS:
        import_module(f"cuidx.cli.{name}")


def _usage(error: Any) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        print(error.format_message(), file=sys.stderr)
        return int(error.exit_code)
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "cuidx"
    said = error.format_message().replace("Value error, ", "")  # a library's words
    said = " ".join(said.split())  # a list of choices comes in lines
    return _say(f"{said}\ntry '{path} --help'", int(error.exit_code))


def _say(message: str, code: int) -> int:
    from cuidx.present.escape import visible

    head, *rest = message.splitlines() or [""]
    text = "\n".join([f"cuidx: {visible(head)}", *(f"  {visible(line)}" for line in rest)])
    with suppress(OSError):  # the code says it, too
        print(text, file=sys.stderr)
    return code
