"""Where an index is, and who asks: the URL as typed, secrets from the environment.

https://logs.example.org:9200/shop-*          CUIDX_ES_API_KEY, or
https://reader@logs.example.org:9200/shop-*   CUIDX_ES_USER and CUIDX_ES_PASSWORD
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from cuidx.errors import UsageError

_SHAPE: Final = "http(s)://host:port/index-pattern, for example http://localhost:9200/shop-*"


@dataclass(frozen=True, slots=True)
class Address:
    """A server and an index pattern on it. `shown` is the URL without who asks."""

    scheme: str
    host: str
    port: int
    prefix: str  # of the path, where a proxy serves several things: "" or "/logs"
    index: str
    shown: str
    authorization: str | None = field(default=None, repr=False)
    ca: str | None = None
    insecure: bool = False

    @property
    def target(self) -> str:
        """The index pattern as it stands in a request's path."""
        return "/" + quote(self.index, safe="*,-_.+")


def without_secret(url: str) -> str:
    """URL without its user, password and query: what may be shown."""
    scheme, _, rest = url.partition("?")[0].partition("#")[0].partition("://")
    # A password may have a slash that was not written as %2F.
    server, slash, path = rest.rpartition("@")[2].partition("/")
    return f"{scheme}://{server}{slash}{path}"


def parse(
    url: str,
    *,
    ca: str | os.PathLike[str] | None = None,
    insecure: bool = False,
    index: str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Address:
    """The address that URL means; INDEX stands for the pattern in it.

    Raises:
        UsageError: it is no such URL, or the CA file isn't there.
    """
    shown = without_secret(url)
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        raise UsageError("this is no URL", where=shown, do=_SHAPE) from None
    if not host or port is None:
        raise UsageError(
            f"the URL has no {'port' if host else 'host'}", where=shown, do=f"it is {_SHAPE}"
        )
    prefix, _, last = parts.path.rstrip("/").rpartition("/")
    if index is not None:
        prefix, last = (prefix + "/" + last).rstrip("/") if last else prefix, index
    pattern = unquote(last)
    if not pattern or parts.query or parts.fragment:
        raise UsageError("the URL names no index", where=shown, do=f"it is {_SHAPE}")
    ca = ca or environment.get("CUIDX_ES_CA")
    if ca is not None and not Path(ca).is_file():
        raise UsageError("this CA file isn't there", where=str(ca), do="--ca takes a PEM file")
    bare = f"{parts.scheme}://{'[' + host + ']' if ':' in host else host}:{port}{prefix}/{pattern}"
    user = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    return Address(
        scheme=parts.scheme,
        host=host,
        port=port,
        prefix=prefix,
        index=pattern,
        shown=bare,
        authorization=_authorization(user, password, environment),
        ca=None if ca is None else str(ca),
        insecure=insecure,
    )


def _authorization(
    user: str | None, password: str | None, environment: Mapping[str, str]
) -> str | None:
    """The header that says who asks: what the URL says, else what the environment does."""
    key = environment.get("CUIDX_ES_API_KEY")
    if user is None and key:
        if ":" in key:  # id:key, as some show it; the header takes it in base64
            key = base64.b64encode(key.encode()).decode()
        return f"ApiKey {key}"
    user = user or environment.get("CUIDX_ES_USER")
    if user is None:
        return None
    secret = password if password is not None else environment.get("CUIDX_ES_PASSWORD", "")
    return "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()
