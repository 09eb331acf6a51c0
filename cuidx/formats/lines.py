r"""A line in whatever shape: text or JSON, with the suffix after it, merged in, or without.

    {"ts":"…","msg":"…","ikontainer_CUID":"3b9d…","svc":"payment.shop.lab"}     keys merged in
    {"ts":"…","msg":"…"}{"ikontainer_CUID":"3b9d…","svc":"payment.shop.lab"}    suffix after JSON
    2026-11-02T09:00:05Z WARN stopping {"ikontainer_CUID":"3b9d…","svc":"…"}    suffix after text
    {"kubernetes":{…},"log":"2026-… WARN stop {\"ikontainer_CUID\":…}\n"}    any, in an envelope

Each line is read by itself, so a file may mix them all. What the outer layer says comes before
what the inner one says; the suffix at the line's very end is the tagger's and beats both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import polars as pl

from cuidx.formats import places
from cuidx.formats import text as text_layer
from cuidx.formats.base import Block, Reading
from cuidx.formats.documents import (
    DOCUMENT_KIND,
    ENVELOPE,
    LINE,
    ORDER,
    SIZE,
    Adapted,
    NotJSONError,
    Row,
    as_text,
    loads,
    repeats,
    table,
)
from cuidx.schema import EVIDENCE_ROLES, INNER_ROLES, KIND
from cuidx.suffix import CUID_KEY, OPENING
from cuidx.times import LEADING

Kind = Literal["event", "evidence", "skipped", "blank", "unreadable"]
_NO_VALUE: Final = ("", "-")
_DEEPEST: Final = 3  # document in a document in a document: an export of a collector's record
# What the message of a document can still tell when the document itself does not.
_FROM_MESSAGE: Final = (
    "time", "level", "cuid", "svc", "request_id", "trace_id", "source_ip", "destination_ip",
    "forwarded_ip", "ip", "pod", "pod_uid", "service", "namespace", "cluster", "container_id",
    "container_name", "restart", "node", "host_ip", "sandbox_id", *EVIDENCE_ROLES,
)  # fmt: skip
# Read whatever is asked for: other columns are made from them.
ALWAYS: Final = frozenset({*INNER_ROLES, "message", "request_id", "trace_id"})
# Columns that are of no use outside this layer; `record_kind` is set where it is no event.
INNER: Final = ("document", "is_line", "record_kind")
# A message that is text can only fill these; one that is JSON or has a suffix, all of the above.
FROM_TEXT: Final = frozenset({"time", "level", "request_id", "trace_id"})
# In a file of JSON records a line that begins with [ and is no JSON is broken. But not one like
# `[2026-11-02T09:00:00Z] INFO …`: so Envoy and many others begin a text, and files mix them.
_BRACKETED_TIME: Final = rf"^\s*\[\s*{LEADING}"


def parse(block: Block, reading: Reading) -> pl.DataFrame:
    """One row a line. See the module's head for what is understood."""
    if reading.scanner is not None:
        quick = reading.scanner.parse(block, reading)
        if quick is not None:
            return finish(quick, reading)
    texts = block.texts()
    raw = pl.Series("raw", texts, dtype=pl.String)
    frame = read(raw, reading)
    return finish(
        frame.drop(INNER).with_columns(line=pl.int_range(pl.len()) + block.first_line), reading
    )


