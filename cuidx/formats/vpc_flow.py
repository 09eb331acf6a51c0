r"""VPC flow logs of AWS: one row a flow and interval, columns by the header.

    2 700100200300 eni-0a1b… 10.10.10.4 10.10.11.2 40112 8443 6 12 1840 1793610001 1793610058
    version, account, interface, from, to, ports, protocol, packets, bytes, start, end
    ACCEPT OK
    action, status

Without a header (copies from CloudWatch) they are these fourteen. `pkt-srcaddr` is the packet's
own source, where `srcaddr` may be the node; likewise for the destination. The time is `start`; a
row covers up to ten minutes from there. NODATA says that nothing went by, SKIPDATA that what went
by is not known: neither is a flow.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from cuidx.formats import access
from cuidx.formats.base import Block, Example, Reading, Sample, whole_lines
from cuidx.formats.lines import finish
from cuidx.schema import KIND

NAME: Final = "vpc-flow"
TITLE: Final = "AWS VPC flow logs"
SOURCE: Final = "Amazon VPC user guide, flow log records"

DEFAULT: Final = (
    "version", "account-id", "interface-id", "srcaddr", "dstaddr", "srcport", "dstport",
    "protocol", "packets", "bytes", "start", "end", "action", "log-status",
)  # fmt: skip
LIKELY: Final = r"^\d \d{12} eni-[0-9a-f]+ "
IN_FIELDS: Final = True

_SOURCE: Final = ("pkt-srcaddr", "srcaddr")
_DESTINATION: Final = ("pkt-dstaddr", "dstaddr")
_HEADER: Final = (
    r"(?:^|\s)(?:pkt-)?(?:srcaddr\s(?:.*\s)?(?:pkt-)?dstaddr|dstaddr\s(?:.*\s)?(?:pkt-)?srcaddr)"
    r"(?:\s|$)"
)
_ADDRESS: Final = r"^(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+)$"
_NO_FLOW: Final = ("NODATA", "SKIPDATA")
_PROTOCOLS: Final = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmp6", "132": "sctp"}

PARTS: Final = (
    (
        "a header with srcaddr and dstaddr, or version, account and interface",
        r"srcaddr.*dstaddr|^\d+ \S+ eni-",
    ),
    ("start and end in seconds", r"\bstart end\b|\b\d{10} \d{10}\b"),
)
SAMPLES: Final = (
    Example(
        "2 700100200300 eni-0a1b2c3d4e5f60710 10.10.10.4 10.10.11.2 40112 8443 6 12 1840 "
        "1793610001 1793610058 ACCEPT OK",
        {
            "time": "2026-11-02T09:00:01Z",
            "message": "ACCEPT tcp 40112>8443 12 packets 1840 bytes",
            "source_ip": "10.10.10.4",
            "destination_ip": "10.10.11.2",
        },
    ),
)

cut = whole_lines


def head(sample: Sample, reading: Reading) -> tuple[str, ...]:
    """The columns' names, in their order."""
    del reading
    return next((tuple(line.split()) for line in sample.filled if _is_header(line)), DEFAULT)


def _is_header(line: str) -> bool:
    words = line.split()
    return not {*_SOURCE}.isdisjoint(words) and not {*_DESTINATION}.isdisjoint(words)


def sniff(sample: Sample) -> float:
    """1 for a file with such a header, else the share of lines with the fourteen columns."""
    if sample.filled and _is_header(sample.filled[0]):
        return 1.0
    return access.share(sample, LIKELY)


def parse(block: Block, reading: Reading) -> pl.DataFrame:
    """One row a line: flows, what is skipped by name, and what is unreadable."""
    columns = reading.head or DEFAULT
    raw = pl.Series("raw", block.texts(), dtype=pl.String)
    rows = _rows(raw, columns)
    blank = raw.str.strip_chars() == ""
    header = raw.str.contains(_HEADER)
    if (raw.filter(header).str.split(" ").list.len() != len(columns)).any():
        reading.notes.add(
            "its columns change in the middle: rows after another header may be misread"
        )
    if (rows["status"] == "SKIPDATA").any():
        reading.notes.add("it has SKIPDATA rows: flows of those intervals are not known")
    kind = (
        pl.when(rows["fits"]).then(pl.lit("event", KIND))
        .when(blank).then(pl.lit("blank", KIND))
        .when(header | rows["no_flow"]).then(pl.lit("skipped", KIND))
        .otherwise(pl.lit("unreadable", KIND))
    )  # fmt: skip
    frame = rows.drop("status", "fits", "no_flow").with_columns(
        kind=kind, line=pl.int_range(pl.len(), dtype=pl.Int64) + block.first_line,
        suffixes=pl.lit(0, pl.Int64),
    )  # fmt: skip
    bad = pl.col("kind") == "unreadable"
    frame = frame.with_columns(
        why=pl.when(bad).then(pl.lit(f"no flow of {len(columns)} columns")),
        raw=pl.when(bad).then(raw),
    )
    return finish(frame, reading)


def read(text: pl.Series, want: frozenset[str]) -> pl.DataFrame:
    """See `formats.text.Text`: rows with the default columns."""
    del want
    rows = _rows(text, DEFAULT)
    nothing = pl.lit(None, pl.String)
    return rows.select(
        "time", "message", "source_ip", "destination_ip",
        level=nothing, request_id=nothing, trace_id=nothing,
        fits=rows["fits"] | rows["no_flow"],
        record_kind=pl.when(rows["no_flow"]).then(pl.lit("skipped", KIND)),
    )  # fmt: skip


def _rows(text: pl.Series, columns: tuple[str, ...]) -> pl.DataFrame:
    """The roles of rows, `status`, and whether each `fits` as a flow or says that it is none."""
    cells = text.str.strip_chars().str.split_exact(" ", len(columns)).struct.unnest()
    last, beyond = cells.to_series(len(columns) - 1), cells.to_series(len(columns))
    whole = last.is_not_null() & beyond.is_null()

    def cell(*names: str) -> pl.Expr:
        """The first of the columns NAMES that has a value."""
        found = [pl.col(f"field_{columns.index(name)}") for name in names if name in columns]
        return pl.coalesce(
            *(pl.when(one != "-").then(one) for one in found), pl.lit(None, pl.String)
        )

    protocol = cell("protocol").replace(_PROTOCOLS)
    words = (
        cell("action"), protocol, cell("srcport") + ">" + cell("dstport"),
        cell("packets") + " packets", cell("bytes") + " bytes",
    )  # fmt: skip
    found = cells.select(
        time=cell("start"),
        source_ip=cell(*_SOURCE),
        destination_ip=cell(*_DESTINATION),
        message=pl.concat_str(*words, separator=" ", ignore_nulls=True),
        status=cell("log-status"),
    )
    addresses = [found[name] for name in ("source_ip", "destination_ip")]
    right = [one.str.contains(_ADDRESS) for one in addresses]
    dated = found["time"].str.contains(r"^\d{9,10}$") if "start" in columns else whole
    none = addresses[0].is_null() & addresses[1].is_null() & dated
    fits = whole & dated & right[0] & right[1] & ~found["status"].is_in(_NO_FLOW).fill_null(False)
    fits = fits.fill_null(False)
    no_flow = (whole & (found["status"].is_in(_NO_FLOW) | none)).fill_null(False) & ~fits
    return found.with_columns(
        *(pl.when(fits).then(name).alias(name) for name in found.columns if name != "status"),
        fits=fits,
        no_flow=no_flow,
    )
