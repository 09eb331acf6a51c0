"""The rival: DuckDB answers what `cuidx report` tells beside lifetimes and steps, question by question.

    python tests/bench/duckdb_report.py reuse|errors|findings big.jsonl [-o result.json]

`reuse`: each address with its holders in order. `errors`: those of each container in cells of 1/600
of the whole time, with the first message of each. `findings`: pauses much longer than a container's
usual ones and those that all share, by the first and last line of each 1/1024 of a life; containers
on two addresses at once, and addresses with two holders at once. Definitions are those of cuidx, so
that the answers can be compared; lifetimes and steps are in `duckdb_timeline.py` and
`duckdb_steps.py`.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import duckdb

_EVENTS = """
SELECT {columns}
FROM read_json(
    $path,
    format = 'newline_delimited',
    ignore_errors = true,
    columns = {{
        ts: 'VARCHAR', level: 'VARCHAR', msg: 'VARCHAR', pod_ip: 'VARCHAR',
        ikontainer_CUID: 'VARCHAR'
    }}
)
WHERE ts IS NOT NULL AND ikontainer_CUID IS NOT NULL
"""

# Text has the order of time here, as all times have one shape and zone: quicker than TIMESTAMP.
SPANS = f"""
SELECT pod_ip AS ip, ikontainer_CUID AS container, min(ts) AS first, max(ts) AS last,
       count(*) AS lines
FROM ({_EVENTS.format(columns="ts, pod_ip, ikontainer_CUID")})
WHERE pod_ip IS NOT NULL
GROUP BY ALL
"""
REUSE = f"""
SELECT ip, list([container, first, last, lines::VARCHAR] ORDER BY first, last, container) AS holders
FROM ({SPANS}) GROUP BY ip ORDER BY ip
"""

ERRORS = f"""
WITH errors AS MATERIALIZED (
    {_EVENTS.format(columns="epoch_ms(ts::TIMESTAMP) AS t, ikontainer_CUID AS container, msg")}
    AND level IN ('ERROR', 'FATAL')
), span AS (SELECT min(t) AS low, (max(t) - min(t)) // 600 + 1 AS width FROM errors)
SELECT container, min(t) AS t, count(*) AS count, arg_min(msg, t)[:160] AS message
FROM errors, span
GROUP BY container, (t - low) // width
ORDER BY ALL
"""

FINDINGS = f"""
CREATE TABLE events AS
    {_EVENTS.format(columns="epoch_ms(ts::TIMESTAMP) AS t, ikontainer_CUID AS container, pod_ip AS ip")};
CREATE TABLE lives AS
    SELECT container, min(t) AS birth, greatest((max(t) - min(t)) // 1024 + 1, 100) AS width
    FROM events GROUP BY container;
CREATE TABLE slots AS
    SELECT container, min(t) AS first, max(t) AS last
    FROM events JOIN lives USING (container) GROUP BY container, (t - birth) // width;
"""
# Pauses above 30 s and ten times what 95 % of them stay below, of twenty or more.
_PAUSES = """
WITH rows AS (
    SELECT {who} AS who, first, last,
           max(last) OVER (PARTITION BY {who} ORDER BY first, last ROWS UNBOUNDED PRECEDING) AS until
    FROM slots
), pauses AS (
    SELECT who, lag(until) OVER (PARTITION BY who ORDER BY first, last) AS since, first
    FROM rows
), usual AS (
    SELECT who, count(*) AS count, quantile_disc(first - since, 0.95) AS usual
    FROM pauses WHERE first > since GROUP BY who
)
SELECT who, since, first FROM pauses JOIN usual USING (who)
WHERE count >= 20 AND first - since > greatest(30000, 10 * usual)
ORDER BY ALL
"""
HOLES, GAPS = _PAUSES.format(who="''"), _PAUSES.format(who="container")
SHARED = """
CREATE TABLE spans AS
    SELECT container, ip, min(t) AS first, max(t) AS last
    FROM events WHERE ip IS NOT NULL GROUP BY container, ip;
"""
TWO_IPS = """
SELECT a.container, a.ip, b.ip FROM spans a JOIN spans b
ON a.container = b.container AND a.ip < b.ip
   AND least(a.last, b.last) - greatest(a.first, b.first) > 1000
ORDER BY ALL
"""
TWO_HOLDERS = """
SELECT a.ip, a.container, b.container FROM spans a JOIN spans b
ON a.ip = b.ip AND a.container < b.container
   AND least(a.last, b.last) - greatest(a.first, b.first) > 1000
ORDER BY ALL
"""


def asked(question: str, path: Path) -> dict[str, Any]:
    """The answer to QUESTION: rows, by what they are."""
    connection = duckdb.connect()
    given = {"path": str(path)}
    if question == "reuse":
        return {"ips": connection.execute(REUSE, given).fetchall()}
    if question == "errors":
        return {"marks": connection.execute(ERRORS, given).fetchall()}
    for statement in filter(str.strip, (FINDINGS + SHARED).split(";")):
        connection.execute(statement, given if "$path" in statement else None)
    holes = connection.execute(HOLES).fetchall()
    gaps = [
        row for row in connection.execute(GAPS).fetchall()
        if not any(hole[1] <= row[2] and row[1] <= hole[2] for hole in holes)
    ]  # fmt: skip
    return {
        "hole": holes,
        "gap": gaps,
        "two-ips": connection.execute(TWO_IPS).fetchall(),
        "two-holders": connection.execute(TWO_HOLDERS).fetchall(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("question", choices=["reuse", "errors", "findings"])
    parser.add_argument("file", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    result = json.dumps(asked(args.question, args.file))
    if args.output:
        args.output.write_text(result + "\n", encoding="utf-8")
    else:
        sys.stdout.write(result + "\n")


if __name__ == "__main__":
    main()
