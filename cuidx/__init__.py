"""cuidx: tells reused IP addresses in container logs apart.

    import cuidx
    case = cuidx.open_case("logs/*.jsonl", since="2026-11-02T09:00Z")
    case.lifetimes()

Names are imported when they are first used, so that `cuidx --help` need not load polars.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cuidx.errors import (
    CuidxError,
    SchemaMismatchError,
    SourceError,
    StrictError,
    UnknownFormatError,
    UsageError,
)

if TYPE_CHECKING:
    from cuidx.case import Case, load, open_case

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
]


def __getattr__(name: str) -> Any:
    if name in ("Case", "load", "open_case"):
        from cuidx import case

        return getattr(case, name)
    raise AttributeError(f"module 'cuidx' has no attribute {name!r}")
