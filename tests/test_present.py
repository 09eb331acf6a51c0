"""The presentation layer: every form of a result, and that nothing in a log line gets out of it."""

import csv
import html.parser
import io
import json
import os
import re
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cuidx.errors import UsageError
from cuidx.present import Form, Result, accounting, emit
from cuidx.present.cells import cells, terminal_color, terminal_width
from cuidx.present.escape import json_safe, markdown, visible
from cuidx.present.progress import progress
from cuidx.present.timeaxis import Axis, duration, moment
from cuidx.present.timeline import render

GOLDEN = Path(__file__).parent / "golden" / "present"
ACCOUNTING: dict[str, object] = {
    **{"records": 1696, "events": 1679, "fragments": 0, "duplicates": 17, "evidence": 0},
    **{"skipped": 0, "blank": 0, "unreadable": 0, "tagged": 1679, "untagged": 0},
    **{"first": "2026-11-23T18:54:17.985Z", "last": "2026-11-23T18:58:24.208Z"},
    "sources": [{"path": f"{n}.log", "format": "plain"} for n in range(25)],
}
HOSTILE = {
    "ANSI": "\x1b[2J\x1b[31mred",
    "C1 control": "\x9b31m",
    "title": "\x1b]0;owned\x07",
    "newline": "one\ntwo\r\nthree",
    "tab": "a\tb",
    "pipe": "a|b||c\\|d\\",
    "HTML": "<script>alert(1)</script><img src=x onerror=alert(1)>&amp;",
    "quote": "\"'`back`tick```",
    "surrogate": "half \udc80 of \ud800",
    "RTL override": "gpj.\u202eexe\u2066",
    "separators": "a\u2028b\u2029c\u0085d",
    "tag letters": "a\U000e0041b",
    "markup": "**bold** [x](javascript:alert(1)) ![i](http://evil/) ~~s~~ _u_ @everyone org/repo#1",
    "table": "|---|---|",
    "formula": '=HYPERLINK("http://evil")',
    "comma": 'a,"b",c',
    "rich": "[red]no[/red] [link=x]",
    "wide": "日本語サービス名日本語",
    "emoji": "👩\u200d👩\u200d👧 :100: fd00:100::1",
    "long": "x" * 3000,
    "NUL": "a\x00b",
}
UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
hostile = pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())


def container(name: str = "4a23" * 8, **changes: object) -> dict[str, object]:
    row: dict[str, object] = {
        **{"container": name, "identity": "cuid", "service": "payment", "namespace": "shop"},
        **{"cluster": "dev", "pod": "payment-1", "node": "node-1", "ips": ["10.10.11.2"]},
        **{"first_seen": "2026-11-02T09:00:01Z", "last_seen": "2026-11-02T09:04:12.5Z"},
        **{"started": None, "ended": None, "end": "unknown", "lines": 7, "errors": 1},
        **{"requests": 3, "reused_ips": []},
    }
    return row | changes


def timeline(*rows: dict[str, object], warnings: tuple[str, ...] = ()) -> Result:
    return Result("timeline", "containers", rows, ACCOUNTING, list(warnings))


def demo(name: str) -> Result:
    return timeline(*json.loads((GOLDEN / f"{name}.json").read_text()))


def written(result: Result, form: Form, path: Path, width: int | None = None) -> str:
    emit(result, form, output=path, width=width)
    return path.read_bytes().decode()


# --- the timeline's table ------------------------------------------------------------------------

DRAWN = [
    *((name, width, False) for name in ("export", "evidence", "mixed") for width in (80, 160)),
    *(("export", width, True) for width in (80, 160)),
    *(("figure5", 80, color) for color in (False, True)),
    ("evidence", 50, False),
]


@pytest.mark.parametrize(("name", "width", "color"), DRAWN)
def test_the_timeline_looks_as_it_was_last_looked_at(name: str, width: int, color: bool) -> None:
    drawn = render(demo(name), width=width, color=color)
    path = GOLDEN / f"timeline-{name}-{width}{'-color' if color else ''}.txt"
    if os.environ.get("CUIDX_GOLDEN") == "write":
        path.write_text(drawn, encoding="utf-8")
    assert drawn == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["export", "evidence", "mixed", "figure5"])
@pytest.mark.parametrize("width", [20, 33, 40, 50, 60, 72, 79, 80, 100, 120, 159, 160, 250])
def test_no_line_is_wider_than_asked_and_no_container_is_left_out(name: str, width: int) -> None:
    result = demo(name)
    lines = render(result, width=width, color=False).splitlines()
    assert max(map(cells, lines)) <= max(width, 40)
    assert sum(line.startswith(("┌", "├", "└", "↺", "   ")) for line in lines) >= len(result.rows)


