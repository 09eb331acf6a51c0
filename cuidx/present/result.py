"""What a command hands to the presentation layer: rows ready for JSON, and what was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Result:
    """One command's answer.

    `rows` are JSON-ready: times are RFC 3339 text or None. `extra` has other top-level keys, such
    as totals. `columns` names the columns where `rows` may be empty; else the rows' keys are taken.
    `drawn` is what a designed table shows beside them; no other form writes it.
    """

    command: str
    rows_name: str
    rows: Sequence[dict[str, object]]
    accounting: dict[str, object]
    warnings: list[str]
    extra: dict[str, object] = field(default_factory=dict)
    columns: Sequence[str] | None = None
    drawn: Mapping[str, object] = field(default_factory=dict)

    def names(self) -> list[str]:
        """The columns in order: as given, else each key as it first appears in the rows."""
        if self.columns is not None:
            return list(self.columns)
        return list(dict.fromkeys(name for row in self.rows for name in row))
