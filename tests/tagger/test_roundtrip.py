"""Any bytes, tagged and read back: by the suffix's own definition, and by restarts."""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from cuidx.suffix import PATTERN
from cuidx.tagger import mirror
from cuidx.tagger.tagging import STYLES, append, make_tag, merge, tag_of, untagged

from .conftest import CUID, SVC

TAG = make_tag(CUID, SVC)
OTHER = make_tag("ffffffff-0000-4000-8000-00000000abcd", None)
FORGED = st.sampled_from([TAG.suffix, OTHER.suffix, b"{}", b'{"a":1}', b"\r", b" ", b"", b"}"])
LINE = st.one_of(
    st.binary(max_size=60).map(lambda raw: raw.replace(b"\n", b"")),
    st.lists(FORGED, max_size=4).map(b"".join),
    st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=3).map(
        lambda value: json.dumps(value).encode()
    ),
    st.sampled_from([b"2026-11-02T09:00:01Z stdout P a", b"2026-11-02T09:00:01Z stdout F b"]),
)


@given(LINE)
@settings(deadline=None)
def test_the_line_comes_back_with_its_cuid(line: bytes) -> None:
    tagged = append(line + b"\n", TAG)
    text = tagged[:-1].decode("latin-1")
    found = list(re.finditer(PATTERN, text))[-1]
    assert text[: found.start()].encode("latin-1") == line
    assert found[1] == CUID
    assert found[2] == SVC


@given(LINE)
@settings(deadline=None)
def test_each_style_can_be_undone(line: bytes) -> None:
    for style in (append, merge):
        tagged = style(line + b"\n", TAG)[:-1]
        tag = tag_of(tagged)
        assert tag is not None
        assert tag.suffix == TAG.suffix
        assert line in list(untagged(tagged, tag))


@given(LINE)
@settings(deadline=None)
def test_merge_keeps_json_json(line: bytes) -> None:
    tagged = merge(line + b"\n", TAG)[:-1]
    if tagged == line + TAG.suffix:  # no JSON object, or one that has a key of the two
        return
    before: list[tuple[str, object]] = json.loads(line, object_pairs_hook=list)
    after = json.loads(tagged, object_pairs_hook=list)
    assert after == [*before, ("ikontainer_CUID", CUID), ("svc", SVC)]


@given(
    st.lists(LINE, max_size=12),
    st.sampled_from(sorted(STYLES)),
    st.data(),
    st.booleans(),
)
@settings(deadline=None, max_examples=200)
def test_a_restart_finds_its_place(
    lines: list[bytes], name: str, data: st.DataObject, kept: bool
) -> None:
    """However much of the output was written, with a change of the tag in the middle."""
    style = STYLES[name]
    done = data.draw(st.integers(0, len(lines)))
    change = data.draw(st.integers(0, done))
    source = b"".join(line + b"\n" for line in lines)
    old = b"".join(line + b"\n" for line in lines[:change])
    new = b"".join(line + b"\n" for line in lines[change:done])
    before = (
        b"an earlier file's only line %s\n" % TAG.suffix if kept and done == len(lines) else b""
    )
    out = before + style(old, TAG) + style(new, OTHER)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, "source"), Path(folder, "out")]
        for path, content in zip(paths, (source, out), strict=True):
            path.write_bytes(content)
        fds = [os.open(path, os.O_RDONLY) for path in paths]
        try:
            place = mirror.find_place(fds[0], fds[1], len(out), style)
        finally:
            for fd in fds:
                os.close(fd)
    if before:
        return  # equal lines may fit at more than one place: only that nothing breaks
    assert place is not None
    assert place.offset == len(old + new)
