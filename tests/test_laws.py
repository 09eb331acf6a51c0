"""DESIGN.md's laws on small made-up stories: order, cuts, merging, sameness.

Law 1 (conservation) is test_accounting's; `split`'s half of it waits for that command. Laws 2
and 3 hold where every record carries its own time and stands alone, so left out are:

- CRI with P pieces and json-file pieces: a record's pieces follow each other in one file;
- text whose lines have no time (stack traces): they take that of the line before;
- files without any time: there the order of lines is the only order;
- start and stop records: they are records of their own, but which of two equal times counts first
  is the order of lines (they are in test_leases);
- duplicates whose bodies differ: the first one read is the event, by definition.

Blocks and threads (law 6) must change nothing for any of these, so there they are all included.
"""

import gzip
import itertools
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stories import FIXTURES, FULL, answers, at, folder, reading, rows_of, suffix

import cuidx
from cuidx.cli.app import run
from cuidx.enrich.summary import Summary
from cuidx.reading import Records
from cuidx.schema import ROLES
from cuidx.sources.paths import expand

Record = dict[str, Any]
# Three Pods that pass addresses on, one of them with two containers, and lines that say only an IP.
WRITERS: tuple[Record, ...] = (
    {"cuid": "c1", "uid": "u1", "pod": "pay-0", "name": "app", "svc": "pay.shop.lab"},
    {"cuid": "c2", "uid": "u2", "pod": "pay-0", "name": "app", "svc": "pay.shop.lab"},
    {"cuid": "c3", "uid": "u3", "pod": "mail-x", "name": "app", "svc": "mail.shop.lab"},
    {"cuid": None, "uid": "u3", "pod": "mail-x", "name": "side", "svc": None},
    {"cuid": None, "uid": None, "pod": None, "name": None, "svc": None},
)
STORY = st.lists(
    st.fixed_dictionaries(
        {
            "second": st.integers(0, 300_000).map(lambda ms: ms / 1000),
            "who": st.sampled_from(WRITERS),
            "ip": st.sampled_from(["10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.10", None]),
            "level": st.sampled_from(["INFO", "ERROR", "WARN", None]),
            "request": st.sampled_from(["r-1", "R1", "r2", None]),
            "text": st.sampled_from(["paid", "said no", "got ü {x}", "a=1 b=2"]),
        }
    ),
    min_size=1,
    max_size=14,
)


def flat(r: Record, n: int) -> str:
    who = r["who"]
    row = {"time": at(r["second"]), "level": r["level"], "msg": r["text"], "pod_ip": r["ip"],
           "request_id": r["request"], "pod": who["pod"], "pod_uid": who["uid"],
           "container_name": who["name"], "ikontainer_CUID": who["cuid"], "svc": who["svc"]}  # fmt: skip
    return json.dumps({key: value for key, value in row.items() if value is not None or n % 2})


def text(r: Record, n: int) -> str:
    request = f" request_id={r['request']}" if r["request"] else ""
    tag = suffix(r["who"]["cuid"], r["who"]["svc"]) if r["who"]["cuid"] else ""
    return f"{at(r['second'])} {r['level'] or 'x'} {r['text']}{request}{' ' * (n % 2)}{tag}"


def fluentd(r: Record, n: int) -> str:
    who = r["who"]
    kubernetes = {"pod_name": who["pod"], "pod_id": who["uid"], "container_name": who["name"],
                  "pod_ip": r["ip"], "host": "n1", "namespace_name": "shop"}  # fmt: skip
    return json.dumps({"log": text(r, n) + "\n", "stream": "stdout", "docker": {},
                       "kubernetes": kubernetes, "@timestamp": at(r["second"])})  # fmt: skip


def dump(r: Record, n: int) -> str:
    return json.dumps({"_index": "i", "_id": str(n), "_source": json.loads(flat(r, n))})


def dumped_twice(r: Record, n: int) -> str:
    del n  # equal records have one id, so some documents come twice
    body = json.loads(flat(r, 0))
    return json.dumps({"_index": "i", "_id": json.dumps(body), "_source": body})


def cri(r: Record, n: int) -> str:
    return f"{at(r['second'])} stdout F {text(r, n)}"


FORMS: dict[str, Callable[[Record, int], str]] = {
    "jsonl": flat, "fluentd": fluentd, "elasticdump": dump, "with duplicates": dumped_twice,
    "text": text, "cri": cri,
}  # fmt: skip
NAME = {"cri": "shop_pay-0_12345678-9abc-def0-1234-56789abcdef0/app/0.log"}
each_form = pytest.mark.parametrize("form", FORMS)


def written(form: str, story: Sequence[Record]) -> list[bytes]:
    return [FORMS[form](record, n).encode() + b"\n" for n, record in enumerate(story)]


