"""The table of `reuse`: a lane for each address with its holders' letters, in any width."""

from __future__ import annotations

from typing import Any

import pytest

from cuidx.present import Result
from cuidx.present.cells import cells
from cuidx.present.reuse import render


def holder(
    name: str, first: str | None, last: str | None, change: str = "recycled"
) -> dict[str, Any]:
    ends = {
        "first_seen": first and f"2026-11-02T09:{first}Z",
        "last_seen": last and f"2026-11-02T09:{last}Z",
    }
    return {"container": name * 8, "containers": [name * 8], "service": f"s{name}", "pod": f"p-{name}",
            **ends, "lines": 3, "change": change}  # fmt: skip


def ip(address: str, kind: str, *holders: dict[str, Any]) -> dict[str, Any]:
    mixed = 3 * len(holders) if kind == "reused" else 0
    return {"ip": address, "kind": kind, "holders": list(holders), "ambiguous_lines": mixed}


ROWS = [
    ip("10.0.0.1", "reused", holder("a", "00:00", "04:00", "first"), holder("b", "06:00", "10:00")),
    ip("10.0.0.2", "single", holder("c", "01:00", "02:00", "first")),
    ip("10.0.0.3", "shared", holder("d", "00:00", "10:00", "shared"), holder("e", "05:00", "06:00", "shared")),
]  # fmt: skip


def drawn(rows: list[dict[str, Any]], width: int = 60, *, color: bool = False) -> str:
    return render(Result("reuse", "ips", rows, {}, []), width=width, color=color)


def test_holders_have_letters_on_the_lane_and_lines_below_it() -> None:
    assert drawn(ROWS, 50).replace("\u2013", "~") == (
        "2026-11-02 09:00:00~09:10:00 UTC · 3 IPs · 1 reus…\n"
        "  ╷09:00   ╷09:02    ╷09:04   ╷09:06    ╷09:08\n"
        "10.0.0.1  2 holders, 6 lines mixed\n"
        "  A━━━━━━━━━━━━━━━━━━━┄┄┄┄┄┄┄┄B━━━━━━━━━━━━━━━━━━━\n"
        "  A first    sa aaaaaaaa 09:00:00~09:04:00 3 p-a\n"
        "  B recycled sb bbbbbbbb 09:06:00~09:10:00 3 p-b\n"
        "10.0.0.3  2 holders, at the same time\n"
        "  A━━━━━━━━━━━━━━━━━━━━━━━B━━━━━━━━━━━━━━━━━━━━━━━\n"
        "  A shared   sd dddddddd 09:00:00~09:10:00 3 p-d\n"
        "  B shared   se eeeeeeee 09:05:00~09:06:00 3 p-e\n"
        "\n"
        "one holder each\n"
        "10.0.0.2 sc cccccccc 09:01:00~09:02:00 3\n"
        "A B C holders in order · ━ seen with it · ┄ nobod…\n"
    )


def test_without_times_there_are_no_lanes() -> None:
    rows = [ip("10.0.0.1", "reused", holder("a", None, None, "first"), holder("b", None, None))]
    assert drawn(rows) == (
        "1 IP · 1 reused\n"
        "10.0.0.1  2 holders, 6 lines mixed\n"
        "  A first    sa aaaaaaaa - 3 p-a\n"
        "  B recycled sb bbbbbbbb - 3 p-b\n"
    )
    assert drawn([]) == "no IPs\n"


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_no_line_is_wider_than_the_terminal_and_nothing_hostile_is_written(width: int) -> None:
    rows = [
        ip(
            "10.0.0.1",
            "reused",
            *(holder("\x1b]8;;x\u202e" * 9, "00:00", "01:00") for _ in range(60)),
        )
    ]
    shown = drawn(rows + ROWS, width)
    assert max(map(cells, shown.splitlines())) <= width
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "\x1b[" in drawn(ROWS, width, color=True)
