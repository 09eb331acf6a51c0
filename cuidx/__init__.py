"""cuidx: tells reused IP addresses in container logs apart.

    import cuidx
    case = cuidx.open_case("logs/*.jsonl", since="2026-11-02T09:00Z")
    case.lifetimes()

Names are imported when they are first used: `cuidx --help` need not load polars, and `cuidx tag`,
which passes through here, nothing at all.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own would cost the tagger a third of its start
if TYPE_CHECKING:
    from cuidx.case import Case, load, open_case
    from cuidx.errors import (
        CuidxError,
        SchemaMismatchError,
        SourceError,
        StrictError,
        UnknownFormatError,
        UsageError,
    )
    from cuidx.simulation import simulate

__version__ = "0.1.0"
__all__ = [
    "Case",
    "CuidxError",
    "SchemaMismatchError",
    "SourceError",
    "StrictError",
    "UnknownFormatError",
    "UsageError",
    "load",
    "open_case",
    "simulate",
]

_HOMES = {"simulate": "simulation"}  # where public names are from; the errors' aside, `case`


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'cuidx' has no attribute {name!r}")
    from importlib import import_module

    module = "errors" if name.endswith("Error") else _HOMES.get(name, "case")
    return getattr(import_module(f"cuidx.{module}"), name)