def test_colour_adds_nothing_but_colour() -> None:
    colored = render(demo("mixed"), width=120, color=True)
    assert re.sub("\x1b\\[[0-9;]*m", "", colored) == render(demo("mixed"), width=120, color=False)


def test_holders_of_one_address_stand_together_in_time_order() -> None:
    lines = render(demo("export"), width=80, color=False).splitlines()
    held = [(line[:2], line.split()[3]) for line in lines if "10.89.1.12" in line]
    assert held == [("┌─", "7142ce5c"), ("├▸", "a3c207b7"), ("└▸", "43a19ae9")]


def test_no_containers() -> None:
    assert render(timeline(), width=80, color=True) == "no containers\n"


def test_one_container_with_one_moment_gets_a_dot() -> None:
    moment = "2026-11-02T09:00:01.123456789Z"
    drawn = render(timeline(container(first_seen=moment, last_seen=moment)), width=80, color=False)
    assert "1 container · 1 error" in drawn
    assert "•" in drawn


def test_without_times_there_is_no_axis() -> None:
    drawn = render(timeline(container(first_seen=None, last_seen=None)), width=80, color=False)
    assert drawn.startswith("no times: line order · 1 container")
    assert "━" not in drawn


def test_a_container_on_two_reused_addresses_is_counted_once() -> None:
    rows = (
        container("a" * 32, ips=["10.0.0.1"], reused_ips=["10.0.0.1"]),
        container("b" * 32, ips=["10.0.0.1", "10.0.0.2"], reused_ips=["10.0.0.1", "10.0.0.2"]),
        container("c" * 32, ips=["10.0.0.2"], reused_ips=["10.0.0.2"]),
    )
    drawn = render(timeline(*rows), width=80, color=False)
    assert drawn.startswith("2026-11-02 09:00:01\u201309:04:12 UTC · 3 containers")
    assert drawn.count("bbbbbbbb") == 2
    assert "\u2033 counted above" in drawn


def test_two_addresses_with_the_same_holders_are_one_group() -> None:
    both = ["10.0.0.1", "fd00::1"]
    rows = (container(c * 32, ips=both, reused_ips=both) for c in "ab")
    drawn = render(timeline(*rows), width=80, color=False)
    assert drawn.count("10.0.0.1 +1") == 2
    assert "┌─ fd00::1" not in drawn


def test_short_names_grow_until_they_are_unique() -> None:
    rows = (container(f"4a23c1d{end}-0000-4000-8000-000000000000") for end in ("0", "1"))
    other = container("4a23c1d0-0001-4000-8000-000000000000")
    drawn = render(timeline(*rows, other), width=120, color=False)
    assert re.findall("4a23c1d[0-9a-f-]*", drawn) == ["4a23c1d0-0000", "4a23c1d1", "4a23c1d0-0001"]


def test_5000_containers_take_seconds_at_most() -> None:
    rows = [
        container(
            f"{n * 7919:032x}",
            ips=[f"10.0.{n % 7}.{n % 250}"],
            reused_ips=[f"10.0.{n % 7}.{n % 250}"],
            first_seen=f"2026-11-0{1 + n // 1000}T{n % 24:02}:00:00Z",
            last_seen=f"2026-11-0{1 + n // 1000}T{n % 24:02}:30:00.123Z",
        )
        for n in range(5000)
    ]
    begin = time.perf_counter()
    drawn = render(timeline(*rows), width=160, color=True)
    assert time.perf_counter() - begin < 5
    assert drawn.count("\n") >= 5000


TICKS = [
    ("2026-11-23T18:54:17Z", "2026-11-23T18:58:24Z", 60, "18:55 18:56 18:57 18:58"),
    ("2026-11-23T22:10:00Z", "2026-11-24T04:00:00Z", 40, "11-24 02:00 04:00"),
    ("2026-11-01T00:00:00Z", "2026-11-20T00:00:00Z", 30, "11-02 11-09 11-16"),  # Mondays
    ("2024-11-01T00:00:00Z", "2026-11-20T00:00:00Z", 40, "2025-01 2025-07 2026-01 2026-07"),
    (
        "2026-11-01T00:00:00Z",
        "2026-11-01T00:00:00.5Z",
        50,
        "00:00:00.000 00:00:00.200 00:00:00.400",
    ),
    ("1970-01-01T00:00:00Z", "2026-11-20T00:00:00Z", 40, "1980-01 2000-01 2020-01"),
]


