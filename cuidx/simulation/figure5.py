"""Figure 5 of the method: ten lines of a small shop, without times; two addresses go on."""

from __future__ import annotations

import json
from typing import Any, Final

# name, IP, CUID, request id
ROWS: Final = tuple(
    row.split()
    for row in (
        "Gateway 10.10.1.2 643B 46BB",
        "Gateway 10.10.1.2 643B 966D",
        "Payment 10.10.11.2 2F52 46BB",
        "Mail 10.10.12.1 82B8 46BB",
        "Payment 10.10.11.1 7D53 966D",
        "Store 10.10.13.1 CC62 46BB",
        "DB 10.10.100.1 17E1 46BB",
        "Gateway 10.10.1.2 CD85 7AD0",
        "Gateway 10.10.1.2 CD85 F02F",
        "Payment 10.10.11.2 4A23 7AD0",
    )
)
NAME: Final = "figure5.jsonl"


def lines() -> str:
    """The ten rows as JSON lines."""
    keys = ("name", "ip", "cuid", "request id")
    return "".join(
        json.dumps(dict(zip(keys, row, strict=True)), separators=(",", ":")) + "\n" for row in ROWS
    )


def truth() -> dict[str, Any]:
    """Its containers, and who had which address from which line to which."""
    seen: dict[str, dict[str, Any]] = {}
    for n, (service, ip, cuid, _) in enumerate(ROWS, start=1):
        one = seen.setdefault(
            cuid, {"cuid": cuid, "service": service, "ip": ip, "from_line": n, "lines": 0}
        )
        one["to_line"], one["lines"] = n, one["lines"] + 1
    leases = [{key: one[key] for key in ("ip", "cuid", "from_line", "to_line")}
              for one in seen.values()]  # fmt: skip
    return {"containers": list(seen.values()), "leases": leases, "alert": f"{NAME}:10"}
