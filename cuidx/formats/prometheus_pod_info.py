"""Prometheus' answer to a query for `kube_pod_info`: who had which address, for weeks.

    {"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"kube_pod_info",
    "pod_ip":"10.10.11.2","uid":"…",…},"values":[[1793609990,"1"],…]},…]}}

One series a Pod and address, also `kube_pod_ips`. A Pod had its address from the series' first
sample to its last: between two of them nobody else did, since a restart of the collector makes a
hole in all series at once. Without a stale marker a series goes on for up to 5 minutes; so the end
is soft where it comes before the answer's own. Two series of one Pod: before it got its address,
and after. What lived for less than a scrape is missing.

Source: kube-state-metrics, docs/metrics/workload/pod-metrics.md; Prometheus HTTP API.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from cuidx.formats import lines, whole
from cuidx.formats.base import Block, Example, Reading, Sample, whole_document
from cuidx.formats.documents import Adapted
from cuidx.formats.k8s_objects import part

__all__ = ["NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "parse", "sniff"]

NAME: Final = "prometheus-pod-info"
TITLE: Final = "Prometheus' answer for kube_pod_info or kube_pod_ips"
SOURCE: Final = "kube-state-metrics, pod metrics; Prometheus HTTP API, query and query_range"

PARTS: Final = (
    ("a JSON object", r"^\s*\{"),
    ("resultType matrix or vector", r'"resultType"\s*:\s*"(?:matrix|vector)"'),
    ("the metric kube_pod_info or kube_pod_ips", r'"kube_pod_(?:info|ips)"'),
)
SAMPLES: Final = (
    Example(
        '{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":'
        '"kube_pod_info","host_ip":"10.10.1.12","host_network":"false","namespace":"shop","node":'
        '"node-2","pod":"payment-0","pod_ip":"10.10.11.2","uid":"8ac1e0b2"},"values":'
        '[[1793609990,"1"],[1793609995,"1"],[1793610005,"1"]]}]}}',
        {
            "time": "2026-11-02T08:59:50Z",
            "namespace": "shop",
            "pod": "payment-0",
            "pod_uid": "8ac1e0b2",
            "node": "node-2",
            "host_ip": "10.10.1.12",
            "ip": "10.10.11.2",
            "held_from": "1793609990",
            "held_to": "1793610005",
            "kind": "evidence",
        },
    ),
    Example(  # an instant; the address is the node's
        '{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":'
        '"kube_pod_info","host_ip":"10.10.1.12","host_network":"true","namespace":"kube-system",'
        '"node":"node-2","pod":"kube-proxy-7x9kd","pod_ip":"10.10.1.12","uid":"0f1e2d3c"},"value":'
        '[1793610010.25,"1"]}]}}',
        {
            "time": "2026-11-02T09:00:10.250Z",
            "pod_uid": "0f1e2d3c",
            "ip": None,
            "host_ip": "10.10.1.12",
            "kind": "evidence",
        },
    ),
)

cut = whole_document

_ANSWER: Final = re.compile(r'\s*\{.{0,4096}?"resultType"\s*:\s*"(?:matrix|vector)"', re.DOTALL)
_METRIC: Final = re.compile(r'"__name__"\s*:\s*"kube_pod_(?:info|ips)"')
_LABELS: Final = re.compile(r'"metric"\s*:\s*\{[^{}]*"(?:pod_)?ip"\s*:[^{}]*"uid"\s*:')


def sniff(sample: Sample) -> float:
    """1 for an answer with one of the two metrics, 0.8 if only labels tell (`max by (uid, …)`)."""
    if not _ANSWER.match(sample.text):
        return 0.0
    return 1.0 if _METRIC.search(sample.text) else 0.8 if _LABELS.search(sample.text) else 0.0


@dataclass(slots=True)
class _Series:
    """One series: its labels, when it was sampled first and last, and where it stands."""

    at: int
    labels: dict[str, Any]
    first: str | None = None
    last: str | None = None

    @classmethod
    def of(cls, at: int, value: Any) -> _Series:
        found = cls(at, part(value, "metric"))
        values = value.get("values") or [value.get("value")] if isinstance(value, dict) else []
        times = [pair[0] for pair in values if _is_sample(pair)] if isinstance(values, list) else []
        if times:
            found.first, found.last = repr(times[0]), repr(times[-1])
        return found

    @property
    def end(self) -> float:
        return float(self.last) if self.last else 0.0

    @property
    def tells(self) -> bool:
        """Whether it is of a Pod at all."""
        return self.last is not None and ("pod" in self.labels or "uid" in self.labels)


def _is_sample(pair: Any) -> bool:
    return isinstance(pair, list) and bool(pair) and type(pair[0]) in (int, float)


def parse(block: Block, reading: Reading) -> pl.DataFrame:
    """One row a series, as evidence; what is of no Pod, and an answer without any, is skipped.

    Answers may follow one another, as of several queries; each has an end of its own.
    """
    text = block.data.decode("utf-8", "replace")
    where, at = whole.Lines(text, block.first_line), 0
    records: list[lines.Record] = []
    while at < len(text):
        begin, series = at, list[_Series]()
        said = None
        try:
            at = _read(text, begin, series)
            if text.startswith("{", begin):
                _complain(text, begin, series, at, reading)
            else:
                said = whole.BrokenError("no answer of Prometheus", begin)
        except whole.BrokenError as error:
            at, said = len(text), error
        records += _answer(series, where, reading)
        if said is not None:
            records.append(
                lines.Record(where.at(said.at), None, {}, "unreadable", why=str(said),
                             raw=text[said.at : at].rstrip())
            )  # fmt: skip
        elif not series:
            records.append(lines.Record(where.at(begin), None, {}, "skipped"))
    return lines.of_records(lines.numbered(records), reading)


def _read(text: str, begin: int, series: list[_Series]) -> int:
    """Add the series of the answer at BEGIN to SERIES; where the next answer begins."""
    elements = whole.below(text, whole.skip(text, begin), ("data", "result"))
    while True:
        try:
            at, value = next(elements)
        except StopIteration as ended:
            return whole.skip(text, int(ended.value))
        series.append(_Series.of(at, value))


def _answer(series: list[_Series], where: whole.Lines, reading: Reading) -> Iterator[lines.Record]:
    end = max((one.end for one in series), default=0.0)
    on_host = {one.labels.get("uid") for one in series if one.labels.get("host_network") == "true"}
    if any("ip" in one.labels for one in series) and not any(
        "host_network" in one.labels for one in series
    ):
        reading.notes.add("kube_pod_ips does not say which Pods are on their node's network: they "
                          "seem to share its address (ask for kube_pod_info, too)")  # fmt: skip
    for one in series:
        line, labels = where.at(one.at), one.labels
        if not one.tells:
            yield lines.Record(line, None, {}, "skipped")
            continue
        own = labels.get("pod_ip") or labels.get("ip")
        if labels.get("uid") in on_host or own == labels.get("host_ip"):
            own = None
        roles: Adapted = {
            "time": one.first,
            "message": str(labels.get("__name__") or ""),
            "namespace": labels.get("namespace"),
            "cluster": labels.get("cluster"),
            "pod": labels.get("pod"),
            "pod_uid": labels.get("uid"),
            "node": labels.get("node"),
            "ip": own,
            "host_ip": labels.get("host_ip"),
            "held_from": one.first,
            "held_to": one.last,
            "soft": "true" if one.end < end else None,
            "state": "open" if one.end >= end else None,
        }
        yield lines.Record(line, None, roles, "evidence")


def _complain(text: str, begin: int, series: list[_Series], end: int, reading: Reading) -> None:
    """What Prometheus says of its answer itself: all but the series is a small document."""
    cut = (series[0].at, whole.end(text, series[-1].at)) if series else (end, end)
    for _, answer in whole.documents(text[begin : cut[0]] + text[cut[1] : end]):
        if answer.get("status") == "error":
            reading.notes.add(f"Prometheus answered with an error: {answer.get('error')}")
        warnings = answer.get("warnings")
        for warning in warnings if isinstance(warnings, list) else []:
            reading.notes.add(f"Prometheus warns of its answer: {warning}")
