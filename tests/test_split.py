"""`split`: every input line once, byte for byte, where its container says; in safe names or not at all."""

import errno
import gzip
import json
import os
import resource
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stories import FIXTURES, FULL, at, folder, jsonl, reading, suffix

import cuidx
from cuidx.cli.app import run
from cuidx.formats import registry
from cuidx.formats.base import Block, Reading, Sample, kinds, whole_lines
from cuidx.present import folder as folders
from cuidx.present.folder import safe_names


def lines_in(data: bytes) -> list[bytes]:
    """Cut on newlines alone; what follows the last one is a line if there is anything."""
    found = data.split(b"\n")
    return found if found[-1] else found[:-1]


def files_of(out: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(out.iterdir()) if p.name != "index.json"}


def split(
    *sources: Path | str, out: Path, by: Any = "container", **options: Any
) -> dict[str, bytes]:
    """The files that a split makes; what its index says of them is checked."""
    case = cuidx.open_case(*sources, **options)
    table = case.split(out, by=by)
    files = files_of(out)
    index = json.loads((out / "index.json").read_text("utf-8"))
    assert index["accounting"] == case.accounting.as_json()
    assert [row["path"] for row in index["files"]] == table["path"].to_list()
    assert set(files) == set(table["path"])
    for row in table.iter_rows(named=True):
        assert row["bytes"] == len(files[row["path"]])
        assert row["lines"] == len(lines_in(files[row["path"]])), row
    return files


# --- conservation --------------------------------------------------------------------------------

CUIDS = (
    "aa0c93f1",
    "../../etc/passwd",
    "CON",
    "con",
    "x" * 300,
    ".hidden",
    "-rf",
    "a\0b",
    "é",
    "a/b",
)
ODD = st.sampled_from(
    [b"", b"  ", b"\r", b"\0\0", b"caf\xe9", b"\xff\xfe broken", b'{"cut": ', b"[1, 2", b"\x1b[31m red",
     b"  at java.lang.Thread.run", "zeile \u2028 zwei".encode(), b"a\x0bb\x0cc\x85d", b'{"a":1}\r']
)  # fmt: skip
TEXT = st.builds(
    lambda n, cuid, gap, end: f"{at(n)} INFO said{gap}{suffix(cuid, 'pay.shop.lab')}{end}".encode(),
    st.integers(0, 999), st.sampled_from(CUIDS), st.sampled_from(["", " "]),
    st.sampled_from(["", "\r", "  "]),
)  # fmt: skip
JSON = st.builds(
    lambda n, cuid, ip: json.dumps({"time": at(n), "cuid": cuid, "pod_ip": ip, "svc": "mail.b.c"}).encode(),
    st.integers(0, 999), st.sampled_from([*CUIDS, None]), st.sampled_from(["10.0.0.1", "fe80::1", None]),
)  # fmt: skip
CRI = st.builds(
    lambda n, stream, tag, cuid: f"{at(n)} {stream} {tag} said {suffix(cuid)}".encode(),
    st.integers(0, 999), st.sampled_from(["stdout", "stderr"]), st.sampled_from("PFF"),
    st.sampled_from(CUIDS),
)  # fmt: skip
DUMP = st.builds(
    lambda n, ident, cuid: json.dumps(
        {"_index": "i", "_id": ident, "_source": {"time": at(n), "cuid": cuid}}
    ).encode(),
    st.integers(0, 999), st.sampled_from("123"), st.sampled_from(CUIDS),
)  # fmt: skip
FILE = st.tuples(
    st.one_of(*(st.lists(st.one_of(kind, kind, ODD), max_size=12) for kind in (TEXT, JSON, CRI, DUMP)),
              st.lists(st.one_of(TEXT, JSON, CRI, DUMP, ODD), max_size=12)),
    st.booleans(),
    st.booleans(),
)  # fmt: skip


