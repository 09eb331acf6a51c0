"""The rival: DuckDB answers what `cuidx steps` answers, from the same flat JSONL file.

    python tests/bench/duckdb_steps.py big.jsonl [--search own|any] [--window 300] [-o result.json]

The alerts are all lines of level ERROR and FATAL. A hit has the alert's address as its own
(`own`), or has it anywhere in its fields and its text (`any`). Lines to read are counted as
INTERFACE defines them, the hits and all lines with one of the hits' request ids.

These are the quickest forms found (DuckDB 2.0, two cores, 1 GB): requests as hashes, searches
counted once for each address and container, and only the windows alert by alert. One row a line is
the generator's own: an address stands in a text only as dotted digits with no more around them.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import duckdb

EVENTS = """
CREATE TABLE events AS
SELECT
    epoch_ms(ts::TIMESTAMP) AS ts, ikontainer_CUID AS container, pod_ip AS ip,
    CASE WHEN request_id IS NOT NULL THEN hash(replace(lower(request_id), '-', '')) END AS request,
    level IN ('ERROR', 'FATAL') AS alert, {addresses} AS addresses
FROM read_json(
    $path,
    format = 'newline_delimited',
    ignore_errors = true,
    columns = {{
        ts: 'VARCHAR', level: 'VARCHAR', request_id: 'VARCHAR', msg: 'VARCHAR',
        client_ip: 'VARCHAR', pod_ip: 'VARCHAR', ikontainer_CUID: 'VARCHAR'
    }}
)
WHERE ts IS NOT NULL  -- the lines that were refused
"""
OWN = "NULL"
ANY = r"""list_distinct(list_concat(
    regexp_extract_all(coalesce(msg, ''), '[0-9]{1,3}(?:\.[0-9]{1,3}){3}'),
    list_filter([pod_ip, client_ip], lambda x: x IS NOT NULL)
))"""

HITS = {
    "own": "SELECT rowid AS n, ts, container, ip, request FROM events WHERE ip IS NOT NULL",
    "any": "SELECT rowid AS n, ts, container, unnest(addresses) AS ip, request FROM events",
}

# Each set of lines is its hits without a request and its requests with all their lines: a hit with
# a request is one of them.
STEPS = """
CREATE TABLE alerts AS
    SELECT rowid AS alert, ts, container, ip, request FROM events WHERE alert;
CREATE TABLE sizes AS
    SELECT request, count(*) AS size FROM events WHERE request IS NOT NULL GROUP BY request;
CREATE TABLE hits AS
    SELECT * FROM ({hits}) WHERE ip IN (SELECT ip FROM alerts);
CREATE TABLE ip_requests AS
    SELECT DISTINCT ip, request FROM hits WHERE request IS NOT NULL;
CREATE TABLE cuid_requests AS
    SELECT DISTINCT container, request FROM events
    WHERE request IS NOT NULL AND container IN (SELECT container FROM alerts);

CREATE TABLE by_ip AS
    SELECT ip, hits, containers, coalesce(requests, 0) AS requests,
           alone + coalesce(size, 0) AS lines
    FROM (SELECT ip, count(*) AS hits, count(DISTINCT container) AS containers,
                 count(*) FILTER (request IS NULL) AS alone FROM hits GROUP BY ip)
    LEFT JOIN (SELECT ip, count(*) AS requests, sum(size)::BIGINT AS size
               FROM ip_requests JOIN sizes USING (request) GROUP BY ip) USING (ip);
CREATE TABLE by_cuid AS
    SELECT container, hits, 1 AS containers, coalesce(requests, 0) AS requests,
           alone + coalesce(size, 0) AS lines
    FROM (SELECT container, count(*) AS hits, count(*) FILTER (request IS NULL) AS alone
          FROM events GROUP BY container)
    LEFT JOIN (SELECT container, count(*) AS requests, sum(size)::BIGINT AS size
               FROM cuid_requests JOIN sizes USING (request) GROUP BY container) USING (container);
