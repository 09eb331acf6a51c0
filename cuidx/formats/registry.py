"""The list of formats, and how one is chosen for a source: by its content, never by its name.

To add a format: one module here with NAME, TITLE, SOURCE, SAMPLES, sniff, cut and parse
(`base.Format`), and its line in FORMATS. docs/contributing.md goes through it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

from cuidx.errors import SourceError, UnknownFormatError, UsageError
from cuidx.formats import (
    aws_ipamd,
    calico_cni,
    cloudwatch,
    cloudwatch_export,
    cloudwatch_insights,
    containerd,
    cri,
    crictl_pods,
    docker_json,
    elasticdump,
    elasticdump_array,
    envoy_default,
    es_bulk,
    es_search,
    esql_csv,
    esql_json,
    filebeat,
    fluentbit,
    fluentbit_merged,
    fluentd_es,
    fluentd_file,
    generic_csv,
    generic_tsv,
    hubble,
    ingress_nginx,
    istio_json,
    istio_text,
    journald,
    jsonl_flat,
    k8s_audit,
    k8s_events,
    k8s_pods,
    k8s_pods_watch,
    kibana_csv,
    klog,
    kubectl_logs,
    logfmt,
    loki_api,
    loki_logcli,
    nginx_combined,
    otlp,
    prometheus_pod_info,
    rawtext,
    stern_default,
    stern_json,
    syslog_3164,
    syslog_5424,
    vector,
    vpc_flow,
    zeek_conn,
    ztunnel,
)
from cuidx.formats.base import Block, Example, Format, Headed, Reading, Sample
from cuidx.formats.documents import Adapter
from cuidx.formats.text import Text

__all__ = ["ADAPTERS", "BY_NAME", "FORMATS", "TEXTS", "Block", "Detected", "Example", "Format",
           "Reading", "Sample", "begin", "detect", "named"]  # fmt: skip

# The order decides nothing: a general format caps its own answer.
FORMATS: Final[tuple[Format, ...]] = (
    aws_ipamd, calico_cni, cloudwatch, cloudwatch_export, cloudwatch_insights, containerd, cri,
    crictl_pods, docker_json, elasticdump, elasticdump_array, envoy_default, es_bulk, es_search,
    esql_csv, esql_json, filebeat, fluentbit, fluentbit_merged, fluentd_es, fluentd_file,
    generic_csv, generic_tsv, hubble, ingress_nginx, istio_json, istio_text, journald, jsonl_flat,
    k8s_audit, k8s_events, k8s_pods, k8s_pods_watch, kibana_csv, klog, kubectl_logs, logfmt,
    loki_api, loki_logcli, nginx_combined, otlp, prometheus_pod_info, rawtext, stern_default,
    stern_json, syslog_3164, syslog_5424, vector, vpc_flow, zeek_conn, ztunnel,
)  # fmt: skip
# What some of them can do beside reading a file of their own: their documents and their text lines
# are known wherever they stand, in any envelope.
ADAPTERS: Final = cast("tuple[Adapter, ...]", tuple(f for f in FORMATS if hasattr(f, "ADAPTS")))
TEXTS: Final = cast("tuple[Text, ...]", tuple(f for f in FORMATS if hasattr(f, "LIKELY")))
BY_NAME: Final[dict[str, Format]] = {format_.NAME: format_ for format_ in FORMATS}

_SAMPLE_LINES: Final = 1000
_ODD: Final = 0.3  # share of control characters above which bytes are no text


@dataclass(frozen=True, slots=True)
class Detected:
    """The format of a source, how sure, what came second, and whether its records are JSON."""

    format: Format
    confidence: float
    json_share: float
    second: tuple[str, float]
    sample: Sample


def detect(head: bytes, path: str, name: str | None = None) -> Detected:
    """The format of a source that begins with HEAD; NAME is what `--input-format` said.

    Raises:
        SourceError: the bytes are no text.
        UnknownFormatError: no line fits the format that was named.
    """
    sample = sample_of(head, path)
    scores = sorted(((f.sniff(sample), f.NAME) for f in FORMATS), key=lambda s: (-s[0], s[1]))
    json_share = sample.share(len(sample.documents))
    if name is not None:
        chosen = named(name)
        score = chosen.sniff(sample)
        if score == 0 and sample.filled:
            first = next(at for at, line in enumerate(sample.lines, 1) if line.strip())
            line = sample.lines[first - 1]
            raise UnknownFormatError(
                f"{_short(line)} is no {name} record, nor is any other of the first "
                f"{len(sample.filled)} lines (closest: {scores[0][1]}, {scores[0][0]:.0%})",
                where=f"{path}:{first}",
                do=f"try --input-format {scores[0][1]}, or leave the option out to detect it",
            )
        return Detected(chosen, score, json_share, scores[0][::-1], sample)
    best, second = scores[0], scores[1]
    return Detected(BY_NAME[best[1]], best[0], json_share, second[::-1], sample)


def begin(format_: Format, reading: Reading, head: bytes, path: str) -> None:
    """Let FORMAT_ look at a source's first bytes: what they say holds for all of READING."""
    if hasattr(format_, "head"):
        reading.head = cast("Headed", format_).head(sample_of(head, path), reading)


def named(name: str) -> Format:
    """The format that users call NAME.

    Raises:
        UsageError: there is none.
    """
    if name not in BY_NAME:
        raise UsageError(
            f"no input format is called {name!r}", do=f"known: {', '.join(sorted(BY_NAME))}"
        )
    return BY_NAME[name]


def sample_of(head: bytes, path: str) -> Sample:
    """The first lines of HEAD, as text.

    Raises:
        SourceError: HEAD is no text.
    """
    start = head[: 1 << 16]
    text = start.decode("utf-8", "replace")
    odd = sum(letter == "\ufffd" or (letter < " " and letter not in "\t\n\r\x1b\x0b\x0c")
              for letter in text)  # fmt: skip
    if odd > _ODD * len(text):
        raise SourceError(
            "this is no text and in no known format", where=path, do="leave it out, or unpack it"
        )
    lines = head[: 1 << 20].decode("utf-8", "replace").split("\n")
    if len(lines) > 1 and (len(head) > 1 << 20 or not lines[-1]):
        lines.pop()  # cut by the sample, or what follows the last newline
    return Sample(tuple(lines[:_SAMPLE_LINES]))


def _short(line: str) -> str:
    return repr(line if len(line) <= 60 else line[:59] + "…")
