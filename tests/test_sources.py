"""Whatever a source is (packed, cut off, a pipe, no text), it has one outcome, and it is said."""

import bz2
import contextlib
import gzip
import io
import itertools
import json
import lzma
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from stories import answers, conserved, reading, rows_of, suffix
from test_cli import ask

import cuidx
from cuidx.sources import stream
from cuidx.sources.columnar import COLUMNAR, frames
from cuidx.sources.paths import expand

COUNT = 3000  # lines of LONG: several blocks of every packer
AS_ROOT = os.geteuid() == 0


def line(at: int) -> bytes:
    """One event of one of three containers that follow each other on one address."""
    return json.dumps(
        {
            "ts": f"2026-11-02T{9 + at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}.{at % 997:03}Z",
            "level": "INFO",
            "msg": f"order {at} accepted after {at * 7919 % 1009} ms",
            "request_id": f"r{at // 3}",
            "pod_ip": "10.0.0.1",
            "cuid": f"c{at * 3 // COUNT}" if at > 9 else f"c{at // 5}",
        }
    ).encode()


def lines(count: int) -> bytes:
    return b"".join(line(at) + b"\n" for at in range(count))


TEN, LONG = lines(10), lines(COUNT)


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def made(path: str, data: bytes = TEN) -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(data)
    return path


def counted(*sources: str, **options: Any) -> dict[str, Any]:
    """The accounting of SOURCES; every record is in one bin."""
    bins = cuidx.open_case(*sources, **options).accounting.as_json()
    conserved(bins)
    return bins


def paths(bins: dict[str, Any]) -> list[str]:
    return [source["path"] for source in bins["sources"]]


def told(data: bytes) -> dict[str, Any]:
    """All that is said of a file called `log` with DATA in it."""
    return answers(cuidx.open_case(made("log", data)))


# --- packed files --------------------------------------------------------------------------------

PACK: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "zst": zstandard.ZstdCompressor().compress,
    "bz2": partial(bz2.compress, compresslevel=1),  # blocks of 100 kB
    "xz": partial(lzma.compress, preset=1),
}


@cache
def long(kind: str) -> bytes:
    return PACK[kind](LONG)


SKIPPABLE = b"\x50\x2a\x4d\x18\x04\x00\x00\x00info"  # as pzstd writes between its frames


def unsized(data: bytes) -> bytes:
    """A zstd frame that does not say how long its content is, as `zstd` makes from a pipe."""
    out = io.BytesIO()
    with zstandard.ZstdCompressor().stream_writer(out, closefd=False) as writer:
        writer.write(data)
    return out.getvalue()


@pytest.mark.parametrize("kind", PACK)
@pytest.mark.parametrize("pieces", [1, 3], ids=["one member", "three members"])
def test_packed_is_read_as_it_is_whatever_it_is_called(kind: str, pieces: int) -> None:
    cut = [len(TEN) * piece // pieces for piece in range(pieces + 1)]  # also in the middle of lines
    packed = b"".join(PACK[kind](TEN[low:high]) for low, high in itertools.pairwise(cut))
    assert told(packed) == told(TEN)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(unsized(TEN), id="zst of no known size"),
        pytest.param(unsized(TEN[:700]) + SKIPPABLE + unsized(TEN[700:]), id="zst with other data"),
        pytest.param(gzip.compress(TEN) + bytes(512), id="gz filled up with zeros"),
        pytest.param(gzip.compress(b"") + gzip.compress(TEN), id="gz with an empty member"),
        pytest.param(lzma.compress(TEN) + bytes(4) + lzma.compress(b""), id="xz with padding"),
    ],
)
def test_other_ways_to_pack(data: bytes) -> None:
    assert told(data) == told(TEN)


@pytest.mark.parametrize("name", ["a.gz", "a.zst", "a.bz2", "a.xz", "a.parquet", "a.json", "a.exe"])
def test_a_name_that_promises_something_else_does_not_matter(name: str) -> None:
    assert counted(made(name))["events"] == 10


def test_packed_twice_is_refused_and_said() -> None:
    said = ask("timeline", made("a.gz", gzip.compress(gzip.compress(TEN))))
    assert said.code == 3
    assert said.err.startswith("cuidx: a.gz: inside the gzip there is gzip data\n")


