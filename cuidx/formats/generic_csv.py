"""A table with commas or semicolons, and a header: any columns, by known names or by --field.

    time,level,service,pod,src_ip,request_id,message
    2026-11-02T09:00:02.400Z,INFO,mail,mail-q9t2w,,4f1c9e2a,"receipt queued, to customer-17"

Names are those that JSON lines have (docs/fields.md). A zone may stand in the time's name:
`Timestamp (UTC)`. Desktop tools in Europe write semicolons.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from cuidx.formats import delimited
from cuidx.formats.base import Block, Example, Reading, Sample
from cuidx.formats.delimited import LEAST, Header, cut

__all__ = ["NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "head", "parse", "sniff", "sure"]

NAME: Final = "generic-csv"
TITLE: Final = "CSV with a header, by commas or semicolons"
SOURCE: Final = "RFC 4180"

PARTS: Final = (
    ("commas or semicolons", r"[,;][^,;]*[,;]"),
    ("names in the first line", r'^"?[@#_]?[^\W\d][\w .@:/()\[\]#%+-]*"?[,;]'),
)

SAMPLES: Final = (
    Example(
        "time,level,service,pod,src_ip,request_id,message\n"
        '2026-11-02T09:00:00.100Z,INFO,gateway,gateway-x2k4q,10.10.10.4,4f1c,"GET ""/checkout"", '
        'then{""ikontainer_CUID"":""7f0c"",""svc"":""gateway.shop.lab""}"',
        {
            "time": "2026-11-02T09:00:00.100Z",
            "level": "INFO",
            "pod": "gateway-x2k4q",
            "source_ip": "10.10.10.4",
            "request_id": "4f1c",
            "message": 'GET "/checkout", then',
            "cuid": "7f0c",
        },
    ),
)

_DELIMITERS: Final = ",;"


def sniff(sample: Sample) -> float:
    """How sure, 0 to 0.85: by the header's names, and the share of rows that are as wide."""
    return sure(sample, _DELIMITERS)


def sure(sample: Sample, delimiters: str) -> float:
    """The same for any DELIMITERS. Names that say a time or a message make a table of it."""
    found = delimited.header(sample, delimiters)
    if found is None or len(found.names) < LEAST or not found.is_named:
        return 0.0
    wide, good = delimited.share(sample, found)
    known = found.known
    if not good:  # a header alone
        return 0.4 if len(known) >= LEAST else 0.0
    if known & {"time", "message"} and len(known) > 1:
        return 0.85 * wide
    return 0.35 * wide if wide >= 0.9 and (known or len(good) > 1) else 0.0


def head(sample: Sample, reading: Reading) -> Header | None:
    """The table's header."""
    del reading
    return delimited.header(sample, _DELIMITERS)


def parse(block: Block, reading: Reading) -> pl.DataFrame:
    """One row a row of the table."""
    found = reading.head or delimited.header(Sample(tuple(block.texts()[:100])), _DELIMITERS)
    return delimited.parse(block, reading, found)
