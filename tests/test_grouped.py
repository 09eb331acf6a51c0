"""Lines grouped natively count as they do the exact way, record for record, whatever is in them."""

import gzip
import json
import random
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest
from bench.generate import generate
from hypothesis import given, settings
from hypothesis import strategies as st
from stories import FULL, conserved, folder, reading

import cuidx
from cuidx import reading as load
from cuidx.case import Case
from cuidx.case.pictures import errors
from cuidx.case.rows import WHO_AND_WHEN
from cuidx.enrich.mentions import mentions
from cuidx.formats import documents, native, scan
from cuidx.formats import rows as rows_module
from cuidx.formats.base import Block, Format, Reading
from cuidx.formats.registry import TEXTS
from cuidx.formats.scan import Scanner
from cuidx.report import written
from cuidx.report.facts import Facts
from cuidx.schema import MENTIONING

FILES = 400 if FULL else 2  # of each shape; some fifty lines of each are not as they were written
SHAPES = ("flat", "varied", "text", "cri", "cri of JSON", "elasticdump")
COLUMNS = ("ts", "level", "service", "msg", "request_id", "trace_id", "pod_ip", "svc")
SHAPES_OF_TEXT = cast("tuple[Format, ...]", TEXTS)  # each is a format, too
TAIL = '{"ikontainer_CUID":"6496e02c","svc":"gateway.shop.lab"}'


@cache
def lines_of(shape: str) -> tuple[bytes, ...]:
    """Some hundred lines as the generator writes them."""
    with folder() as here:
        path = here / "a.log"
        what = {"varied": "flat", "cri of JSON": "flat"}.get(shape, shape)
        generate(260, 5, what, path, bad=0.01, variants=shape == "varied")
        lines = path.read_bytes().split(b"\n")[:-1]
    if shape == "cri of JSON":
        lines = [b"2026-11-02T09:00:00.5Z stdout F " + line for line in lines]
    return tuple(lines)


# -- what can be done to a line ----------------------------------------------------------------

WORDS = [
    " request_id=abc", " req-id: x.1", " X-Request-ID=5", " xrequestid=6", " rid=7", " Rid=8",
    " trace_id=9", ' traceid="a b"', " required", ' request-id = "q1"', " reqid=", " req_id=é",
    "é", "\u00a0", "\x1b[31m", " [02/Nov/2026:09:00:00 +0000] ", " ContainerID=", ' time="x" msg="',
    " access ", '"pod_ip":"1.2.3.4"', '{"ikontainer_CUID":"forged","svc":"x"}', "{", "}", "\\", '"',
    '{ "ikontainer_CUID" : "loose" , "svc" : "a.b" }', "\u017f", "reque\u017ft_id=1", "\t", "key=value",
]  # fmt: skip
TIMES = [
    "2026-11-02T09:00:00Z", "2026-11-02T10:00:00.1+01:00", "2026-11-02T09:00:00,250Z", "1793610001",
    "2026-02-31T09:00:00Z", "2026-11-02T24:00:00Z", "2026-11-02T09:00:60Z", "2026-11-02 09:00:00Z",
    "2026-11-02T09:00:00", "2026-11-02T09:00:00.1234567890Z", "0001-01-01T00:00:00Z", "-", "",
    "2026-11-02T09:00:00.Z", "2026-11-02T09:00:00.123456789Z", "2026-11-02T09:00:00z", "Nov  2 09:00:00",
    '2026-11-"2T09:00:00Z', "2026-1\\02T09:00:00Z", "2026x11-02T09:00:00Z", "2026-11-02T0a:00:00.5Z",
]  # fmt: skip
LEVELS = [
    "info", "Warning", "LEVEL", "INFO:", "[INFO]", "INFOé", "INFO_", "information", "E", "INFO2",
    "[main] INFO", "123 ERROR", "", "(ERROR)", "INFO  access x", "info\taccess\tx",
]  # fmt: skip
TAILS = [
    "", TAIL + TAIL, " " + TAIL, TAIL + " ", TAIL + "\r", TAIL[:-1], TAIL.replace("6496e02c", ""),
    TAIL.replace("6496e02c", "a\\u0062"), TAIL.replace("gateway.shop.lab", ""), TAIL + "x",
    TAIL.replace('"gateway.shop.lab"', "null"), TAIL.replace(":", ": "), TAIL.replace("64", "é"),
    '{"ikontainer_CUID":"a","svc":"b","x":1}',
]  # fmt: skip
KEYS = [
    '"pod_ip":"10.0.0.9"', '"level":"ERROR"', '"ikontainer_CUID":"other"', '"request_id":"r\\u0031"',
    '"request_id":"É"', '"request_id":"' + "a" * 300 + '"', '"trace_id":"t"', '"ts":5',
    '"peer":{"pod_ip":"10.0.0.8"}', '"ikontainer_event":"start"', '"kubernetes":{"pod_name":"p"}',
    '"log":"{\\"level\\":\\"ERROR\\"}"', '"stream":"stdout"', '"node":"n","pod_uid":"u"', '"_id":"1"',
    '"container_id":"containerd://abc"', '"restart":3', '"restart":1e2', '"service":""', '"x":"\\ud800"',
]  # fmt: skip