def finish(frame: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """Fill in what the file's path says, and turn the tagger's lifecycle records to evidence."""
    if "log_path" in frame.columns:
        frame = places.fill(frame)
    fills = [
        (pl.col(role).fill_null(value) if role in frame.columns else pl.lit(value)).alias(role)
        for role, value in reading.path_roles.items()
    ]
    if fills:
        if "holds" in frame.columns:  # a flow names the Pods it is between, the path the writer's
            own = [role for role in ("pod", "namespace") if role in reading.path_roles]
            frame = frame.with_columns(
                pl.when(pl.col("holds").is_null()).then(role).alias(role)
                for role in own if role in frame.columns
            )  # fmt: skip
        frame = frame.with_columns(fills)
    if "lifecycle" in frame.columns and frame["lifecycle"].count():
        known = pl.col("lifecycle").is_in(["start", "stop"]) & pl.col("cuid").is_not_null()
        frame = frame.with_columns(
            kind=pl.when((pl.col("kind") == "event") & known)
            .then(pl.lit("evidence", KIND))
            .otherwise("kind")
        )
    return frame


def read_few(texts: list[str], reading: Reading) -> pl.DataFrame:
    """`read` for the odd lines of a file of JSON records: blank and broken ones are most of them.

    What it takes to read a line at all costs more than those are worth, block after block.
    """
    kind: list[str] = []
    why: list[str | None] = []
    rest: list[int] = []
    for at, text in enumerate(texts):
        said = None
        if not text.strip(" \t\r"):
            kind.append("blank")
        elif text.startswith("{") and OPENING not in text and (said := _broken(text)) is not None:
            kind.append("unreadable")
        else:
            kind.append("event")
            rest.append(at)
        why.append(said)
    frame = pl.DataFrame(
        {
            "kind": kind,
            "why": why,
            "raw": [t if w else None for t, w in zip(texts, why, strict=True)],
        },
        schema={"kind": KIND, "why": pl.String(), "raw": pl.String()},
    ).with_columns(suffixes=pl.lit(0, pl.Int64))
    if not rest:
        return frame
    read_ = read(pl.Series("raw", [texts[at] for at in rest], dtype=pl.String), reading)
    place = pl.Series([None], dtype=pl.Int64).new_from_index(0, len(texts))
    place = place.scatter(rest, range(len(rest)))
    others = read_.drop(INNER).select(pl.all().gather(place))
    return others.with_columns(
        pl.coalesce(others[name], frame[name]) if name in others.columns else frame[name]
        for name in frame.columns
    )


def _broken(text: str) -> str | None:
    """Why this is no valid JSON; None if it is."""
    try:
        loads(text)
    except NotJSONError as error:
        return f"no valid JSON: {error}"
    return None


def read(raw: pl.Series, reading: Reading, *, depth: int = 0) -> pl.DataFrame:
    """The roles of the lines in RAW (no newlines): same length, same order, with kind and why."""
    want = reading.want
    parts = text_layer.split_suffix(raw)
    body = parts["body"]
    begins = body.str.strip_chars_start().str.slice(0, 1)
    blank = (begins == "") & (parts["suffixes"] == 0)
    strict = reading.strict_json and not depth
    rows: list[Row | None] = [None] * len(body)
    why: dict[int, str] = {}
    roles = table(reading.fields)
    braces = (begins == "{").arg_true()
    for at, line in zip(braces.to_list(), body.gather(braces).to_list(), strict=True):
        try:
            document = loads(line)
        except NotJSONError as error:
            if strict:
                why[at] = f"no valid JSON: {error}"
        else:
            rows[at] = roles.row(document)
    if strict:
        brackets = (begins == "[") & ~body.str.contains(_BRACKETED_TIME)
        for at, line in zip(
            brackets.arg_true().to_list(), body.filter(brackets).to_list(), strict=True
        ):
            try:
                loads(line)
            except NotJSONError as error:
                why[at] = f"no valid JSON: {error}"
    frame = _columns(rows, want).with_columns(suffixes=parts["suffixes"])
    if reading.wrapped and not depth:
        frame = frame.with_columns(envelope=frame["document"])
    is_text = ~frame["document"] & ~blank
    if why:
        is_text = is_text.scatter(list(why), False)
    if is_text.any():
        text_at = is_text.arg_true()
        frame = _merge(frame, len(body), text_at, text_layer.read(body.gather(text_at), want))
    if "repeats" in want:
        frame = frame.with_columns(repeats=_repeats(body, frame["document"]))
    if "payload" in want:
        frame = frame.with_columns(is_json=frame["document"])
    frame = read_messages(frame, reading, depth)
    # The suffix at the line's end is the tagger's: it beats a key that the application wrote.
    beats = parts["cuid"].is_not_null()
    if beats.any():
        frame = frame.with_columns(
            pl.when(beats).then(parts[role]).otherwise(pl.col(role)).alias(role)
            for role in ("cuid", "svc")
        )
    for pattern in reading.patterns if not depth else ():
        frame = apply_pattern(frame, body, pattern, want, beats)
    return _mark(frame, raw, why, blank)


def _repeats(body: pl.Series, document: pl.Series) -> pl.Series:
    """Whether the key of the CUID stands twice in one object of a document."""
    likely = document & (body.str.count_matches(f'"{CUID_KEY}"', literal=True) > 1)
    found = pl.Series([False]).new_from_index(0, len(body))
    at = likely.arg_true()
    return found.scatter(at, [repeats(text, CUID_KEY) for text in body.gather(at)])


def _columns(rows: list[Row | None], want: frozenset[str]) -> pl.DataFrame:
    """The rows of documents as columns of text; None for a line that is no document."""
    empty: Row = [None] * SIZE
    columns: dict[str, pl.Series] = {}
    transposed = list(zip(*(row or empty for row in rows), strict=True)) or [()] * SIZE
    nothing = _nothing(len(rows))
    for role, values in zip(ORDER, transposed, strict=False):
        if role not in want and role not in ALWAYS:
            continue
        if values.count(None) == len(values):  # most roles, of most files
            if role not in EVIDENCE_ROLES:
                columns[role] = nothing
            continue
        texts = [v if v is None or type(v) is str else as_text(v) for v in values]
        columns[role] = pl.Series(texts, dtype=pl.String)
    return pl.DataFrame(
        {
            **columns,
            "envelope": pl.Series(transposed[ENVELOPE], dtype=pl.Boolean),
            "is_line": pl.Series(transposed[LINE], dtype=pl.Boolean),
            "document": pl.Series([row is not None for row in rows], dtype=pl.Boolean),
            "record_kind": pl.Series(transposed[DOCUMENT_KIND], dtype=KIND),
        }
    )


def _merge(frame: pl.DataFrame, count: int, at: pl.Series, part: pl.DataFrame) -> pl.DataFrame:
    """FRAME with the columns of PART at the rows AT, wherever FRAME has none there."""
    if at.is_empty():
        return frame
    part = part.select(name for name in part.columns if part[name].null_count() < len(part))
    if len(at) == count:
        wide = part
    else:
        place = pl.Series("place", [None] * count, dtype=pl.Int64).scatter(at, range(len(at)))
        wide = part.select(pl.all().gather(place))
    return frame.with_columns(
        (pl.coalesce(frame[name], wide[name]) if name in frame.columns else wide[name]).alias(name)
        for name in part.columns
    )


def read_messages(frame: pl.DataFrame, reading: Reading, depth: int) -> pl.DataFrame:
    """Look into the documents' messages for what the documents themselves do not say."""
    if "log_path" in frame.columns:
        frame = places.fill(frame)
    if depth + 1 >= _DEEPEST or "message" not in frame.columns:
        return frame
    want, message = reading.want, frame["message"]
    documents = frame["document"] & message.is_not_null()
    if not documents.any():
        return frame
    if "own_time" in want:
        wrapped = documents & frame["envelope"].fill_null(False)
        told = text_layer.read(message.set(~wrapped, None), frozenset({"time"}))["time"]
        frame = frame.with_columns(own_time=told)
    if "is_json" in frame.columns:  # what a collector wrapped is the message
        wrapped = documents & frame["envelope"].fill_null(False)
        frame = frame.with_columns(is_json=pl.col("is_json") & ~wrapped)
    layered = documents & frame["is_line"].fill_null(False)
    if layered.any():
        layered &= message.str.contains(r'^\s*\{|"ikontainer_CUID"')
    # Prose: only a time, a level and ids can be in it, and ids count where there are none yet.
    ids = frame["request_id"].is_null() & frame["trace_id"].is_null()
    missing = ids
    for role in ("time", "level"):
        if role in want:
            missing |= frame[role].is_null()
    outer = frame
    at = (documents & ~layered & missing).arg_true()
    if len(at):
        found = text_layer.read(message.gather(at), want & FROM_TEXT)
        found = found.with_columns(
            pl.when(ids.gather(at)).then(pl.col(role)).alias(role)
            for role in ("request_id", "trace_id")
            if role in found.columns
        )
        frame = _merge(frame, len(frame), at, found)
    at = (documents & ~layered & missing & frame["is_line"].fill_null(False)).arg_true()
    if len(at) and (known := text_layer.known(message.gather(at), want)) is not None:
        frame = _merge(frame, len(frame), at, known.drop("message", strict=False))
    if "message" in want:
        # The newline at a line's end is the collector's; a CR goes with the blanks before it.
        trimmed = message.str.strip_chars_end()
        frame = frame.with_columns(message=pl.when(documents).then(trimmed).otherwise("message"))
    at = layered.arg_true()
    if len(at):
        frame = _read_layers(frame, message, at, reading, depth)
        # svc belongs to the CUID beside it; a document's own cuid keeps its own svc.
        svc = pl.when(outer["cuid"].is_not_null()).then(outer["svc"]).otherwise(pl.col("svc"))
        frame = frame.with_columns(svc=svc)
    if "time" in outer.columns and outer["time"].null_count():
        # The time is the collector's only where the document itself has one.
        frame = frame.with_columns(envelope=pl.col("envelope") & outer["time"].is_not_null())
    return frame


def _read_layers(
    frame: pl.DataFrame, message: pl.Series, at: pl.Series, reading: Reading, depth: int
) -> pl.DataFrame:
    """Messages that are JSON or carry a suffix: lines of their own, inside an envelope."""
    inner = read(message.gather(at).str.strip_suffix("\n"), reading, depth=depth + 1)
    # Of a text beside ids of the document's own none is taken, as from prose.
    bare = frame.select(pl.col("request_id").is_null() & pl.col("trace_id").is_null())
    keep = bare.to_series().gather(at) | inner["document"]
    inner = inner.with_columns(
        pl.when(keep).then(pl.col(role)).alias(role) for role in ("request_id", "trace_id")
    )
    roles = [role for role in (*_FROM_MESSAGE, "record_kind") if role in inner.columns]
    more = pl.Series("s", [0], dtype=pl.Int64).new_from_index(0, len(frame))
    frame = _merge(frame, len(frame), at, inner.select(roles)).with_columns(
        suffixes=pl.col("suffixes") + more.scatter(at, inner["suffixes"].fill_null(0))
    )
    if "message" in reading.want:
        frame = frame.with_columns(message=frame["message"].scatter(at, inner["message"]))
    if "is_json" in frame.columns:
        frame = frame.with_columns(is_json=frame["is_json"].scatter(at, inner["is_json"]))
    if "repeats" in inner.columns and inner["repeats"].any():
        known = frame["repeats"] if "repeats" in frame.columns else frame["document"] & False
        frame = frame.with_columns(
            known.scatter(at, known.gather(at) | inner["repeats"]).alias("repeats")
        )
    return frame


def apply_pattern(
    frame: pl.DataFrame, body: pl.Series, pattern: str, want: frozenset[str], tagged: pl.Series
) -> pl.DataFrame:
    """What the user's `--pattern` finds beats what fields say, but never the tagger's suffix."""
    found = pl.DataFrame({"body": body}).select(pl.col("body").str.extract_groups(pattern))
    columns = found.to_series().struct.unnest()
    for role in columns.columns:
        if role not in want:
            continue
        value = columns[role].set(columns[role] == "", None)
        if role == "cuid":
            value = pl.select(pl.when(~tagged).then(value)).to_series()
        have = pl.col(role) if role in frame.columns else pl.lit(None, pl.String)
        frame = frame.with_columns(pl.coalesce(value, have).alias(role))
    return frame


def _mark(
    frame: pl.DataFrame, raw: pl.Series, why: dict[int, str], blank: pl.Series
) -> pl.DataFrame:
    kind = frame["record_kind"].fill_null("event")
    if blank.any():
        kind = kind.scatter(blank.arg_true(), "blank")
    if not why:
        return frame.with_columns(kind=kind)
    broken = list(why)
    return frame.with_columns(
        kind=kind.scatter(broken, "unreadable"),
        why=_nothing(len(frame)).scatter(broken, list(why.values())),
        raw=_nothing(len(frame)).scatter(broken, raw.gather(broken)),
    )


def enveloped(
    block: Block,
    reading: Reading,
    pattern: str,
    *,
    why: str,
    loose: str | None = None,
    skip: str | None = None,
    collector: bool = True,
) -> pl.DataFrame:
    """One row a line of the shape PATTERN: named groups are roles, and `text` the line inside.

    What the envelope says comes before what the line inside says. A line that does not fit is
    unreadable, and WHY says so; one that fits SKIP is skipped, and one that fits LOOSE is an event
    as it stands. COLLECTOR says whether a time in PATTERN is the collector's.
    """
    raw = pl.Series("raw", block.texts(), dtype=pl.String)
    parts = pl.DataFrame({"raw": raw.str.extract_groups(pattern)}).unnest("raw")
    good = parts["text"].is_not_null()
    other = ~good & (raw.str.strip_chars() != "")
    free = other & raw.str.contains(loose) if loose else other & False
    left = other & ~free & raw.str.contains(skip) if skip else other & False
    bad = other & ~free & ~left
    body = pl.select(pl.when(good).then(parts["text"]).when(free).then(raw)
                     .otherwise(pl.lit(""))).to_series()  # fmt: skip
    inner = read(body, reading, depth=1)
    told = {role: parts[role] for role in parts.columns if role != "text"}
    told = {role: values.set(values.is_in(list(_NO_VALUE)), None) for role, values in told.items()}
    kind = (
        pl.when(good | free).then(_kind_of(inner))
        .when(left).then(pl.lit("skipped", KIND))
        .when(bad).then(pl.lit("unreadable", KIND))
        .otherwise(pl.lit("blank", KIND))
    )  # fmt: skip
    frame = inner.drop(INNER).with_columns(
        *(
            pl.coalesce(values, inner[role] if role in inner.columns else None).alias(role)
            for role, values in told.items()
        ),
        line=pl.int_range(pl.len(), dtype=pl.Int64) + block.first_line,
        envelope=told["time"].is_not_null() & collector if "time" in told else pl.lit(False),
        kind=kind,
        why=pl.when(bad).then(pl.lit(why)),
        raw=pl.when(bad).then(raw),
    )
    if "message" in frame.columns:
        frame = frame.with_columns(
            message=pl.when(good | free).then(pl.col("message").fill_null(""))
        )
    if "own_time" in reading.want and "time" in told:
        frame = frame.with_columns(own_time=pl.when(good).then(inner["time"]))
    for pattern_ in reading.patterns:
        tagged = frame["suffixes"].fill_null(0) > 0
        frame = apply_pattern(frame, body, pattern_, reading.want, tagged)
    return finish(frame, reading)


def _kind_of(inner: pl.DataFrame) -> pl.Series:
    """The kind of lines inside an envelope: there none is blank, and none unreadable."""
    return inner["record_kind"].fill_null("event")


@dataclass(slots=True)
class Record:
    """One record of a source that is not lines of JSON: a document, and what its format knows.

    DOCUMENT is where names of keys are looked for (None: nowhere), ROLES what the format says
    itself: like an Adapter's, it comes before the names. LINE and INDEX say where it stands.
    """

    line: int
    document: dict[str, Any] | None
    roles: Adapted = field(default_factory=dict)
    kind: Kind = "event"
    index: int | None = None
    why: str | None = None
    raw: str | None = None  # of an unreadable one


def numbered(records: Sequence[Record]) -> Sequence[Record]:
    """RECORDS with `index` where several of them stand on one line."""
    on_line = Counter(one.line for one in records)
    seen: Counter[int] = Counter()
    for one in records:
        if on_line[one.line] > 1:
            one.index = seen[one.line]
            seen[one.line] += 1
    return records


def of_records(records: Sequence[Record], reading: Reading) -> pl.DataFrame:
    """One row a record, in their order; messages are looked into like any line."""
    want = reading.want
    names = table(reading.fields)
    rows = [
        None if one.kind in ("unreadable", "blank", "skipped")
        else names.row(one.document or {}, {**one.roles, "kind": one.kind})
        for one in records
    ]  # fmt: skip
    frame = _columns(rows, want).with_columns(
        suffixes=pl.lit(0, pl.Int64),
        line=pl.Series([one.line for one in records], dtype=pl.Int64),
        index=pl.Series([one.index for one in records], dtype=pl.Int64),
    )
    body = frame["message"].fill_null("")
    if "repeats" in want:
        frame = frame.with_columns(repeats=pl.lit(None, pl.Boolean))
    if "payload" in want:
        frame = frame.with_columns(is_json=frame["document"])
    frame = read_messages(frame, reading, 0)
    for pattern in reading.patterns:
        frame = apply_pattern(frame, body, pattern, want, frame["suffixes"] > 0)
    said = pl.Series([one.kind for one in records], dtype=KIND)
    kind = pl.when(said == "event").then(frame["record_kind"].fill_null("event")).otherwise(said)
    frame = frame.drop(INNER).with_columns(
        kind=kind,
        why=pl.Series([one.why for one in records], dtype=pl.String),
        raw=pl.Series([one.raw for one in records], dtype=pl.String),
    )
    return finish(frame, reading)


def _nothing(count: int) -> pl.Series:
    """COUNT nulls of their own: `scatter` writes into the series it is called on."""
    return pl.Series([None], dtype=pl.String).new_from_index(0, count)
