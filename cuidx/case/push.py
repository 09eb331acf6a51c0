"""What push needs: each record as a document with an id that comes out the same again."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import PurePath
from typing import Final, cast

import polars as pl
import polars.selectors as cs

from cuidx import times
from cuidx.case.documents import documents, struct_of
from cuidx.case.story import Story
from cuidx.enrich.records import Documents
from cuidx.errors import SourceError
from cuidx.reading import Part
from cuidx.schema import KIND, ROLES
from cuidx.sources.elastic import layout
from cuidx.sources.elastic.address import Address
from cuidx.sources.elastic.client import Client
from cuidx.sources.elastic.writing import Item, Written, bulk, prepare, start_lookup

PUSHED: Final = pl.Schema(
    {
        "source": pl.String(),
        "documents": pl.Int64(),
        "created": pl.Int64(),
        "existed": pl.Int64(),
        "refused": pl.Int64(),
    }
)
# Column of `lifetimes`: (field, type).
_LOOKUP: Final = {
    "container": (layout.FIELDS["cuid"][0], "keyword"),
    "identity": (layout.IDENTITY, "keyword"),
    **{name: layout.FIELDS[name] for name in ("service", "namespace", "cluster", "pod", "node")},
    "ips": (layout.FIELDS["ip"][0], "ip"),
    "first_seen": ("event.start", "date_nanos"),
    "last_seen": ("event.end", "date_nanos"),
    "started": ("cuidx.started", "date_nanos"),
    "ended": ("cuidx.ended", "date_nanos"),
    "end": ("cuidx.end", "keyword"),
    "lines": ("cuidx.lines", "long"),
    "errors": ("cuidx.errors", "long"),
    "requests": ("cuidx.requests", "long"),
    "reused_ips": ("cuidx.reused_ips", "ip"),
}
_WANT: Final = frozenset(ROLES) | {"own_time", "repeats"}
_HEAD: Final = 4096  # bytes of a file that tell it from others of its name
_LONGEST_NAME: Final = 200  # characters of it in an id, which has at most 512 bytes


def push_events(story: Story, target: Address, *, dry_run: bool) -> pl.DataFrame:
    """The answer of `Case.push`; the sources are read once."""
    maker = _Maker(story)
    written = Written()
    if dry_run:
        story.raw_summary = story.look(_WANT, lambda part: _drop(maker.items(part)))
    else:
        written = _sent(story, target, maker)
    table = pl.DataFrame(
        [
            (one.path, maker.counts[at], written.created[at], written.existed[at],
             written.refused[at])
            for at, one in enumerate(story.records.opened) if one.left_out is None
        ],
        schema=PUSHED, orient="row",
    )  # fmt: skip
    _ = story.accounting  # it may have to read once more, and begins `problems` anew
    if count := written.refused.total():
        story.records.problems.append(
            SourceError(
                f"{count:,} {'document was' if count == 1 else 'documents were'} refused",
                where=target.shown, do="the others are written; the warnings name some, with why",
            )
        )  # fmt: skip
    story.notes += [
        f"{story.records.opened[source].path}:{line}: refused, {why}"
        for source, line, why in written.why
    ]
    return table


def _sent(story: Story, target: Address, maker: _Maker) -> Written:
    client = Client(target)
    prepare(client, target.index)
    with bulk(client) as out:
        try:
            story.raw_summary = story.look(_WANT, lambda part: out.add(maker.items(part)))
            return out.finish()
        except SourceError as error:
            known = out.written.created.total() + out.written.existed.total()
            if not known:
                raise
            raise SourceError(
                f"{str(error).splitlines()[0]}; {known:,} documents are known to be there",
                do="push again: what is there is not written twice",
            ) from None


def _drop(items: list[Item]) -> None:
    del items


class _Maker:
    """Documents from records, part by part in order; `counts` says how many of each source."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._known = Documents()
        self._heads: dict[str, int] = {}  # what ids begin with: the first source that has it
        self._places: _Places | None = None
        self.counts: Counter[int] = Counter()

    def items(self, part: Part) -> list[Item]:
        """The documents of PART's events and evidence."""
        places = self._of(part.source)
        frame = part.frame
        missing = {"index": pl.Int64(), "doc_id": pl.String()}
        rows = frame.with_columns(
            places.offsets(frame["line"]),
            *(pl.lit(None, t).alias(n) for n, t in missing.items() if n not in frame.columns),
            doc_index=pl.lit(None, pl.String),
        ).filter(pl.col("kind").is_in(["event", "evidence"]))
        if rows.is_empty():
            return []
        # Of two documents with one id, from two indices, the second gets the id of its place.
        again = self._known.mark(rows)["kind"] == pl.lit("duplicate", KIND)
        ids = rows.select(
            _id=pl.when(pl.col("doc_id").is_not_null() & ~again)
            .then("doc_id")
            .otherwise(_place_id(places.head))
        )
        named = ids.select(id=pl.struct("_id").struct.json_encode())["id"]
        texts = documents(rows.drop("doc_id", "doc_index"), places.path)
        whole = pl.select(
            pl.concat_str(pl.lit('{"create":'), named, pl.lit("}\n"), texts, pl.lit("\n"))
        ).to_series()
        self.counts[part.source] += len(rows)
        return [
            Item(text, part.source, line)
            for text, line in zip(whole.to_list(), rows["line"].to_list(), strict=True)
        ]

    def _of(self, source: int) -> _Places:
        if self._places is None or self._places.source != source:
            self._places = places = _Places(self._story, source)
            # Two files of one name that begin alike are two files.
            if self._heads.setdefault(places.head, source) != source:
                places.head += "-" + _hash(places.path.encode())
        return self._places