def flipped(line: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(line) + 1)
    new = rng.choice([b"", bytes([rng.randrange(256)]), line[at : at + 1] * 2, b'"', b"\\", b"{"])
    return line[:at] + new + line[at + 1 :]


def swapped(
    what: str, by: list[str], find: Callable[[bytes, bytes], int] = bytes.find
) -> Callable[[bytes, random.Random], bytes]:
    def change(line: bytes, rng: random.Random) -> bytes:
        at = find(line, what.encode())
        if at < 0:
            return flipped(line, rng)
        end = at + len(what)
        if what == "2026":  # the whole time
            end = next(i for i in range(at, len(line) + 1) if line[i : i + 1] in (b" ", b'"', b""))
        return line[:at] + rng.choice(by).encode() + line[end:]

    return change


def worded(line: bytes, rng: random.Random) -> bytes:
    """Words that mean something, or might, at some place of the text."""
    word = rng.choice(WORDS)
    if b'":"' in line and rng.random() < 0.8:
        word = json.dumps(word, ensure_ascii=rng.random() < 0.5)[1:-1]
    at = rng.randrange(len(line) + 1)
    if (blank := line.find(b" ", at)) >= 0:
        at = blank
    return line[:at] + word.encode("utf-8", "replace") + line[at:]


def tailed(line: bytes, rng: random.Random) -> bytes:
    at = line.rfind(b'{"ikontainer_CUID"')
    return (line if at < 0 else line[:at]) + rng.choice(TAILS).encode()


def keyed(line: bytes, rng: random.Random) -> bytes:
    at = rng.choice([i + 1 for i, c in enumerate(line) if c in b"{,"] or [0])
    return line[:at] + rng.choice(KEYS).encode() + b"," + line[at:]


def respelled(line: bytes, rng: random.Random) -> bytes:
    begin = max(line.find(b"{"), 0)
    try:
        document = json.loads(line[begin:])
        pairs = list(document.items())
    except (ValueError, AttributeError):
        return flipped(line, rng)
    rng.shuffle(pairs)
    spaces = rng.choice([(", ", ": "), (",", ": "), (" , ", " : ")])
    return line[:begin] + json.dumps(dict(pairs), separators=spaces).encode()


