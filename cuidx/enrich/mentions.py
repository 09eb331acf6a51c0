r"""Every IP that an event mentions, and as what: own, source, destination, host, forwarded, text.

    10.89.1.14:48046 -> 10.89.1.13:8080: query ok   pod_ip 10.89.1.13
    own 10.89.1.13, text 10.89.1.14

An event names an address once for each field that has it. `text` stands for what only the message
has: an address that a field of the same event has too is no other mention, nor is one that stands
in the message twice. So a line is counted once for an address, and by the best role it has there.

In text an address stands alone: not in a longer word, number or host name (`v1.2.3.4`, the version
`1.2.3.4567`, the OID `1.3.6.1.4`, `10.0.0.1.nip.io`), and not before a prefix length (`10.0.0.0/24`
is a network). Ports, brackets, paths and zones around it are left out: `[::1]:80`, `fe80::1%eth0`,
`http://10.0.0.1/`, Java's `payment/10.0.0.1:80`; but `Chrome/120.0.0.0` is a version.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import polars as pl

from cuidx.enrich.identity import address
from cuidx.formats.text import in_fields

# In the order in which a row's mentions come; then as they stand in the value.
ROLES: Final = ("own", "source", "destination", "host", "forwarded", "text")
ROLE: Final = pl.Enum(ROLES)
_FIELDS: Final = {
    "own": "ip", "source": "source_ip", "destination": "destination_ip", "host": "host_ip",
    "forwarded": "forwarded_ip",
}  # fmt: skip
MENTIONS: Final = pl.Schema({"row": pl.UInt32(), "ip": pl.String(), "role": ROLE})

# Rust's expressions can't look around a match. So a match takes in the whole word that an address
# stands in, with what would make it none, and is judged by itself.
_WORD: Final = "[0-9A-Za-z_.]"
_QUAD: Final = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
_COLONS: Final = r"(?:::|(?:[0-9A-Fa-f]{1,4}:){6})"  # every IPv6 address has one of these
_V4: Final = rf"(?:[0-9A-Za-z_]/)?{_WORD}*{_QUAD}{_WORD}*(?:/[0-9][0-9A-Za-z_./-]*)?"
_V6: Final = rf"[0-9A-Za-z_.:]*{_COLONS}[0-9A-Za-z_.:]*(?:%[0-9A-Za-z_]+)?(?:/[0-9]+)?"
_CANDIDATE: Final = rf"{_V6}|{_V4}"
_LIKELY: Final = rf"{_QUAD}|{_COLONS}"
_IS_V4: Final = rf"^(?:[0-9A-Za-z_]/)?({_QUAD})(?:\.|/.*)?$"
_NETWORK: Final = rf"{_QUAD}/(?:[0-9]{{1,3}}|{_QUAD})\.?$"  # a prefix length, or a mask
_VERSION: Final = r"^[A-Za-z]/[0-9]+\.0\.0\.0$"
# Eight pairs are a hardware address (EUI-64, WWN).
_HARDWARE: Final = r"^(?:[0-9A-Fa-f]{2}:){7}[0-9A-Fa-f]{2}$"


def mentions(events: pl.DataFrame) -> pl.DataFrame:
    """Every mention of an IP in EVENTS, as MENTIONS: one row for each (row, ip, role).

        row  ip          role        row: the place in EVENTS, from 0
          0  10.89.1.13  own         addresses in their one spelling (`identity.address`)
          0  10.89.1.14  text

    EVENTS has some of the columns ip (in its one spelling), source_ip, destination_ip, host_ip,
    forwarded_ip (each maybe with a port, or a list) and message. Sorted by row, then by role in the
    order of ROLES, then as they stand in the value. Memory grows with EVENTS.
    """
    fields = [
        _in_values(events[column], role)
        for role, column in _FIELDS.items()
        if column in events.columns and events[column].null_count() < len(events)
    ]
    text = MENTIONS.to_frame()
    if "message" in events.columns:
        text = _in_values(events["message"], "text")
        if fields and len(text):
            text = _left(text, events["message"], pl.concat([found["row"] for found in fields]))
        for found in fields:
            text = text.filter(~_key(text).is_in(_key(found).implode()))
    # A stable sort by one number: within a row and role they stay in the order of the value.
    return pl.concat([*fields, text]).sort(
        pl.col("row").cast(pl.UInt64) * len(ROLES) + pl.col("role").to_physical(),
        maintain_order=True,
    )


def _left(text: pl.DataFrame, messages: pl.Series, told: pl.Series) -> pl.DataFrame:
    """TEXT without rows whose message is a shape with every address in a field, as TOLD has some.

    An access log's line has its addresses in roles; what its path or agent says is no mention.
    """
    rows = text["row"].unique().sort()
    rows = rows.filter(rows.is_in(told.unique().implode()))
    known = rows.filter(in_fields(messages.gather(rows)))
    return text.filter(~pl.col("row").is_in(known.implode())) if len(known) else text


def _key(found: pl.DataFrame) -> pl.Series:
    """One number for each (row, ip): quicker to compare than the two."""
    return found.select(pl.col("ip").hash(0) ^ pl.col("row").hash(1)).to_series()


def _in_values(values: pl.Series, role: str) -> pl.DataFrame:
    """The addresses in VALUES (text or null), as MENTIONS, in order."""
    if role == "own":  # `normalise` has made it the one spelling
        rows = values.is_not_null().arg_true()
        found = pl.DataFrame({"row": rows, "ip": values.gather(rows)})
    else:
        # Most lines have none, and looking is quicker than cutting out.
        rows = values.str.contains(_LIKELY).fill_null(False).arg_true()
        found = (
            pl.DataFrame({"row": rows, "word": values.gather(rows).str.extract_all(_CANDIDATE)})
            .explode("word", empty_as_null=False)
            .with_columns(ip=_address_in("word"))
            .with_columns(pl.col("ip").pipe(_spelled))
        )
    found = found.filter(pl.col("ip").is_not_null()).select(
        pl.col("row").cast(MENTIONS["row"]), "ip", role=pl.lit(role, ROLE)
    )
    return found if role == "own" else found.filter(_key(found).is_first_distinct())


def _address_in(name: str) -> pl.Expr:
    """What may be an address in a word that _CANDIDATE found, else null."""
    word = pl.col(name)
    v4 = pl.when(~word.str.contains(_NETWORK) & ~word.str.contains(_VERSION)).then(
        word.str.extract(_IS_V4, 1)
    )
    # A name like `std::io` or `a::b` has no digit. What may stand around it: a key before
    # (`peer:fe80::1`), a port after an IPv4 tail, a sentence's dot or colon at the end.
    v6 = pl.when(
        ~word.str.contains("/", literal=True)
        & word.str.contains("[0-9]")
        & ~word.str.contains(_HARDWARE)
    ).then(
        word.str.replace(r"^[0-9A-Za-z_.]*[G-Zg-z_][0-9A-Za-z_.]*:", "")
        .str.replace(r"(\.[0-9]{1,3}):[0-9]+$", "$1")
        .str.replace(r"([0-9A-Fa-f])[.:]$", "$1")
    )
    return pl.when(word.str.contains(_COLONS)).then(v6).otherwise(v4)


def _spelled(column: pl.Expr) -> pl.Expr:
    """Each distinct value in the address's one spelling; null for what is none after all."""

    def spell(values: pl.Series) -> pl.Series:
        distinct = values.drop_nulls().unique()
        known = pl.Series([_address(text) for text in distinct.to_list()], dtype=pl.String)
        return values.replace_strict(distinct, known, default=None, return_dtype=pl.String)

    return column.map_batches(spell, return_dtype=pl.String)


# The same few thousand addresses come again in each block of a file.
_address = lru_cache(maxsize=1 << 16)(address)
