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


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'cuidx' has no attribute {name!r}")
    if name.endswith("Error"):
        from cuidx import errors as module
    elif name == "simulate":
        from cuidx import simulation as module  # type: ignore[no-redef]
    else:
        from cuidx import case as module  # type: ignore[no-redef]
    return getattr(module, name)