def another(line: bytes, rng: random.Random) -> bytes:
    raw = rng.choice(rng.choice(SHAPES_OF_TEXT).SAMPLES).raw
    return rng.choice([
        b"", b"   ", b"\tat a.b(C.java:1)", b"plain text", b"[", b"{", line[: len(line) // 2], line,
        b"2026-11-02T09:00:01Z stdout P half ", b"2026-11-02T09:00:01Z stderr F done",
        b"2026-11-02T09:00:01Z stdout F", b"2026-11-02T09:00:01Z stderr P:x half\r",
        b"2026-11-02T09:00:01Z stdout F 2026-11-02T09:00:01Z INFO x" + TAIL.encode(),
        b"2026-11-02T09:00:01Z INFO " + raw.encode(), raw.encode(), raw.encode() + TAIL.encode(),
        json.dumps({"ts": "2026-11-02T09:00:00Z", "level": "INFO", rng.choice(["msg", "log"]): raw,
                    "cuid": "c1"}).encode(),
    ])  # fmt: skip


CHANGES = (
    flipped, flipped, worded, worded, tailed, keyed, respelled, another,
    swapped("2026", TIMES), swapped("2026", TIMES, bytes.rfind), swapped("INFO", LEVELS),
    swapped("ERROR", LEVELS), swapped(" F ", [" P ", " F:x ", " P:y ", " F", "  F "]),
    swapped("stdout", ["stderr", "stdin"]), swapped(":", [": "]),
)  # fmt: skip


# -- both ways ---------------------------------------------------------------------------------


def counted(case: Case) -> dict[str, Any]:
    summary = case._story.raw_summary
    pairs = summary.pairs.table.select(pl.col("container").cast(pl.String), "request").unique()
    return {
        "groups": summary.groups,
        "pairs": pairs.sort("container", "request"),
        "evidence": summary.evidence,
        "lifetimes": case.lifetimes(),
        "levels": levels(case),
    }


def levels(case: Case) -> pl.DataFrame:
    """How many lines of each kind have which word for a level."""
    found: Counter[tuple[str, str | None]] = Counter()
    for part in case._story.records.parts(WHO_AND_WHEN, in_groups=True):
        grouped = [] if part.grouped is None else [part.grouped.groups]
        for table, count in [(part.frame, pl.lit(1)), *((t, pl.col("lines")) for t in grouped)]:
            level = pl.col("level") if "level" in table.columns else pl.lit(None, pl.String)
            for kind, word, number in table.select(
                "kind", level.alias("l"), count.alias("n")
            ).rows():
                found[kind, word] += number
    rows = sorted(((*what, number) for what, number in found.items()), key=repr)
    return pl.DataFrame(rows, schema=["kind", "level", "lines"], orient="row", strict=False)


def differences(data: bytes, name: str | None, block: int | None = None) -> list[str]:
    """What differs between lines in groups and lines read one by one."""
    with folder() as here, reading(head=1, block=block), pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "_FEW", 1)  # in groups, however many lines are odd
        patch.setattr(load, "_HEAD", min(len(data), 4096))
        path = here / "a.log"
        path.write_bytes(data)
        return compared(path, name)


def compared(path: Path, name: str | None = None) -> list[str]:
    quick, exact = (cuidx.open_case(path, exact=e, input_format=name) for e in (False, True))
    mine, other = counted(quick), counted(exact)
    a, b = quick.accounting.as_json(), exact.accounting.as_json()
    conserved(a)
    found = [f"{n}: {a[n]!r}, exact {b[n]!r}" for n in a if a[n] != b[n]]
    for what, table in mine.items():
        if not table.equals(other[what]):
            both = [set(map(repr, t.rows())) for t in (table, other[what])]
            found.append(f"{what}: only {both[0] - both[1]}; only exact {both[1] - both[0]}")
    return found


def named(shape: str) -> str:
    return {"text": "rawtext", "elasticdump": "elasticdump"}.get(
        shape, "cri" if shape.startswith("cri") else "jsonl-flat"
    )


def damaged(shape: str, seed: int) -> bytes:
    """The lines of SHAPE, some of them changed, in another order."""
    rng = random.Random(f"{shape} {seed}")
    lines = list(lines_of(shape))
    for _ in range(50):
        at = rng.randrange(len(lines))
        lines[at] = rng.choice(CHANGES)(lines[at], rng).replace(b"\n", b" ")
    rng.shuffle(lines)
    end = b"\r\n" if seed % 12 == 5 else b"\n"
    return end.join(lines) + rng.choice([b"\n", b"\n", b""])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(FILES))
def test_damaged_and_odd_lines_count_the_same(shape: str, seed: int) -> None:
    assert differences(damaged(shape, seed), named(shape), None if seed % 3 else 4096) == []


