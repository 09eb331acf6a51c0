r"""Zeek's connections (conn.log), as TSV with its header or as JSON.

    #fields ts                uid                 id.orig_h   id.orig_p  id.resp_h   id.resp_p …
    1793610001.241003         Ck7rQ2aTn0Zp4LxW1   10.10.10.4  40112      10.10.11.2  8443 …

The time is the first packet's. `uid` is the connection's and no request id. Which columns there
are, and in which order, differs from site to site. `-` is unset, `(empty)` empty.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from cuidx.formats import lines
from cuidx.formats.base import Block, Example, Reading, Sample, whole_lines
from cuidx.formats.documents import Adapted, is_wrapped
from cuidx.schema import KIND

NAME: Final = "zeek-conn"
TITLE: Final = "Zeek connections (conn.log), TSV or JSON"
SOURCE: Final = "Zeek docs, logs/conn.log; log format of the ASCII writer"
ADAPTS: Final = frozenset({"id.orig_h"})

_FROM, _TO = "id.orig_h", "id.resp_h"
_ADDRESS: Final = r"^(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+)$"
_OPEN: Final = "it has no #close line: it was cut off, or was still being written"

PARTS: Final = (
    ("a #separator or a connection's uid", r'^#separator|\tC\w{12,}\t|"uid"\s*:'),
    ("id.orig_h or two addresses", r"id\.orig_h|\t[0-9a-fA-F.:]+\t\d+\t[0-9a-fA-F.:]+\t\d+"),
)
SAMPLES: Final = (
    Example(
        '{"ts":1793610001.241003,"uid":"Ck7rQ2","id.orig_h":"10.10.10.4","id.orig_p":40112,'
        '"id.resp_h":"10.10.11.2","id.resp_p":8443,"proto":"tcp","service":"ssl",'
        '"duration":0.010122,"orig_bytes":1840,"resp_bytes":2210,"conn_state":"SF"}',
        {
            "time": "2026-11-02T09:00:01.241003Z",
            "message": "SF tcp ssl 40112>8443 1840 bytes sent 2210 received",
            "source_ip": "10.10.10.4",
            "destination_ip": "10.10.11.2",
            "service": None,
            "request_id": None,
        },
    ),
)

cut = whole_lines


@dataclass(frozen=True, slots=True)
class Header:
    """What the lines that begin with # say."""

    fields: tuple[str, ...]
    separator: str = "\t"
    unset: tuple[str, ...] = ("-", "(empty)")


def head(sample: Sample, reading: Reading) -> Header | None:
    """The header; None for a file of JSON."""
    header = _header(sample)
    if header is not None:
        reading.notes.add(_OPEN)
    return header


def _header(sample: Sample) -> Header | None:
    separator, said = "\t", dict[str, list[str]]()
    for line in (one.rstrip("\r") for one in sample.filled if one.startswith("#")):
        if line.startswith("#separator"):
            separator = _unescape(line.removeprefix("#separator").strip()) or "\t"
        else:
            name, *values = line[1:].split(separator)
            said.setdefault(name, values)
    fields = tuple(said.get("fields", ()))
    if not {_FROM, _TO} <= set(fields):
        return None
    unset = (said.get("unset_field", ["-"])[:1] or ["-"])[0]
    empty = (said.get("empty_field", ["(empty)"])[:1] or ["(empty)"])[0]
    return Header(fields, separator, (unset, empty))


def _unescape(text: str) -> str:
    return re.sub(r"\\x([0-9A-Fa-f]{2})", lambda hit: chr(int(hit[1], 16)), text)


def sniff(sample: Sample) -> float:
    """1 for a file with such a header, else the share of JSON lines that are connections."""
    if sample.filled and sample.filled[0].startswith("#") and _header(sample) is not None:
        return 1.0
    return sample.share(sum(adapt(one) is not None for one in sample.documents))