@pytest.mark.parametrize("kind", PACK)
@pytest.mark.parametrize("share", [0.4, 0.8, 0.99])
def test_what_a_cut_off_file_still_gives_is_printed(kind: str, share: float) -> None:
    packed = long(kind)
    path = made(f"a.{kind}", packed[: int(len(packed) * share)])
    said = ask("timeline", path, "-f", "json")
    assert said.code == 3
    assert said.err.count(f"cuidx: {path}: the file is cut off") == 1
    answer = json.loads(said.out)
    conserved(answer["accounting"])
    assert 0.1 * COUNT < answer["accounting"]["records"] < COUNT
    assert sum(row["lines"] for row in answer["containers"]) == answer["accounting"]["events"]
    assert answer["accounting"]["unreadable"] <= 1  # the line that the cut went through
    assert any("cut off" in warning for warning in answer["warnings"])


@pytest.mark.parametrize("kind", PACK)
@pytest.mark.parametrize("keep", [7, 12, 30, -1, -4, -9])
def test_no_cut_goes_unnoticed(kind: str, keep: int) -> None:
    case = cuidx.open_case(made(f"a.{kind}", PACK[kind](TEN)[:keep]))
    conserved(case.accounting.as_json())
    assert [str(problem) for problem in case.problems]


@pytest.mark.parametrize("kind", PACK)
def test_a_damaged_place_is_said(kind: str) -> None:
    packed = bytearray(long(kind))
    packed[len(packed) // 2 : len(packed) // 2 + 64] = bytes(64)
    said = ask("timeline", made(f"a.{kind}", bytes(packed)), "-q")
    assert said.code == 3
    assert said.err.startswith(f"cuidx: a.{kind}: ")
    assert "internal error" not in said.err


def test_the_sources_after_a_cut_off_one_are_read() -> None:
    made("a.gz", gzip.compress(TEN)[:-4])
    bins = counted("a.gz", made("b.log"))
    assert [source["records"] for source in bins["sources"]][1] == 10


# --- folders and globs ---------------------------------------------------------------------------


def test_a_folder_is_every_readable_log_below_it() -> None:
    for path in ("d/b.log", "d/a/deep/er/x", "d/a.log"):
        made(path)
    made("d/c.gz", gzip.compress(TEN))
    made("d/empty", b"")
    assert paths(counted("d")) == ["d/a.log", "d/a/deep/er/x", "d/b.log", "d/c.gz", "d/empty"]
    assert paths(counted("d/")) == paths(counted("d"))
    assert paths(counted("./d/a"))[0] == "./d/a/deep/er/x"


def test_hidden_files_and_folders_are_left_aside_unless_they_are_named() -> None:
    for path in ("d/a.log", "d/.b.log", "d/.git/c.log"):
        made(path)
    assert paths(counted("d")) == ["d/a.log"]
    assert paths(counted("d/.git", "d/.b.log")) == ["d/.b.log", "d/.git/c.log"]


def test_what_is_no_text_in_a_folder_is_left_out_with_a_warning() -> None:
    made("d/a.log")
    made("d/core", bytes(range(256)) * 64)
    said = ask("timeline", "d", "-f", "json")
    assert said.code == 0
    warning = "d/core: left out: this is no text and in no known format"
    assert json.loads(said.out)["warnings"] == [warning]
    assert f"warning: {warning}\n" in said.err
    assert paths(json.loads(said.out)["accounting"]) == ["d/a.log"]


def test_what_is_no_text_and_was_named_is_an_error() -> None:
    made("core", bytes(range(256)) * 64)
    said = ask("timeline", "core", made("a.log"))
    assert (said.code, said.out) == (3, "")
    assert said.err == (
        "cuidx: core: this is no text and in no known format\n  leave it out, or unpack it\n"
    )


def test_a_folder_with_nothing_readable_in_it_is_an_error() -> None:
    made("d/core", bytes(range(256)) * 64)
    said = ask("timeline", "d")
    assert said.code == 3
    assert "d/core" in said.err


@pytest.mark.parametrize("inside", [None, ".hidden", "deeper/"])
def test_an_empty_folder_is_an_error(inside: str | None) -> None:
    Path("d/deeper").mkdir(parents=True)
    if inside == ".hidden":
        made("d/.hidden")
    said = ask("timeline", "d")
    assert (said.code, said.out) == (3, "")
    assert said.err == "cuidx: d: no file is in this folder\n  check the path\n"


def test_an_empty_folder_beside_a_file_is_an_error_too() -> None:
    Path("d").mkdir()
    assert ask("timeline", made("a.log"), "d").code == 3


def test_pipes_and_sockets_in_a_folder_are_not_waited_for() -> None:
    made("d/a.log")
    os.mkfifo("d/pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("d/socket")
        assert paths(counted("d")) == ["d/a.log"]


def test_links_to_folders_are_not_followed_below_a_folder() -> None:
    made("d/a.log")
    Path("d/loop").symlink_to(".")
    assert paths(counted("d")) == ["d/a.log"]


def test_a_quoted_glob() -> None:
    for path in ("a1.log", "a2.log", "b.log", "d/a3.log", "d/e/a4.log", "a9/x.txt", "a9/.no"):
        made(path)
    assert paths(counted("a?.log")) == ["a1.log", "a2.log"]
    assert paths(counted("./[ab]*.log")) == ["./a1.log", "./a2.log", "./b.log"]
    assert paths(counted("**/a[34].log")) == ["d/a3.log", "d/e/a4.log"]
    assert paths(counted("a*")) == ["a1.log", "a2.log", "a9/x.txt"]  # a9 is a folder


def test_a_glob_that_fits_nothing_is_an_error() -> None:
    said = ask("timeline", "*.nope", made("a.log"))
    assert (said.code, said.out) == (3, "")
    assert said.err == "cuidx: *.nope: no file fits this glob\n  check the pattern\n"


def test_a_file_that_is_called_like_a_glob_is_that_file() -> None:
    made("a[1].log")
    made("a1.log")
    assert paths(counted("a[1].log")) == ["a[1].log"]


def test_a_name_that_is_no_utf_8() -> None:
    name = os.fsdecode(b"caf\xe9.log")
    made(name)
    said = ask("timeline", name, "-f", "json", "--verbose")
    assert said.code == 0
    assert json.loads(said.out)["accounting"]["events"] == 10


# --- standard input and pipes --------------------------------------------------------------------


@pytest.mark.parametrize("data", [TEN, gzip.compress(TEN), PACK["zst"](TEN)], ids=["", "gz", "zst"])
@pytest.mark.parametrize("more", [[], ["--where", "ip=10.0.0.1"]], ids=["once", "two passes"])
def test_standard_input(data: bytes, more: list[str]) -> None:
    said = ask("timeline", "-", "-f", "json", *more, stdin=data)
    assert said.code == 0
    answer = json.loads(said.out)
    assert [row["lines"] for row in answer["containers"]] == [5, 5]
    assert paths(answer["accounting"]) == ["-"]


def test_standard_input_comes_first_and_once() -> None:
    said = ask("timeline", made("!.log", b"no event of a container\n"), "-", "-", "-f", "json",
               stdin=TEN)  # fmt: skip
    assert paths(json.loads(said.out)["accounting"]) == ["-", "!.log"]


def test_empty_standard_input_is_no_error() -> None:
    said = ask("timeline", "-", stdin=b"")
    assert (said.code, said.out) == (0, "no containers\n")


def test_a_cut_off_standard_input_is_said() -> None:
    said = ask("timeline", "-", "-q", stdin=gzip.compress(TEN)[:-4])
    assert said.code == 3
    assert said.err.startswith("cuidx: -: the file is cut off")


def test_a_closed_standard_input_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)  # what `<&-` makes of it
    said = ask("timeline", "-")
    assert said.code == 3
    assert said.err.startswith("cuidx: -: ")


def test_parquet_on_standard_input() -> None:
    data = io.BytesIO()
    pl.DataFrame({"cuid": ["aa"], "message": ["x"]}).write_parquet(data)
    said = ask("timeline", "-", "-f", "json", stdin=data.getvalue())
    assert said.code == 0
    assert json.loads(said.out)["accounting"]["events"] == 1


def test_dev_stdin() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cuidx", "timeline", "/dev/stdin", "-f", "json",
         "--where", "ip=10.0.0.1"],
        input=TEN, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [row["lines"] for row in json.loads(done.stdout)["containers"]] == [5, 5]


