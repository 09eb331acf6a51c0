"""--since and --until on large files in order of time: the rest is not read, and that is said."""

from pathlib import Path
from typing import Any

import pytest
from bench.generate import generate
from stories import FIXTURES

import cuidx
from cuidx.case import Case
from cuidx.cli.app import run
from cuidx.sources import seek

SINCE, UNTIL = "2026-11-02T09:40:00Z", "2026-11-02T10:05:00Z"
COUNTED = ["container", "service", "ips", "first_seen", "last_seen", "lines", "errors", "requests"]


@pytest.fixture(scope="module", params=["flat", "text"])
def log(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("seek") / "a.log"
    generate(20_000, 3, request.param, path, bad=0.001)
    return path


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seek, "LEAST", 1 << 20)
    monkeypatch.setattr(seek, "_NEAR", 1 << 15)


def opened(path: Path, **options: Any) -> Case:
    return cuidx.open_case(path, seek=True, since=SINCE, until=UNTIL, **options)


def test_what_is_inside_is_the_same_as_when_all_is_read(log: Path) -> None:
    part, whole = opened(log), opened(log, exact=True)
    assert part.lifetimes().select(COUNTED).equals(whole.lifetimes().select(COUNTED))
    place = ["source", "line", "time", "message", "container"]
    assert part.annotate().select(place).equals(whole.annotate().select(place))
    assert whole.accounting.not_read == 0
    assert 0.4 * log.stat().st_size < part.accounting.not_read < log.stat().st_size
    assert part.accounting.events < whole.accounting.events
    (said,) = [text for text in part.warnings if "not read" in text]
    assert f"{part.accounting.not_read:,} bytes" in said
    assert "--exact" in said
    assert part.accounting.as_json()["sources"][0]["not_read"] == part.accounting.not_read
    assert "not_read" not in whole.accounting.as_json()


@pytest.mark.parametrize(
    "options",
    [{"since": SINCE}, {"until": UNTIL}, {"since": "-15m"}, {"since": "-15m", "now": UNTIL},
     {"since": "2026-11-03T00:00Z"}, {"until": "2026-11-01T00:00Z"}],
    ids=str,
)  # fmt: skip
def test_one_side_and_relative_times(log: Path, options: dict[str, str]) -> None:
    part = cuidx.open_case(log, seek=True, **options)
    whole = cuidx.open_case(log, **options)
    assert part.lifetimes().select(COUNTED).equals(whole.lifetimes().select(COUNTED))
    assert part.accounting.not_read > 0


def test_a_file_out_of_order_is_read_whole(log: Path, tmp_path: Path) -> None:
    lines = log.read_bytes().split(b"\n")[:-1]
    half = len(lines) // 2
    path = tmp_path / "turned.log"
    path.write_bytes(b"\n".join(lines[half:] + lines[:half]) + b"\n")
    assert opened(path).accounting.not_read == 0


def test_what_needs_all_reads_all(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cuidx.open_case(log, since=SINCE).accounting.not_read == 0  # only where it is asked for
    for command, skips in {"timeline": True, "steps": False}.items():
        run([command, str(log), "--since", SINCE, "--until", UNTIL, "-f", "jsonl"])
        assert ("bytes not read" in capsys.readouterr().err) == skips, command


def test_sources_read_for_their_leases_are_read_whole(log: Path) -> None:
    small = FIXTURES / "paper" / "figure5.jsonl"
    case = cuidx.open_case(small, leases=[log], seek=True, since=SINCE)
    _ = case.accounting
    assert [one.not_read for one in case.opened] == [0, 0]


def test_a_few_looks_find_the_window() -> None:
    looks: list[int] = []

    def look(at: int) -> tuple[int, int | None]:
        looks.append(at)
        return at, at * 10**6

    size = 1 << 30
    found = seek.part(0, size, look, size // 2 * 10**6, size // 2 * 10**6 + 1)
    assert found is not None
    first, last = found
    assert first * 10**6 <= size // 2 * 10**6 - 300 * 10**9
    assert last - first < 1 << 22
    assert len(looks) < 60
