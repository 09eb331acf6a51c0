"""Elasticsearch: an index as a source, and what `push` writes to it."""

from __future__ import annotations

import os

from cuidx.sources.elastic.address import Address, is_url, parse, without_secret
from cuidx.sources.elastic.client import Client
from cuidx.sources.elastic.index import Foreign, Index, Stored
from cuidx.sources.elastic.writing import Item, Written, bulk, prepare, start_lookup

__all__ = ["Address", "Client", "Foreign", "Index", "Item", "Stored", "Written", "bulk", "is_url",
           "open_index", "parse", "prepare", "start_lookup", "without_secret"]  # fmt: skip


def open_index(
    url: str, *, ca: str | os.PathLike[str] | None = None, insecure: bool = False
) -> Index:
    """The index pattern that URL names. CA is a PEM file; INSECURE trusts any certificate.

    Raises:
        UsageError: the URL is none.
    """
    return Index(parse(url, ca=ca, insecure=insecure))