@settings(max_examples=50 if FULL else 20)
@given(
    st.lists(FILE, min_size=1, max_size=3),
    st.sampled_from(["container", "service", "ip-lease"]),
    st.sampled_from([64, 1 << 20]),
)
def test_the_files_together_hold_each_line_once(
    found: list[tuple[list[bytes], bool, bool]], by: str, block: int
) -> None:
    with folder() as here, reading(block=block, head=block):
        written: Counter[bytes] = Counter()
        paths = []
        unended = 0
        for number, (lines, ended, packed) in enumerate(found):
            # A first line of text, or it may be taken for no text at all.
            data = b"\n".join([b"2026-11-02T09:00:00Z INFO begins" * 9, *lines]) + b"\n" * ended
            path = here / f"{number}.log"
            path.write_bytes(gzip.compress(data) if packed else data)
            paths.append(path)
            written.update(lines_in(data))
            unended += not data.endswith(b"\n")
        files = split(*paths, out=here / "out", by=by)
        held = Counter(line for data in files.values() for line in lines_in(data))
        assert held == written
        # Not a byte more, but for a newline where a line had none and another follows it.
        size = sum(len(gzip.decompress(p.read_bytes()) if p.read_bytes()[:2] == b"\x1f\x8b"
                       else p.read_bytes()) for p in paths)  # fmt: skip
        assert size <= sum(map(len, files.values())) <= size + unended
        if by == "container":
            right_places(paths, files, here / "out")


def right_places(paths: list[Path], files: dict[str, bytes], out: Path) -> None:
    """Each event's line stands in the file that the index gives its container."""
    index = json.loads((out / "index.json").read_text("utf-8"))
    file_of = {row["container"]: row["path"] for row in index["files"] if row["container"]}
    assert len(set(map(str.casefold, file_of.values()))) == len(file_of)
    content = {name: Counter(lines_in(data)) for name, data in files.items()}
    for row in cuidx.open_case(*paths).events.collect().iter_rows(named=True):
        data = Path(row["source"]).read_bytes()
        data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        line = lines_in(data)[row["line"] - 1]
        name = "_untagged.log" if row["identity"] == "none" else file_of[row["container"]]
        assert content[name][line] > 0, (row, line)


BYS = ["container", "service", "ip-lease"]


@pytest.mark.parametrize(
    ("name", "by"),
    [
        (name, by)
        for at, name in enumerate(["export.jsonl", "elasticdump.jsonl", "raw", "cri", "cri_tagged"])
        for by in (BYS if FULL else [BYS[at % len(BYS)]])
    ],
)
def test_the_capture_is_conserved(name: str, by: str, tmp_path: Path) -> None:
    source = FIXTURES / "dev" / name
    inputs = [source] if source.is_file() else [p for p in source.rglob("*") if p.is_file()]
    files = split(source, out=tmp_path / "out", by=by)
    written = Counter(line for path in inputs for line in lines_in(path.read_bytes()))
    assert Counter(line for data in files.values() for line in lines_in(data)) == written


def test_files_have_the_lines_that_the_truth_gives_each_container(tmp_path: Path) -> None:
    truth = json.loads((FIXTURES / "dev" / "truth.json").read_text())
    files = split(FIXTURES / "dev" / "export.jsonl", out=tmp_path / "out")
    assert files.pop("_untagged.log") == b""
    assert set(files) == {f"{one['cuid']}.log" for one in truth["instances"]}
    for name, data in files.items():
        lines = lines_in(data)
        assert all(name.removesuffix(".log").encode() in line for line in lines)
        whole = (FIXTURES / "dev" / "export.jsonl").read_bytes()
        assert [line for line in lines_in(whole) if line in set(lines)] == lines  # in order


def test_leases_of_one_address_are_files_of_their_own(tmp_path: Path) -> None:
    rows = [{"time": at(s), "cuid": cuid, "ip": "10.0.0.1"} for s, cuid in
            ((0, "a"), (10, "a"), (20, "b"), (30, "b"), (40, "c"))]  # fmt: skip
    (tmp_path / "x").write_bytes(jsonl([*rows, {"time": at(50), "cuid": "c"}]))
    files = split(tmp_path / "x", out=tmp_path / "out", by="ip-lease")
    assert {name: len(lines_in(data)) for name, data in files.items()} == {
        "10.0.0.1_a.log": 2, "10.0.0.1_b.log": 2, "10.0.0.1_c.log": 1, "_untagged.log": 1,
    }  # fmt: skip


