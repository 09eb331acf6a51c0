"""cuidx.toml: which one holds, and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from cuidx.errors import UsageError
from cuidx.reading import Options
from cuidx.schema import ROLES
from cuidx.sources.paths import CONFIG, STDIN, Source

_CONFIG_KEYS: Final = {"field", "pattern", "tz", "input_format"}


def config_beside(sources: Sequence[Source]) -> Path | None:
    """The one cuidx.toml beside SOURCES or above them, if there is any.

    Raises:
        UsageError: there are several.
    """
    beside: dict[Path, Path | None] = {}  # folder: the nearest file in it or above
    for source in sources:
        if source.path != STDIN and source.remote is None:
            folder = Path(source.path).absolute().parent
            if folder not in beside:
                above = (one / CONFIG for one in (folder, *folder.parents))
                beside[folder] = next((path for path in above if path.is_file()), None)
    found = list(dict.fromkeys(path for path in beside.values() if path is not None))
    if len(found) > 1:
        raise UsageError(
            f"the sources have several {CONFIG}: {', '.join(short(path) for path in found)}",
            do="say which one holds for all of them with --config, or ask for each folder alone",
        )
    return found[0] if found else None


def short(path: Path) -> str:
    """The path as seen from here, where it is below; so output is the same on every machine."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def read_config(path: Path) -> dict[str, Any]:
    """What the TOML file at PATH says, checked: field, pattern (a list), tz, input_format.

    Raises:
        UsageError: it can't be read, or says what can't work.
    """
    import tomllib  # most cases have no such file

    try:
        said = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(
            f"can't be read: {error.strerror}", where=str(path), do="check the path"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"no valid TOML: {error}", where=str(path), do="see docs/fields.md"
        ) from None

    def wrong(what: str, do: str) -> UsageError:
        return UsageError(what, where=str(path), do=do)

    unknown = sorted(set(said) - _CONFIG_KEYS)
    if unknown:
        raise wrong(f"unknown key {unknown[0]!r}", f"known: {', '.join(sorted(_CONFIG_KEYS))}")
    fields = said.get("field", {})
    if not isinstance(fields, dict) or not all(isinstance(v, str) for v in fields.values()):
        raise wrong(
            'field must be a table of role = "path"',
            'for example: [field] and below it request_id = "headers.x-request-id"',
        )
    if strange := sorted(set(fields) - set(ROLES)):
        raise wrong(f"[field]: no role is called {strange[0]!r}", f"roles: {', '.join(ROLES)}")
    patterns = said.get("pattern", [])
    said["pattern"] = patterns = [patterns] if isinstance(patterns, str) else patterns
    if not isinstance(patterns, list) or not all(isinstance(p, str) for p in patterns):
        raise wrong("pattern must be a text or a list of texts", "use 'single quotes' in TOML")
    for key in ("tz", "input_format"):
        if not isinstance(said.get(key, ""), str):
            raise wrong(f"{key} must be a text", f'for example: {key} = "UTC"')
    try:
        Options(said.get("input_format"), (), tuple(patterns), said.get("tz", "UTC"))
    except UsageError as error:
        what, _, do = str(error).partition("\n")
        raise wrong(what.removeprefix("--"), do) from None
    return said
