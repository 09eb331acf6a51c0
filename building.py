"""Builds cuidx: setuptools, and where the machine has no C compiler, the one in PyPI's `ziglang`.

https://setuptools.pypa.io/en/latest/build_meta.html#dynamic-build-dependencies-and-other-build-meta-tweaks
"""

import os
import shlex
import shutil
import sys
import sysconfig
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import (
    build_sdist,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

Settings = dict[str, Any] | None


def _compiler() -> str | None:
    """A C compiler that is there: the one that Python was built with, or another."""
    usual = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[:1]
    return next(filter(shutil.which, [*usual, "cc", "gcc", "clang"]), None)


def _needs(requires: list[str]) -> list[str]:
    # Windows and macOS have ways of their own to find theirs.
    lacking = sys.platform == "linux" and _compiler() is None
    return [*requires, "ziglang>=0.13"] if lacking else requires


def _choose() -> None:
    if sys.platform != "linux" or os.environ.get("CC"):
        return
    usual = shlex.split(sysconfig.get_config_var("CC") or "cc")[0]
    if shutil.which(usual):
        return
    found = _compiler() or f"{shlex.quote(sys.executable)} -m ziglang cc"
    os.environ["CC"] = found
    os.environ["LDSHARED"] = f"{found} -shared"
    os.environ["CFLAGS"] = os.environ["LDFLAGS"] = ""


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    return _needs(build_meta.get_requires_for_build_wheel(config_settings))


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    return _needs(build_meta.get_requires_for_build_editable(config_settings))


def build_wheel(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    _choose()
    return build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    _choose()
    return build_meta.build_editable(wheel_directory, config_settings, metadata_directory)