CREATE TABLE common AS
    WITH pairs AS (SELECT DISTINCT ip, container FROM alerts)
    SELECT ip, container, sum(lines)::BIGINT AS lines FROM (
        SELECT ip, container, sum(size) AS lines
        FROM pairs JOIN cuid_requests USING (container) JOIN ip_requests USING (ip, request)
        JOIN sizes USING (request) GROUP BY ip, container
        UNION ALL
        SELECT ip, container, count(*) FROM pairs JOIN hits USING (ip, container)
        WHERE request IS NULL GROUP BY ip, container
    ) GROUP BY ip, container;
CREATE TABLE by_window AS
    WITH seen AS (
        SELECT alert, n, h.container, h.request FROM alerts a JOIN hits h
        ON a.ip = h.ip AND h.ts BETWEEN a.ts - {window} AND a.ts + {window}
    ), read AS (
        SELECT alert, count(*) AS requests, sum(size)::BIGINT AS size
        FROM (SELECT DISTINCT alert, request FROM seen WHERE request IS NOT NULL)
        JOIN sizes USING (request) GROUP BY alert
    )
    SELECT alert, hits, containers, coalesce(requests, 0) AS requests,
           alone + coalesce(size, 0) AS lines
    FROM (SELECT alert, count(*) AS hits, count(DISTINCT container) AS containers,
                 count(*) FILTER (request IS NULL) AS alone FROM seen GROUP BY alert)
    LEFT JOIN read USING (alert);
"""

ALERTS = """
SELECT
    a.ts, a.container, a.ip,
    [i.hits, i.containers, i.requests, i.lines] AS ip_search,
    [w.hits, w.containers, w.requests, w.lines] AS ip_time_search,
    [c.hits, c.containers, c.requests, c.lines] AS cuid_search,
    i.lines - coalesce(o.lines, 0) AS needless, c.lines - coalesce(o.lines, 0) AS missed
FROM alerts a
LEFT JOIN by_ip i USING (ip) LEFT JOIN by_cuid c USING (container)
LEFT JOIN common o USING (ip, container) LEFT JOIN by_window w USING (alert)
ORDER BY ALL
"""

# Lines that any of the alerts' searches returns, each counted once.
DISTINCT = """
WITH found AS ({found}), asked AS (SELECT DISTINCT request FROM found)
SELECT (SELECT count(DISTINCT n) FROM found WHERE request IS NULL)
     + (SELECT coalesce(sum(size), 0)::BIGINT FROM sizes SEMI JOIN asked USING (request))
"""
FOUND = {
    "ip_search": "SELECT n, request FROM hits",
    "ip_time_search": "SELECT n, request FROM hits h SEMI JOIN alerts a "
    "ON a.ip = h.ip AND h.ts BETWEEN a.ts - {window} AND a.ts + {window}",
    "cuid_search": "SELECT rowid AS n, request FROM events "
    "WHERE container IN (SELECT container FROM alerts)",
}


def steps(path: Path, search: str = "own", window: float = 300) -> dict[str, Any]:
    """A row for each alert, sorted by time, container and counts; and the distinct lines."""
    connection = duckdb.connect()
    addresses = ANY if search == "any" else OWN
    connection.execute(EVENTS.format(addresses=addresses), {"path": str(path)})
    milliseconds = round(window * 1000)
    connection.execute(STEPS.format(hits=HITS[search], window=milliseconds))
    found = connection.execute(ALERTS)
    names = [column[0] for column in found.description or []]
    alerts = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    distinct = {}
    for name, found_by in FOUND.items():
        sql = DISTINCT.format(found=found_by.format(window=milliseconds))
        ((distinct[name],),) = connection.execute(sql).fetchall()
    return {"alerts": alerts, "distinct_lines": distinct}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--search", choices=["own", "any"], default="own")
    parser.add_argument("--window", type=float, default=300, help="seconds before and after")
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    result = json.dumps(steps(args.file, args.search, args.window))
    if args.output:
        args.output.write_text(result + "\n", encoding="utf-8")
    else:
        sys.stdout.write(result + "\n")


if __name__ == "__main__":
    main()