@contextlib.contextmanager
def pipe(name: str, data: bytes) -> Iterator[str]:
    """A named pipe into which DATA is written once."""
    os.mkfifo(name)
    writer = threading.Thread(target=Path(name).write_bytes, args=(data,), daemon=True)
    writer.start()
    yield name
    writer.join(10)
    assert not writer.is_alive()


@pytest.mark.parametrize("more", [[], ["--where", "ip=10.0.0.1"]], ids=["once", "two passes"])
@pytest.mark.parametrize("data", [TEN, gzip.compress(TEN)], ids=["plain", "packed"])
def test_a_named_pipe_is_read_once_whatever_is_asked(data: bytes, more: list[str]) -> None:
    with pipe("pipe", data) as name:
        said = ask("timeline", name, "-f", "json", *more)
    assert said.code == 0
    assert [row["lines"] for row in json.loads(said.out)["containers"]] == [5, 5]


# --- Parquet and Arrow -------------------------------------------------------------------------------------

WHEN = pl.Series(["2026-11-02T09:00:00.123456789Z", "2026-11-02T09:00:01Z"]).str.to_datetime(
    time_unit="ns", time_zone="UTC"
)


def write(frame: pl.DataFrame, where: str | io.BytesIO, kind: str) -> None:
    if kind == "parquet":
        frame.write_parquet(where)
    elif kind == "arrow":
        frame.write_ipc(where)
    else:
        frame.write_ipc_stream(where)


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"time": WHEN, "cuid": ["aa", "bb"], "ip": ["10.0.0.1"] * 2,
                      "service": ["pay", "mail"], "request_id": ["r1", "r2"]}, id="ours"),
        pytest.param({"@timestamp": WHEN, "ikontainer_CUID": ["aa", "bb"],
                      "svc": ["pay.shop.lab", "mail.shop.lab"],
                      "kubernetes": [{"pod_ip": "10.0.0.1"}] * 2,
                      "X-Request-ID": ["r1", "r2"]}, id="as logs name them"),
        pytest.param({"ts": ["2026-11-02T09:00:00.123456789Z", "2026-11-02T09:00:01Z"],
                      "cuid": ["aa", "bb"], "pod_ip": ["10.0.0.1"] * 2, "app": ["pay", "mail"],
                      "rid": ["r1", "r2"]}, id="times as text"),
        pytest.param({"log": ["2026-11-02T09:00:00.123456789Z rid=r1" + suffix("aa", "pay.s.l"),
                              "2026-11-02T09:00:01Z rid=r2" + suffix("bb", "mail.s.l")],
                      "pod_ip": ["10.0.0.1"] * 2}, id="lines with the suffix"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["a.parquet", "a.log"])
