"""A line in whatever shape: text or JSON, with the suffix after it, merged in, or without.

    {"ts":"…","msg":"…","ikontainer_CUID":"3b9d…","svc":"payment.shop.lab"}     keys merged in
    {"ts":"…","msg":"…"}{"ikontainer_CUID":"3b9d…","svc":"payment.shop.lab"}    suffix after JSON
    2026-11-02T09:00:05Z WARN stopping {"ikontainer_CUID":"3b9d…","svc":"…"}    suffix after text
    {"kubernetes":{…},"log":"2026-… WARN stopping {\\"ikontainer_CUID\\":…}\\n"}    any, in an envelope

Each line is read by itself, so a file may mix them all. What the outer layer says comes before
what the inner one says; the suffix at the line's very end is the tagger's and beats both.
"""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from cuidx.formats import text as text_layer
from cuidx.formats.base import Block, Reading, kinds
from cuidx.formats.documents import ENVELOPE, ORDER, NotJSON, Row, as_text, loads, table
from cuidx.schema import KIND
from cuidx.times import LEADING

_DEEPEST: Final = 3  # document in a document in a document: an export of a collector's record
# What the message of a document can still tell when the document itself does not.
_FROM_MESSAGE: Final = (
    "time", "level", "cuid", "svc", "request_id", "trace_id", "source_ip", "destination_ip",
    "forwarded_ip", "ip", "pod", "pod_uid", "service", "namespace", "cluster", "container_id",
    "container_name", "restart", "node", "lifecycle",
)  # fmt: skip
# Read whatever is asked for: other columns are made from them.
ALWAYS: Final = frozenset(
    {"svc", "doc_id", "doc_index", "lifecycle", "message", "request_id", "trace_id"}
)
# A message that is text can only fill these; one that is JSON or has a suffix, all of the above.
FROM_TEXT: Final = frozenset({"time", "level", "request_id", "trace_id"})
_BRACKETED_TIME: Final = rf"^\s*\[\s*{LEADING}"


def parse(block: Block, reading: Reading) -> pl.DataFrame:
    """One row a line. See the module's head for what is understood."""
    if reading.shapes is not None:
        quick = reading.shapes.parse(block, reading)
        if quick is not None:
            return finish(quick, reading)
    texts = block.texts()
    raw = pl.Series("raw", texts, dtype=pl.String)
    frame = read(raw, reading)
    return finish(frame.drop("document").with_columns(line=pl.int_range(pl.len()) + block.first_line), reading)