def put(here: Path, form: str, lines: Sequence[bytes], piece: int | None = None) -> Path:
    """LINES as a file of FORM, or as the PIECE-th of its files: the path says the same of all."""
    path = here / NAME.get(form, "a.log")
    if piece is not None:
        path = path.with_name(f"{path.name}.2026110{piece}-090000")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(lines))
    return path


def tables(source: Path) -> dict[str, Any]:
    """All answers that have no line numbers or paths in them."""
    found = answers(cuidx.open_case(source))
    for event in found["events"]:
        del event["line"], event["source"]
    found["events"].sort(key=lambda event: json.dumps(event, sort_keys=True))
    del found["accounting"]["sources"]
    return found


# -- law 2: order ---------------------------------------------------------------------------


@each_form
@settings(max_examples=30 if FULL else 4)
@given(story=STORY, seed=st.randoms(use_true_random=False))
def test_shuffled_records_change_no_table(
    form: str, story: list[Record], seed: random.Random
) -> None:
    lines = written(form, story)
    shuffled = list(lines)
    seed.shuffle(shuffled)
    with folder() as here:
        one = tables(put(here / "1", form, lines))
        other = tables(put(here / "2", form, shuffled))
    assert other == one


@settings(max_examples=20 if FULL else 5)
@given(story=STORY, order=st.permutations(range(4)))
def test_the_order_of_sources_changes_no_byte(story: list[Record], order: list[int]) -> None:
    with folder() as here:
        paths = []
        for n in range(4):
            paths.append(here / f"{n}.log")
            form = ("jsonl", "text", "jsonl", "elasticdump")[n]
            paths[n].write_bytes(b"".join(written(form, story[n::4])))
        one = answers(cuidx.open_case(*paths))
        assert answers(cuidx.open_case(*(paths[n] for n in order))) == one
        assert answers(cuidx.open_case(*paths, paths[0], here / "*.log", here)) == one


# -- law 3: cuts ----------------------------------------------------------------------------


@each_form
@settings(max_examples=30 if FULL else 4)
@given(story=STORY, cuts=st.lists(st.integers(0, 14), min_size=1, max_size=3))
def test_cut_into_files_the_tables_stay(form: str, story: list[Record], cuts: list[int]) -> None:
    lines = written(form, story)
    ends = [0, *sorted(min(cut, len(lines)) for cut in cuts), len(lines)]
    with folder() as here:
        one = tables(put(here / "1", form, lines))
        for piece, (start, end) in enumerate(itertools.pairwise(ends)):
            put(here / "2", form, lines[start:end], piece)
        assert tables(here / "2") == one


# -- merging --------------------------------------------------------------------------------


def parts_of(*paths: Path) -> list[tuple[int, pl.DataFrame]]:
    records = Records(expand(paths))
    return [(part.source, part.frame) for part in records.parts(frozenset(ROLES))]


def comparable(summary: Summary) -> dict[str, list[dict[str, Any]]]:
    # Pairs are a set: whoever counts them takes each once.
    tables = {"groups": summary.groups, "pairs": summary.pairs.table.unique(),
              "evidence": summary.evidence}  # fmt: skip
    return {name: rows_of(table.sort(table.columns)) for name, table in tables.items()}


@settings(max_examples=50 if FULL else 10)
@given(story=STORY, form=st.sampled_from(sorted(FORMS)), cut=st.integers(0, 14), ends=st.booleans())
def test_summaries_add_up(story: list[Record], form: str, cut: int, ends: bool) -> None:
    lines = written(form, story)
    record = f'{{"ikontainer_event":"stop","time":"{at(400)}","pod_uid":"u1","ip":"10.0.0.1"}}'
    if ends and form == "jsonl":
        lines += [(record + suffix("c1") + "\n").encode(), b"\n", b"{broken\n"]
    with folder() as here, reading(block=64, head=64):
        parts = parts_of(put(here, form, lines))
    whole = Summary.of(parts)
    cut = min(cut, len(parts))
    merged = Summary.merge([Summary.of(parts[:cut]), Summary.of(parts[cut:])])
    assert comparable(merged) == comparable(whole)
    # In any order, and one by one.
    assert comparable(Summary.of(parts[::-1])) == comparable(whole)
    assert comparable(Summary.merge([Summary.of([p]) for p in parts])) == comparable(whole)


def test_no_records_have_a_summary_too() -> None:
    assert comparable(Summary.of([])) == comparable(Summary.merge([Summary.of([])] * 2))


# -- law 6: sameness ------------------------------------------------------------------------