@pytest.mark.parametrize("kind", COLUMNAR)
def test_columns(kind: str, columns: dict[str, Any], name: str) -> None:
    write(pl.DataFrame(columns), name, kind)
    case = cuidx.open_case(name)
    assert [(s.path, s.format) for s in case.accounting.sources] == [(name, COLUMNAR[kind][0])]
    wanted = ["container", "service", "ips", "first_seen", "requests"]
    assert rows_of(case.lifetimes().select(wanted)) == [
        dict(zip(wanted, values, strict=True))
        for values in (
            ("aa", "pay", ["10.0.0.1"], "2026-11-02T09:00:00.123456789Z", 1),
            ("bb", "mail", ["10.0.0.1"], "2026-11-02T09:00:01Z", 1),
        )
    ]
    assert rows_of(case.events.select("line")) == [{"line": 1}, {"line": 2}]


@pytest.mark.parametrize("kind", COLUMNAR)
def test_columns_that_are_cut_off_have_no_usable_part(kind: str) -> None:
    write(pl.DataFrame({"cuid": [f"c{n}" for n in range(1000)]}), "a", kind)
    made("a", Path("a").read_bytes()[:-1000])
    said = ask("timeline", "a")
    assert (said.code, said.out) == (3, "")
    what = COLUMNAR[kind][1].split(" ", 1)[1]
    assert said.err.startswith(f"cuidx: a: this {what} can't be read: ")