@pytest.mark.parametrize(("low", "high", "width", "labels"), TICKS)
def test_ticks_are_round_times_that_have_room(low: str, high: str, width: int, labels: str) -> None:
    start, end = moment(low), moment(high)
    assert start is not None
    assert end is not None
    ticks = Axis(start, end, width).ticks()
    assert " ".join(label for _, label in ticks) == labels


@given(st.integers(0, 2**55), st.integers(1, 2**55), st.integers(6, 200))
def test_ticks_never_overlap(low: int, length: int, width: int) -> None:
    ticks = Axis(low, low + length, width).ticks()
    assert all(0 <= cell < width for cell, _ in ticks)
    assert all(b[0] - a[0] > len(a[1]) + 1 for a, b in pairwise(ticks))


def test_durations() -> None:
    given_ = (0, 45, 1500, 9_640_000, 21_400_000, 65_000_000, 7_380_000_000, 273_600_000_000)
    assert [*map(duration, given_)] == [
        "0s",
        "45µs",
        "1ms",
        "9.6s",
        "21s",
        "1m05s",
        "2h03m",
        "3d04h",
    ]


# --- hostile values ------------------------------------------------------------------------------


@hostile
@pytest.mark.parametrize("form", [f for f in Form if f not in (Form.parquet, Form.csv)])
def test_nothing_that_a_terminal_obeys_comes_through(
    value: str, form: Form, tmp_path: Path
) -> None:
    everywhere = {n: value for n, v in container().items() if isinstance(v, str)}
    row = container(**everywhere, ips=[value], reused_ips=[value])
    for command in ("timeline", "other"):
        result = Result(
            command, "containers", [row, row], ACCOUNTING, [value], {"totals": {"x": value}}
        )
        assert not UNSAFE.search(written(result, form, tmp_path / "out"))


@hostile
def test_json_and_jsonl_read_back_the_same(value: str, tmp_path: Path) -> None:
    rows = [container(value, ips=[value]), container(service=None)]
    whole = written(timeline(*rows, warnings=(value,)), Form.json, tmp_path / "a")
    read = json.loads(whole)
    assert read["containers"] == rows
    assert read["warnings"] == [value]
    assert list(read) == ["cuidx", "command", "accounting", "warnings", "containers"]
    assert len(whole.splitlines()) == 2 + len(rows)
    lines = written(timeline(*rows), Form.jsonl, tmp_path / "b").splitlines()
    assert [json.loads(line) for line in lines] == rows


@hostile
def test_csv_reads_back_the_same(value: str, tmp_path: Path) -> None:
    text = written(
        timeline(container(value, ips=["10.0.0.1", "fd00::1"])), Form.csv, tmp_path / "a"
    )
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert row["container"] == value.encode("utf-8", "backslashreplace").decode()
    assert (row["ips"], row["started"], row["lines"]) == ("10.0.0.1 fd00::1", "", "7")


@hostile
def test_markdown_keeps_its_columns_and_has_no_live_markup(value: str, tmp_path: Path) -> None:
    plain = written(timeline(container()), Form.markdown, tmp_path / "a")
    text = written(timeline(container(value)), Form.markdown, tmp_path / "b")
    assert [columns(line) for line in text.splitlines()] == [columns(plain.splitlines()[0])] * 3
    outside = re.sub("`[^`]*`", "", markdown(value).replace("\\`", ""))
    assert not re.search(r"<|(?<!\\)[*_\[\]~|]|@|://|javascript:(?!alert)", outside)


def columns(line: str) -> int:
    """Cells of a table's line, by GitHub's rule: a backslash hides the character after it."""
    return re.sub(r"\\.", "", line).count("|")


@hostile
def test_html_has_no_element_of_the_logs(value: str, tmp_path: Path) -> None:
    result = timeline(container(value, service=value), warnings=(value,))
    page = written(result, Form.html, tmp_path / "a")
    seen = Page()
    seen.feed(page)
    assert seen.tags <= OURS
    assert seen.attributes <= {"lang", "charset", "http-equiv", "content", "name", "scope", "class"}
    assert visible(value) in seen.text
    assert "default-src 'none'" in page


