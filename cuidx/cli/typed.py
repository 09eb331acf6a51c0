"""Values as they were typed: texts, paths and choices, which need no validation library.

typer asks pydantic for each value, also for an option that was left out, and loading pydantic takes
longer than all else that typer does. What is no such value, or wrong, still goes to it.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any


def take_as_typed(parameters: list[Any]) -> list[Any]:
    """A command's PARAMETERS, each of which now takes plain values itself."""
    for parameter in parameters:
        # Other versions of typer have no such attribute, and load no pydantic.
        if getattr(parameter, "_runtime_param", 0) is None:
            parameter._runtime_param = _AsTyped(parameter)
    return parameters


class _AsTyped:
    """In the place of what typer makes of a parameter when its first value is to be read."""

    def __init__(self, parameter: Any) -> None:
        self._parameter = parameter

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """VALUE as the parameter's type."""
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        plain = _plain(value, param.type_descriptor.annotation)
        if plain is not None:
            return plain
        self._parameter._runtime_param = None
        return self._parameter.get_runtime_param().coerce(value, param=param, ctx=ctx)


def _plain(value: Any, kind: Any) -> Any:
    """VALUE as KIND; None if that is not plain."""
    if kind == list[str]:
        texts = list(value) if isinstance(value, (list, tuple)) else [None]
        return texts if all(type(text) is str for text in texts) else None
    if isinstance(kind, type) and isinstance(value, kind):
        return value
    if type(value) is str and kind is Path:
        return Path(value)
    if type(value) is str and isinstance(kind, type) and issubclass(kind, Enum):
        return next((choice for choice in kind if choice.value == value), None)
    return None
