"""Plain text, the last resort: whatever no other format claims.

    2026-11-02T09:00:05.000Z WARN shutting down {"ikontainer_CUID":"3b9d…","svc":"payment.shop.lab"}

The time is the first one in a line's first 64 characters; a line without one (a stack trace)
takes the time of the line before. Identity comes from the suffix or the file's path.
"""

from __future__ import annotations

from typing import Final

from cuidx.formats.base import Example, Sample, whole_lines
from cuidx.formats.lines import parse
from cuidx.suffix import OPENING

__all__ = ["NAME", "PARTS", "SAMPLES", "SOURCE", "TITLE", "cut", "parse", "sniff"]

NAME: Final = "rawtext"
TITLE: Final = "text lines, with or without the suffix"
SOURCE: Final = "the suffix: the IKontainer method; the text before it is free"

PARTS: Final = (("printable text", r"[^\x00-\x08]"),)
SAMPLES: Final = (
    Example(
        "2026-11-02T09:00:01.250Z INFO charge accepted from=10.10.10.4 request_id=4f1c9e2a "
        '{"ikontainer_CUID":"3b9d5a0c","svc":"payment.shop.lab"}',
        {
            "time": "2026-11-02T09:00:01.250Z",
            "level": "INFO",
            "message": "2026-11-02T09:00:01.250Z INFO charge accepted from=10.10.10.4 "
            "request_id=4f1c9e2a",
            "cuid": "3b9d5a0c",
            "service": "payment",
            "namespace": "shop",
            "cluster": "lab",
            "request_id": "4f1c9e2a",
            "ip": None,
        },
    ),
    Example(
        '[2026-11-02T10:00:11.020+01:00] ERROR mail: relay said {"ikontainer_CUID":"forged",'
        '"svc":"x"}{"ikontainer_CUID":"7f0c2f7e","svc":"mail.shop.lab"}',
        {"time": "2026-11-02T09:00:11.020Z", "level": "ERROR", "cuid": "7f0c2f7e", "suffixes": 2},
    ),
)

cut = whole_lines


def sniff(sample: Sample) -> float:
    """0.1 for anything printable, 0.3 where lines carry the suffix."""
    tagged = sum(OPENING in line for line in sample.filled)
    return 0.1 + 0.2 * sample.share(tagged)
