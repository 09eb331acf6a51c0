"""Traps of tables: quotes, several lines in a cell, widths, delimiters, zones, blocks."""

import csv
import io
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stories import FIXTURES, conserved, folder, reading, rows_of

import cuidx
from cuidx.formats.base import Block, Reading
from cuidx.formats.delimited import cut
from cuidx.formats.registry import BY_NAME, begin, detect

T = "2026-11-02T09:00:0{}Z"
A, B, C = (T.format(n) for n in (1, 2, 3))
HEAD = "time,level,message\n"


def read(text: str, *columns: str, **options: Any) -> list[tuple[Any, ...]]:
    """(kind, line and COLUMNS of each record) of TEXT, in the format that it is found to be."""
    data = text.encode()
    format_ = detect(data, "f").format
    said = Reading(**options)
    begin(format_, said, data, "f")
    frame = format_.parse(Block(data, 1), said)
    frame = frame.with_columns(
        pl.lit(None).alias(column) for column in columns if column not in frame.columns
    )
    return frame.select(pl.col("kind").cast(pl.String), "line", *columns).rows()


HEADER = ("skipped", 1, None, None)
ROWS: dict[str, tuple[str, list[tuple[Any, ...]]]] = {
    # name: file, (kind, line, time, message) of each record
    "doubled quotes, a delimiter and lines in a cell": (
        f'{HEAD}{A},INFO,"a ""b"", c\nd\n\ne"\n{B},INFO,f\n',
        [HEADER, ("event", 2, A, 'a "b", c\nd\n\ne'), ("event", 6, B, "f")],
    ),
    "rows of another width": (
        f"{HEAD}{A},INFO,a\n{B},INFO\n{C},INFO,c,d\n{C},INFO,e\n",
        [HEADER, ("event", 2, A, "a"), ("unreadable", 3, None, None),
         ("unreadable", 4, None, None), ("event", 5, C, "e")],
    ),
    "a broken line in the middle": (
        f"{HEAD}{A},INFO,a\nBROKEN\n{C},INFO,c\n",
        [HEADER, ("event", 2, A, "a"), ("unreadable", 3, None, None), ("event", 4, C, "c")],
    ),
    "a quote that is not closed costs its line alone": (
        f'{HEAD}{A},INFO,"a\n{B},INFO,"b, b"\n{C},INFO,c\n',
        [HEADER, ("unreadable", 2, None, None), ("event", 3, B, "b, b"), ("event", 4, C, "c")],
    ),
    "a row that is cut off": (
        f'{HEAD}{A},INFO,a\n{B},INFO,"b wi',
        [HEADER, ("event", 2, A, "a"), ("unreadable", 3, None, None)],
    ),
    "a quote in a cell that is not quoted": (
        f'{HEAD}{A},INFO,5" disk\n{B},INFO,"b" c\n',
        [HEADER, ("event", 2, A, '5" disk'), ("event", 3, B, "b c")],
    ),
    "the header again, blank lines, empty rows": (
        f"\n{HEAD}{A},INFO,a\n \n,,\n{HEAD}{B},INFO,b\n",
        [("blank", 1, None, None), ("skipped", 2, None, None), ("event", 3, A, "a"),
         ("blank", 4, None, None), ("skipped", 5, None, None), ("skipped", 6, None, None),
         ("event", 7, B, "b")],
    ),
    "semicolons": (
        f'time;level;message\n{A};INFO;a, b\n{B};INFO;"c; d"\n',
        [HEADER, ("event", 2, A, "a, b"), ("event", 3, B, "c; d")],
    ),
    "semicolons, as Excel is told of them": (
        f"sep=;\ntime;level;message\n{A};INFO;a\n",
        [HEADER, ("skipped", 2, None, None), ("event", 3, A, "a")],
    ),
    "a zone in the header": (
        "Time (UTC),level,message\n2026-11-02 09:00:01,INFO,a\n2026-11-02 10:00:01+01:00,INFO,b\n",
        [HEADER, ("event", 2, "2026-11-02 09:00:01Z", "a"),
         ("event", 3, "2026-11-02 10:00:01+01:00", "b")],
    ),
    "an offset in the header": (
        "timestamp [UTC+01:00],level,message\n2026-11-02 10:00:01,INFO,a\n",
        [HEADER, ("event", 2, "2026-11-02 10:00:01+01:00", "a")],
    ),
    "a zone that is only known by name": (
        "time (CET),level,message\n2026-11-02 10:00:01,INFO,a\n",
        [HEADER, ("event", 2, "2026-11-02 10:00:01", "a")],
    ),
    "days with dots": (
        "Zeit;time;message\nx;02.11.2026 09:00;a\nx;02.11.2026 09:00:01,250;b\n",
        [HEADER, ("event", 2, "2026-11-02 09:00:00", "a"),
         ("event", 3, "2026-11-02 09:00:01,250", "b")],
    ),
    "a day and a time of day": (
        "date,time,message\n2026-11-02,09:00:01,a\n",
        [HEADER, ("event", 2, "2026-11-02 09:00:01", "a")],
    ),
    "tabs, quoted": (
        f'time\tlevel\tmessage\n{A}\tINFO\t"a ""b""\tc"\n{B}\tINFO\td\n',
        [HEADER, ("event", 2, A, 'a "b"\tc'), ("event", 3, B, "d")],
    ),
    "tabs, escaped by a database": (
        f"time\tlevel\tmessage\n{A}\tINFO\ta\\tb\\nc \\\\d\n{B}\t\\N\td\n",
        [HEADER, ("event", 2, A, "a\tb\nc \\d"), ("event", 3, B, "d")],
    ),
    "a backslash that is none of a database's": (
        f"time\tlevel\tmessage\n{A}\tINFO\tC:\\temp\\Users\n",
        [HEADER, ("event", 2, A, "C:\\temp\\Users")],
    ),
    "ES|QL: nulls and lists": (
        f'@timestamp,message,level\r\n{A},"a, b",\r\n{B},,"[INFO, WARN]"\r\n',
        [HEADER, ("event", 2, A, "a, b"), ("event", 3, B, None)],
    ),
    "Kibana: a null message, a formula, one digit": (
        '"@timestamp",level,message\n"Nov 2, 2026 @ 10:00:10.900",INFO,"-"\n'
        '"Dec 12, 2026 @ 10:00:10.900",INFO,"\'=1+1"\n',
        [HEADER, ("event", 2, "2026-11-02 10:00:10.900", None),
         ("event", 3, "2026-12-12 10:00:10.900", "=1+1")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_rows(name: str) -> None:
    text, expected = ROWS[name]
    assert read(text, "time", "message") == expected


@pytest.mark.parametrize(
    ("text", "format_"),
    [
        pytest.param(
            f"@timestamp,message\n{A},a\n", "esql-csv", id="two columns will do for ES|QL"
        ),
        pytest.param(f'"@timestamp",message\n"{A}",a\n', "kibana-csv", id="a dashboard's report"),
        pytest.param("a,b,c\n1,2,3\n4,5,6\n", "generic-csv", id="names that nobody knows"),
        pytest.param("Hello, dear, world\nBye\n", "rawtext", id="prose with commas"),
        pytest.param(f"{A},INFO,a\n{B},INFO,b\n", "rawtext", id="no header"),
        pytest.param(f"{A} INFO a, b, c\n{B} INFO b, c, d\n", "rawtext", id="text with commas"),
        pytest.param("time\tlevel\tmessage\n" + f"{A}\tI\ta\n", "generic-tsv", id="tabs"),
    ],
)
def test_a_table_is_known_by_its_header(text: str, format_: str) -> None:
    assert format_ == detect(text.encode(), "f").format.NAME


def test_any_columns_by_field() -> None:
    text = "when,where,what\n2026-11-02T09:00:01Z,n1,a\n2026-11-02T09:00:02Z,n2,b\n"
    fields = (("time", "when"), ("node", "where"), ("message", "what"))
    rows = read(text, "time", "node", "message", fields=fields)
    assert rows[1:] == [("event", 2, A, "n1", "a"), ("event", 3, B, "n2", "b")]


def test_pattern_looks_into_the_message() -> None:
    text = f"{HEAD}{A},INFO,instance: abc says\n"
    rows = read(text, "container_id", patterns=(r"instance: (?<container_id>\w+)",))
    assert rows[1:] == [("event", 2, "abc")]


def test_several_addresses_of_one_cell() -> None:
    kibana = (
        '"@timestamp","kubernetes.pod_ip","host.ip",message\n'
        '"Nov 2, 2026 @ 10:00:10.900","10.0.0.1, fd00::1","10.1.0.1, fe80::1","a, b"\n'
    )
    esql = f'@timestamp,kubernetes.pod_ip,host.ip,message\n{A},"[10.0.0.1, fd00::1]",' \
           '"[10.1.0.1, fe80::1]","a, b"\n'  # fmt: skip
    for text in (kibana, esql):
        rows = read(text, "ip", "host_ip", "message")
        assert rows[1:] == [("event", 2, "10.0.0.1", "10.1.0.1, fe80::1", "a, b")]


def test_why_a_row_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f'{HEAD}{A},INFO,"a\n{B},INFO\n{C},INFO,c\n')
    case = cuidx.open_case(path)
    assert case.accounting.unreadable == 2
    frames = [part.frame for part in case._story.records.parts()]
    bad = pl.concat(frames).filter(pl.col("kind") == "unreadable")
    assert bad.select("line", "raw", "why").rows() == [
        (2, f'{A},INFO,"a', "a quote is not closed"),
        (3, f"{B},INFO", "2 cells, but the header has 3"),
    ]


# -- what is said of a table ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shift", "said"),
    [(1, {"times have no zone; those inside the lines say +01:00 (--tz Etc/GMT-1, or the place's name)"}),
     (-5, {"times have no zone; those inside the lines say -05:00 (--tz Etc/GMT+5, or the place's name)"}),
     (0, set())],
)  # fmt: skip
def test_the_lines_own_times_tell_the_zone_of_kibana(shift: int, said: set[str]) -> None:
    text = '"@timestamp",message\n' + "".join(
        f'"Nov 2, 2026 @ {9 + shift:02}:00:0{n}.120","2026-11-02T09:00:0{n}.100Z a"\n'
        for n in range(5)
    )
    notes = Reading()
    BY_NAME["kibana-csv"].parse(Block(text.encode(), 1), notes)
    assert notes.notes == said


@pytest.mark.parametrize(("count", "said"), [(999, False), (1000, True), (10_000, True)])
def test_just_the_limit_of_esql_is_said(count: int, said: bool) -> None:
    notes = Reading()
    text = "@timestamp,message\r\n" + f"{A},a\r\n" * count
    BY_NAME["esql-csv"].parse(Block(text.encode(), 1), notes)
    assert [f"{count} rows, just " in note for note in notes.notes] == [True] * said


def test_a_zone_by_name_is_said() -> None:
    notes = Reading()
    text = "time (CET),level,message\n2026-11-02 10:00:01,INFO,a\n"
    BY_NAME["generic-csv"].parse(Block(text.encode(), 1), notes)
    assert notes.notes == {"the header says that times are in CET: give it as --tz"}


# -- blocks -----------------------------------------------------------------------------------

CELL = st.text(st.sampled_from('ab",;\n\t \r'), max_size=12)
TABLE = st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=12)


