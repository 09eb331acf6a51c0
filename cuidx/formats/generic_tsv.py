r"""A table with tabs and a header: any columns, by known names or by --field.

    Timestamp (UTC)	level	service	message
    2026-11-02 09:00:02.400	INFO	mail	receipt queued

Cells are quoted as spreadsheets do it, or have `\t`, `\n`, `\\` and `\N` as databases write them:
a file where each backslash begins such an escape, and no cell a quote, is read in the second way.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from cuidx.formats import delimited, generic_csv
from cuidx.formats.base import Block, Example, Reading, Sample
from cuidx.formats.delimited import Header, cut

__all__ = ["NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "head", "parse", "sniff"]

NAME: Final = "generic-tsv"
TITLE: Final = "tab-separated values with a header"
SOURCE: Final = "IANA text/tab-separated-values; RFC 4180; PostgreSQL COPY and mysql --batch"

PARTS: Final = (
    ("tabs", r"\t[^\t]*\t"),
    ("names in the first line", r'^"?[@#_]?[^\W\d][\w .@:/()\[\]#%+-]*"?\t'),
)

SAMPLES: Final = (
    Example(
        "Timestamp (UTC)\tlevel\tservice\tpod\tmessage\n"
        '2026-11-02 09:00:05.000\tWARN\tpayment\tpayment-0\t"shutting down: signal ""TERM"" '
        '{""ikontainer_CUID"":""3b9d"",""svc"":""payment.shop.lab""}"',
        {
            "time": "2026-11-02T09:00:05Z",
            "level": "WARN",
            "pod": "payment-0",
            "message": 'shutting down: signal "TERM"',
            "cuid": "3b9d",
        },
    ),
)


def sniff(sample: Sample) -> float:
    """How sure, 0 to 0.85: by the header's names, and the share of rows that are as wide."""
    return generic_csv.sure(sample, "\t")


def head(sample: Sample, reading: Reading) -> Header | None:
    """The table's header."""
    del reading
    return delimited.header(sample, "\t")


def parse(block: Block, reading: Reading) -> pl.DataFrame:
    """One row a row of the table."""
    found = reading.head or delimited.header(Sample(tuple(block.texts()[:100])), "\t")
    return delimited.parse(block, reading, found)
