"""Every sample in fixtures/formats gives what its `expected/*.json` says, however it comes.

Identities are those of the content itself, before evidence joins anything; an event known by its
address alone counts as `none` there. Addresses are looked for by `mentions`, as `annotate` does.
"""

import bz2
import gzip
import io
import itertools
import json
import lzma
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
import zstandard
from stories import FIXTURES, FULL, conserved

import cuidx
from cuidx.enrich.identity import normalise, request_text
from cuidx.enrich.mentions import mentions
from cuidx.schema import ROLES

FOLDER = FIXTURES / "formats"
EXPECTED = {path.stem: json.loads(path.read_text()) for path in (FOLDER / "expected").iterdir()}
SAMPLE = {path.stem: path for path in FOLDER.iterdir() if path.stem in EXPECTED}
# One file of each name: `rawtext.log`, `esql.csv`. The names of the two sets are the same.
assert set(SAMPLE) == set(EXPECTED)

HEADED = {"esql-csv", "generic-csv", "generic-tsv", "kibana-csv"}  # expected/* leave the header out
ADDRESSES = ("ip", "source_ip", "destination_ip", "host_ip", "forwarded_ip")
WAYS: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda data: data,
    "gzip": gzip.compress,
    "zstd": zstandard.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "CRLF": lambda data: data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"),
    "no final newline": lambda data: data.rstrip(b"\r\n"),
    "BOM": lambda data: b"\xef\xbb\xbf" + data,
    "stdin": lambda data: data,
}


IN_FIELDS = {"aws-ipamd", "envoy-default", "ingress-nginx", "istio-text", "nginx-combined"}


def described(case: cuidx.Case) -> dict[str, Any]:
    """What `expected/*.json` describes, of the one source of CASE."""
    counted = case.accounting
    conserved(counted.as_json())
    frames = []
    for part in case._story.records.parts(frozenset(ROLES)):
        rows = part.frame.filter(pl.col("kind").is_in(["event", "evidence"]))
        if rows.height:
            frames.append(normalise(rows))
    rows = pl.concat(frames, how="diagonal")
    for name in ("request_id", "trace_id", "message", *ADDRESSES):
        if name not in rows.columns:
            rows = rows.with_columns(pl.lit(None, pl.String).alias(name))
    # A text that repeats an address of a field is no other mention; expected/*.json names both,
    # but for formats whose addresses are all fields.
    found = mentions(rows)
    if counted.sources[0].format not in IN_FIELDS:
        bare = rows.with_columns(pl.lit(None, pl.String).alias(name) for name in ADDRESSES)
        found = pl.concat([found.filter(pl.col("role") != "text"), mentions(bare)])
    ips = {role: sorted(set(part["ip"])) for (role,), part in found.group_by("role")}
    kinds = rows.group_by(pl.col("identity").cast(pl.String).replace("ip", "none")).len()
    ids = {
        value
        for name in ("request_id", "trace_id")
        for value in rows.select(request_text(pl.col(name))).to_series().drop_nulls()
    }
    time = rows["time"].drop_nulls().dt.to_string("%Y-%m-%dT%H:%M:%S.%9fZ")
    bins = counted.sources[0]
    return {
        "format": bins.format,
        "events": bins.events + bins.evidence,
        "unreadable": bins.unreadable,
        "skipped": bins.skipped,
        "partial_lines": bins.fragments,
        "span": [time.min(), time.max()],
        "identities": dict(sorted(kinds.iter_rows())),
        "ips": dict(sorted(ips.items())),
        "request_ids": len(ids),
    }


def expected(name: str) -> dict[str, Any]:
    """The same from expected/*.json."""
    said = EXPECTED[name]
    zoned = said["zone"] != "unknown"
    return {
        "format": said["format"],
        "events": said["events"],
        "unreadable": said["unreadable"],
        "skipped": said.get("skipped", said["format"] in HEADED),
        "partial_lines": said.get("partial_lines", 0),
        "span": [time if zoned else time + "Z" for time in said["span"]],
        "identities": dict(sorted(said["identities"].items())),
        "ips": {role: sorted(ips) for role, ips in sorted(said["ips"].items())},
        "request_ids": said["request_ids"],
    }


def wayward() -> list[tuple[str, str]]:
    """Each sample in all ways where FULL; else in one that its format has to see to, and another."""
    own = itertools.cycle(["CRLF", "no final newline"])
    others = itertools.cycle([way for way in WAYS if way not in ("CRLF", "no final newline")])
    return [
        (name, way)
        for name in sorted(SAMPLE)
        for way in (WAYS if FULL else (next(own), next(others)))
    ]


@pytest.mark.parametrize(("name", "way"), wayward())
def test_a_sample_gives_what_it_must(
    name: str, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = WAYS[way](SAMPLE[name].read_bytes())
    path = tmp_path / "name-says-nothing"
    if way == "stdin":
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
        case = cuidx.open_case("-", tz="UTC")
    else:
        path.write_bytes(data)
        case = cuidx.open_case(path, tz="UTC")
    assert described(case) == expected(name)


# Half of the middle line before that line: what it is, where it is not one unreadable record.
HALF: dict[str, dict[str, int]] = {
    # Text is text, whatever ends it; what is in front of it is whole.
    "rawtext": {"events": 1}, "containerd": {"events": 1}, "kubectl-logs": {"events": 1},
    "stern-default": {"events": 1}, "cloudwatch-export": {"events": 1},
    "calico-cni": {"evidence": 1},  # it still names its sandbox
    "cri": {"fragments": 1},  # a piece without its end, which the next piece goes on with
    "zeek-conn": {"skipped": 1},  # half a comment
    # Half a line of an indented document is blanks …
    "cloudwatch": {}, "k8s-events": {}, "k8s-pods-watch": {},
    # … or breaks it: what comes before is read, the rest is one unreadable record.
    "cloudwatch-insights": {"events": -4, "unreadable": 1},
    "crictl-pods": {"evidence": -3, "unreadable": 1},
    "es-search": {"events": -5, "unreadable": 1}, "k8s-pods": {"evidence": -3, "unreadable": 1},
    "esql-response": {"events": -5, "unreadable": 1}, "loki-api": {"events": -5, "unreadable": 1},
    "prometheus-pod-info": {"evidence": -4, "unreadable": 1},
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(SAMPLE))
def test_a_broken_line_in_the_middle(name: str, tmp_path: Path) -> None:
    lines = SAMPLE[name].read_bytes().removesuffix(b"\n").split(b"\n")
    middle = len(lines) // 2
    half = lines[middle][: len(lines[middle]) // 2]
    counts = []
    for file, data in (("a", lines), ("b", [*lines[:middle], half, *lines[middle:]])):
        (tmp_path / file).write_bytes(b"\n".join(data) + b"\n")
        case = cuidx.open_case(tmp_path / file)
        conserved(case.accounting.as_json())
        assert case.opened[0].format == EXPECTED[name]["format"]
        counts.append(case.accounting)
    whole, broken = counts
    bins = ("events", "fragments", "evidence", "skipped", "unreadable")
    changed = {bin_: getattr(broken, bin_) - getattr(whole, bin_) for bin_ in bins}
    wanted = HALF.get(name, {"unreadable": 1})
    assert {bin_: count for bin_, count in changed.items() if count} == wanted