def written(rows: list[tuple[str, ...]], delimiter: str = ",") -> str:
    """ROWS as Python's csv module writes them, all cells quoted that need it."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerows([("time", "level", "message"), *rows])
    return out.getvalue()


@settings(max_examples=150)
@given(rows=TABLE, size=st.integers(1, 80), stray=st.booleans())
def test_a_block_ends_where_a_row_ends(rows: list[tuple[str, ...]], size: int, stray: bool) -> None:
    text = written([("x", f'{n}" disk', "") for n in range(2)] if stray else [])
    if stray:  # what a sloppy program writes
        text = text.replace('"0"" disk"', '0" disk')
    text += written(rows).partition("\n")[2]
    end = cut(text.encode()[:size])
    whole = list(csv.reader(io.StringIO(text, newline="")))
    before = list(csv.reader(io.StringIO(text[:end], newline="")))
    assert before == whole[: len(before)]


@settings(max_examples=15)
@given(rows=TABLE, delimiter=st.sampled_from(",;"), block=st.integers(8, 60))
def test_what_python_writes_is_read(
    rows: list[tuple[str, ...]], delimiter: str, block: int
) -> None:
    """Whatever cells hold, and wherever blocks end. The csv module's writer is the oracle."""
    rows = [(A, level.strip(), message) for _, level, message in rows]
    text = written(rows, delimiter)
    with folder() as here, reading(block=block):
        path = here / "a.csv"
        path.write_bytes(text.encode())
        case = cuidx.open_case(path, input_format="generic-csv")
        conserved(case.accounting.as_json())
        assert (case.accounting.events, case.accounting.unreadable) == (len(rows), 0)
        found = [row["message"] or "" for row in rows_of(case.events)]
    assert found == [message.rstrip() for *_, message in rows]


@pytest.mark.parametrize("name", ["generic.csv", "generic-tab.tsv", "kibana.csv", "esql.csv"])
@pytest.mark.parametrize("block", [64, 700])
def test_blocks_change_nothing(name: str, block: int) -> None:
    path = FIXTURES / "formats" / name
    whole = rows_of(cuidx.open_case(path, tz="UTC").events)
    with reading(block=block):
        assert rows_of(cuidx.open_case(path, tz="UTC").events) == whole


def test_a_row_of_several_lines_is_split_as_one(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    tag = '{""ikontainer_CUID"":""c1"",""svc"":null}'
    path.write_text(f'{HEAD}{A},INFO,"a\n  at b {tag}"\n{B},INFO,b\n')
    cuidx.open_case(path).split(tmp_path / "out")
    (mine,) = (tmp_path / "out").glob("c1*")
    assert mine.read_text() == f'{A},INFO,"a\n  at b {tag}"\n'
