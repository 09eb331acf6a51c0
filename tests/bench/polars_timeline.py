"""What a user of polars would write for `cuidx timeline`: `scan_ndjson`, streaming.

    python tests/bench/polars_timeline.py clean.jsonl [-o result.json]

It takes files without cut lines only: one of them ends `scan_ndjson`, `ignore_errors` or not.
"""

import argparse
import json
import sys
from pathlib import Path

import polars as pl

COLUMNS = ("ts", "level", "request_id", "pod_ip", "ikontainer_CUID", "svc")


def timeline(path: Path) -> str:
    rows = (
        pl.scan_ndjson(path, schema=dict.fromkeys(COLUMNS, pl.String))
        .group_by(container="ikontainer_CUID")
        .agg(
            service=pl.col("svc").first(),
            ips=pl.col("pod_ip").unique(),
            first_seen=pl.col("ts").min(),
            last_seen=pl.col("ts").max(),
            lines=pl.len(),
            errors=pl.col("level").is_in(["ERROR", "FATAL"]).sum(),
            requests=pl.col("request_id").drop_nulls().n_unique(),
        )
        .sort("first_seen", "container")
        .collect(engine="streaming")
    )
    return json.dumps({"containers": rows.to_dicts()})


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    result = timeline(args.file) + "\n"
    if args.output:
        args.output.write_text(result, encoding="utf-8")
    else:
        sys.stdout.write(result)


if __name__ == "__main__":
    main()