def finish(frame: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """Fill in what the file's path says, and turn the tagger's lifecycle records to evidence."""
    fills = [
        (pl.col(role).fill_null(value) if role in frame.columns else pl.lit(value)).alias(role)
        for role, value in reading.path_roles.items()
    ]
    if fills:
        frame = frame.with_columns(fills)
    if "lifecycle" in frame.columns:
        known = pl.col("lifecycle").is_in(["start", "stop"]) & pl.col("cuid").is_not_null()
        frame = frame.with_columns(
            kind=pl.when((pl.col("kind") == "event") & known)
            .then(pl.lit("evidence", KIND))
            .otherwise("kind")
        )
    return frame


def read(
    raw: pl.Series, reading: Reading, *, depth: int = 0
) -> pl.DataFrame:
    """The roles of the lines in RAW (no newlines): same length, same order, with kind and why."""
    want = reading.want
    parts = text_layer.split_suffix(raw)
    body = parts["body"]
    bodies = body.to_list()
    suffixed = parts["suffixes"].to_list()
    rows: list[Row | None] = [None] * len(bodies)
    why: dict[int, str] = {}
    roles = table(reading.fields)
    text_at: list[int] = []
    blank_at: list[int] = []
    for at, line in enumerate(bodies):
        if line[:1] == "{" or line.lstrip()[:1] == "{":
            try:
                document = loads(line)
            except NotJSON as error:
                if reading.strict_json and not depth:
                    why[at] = f"no valid JSON: {error}"
                else:
                    text_at.append(at)
                continue
            if isinstance(document, dict):
                rows[at] = roles.row(document)
        elif not line.strip() and not suffixed[at]:
            blank_at.append(at)
        else:
            text_at.append(at)
    if reading.strict_json and not depth:
        text_at = _broken_arrays(bodies, text_at, why)
    frame = _columns(rows, want).with_columns(suffixes=parts["suffixes"])
    frame = _merge(frame, len(bodies), text_at, text_layer.read(body.gather(text_at), want))
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
    return _mark(frame, raw, why, blank_at)


def _broken_arrays(bodies: list[str], text_at: list[int], why: dict[int, str]) -> list[int]:
    """In a file of JSON records a line that begins with [ and is no JSON is broken.

    But for one like `[2026-11-02T09:00:00Z] INFO …`: that is how Envoy and many others begin a
    text line, and files with both are common.
    """
    kept = []
    brackets = [at for at in text_at if bodies[at].lstrip()[:1] == "["]
    stamped = pl.Series([bodies[at] for at in brackets], dtype=pl.String)
    fine = dict(zip(brackets, stamped.str.contains(_BRACKETED_TIME).to_list(), strict=True))
    for at in text_at:
        if at in fine and not fine[at]:
            try:
                loads(bodies[at])
            except NotJSON as error:
                why[at] = f"no valid JSON: {error}"
                continue
        kept.append(at)
    return kept


def _columns(rows: list[Row | None], want: frozenset[str]) -> pl.DataFrame:
    """The rows of documents as columns of text; None for a line that is no document."""
    empty: Row = [None] * (ENVELOPE + 1)
    columns: dict[str, list[Any]] = {}
    transposed = list(zip(*(row or empty for row in rows), strict=True)) or [()] * (ENVELOPE + 1)
    for role, values in zip(ORDER, transposed, strict=False):
        if role in want or role in ALWAYS:
            columns[role] = [
                value if value is None or type(value) is str else as_text(value)
                for value in values
            ]
    return pl.DataFrame(
        {
            **{role: pl.Series(role, values, dtype=pl.String) for role, values in columns.items()},
            "envelope": pl.Series(transposed[ENVELOPE], dtype=pl.Boolean),
            "document": pl.Series([row is not None for row in rows], dtype=pl.Boolean),
        }
    )


def _merge(frame: pl.DataFrame, count: int, at: list[int], part: pl.DataFrame) -> pl.DataFrame:
    """FRAME with the columns of PART at the rows AT, wherever FRAME has none there."""
    if not at:
        return frame
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
    if depth + 1 >= _DEEPEST:
        return frame
    want = reading.want
    message = frame["message"] if "message" in frame.columns else None
    if message is None:
        return frame
    documents = frame["document"] & message.is_not_null()
    if not documents.any():
        return frame
    layered = message.str.contains(r'^\s*\{|"ikontainer_CUID"')
    # In a text, ids are looked for only where the document has neither of them.
    unidentified = frame["request_id"].is_null() & frame["trace_id"].is_null()
    missing = unidentified
    for role in ("time", "level"):
        if role in want:
            missing |= frame[role].is_null()
    look = documents & (layered | missing if "message" not in want else True)
    at = look.arg_true().to_list()
    if not at:
        return frame
    # A text's newline at the end is the collector's; a CR before it is trimmed with the blanks.
    inner = read(message.gather(at).str.strip_suffix("\n"), reading, depth=depth + 1)
    roles = [role for role in _FROM_MESSAGE if role in inner.columns]
    known = ~unidentified.gather(at) & ~inner["document"]
    inner = inner.with_columns(
        pl.when(known).then(None).otherwise(pl.col(role)).alias(role)
        for role in ("request_id", "trace_id")
    )
    # Beside a collector's time the payload's own is not needed.
    told = frame.select(pl.col("cuid").is_not_null().alias("tagged"))["tagged"]
    outer = frame
    frame = _merge(frame, len(frame), at, inner.select(roles))
    carried = pl.Series("s", [0] * len(frame), dtype=pl.Int64).scatter(at, inner["suffixes"])
    frame = frame.with_columns(
        suffixes=pl.col("suffixes") + carried,
        # svc belongs to the CUID beside it; a document's own cuid keeps its own svc.
        svc=pl.when(told).then(outer["svc"]).otherwise(pl.col("svc")),
        # The time is the collector's only where the document itself has one.
        envelope=pl.col("envelope") & (outer["time"].is_not_null() if "time" in outer else False),
    )
    if "message" in want:
        place = pl.Series("p", [None] * len(frame), dtype=pl.Int64).scatter(at, range(len(at)))
        text = inner["message"].gather(place)
        frame = frame.with_columns(message=pl.coalesce(text, pl.col("message")))
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
    frame: pl.DataFrame, raw: pl.Series, why: dict[int, str], blank_at: list[int]
) -> pl.DataFrame:
    kind = kinds(len(frame), "event")
    if blank_at:
        kind = kind.scatter(blank_at, "blank")
    if not why:
        return frame.with_columns(kind=kind)
    broken = list(why)
    nothing = pl.Series("n", [None] * len(frame), dtype=pl.String)
    return frame.with_columns(
        kind=kind.scatter(broken, "unreadable"),
        why=nothing.scatter(broken, list(why.values())),
        raw=nothing.scatter(broken, raw.gather(broken)),
    )
