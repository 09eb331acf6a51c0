"""Law 1: every record is in exactly one bin, whatever the bytes are."""

import gzip
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from stories import FIXTURES, FULL, ROOT, conserved, folder, reading

import cuidx
from cuidx.analyses.accounting import Accounting
from cuidx.formats.registry import BY_NAME, FORMATS

# Formats whose records are lines: all of the first set. One that is not has its own count.
LINE_FORMATS = {
    "aws-ipamd", "calico-cni", "containerd", "cri", "docker-json", "elasticdump", "filebeat",
    "fluentbit", "fluentbit-merged", "fluentd-es", "fluentd-file", "journald", "jsonl-flat",
    "k8s-audit", "loki-logcli", "rawtext", "vector",
}  # fmt: skip
FILES = sorted(
    path for path in FIXTURES.rglob("*") if path.is_file() and not path.name.startswith(".")
)


def lines_in(data: bytes) -> int:
    """How many lines a file has: what follows the last newline is one if it is not empty."""
    parts = data.split(b"\n")
    return len(parts) - (parts[-1] == b"")


def assert_lines(count: Accounting, files: list[bytes]) -> None:
    """A line is a record; in formats of whole documents, what is not blank gives at least one."""
    for source, raw in zip(count.sources, files, strict=True):
        data = raw.removeprefix(b"\xef\xbb\xbf")
        if source.format in LINE_FORMATS:
            assert source.records == lines_in(data)
        else:
            assert source.records >= bool(data.strip())


def data_of(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FIXTURES)))
def test_each_fixture_is_accounted_for(path: Path) -> None:
    case = cuidx.open_case(path)
    count = case.accounting
    conserved(count.as_json())
    assert [source.path for source in count.sources] == [str(path)]
    if count.sources[0].format in LINE_FORMATS:
        assert count.records == lines_in(data_of(path))
    events = case.events.collect()
    assert events.height == count.events
    if count.events and count.first is not None:
        assert len(events["time"].drop_nulls()) > 0
    assert int(case.lifetimes()["lines"].sum()) <= count.events


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", ["formats", "paper", "public/cri", "public/docker", "public/lnav"])
def test_a_whole_folder_as_one_source_is_accounted_for(name: str) -> None:
    case = cuidx.open_case(FIXTURES / name)
    count = case.accounting
    conserved(count.as_json())
    read = {source.path for source in count.sources}
    left = {one.path for one in case.opened if one.left_out is not None}
    assert read | left == {str(path) for path in FILES if path.is_relative_to(FIXTURES / name)}
    assert not read & left
    for source in count.sources:
        if source.format in LINE_FORMATS:
            assert source.records == lines_in(data_of(Path(source.path))), source.path


def test_the_list_of_line_formats_is_up_to_date() -> None:
    assert set(BY_NAME) >= LINE_FORMATS


# -- garbage --------------------------------------------------------------------------------

REAL = [sample.raw.encode() for format_ in FORMATS for sample in format_.SAMPLES] + [
    line
    for name in ("dev/export.jsonl", "paper/figure5.log", "formats/vector.jsonl", "formats/cri.log",
                 "formats/docker-json.log", "formats/kibana.csv", "formats/k8s-pods.json")
    if (path := FIXTURES / name).exists()
    for line in path.read_bytes().split(b"\n")[:5]
]  # fmt: skip
PIECE = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(REAL),
    st.builds(lambda line, a, b: line[a : a + b], st.sampled_from(REAL), st.integers(0, 300),
              st.integers(0, 80)),
    st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from([b"\n", b"\n", b"\r\n", b"\r", b"\x00", b"{", b"[", b'"', b"}", b"\xef\xbb\xbf",
                     b"\xff", b"\x1b[31m", b" P ", b" stdout F ", b"\\ud800", b"\xe2\x80\xa8"]),
)  # fmt: skip
GARBAGE = st.lists(PIECE, max_size=25).map(b"".join)


@settings(max_examples=200 if FULL else 30)
@given(data=GARBAGE, block=st.sampled_from([None, 32, 500]), quick=st.booleans())
def test_garbage_is_accounted_for_or_is_no_text(
    data: bytes, block: int | None, quick: bool
) -> None:
    with folder() as here, reading(block=block, head=max(len(data), 1) if quick else None):
        path = here / "garbage"
        path.write_bytes(data)
        try:
            case = cuidx.open_case(path)
            count = case.accounting
        except cuidx.CuidxError as error:
            assert error.exit_code == 3
            assert 1 <= len(str(error).splitlines()) <= 2
            assert str(path) in str(error)
            return
        conserved(count.as_json())
        if case.problems:  # it began like a packed file, and is none: said, with exit code 3
            return
        assert_lines(count, [data])


@pytest.mark.parametrize("name", BY_NAME)
@settings(max_examples=30 if FULL else 3)
@given(data=GARBAGE, block=st.sampled_from([None, 32]))
def test_garbage_after_real_lines_of_a_format_is_accounted_for(
    name: str, data: bytes, block: int | None
) -> None:
    start = "".join(sample.raw + "\n" for sample in BY_NAME[name].SAMPLES).encode() * 3
    with folder() as here, reading(block=block):
        path = here / "garbage"
        path.write_bytes(start + data)
        case = cuidx.open_case(path, input_format=name)
        try:
            count = case.accounting
        except cuidx.CuidxError as error:
            assert "no text" in str(error)
            return
        conserved(count.as_json())
        assert_lines(count, [start + data])
        events = case.events.collect()
        assert events.height == count.events
        # Identity none is no container; everything else is.
        assert int(case.lifetimes()["lines"].sum()) == events["container"].count()


@example(parts=[b"\x00", b"\x00"])  # none of them is text
@settings(max_examples=20)
@given(parts=st.lists(GARBAGE, min_size=2, max_size=4))
def test_garbage_in_several_files_is_accounted_for(parts: list[bytes]) -> None:
    with folder() as here:
        for at, data in enumerate(parts):
            (here / f"{at}.log").write_bytes(data)
        case = cuidx.open_case(here)
        try:
            count = case.accounting
        except cuidx.CuidxError as error:
            assert "nothing in it can be read" in str(error)
            assert all(one.left_out is not None for one in case._story.records.opened)
            return
        conserved(count.as_json())
        if case.problems:  # one began like a packed file, and is none
            return
        left = {one.path for one in case.opened if one.left_out is not None}
        read = [parts[int(Path(source.path).stem)] for source in count.sources]
        assert len(read) + len(left) == len(parts)
        assert_lines(count, read)


def test_a_file_that_is_left_out_does_not_shift_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(bytes(range(32)) * 100)
    for name, count in (("b.log", 1), ("c.log", 2)):
        (tmp_path / name).write_text("hello\n" * count)
    case = cuidx.open_case(tmp_path)
    counted = case.accounting
    assert [(Path(s.path).name, s.records) for s in counted.sources] == [("b.log", 1), ("c.log", 2)]
    assert {Path(e).name for e in case.events.collect()["source"]} == {"b.log", "c.log"}


def test_fixtures_are_where_they_should_be() -> None:
    assert len(FILES) > 150
    assert (ROOT / "pyproject.toml").is_file()
