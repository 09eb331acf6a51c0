"""The public logs (fixtures/public): what each is taken for, and the figures that come out of it.

Written down once, after a look at each file beside its answer; a change here is looked at again.
Times without a year are before the file's modification time, so that is set.
"""

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest
from stories import FIXTURES, conserved

import cuidx

PUBLIC = FIXTURES / "public"
NEW_YEAR_2025 = 1_735_689_600


class Figures(NamedTuple):
    path: str
    format: str
    records: int
    events: int
    evidence: int
    unreadable: int
    first: str | None
    last: str | None
    ips: int


FIGURES: list[Figures] = [
    Figures("cri/fluent-bit-hdfs-stderr.log", "cri", 19, 19, 0, 0, "2020-08-19T21:06:24", "2020-08-19T21:06:24", 0),
    Figures("cri/fluent-bit-multiline-interleaved.log", "cri", 16, 8, 0, 0, "2019-05-07T18:57:50", "2019-05-07T18:57:57", 0),
    Figures("cri/fluent-bit-multiline-mixed.log", "cri", 7, 3, 0, 0, "2019-05-07T18:57:50", "2019-05-07T18:57:52", 0),
    Figures("cri/fluent-bit-out-of-order.log", "cri", 4, 4, 0, 0, "2021-05-17T17:35:01", "2021-05-17T17:35:01", 0),
    Figures("cri/fluent-bit-three-full.log", "cri", 3, 3, 0, 0, "2025-09-22T19:07:06", "2025-09-22T19:07:08", 0),
    Figures("cri/fluent-plugin-parser-cri.log", "cri", 3, 3, 0, 0, "2020-10-10T00:10:00", "2020-10-10T00:10:00", 0),
    Figures("cri/kubelet-parse-cases.log", "cri", 5, 3, 0, 1, "2016-10-20T18:39:20", "2016-10-20T18:39:20", 0),
    Figures("cri/var-log-pods/some_kube-scheduler-kind-control-plane_49cc7c1fd3702c40b2686ea7486091d3/kube-scheduler44/1.log", "cri", 3, 2, 0, 0, "2024-04-13T17:59:37", "2024-04-13T17:59:37", 0),
    Figures("cri/var-log-pods/some_kube-scheduler-kind-control-plane_49cc7c1fd3702c40b2686ea7486091d3/kube-scheduler44/1.log.20250219-233547", "cri", 3, 2, 0, 0, "2024-04-13T07:59:37", "2024-04-13T07:59:37", 0),
    Figures("docker/containers/043b521509b63b46e785a897f9264cecb3531ebc83d5072fcaeeeae6336bce57/config.v2.json", "jsonl-flat", 1, 1, 0, 0, None, None, 0),
    Figures("docker/containers/1a38a7677732c264a914122d82b7b03e083fdadf8d0586b9df57db33a8f62e0c/config.v2.json", "jsonl-flat", 1, 1, 0, 0, None, None, 0),
    Figures("docker/containers/3d02975d4378f74f9a5005206e14745ce76947d970fad44ac6a5c5b80a3ccdf0/config.v2.json", "jsonl-flat", 1, 1, 0, 0, None, None, 0),
    Figures("docker/containers/c652e8674cc618ab3bda66c5bb5af93a88f9fa4efec4e4c0851c68dde4b25750/config.v2.json", "jsonl-flat", 1, 1, 0, 0, None, None, 0),
    Figures("docker/k8s-events/eventlist_v1_with_creationTimestamp.json", "k8s-events", 1, 0, 1, 0, "2023-12-24T13:37:16", "2023-12-24T13:37:16", 0),
    Figures("docker/k8s-events/eventlist_v1_with_lastTimestamp.json", "k8s-events", 1, 0, 1, 0, "2023-12-24T09:29:51", "2023-12-24T09:29:51", 0),
    Figures("docker/k8s-events/watch_v1_with_lastTimestamp.json", "k8s-events", 1, 0, 1, 0, "2024-07-31T18:47:15", "2024-07-31T18:47:15", 0),
    Figures("docker/kubelet-parse-cases-json.log", "docker-json", 5, 5, 0, 0, "2016-10-20T18:39:20", "2020-09-27T11:18:03", 0),
    Figures("docker/kubernetes-log/annotations-parser_json-with-time_json.log", "docker-json", 1, 1, 0, 0, "2019-04-01T17:58:33", "2019-04-01T17:58:33", 0),
    Figures("docker/kubernetes-log/annotations-parser_multiple-1_container-1.log", "docker-json", 2, 2, 0, 0, "2019-04-01T17:58:33", "2019-04-01T17:58:33", 0),
    Figures("docker/kubernetes-log/annotations-parser_regex-with-time_invalid-text-1.log", "docker-json", 1, 1, 0, 0, "2019-04-01T17:58:33", "2019-04-01T17:58:33", 0),
    Figures("docker/kubernetes-log/annotations-parser_stderr_text.log", "docker-json", 2, 2, 0, 0, "2019-04-01T17:58:33", "2019-04-01T17:58:33", 0),
    Figures("docker/kubernetes-log/core_base_fluent-bit.log", "docker-json", 1, 1, 0, 0, "2019-04-01T17:58:33", "2019-04-01T17:58:33", 0),
    Figures("docker/kubernetes-log/core_no-meta_text.log", "docker-json", 1, 1, 0, 0, "2019-04-01T17:58:33", "2019-04-01T17:58:33", 0),
    Figures("docker/kubernetes-log/core_unescaping_json.log", "docker-json", 1, 1, 0, 0, "2019-04-01T17:58:33", "2019-04-01T17:58:33", 0),
    Figures("docker/kubernetes-log/core_unescaping_text.log", "docker-json", 1, 1, 0, 0, "2019-04-01T17:58:33", "2019-04-01T17:58:33", 0),
    Figures("docker/kubernetes-log/options_merge-log-enabled_invalid-json.log", "docker-json", 1, 1, 0, 0, "2019-04-01T17:58:33", "2019-04-01T17:58:33", 0),
    Figures("docker/kubernetes-log/options_merge-log-enabled_json.log", "docker-json", 1, 1, 0, 0, "2019-04-01T17:58:33", "2019-04-01T17:58:33", 0),
    Figures("docker/kubernetes-log/options_merge-log-trim-enabled_json.log", "docker-json", 1, 1, 0, 0, "2019-04-01T17:58:33", "2019-04-01T17:58:33", 0),
    Figures("docker/pod-meta/core_base-with-owner-references.json", "k8s-pods", 1, 0, 1, 0, "2019-04-03T09:29:00", "2019-04-03T09:29:00", 2),
    Figures("docker/pod-meta/core_base.json", "k8s-pods", 1, 0, 1, 0, "2019-04-03T09:29:00", "2019-04-03T09:29:00", 2),
    Figures("docker/pod-meta/default_kairosdb-914055854-b63vq.json", "k8s-pods", 1, 0, 1, 0, "2018-01-30T10:03:37", "2018-01-30T10:03:37", 2),
    Figures("docker/pod-meta/options_use-kubelet-enabled.json", "k8s-pods", 1, 0, 1, 0, "2019-04-03T09:29:00", "2019-04-03T09:29:00", 2),
    Figures("docker/tail/dockermode.log", "docker-json", 3, 3, 0, 0, None, None, 0),
    Figures("docker/tail/dockermode_firstline_detection.log", "docker-json", 9, 9, 0, 0, None, None, 0),
    Figures("docker/tail/dockermode_multiple_lines.log", "docker-json", 6, 6, 0, 0, None, None, 0),
    Figures("docker/tail/dockermode_splitted_line.log", "docker-json", 6, 2, 0, 0, None, None, 0),
    Figures("docker/tail/dockermode_splitted_multiple_lines.log", "docker-json", 8, 6, 0, 0, None, None, 0),
    Figures("docker/tail/multiline_001.log", "jsonl-flat", 6, 6, 0, 0, "2006-07-28T13:22:04", "2006-07-28T13:22:04", 0),
    Figures("k8s-conformance/v1.10-kube-spawn.e2e.log", "syslog-3164", 6935, 6748, 0, 0, "2024-09-11T10:56:40", "2024-09-11T11:55:58", 4),
    Figures("k8s-conformance/v1.12-kubeadm.e2e.log.gz", "rawtext", 9810, 9544, 0, 0, "2024-10-13T23:36:43", "2024-10-14T01:00:49", 10),
    Figures("k8s-conformance/v1.8-kubeadm.e2e.log", "rawtext", 6226, 6091, 0, 0, "2024-11-06T19:06:16", "2024-11-06T19:51:55", 4),
    Figures("lnav/logfile_access_log.0", "nginx-combined", 3, 3, 0, 0, "2009-07-20T22:59:26", "2009-07-20T22:59:29", 1),
    Figures("lnav/logfile_access_log_dupe.0", "nginx-combined", 3, 3, 0, 0, "2009-07-20T22:59:26", "2009-07-20T22:59:29", 1),
    Figures("lnav/logfile_ansi.1", "rawtext", 10, 10, 0, 0, "2024-09-19T09:24:04", "2024-09-19T09:24:20", 0),
    Figures("lnav/logfile_bad_access_log.0", "nginx-combined", 3, 2, 0, 1, "2009-07-20T22:59:26", "2009-07-20T22:59:29", 1),
    Figures("lnav/logfile_crlf.0", "rawtext", 2, 2, 0, 0, "2012-07-02T10:22:40", "2014-10-08T16:56:38", 0),
    Figures("lnav/logfile_docker_compose_with_ts.0", "rawtext", 22, 22, 0, 0, "2024-04-25T05:32:35", "2024-04-25T05:54:43", 3),
    Figures("lnav/logfile_dst.0", "syslog-3164", 10, 10, 0, 0, "2024-11-03T01:01:03", "2024-11-03T02:25:02", 0),
    Figures("lnav/logfile_glog.0", "klog", 7, 7, 0, 0, "2024-05-17T15:04:22", "2024-05-17T15:04:22", 0),
    Figures("lnav/logfile_haproxy.0", "syslog-3164", 17, 17, 0, 0, "2024-02-25T16:19:38", "2024-02-25T16:20:18", 7),
    Figures("lnav/logfile_invalid_json.json", "jsonl-flat", 5, 4, 0, 1, "2013-09-06T20:00:48", "2013-09-06T22:00:59", 0),
    Figures("lnav/logfile_invalid_tz.0", "rawtext", 2, 2, 0, 0, "2015-04-24T21:08:10", "2015-04-24T21:08:58", 0),
    Figures("lnav/logfile_invalid_utf8.0", "rawtext", 6, 6, 0, 0, "2015-03-12T23:16:52", "2015-03-12T23:16:52", 0),
    Figures("lnav/logfile_journald.json", "journald", 2, 2, 0, 0, "2018-08-21T14:04:21", "2018-08-21T14:04:21", 0),
    Figures("lnav/logfile_logfmt.0", "logfmt", 5, 5, 0, 0, "2021-09-15T21:17:10", "2021-09-15T21:18:20", 0),
    Figures("lnav/logfile_mixed_json2.json", "jsonl-flat", 18, 18, 0, 0, "2013-09-06T20:00:48", "2013-09-06T22:01:49", 0),
    Figures("lnav/logfile_otel_collector.jsonl", "otlp", 11, 11, 0, 0, "2023-11-14T22:13:20", "2023-11-14T22:13:30", 0),
    Figures("lnav/logfile_rollover.0", "rawtext", 6, 6, 0, 0, None, None, 0),
    Figures("lnav/logfile_strace_log.0", "rawtext", 9, 9, 0, 0, None, None, 0),
    Figures("lnav/logfile_syslog_with_mixed_times.0", "syslog-3164", 13, 13, 0, 0, "2024-09-13T00:58:45", "2024-09-13T03:46:03", 0),
    Figures("lnav/logfile_with_zones.0", "rawtext", 3, 3, 0, 0, "2022-08-27T14:22:01", "2022-08-27T14:22:01", 1),
    Figures("nezha/2023-01-29/log/09_34_log.csv", "generic-csv", 315, 314, 0, 0, "2023-01-29T09:33:09", "2023-01-29T09:34:07", 0),
    Figures("nezha/2023-01-29/log/09_35_log.csv", "generic-csv", 451, 450, 0, 0, "2023-01-29T09:34:10", "2023-01-29T09:35:05", 0),
    Figures("nezha/2023-01-29/trace/09_34_trace.csv", "generic-csv", 843, 842, 0, 0, None, None, 0),
    Figures("nezha/2023-01-29/trace/09_35_trace.csv", "generic-csv", 1020, 1019, 0, 0, None, None, 0),
    Figures("nezha/2023-01-29/traceid/09_34_traceid.csv", "rawtext", 44, 44, 0, 0, None, None, 0),
    Figures("nezha/2023-01-29/traceid/09_35_traceid.csv", "rawtext", 39, 39, 0, 0, None, None, 0),
]  # fmt: skip


@pytest.mark.parametrize("wanted", FIGURES, ids=lambda wanted: wanted.path)
def test_a_public_log_gives_its_figures(wanted: Figures, tmp_path: Path) -> None:
    # The path says whose lines they are: it is kept.
    path = tmp_path / wanted.path
    path.parent.mkdir(parents=True)
    shutil.copy(PUBLIC / wanted.path, path)
    os.utime(path, (NEW_YEAR_2025, NEW_YEAR_2025))
    case = cuidx.open_case(path)
    counted = case.accounting
    conserved(counted.as_json())
    row = case.detect().with_columns(pl.col("first", "last").dt.to_string("%Y-%m-%dT%H:%M:%S"))
    found = row.row(0, named=True)
    assert wanted == Figures(
        wanted.path, found["format"], counted.records, counted.events, counted.evidence,
        counted.unreadable, found["first"], found["last"], found["ips"],
    )  # fmt: skip


def test_every_public_log_is_in_the_table() -> None:
    others = {".md", ".yaml"}
    files = {
        str(path.relative_to(PUBLIC)) for path in PUBLIC.rglob("*")
        if path.is_file() and path.suffix not in others and path.name != "LICENSE"
    }  # fmt: skip
    assert {wanted.path for wanted in FIGURES} == files