@pytest.mark.parametrize("time", TIMES)
def test_a_level_stands_behind_a_time_in_a_record_of_a_runtime_too(time: str) -> None:
    line = f"2026-11-02T09:00:00.5Z stdout F {time} INFO took it{TAIL}\n"
    assert differences(line.encode() * 30, "cri") == []


@pytest.mark.parametrize("search", ["own", "any"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(40 if FULL else 1))
def test_steps_over_lines_in_groups_are_the_same(
    shape: str, search: str, seed: int, tmp_path: Path
) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(damaged(shape, seed))
    with reading(head=4096, block=20_000), pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "_FEW", 1)
        mine, other = (
            cuidx.open_case(path, exact=exact, input_format=named(shape)).compare_searches(
                alert_level="INFO", search=search
            )
            for exact in (False, True)
        )
    assert mine.alerts.to_dicts() == other.alerts.to_dicts()
    assert mine.totals == other.totals
    assert mine.hits.equals(other.hits)
    assert mine.alerts.height > 100


def told(case: Case) -> list[Any]:
    """What findings and a report say, charts and page aside."""
    facts: list[Facts] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(written, "write", lambda given, *_: (facts.append(given), "")[1])
        case.report(alert_level="INFO")
    (one,) = facts
    charts = errors(case._story, case._filters).rows()
    return [case.findings().to_dicts(), one.findings, one.texts, one.lanes, one.sources,
            one.containers, one.alerts, charts]  # fmt: skip


ODD_KEYS = [
    '"m":{"ikontainer_CUID":"x","ikontainer_CUID":"B"}', '"m":{"ikontainer_CUID":"x"}',
    '"m":[{"n":{"ikontainer_CUID":"x","y":1,"ikontainer_CUID":"B"}}]', '"ikontainer_CUID":"other"',
    '"x":"{\\"ikontainer_CUID\\":\\"a\\",\\"svc\\":\\"b\\"}"', '"host_ip":"10.42.0.9"',
    '"log":"x {\\"ikontainer_CUID\\":\\"f\\",\\"svc\\":\\"b\\"}"', '"x":{"ikontainer_CUID":"a","svc":"b"}',
]  # fmt: skip
PRINTED = ['{"ikontainer_CUID":"q","svc":"b"} ', '{"ikontainer_CUID" :"q" ', '{"ikontainer_CUID":']


def found_odd(shape: str, seed: int) -> bytes:
    """`damaged` lines, more of them with what makes a finding; none is evidence."""
    rng = random.Random(f"odd {shape} {seed}")
    lines = [x for x in damaged(shape, seed).split(b"\n") if b"ikontainer_event" not in x]
    for _ in range(16):
        at = rng.randrange(len(lines))
        line = lines[at]
        begin = line.find(b"{", line.find(b"{") + rng.randrange(2)) + 1
        if begin:
            lines[at] = line[:begin] + rng.choice(ODD_KEYS).encode() + b"," + line[begin:]
        elif b"INFO " in line:
            lines[at] = line.replace(b"INFO ", b"INFO " + rng.choice(PRINTED).encode(), 1)
    return b"\n".join(lines)


@pytest.mark.parametrize(
    ("shape", "packed"), [*((shape, False) for shape in SHAPES), ("flat", True), ("text", True)]
)
@pytest.mark.parametrize("seed", range(40) if FULL else (0, 22))  # 22: an error that is no alert
def test_findings_and_reports_of_lines_in_groups_are_the_same(
    shape: str, packed: bool, seed: int, tmp_path: Path
) -> None:
    path = tmp_path / "a.log"
    data = found_odd(shape, seed)
    path.write_bytes(gzip.compress(data) if packed else data)
    with reading(head=4096, block=20_000), pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "_FEW", 1)
        cases = (
            cuidx.open_case(path, exact=exact, input_format=named(shape)) for exact in (False, True)
        )
        quick, exact = (told(case) for case in cases)
    for mine, other in zip(quick, exact, strict=True):
        assert mine == other
    assert quick[0]
    assert len(quick[2]) > 20


