"""Law 4: what the tagger wrote, read by the toolkit, is the line as it was, with its CUID."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import cuidx
from cuidx.suffix import PATTERN
from cuidx.tagger.tagging import append, make_tag, merge

from .conftest import CUID, SVC
from .test_roundtrip import LINE

TAG = make_tag(CUID, SVC)
EVERY_BYTE = [bytes([n]) for n in range(256) if n != ord("\n")]


# Unicode's White_Space: a reader trims these at a line's end. str.rstrip() has four more.
BLANK = "\t\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
# In a file of JSON records a broken one is unreadable by definition; in this one lines are text.
TEXT = [b"a line of text %d" % n for n in range(40)]


def read(data: bytes) -> tuple[pl.DataFrame, cuidx.Case]:
    """The events of a file of DATA, and the case they are from."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "app.log")
        path.write_bytes(data)
        case = cuidx.open_case(path, input_format="rawtext")
        return case.events.collect().sort("line"), case


def stripped(tagged: bytes) -> bytes:
    """A tagged line less its suffix, by the definition that tagger and reader share."""
    text = tagged.decode("latin-1")
    return text[: list(re.finditer(PATTERN, text))[-1].start()].encode("latin-1")


@example([b"x\x1c", b"x\x1f", b"x\x85", b"x \r", b"x\xc2\x85", b"x\xe2\x80\x8b"])
@given(st.lists(LINE, min_size=1, max_size=30))
@settings(max_examples=40)
def test_any_bytes_come_back_with_their_cuid(drawn: list[bytes]) -> None:
    lines = TEXT + drawn
    data = append(b"".join(line + b"\n" for line in lines), TAG)
    events, case = read(data)
    assert case.accounting.unreadable == case.accounting.blank == 0
    # Each line is one event of its own, and the line it names holds the bytes.
    assert events["line"].to_list() == list(range(1, len(lines) + 1))
    raw = data.split(b"\n")
    assert [stripped(raw[line - 1]) for line in events["line"]] == lines
    assert set(events["cuid"]) == set(events["container"]) == {CUID}
    assert set(events["identity"]) == {"cuid"}
    assert set(zip(events["service"], events["namespace"], events["cluster"], strict=True)) == {
        tuple(SVC.split("."))
    }
    for line, message in zip(lines, events["message"], strict=True):
        if not is_json(line):
            assert message == line.decode("utf-8", "replace").rstrip(BLANK), line


def is_json(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def test_every_byte_comes_back() -> None:
    lines = [b"x" + byte + b"y" for byte in EVERY_BYTE]
    events, _ = read(append(b"".join(line + b"\n" for line in lines), TAG))
    assert events["message"].to_list() == [line.decode("utf-8", "replace") for line in lines]
    assert set(events["cuid"]) == {CUID}


# Not {}: merged it is what an empty line is with the suffix.
@pytest.mark.parametrize(
    "keys", [{"a": "b"}, {"msg": "x"}, {"svc": "own"}, {"ikontainer_CUID": "own"}]
)
def test_merged_keys_are_read_as_the_suffix_is(keys: dict[str, str]) -> None:
    line = json.dumps(keys).encode() + b"\n"
    for style in (append, merge):
        events, _ = read(style(line, TAG))
        assert events["cuid"].to_list() == [CUID]
        assert events["service"].to_list() == [SVC.partition(".")[0]]
        assert events["message"].to_list() == [keys.get("msg")]
