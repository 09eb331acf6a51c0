"""The accounting of what was read, in one line, and warnings: what goes to standard error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cuidx.present.escape import visible

_BINS = ("fragments", "duplicates", "evidence", "skipped", "blank")
_ONE = {"fragments": "fragment", "duplicates": "duplicate"}


def line(accounting: Mapping[str, object], rejects: object = None) -> str:
    """ACCOUNTING in one line without a newline; bins with nothing in them are left out.

    REJECTS is where the unreadable records were written, if they were.

    1,696 records: 1,679 events (1,679 tagged) · 17 duplicates · from 25 sources,
    2026-11-23 18:54:17-18:58:24 UTC
    """
    records, events = _count(accounting, "records"), _count(accounting, "events")
    parts = [f"{many(records, 'record')}: {many(events, 'event')}{_tagged(accounting)}"]
    if unreadable := _count(accounting, "unreadable"):
        where = "--rejects PATH writes them" if rejects is None else f"written to {rejects}"
        parts.append(f"{unreadable:,} UNREADABLE ({visible(where)})")
    for name in _BINS:
        if count := _count(accounting, name):
            parts.append(f"{count:,} {_ONE.get(name, name) if count == 1 else name}")
    if skipped := _count(accounting, "not_read"):
        parts.append(f"{many(skipped, 'byte')} not read")
    sources = accounting.get("sources")
    ends = [f"from {many(len(sources), 'source')}"] if isinstance(sources, (list, tuple)) else []
    if spanned := span(accounting.get("first"), accounting.get("last")):
        ends.append(spanned)
    elif events:
        ends.append("no times")
    return " · ".join([*parts, *([", ".join(ends)] if ends else [])])


def warnings(texts: Iterable[str]) -> str:
    """One line for each warning, each with its newline; "" where there are none."""
    return "".join(f"warning: {visible(text)}\n" for text in texts)


def many(count: int, noun: str) -> str:
    """COUNT with its noun: `1 record`, `1,679 records`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def span(first: object, last: object) -> str:
    """Two RFC 3339 times as `2026-11-23 18:54:17-18:58:24 UTC`; "" where one is missing."""
    if not isinstance(first, str) or not isinstance(last, str) or not first or not last:
        return ""
    start, end = (visible(text)[:19].replace("T", " ") for text in (first, last))
    if start == end:
        return f"{start} UTC"
    if start[:10] == end[:10]:
        return f"{start}\u2013{end[11:]} UTC"
    return f"{start} \u2013 {end} UTC"


def _count(accounting: Mapping[str, object], name: str) -> int:
    value = accounting.get(name)
    return value if isinstance(value, int) else 0


def _tagged(accounting: Mapping[str, object]) -> str:
    words = [f"{n:,} {name}" for name in ("tagged", "untagged") if (n := _count(accounting, name))]
    return f" ({', '.join(words)})" if words else ""