# What addresses are made of, and what stands around them.
PIECES = st.sampled_from([
    *"0123456789abfgxZ_./:-%[](){}=, \t", "10.0.0.1", "10.0.0.1", "255.1", "256", "010.", ".0.0.0",
    "::", "fe80", "a:b:c:1:2:3:", "/24", "x/", "Chrome/", "1.2.3.4.", "é", "\u212a", '"', "\\", "http://",
    "10.0.0.1, 10.0.0.2", "1:2:3:4:5:6", "00:11:22", "\n", "id=", "10.0.0.300", "1.2.3.4567",
])  # fmt: skip


@settings(max_examples=20_000 if FULL else 200)
@given(
    st.lists(st.tuples(st.lists(PIECES, max_size=9).map("".join),
                       st.lists(PIECES, max_size=5).map("".join)), min_size=1, max_size=8),
    st.booleans(),
)  # fmt: skip
def test_addresses_are_found_natively_as_by_the_expressions(
    texts: list[tuple[str, str]], escaped: bool
) -> None:
    usual = {"ts": "2026-11-02T09:00:00Z", "level": "INFO", "cuid": "c", "request_id": "r"}
    rows = [{**usual, "msg": f"a {text}", "client_ip": peer} for text, peer in texts]
    rows += [{**usual, "msg": "b", "client_ip": "10.0.0.7"}] * 40
    data = "".join(json.dumps(row, ensure_ascii=escaped) + "\n" for row in rows).encode()
    want = frozenset({"time", "level", "request_id"}) | MENTIONING
    quick = Scanner(documents.table(()), want, hits=False)
    quick.learn(data)
    found = quick.group(Block(data, 1), Reading(want=want), by_line=True, mentions=True)
    assert found is not None
    assert found.by_line is not None
    assert found.spots is not None
    at = found.by_line["line"].gather(found.spots["row"]) - 1
    told = {(line, str(ip_address(ip))) for line, ip in zip(at, found.spots["ip"], strict=True)}
    texts_ = [{"message": row["msg"], "source_ip": row["client_ip"]} for row in rows]
    known = set(found.by_line["line"] - 1)
    expected = {(row, ip) for row, ip, _ in mentions(pl.DataFrame(texts_)).rows() if row in known}
    assert told == expected
    # In doubt a line is read exactly; where nothing is unusual there is no doubt.
    # (A text may be as JSON has it: `[02\/Nov` begins a date.)
    odd = re.compile(r"::|/|(:.*){6}|\[\d\d\\")
    sure = {at for at, (text, peer) in enumerate(texts) if not odd.search(text + peer)}
    assert sure <= known


@pytest.mark.parametrize("shape", SHAPES)
def test_most_lines_are_in_groups(shape: str) -> None:
    seen: list[float] = []
    group = Scanner.group

    def watched(*given: Any, **more: Any) -> Any:
        found = group(*given, **more)
        seen.append(0 if found is None else 1 - len(found.rows) / found.lines)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Scanner, "group", watched)
        assert differences(b"\n".join(lines_of(shape)) + b"\n", named(shape)) == []
    assert seen
    assert min(seen) > (0.5 if shape == "varied" else 0.9)


@pytest.mark.parametrize("shape", [pytest.param(t, id=t.NAME) for t in SHAPES_OF_TEXT])
@settings(max_examples=100 if FULL else 1)
@given(data=st.data())
def test_a_text_of_a_known_shape_is_never_taken_for_a_plain_one(shape: Any, data: Any) -> None:
    text = data.draw(st.from_regex(shape.LIKELY)).replace("\n", " ")
    text += data.draw(
        st.sampled_from(["", " request_id=r1", ' req_id="r2"', " rest of it 1.2.3.4"])
    )
    row = {"ts": "2026-11-02T09:00:00Z", "level": "INFO", "msg": text, "cuid": "c1"}
    rows = [row, {**row, "log": text}, {**row, "msg": "a b"}]
    docs = [json.dumps(r).encode("utf-8", "replace") for r in rows] * 3
    assert differences(b"\n".join(docs) + b"\n", "jsonl-flat") == []
    texts = [f"2026-11-02T09:00:00Z INFO {text}{TAIL}".encode("utf-8", "replace"),
             text.encode("utf-8", "replace"), b"2026-11-02T09:00:00Z INFO a b" + TAIL.encode()]  # fmt: skip
    assert differences(b"\n".join(texts * 3) + b"\n", "rawtext") == []