@pytest.mark.parametrize("kind", COLUMNAR)
def test_columns_on_standard_input_and_by_name(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = io.BytesIO()
    write(pl.DataFrame({"cuid": ["aa"], "message": ["x"]}), data, kind)
    stdin = SimpleNamespace(buffer=io.BytesIO(data.getvalue()))
    monkeypatch.setattr(sys, "stdin", stdin)
    case = cuidx.open_case("-", input_format=COLUMNAR[kind][0])
    assert case.events.select("container", "message").collect().rows() == [("aa", "x")]
    made("a", data.getvalue())
    other = "parquet" if kind != "parquet" else "arrow"
    with pytest.raises(cuidx.CuidxError, match=rf"this is {COLUMNAR[kind][1]}, not {other}"):
        cuidx.open_case("a", input_format=other).events.collect()
    made("b", b"time,message\n")
    with pytest.raises(cuidx.CuidxError, match=r"it does not begin like one"):
        cuidx.open_case("b", input_format=other).events.collect()


def test_columns_by_field_and_pattern() -> None:
    frame = pl.DataFrame(
        {"when": WHEN, "said": ["from 10.0.0.9 box=b1", "x"], "where": ["n1", "n2"]}
    )
    frame.write_ipc("a.arrow")
    case = cuidx.open_case(
        "a.arrow", field={"time": "when", "message": "said", "node": "where"},
        pattern=[r"box=(?<container_id>\w+)"],
    )  # fmt: skip
    assert rows_of(case.events.select("time", "message", "node", "container_id")) == [
        {"time": "2026-11-02T09:00:00.123456789Z", "message": "from 10.0.0.9 box=b1", "node": "n1",
         "container_id": "b1"},
        {"time": "2026-11-02T09:00:01Z", "message": "x", "node": "n2", "container_id": None},
    ]  # fmt: skip


@pytest.mark.parametrize("kind", COLUMNAR)
def test_rows_are_numbered_through(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cuidx.sources.columnar._LEAST", 5)
    monkeypatch.setattr("cuidx.sources.columnar._MOST", 7)
    write(pl.DataFrame({"cuid": [f"c{n // 10}" for n in range(30)]}), "a.parquet", kind)
    events = cuidx.open_case("a.parquet").events.select("line", "container").collect()
    assert events.rows() == [(n + 1, f"c{n // 10}") for n in range(30)]


def test_small_groups_of_rows_are_put_together(tmp_path: Path) -> None:
    pl.DataFrame({"a": range(3000)}).write_parquet(tmp_path / "a.parquet", row_group_size=10)
    (frame,) = frames("a", str(tmp_path / "a.parquet"), "parquet")
    assert frame["a"].to_list() == list(range(3000))


def test_parquet_that_is_no_file_of_logs_still_gives_events() -> None:
    pl.DataFrame({"a": [1, 2], "b": [None, 1.5]}).write_parquet("a.parquet")
    bins = counted("a.parquet")
    assert (bins["events"], bins["untagged"]) == (2, 2)


# --- bytes ---------------------------------------------------------------------------------------


def told_of(data: bytes) -> list[dict[str, Any]]:
    """What the events of DATA say that the odd bytes could have changed."""
    case = cuidx.open_case(made("log", data))
    conserved(case.accounting.as_json())
    return rows_of(case.events.select("line", "time", "level", "cuid", "service", "request_id"))


TEXT = (
    f"2026-11-02T09:00:01Z ERROR no stock request_id=r1 {suffix('aa', 'pay.shop.lab')}\n".encode()
)
KNOWN = {"time": "2026-11-02T09:00:01Z", "level": "ERROR", "cuid": "aa", "service": "pay"}
KNOWN |= {"request_id": "r1"}
JSON = json.dumps(
    {"ts": "2026-11-02T09:00:01Z", "level": "ERROR", "msg": "no stock", "request_id": "r1",
     "ikontainer_CUID": "aa", "svc": "pay.shop.lab"}
).encode() + b"\n"  # fmt: skip


@pytest.mark.parametrize("record", [TEXT, JSON], ids=["text", "JSON"])
@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(lambda b: b.replace(b"no stock", b"caf\xe9 \xff\xfe"), id="invalid UTF-8"),
        pytest.param(lambda b: b.replace(b"no stock", b"no \xed\xa0\x80"), id="a surrogate"),
        pytest.param(lambda b: b.replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(lambda b: b"\xef\xbb\xbf" + b, id="byte order mark"),
        pytest.param(lambda b: b.removesuffix(b"\n"), id="no final newline"),
        pytest.param(lambda b: b.replace(b"no stock", b"no \xe2\x80\xa8 \xc2\x85"), id="U+2028"),
        pytest.param(lambda b: b.replace(b"no stock", b"\xe6\x97\xa5" * 9), id="wide letters"),
        pytest.param(lambda b: b.replace(b"no stock", b"x" * (1 << 20)), id="1 MiB line"),
    ],
)
def test_odd_bytes_do_not_hide_a_record(odd: Callable[[bytes], bytes], record: bytes) -> None:
    data = odd(record)
    if data.endswith(b"\n"):
        last = {"line": 2} | KNOWN
        assert told_of(data + data.removeprefix(b"\xef\xbb\xbf")) == [{"line": 1} | KNOWN, last]
    else:
        assert told_of(record + data) == [{"line": 1} | KNOWN, {"line": 2} | KNOWN]


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(lambda b: b.replace(b"no stock", b"no\0stock"), id="NUL"),
        pytest.param(lambda b: b.replace(b"ERROR", b"\x1b[1;31mERROR\x1b[0m"), id="coloured level"),
        pytest.param(lambda b: b"\x1b[32m" + b.replace(b"Z ERR", b"Z\x1b[0m ERR"), id="time"),
        pytest.param(lambda b: b.replace(b" {", b"\x1b[0m{"), id="reset before the suffix"),
        pytest.param(lambda b: b.replace(b"r1", b"r1\x1b[0m"), id="reset after the request id"),
    ],
)
def test_control_characters_do_not_hide_what_a_text_line_says(
    odd: Callable[[bytes], bytes],
) -> None:
    assert told_of(odd(TEXT)) == [{"line": 1} | KNOWN]