OURS = {*("html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "ul", "li"),
        *("table", "thead", "tbody", "tr", "th", "td", "footer")}  # fmt: skip


class Page(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text(st.characters(codec=None)))
def test_any_text_is_safe_in_every_form(text: str) -> None:
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", visible(text))
    assert json.loads(json_safe(json.dumps(text, ensure_ascii=False))) == text
    assert columns(f"|{markdown(text)}|") == 2


# --- the other forms -----------------------------------------------------------------------------


def test_json_has_null_for_numbers_it_cannot_say(tmp_path: Path) -> None:
    result = Result("steps", "alerts", [{"reduction": float("nan")}], {}, [], {"totals": {"n": 1}})
    read = json.loads(written(result, Form.json, tmp_path / "a"))
    assert (read["alerts"], read["totals"]) == ([{"reduction": None}], {"n": 1})


def test_json_without_rows_is_one_line(tmp_path: Path) -> None:
    text = written(timeline(), Form.json, tmp_path / "a")
    assert text.endswith('"containers": []}\n')
    assert text.count("\n") == 1


def test_events_are_written_as_they_come_and_accounting_after_them(tmp_path: Path) -> None:
    counted: dict[str, object] = {"records": 0}

    class Stream(list[dict[str, object]]):
        def __iter__(self) -> Iterator[dict[str, object]]:
            for line in (1, 2):
                counted["records"] = line
                yield {"line": line}

    text = written(Result("annotate", "events", Stream(), counted, []), Form.json, tmp_path / "a")
    assert json.loads(text)["accounting"] == {"records": 2}
    assert text.index('"events"') < text.index('"accounting"')


def test_csv_has_its_header_also_without_rows(tmp_path: Path) -> None:
    result = Result("timeline", "containers", [], {}, [], columns=["container", "ips"])
    assert written(result, Form.csv, tmp_path / "a") == "container,ips\r\n"


def test_csv_values(tmp_path: Path) -> None:
    row: dict[str, object] = {"a": True, "b": None, "c": {"x": [1]}, "d": [{"ip": "é"}], "e": 0.5}
    text = written(Result("x", "rows", [row], {}, []), Form.csv, tmp_path / "a")
    assert text.splitlines()[1] == 'true,,"{""x"": [1]}","[{""ip"": ""é""}]",0.5'


def test_markdown_is_a_table_that_reads_as_text(tmp_path: Path) -> None:
    row = container("d93be247-2050-41d5-b58b-3d90497138ea", namespace=None, pod=None)
    lines = written(timeline(row), Form.markdown, tmp_path / "a").splitlines()
    assert lines[0].startswith("| container                            | identity | service |")
    assert lines[2].startswith(
        "| d93be247-2050-41d5-b58b-3d90497138ea | cuid     | payment | 10.10.11.2 |"
    )
    assert "2026-11-02T09:00:01Z" in lines[2]


def test_parquet_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    emit(timeline(container("half \udc80"), container(service=None)), Form.parquet, output=path)
    frame = pl.read_parquet(path)
    assert frame["container"].to_list() == ["half \\udc80", "4a23" * 8]
    assert frame["service"].to_list() == ["payment", None]
    assert frame.schema["ended"] == pl.String()
    assert frame.schema["ips"] == pl.List(pl.String())


def test_parquet_without_a_file_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match=r"-o rows\.parquet"):
        emit(timeline(), Form.parquet, output=None)


def test_a_table_without_a_design_fits_and_says_what_it_left_out(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {f"column{n}": f"{'v' * n}\x1b" for n in range(20)} | {"search": {"hits": line}}
        for line in (1, 20)
    ]
    result = Result("formats", "alerts", rows, {}, [], {"totals": {"cuid_search": {"hits": 4}}})
    text = written(result, Form.table, tmp_path / "a", width=60)
    assert max(map(len, text.splitlines()[:-3])) <= 60
    assert "not shown: column" in text
    assert "search.hits" in text
    assert "totals.cuid_search.hits  4" in text
    assert "\x1b" not in text
    assert (
        written(Result("formats", "alerts", [], {}, []), Form.table, tmp_path / "b")
        == "no alerts\n"
    )


# --- where it goes -------------------------------------------------------------------------------


class Interrupted(list[dict[str, object]]):
    """Rows that are interrupted after many have been written."""

    def __iter__(self) -> Iterator[dict[str, object]]:
        for number in range(5000):
            yield container(f"{number:032x}")
        raise KeyboardInterrupt


