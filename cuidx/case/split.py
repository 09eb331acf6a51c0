"""What split needs: each source's bytes again, beside the records, and a folder to write to."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from cuidx import times
from cuidx.analyses.split import BYS, FILES, By, Keys, Target, split, targets
from cuidx.case.filters import Filters
from cuidx.case.story import Story
from cuidx.case.told import warnings
from cuidx.errors import SourceError, UsageError
from cuidx.formats.base import whole_document
from cuidx.formats.registry import BY_NAME
from cuidx.present import Form, Result, emit, folder
from cuidx.sources.columnar import NAMES
from cuidx.sources.paths import STDIN


def write_files(
    story: Story, filters: Filters, output: str | os.PathLike[str], by: By, *, force: bool
) -> pl.DataFrame:
    """The answer of `Case.split`, and the files that it is about."""
    if by not in BYS:
        raise UsageError(f"--by {by}: no such way", do=f"known: {', '.join(BYS)}")
    sources = story.records.sources
    if story.records.frame is not None:
        raise UsageError("a frame has no lines to split", do="open_case(…) reads files")
    if held := next((one.given for one in story.opened if one.kept), None):
        raise UsageError(
            "the records of convert are here, and not the lines they were read from",
            where=held, do="name the original files",
        )  # fmt: skip
    out, names = Path(output), [source.path for source in sources]
    folder.check(out, force=force, sources=[name for name in names if name != STDIN])
    summary, found = story.book
    files = targets(summary, found, by)
    cut_off = {str(problem).partition(":")[0] for problem in story.problems}
    keep = filters.keep

    def raw(at: int) -> Iterator[bytes]:
        try:
            yield from story.records.raw(at)
        except SourceError:
            if not any(names[at].startswith(name) for name in cut_off):
                raise  # it was whole a moment ago

    with folder.made(out) as made:
        made.expect(["_untagged.log", "_mixed.log"])
        made.expect(folder.safe_names([target.key for target in files[2:]]))
        split(
            story.shown(filters.want), raw, files, Keys(found, by, story.clock), made,
            names=names,
            whole=frozenset(at for at, one in enumerate(story.opened) if _has_no_lines(one.format)),
            twins={
                at: names.index(source.twin_of)
                for at, source in enumerate(sources)
                if source.twin_of is not None
            },
            repeated=_repeated(story) if story.accounting.duplicates else None,
            keep=None if keep is None else lambda frame: filters.fits(frame, keep),
        )  # fmt: skip
        made.flush()
        made.create(0)
        rows = _rows(files, made, story.paths)
        story.notes += [
            f"{row['sources'][0]}: has no lines of its own, and went whole to {row['path']}"
            for row in rows
            if row["kind"] == "document"
        ]
        table = pl.DataFrame(rows, schema=FILES, strict=False)
        texts = table.with_columns(times.text(pl.col("first")), times.text(pl.col("last")))
        emit(
            Result("split", "files", texts.to_dicts(), story.accounting.as_json(), warnings(story)),
            Form.json, output=made.path / folder.INDEX,
        )  # fmt: skip
    return table


def _has_no_lines(name: str | None) -> bool:
    """Whether a source of this format is columns, or one document over many lines."""
    return name in NAMES or (name in BY_NAME and BY_NAME[name].cut is whole_document)


def _rows(
    files: Sequence[Target], made: folder.Folder, paths: Sequence[str]
) -> list[dict[str, Any]]:
    """A row of FILES for each file that was made, in the order of their first lines."""
    there = [at for at in range(len(files)) if made.lines[at] or at == 0]
    # `_untagged.log` is always there; with nothing in it, it comes last.
    there.sort(key=lambda at: files[at].begins or (len(paths), 0))
    return [
        {
            "path": made.names[at], "kind": target.kind, "container": target.container,
            "service": target.service, "pod": target.pod, "ips": list(target.ips),
            "lines": made.lines[at], "bytes": made.bytes[at],
            "first": target.times and target.times[0],
            "last": target.times and target.times[1],
            "sources": [paths[source] for source in sorted(target.sources)],
        }
        for at, target in ((at, files[at]) for at in there)
    ]  # fmt: skip


def _repeated(story: Story) -> pl.DataFrame | None:
    """doc_index and doc_id of the documents that come more than once."""
    found = [
        part.frame.filter((pl.col("kind") == "duplicate") & pl.col("doc_id").is_not_null())
        .select(pl.col("doc_index").fill_null(""), "doc_id").unique()
        for part in story.records.parts(frozenset({"cuid"}))
        if "doc_id" in part.frame.columns
    ]  # fmt: skip
    return pl.concat(found).unique() if found else None
