"""What each source was found to be: its format, its payload, and what its records can tell.

Counts are over events and evidence, and by what the records say themselves: before evidence joins
any names.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, Literal

import polars as pl

from cuidx.enrich.identity import normalise, request_text
from cuidx.enrich.mentions import mentions
from cuidx.schema import IDENTITIES, ROLES, TIME

Order = Literal["chronological", "reverse", "unordered", "no times"]
WANT: Final = frozenset({*ROLES, "payload"})
FILES: Final = pl.Schema(
    {
        "path": pl.String(),
        "format": pl.String(),
        "confidence": pl.Float64(),
        "compression": pl.String(),
        "records": pl.Int64(),
        "payload": pl.Enum(("json", "text", "mixed")),
        "first": TIME,
        "last": TIME,
        "order": pl.Enum(("chronological", "reverse", "unordered", "no times")),
        "zone": pl.Enum(("certain", "assumed")),
        "identity": pl.Struct({kind: pl.Int64() for kind in IDENTITIES}),
        "ips": pl.Int64(),
        "request_ids": pl.Int64(),
        "why": pl.List(pl.String()),
    }
)
_MENTIONED: Final = (
    "ip", "source_ip", "destination_ip", "host_ip", "forwarded_ip", "message", "request_id",
    "trace_id", "time",
)  # fmt: skip


class Observer:
    """Sees the records of one source, block by block. Memory grows with addresses and requests."""

    def __init__(self) -> None:
        self.records = self.dated = 0
        self.payloads: Counter[bool] = Counter()
        self.identity: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self._ips: set[str] = set()
        self._requests: set[int] = set()
        self._first: int | None = None
        self._last: int | None = None
        self._before: int | None = None  # the latest time seen, to tell the order by
        self._rises = self._falls = False

    def see(self, frame: pl.DataFrame) -> None:
        """The next records (PARSED, times read)."""
        self.records += len(frame)
        self.kinds.update(frame["kind"].cast(pl.String).to_list())
        rows = frame.filter(pl.col("kind").is_in(["event", "evidence"]))
        if rows.is_empty():
            return
        if "is_json" in rows.columns:
            self.payloads.update(rows["is_json"].fill_null(False).to_list())
        rows = normalise(rows)
        rows = rows.with_columns(
            pl.lit(None, pl.String).alias(name) for name in _MENTIONED if name not in rows.columns
        )
        kinds = rows.group_by(pl.col("identity").cast(pl.String)).len()
        self.identity.update(dict(kinds.iter_rows()))
        self._ips.update(mentions(rows)["ip"].unique().to_list())
        for name in ("request_id", "trace_id"):
            ids = rows.select(request_text(pl.col(name)).drop_nulls().hash(0).unique()).to_series()
            self._requests.update(ids.to_list())
        self._see_times(rows.filter(pl.col("time_from") != "carried")["time"].cast(pl.Int64))

    def _see_times(self, at: pl.Series) -> None:
        at = at.drop_nulls()
        if at.is_empty():
            return
        self.dated += len(at)
        low, high = int(at.min()), int(at.max())  # type: ignore[arg-type]
        self._first = low if self._first is None else min(low, self._first)
        self._last = high if self._last is None else max(high, self._last)
        steps = at.diff().drop_nulls()
        if self._before is not None:
            steps = steps.append(pl.Series([int(at[0]) - self._before]))
        self._rises |= bool((steps > 0).any())
        self._falls |= bool((steps < 0).any())
        self._before = int(at[-1])

    @property
    def order(self) -> Order:
        """In which order of time the records stand."""
        if not self.dated:
            return "no times"
        if self._rises and self._falls:
            return "unordered"
        return "reverse" if self._falls else "chronological"

    def row(self) -> dict[str, object]:
        """The counts, as columns of FILES."""
        text, json = self.payloads[False], self.payloads[True]
        return {
            "records": self.records,
            "payload": "mixed" if text and json else "json" if json else "text",
            "first": self._first,
            "last": self._last,
            "order": self.order,
            "identity": {kind: self.identity[kind] for kind in IDENTITIES},
            "ips": len(self._ips),
            "request_ids": len(self._requests),
        }