@pytest.mark.parametrize("form", [Form.json, Form.jsonl, Form.csv])
@pytest.mark.parametrize("before", [None, b"old"])
def test_an_interrupted_file_is_as_it_was(form: Form, before: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "out"
    if before:
        path.write_bytes(before)
    result = Result("timeline", "containers", Interrupted(), {}, [], columns=["container"])
    with pytest.raises(KeyboardInterrupt):
        emit(result, form, output=path)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == ([before] if before else [])


def test_a_file_keeps_its_mode_and_a_link_stays_one(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.touch(mode=0o640)
    target.chmod(0o640)
    link.symlink_to(target)
    emit(timeline(), Form.jsonl, output=link)
    emit(timeline(container()), Form.jsonl, output=link)
    assert link.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert target.read_text().count("\n") == 1


@pytest.mark.parametrize(
    ("path", "message"),
    [
        pytest.param("no/where/out.json", r"no folder .*\nmake it first: mkdir", id="no folder"),
        pytest.param(".", "is a folder\nname a file in it", id="a folder"),
        pytest.param("file/out.json", "can't be written: Not a directory", id="a file as folder"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_wrong_usage(path: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=message) as caught:
        emit(timeline(), Form.json, output=tmp_path / path)
    assert caught.value.exit_code == 2
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_pipe_is_written_directly(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    emit(timeline(container()), Form.jsonl, output=pipe)
    reader.join(10)
    assert json.loads(read[0])["service"] == "payment"
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("path", [None, "-", "/dev/stdout"])
def test_standard_output_has_the_result_alone(
    path: str | None, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "90")
    emit(timeline(container(service="é")), Form.table, output=Path(path) if path else None)
    out, err = capfdbinary.readouterr()
    assert out.decode() == render(timeline(container(service="é")), width=90, color=False)
    assert err == b""


@pytest.mark.parametrize(
    ("env", "terminal", "color", "width"),
    [
        ({}, False, False, 120),
        ({"COLUMNS": "77"}, False, False, 77),
        ({"COLUMNS": "no"}, False, False, 120),
        ({"TERM": "xterm"}, True, True, None),
        ({"TERM": "dumb"}, True, False, None),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, False, None),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, True, None),
        ({"FORCE_COLOR": "1"}, False, True, 120),
    ],
)
def test_colour_and_width_follow_the_terminal(
    env: dict[str, str],
    terminal: bool,
    color: bool,
    width: int | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("COLUMNS", "TERM", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    assert terminal_color() == color
    if width is not None:
        assert terminal_width() == width


# --- standard error ------------------------------------------------------------------------------

LINES = [
    pytest.param(
        ACCOUNTING,
        "1,696 records: 1,679 events (1,679 tagged) · 17 duplicates · from 25 sources, "
        "2026-11-23 18:54:17\u201318:58:24 UTC",
        id="a capture",
    ),
    pytest.param(
        {"records": 12, "events": 1, "untagged": 1, "unreadable": 3, "blank": 8, "sources": [{}],
         "first": None, "last": None},
        "12 records: 1 event (1 untagged) · 3 UNREADABLE (--rejects PATH writes them) · 8 blank · "
        "from 1 source, no times",
        id="unreadable stands out",
    ),
    pytest.param(
        {"records": 2, "events": 2, "tagged": 1, "untagged": 1, "sources": [],
         "first": "2026-11-02T23:59:01Z", "last": "2026-11-03T00:04:12Z"},
        "2 records: 2 events (1 tagged, 1 untagged) · from 0 sources, "
        "2026-11-02 23:59:01 \u2013 2026-11-03 00:04:12 UTC",
        id="over midnight",
    ),
    pytest.param({}, "0 records: 0 events", id="nothing"),
]  # fmt: skip


@pytest.mark.parametrize(("counts", "line"), LINES)
def test_accounting_is_one_line(counts: dict[str, object], line: str) -> None:
    assert accounting.line(counts) == line


def test_warnings_are_plain_lines() -> None:
    assert accounting.warnings(["zone\n\x1b"]) == "warning: zone\\n\\x1b\n"
    assert accounting.warnings([]) == ""


def test_progress_is_silent_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(100) as meter:
        meter.advance(50, "a.log")
    assert capsys.readouterr() == ("", "")


def test_progress_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress(100) as meter:
        meter.advance(100, "[red]\x1b]0;owned\x07")
    out, err = capsys.readouterr()
    assert out == ""
    assert "[red]\\x1b]0;owned" in err
    with progress(100, quiet=True) as meter:
        meter.advance(50)
    assert capsys.readouterr() == ("", "")


def test_rich_and_polars_are_imported_only_where_they_draw() -> None:
    code = (
        "import sys, cuidx.present, cuidx.present.progress as p\n"
        "with p.progress(1) as m: m.advance(1)\n"
        "print([n for n in ('rich', 'polars', 'typer') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
