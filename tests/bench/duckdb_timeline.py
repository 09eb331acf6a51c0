"""The rival: DuckDB answers what `cuidx timeline` answers, from the same file.

    python tests/bench/duckdb_timeline.py big.jsonl [--shape flat] [--accounting] [-o result.json]

The other shapes are text, cri, elasticdump (documents that come twice are counted once) and parquet;
--accounting is for flat.

Without --accounting: lifetimes, bad lines ignored. With it also what cuidx owes its user: every
line in one bin, blank and unreadable ones with their line numbers.

These are the quickest forms found (DuckDB 2.0, two cores, 1 GB). What was slower: TIMESTAMP
instead of text for `ts` (twice the time; as all have one shape and zone, text has the same order),
grouping by container and request first (twice), reading lines by `read_csv` and taking them apart
with `json_valid` and `json_extract_string` (three times), `row_number()` over `read_json` (it makes
the scan run on one thread, and blank lines have no row there).
"""

import argparse
import json
import sys
from pathlib import Path
from threading import Thread
from typing import Any

import duckdb

LIFETIMES = """
SELECT
    ikontainer_CUID AS container,
    any_value(svc) AS service,
    list(DISTINCT pod_ip) AS ips,
    min(ts) AS first_seen,
    max(ts) AS last_seen,
    count(*) AS lines,
    count(*) FILTER (level IN ('ERROR', 'FATAL')) AS errors,
    count(DISTINCT request_id) AS requests,
    count(*) FILTER (ts IS NULL AND level IS NULL AND svc IS NULL) AS refused
FROM read_json(
    $path,
    format = 'newline_delimited',
    ignore_errors = true,
    columns = {
        ts: 'VARCHAR', level: 'VARCHAR', request_id: 'VARCHAR',
        pod_ip: 'VARCHAR', ikontainer_CUID: 'VARCHAR', svc: 'VARCHAR'
    }
)
GROUP BY container
ORDER BY first_seen, container
"""

# What the other shapes give for the same columns.
_COUNTS = """
SELECT
    ikontainer_CUID AS container,
    any_value(svc) AS service,
    {ips} AS ips,
    min(ts) AS first_seen,
    max(ts) AS last_seen,
    count(*) AS lines,
    count(*) FILTER (level IN ('ERROR', 'FATAL')) AS errors,
    count(DISTINCT request_id) AS requests,
    0 AS refused
FROM ({rows})
GROUP BY container
ORDER BY first_seen, container
"""

_SUFFIX = r"""\{{"ikontainer_CUID":"([^"]+)","svc":"([^"]*)"\}}$"""
_TEXT = r"""
    SELECT
        regexp_extract({line}, '^(\S+) ([A-Z]+) ', ['ts', 'level']) AS head,
        regexp_extract({line}, '{suffix}', ['cuid', 'svc']) AS tail,
        nullif(regexp_extract({line}, ' request_id=([0-9A-Za-z_.-]+)', 1), '') AS request_id,
        {more}
    FROM {rows}
"""
_LINES = """read_csv(
    $path, columns = {line: 'VARCHAR'}, delim = chr(1), quote = '', escape = '',
    header = false, auto_detect = false
)"""
_OF_TEXT = _COUNTS.format(
    ips="[]",
    rows="SELECT head.ts AS ts, head.level AS level, request_id, nullif(tail.cuid, '') AS "
    "ikontainer_CUID, tail.svc AS svc FROM ("
    + _TEXT.format(line="line", more="1 AS one", rows=_LINES,
                   suffix=_SUFFIX.format()) + ")",
)  # fmt: skip
# Pieces stand one after the other in these files: the text of a P goes before that of the next line.
_OF_CRI = _COUNTS.format(
    ips="[]",
    rows="SELECT ts, head.level AS level, request_id, nullif(tail.cuid, '') AS "
    "ikontainer_CUID, tail.svc AS svc FROM ("
    + _TEXT.format(
        line="body",
        more="ts",
        rows=r"""(
            SELECT record.ts AS ts,
                   CASE WHEN before.tag = 'P' THEN concat(before.text, record.text)
                        ELSE record.text END AS body, record.tag AS tag
            FROM (
                SELECT record, lag(record) OVER () AS before FROM (
                    SELECT regexp_extract(line, '^(\S+) std(?:out|err) ([PF]) (.*)$',
                                          ['ts', 'tag', 'text']) AS record
                    FROM """ + _LINES + r""")
            )
            WHERE record.tag = 'F'
        )""",
        suffix=_SUFFIX.format(),
    ) + ")",
)  # fmt: skip
_OF_HITS = _COUNTS.format(
    ips="list(DISTINCT pod_ip)",
    rows="""
    SELECT any_value(_source['@timestamp']) AS ts, any_value(_source.level) AS level,
           any_value(_source.request_id) AS request_id,
           any_value(_source.kubernetes.pod_ip) AS pod_ip,
           any_value(_source.ikontainer_CUID) AS ikontainer_CUID, any_value(_source.svc) AS svc
    FROM read_json(
        $path, format = 'newline_delimited', ignore_errors = true,
        columns = {_index: 'VARCHAR', _id: 'VARCHAR', _source: 'STRUCT("@timestamp" VARCHAR,
            level VARCHAR, request_id VARCHAR, kubernetes STRUCT(pod_ip VARCHAR),
            ikontainer_CUID VARCHAR, svc VARCHAR)'}
    )
    WHERE _id IS NOT NULL
    GROUP BY _index, _id
    """,
)
_OF_COLUMNS = _COUNTS.format(ips="list(DISTINCT pod_ip)", rows="FROM read_parquet($path)")
SHAPES = {
    "flat": LIFETIMES,
    "text": _OF_TEXT,
    "cri": _OF_CRI,
    "elasticdump": _OF_HITS,
    "parquet": _OF_COLUMNS,
}