def adapt(document: dict[str, Any]) -> Adapted | None:
    """See `documents.Adapter`. Keys of a collector around the record count as ever."""
    if _TO not in document:
        return None
    texts = {key: str(value) for key, value in document.items() if value is not None}
    found: Adapted = {
        "source_ip": document[_FROM],
        "destination_ip": document[_TO],
        "message": _words(texts.get),
        "is_line": False,
        "service": None,
    }
    if not is_wrapped(document):
        found["time"] = document.get("ts")
        found["names"] = False
    return found


def _words(get: Any) -> str:
    ports = [get("id.orig_p"), get("id.resp_p")]
    words = [get("conn_state"), get("proto"), get("service"), ">".join(filter(None, ports)),
             get("orig_bytes") and f"{get('orig_bytes')} bytes sent",
             get("resp_bytes") and f"{get('resp_bytes')} received"]  # fmt: skip
    return " ".join(word for word in words if word)


def parse(block: Block, reading: Reading) -> pl.DataFrame:
    """One row a line; those of the header are skipped."""
    header = reading.head
    if not isinstance(header, Header):
        return lines.parse(block, reading)
    raw = pl.Series("raw", block.texts(), dtype=pl.String)
    text = raw.str.strip_suffix("\r")
    comment = text.str.starts_with("#")
    said = text.filter(comment)
    if said.str.starts_with("#close").any():
        reading.notes.discard(_OPEN)
    named = said.filter(said.str.starts_with("#fields")).str.split(header.separator).to_list()
    if any(tuple(names[1:]) != header.fields for names in named):
        reading.notes.add(
            "its columns change in the middle: rows after another #fields may be misread"
        )
    rows = _rows(text, header)
    kind = (
        pl.when(comment).then(pl.lit("skipped", KIND))
        .when(rows["fits"]).then(pl.lit("event", KIND))
        .when(text.str.strip_chars() == "").then(pl.lit("blank", KIND))
        .otherwise(pl.lit("unreadable", KIND))
    )  # fmt: skip
    bad = pl.col("kind") == "unreadable"
    frame = rows.drop("fits").with_columns(
        kind=kind,
        line=pl.int_range(pl.len(), dtype=pl.Int64) + block.first_line,
        suffixes=pl.lit(0, pl.Int64),
    ).with_columns(
        why=pl.when(bad).then(pl.lit(f"no connection of {len(header.fields)} columns")),
        raw=pl.when(bad).then(raw),
    )  # fmt: skip
    return lines.finish(frame, reading)


def _rows(text: pl.Series, header: Header) -> pl.DataFrame:
    """The roles of rows, and whether each `fits`."""
    fields = header.fields
    cells = text.str.split_exact(header.separator, len(fields)).struct.unnest()
    whole = cells.to_series(len(fields) - 1).is_not_null() & cells.to_series(len(fields)).is_null()

    def cell(name: str, before: str = "", after: str = "") -> pl.Expr:
        if name not in fields:
            return pl.lit(None, pl.String)
        value = pl.col(f"field_{fields.index(name)}")
        return pl.when(~value.is_in(header.unset)).then(before + value + after)

    found = cells.select(
        time=cell("ts"),
        source_ip=cell(_FROM),
        destination_ip=cell(_TO),
        message=pl.concat_str(
            cell("conn_state"), cell("proto"), cell("service"),
            cell("id.orig_p") + ">" + cell("id.resp_p"),
            cell("orig_bytes", after=" bytes sent"), cell("resp_bytes", after=" received"),
            separator=" ", ignore_nulls=True,
        ),
    )  # fmt: skip
    fits = (
        whole
        & found["source_ip"].str.contains(_ADDRESS)
        & found["destination_ip"].str.contains(_ADDRESS)
        & found["time"].str.contains(r"^\d{9,10}(?:\.\d+)?$|^\d{4}-\d\d-\d\dT")
    ).fill_null(False)
    return found.with_columns(pl.when(fits).then(pl.all()), fits=fits)