PIECES = ["F a", "P b", "F c", "P", "F", "F ", "P:x d", "F:x e", f"F f {suffix('c1')}"]
CRI_LINE = st.one_of(
    st.builds(
        lambda second, stream, piece: f"{at(second)} {stream} {piece}",
        st.integers(0, 60), st.sampled_from(["stdout", "stderr"]), st.sampled_from(PIECES),
    ),
    # Lines that only look like records, and what has no business here.
    st.sampled_from(["bad stdout P x", "bad stdout F y", "2026-13-01T00:00:00Z stdout F z", "",
                     "  ", "free text", f"{at(1)} stdout", f"{at(1)} stdout F\r", "\r"]),
)  # fmt: skip
TEXT_LINE = st.sampled_from(
    [f"{at(1)} INFO a{suffix('c1')}", f"{at(2)} ERROR b {suffix('c2')}", f"  at x.py:7{suffix('c1')}",
     "no time, no suffix", "", f'{{"time":"{at(3)}","cuid":"c3"}}', "ü" * 50, "x" * 200, "\r"]
)  # fmt: skip
JSON_LINE = st.one_of(
    st.sampled_from([flat({"second": 1, "who": WRITERS[0], "ip": "10.0.0.1", "level": "INFO",
                           "request": "q", "text": "t"}, n) for n in (0, 1)]),
    st.sampled_from(['{"cuid":"c1","msg":"no time"}', "{broken", "[1,", "", '{"cuid":"c9","time":""}',
                     '{"_index":"i","_id":"1","_source":{"cuid":"c1"}}', "  ", "text",
                     f'{{"ikontainer_event":"start","time":"{at(0)}","ip":"10.0.0.3"}}{suffix("c3")}']),
)  # fmt: skip


def joined(lines: list[str], end: str, last: bool) -> bytes:
    return (end.join(lines) + (end if last else "")).encode()


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("form", ["cri", "text", "json"])
@settings(max_examples=60 if FULL else 4)
@given(data=st.data(), end=st.sampled_from(["\n", "\n", "\r\n"]), last=st.booleans())
def test_the_ends_of_blocks_change_nothing(
    form: str, packed: bool, data: st.DataObject, end: str, last: bool
) -> None:
    kind = {"cri": CRI_LINE, "text": TEXT_LINE, "json": JSON_LINE}[form]
    first = {"cri": f"{at(0)} stdout F first", "text": f"{at(0)} first", "json": '{"cuid":"c1"}'}[
        form
    ]
    lines = [first, *data.draw(st.lists(kind, max_size=20))]
    content = joined(lines, end, last)
    name = {"cri": "cri", "text": "rawtext", "json": "jsonl-flat"}[form]
    with folder() as here:
        path = here / "a.log"
        path.write_bytes(gzip.compress(content) if packed else content)
        # The head has the first line and little more; its format is told, not detected.
        head = len(first) + 2
        with reading(head=head):
            one = answers(cuidx.open_case(path, input_format=name))
        for size in data.draw(st.sampled_from([(1, 200), (40, 64), (30, 500)])):
            with reading(block=size, head=head):
                assert answers(cuidx.open_case(path, input_format=name)) == one, size


@pytest.mark.parametrize("source", ["export.jsonl", "elasticdump.jsonl", "cri_tagged", "raw/db-0"])
def test_two_runs_give_the_same_bytes_with_any_threads_and_blocks(
    source: str, tmp_path: Path
) -> None:
    def bytes_of(name: str) -> bytes:
        out = tmp_path / name
        code = run(["timeline", str(FIXTURES / "dev" / source), "-f", "json", "-q", "-o", str(out)])
        assert code == 0
        return out.read_bytes()

    one = bytes_of("one")
    assert bytes_of("again") == one
    ways = [(1, None), (4, 65_536)]
    if FULL:
        ways += [(4, None), (2, 5_000), (3, 1_000_000)]
    for workers, block in ways:
        if source == "cri_tagged" and block == 5_000:
            continue
        with reading(workers=workers, block=block, head=1 << 14 if block else None):
            assert bytes_of("other") == one, (workers, block)


def test_small_blocks_and_the_quick_way_on_the_capture(tmp_path: Path) -> None:
    lines = (FIXTURES / "dev" / "export.jsonl").read_bytes().splitlines(keepends=True)
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(lines[:400]))
    one = answers(cuidx.open_case(path, exact=True))
    for block in (3000, 40_000):
        with reading(block=block, head=60_000):
            assert answers(cuidx.open_case(path)) == one


def test_carried_times_cross_the_ends_of_blocks_but_not_of_files(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(f"{at(1)} INFO x\n" + "  at trace\n" * 20)
    (tmp_path / "b.log").write_text("  at trace\n" + f"{at(5)} INFO y\n" + "  at trace\n")
    with reading(block=16, head=16):
        events = rows_of(cuidx.open_case(tmp_path).events)
    assert [event["time"] for event in events] == [
        *["2026-11-02T09:00:01Z"] * 21, None, *["2026-11-02T09:00:05Z"] * 2
    ]  # fmt: skip
    assert [event["line"] for event in events] == [*range(1, 22), 1, 2, 3]
    whence = [event["time_from"] for event in events]
    assert whence == ["own", *["carried"] * 20, "none", "own", "carried"]