def _place_id(head: str) -> pl.Expr:
    place = pl.when(pl.col("offset").is_not_null()).then(
        pl.col("offset").cast(pl.String)
    ).otherwise("l" + pl.col("line").cast(pl.String))  # fmt: skip
    index = pl.when(pl.col("index") > 0).then(pl.format("-{}", "index")).otherwise(pl.lit(""))
    return pl.concat_str(pl.lit(head + "-"), place, index)


class _Places:
    """Where a source's lines begin, in bytes, and what its documents' ids begin with.

    The source is read a second time beside its records; no more is kept than a block's lines.
    """

    def __init__(self, story: Story, source: int) -> None:
        self.source = source
        self.path = story.records.opened[source].path
        remote = story.records.frame is not None or story.records.sources[source].remote
        has_bytes = not remote and story.records.opened[source].format != "parquet"
        self._blocks = story.records.raw(source) if has_bytes else None
        self._starts: list[int] = []  # of the lines from `_line` on
        self._line, self._at = 1, 0
        first = next(self._blocks, b"") if self._blocks is not None else self.path.encode()
        name = PurePath(self.path).name[:_LONGEST_NAME]
        self.head = f"{name}-{_hash(first[:_HEAD])}"
        self._take(first if has_bytes else b"")

    def _take(self, block: bytes) -> None:
        at = 0
        while at < len(block):
            self._starts.append(self._at + at)
            at = block.find(b"\n", at) + 1 or len(block)
        self._at += len(block)

    def offsets(self, lines: pl.Series) -> pl.Series:
        """Where each of LINES begins; they come in order, call after call. Null: not known."""
        if self._blocks is None or lines.is_empty():
            return pl.Series("offset", [None], dtype=pl.Int64).new_from_index(0, len(lines))
        last = cast("int", lines.max())
        while self._line + len(self._starts) <= last:
            try:
                block = next(self._blocks, b"")
            except SourceError:  # it is cut off: said by who reads the records
                block = b""
            if not block:
                break
            self._take(block)
        starts = pl.Series("offset", self._starts, dtype=pl.Int64)
        found = starts.gather((lines - self._line).cast(pl.Int64).clip(0, len(starts) - 1))
        first = cast("int", lines.min())
        del self._starts[: first - self._line]
        self._line = first
        return found.alias("offset")


def _hash(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def push_lifetimes(story: Story, lifetimes: pl.DataFrame, target: Address) -> str:
    """Write LIFETIMES beside the events of TARGET, one document a container; the index's name.

    It is made anew each time. `service.node.name` is its key: what events have in that field joins.
    """
    beside = replace(target, index=f"{target.index}-lifetimes")
    client = Client(beside)
    if not start_lookup(client, _LOOKUP):
        story.notes.append(
            f"{beside.index}: this server has no lookup indices; ES|QL can't join with it"
        )
    rows = lifetimes.with_columns(times.text(cs.datetime()), cs.enum().cast(pl.String))
    tree = layout.nested((field, pl.col(name)) for name, (field, _) in _LOOKUP.items())
    texts = rows.select(document=struct_of(tree).struct.json_encode()).to_series()
    names = rows.select(id=pl.struct(_id="container").struct.json_encode())["id"]
    with bulk(client) as out:
        out.add(
            Item(f'{{"create":{name}}}\n{text}\n', 0, at)
            for at, (name, text) in enumerate(zip(names, texts, strict=True), 1)
        )
        written = out.finish()
    story.notes += [f"{beside.index}: refused, {why}" for _, _, why in written.why]
    return beside.index
