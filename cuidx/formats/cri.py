"""CRI: what containerd and CRI-O write under /var/log/pods, one record a line.

    2016-10-06T00:17:09.669794202Z stdout F The content of the log entry 1
    time, RFC 3339, ns             stream tag message

Tag P: a piece, the stream's next line goes on with it; F: whole, or the last piece. The tag may
have more parts after a colon; the first one counts. stdout and stderr interleave.
"""

from __future__ import annotations

import re
from typing import Final

import polars as pl

from cuidx.formats import lines
from cuidx.formats import text as text_layer
from cuidx.formats.base import Block, Example, Reading, Sample, whole_lines
from cuidx.schema import KIND

NAME: Final = "cri"
TITLE: Final = "container runtime log of Kubernetes (/var/log/pods)"
SOURCE: Final = "kubernetes/design-proposals-archive, node/kubelet-cri-logging.md"

PATTERN: Final = (
    r"^(?<time>\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
    r"T(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d))"
    r" (?<stream>stdout|stderr) (?<tag>[PF])(?::\S*)?(?: (?s:(?<text>.*)))?\r?$"
)
_SHAPE: Final = re.compile(PATTERN.replace("(?<", "(?P<"))
# The same on bytes, for `cut`: what is no record must not seem to close a stream.
_TAG: Final = re.compile(
    _SHAPE.pattern.partition("(?P<tag>")[0].encode()
    + rb"(?P<tag>[PF])(?::[^ \n]*)?(?: [^\n]*)?\r?\n",
    re.MULTILINE,
)

_STREAMS: Final = (b"stdout", b"stderr")

PARTS: Final = (
    ("a time with a zone at the start", r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-])"),
    ("stdout or stderr after it", r" (?:stdout|stderr) "),
    ("P or F before the text", r" [PF](?::\S*)?(?: |$)"),
)
SAMPLES: Final = (
    Example(
        "2016-10-06T00:17:09.669794202Z stdout F The content of the log entry 1",
        {"time": "2016-10-06T00:17:09.669794202Z", "message": "The content of the log entry 1"},
    ),
    Example(
        "2026-11-02T10:00:01.250883117+01:00 stdout F "
        '{"ts":"2026-11-02T09:00:01.250Z","level":"info","msg":"charge accepted",'
        '"request_id":"4f1c","ikontainer_CUID":"3b9d","svc":"payment.shop.lab"}',
        {
            "time": "2026-11-02T09:00:01.250883117Z",
            "message": "charge accepted",
            "level": "INFO",
            "request_id": "4f1c",
            "cuid": "3b9d",
        },
    ),
    Example(
        "2016-10-06T02:17:10+02:00 stderr F ",
        {"time": "2016-10-06T00:17:10Z", "message": ""},
    ),
)


def sniff(sample: Sample) -> float:
    """Share of the sample's filled lines that are CRI records."""
    return sample.share(sum(_SHAPE.match(line) is not None for line in sample.filled))


def cut(data: bytes) -> int:
    """After the last line that leaves no stream with an open piece."""
    if b" P" not in data:
        return whole_lines(data)
    end = whole_lines(data)
    while end:
        # Only the last record of a stream can be open; before it the other one's may be.
        last = [_last(data, end, stream) for stream in _STREAMS]
        pieces = [at for at, tag in last if tag == b"P"]
        if not pieces:
            break
        end = min(pieces)
    return end


def _last(data: bytes, end: int, stream: bytes) -> tuple[int, bytes | None]:
    """(where it begins, its tag) of the last record of STREAM before END; the tag None: none is."""
    word = b" " + stream + b" "
    while (at := data.rfind(word, 0, end)) >= 0:
        end = data.rfind(b"\n", 0, at) + 1
        match = _TAG.match(data, end)
        if match is not None and match["stream"] == stream:
            return end, match["tag"]
    return 0, None


