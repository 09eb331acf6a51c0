"""What detect needs: one look at all records, and what could help to read more of them."""

from __future__ import annotations

import polars as pl

from cuidx.analyses.detect import FILES, WANT, Observer
from cuidx.case.story import Story
from cuidx.formats.advice import advice, close_call
from cuidx.reading import Opened
from cuidx.schema import TIME


def detect(story: Story) -> pl.DataFrame:
    """The answer of `Case.detect`."""
    records = story.records
    _ = story.raw_summary  # so that times without a year are settled
    seen = [Observer() for _ in records.opened]
    for part in records.parts(WANT):
        seen[part.source].see(part.frame)
    rows = []
    for at, (one, observer) in enumerate(zip(records.opened, seen, strict=True)):
        if one.left_out is not None or story.is_for_leases(at):
            continue
        rows.append(
            {
                "path": one.path,
                "format": one.format,
                "confidence": round(one.confidence, 2),
                "compression": one.compression,
                "zone": "assumed" if one.zoneless else "certain",
                **observer.row(),
                **({} if observer.payloads else {"payload": _payload(one)}),
                "why": _why(one, observer, story),
            }
        )
    schema = {**FILES, "first": pl.Int64(), "last": pl.Int64()}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.with_columns(pl.col("first", "last").cast(TIME)).select(list(FILES))


def _payload(one: Opened) -> str:
    begin = "" if one.sample is None else one.sample.text.lstrip()[:1]
    return "json" if begin in ("{", "[") and begin else "text"


def _why(one: Opened, seen: Observer, story: Story) -> list[str]:
    """Why it was taken for this, and what a reader should know of it."""
    said = []
    if story.records.options.input_format:
        said.append("the format was named")
    elif one.sample is not None:
        count = len(one.sample.filled)
        lines = "the first line" if count == 1 else f"the first {count:,} lines"
        sure = f"{lines} look like {one.format}: {one.confidence:.0%} sure"
        said.append(sure if count else "there is no line to tell it by")
        if one.second is not None and one.second[1] > 0:
            said.append(close_call(one.format or "", one.confidence, one.second))
    if one.zoneless:
        zone = story.records.options.tz
        said.append(f"{one.zoneless:,} times have no zone: read as {zone} (--tz ZONE)")
    if seen.kinds["unreadable"]:
        said.append(f"{seen.kinds['unreadable']:,} unreadable (--rejects PATH writes them)")
    said += sorted(one.notes)
    nameless = seen.identity["none"] + seen.identity["ip"] == seen.identity.total()
    if one.sample is not None and nameless and seen.kinds["event"]:
        said += advice(one.sample, one.format or "", one.path)
    return said