def test_the_same_document_in_groups_and_out_of_them_is_one(tmp_path: Path) -> None:
    hit = (
        '{"_index":"i","_id":"%s","_source":{"@timestamp":"2026-11-02T09:00:0%dZ","level":"INFO",'
        '"cuid":"c1","request_id":"r1","note":"%s"}}'
    )
    lines = [hit % (n % 7, n % 10, "a") for n in range(40)]
    lines[3] = hit % ("3", 3, "\\ud800")  # takes the exact reader
    lines[20] = hit % ("9", 3, "\\ud800")
    lines[21] = hit % ("9", 4, "a")
    assert differences(("\n".join(lines) + "\n").encode(), "elasticdump", 900) == []
    flat = '{"ts":"2026-11-02T09:00:00Z","level":"INFO","msg":"a","cuid":"c1"}'
    mixed = [line for hit in lines for line in (flat, hit, flat)]
    assert differences(("\n".join(mixed) + "\n").encode(), "jsonl-flat", 900) == []


@pytest.mark.parametrize("seed", range(40 if FULL else 4))
def test_rows_with_holes_and_repeats_count_the_same(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Columns with dictionaries, in groups of rows of any size; texts as long as a view holds.

    In some no message has a suffix or an escape, which is told by all their bytes at once.
    """
    monkeypatch.setattr(scan, "_FEW", 1)
    monkeypatch.setattr("cuidx.sources.columnar._LEAST", 50 + seed % 3 * 400)
    rng = random.Random(seed)
    monkeypatch.setattr("cuidx.sources.columnar._AHEAD", rng.choice([100, 750, 1500, 4000]))
    layers = ["text " + TAIL, "a\x1b[0m coloured text", '  {"level":"ERROR", "n":1}', "é" * 9,
              'a "ikontainer_CUID is no suffix', 'a "i" of no matter', "a longer text: req_id=7"]  # fmt: skip
    rows = [json.loads(line) for line in lines_of("flat") if line.endswith(b'"}')]
    columns: dict[str, list[str | None]] = {}
    for name in (*COLUMNS, "cuid"):
        some = [row[name] for row in rows if isinstance(row.get(name), str)][:60]
        some += ["", "-", "twelve bytes", "thirteen byte", "é" * 6, "q" * 300]
        if name == "msg":
            some = [*rng.sample(layers, rng.choice([0, 1, len(layers)])), *some]
        holes = rng.choice([0, 0.02, 0.5])
        columns[name] = [None if rng.random() < holes else rng.choice(some[: rng.choice([2, 99])])
                         for _ in range(1500)]  # fmt: skip
    columns["ts"] = [rng.choice(rows)["ts"] if time != "-" else None for time in columns["ts"]]
    if seed % 4 == 1:
        columns["_id"] = [str(rng.randrange(1200)) for _ in range(1500)]
    path = tmp_path / "a.parquet"
    pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)).write_parquet(
        path, row_group_size=rng.choice([20, 100, 257, 5000])
    )
    assert compared(path) == []


def test_a_time_in_a_known_minute_is_proven_to_its_last_character(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each in a row of its own container, behind one of the same minute."""
    monkeypatch.setattr(scan, "_FEW", 1)
    good = "2026-11-02T09:00:59.987Z"
    texts = [good[:at] + other + good[at + 1 :] for at in range(len(good))
             for other in "0123456789/:;.,ZTt -+a"]  # fmt: skip
    texts += [good[:-1] + end for end in ("", "z", "+00:00", "0Z", "12345Z", "1234567Z")]
    rows = [{"ts": text, "level": "INFO", "msg": "a", "cuid": f"c{n}"}
            for n, each in enumerate(texts) for text in (good, each)]  # fmt: skip
    path = tmp_path / "a.parquet"
    pl.DataFrame(rows).write_parquet(path)
    assert compared(path) == []
    data = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows).encode()
    assert differences(data, "jsonl-flat", 4000) == []