def parse(block: Block, reading: Reading) -> pl.DataFrame:
    """One row a line: pieces joined into their first one, the others are fragments."""
    raw = pl.Series("raw", block.texts(), dtype=pl.String)
    records = (
        pl.DataFrame({"raw": raw})
        .with_columns(
            pl.col("raw").str.extract_groups(PATTERN).alias("parts"),
            line=pl.int_range(pl.len(), dtype=pl.Int64) + block.first_line,
            blank=pl.col("raw").str.strip_chars() == "",
        )
        .unnest("parts")
        .with_columns(
            pl.col("text").fill_null(pl.when(pl.col("tag").is_not_null()).then(pl.lit("")))
        )
    )
    if (records["tag"] == "P").any():
        records = _join(records, bare_end=not block.data.endswith(b"\n"))
    else:
        records = records.with_columns(piece=pl.lit(0, pl.UInt32), back=pl.lit(None, pl.Int64))
    good = records["tag"].is_not_null()
    # A broken month or hour makes that line unreadable; nothing else does.
    whole = good & (records["piece"] == 0)
    place = pl.select(pl.when(whole).then(whole.cast(pl.Int64).cum_sum() - 1)).to_series()
    inner = lines.read(records["text"].filter(whole), reading, depth=1)
    told = [
        name
        for name in inner.columns
        if name not in ("kind", "why", "raw", "envelope", *lines.INNER)
    ]
    inside = inner["record_kind"].gather(place)  # an address manager's line, for one, is evidence
    kind = (
        pl.when(good & (records["piece"] > 0)).then(pl.lit("fragment", KIND))
        .when(good).then(pl.coalesce(inside, pl.lit("event", KIND)))
        .when(records["blank"]).then(pl.lit("blank", KIND))
        .otherwise(pl.lit("unreadable", KIND))
    )  # fmt: skip
    bad = ~good & ~records["blank"]
    frame = inner.select(pl.col(told).gather(place)).with_columns(
        line=records["line"],
        back=records["back"],
        time=pl.when(whole).then(records["time"]),
        envelope=pl.lit(True),
        kind=kind,
        why=pl.when(bad).then(pl.lit("no CRI record (time, stdout or stderr, P or F, text)")),
        raw=pl.when(bad).then(records["raw"]),
    )
    if "own_time" in reading.want:
        own = text_layer.read(records["text"], frozenset({"time"}))["time"]
        frame = frame.with_columns(own_time=pl.when(whole).then(own))
    if "message" in frame.columns:  # an empty record is an event with an empty text
        frame = frame.with_columns(
            message=pl.when(whole).then(pl.col("message").fill_null("")).otherwise("message")
        )
    for pattern in reading.patterns:
        tagged = frame["suffixes"].fill_null(0) > 0
        body = records["text"].fill_null("")
        frame = lines.apply_pattern(frame, body, pattern, reading.want, tagged)
    return lines.finish(frame, reading)


def _join(records: pl.DataFrame, *, bare_end: bool) -> pl.DataFrame:
    """Put the text of all pieces of a record into its first; `piece` is the place in it.

    BARE_END: the last line has no newline.
    """
    # A record begins after an F of its stream; lines that are no CRI records are no part of one.
    starts = (pl.col("tag").shift(1).over("stream") != "P").fill_null(True)
    grouped = records.with_columns(
        record=pl.when(pl.col("tag").is_not_null()).then(starts.cum_sum().over("stream"))
    )
    # Where the lines end in CRLF the CR is no part of a piece. Asked of each record alone: so the
    # answer is the same wherever blocks end.
    last = (pl.int_range(pl.len()) == pl.len() - 1) & bare_end
    returns = (pl.col("raw").str.ends_with("\r") | last).all().over("stream", "record")
    grouped = grouped.with_columns(
        text=pl.when((pl.col("tag") == "P") & returns)
        .then(pl.col("text").str.strip_suffix("\r"))
        .otherwise("text")
    ).with_columns(
        piece=pl.int_range(pl.len(), dtype=pl.UInt32).over("stream", "record"),
        joined=pl.when(pl.col("tag").is_not_null()).then(
            pl.col("text").str.join("").over("stream", "record")
        ),
        first=pl.col("line").first().over("stream", "record"),
    )
    return grouped.with_columns(
        text="joined", back=pl.when(pl.col("piece") > 0).then(pl.col("line") - pl.col("first"))
    ).drop("joined", "record", "first")