def test_a_raw_nul_makes_json_unreadable_and_hides_no_other_line() -> None:
    broken = JSON.replace(b"no stock", b"no\0stock")
    bins = counted(made("log", JSON + broken + JSON))
    assert (bins["events"], bins["unreadable"]) == (2, 1)


def test_zeros_where_a_crash_left_a_hole() -> None:
    case = cuidx.open_case(made("log", TEXT * 9 + bytes(300) + b"\n" + TEXT))
    conserved(case.accounting.as_json())
    assert case.accounting.tagged == 10


def test_utf_16_is_no_text_and_said() -> None:
    said = ask("timeline", made("log", (TEXT * 20).decode().encode("utf-16")))
    assert said.code == 3
    assert said.err.startswith("cuidx: log: this is no text")


def test_nothing_that_a_terminal_obeys_comes_through() -> None:
    data = TEXT.replace(b"pay.shop", b"p\\u001b[31may.shop") + TEXT.replace(b'"aa"', b'"\\u009b2J"')
    said = ask("timeline", made("\x1b[31mlog", data), "--verbose")
    assert said.code == 0
    assert not {"\x1b", "\x9b"} & {*said.out, *said.err}


@pytest.mark.parametrize(
    ("data", "bins"),
    [
        pytest.param(b"", {"records": 0}, id="empty"),
        pytest.param(b"\n", {"records": 1, "blank": 1}, id="one newline"),
        pytest.param(b"\n \t\n\r\n", {"records": 3, "blank": 3}, id="blank lines"),
        pytest.param(b"\xef\xbb\xbf", {"records": 0}, id="byte order mark alone"),
        pytest.param(TEN + b"\n\n", {"records": 12, "blank": 2}, id="blank at the end"),
        pytest.param(TEN[:-1], {"records": 10, "events": 10}, id="no final newline"),
        pytest.param(TEN[:-9], {"records": 10, "events": 9, "unreadable": 1}, id="last is cut"),
        pytest.param(TEN[:-9] + b"\n", {"events": 9, "unreadable": 1}, id="last is cut, newline"),
        pytest.param(gzip.compress(b""), {"records": 0}, id="empty, packed"),
        pytest.param(b"x", {"records": 1, "events": 1, "untagged": 1}, id="one letter"),
    ],
)
def test_ends_and_blanks(data: bytes, bins: dict[str, int]) -> None:
    assert bins.items() <= counted(made("log", data)).items()


def test_an_empty_file_is_no_error() -> None:
    said = ask("timeline", made("log", b""))
    assert (said.code, said.out) == (0, "no containers\n")


# --- blocks --------------------------------------------------------------------------------------


@given(
    st.lists(st.binary(max_size=5).map(lambda line: line.replace(b"\n", b"")), max_size=12),
    st.sets(st.integers(1, 14)),
    st.integers(1, 9),
    st.booleans(),
)
def test_some_lines_are_found_however_the_bytes_are_cut(
    lines: list[bytes], numbers: set[int], size: int, ends: bool
) -> None:
    data = b"\n".join(lines) + b"\n" * ends
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    whole = enumerate(re.findall(rb"[^\n]*\n|[^\n]+", data), start=1)
    expected = [(number, line) for number, line in whole if number in numbers]
    assert list(stream.lines_at(iter(chunks), sorted(numbers))) == expected


@pytest.mark.parametrize("data", [b"", b"\n", b"ab", b"ab\n", b"a\n\nbcdefghijkl\nm\n" * 3 + b"xy"])
@pytest.mark.parametrize("start", [0, 1])
def test_blocks_and_spans_are_whole_lines_and_leave_nothing_out(data: bytes, start: int) -> None:
    made("log", data)
    for size in range(1, len(data) + 3):
        spans = [stream.read_span("log", at, n) for at, n in stream.spans("log", start, size=size)]
        blocks = list(stream.blocks(io.BytesIO(data[start:]), "log", size=size))  # type: ignore[arg-type]
        for found in (spans, blocks):
            assert b"".join(found) == data[start:]
            assert all(found)
            assert all(piece.endswith(b"\n") for piece in found[:-1])


