"""Opening a case: sources, options, and what a cuidx.toml says."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from cuidx.case.case import Case, Where, pairs
from cuidx.case.config import config_beside, read_config, short
from cuidx.enrich.records import Skew
from cuidx.reading import Options, Records
from cuidx.sources.paths import expand

if TYPE_CHECKING:
    from cuidx.sources.elastic.index import Foreign, Stored


def open_case(
    *sources: str | os.PathLike[str],
    leases: Sequence[str | os.PathLike[str]] = (),
    since: str | None = None,
    until: str | None = None,
    where: Where = (),
    field: Sequence[tuple[str, str]] | Mapping[str, str] = (),
    pattern: Sequence[str] | str = (),
    config: str | os.PathLike[str] | None = None,
    input_format: str | None = None,
    tz: str | None = None,
    skew: Sequence[str] = (),
    now: str | None = None,
    exact: bool = False,
    seek: bool = False,
    engine: str = "auto",
    ca: str | os.PathLike[str] | None = None,
    insecure: bool = False,
    progress: Callable[[str, int], None] | None = None,
) -> Case:
    """A case of SOURCES: files, folders, globs, `-`, URLs of indices; read once it is asked.

    The options are the command line's (INTERFACE, section 2): LEASES are sources read only for who
    had which address when, SINCE and UNTIL times or words (`-15m`), WHERE columns and values, FIELD
    roles and paths, PATTERN regular expressions with roles as group names. CONFIG is a TOML file;
    without it `cuidx.toml` beside the sources, or above them, is taken. PROGRESS is told the path
    and the bytes that were read of it; in a notebook a line below the cell says so.
    ENGINE says where an index is computed (auto, local, elasticsearch), CA is a PEM file for its
    server, INSECURE trusts any.

    With SEEK, of large files in order of time no more than SINCE to UNTIL is read (`accounting` and
    `warnings` say so); holders of addresses, too, are then those of that time.

    Raises:
        UsageError: an option that can't work.
        SourceError: a source that isn't there.
    """

    @cache
    def ask(url: str) -> Sequence[Stored | Foreign]:
        from cuidx.sources.elastic.index import open_index

        return open_index(url, ca=ca, insecure=insecure).sources

    shown = {source.path for source in expand(sources, ask)}
    found = expand([*sources, *leases], ask)
    path = Path(config) if config is not None else config_beside(found)
    said = read_config(path) if path is not None else {}
    patterns = [*said.get("pattern", []), *([pattern] if isinstance(pattern, str) else pattern)]
    fields = [*said.get("field", {}).items(), *pairs(field)]
    options = Options(
        input_format=input_format or said.get("input_format"),
        fields=tuple(reversed(fields)),  # of two for one role the one said last comes first
        patterns=tuple(patterns),
        tz=tz or said.get("tz") or "UTC",
        skews=tuple(Skew.of(words) for words in skew),
        exact=exact,
    )
    records = Records(found, options, skips=frozenset(shown) if seek else frozenset())
    if progress is None and "IPython" in sys.modules:
        from cuidx.present.notebook import Meter, in_notebook

        progress = Meter() if in_notebook() else None
    if progress is not None:
        records.progress = progress
    case = Case(
        records,
        since=since,
        until=until,
        where=where,
        now=now,
        lease_sources=frozenset(source.path for source in found) - shown,
        zone_said=tz is not None or "tz" in said,
        engine=engine,
    )
    case.config = None if path is None else short(path)
    case.ca, case.insecure = None if ca is None else os.fspath(ca), insecure
    return case


def load(*sources: str | os.PathLike[str], **options: Any) -> pl.LazyFrame:
    """The events of SOURCES; the options are those of `open_case`. Columns as `schema.EVENTS`."""
    return open_case(*sources, **options).events
