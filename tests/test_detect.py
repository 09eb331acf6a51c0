"""detect: what a file is taken for, why, and what would help."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from stories import FIXTURES, FULL, at, jsonl, rows_of
from test_samples import EXPECTED, IN_FIELDS, SAMPLE

import cuidx
from cuidx.cli.app import run


def detected(path: Path, **options: Any) -> dict[str, Any]:
    (row,) = rows_of(cuidx.open_case(path, **options).detect())
    return row


@pytest.mark.parametrize("name", sorted(SAMPLE))
def test_a_sample_is_described_as_expected(name: str) -> None:
    """Against expected/*.json, written by hand: counts are over events and evidence."""
    said, row = EXPECTED[name], detected(SAMPLE[name])
    assert (row["format"], row["compression"]) == (said["format"], None)
    identities = {kind: count for kind, count in row["identity"].items() if count}
    identities["none"] = identities.get("none", 0) + identities.pop("ip", 0)
    assert {kind: n for kind, n in identities.items() if n} == said["identities"]
    assert row["request_ids"] == said["request_ids"]
    if said["format"] not in IN_FIELDS:
        assert row["ips"] == len({ip for ips in said["ips"].values() for ip in ips})
    assert row["zone"] == ("assumed" if said["zone"] == "unknown" else "certain")
    digits = {"s": 0, "ms": 3, "us": 6, "ns": 9}[said["precision"]]
    assert (row["first"] or "")[:19] == said["span"][0][:19]
    assert len((row["last"] or "")[:-1].partition(".")[2]) <= digits


ORDERS = {
    "chronological": (0, 1, 1, 5), "reverse": (5, 3, 3, 1), "unordered": (0, 5, 3),
}  # fmt: skip


@pytest.mark.parametrize("order", ORDERS)
def test_the_order_of_times(order: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(jsonl([{"time": at(s), "msg": "x"} for s in ORDERS[order]]))
    assert detected(path)["order"] == order


def test_carried_times_are_no_order(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text(f"{at(5)} boom\n  at a\n  at b\n{at(3)} bang\n")
    assert detected(path)["order"] == "reverse"


PAYLOADS = {
    "json": ['{"log":"{\\"msg\\":\\"x\\"}\\n","stream":"stdout","kubernetes":{"pod_name":"p"}}'] * 2,
    "text": ['{"log":"x\\n","stream":"stdout","kubernetes":{"pod_name":"p"}}'] * 2,
    "mixed": ['{"log":"x\\n","stream":"stdout"}', '{"log":"{\\"a\\":1}\\n","stream":"stdout"}'],
}  # fmt: skip


@pytest.mark.parametrize("payload", PAYLOADS)
def test_the_payload_is_what_the_program_wrote(payload: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("\n".join(PAYLOADS[payload]) + "\n")
    assert detected(path)["payload"] == payload


def test_compression_and_no_times(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress((FIXTURES / "paper" / "figure5.jsonl").read_bytes()))
    row = detected(path)
    assert (row["compression"], row["order"], row["first"]) == ("gzip", "no times", None)


def why(path: Path) -> str:
    return "\n".join(detected(path)["why"])


def test_an_unknown_json_file_gets_the_fields_that_would_help() -> None:
    said = why(Path("docs/examples/orders.jsonl"))
    assert "orders.jsonl:1 fits no format but jsonl-flat" in said
    assert said.count("nearest: ") == 2
    assert "--field ip=who.addr" in said
    assert "--field time=when" in said
    case = cuidx.open_case("docs/examples/orders.jsonl", field={"ip": "who.addr", "time": "when"})
    assert case.lifetimes().height == 1  # and it does help


def test_unknown_text_gets_the_patterns_that_would_help() -> None:
    said = why(Path("docs/examples/shop.log"))
    assert "shop.log:1 fits no format but rawtext" in said
    pattern = next(p.split("'")[1] for p in said.splitlines() if p.startswith("--pattern '(?<ip>"))
    assert cuidx.open_case("docs/examples/shop.log", pattern=pattern).lifetimes().height == 1


def test_nearest_formats_say_what_the_line_lacks(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("2026-11-02T09:00:00Z stdout hello\n" * 3)
    assert "nearest: cri lacks P or F before the text" in why(path)


def test_a_close_call_is_said(tmp_path: Path) -> None:
    flat = (FIXTURES / "formats" / "jsonl-flat.jsonl").read_text().splitlines()
    dump = (FIXTURES / "formats" / "elasticdump.jsonl").read_text().splitlines()
    path = tmp_path / "a"
    path.write_text("\n".join(flat[:4] + dump[:4]) + "\n")
    assert "a close call: " in why(path)


def test_the_command_and_the_library_say_the_same(capfd: pytest.CaptureFixture[str]) -> None:
    path = str(FIXTURES / "formats" / "kibana.csv")
    assert run(["detect", path, "-f", "json"]) == 0
    printed = json.loads(capfd.readouterr().out)
    assert printed["files"] == rows_of(cuidx.open_case(path).detect())


@pytest.mark.parametrize("width", [80, 160] if FULL else [80])
def test_the_table_fits_and_names_every_file(
    width: int, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert run(["detect", str(FIXTURES / "formats"), "-q"]) == 0
    out = capfd.readouterr().out
    assert all(str(path) in out for path in SAMPLE.values())
    words = max(len(word) for line in out.splitlines() for word in line.split())
    assert all(len(line) <= max(width, words + 12) for line in out.splitlines())
