"""The common options (INTERFACE, section 2), each defined once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cuidx.errors import UsageError
from cuidx.present.form import Form

_READ, _PICK, SHOW_PANEL = "Reading", "Choosing", "Output"


def _formats(start: str) -> list[str]:
    from cuidx.formats.registry import BY_NAME

    return [name for name in sorted(BY_NAME) if name.startswith(start)]


def _roles(start: str) -> list[str]:
    from cuidx.schema import ROLES

    return [f"{role}=" for role in ROLES if role.startswith(start)]


def _columns(start: str) -> list[str]:
    from cuidx.schema import EVENTS

    return [f"{name}=" for name in EVENTS if name.startswith(start)]


class Engines(StrEnum):
    """A value of `--engine`."""

    auto = "auto"
    local = "local"
    elasticsearch = "elasticsearch"


Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE",
        help="Files, folders, quoted globs, - for standard input, or an Elasticsearch index: "
        "http(s)://host:port/index; .gz .zst .bz2 .xz .parquet .arrow are read as they are.",
        show_default=False,
    ),
]
InputFormat = Annotated[
    str | None,
    typer.Option("--input-format", metavar="NAME", rich_help_panel=_READ, autocompletion=_formats,
                 help="Skip detection; `cuidx formats` lists them."),
]  # fmt: skip
Field = Annotated[
    list[str] | None,
    typer.Option("--field", metavar="ROLE=PATH", rich_help_panel=_READ, autocompletion=_roles,
                 help="Where a column is, e.g. request_id=headers.x-request-id. Repeatable."),
]  # fmt: skip
Pattern = Annotated[
    list[str] | None,
    typer.Option("--pattern", metavar="REGEX", rich_help_panel=_READ,
                 help="Named groups are roles, searched in every line: "
                 "'instance: (?<container_id>[0-9a-f-]{36})'. Repeatable."),
]  # fmt: skip
Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", rich_help_panel=_READ,
                 help="TOML with field, pattern, tz, input_format (else: cuidx.toml beside the "
                 "sources or above)."),
]  # fmt: skip
Zone = Annotated[
    str | None,
    typer.Option("--tz", metavar="ZONE", rich_help_panel=_READ,
                 help="Zone of times that carry none (default UTC, and said so)."),
]  # fmt: skip
Skew = Annotated[
    list[str] | None,
    typer.Option("--skew", metavar="NODE=LENGTH", rich_help_panel=_READ,
                 help="Move the times of a node's records: node-2=+1.2s; also service=NAME=…, "
                 "source=PATH=…. Repeatable."),
]  # fmt: skip
Leases = Annotated[
    list[str] | None,
    typer.Option("--leases", metavar="SOURCE", rich_help_panel=_READ,
                 help="Read first, only for who had which address when: any SOURCE. Repeatable."),
]  # fmt: skip
Engine = Annotated[
    Engines | None,
    typer.Option("--engine", rich_help_panel=_READ, show_default=False,
                 help="Where an Elasticsearch index is computed (auto: there, if it is large)."),
]  # fmt: skip
CA = Annotated[
    Path | None,
    typer.Option("--ca", metavar="FILE", rich_help_panel=_READ,
                 help="PEM file of the CA of an https server (or CUIDX_ES_CA)."),
]  # fmt: skip
Insecure = Annotated[
    bool,
    typer.Option("--insecure", rich_help_panel=_READ,
                 help="Do not look at an https server's certificate."),
]  # fmt: skip
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", rich_help_panel=_PICK,
                 help="From TIME on: RFC 3339, '2026-11-02 09:00', -15m, yesterday."),
]  # fmt: skip
Until = Annotated[
    str | None,
    typer.Option("--until", metavar="TIME", rich_help_panel=_PICK, help="Before TIME."),
]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="COL=VALUE", rich_help_panel=_PICK, autocompletion=_columns,
                 help="Only events whose column equals VALUE; a container by a unique prefix. "
                 "Repeatable."),
]  # fmt: skip
Now = Annotated[
    str | None,
    typer.Option("--now", metavar="TIME", rich_help_panel=_PICK,
                 help="What relative times count from (default: the newest event)."),
]  # fmt: skip


class Search(StrEnum):
    """A value of `--search`."""

    own = "own"
    any = "any"


Alert = Annotated[
    list[str] | None,
    typer.Option("--alert", metavar="SOURCE:LINE", rich_help_panel=_PICK,
                 help="An event to start from; SOURCE:LINE:INDEX where a line has several. "
                 "Repeatable."),
]  # fmt: skip
AlertLevel = Annotated[
    str | None,
    typer.Option("--alert-level", metavar="LEVEL", rich_help_panel=_PICK,
                 help="All events of LEVEL and above (without any choice: ERROR)."),
]  # fmt: skip
SearchBy = Annotated[
    Search,
    typer.Option("--search", help="By address: as its own, a filter on that column, or "
                 "anywhere in the line, a full-text search."),
]  # fmt: skip
Window = Annotated[
    str,
    typer.Option("--window", metavar="LENGTH",
                 help="Before and after the alert, for the search by address and time."),
]  # fmt: skip
FormOption = Annotated[
    Form | None,
    typer.Option("--format", "-f", rich_help_panel=SHOW_PANEL, show_default=False,
                 help="How the result is written (default: table, or what -o's name says)."),
]  # fmt: skip
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="PATH", rich_help_panel=SHOW_PANEL,
                 help="Write there, whole or not at all."),
]  # fmt: skip
Rejects = Annotated[
    Path | None,
    typer.Option("--rejects", metavar="PATH", rich_help_panel=SHOW_PANEL,
                 help="Write every unreadable record there, as JSON lines."),
]  # fmt: skip
Strict = Annotated[
    bool,
    typer.Option("--strict", rich_help_panel=SHOW_PANEL, help="Exit 4 if a record was unreadable."),
]
Exact = Annotated[
    bool,
    typer.Option("--exact", rich_help_panel=_READ, help="Read every line the slow, plain way."),
]
Verbose = Annotated[
    bool, typer.Option("--verbose", rich_help_panel=SHOW_PANEL, help="Say what was done how.")
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", rich_help_panel=SHOW_PANEL, help="Errors only on stderr.")
]
NoColor = Annotated[
    bool,
    typer.Option("--no-color", rich_help_panel=SHOW_PANEL, help="No colours (NO_COLOR does too)."),
]


def pairs(said: list[str] | None, option: str) -> list[tuple[str, str]]:
    """`NAME=VALUE` words as pairs.

    Raises:
        UsageError: one has no `=`.
    """
    found = []
    for word in said or ():
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise UsageError(
                f"{option} {word}: a name, =, and a value are needed",
                do=f"for example: {option} "
                + ("service=payment" if option == "--where" else "request_id=headers.x-request-id"),
            )
        found.append((name.strip(), value))
    return found


_BY_SUFFIX = {
    ".json": Form.json, ".jsonl": Form.jsonl, ".ndjson": Form.jsonl, ".csv": Form.csv,
    ".md": Form.markdown, ".html": Form.html, ".parquet": Form.parquet,
}  # fmt: skip


def form_of(said: Form | None, output: Path | None) -> Form:
    """The form that was said, else the one that the output's name says, else a table."""
    return said or _BY_SUFFIX.get(output.suffix if output else "", Form.table)