MIXED = b"".join(
    [TEXT, JSON, b"\n", b"\tat Shop.java:7\n", JSON.replace(b"}", b"\r}\r"), b"\xff\xfe x\n"] * 4
)
CRI = b"".join(
    b"2026-11-02T09:00:%02d.000Z stdout %s piece %d of a line %s\n"
    % (at // 3, b"F" if at % 3 == 2 else b"P", at, suffix(f"c{at // 6}").encode() * (at % 3 == 2))
    for at in range(24)
)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "packed"])
@pytest.mark.parametrize("block", [1, 300])
@pytest.mark.parametrize("data", [MIXED, CRI], ids=["mixed", "CRI"])
def test_blocks_change_nothing_line_numbers_neither(
    data: bytes, block: int, pack: Callable[[bytes], bytes]
) -> None:
    whole = told(pack(data))
    with reading(block=block):
        assert told(pack(data)) == whole


def test_line_numbers_are_those_of_an_editor() -> None:
    with reading(block=200):
        events = rows_of(cuidx.open_case(made("log", MIXED)).events.select("line", "cuid"))
    rows = MIXED.split(b"\n")
    assert [e["line"] for e in events] == [n for n, row in enumerate(rows, 1) if row.strip()]
    assert all(b'"aa"' in rows[e["line"] - 1] for e in events if e["cuid"] == "aa")


@pytest.mark.parametrize("record", [TEXT, JSON], ids=["text", "JSON"])
def test_a_10_mib_line(record: bytes) -> None:
    data = record + record.replace(b"no stock", b"y" * (10 << 20)) + record
    assert told_of(data) == [{"line": at} | KNOWN for at in (1, 2, 3)]


def test_a_10_mib_line_over_many_blocks() -> None:
    data = gzip.compress(TEXT + TEXT.replace(b"no stock", b"y" * (10 << 20)) + TEXT, 1)
    with reading(block=1 << 20, head=1 << 16):
        assert told_of(data) == [{"line": at} | KNOWN for at in (1, 2, 3)]


# --- what can't be opened ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nope.log", "nope/", "a.log/x", "dangling", "loop"])
def test_what_is_not_there(name: str) -> None:
    made("a.log")
    Path("dangling").symlink_to("gone")
    Path("loop").symlink_to("loop")
    said = ask("timeline", "a.log", name)
    assert (said.code, said.out) == (3, "")
    assert said.err == f"cuidx: {name}: no such file or folder\n  check the path\n"


def test_a_name_that_no_file_can_have() -> None:
    said = ask("timeline", "x" * 300)
    assert said.code == 3
    assert said.err.startswith(f"cuidx: {'x' * 300}: ")


def test_an_empty_name() -> None:
    made("a.log")  # the folder is not meant
    said = ask("timeline", "")
    assert said.code in (2, 3)
    assert "folder" not in said.err


def test_a_socket_can_be_opened_by_nobody() -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        said = ask("timeline", "socket")
    assert (said.code, said.out) == (3, "")
    assert said.err == (
        "cuidx: socket: can't be opened: No such device or address\n"
        "  check it and its permissions\n"
    )


def test_a_file_that_can_be_opened_but_not_read() -> None:
    # /proc/self/mem opens for everybody and gives EIO at its first byte, for root too.
    said = ask("timeline", "/proc/self/mem")
    assert (said.code, said.out) == (3, "")
    assert said.err.startswith("cuidx: /proc/self/mem: ")
    assert "internal error" not in said.err


def ask_without_rights(*words: str) -> subprocess.CompletedProcess[str]:
    """`cuidx WORDS` by a process that may not read a file of mode 000, as root may."""
    bare = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]
    command = [sys.executable, "-m", "cuidx", *words]
    return subprocess.run(
        [*bare, *command] if AS_ROOT else command,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )


def test_a_file_without_permission() -> None:
    Path(made("a.log")).chmod(0)
    said = ask_without_rights("timeline", "a.log")
    assert (said.returncode, said.stdout) == (3, "")
    assert said.stderr.startswith("cuidx: a.log: can't be opened: Permission denied\n")


def test_a_file_without_permission_in_a_folder_is_left_out_with_a_warning() -> None:
    made("d/a.log")
    Path(made("d/b.log")).chmod(0)
    said = ask_without_rights("timeline", "d")
    assert said.returncode == 0
    assert "warning: d/b.log: left out: can't be opened: Permission denied\n" in said.stderr


def test_a_config_without_permission() -> None:
    Path(made("own.toml", b"tz = 'UTC'\n")).chmod(0)
    said = ask_without_rights("timeline", made("a.log"), "--config", "own.toml")
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr.startswith("cuidx: own.toml: can't be read: Permission denied\n")


