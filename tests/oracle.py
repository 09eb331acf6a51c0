"""Answers by DuckDB to what cuidx answers, from a flat JSONL file; shares no code with cuidx.

It reads plain lines (one column, no quoting) and decides about each line on its own, so that bad
and blank lines are counted and have their numbers. It is made to be right, not quick: `bench` has
the quick form.

What it leaves out, because no file that is compared has it: JSON with a suffix after it, identity
other than a CUID, keys named twice, times without a zone.
"""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

ERROR_AND_ABOVE = ("ERROR", "ERR", "SEVERE", "CRITICAL", "CRIT", "ALERT", "FATAL", "PANIC", "EMERG")

LINES = """
CREATE TABLE lines AS
SELECT
    n,
    CASE
        WHEN line IS NULL OR regexp_full_match(line, '\\s*') THEN 'blank'
        WHEN line[1] NOT IN ('{', '[') THEN 'event'  -- text between the JSON lines
        WHEN json_valid(line) THEN 'event'
        ELSE 'unreadable'
    END AS kind,
    CASE WHEN line[1] = '{' AND json_valid(line) THEN line::JSON END AS doc
FROM (
    SELECT row_number() OVER () AS n, line
    FROM read_csv(
        $path, columns = {line: 'VARCHAR'}, delim = chr(1), quote = '', escape = '',
        header = false, auto_detect = false
    )
)
"""

# DuckDB's times with a zone end at the microsecond: so the fraction goes its own way, as ns.
EVENTS = """
CREATE TABLE events AS
WITH fields AS (
    SELECT
        doc ->> '$.ikontainer_CUID' AS container,
        coalesce(doc ->> '$.service', split_part(doc ->> '$.svc', '.', 1)) AS service,
        doc ->> '$.pod_ip' AS ip,
        upper(doc ->> '$.level') AS level,
        coalesce(doc ->> '$.request_id', doc ->> '$.trace_id') AS request,
        regexp_extract(
            doc ->> '$.ts',
            '^(.{10}[T ].{8})(?:\\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2})$',
            ['second', 'fraction', 'zone']
        ) AS ts
    FROM lines WHERE kind = 'event'
)
SELECT
    container, service, ip, level, replace(lower(request), '-', '') AS request,
    CASE WHEN ts.second <> '' THEN
        epoch_us((ts.second || replace(ts.zone, 'Z', '+00:00'))::TIMESTAMPTZ) * 1000
        + rpad(ts.fraction, 9, '0')::BIGINT
    END AS ns
FROM fields
"""

TIMELINE = f"""
SELECT
    container,
    min(service) AS service,
    list(DISTINCT ip) FILTER (ip IS NOT NULL) AS ips,
    min(ns) AS first_seen,
    max(ns) AS last_seen,
    count(*) AS lines,
    count(*) FILTER (level IN {ERROR_AND_ABOVE}) AS errors,
    count(DISTINCT request) AS requests
FROM events WHERE container IS NOT NULL
GROUP BY container
ORDER BY first_seen NULLS LAST, container
"""


def loaded(path: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(LINES, {"path": str(path)})
    connection.execute(EVENTS)
    return connection


def time_text(ns: int | None) -> str | None:
    """RFC 3339 with Z and 0, 3, 6 or 9 digits, as few as keep the value."""
    if ns is None:
        return None
    second, fraction = divmod(ns, 1_000_000_000)
    text = (EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S")
    digits = f"{fraction:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{text}.{digits}Z" if digits else f"{text}Z"


def timeline(path: Path) -> list[dict[str, Any]]:
    """A row for each CUID, sorted by first_seen, then container."""
    with loaded(path) as connection:
        found = connection.execute(TIMELINE)
        names = [column[0] for column in found.description or []]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    for row in rows:
        row["ips"] = sorted(row["ips"] or [], key=numerically)
        row["first_seen"] = time_text(row["first_seen"])
        row["last_seen"] = time_text(row["last_seen"])
    return rows


def numerically(ip: str) -> tuple[int, int]:
    address = ipaddress.ip_address(ip)
    return address.version, int(address)


def accounting(path: Path) -> dict[str, Any]:
    """Number of records in each bin, and the line numbers of the blank and unreadable ones."""
    with loaded(path) as connection:

        def numbers(kind: str) -> list[int]:
            sql = "SELECT n FROM lines WHERE kind = ? ORDER BY n"
            return [n for (n,) in connection.execute(sql, [kind]).fetchall()]

        counts = dict(connection.execute("SELECT kind, count(*) FROM lines GROUP BY 1").fetchall())
        sql = "SELECT count(container), count(*) - count(container) FROM events"
        ((tagged, untagged),) = connection.execute(sql).fetchall()
        return {
            "records": sum(counts.values()),
            "events": counts.get("event", 0),
            "blank": counts.get("blank", 0),
            "unreadable": counts.get("unreadable", 0),
            "tagged": tagged,
            "untagged": untagged,
            "blank_lines": numbers("blank"),
            "unreadable_lines": numbers("unreadable"),
        }
