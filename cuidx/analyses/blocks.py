"""Some consecutive records of one source, as questions about single lines look at them."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, slots=True)
class Block:
    """Records one by one, and lines in groups, where what a group says is all there is to know.

    place    the source
    records  enriched records, a row each; None if all are in groups
    events   those of them that are asked for
    groups   enriched groups of lines, all other records; None if there are none
    lines    group (its place in `groups`), time (Int64) and line of those that are asked for
    """

    place: int
    records: pl.DataFrame | None
    events: pl.DataFrame | None
    groups: pl.DataFrame | None = None
    lines: pl.DataFrame | None = None

    @property
    def last(self) -> tuple[int, str, str]:
        """The last record's line, its kind, and why it can't be read, if so."""
        ends = []
        if self.records is not None:
            row = self.records.row(-1, named=True)
            ends.append((row["line"], row["kind"], row.get("why") or ""))
        if self.groups is not None:
            row = self.groups.row(int(self.groups["last_line"].arg_max() or 0), named=True)
            ends.append((row["last_line"], row["kind"], ""))
        return max(ends)
