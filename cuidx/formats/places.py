"""Whose line it is, by the name of the file that it was read from.

    /var/log/pods/NAMESPACE_POD_UID/CONTAINER/RESTART.log          the kubelet's
    /var/log/containers/POD_NAMESPACE_CONTAINER-ID.log             the kubelet's links to those
    /var/lib/docker/containers/ID/ID-json.log                      docker's
    kubernetes.var.log.containers.POD_NAMESPACE_CONTAINER-ID.log   Fluentd's tag for the second
    NAMESPACE/POD:CONTAINER                                        Grafana Alloy's `instance`

Such a name is a source's own path, or stands in a field beside the line (the role `log_path`).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import polars as pl

__all__ = ["fill", "roles_of"]

_SHAPES: Final = (
    # rotated and packed ones too
    re.compile(
        r"(?:^|/)(?P<namespace>[^/_]+)_(?P<pod>[^/_]+)_(?P<pod_uid>[0-9a-f]{8}[0-9a-f-]{24,28})"
        r"/(?P<container_name>[^/]+)/(?P<restart>\d+)\.log[^/]*$"
    ),
    re.compile(
        r"(?:^|/)(?:[^/]*var\.log\.containers\.)?(?P<pod>[^/_]+)_(?P<namespace>[^/_]+)"
        r"_(?P<container_name>[^/]+)-(?P<container_id>[0-9a-f]{64})\.log[^/]*$"
    ),
    re.compile(r"(?:^|/)(?P<container_id>[0-9a-f]{64})-json\.log[^/]*$"),
)
_INSTANCE: Final = re.compile(
    r"(?P<namespace>[a-z0-9-]+)/(?P<pod>[a-z0-9.-]+):(?P<container_name>[a-z0-9-]+)"
)
_LIKELY: Final = r"_.*\.log|-json\.log|^[a-z0-9-]+/[a-z0-9.-]+:[a-z0-9-]+$"
_TOLD: Final = ("namespace", "pod", "pod_uid", "container_name", "restart", "container_id")


def roles_of(path: str) -> dict[str, str]:
    """The roles that a file's PATH tells; none if it is named otherwise."""
    for shape in _SHAPES:
        if hit := shape.search(path):
            return hit.groupdict()
    return {}


@lru_cache(maxsize=1 << 14)
def _told(text: str) -> tuple[str | None, ...]:
    hit = _INSTANCE.fullmatch(text)
    found = hit.groupdict() if hit else roles_of(text)
    return tuple(found.get(role) for role in _TOLD)


def fill(frame: pl.DataFrame) -> pl.DataFrame:
    """FRAME without `log_path`, and with what that tells wherever the row itself says nothing."""
    path = frame["log_path"]
    frame = frame.drop("log_path")
    # A file's name comes again in thousands of lines.
    names = path.drop_nulls().unique()
    names = names.filter(names.str.contains(_LIKELY))
    if names.is_empty():
        return frame
    told = pl.DataFrame(
        [_told(name) for name in names.to_list()],
        schema=dict.fromkeys(_TOLD, pl.String),
        orient="row",
    ).with_columns(log_path=names)
    told = told.drop(name for name in _TOLD if told[name].null_count() == len(told))
    if told.width == 1:
        return frame
    found = pl.DataFrame({"log_path": path}).join(
        told, on="log_path", how="left", maintain_order="left"
    )
    return frame.with_columns(
        (pl.coalesce(frame[role], found[role]) if role in frame.columns else found[role]).alias(
            role
        )
        for role in found.columns
        if role != "log_path"
    )
