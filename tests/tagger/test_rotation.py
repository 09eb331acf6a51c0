"""Rotation at the very instant that hurts: while a folder is looked at."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cuidx.tagger.follow import Source
from cuidx.tagger.mirror import Mirror
from cuidx.tagger.tagging import append, make_tag

from .conftest import CUID, SVC, Lab, suffixed

# The tagger, and a rotation at each listing that the file `plan` names, counted from when it is
# there: "0" is between listing 0 and the look at its entries, "0+" after both.
ROTATES = r"""
import contextlib, os, pathlib, sys
from cuidx.tagger import app

scandir, count = os.scandir, 0
source, plan = map(pathlib.Path, sys.argv[1:3])

def rotate():
    for log in sorted(source.glob("*.log")):
        older = [log, *sorted(source.glob(log.name + ".*"))]
        for n in range(len(older), 0, -1):
            older[n - 1].rename(f"{log}.{n}")
        log.write_bytes(b"%s %d\n" % (log.name.encode(), len(older)))

def listed(at):
    global count
    if not isinstance(at, int) or not plan.exists():
        return scandir(at)
    number, count = count, count + 1
    turns = plan.read_text().split()
    def entries(found):
        if str(number) in turns:
            rotate()
        yield from found
        if f"{number}+" in turns:
            rotate()
    return contextlib.nullcontext(entries(sorted(scandir(at), key=lambda entry: entry.name)))

os.scandir = listed
sys.exit(app.main(sys.argv[3:]))
"""


def rotating(lab: Lab, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", ROTATES, str(lab.source), str(lab.at / "plan")]
    process = subprocess.Popen([*command, *lab.command(*options)[3:]], env=lab.env)
    lab.running.append(process)
    return process


@pytest.mark.parametrize(("plan", "turns"), [("0", 1), ("0 1 2 3", 4), ("1+ 2", 2)])
def test_rotation_while_the_tagger_starts(lab: Lab, plan: str, turns: int) -> None:
    (lab.source / "app.log.1").write_bytes(b"a1\n")
    (lab.source / "app.log").write_bytes(b"b1\nb2\n")
    lab.once()
    (lab.at / "plan").write_text(plan)
    assert rotating(lab, "--once").wait(60) == 0
    lab.once()
    sources = {path.name: path.read_bytes() for path in lab.source.iterdir()}
    assert lab.outputs() == {name: suffixed(data) for name, data in sources.items()}
    assert len(sources) == 2 + turns


def test_two_rotations_that_are_known_by_half(lab: Lab) -> None:
    for name in ("a.log", "b.log"):
        (lab.source / name).write_bytes(b"old\n")
    process = rotating(lab, "--poll")
    for name in ("a.log", "b.log"):
        lab.mirror(name, suffixed(b"old\n"))
    (lab.at / "later").write_text("0")
    (lab.at / "later").rename(lab.at / "plan")  # never seen without its text
    for name in ("a.log", "b.log"):
        lab.mirror(f"{name}.1", suffixed(b"old\n"))
        lab.mirror(name, suffixed(b"%s 1\n" % name.encode()))
    process.terminate()
    assert process.wait(60) == 0


def test_two_names_of_different_moments(tmp_path: Path) -> None:
    mirror = Mirror(os.fsencode(tmp_path), append, lambda path: make_tag(CUID, SVC), 8)
    sources = []
    for n, name in enumerate((b"app.log", b"app.log.1")):
        sources.append(source := Source(name, (0, n)))
        source.fd = os.open(os.devnull, os.O_RDONLY)
        mirror.resume(source)
    for turn in (2, 3):  # that the first was renamed once more is known only later
        old = [source.path for source in sources]
        sources[0].path, sources[1].path = b"app.log.%d" % turn, b"app.log.2"
        mirror.moved(list(zip(sources, old, strict=True)))
    for source in sources:
        mirror.write(source, source.path + b"\n")
        os.close(source.fd)
    for name in ("app.log.2", "app.log.3"):
        assert (tmp_path / name).read_bytes() == suffixed(name.encode() + b"\n")


@pytest.mark.parametrize("left", [b"", b"to"], ids=["empty", "torn"])
def test_a_kill_before_the_first_line_of_a_renamed_file(lab: Lab, left: bytes) -> None:
    """It leaves an output that fits any source; the one that has the name now has its own."""
    (lab.source / "app.log").write_bytes(b"b1\n")
    lab.once()
    (lab.out / "app.log.1").write_bytes(left)
    (lab.source / "app.log").rename(lab.source / "app.log.1")
    (lab.source / "app.log.2").write_bytes(b"to the renamed\n")
    (lab.source / "app.log").write_bytes(b"c1\n")
    lab.once()
    assert lab.outputs() == {
        "app.log": suffixed(b"c1\n"),
        "app.log.1": suffixed(b"b1\n"),
        "app.log.2": suffixed(b"to the renamed\n"),
    }


def test_an_empty_file_keeps_its_mirror_over_a_start(lab: Lab) -> None:
    (lab.source / "app.log").touch()
    lab.once()
    before = (lab.out / "app.log").stat().st_ino
    lab.once()
    assert (lab.out / "app.log").stat().st_ino == before
    (lab.source / "app.log").write_bytes(b"one\n")
    lab.once()
    assert lab.outputs() == {"app.log": suffixed(b"one\n")}