def test_a_file_that_is_gone_between_two_looks_ends_plainly() -> None:
    case = cuidx.open_case(made("a.log"))
    assert case.accounting.events == 10
    Path("a.log").unlink()
    with pytest.raises(cuidx.SourceError, match=r"^a\.log: "):
        case.events.collect()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system has no /proc")
def test_a_file_whose_size_the_system_does_not_say() -> None:
    assert counted("/proc/self/status")["events"] == len(
        Path("/proc/self/status").read_text().splitlines()
    )


# --- one file by several names -------------------------------------------------------------------


def test_a_file_named_twice_is_read_once() -> None:
    made("d/a.log")
    for sources in (["d/a.log", "d/a.log"], ["d", "d/a.log"], ["d/", "d/*.log"]):
        bins = counted(*sources)
        assert paths(bins) == ["d/a.log"]
        assert (bins["events"], bins["duplicates"]) == (10, 0)


@pytest.mark.parametrize("how", ["another path", "hard link", "link", "link to its folder"])
def test_a_file_by_two_paths_is_read_twice_and_counted_once(how: str) -> None:
    made("d/b.log", TEN + b"\nno json\n{\n")
    other = {"another path": "./d/b.log", "link to its folder": "e/b.log"}.get(how, "d/a.log")
    if how == "hard link":
        Path(other).hardlink_to("d/b.log")
    elif how == "link":
        Path(other).symlink_to("b.log")
    elif how == "link to its folder":
        Path("e").symlink_to("d")
    bins = counted("d/b.log", other)
    assert paths(bins) == sorted(["d/b.log", other])
    first, second = bins["sources"]
    assert (first["events"], first["duplicates"]) == (11, 0)
    assert (second["events"], second["duplicates"]) == (0, 11)
    rows = cuidx.open_case("d/b.log", other).lifetimes()
    assert rows["lines"].to_list() == [5, 5]


def test_two_files_with_the_same_lines_are_no_duplicates() -> None:
    bins = counted(made("a.log"), made("b.log"))
    assert (bins["events"], bins["duplicates"]) == (20, 0)


def test_sources_in_any_order_give_the_same_bytes() -> None:
    made("b.log")
    made("a.log", MIXED)
    made("d/c.gz", gzip.compress(CRI))
    made("d/core", bytes(range(256)) * 9)
    Path("link").symlink_to("b.log")
    said = {
        ask("timeline", *order, "-f", "json", "--verbose", stdin=TEXT)
        for order in itertools.permutations(["b.log", "link", "d", "-", "a.log"])
        if order[0] > order[2] > order[4] and order[1] > order[3]  # 10 of 120 are enough
    }
    assert len(said) == 1
    assert said.pop().code == 0


def test_the_order_is_that_of_the_paths() -> None:
    for path in ("b", "a/x", "a.log", "B"):
        made(path)
    assert [s.path for s in expand(["b", "a", "-", "a.log", "B"])] == [
        "-",
        "B",
        "a.log",
        "a/x",
        "b",
    ]


# --- files that change while they are read -------------------------------------------------------


def test_a_file_that_grows_while_it_is_read_is_what_it_was_at_the_start() -> None:
    made("log", lines(50))

    def grow(_path: str, _count: int) -> None:
        with Path("log").open("ab") as file:
            file.write(line(1) + b"\n")

    with reading(block=600, head=300):
        case = cuidx.open_case("log", progress=grow)
        assert case.accounting.events == 50
        conserved(case.accounting.as_json())


CRI_LINE = b"2026-11-02T09:00:00Z stdout F x" + suffix("c0").encode() + b"\n"


@pytest.mark.parametrize("record", [line(1) + b"\n", CRI_LINE], ids=["JSON", "CRI"])
def test_a_second_look_sees_what_the_first_one_saw(record: bytes) -> None:
    case = cuidx.open_case(made("log", record * 10), where={"cuid": "c0"})
    assert case.accounting.events == 10
    with Path("log").open("ab") as file:
        file.write(record + record.replace(b"c0", b"new"))
    assert case.lifetimes()["lines"].sum() == 10
    assert case.events.collect().height == 10


def test_a_file_that_is_emptied_while_it_is_read_does_no_harm() -> None:
    made("log", lines(500))
    with reading(block=600, head=300):
        case = cuidx.open_case("log", progress=lambda path, count: os.truncate("log", 1000))
        conserved(case.accounting.as_json())
        assert case.accounting.records < 500
