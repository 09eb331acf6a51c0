"""What each file was taken for, a paragraph a file: no column is cut, whatever the width."""

from __future__ import annotations

import textwrap
from typing import Any

from cuidx.present.accounting import many, span
from cuidx.present.cells import painter
from cuidx.present.escape import visible
from cuidx.present.result import Result

_NAMES = {
    "cuid": "CUID", "container_id": "container id", "pod_uid": "Pod uid",
    "sandbox_id": "sandbox id", "pod_name": "Pod name", "ip": "IP alone", "none": "none",
}  # fmt: skip


def render(result: Result, *, width: int, color: bool) -> str:
    """RESULT's files, each with its format, its records, who wrote them, and why.

    app.jsonl
      format    fluentd-es, 100% sure; gzip
      records   8, payload mixed; 2026-11-02 09:00:00 UTC, chronological, zone certain
      identity  CUID 6, container id 2; 6 IPs, 2 request ids
      why       the first 8 lines look like fluentd-es: 100% sure
    """
    paint = painter(color)
    if not result.rows:
        return "no files\n"
    out = []
    for row in result.rows:
        out.append(paint(visible(str(row["path"])), "bold"))
        for name, value in _facts(row):
            body = textwrap.wrap(
                visible(value), max(width - 12, 20), break_long_words=False,
                break_on_hyphens=False,
            )  # fmt: skip
            for at, line in enumerate(body or [""]):
                head = "" if at else name
                out.append(f"  {paint(f'{head:<10}', 'dim')}{line}")
        out.append("")
    return "\n".join(out[:-1]) + "\n"


def _facts(row: dict[str, Any]) -> list[tuple[str, str]]:
    packed = f"; {row['compression']}" if row["compression"] else ""
    when = f"{span(row['first'], row['last'])}, {row['order']}, zone {row['zone']}"
    counts = [f"{_NAMES[kind]} {count:,}" for kind, count in row["identity"].items() if count]
    also = [many(row["ips"], "IP"), many(row["request_ids"], "request id")]
    facts = [
        ("format", f"{row['format']}, {row['confidence']:.0%} sure{packed}"),
        ("records", f"{row['records']:,}, payload {row['payload']}; "
                    + (when if row["first"] else "no times")),
        ("identity", f"{', '.join(counts) or 'none'}; {', '.join(also)}"),
    ]  # fmt: skip
    return facts + [("why" if not at else "", why) for at, why in enumerate(row["why"])]
