"""What several test modules need: small logs in files, their answers, and reading in other ways."""

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import cuidx
from cuidx import reading as load
from cuidx import times
from cuidx.case import Case
from cuidx.sources import stream

FULL = bool(os.environ.get("CUIDX_FULL"))  # set by ./check --full
ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "fixtures"
BINS = ("events", "fragments", "duplicates", "evidence", "skipped", "blank", "unreadable")
_BLOCKS, _SPANS = stream.blocks, stream.spans


def at(second: float) -> str:
    """A time SECOND seconds after nine o'clock, as a log writes it."""
    whole = int(second)
    return f"2026-11-02T09:{whole // 60:02}:{whole % 60:02}.{round(second % 1 * 1000):03}Z"


def suffix(cuid: str, svc: str | None = "a.b.c") -> str:
    return json.dumps({"ikontainer_CUID": cuid, "svc": svc}, separators=(",", ":"))


def jsonl(rows: Sequence[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


@contextmanager
def folder() -> Iterator[Path]:
    """A folder of its own for each hypothesis example (`tmp_path` is one for all of them)."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@contextmanager
def reading(
    *, block: int | None = None, head: int | None = None, workers: int | None = None
) -> Iterator[None]:
    """Blocks of BLOCK bytes, a HEAD of that many bytes, WORKERS threads."""
    with pytest.MonkeyPatch.context() as patch:
        if block is not None:
            patch.setattr(load, "blocks", partial(_BLOCKS, size=block))
            patch.setattr(load, "spans", partial(_SPANS, size=block))
        if head is not None:
            patch.setattr(load, "_HEAD", head)
        if workers is not None:
            patch.setattr(load, "_WORKERS", workers)
        yield


def rows_of(frame: pl.DataFrame | pl.LazyFrame) -> list[dict[str, Any]]:
    """FRAME's rows with times as the JSON writes them."""
    table = frame.lazy().collect()
    return table.with_columns(
        times.text(pl.col(name)).alias(name)
        for name, dtype in table.schema.items()
        if isinstance(dtype, pl.Datetime)
    ).to_dicts()


def answers(case: Case) -> dict[str, Any]:
    """All that a case says, for comparing: events, lifetimes, accounting."""
    return {
        "events": rows_of(case.events),
        "lifetimes": rows_of(case.lifetimes()),
        "accounting": case.accounting.as_json(),
    }


def lifetimes_of(*sources: Path | str, **options: Any) -> dict[str, dict[str, Any]]:
    return {r["container"]: r for r in rows_of(cuidx.open_case(*sources, **options).lifetimes())}


def conserved(counted: dict[str, Any]) -> None:
    """Every record is in one bin, in each source and over all of them."""
    for bins in (counted, *counted["sources"]):
        assert bins["records"] == sum(bins[name] for name in BINS), bins
        assert bins["events"] == bins["tagged"] + bins["untagged"], bins
    for name in ("records", *BINS, "tagged", "untagged"):
        assert counted[name] == sum(source[name] for source in counted["sources"]), name