@pytest.mark.parametrize("time", ["a text", "a time"])
@pytest.mark.parametrize("ids", [False, True], ids=["no ids", "with ids, some twice"])
def test_rows_of_columns_count_the_same(
    time: str, ids: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "_FEW", 1)
    rows = []
    for line in [*lines_of("flat"), *lines_of("varied"), *damaged("flat", 1).split(b"\n")]:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            rows.append({key: value for key, value in row.items() if isinstance(value, str)})
    texts = [t.raw for shape in SHAPES_OF_TEXT for t in shape.SAMPLES]
    texts += [*WORDS, '{"level":"ERROR"}', " \n{}", "a" + TAIL, "\x0b{", "", "-", "req_id=7 é"]
    rows += [{**rows[n], "msg": text} for n, text in enumerate(texts)]
    rows += [{k: v for k, v in rows[n].items() if k != "request_id"} | {"msg": text}
             for n, text in enumerate(texts)]  # fmt: skip
    frame = pl.DataFrame(rows, schema=dict.fromkeys((*COLUMNS, "ikontainer_CUID"), pl.String))
    if time == "a time":
        frame = frame.with_columns(pl.col("ts").str.to_datetime("%+", time_unit="ns", strict=False))
    if ids:
        frame = frame.with_columns(_id=pl.Series([str(n % 400) for n in range(len(rows))]))
    path = tmp_path / "a.parquet"
    frame.write_parquet(path)
    assert compared(path) == []
    seen = []
    group = rows_module.group
    monkeypatch.setattr(
        rows_module, "group", lambda *given: (seen.append(out := group(*given)), out)[1]
    )
    _ = cuidx.open_case(path).accounting
    assert seen
    assert None not in seen


@pytest.mark.parametrize("seed", range(200 if FULL else 20))
def test_requests_are_counted_natively_as_by_polars(seed: int) -> None:
    rng = random.Random(seed)
    size = rng.choice([0, 1, 40, 5000])
    groups = rng.choice([[0], [3, 70_000], range(60)])
    values = rng.choice([[0], [0, 1 << 63], range(50), range(1 << 60, (1 << 60) + 10**6)])
    group = pl.Series("group", rng.choices(groups, k=size), dtype=pl.UInt32)
    value = pl.Series("value", rng.choices(values, k=size), dtype=pl.UInt64)
    cut, middle = sorted(rng.choices(range(size + 1), k=2))
    every = range(max(groups) + 1)
    # Half of the places mean others' numbers, or nobody's.
    meant = pl.Series(rng.choices([native.NOBODY, *groups], k=len(every)), dtype=pl.UInt32)
    value_ = pl.concat([value[:middle], value[middle:]], rechunk=False)
    found = native.distinct([
        (group[:cut], value_[:cut], numbers(every)),
        (group[cut:], value_[cut:], numbers(meant)),
    ], len(every))  # fmt: skip
    number = pl.concat([group[:cut], meant.gather(group[cut:])])
    pairs = pl.DataFrame({"number": number, "value": value})
    expected = pairs.filter(number != native.NOBODY).group_by("number").agg(
        pl.col("value").n_unique())  # fmt: skip
    counted = {number: count for number, count in enumerate(found.to_list()) if count}
    assert counted == dict(expected.iter_rows())


def numbers(some: Iterable[int]) -> memoryview:
    return memoryview(array("I", some))


def test_what_is_no_pair_is_refused() -> None:
    one, two = (pl.Series([0] * size, dtype=pl.UInt32) for size in (1, 2))
    value = one.cast(pl.UInt64)
    for values in (one, two.cast(pl.UInt64), pl.Series([None], dtype=pl.UInt64)):
        with pytest.raises(ValueError, match="another layout"):
            native.distinct([(one, values, numbers([0]))], 1)
    for meant, place in (([0], 1), ([1], 0), ([], 0)):  # no such place, too large a number
        with pytest.raises(ValueError, match="another layout"):
            native.distinct([(one + place, value, numbers(meant))], 1)