def test_pieces_go_with_their_record_though_streams_interleave(tmp_path: Path) -> None:
    def cri(stream: str, tag: str, text: str) -> str:
        return f"2026-11-02T09:00:00Z {stream} {tag} {text}\n"

    pieces = [cri("stdout", "P", "one "), cri("stderr", "F", "err" + suffix("B")),
              cri("stdout", "P", "two "), cri("stderr", "P", "again "), cri("stdout", "F", suffix("A")),
              cri("stderr", "F", suffix("B"))]  # fmt: skip
    (tmp_path / "x").write_text("".join(pieces))
    files = split(tmp_path / "x", out=tmp_path / "out")
    assert files["A.log"].decode() == pieces[0] + pieces[2] + pieces[4]
    assert files["B.log"].decode() == pieces[1] + pieces[3] + pieces[5]


def test_a_duplicate_goes_where_its_twin_went(tmp_path: Path) -> None:
    rows = [{"_index": "i", "_id": ident, "_source": {"time": at(0), "cuid": cuid}}
            for ident, cuid in (("1", "A"), ("2", "B"), ("1", "B"), ("1", "C"))]  # fmt: skip
    (tmp_path / "x").write_bytes(jsonl(rows))
    files = split(tmp_path / "x", out=tmp_path / "out")
    assert [len(lines_in(files[name])) for name in ("A.log", "B.log")] == [3, 1]
    assert "C.log" not in files


def test_a_file_reached_by_two_paths_goes_where_the_first_went(tmp_path: Path) -> None:
    uid = "0ce97788-be13-4614-8999-750e99ac0e89"
    pod = tmp_path / "logs" / f"shop_pay-0_{uid}" / "app"
    pod.mkdir(parents=True)
    (pod / "0.log").write_text(
        "2026-11-02T09:00:00Z stdout F one\n\n2026-11-02T09:00:01Z stdout F two\n"
    )
    os.link(pod / "0.log", tmp_path / "logs" / "z.log")
    files = split(tmp_path / "logs", out=tmp_path / "out")
    assert files.pop("_untagged.log") == b"\n\n"
    (mine,) = files.values()
    assert len(lines_in(mine)) == 4


# --- what has no lines of its own ----------------------------------------------------------------


def test_parquet_goes_whole_to_a_file_of_its_own(tmp_path: Path) -> None:
    pl.DataFrame({"cuid": ["A", "B"], "time": [at(0), at(1)]}).write_parquet(
        tmp_path / "rows.parquet"
    )
    case = cuidx.open_case(tmp_path / "rows.parquet")
    (row,) = [r for r in case.split(tmp_path / "out").to_dicts() if r["kind"] == "document"]
    assert row["path"] == "_document-1-rows.parquet"
    assert (tmp_path / "out" / row["path"]).read_bytes() == (tmp_path / "rows.parquet").read_bytes()
    assert any("went whole to _document-1-rows.parquet" in text for text in case.warnings)


def test_a_frame_has_no_lines(tmp_path: Path) -> None:
    with pytest.raises(cuidx.UsageError, match="no lines"):
        cuidx.Case.from_frame(pl.DataFrame({"cuid": ["A"]})).split(tmp_path / "out")


def batch(cut: Any) -> Any:
    """A format made up here: `BATCH A B` is one unit with a record of each, a line or a whole file."""

    def parse(block: Block, reading: Reading) -> pl.DataFrame:
        del reading
        rows = [
            (number, index, cuid)
            for number, text in enumerate(block.texts(), block.first_line)
            for index, cuid in enumerate(text.split()[1:])
        ]
        return pl.DataFrame(rows, schema={"line": pl.Int64, "index": pl.Int64, "cuid": pl.String},
                            orient="row").with_columns(kinds(len(rows), "event"))  # fmt: skip

    def sniff(sample: Sample) -> float:
        return float(sample.filled[:1] > () and sample.filled[0].startswith("BATCH"))

    return SimpleNamespace(
        NAME="batch", TITLE="t", SOURCE="s", SAMPLES=(), sniff=sniff, cut=cut, parse=parse
    )


