"""The journal by its own tools: systemd-journal-remote makes one, journalctl prints it.

`tests/install-tools` has Debian install them. What goes in and what journalctl's plain text says
are the oracles; neither is made by the package.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from stories import rows_of

import cuidx

ID = "28492db5f2decbb8affd8e3c5def1ee846781f1eccacd163738e200c8343f2ed"
UID = "51d2c7a4-0f3e-4a6b-9d18-2c7e5b8f9a01"
TAG = b'{"ikontainer_CUID":"7f0c2f7e","svc":"gateway.shop.lab"}'
BEGIN = 1793610000_100412  # microseconds: 2026-11-02T09:00:00.100412Z
LONG = b"x" * 5000 + TAG

# (what the program wrote, what must be read: message, cuid); each as one entry.
LINES: list[tuple[bytes, str | None, str | None]] = [
    (b"2026-11-02T09:00:00.100Z INFO GET /checkout" + TAG,
     "2026-11-02T09:00:00.100Z INFO GET /checkout", "7f0c2f7e"),
    (b'{"level":"warn","msg":"slow","ikontainer_CUID":"3b9d","svc":"payment.shop.lab"}',
     "slow", "3b9d"),
    (b"\x1b[33mWARN\x1b[0m a colour" + TAG, "\x1b[33mWARN\x1b[0m a colour", "7f0c2f7e"),
    (b"not UTF-8: \xff\xfe" + TAG, "not UTF-8: \ufffd\ufffd", "7f0c2f7e"),
    ("größer ✓".encode() + TAG, "größer ✓", "7f0c2f7e"),
    (b"two\nlines" + TAG, "two\nlines", "7f0c2f7e"),
    (b"a\ttab and \"quotes\"", 'a\ttab and "quotes"', None),
    (LONG, "x" * 5000, "7f0c2f7e"),
]  # fmt: skip


def program(name: str) -> str:
    """Where a program is; Debian keeps systemd-journal-remote out of the usual folders."""
    found = shutil.which(name) or shutil.which(name, path="/lib/systemd:/usr/lib/systemd")
    assert found, f"{name} is not there: tests/install-tools has Debian install it"
    return found


def exported(number: int, message: bytes, **fields: str) -> bytes:
    """One entry in the Journal Export Format; bytes that are no plain text have their length."""
    at = BEGIN + 1_000_000 * number
    said: dict[str, bytes] = {
        "__REALTIME_TIMESTAMP": str(at).encode(),
        "__MONOTONIC_TIMESTAMP": str(10_000_000 + at - BEGIN).encode(),
        "_BOOT_ID": b"8e1c2a3b4d5f40718293a4b5c6d7e8f9",
        "_TRANSPORT": b"journal",
        "PRIORITY": b"6",
        "_HOSTNAME": b"node-1",
        "CONTAINER_ID": ID[:12].encode(),
        "CONTAINER_ID_FULL": ID.encode(),
        "CONTAINER_NAME": f"k8s_gateway_gateway-x2k4q_shop_{UID}_2".encode(),
        **{key: value.encode() for key, value in fields.items()},
        "MESSAGE": message,
    }
    out = b""
    for key, value in said.items():
        plain = all(32 <= byte < 127 for byte in value)
        size = len(value).to_bytes(8, "little")
        out += key.encode() + (b"=" + value if plain else b"\n" + size + value) + b"\n"
    return out + b"\n"


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal with LINES, and one more line that docker cut in three."""
    path = tmp_path_factory.mktemp("journal") / "made.journal"
    data = b"".join(exported(n, line) for n, (line, _, _) in enumerate(LINES))
    going = {"CONTAINER_PARTIAL_MESSAGE": "true"}
    for n, part in enumerate((b"one, ", b"two, ", b"three" + TAG)):
        data += exported(20 + n, part, **(going if n < 2 else {}))
    made = subprocess.run(
        [program("systemd-journal-remote"), f"--output={path}", "-"],
        input=data, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert path.exists(), made.stderr.decode()
    return path


def printed(journal: Path, *options: str) -> bytes:
    return subprocess.run(
        [program("journalctl"), f"--file={journal}", "--no-pager", *options],
        capture_output=True, timeout=60, check=True,
    ).stdout  # fmt: skip


def test_what_journalctl_prints_gives_the_lines_back(journal: Path, tmp_path: Path) -> None:
    out = printed(journal, "-o", "json", "--all")
    kinds = {type(json.loads(line)["MESSAGE"]) for line in out.splitlines()}
    assert kinds == {str, list}, "journalctl wrote no list of bytes: the test shows nothing"
    path = tmp_path / "log"
    path.write_bytes(out)
    case = cuidx.open_case(path)
    rows = rows_of(case.events)
    assert case.opened[0].format == "journald"
    assert [(row["message"], row["cuid"]) for row in rows] == [
        *[(message, cuid) for _, message, cuid in LINES], ("one, two, three", "7f0c2f7e")
    ]  # fmt: skip
    counted = case.accounting
    assert (counted.records, counted.events, counted.fragments) == (len(LINES) + 3, len(rows), 2)
    same: dict[str, Any] = {"container_id": ID, "container_name": "gateway", "pod": "gateway-x2k4q",
                            "pod_uid": UID, "namespace": "shop", "restart": 2, "node": "node-1",
                            "time_from": "collector"}  # fmt: skip
    assert [{key: row[key] for key in same} for row in rows] == [same] * len(rows)
    assert [row["time"] for row in rows] == [
        f"2026-11-02T09:00:{at:02}.100412Z" for at in [*range(len(LINES)), 20]
    ]
    assert case.warnings == []


def test_lines_agree_with_journalctls_own_text(journal: Path, tmp_path: Path) -> None:
    """`-o cat` prints messages alone: another way out of the same file."""
    plain = printed(journal, "-o", "cat", "--all").decode("utf-8", "replace")
    path = tmp_path / "log"
    path.write_bytes(printed(journal, "-o", "json", "--all"))
    for row in rows_of(cuidx.open_case(path).events):
        if row["message"] not in ("slow", "one, two, three"):
            assert row["message"] in plain


def test_without_all_a_long_line_has_no_text_and_that_is_said(
    journal: Path, tmp_path: Path
) -> None:
    path = tmp_path / "log"
    path.write_bytes(printed(journal, "-o", "json"))
    case = cuidx.open_case(path)
    rows = rows_of(case.events)
    at = [line for line, _, _ in LINES].index(LONG)
    assert (rows[at]["message"], rows[at]["cuid"], rows[at]["identity"]) == (
        None, None, "container_id"
    )  # fmt: skip
    assert [row["message"] for row in rows[:at]] == [message for _, message, _ in LINES[:at]]
    (said,) = case.warnings
    assert "--all" in said