# A line a row: one column, no quoting, and a delimiter that no log has. Blank lines come as NULL.
LINES = """
SELECT row_number() OVER () AS n, line
FROM read_csv(
    $path, columns = {line: 'VARCHAR'}, delim = chr(1), quote = '', escape = '',
    header = false, auto_detect = false
)
"""

# Lines that are no JSON object by their ends alone. A cut line can end in } by accident: so the
# number must be that of the rows which `read_json` refused, else VALID looks at each line whole.
ENDS = f"""
SELECT n, line FROM ({LINES})
WHERE line IS NULL OR NOT (starts_with(line, '{{') AND ends_with(line, '}}'))
"""
VALID = f"SELECT n, line FROM ({LINES}) WHERE line IS NULL OR NOT json_valid(line)"

Rows = list[dict[str, Any]]


def rows(connection: duckdb.DuckDBPyConnection, sql: str, path: Path) -> Rows:
    found = connection.execute(sql, {"path": str(path)})
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def blank(line: str | None) -> bool:
    return line is None or not line.strip()


def timeline(path: Path, shape: str = "flat") -> dict[str, Any]:
    return {"containers": containers(rows(duckdb.connect(), SHAPES[shape], path))}


def containers(found: Rows) -> Rows:
    """Without the row of what has no identity, and without the column that counts refusals."""
    named = [row for row in found if row["container"] is not None]
    return [{k: v for k, v in row.items() if k != "refused"} for row in named]


def with_accounting(path: Path) -> dict[str, Any]:
    connection = duckdb.connect()
    odd: Rows = []
    # The pass over the lines runs on one thread whatever is tried, so it goes beside the other.
    beside = Thread(target=lambda: odd.extend(rows(connection.cursor(), ENDS, path)))
    beside.start()
    found = rows(connection, LIFETIMES, path)
    beside.join()
    refused = sum(row["refused"] for row in found)
    if sum(not blank(row["line"]) for row in odd) != refused:
        odd = rows(connection, VALID, path)
    blanks = [row["n"] for row in odd if blank(row["line"])]
    bad = [row["n"] for row in odd if not blank(row["line"])]
    events = sum(row["lines"] for row in found) - refused
    return {
        "accounting": {
            "records": events + len(blanks) + len(bad),
            "events": events,
            "blank": len(blanks),
            "unreadable": len(bad),
            "blank_lines": blanks,
            "unreadable_lines": bad,
        },
        "containers": containers(found),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--shape", choices=SHAPES, default="flat")
    parser.add_argument("--accounting", action="store_true")
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    answer = with_accounting(args.file) if args.accounting else timeline(args.file, args.shape)
    result = json.dumps(answer)
    if args.output:
        args.output.write_text(result + "\n", encoding="utf-8")
    else:
        sys.stdout.write(result + "\n")


if __name__ == "__main__":
    main()