@pytest.mark.parametrize("block", [16, 1 << 20])
def test_a_line_of_several_containers_is_mixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(registry, "FORMATS", (*registry.FORMATS, batch(whole_lines)))
    monkeypatch.setitem(registry.BY_NAME, "batch", registry.FORMATS[-1])
    (tmp_path / "x").write_text("BATCH A B\nBATCH A A\nBATCH B\n")
    with reading(block=block, head=64):
        files = split(tmp_path / "x", out=tmp_path / "out")
    assert files == {"_mixed.log": b"BATCH A B\n", "A.log": b"BATCH A A\n", "B.log": b"BATCH B\n",
                     "_untagged.log": b""}  # fmt: skip


@pytest.mark.parametrize("text", ["BATCH A B\n and\n more", "BATCH A\n\nBATCH B\n"])
def test_a_document_of_many_lines_goes_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(registry, "FORMATS", (*registry.FORMATS, batch(lambda data: 0)))
    monkeypatch.setitem(registry.BY_NAME, "batch", registry.FORMATS[-1])
    (tmp_path / "x.json.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "y").write_bytes(jsonl([{"cuid": "A"}]))
    files = split(tmp_path, out=tmp_path.parent / f"{tmp_path.name}-out")
    assert files["_document-1-x.json"].decode() == text
    assert files["A.log"] == b'{"cuid": "A"}\n'


# --- filters, cut-off sources, standard input ----------------------------------------------------


def test_with_filters_only_the_lines_of_events_that_fit_are_written(tmp_path: Path) -> None:
    rows = [{"time": at(n), "cuid": "AB"[n % 2], "service": "pay"} for n in range(10)]
    (tmp_path / "x").write_bytes(jsonl(rows) + b"\n{broken\n")
    files = split(tmp_path / "x", out=tmp_path / "out", where={"container": "A"}, since=at(4))
    assert files == {"A.log": jsonl(rows[4::2]), "_untagged.log": b""}


def test_of_a_source_that_is_cut_off_all_that_can_be_read_is_split(tmp_path: Path) -> None:
    data = jsonl(
        [{"time": at(n), "cuid": "AB"[n % 2], "n": os.urandom(40).hex()} for n in range(999)]
    )
    (tmp_path / "x.gz").write_bytes(gzip.compress(data)[:-2000])
    case = cuidx.open_case(tmp_path / "x.gz")
    case.split(tmp_path / "out")
    files = files_of(tmp_path / "out")
    held = Counter(line for part in files.values() for line in lines_in(part))
    whole = lines_in(data)[: held.total()]
    assert held.total() == case.accounting.records > 900
    assert sum((held - Counter(whole)).values()) <= 1  # the last line may be a piece of one
    assert run(["split", str(tmp_path / "x.gz"), "-o", str(tmp_path / "again"), "-q"]) == 3
    assert files_of(tmp_path / "again") == files


# --- names ---------------------------------------------------------------------------------------

ANY = st.lists(st.one_of(st.text(max_size=12), st.sampled_from(CUIDS), st.text("aA/.~-", max_size=5)),
               unique=True, max_size=12)  # fmt: skip


@given(ANY)
def test_names_are_safe_and_different_even_where_case_does_not_count(texts: list[str]) -> None:
    names = safe_names(texts)
    assert len({name.casefold() for name in names}) == len(texts)
    for name in names:
        assert name == Path(name).name
        assert name.isascii()
        assert name.isprintable()
        assert not set(name) & set('/\\:*?"<>| \0')
        assert name[0] not in ".-_~ "
        assert len(name) <= 120
        assert name.partition(".")[0].upper() not in {"CON", "NUL", "AUX", "PRN", "COM1", "LPT9"}


def test_a_plain_name_is_kept() -> None:
    kept = ["3b9d5a0c-1f0e-4c0e-9d2b-7e6f5a4b3c2d", "10.0.0.1", "payment"]
    assert safe_names(kept) == [f"{text}.log" for text in kept]
    a, b = safe_names(["pay", "PAY"])
    assert (a.partition("~")[0], b.partition("~")[0]) == ("pay", "PAY")
    # What a log makes up to look like another's name is kept apart, too.
    (taken,) = safe_names(["a/b"])
    assert safe_names(["a/b", taken.removesuffix(".log")])[1] != taken


def test_ten_thousand_containers_need_no_more_open_files(tmp_path: Path) -> None:
    rows = [{"cuid": f"c{n % 10_000:05}", "n": n} for n in range(20_000)]
    (tmp_path / "x").write_bytes(jsonl(rows))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, hard), hard))
    try:
        table = cuidx.open_case(tmp_path / "x").split(tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert table.height == 10_001
    assert set(table["lines"][:-1]) == {2}


# --- the folder: whole or not at all -------------------------------------------------------------

EXPORT = str(FIXTURES / "dev" / "export.jsonl")


def test_a_folder_that_is_not_empty_takes_force_and_other_files_stay(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(["split", EXPORT, "-o", str(out), "-q"]) == 0
    before = files_of(out)
    (out / "mine.txt").write_text("mine")
    assert run(["split", EXPORT, "-o", str(out), "-q"]) == 2
    assert files_of(out) == {**before, "mine.txt": b"mine"}
    assert run(["split", EXPORT, "-o", str(out), "--force", "--by", "service", "-q"]) == 0
    after = files_of(out)
    assert after.pop("mine.txt") == b"mine"
    assert set(after) == {*(f"{s}.log" for s in ("db", "store", "mail", "payment", "gateway")),
                          "_untagged.log"}  # fmt: skip
    assert sum(map(len, after.values())) == Path(EXPORT).stat().st_size
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


@pytest.mark.parametrize("name", ["index.json", "_untagged.log", "db.log"])
def test_a_file_of_somebody_else_is_never_replaced(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text("mine")
    words = ["split", EXPORT, "-o", str(tmp_path), "--force", "--by", "service"]
    assert run(words) == 2
    assert f"{name}: is there, and no earlier split wrote it" in capsys.readouterr().err
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {name: "mine"}


def test_a_forged_index_leads_to_no_file_outside(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "kept").write_text("kept")
    forged = {"command": "split", "files": [{"path": "../kept"}, {"path": str(tmp_path / "kept")}]}
    (out / "index.json").write_text(json.dumps(forged))
    assert run(["split", EXPORT, "-o", str(out), "--force", "-q"]) == 0
    assert (tmp_path / "kept").read_text() == "kept"


@pytest.mark.parametrize("there", [False, True], ids=["new", "with an earlier split"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")],
                         ids=["interrupted", "disk full"])  # fmt: skip
def test_what_stops_half_way_leaves_everything_as_it_was(
    there: bool, error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "out"
    before = {}
    if there:
        assert run(["split", EXPORT, "-o", str(out), "--by", "service", "-q"]) == 0
        before = files_of(out)

    def fail(*_: object, **__: object) -> None:
        raise error

    moved: list[Path] = []
    rename = Path.rename

    def some(path: Path, target: Path) -> Path:
        moved.append(path)
        return fail() or path if len(moved) == 9 else rename(path, target)  # in the middle of them

    if there:
        monkeypatch.setattr(Path, "rename", some)
    else:
        monkeypatch.setattr(folders.Folder, "create", fail)
    code = run(["split", EXPORT, "-o", str(out), "--force"])
    assert code == (130 if isinstance(error, KeyboardInterrupt) else 3)
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert "written to" not in err
    monkeypatch.undo()
    assert (files_of(out) if there else {}) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == (["out"] if there else [])


@pytest.mark.parametrize(
    ("out", "says"),
    [("file", "is no folder"), ("no/such/folder", "there is no folder"),
     ("logs", "the source"), ("logs/..", "the source")],
)  # fmt: skip
def test_what_can_not_be_the_folder_is_refused(
    out: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    Path("logs").mkdir()
    Path("logs/x").write_bytes(jsonl([{"cuid": "A"}]))
    assert run(["split", "logs/x", "-o", out, "--force"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert says in said.err
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file", "logs", "x"]


def test_nothing_that_fits_is_exit_1(tmp_path: Path) -> None:
    words = ["split", EXPORT, "-q", "--where", "service=nobody", "-o", str(tmp_path / "out")]
    assert run(words) == 1


def test_two_runs_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert run(["split", EXPORT, "-o", str(tmp_path / name), "-q"]) == 0
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")
    assert (tmp_path / "one" / "index.json").read_bytes() == (
        tmp_path / "two" / "index.json"
    ).read_bytes()
