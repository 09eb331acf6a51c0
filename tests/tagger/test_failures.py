"""Each failure that a log tagger has to survive, with the exact bytes that have to come out."""

from __future__ import annotations

import gzip
import json
import os
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .conftest import SUFFIX, Lab, heard, need, suffixed, until

if TYPE_CHECKING:
    from collections.abc import Callable

KEYS = SUFFIX[1:-1]
WAYS = pytest.mark.parametrize("way", [(), ("--poll",)], ids=["inotify", "polling"])
Way = tuple[str, ...]


def numbered(start: int, end: int, what: str = "line") -> bytes:
    return b"".join(b"%s %07d of some text\n" % (what.encode(), n) for n in range(start, end))


def add(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


@WAYS
def test_200k_lines_in_one_write(lab: Lab, way: Way) -> None:
    process = lab.start(*way)
    data = numbered(0, 200_000)
    (lab.source / "app.log").write_bytes(data)
    lab.mirror("app.log", suffixed(data))
    lab.stop(process)
    lab.mirror("app.log", suffixed(data))


def test_500_interleaved_files_with_64_descriptors(lab: Lab) -> None:
    process = lab.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
    names = [f"pod{n % 20}/{n}.log" for n in range(500)]
    for name in names:
        (lab.source / name).parent.mkdir(exist_ok=True)
    for turn in range(5):
        for name in names:
            add(lab.source / name, b"%s turn %d\n" % (name.encode(), turn))
    for name in names:
        expected = b"".join(b"%s turn %d\n" % (name.encode(), turn) for turn in range(5))
        lab.mirror(name, suffixed(expected))
    assert len(list(Path(f"/proc/{process.pid}/fd").iterdir())) < 64
    assert lab.stop(process) == b""
    assert len(lab.outputs()) == 500


@WAYS
def test_folders_made_and_written_to_at_once(lab: Lab, way: Way) -> None:
    process = lab.start(*way)
    for n in range(30):
        deep = lab.source / f"{n}/b/c/d"
        deep.mkdir(parents=True)
        (deep / "x.log").write_bytes(b"first %d\n" % n)
    for n in range(30):
        lab.mirror(f"{n}/b/c/d/x.log", suffixed(b"first %d\n" % n))
    lab.stop(process)


@WAYS
def test_a_folder_renamed_in_with_files_in_it(lab: Lab, way: Way) -> None:
    process = lab.start(*way)
    made = lab.at / "made"
    (made / "sub").mkdir(parents=True)
    (made / "sub/x.log").write_bytes(b"one\ntwo\n")
    made.rename(lab.source / "in")
    lab.mirror("in/sub/x.log", suffixed(b"one\ntwo\n"))
    add(lab.source / "in/sub/x.log", b"three\n")
    lab.mirror("in/sub/x.log", suffixed(b"one\ntwo\nthree\n"))
    (lab.source / "in").rename(lab.source / "else")
    add(lab.source / "else/sub/x.log", b"four\n")
    lab.mirror("else/sub/x.log", suffixed(b"one\ntwo\nthree\nfour\n"))
    lab.stop(process)
    assert list(lab.outputs()) == ["else/sub/x.log"]


def metric(port: int, name: str) -> int:
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        text = b"".join(iter(lambda: client.recv(65536), b"")).decode()
    found = re.search(rf"^cuidx_tag_{name} (\d+)$", text, re.MULTILINE)
    assert found, text
    return int(found[1])


def free_port() -> int:
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        port: int = it.getsockname()[1]
    return port


def test_an_overflow_of_the_event_queue(lab: Lab) -> None:
    port = free_port()
    process = lab.start("--health", f"127.0.0.1:{port}")
    until(lambda: metric(port, "ready") == 1, process)
    process.send_signal(signal.SIGSTOP)
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    noise = lab.source / "noise"
    for _ in range(most // 3 + 100):  # created, closed or changed, removed
        noise.touch()
        os.utime(noise)
        noise.unlink()
    (lab.source / "a/b").mkdir(parents=True)
    (lab.source / "a/b/x.log").write_bytes(b"after the overflow\n")
    process.send_signal(signal.SIGCONT)
    lab.mirror("a/b/x.log", suffixed(b"after the overflow\n"))
    until(lambda: metric(port, "event_overflows_total") > 0, process)
    lab.stop(process)


@pytest.mark.parametrize("limit", ["watches", "instances"])
def test_no_inotify_left(lab: Lab, limit: str) -> None:
    # In a user namespace of its own the limits are its own (user_namespaces(7), /proc/sys/user).
    script = (
        f'echo {1 if limit == "watches" else 0} >/proc/sys/user/max_inotify_{limit} && exec "$@"'
    )
    wrap = ("unshare", "--user", "--map-root-user", "sh", "-c", script, "sh")
    lab.out.mkdir()
    (lab.source / "early").mkdir()
    (lab.source / "early/x.log").write_bytes(b"early\n")
    port = free_port()
    process = lab.start("--health", f"127.0.0.1:{port}", wrap=wrap)
    (lab.source / "late/deep").mkdir(parents=True)
    (lab.source / "late/deep/x.log").write_bytes(b"late\n")
    lab.mirror("early/x.log", suffixed(b"early\n"))
    lab.mirror("late/deep/x.log", suffixed(b"late\n"))
    add(lab.source / "late/deep/x.log", b"later\n")
    lab.mirror("late/deep/x.log", suffixed(b"late\nlater\n"))
    assert metric(port, "polled_folders") > 0
    said = lab.stop(process)
    assert said.count(b"cuidx tag: no inotify") == said.count(b"\n") == 1, said


@WAYS
def test_an_unfinished_line_in_pieces(lab: Lab, way: Way) -> None:
    process = lab.start(*way)
    path = lab.source / "app.log"
    whole = "first\nzwölf Größen\r\nlast\n".encode()
    expected = b""
    for n in range(len(whole)):  # also within ö and between CR and LF
        add(path, whole[n : n + 1])
        expected = suffixed(whole[: n + 1]) if whole[n] == 10 else expected
        if expected:
            lab.mirror("app.log", expected)
        time.sleep(0.005)
    lab.stop(process)
    assert lab.outputs() == {"app.log": suffixed(whole)}


def test_a_very_long_line_in_small_pieces_is_not_read_again_and_again(lab: Lab) -> None:
    process = lab.start()
    path = lab.source / "app.log"
    for _ in range(400):
        add(path, b"x" * 5000)
    add(path, b"\nnext\n")
    lab.mirror("app.log", suffixed(b"x" * 2_000_000 + b"\nnext\n"))
    lab.stop(process)


@pytest.mark.parametrize(
    ("grown", "expected"),
    [
        (b"", b"whole\npart\n"),
        (b"\n", b"whole\npart\n"),
        (b"\nnext\n", b"whole\npart\nnext\n"),
        (b"ly\n", b"whole\npart\nly\n"),
        (b"ly\nnext\nend", b"whole\npart\nly\nnext\nend\n"),
        (b"part\npart", b"whole\npart\npart\npart\n"),
    ],
    ids=["nothing", "its newline", "newline and more", "the rest", "more lines", "look-alikes"],
)
def test_a_line_tagged_at_the_stop_that_grows(lab: Lab, grown: bytes, expected: bytes) -> None:
    (lab.source / "app.log").write_bytes(b"whole\npart")
    lab.stop(lab.start())
    lab.mirror("app.log", suffixed(b"whole\npart"))
    add(lab.source / "app.log", grown)
    for _ in range(3):  # the seams before do not disturb the next start
        lab.once()
    lab.mirror("app.log", suffixed(expected))
    add(lab.source / "app.log", b"\n")
    add(lab.source / "app.log", b"tail\n")
    lab.once()
    end = b"\ntail\n" if grown.endswith(b"\n") else b"tail\n"
    lab.mirror("app.log", suffixed(expected + end) if grown else suffixed(expected + b"tail\n"))


def test_many_seams_in_one_file(lab: Lab) -> None:
    for n in range(8):
        add(lab.source / "app.log", b"part%d " % n)
        lab.once()
    lab.mirror("app.log", suffixed(b"".join(b"part%d \n" % n for n in range(8))))


@pytest.mark.parametrize("cut", range(1, len(SUFFIX) + 8, 7))
def test_the_outputs_end_torn(lab: Lab, cut: int) -> None:
    data = b"first\nsecond\nthird\n"
    (lab.source / "app.log").write_bytes(data)
    lab.once()
    os.truncate(lab.out / "app.log", len(suffixed(data)) - cut)
    lab.once()
    lab.mirror("app.log", suffixed(data))


def test_the_outputs_end_lost_to_zeros(lab: Lab) -> None:
    data = numbered(0, 100)
    (lab.source / "app.log").write_bytes(data)
    lab.once()
    whole = suffixed(data)
    (lab.out / "app.log").write_bytes(whole[:5000] + b"\0" * 4000 + whole[9000:])
    lab.once()
    lab.mirror("app.log", whole)


@WAYS
def test_rotation_with_lines_still_coming_into_the_renamed_file(lab: Lab, way: Way) -> None:
    process = lab.start(*way)
    log, one, two = (lab.source / name for name in ("app.log", "app.log.1", "app.log.2"))
    old = log.open("ab", buffering=0)
    old.write(b"a1\n")
    lab.mirror("app.log", suffixed(b"a1\n"))
    log.rename(one)
    old.write(b"a2\n")
    new = log.open("ab", buffering=0)
    new.write(b"b1\n")
    old.write(b"a3\n")
    lab.mirror("app.log.1", suffixed(b"a1\na2\na3\n"))
    lab.mirror("app.log", suffixed(b"b1\n"))
    one.rename(two)
    log.rename(one)
    log.write_bytes(b"c1\n")
    old.write(b"a4\n")
    new.write(b"b2\n")
    lab.mirror("app.log.2", suffixed(b"a1\na2\na3\na4\n"))
    lab.mirror("app.log.1", suffixed(b"b1\nb2\n"))
    lab.mirror("app.log", suffixed(b"c1\n"))
    lab.stop(process)
    assert sorted(lab.outputs()) == ["app.log", "app.log.1", "app.log.2"]
    old.close()
    new.close()


def test_a_rotation_that_removes_the_oldest_keeps_its_tagged_lines(lab: Lab) -> None:
    process = lab.start()
    for turn in range(4):
        for old, new in (("app.log.1", "app.log.2"), ("app.log", "app.log.1")):
            if (lab.source / old).exists():
                (lab.source / old).rename(lab.source / new)
        (lab.source / "app.log").write_bytes(b"turn %d\n" % turn)
        lab.mirror("app.log", suffixed(b"turn %d\n" % turn))
    lab.stop(process)
    assert lab.outputs() == {
        "app.log": suffixed(b"turn 3\n"),
        "app.log.1": suffixed(b"turn 2\n"),
        "app.log.2": suffixed(b"turn 1\n"),
        "app.log.2.kept.1": suffixed(b"turn 0\n"),
    }


def rotated(source: Path) -> None:
    (source / "app.log.1").rename(source / "app.log.2")
    (source / "app.log").rename(source / "app.log.1")
    add(source / "app.log.1", b"b3 into the renamed\n")
    (source / "app.log").write_bytes(b"c1\n")


def deleted(source: Path) -> None:
    (source / "app.log").unlink()


def made_anew(source: Path) -> None:
    (source / "app.log").unlink()
    (source / "app.log").write_bytes(b"another file, longer than the one that was there before\n")


def truncated(source: Path) -> None:
    (source / "app.log").write_bytes(b"x\n")


def copytruncated(source: Path) -> None:
    add(source / "app.log", b"b3\n")
    shutil.copy(source / "app.log", source / "app.log.0")
    (source / "app.log").write_bytes(b"c1\n")


def swapped(source: Path) -> None:
    (source / "app.log").rename(source / "t")
    (source / "app.log.1").rename(source / "app.log")
    (source / "t").rename(source / "app.log.1")


A, B = b"a1\na2\n", b"b1\nb2\n"


@pytest.mark.parametrize(
    ("happens", "expected"),
    [
        (
            rotated,
            {"app.log": b"c1\n", "app.log.1": B + b"b3 into the renamed\n", "app.log.2": A},
        ),
        (deleted, {"app.log": B, "app.log.1": A}),
        (
            made_anew,
            {
                "app.log": B + b"another file, longer than the one that was there before\n",
                "app.log.1": A,
            },
        ),
        (truncated, {"app.log": B + b"x\n", "app.log.1": A}),
        (copytruncated, {"app.log": b"c1\n", "app.log.0": B + b"b3\n", "app.log.1": A}),
        (swapped, {"app.log": A, "app.log.1": B}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
@pytest.mark.parametrize("options", [(), ("--style", "merge")], ids=["append", "merge"])
def test_what_happens_while_the_tagger_is_down(
    lab: Lab, happens: Callable[[Path], None], expected: dict[str, bytes], options: Way
) -> None:
    (lab.source / "app.log.1").write_bytes(A)
    (lab.source / "app.log").write_bytes(B)
    lab.once(*options)
    happens(lab.source)
    for _ in range(2):
        lab.once(*options)
        assert lab.outputs() == {name: suffixed(data) for name, data in expected.items()}
    add(lab.source / "app.log", b"and on\n")
    lab.once(*options)
    lab.mirror("app.log", suffixed(expected["app.log"] + b"and on\n"))


@WAYS
def test_gzip_right_after_the_rename(lab: Lab, way: Way) -> None:
    process = lab.start(*way)
    log, one = lab.source / "app.log", lab.source / "app.log.1"
    data = numbered(0, 50_000)
    log.write_bytes(data)
    lab.mirror("app.log", suffixed(data))
    process.send_signal(signal.SIGSTOP)
    more = numbered(50_000, 100_000)
    add(log, more)
    log.rename(one)
    (lab.source / "app.log.1.gz").write_bytes(gzip.compress(one.read_bytes()))
    one.unlink()
    log.write_bytes(b"new\n")
    process.send_signal(signal.SIGCONT)
    until(lambda: sum(map(len, lab.outputs().values())) >= len(suffixed(data + more + b"new\n")))
    lab.stop(process)
    assert b"".join(lab.outputs().values()) == suffixed(data + more + b"new\n")


@pytest.mark.parametrize("name", ["x.gz", "app.log"])
def test_compressed_files_are_left_out(lab: Lab, name: str) -> None:
    (lab.source / name).write_bytes(gzip.compress(numbered(0, 1000)))
    (lab.source / "text.gz").write_bytes(b"no gzip in spite of its name\n")
    lab.once()
    assert lab.outputs() == {"text.gz": suffixed(b"no gzip in spite of its name\n")}


@WAYS
def test_copytruncate(lab: Lab, way: Way) -> None:
    process = lab.start(*way)
    log = lab.source / "app.log"
    log.write_bytes(b"a1\na2\n")
    lab.mirror("app.log", suffixed(b"a1\na2\n"))
    shutil.copy(log, lab.source / "app.log.1")
    os.truncate(log, 0)
    lab.mirror("app.log.1", suffixed(b"a1\na2\n"))
    add(log, b"b1\n")
    lab.mirror("app.log", suffixed(b"a1\na2\nb1\n"))
    lab.stop(process)
    lab.once()
    lab.mirror("app.log", suffixed(b"a1\na2\nb1\n"))
    add(log, b"b2\n")
    lab.once()
    assert lab.outputs() == {
        "app.log": suffixed(b"a1\na2\nb1\nb2\n"),
        "app.log.1": suffixed(b"a1\na2\n"),
    }


@pytest.mark.parametrize("first", [b"", b"{}", b"}", b" ", b'{"a":1}'], ids=repr)
@pytest.mark.parametrize("style", ["append", "merge"])
def test_a_restart_after_a_truncation_whatever_the_first_line_is(
    lab: Lab, first: bytes, style: str
) -> None:
    process = lab.start("--style", style)
    log = lab.source / "app.log"
    log.write_bytes(b"old\nand old\n")
    lab.mirror("app.log", suffixed(b"old\nand old\n"))
    os.truncate(log, 0)
    time.sleep(0.2)
    add(log, first + b"\nsecond\n")
    until(lambda: b"second" in (lab.out / "app.log").read_bytes(), process)
    lab.stop(process)
    whole = (lab.out / "app.log").read_bytes()
    assert whole.count(b"\n") == 4
    lab.once("--style", style)
    lab.mirror("app.log", whole)


def test_truncated_and_longer_before_the_next_look(lab: Lab) -> None:
    process = lab.start()
    log = lab.source / "app.log"
    log.write_bytes(b"a1\na2\n")
    lab.mirror("app.log", suffixed(b"a1\na2\n"))
    process.send_signal(signal.SIGSTOP)
    log.write_bytes(numbered(0, 100, "anew"))
    process.send_signal(signal.SIGCONT)
    lab.mirror("app.log", suffixed(b"a1\na2\n" + numbered(0, 100, "anew")))
    lab.stop(process)


@WAYS
def test_removed_while_open_and_made_anew(lab: Lab, way: Way) -> None:
    process = lab.start(*way)
    log = lab.source / "app.log"
    with log.open("ab", buffering=0) as old:
        old.write(b"a1\n")
        lab.mirror("app.log", suffixed(b"a1\n"))
        log.unlink()
        old.write(b"a2 after the removal\n")
        lab.mirror("app.log", suffixed(b"a1\na2 after the removal\n"))
        log.write_bytes(b"b1\n")
        lab.mirror("app.log", suffixed(b"a1\na2 after the removal\nb1\n"))
        old.write(b"a3\n")
        lab.mirror("app.log", suffixed(b"a1\na2 after the removal\nb1\na3\n"))
    lab.stop(process)
    assert sorted(lab.outputs()) == [".ikontainer.shared", "app.log"]


@WAYS
def test_lines_that_come_alone_after_the_removal(lab: Lab, way: Way) -> None:
    process = lab.start(*way)
    log, output = lab.source / "app.log", lab.out / "app.log"
    with log.open("ab", buffering=0) as old:
        old.write(b"a1\n")
        lab.mirror("app.log", suffixed(b"a1\n"))
        log.unlink()
        time.sleep(0.3)  # now it knows, and no file has the name
        for n in (2, 3):
            old.write(b"a%d\n" % n)
            # Much sooner than the look at everything that comes once a minute.
            until(lambda n=n: output.read_bytes().count(b"\n") == n, process, seconds=20)
    assert lab.stop(process) == b""
    assert output.read_bytes() == suffixed(b"a1\na2\na3\n")


@pytest.mark.parametrize("style", ["append", "merge"])
def test_two_files_in_one_output_and_a_kill(lab: Lab, style: str) -> None:
    process = lab.start("--style", style)
    log = lab.source / "app.log"
    expected = b"a1\na2\n"
    with log.open("ab", buffering=0) as old:
        old.write(expected)
        lab.mirror("app.log", suffixed(expected))
        log.unlink()
        with log.open("ab", buffering=0) as new:
            for n in range(6):
                for file, name in ((new, b"b"), (old, b"a")):
                    line = b"%s, both open, %d\n" % (name, n)
                    file.write(line)
                    expected += line
                    lab.mirror("app.log", suffixed(expected))
            process.kill()
            process.wait()
            new.write(b"b, while it was down\n")
    expected += b"b, while it was down\n"
    for _ in range(2):
        lab.once("--style", style)
        assert lab.outputs().pop("app.log") == suffixed(expected)
    add(log, b"b, at last\n")
    lab.once("--style", style)
    lab.mirror("app.log", suffixed(expected + b"b, at last\n"))


@WAYS
def test_keep_removes_outputs_of_removed_sources_alone(lab: Lab, way: Way) -> None:
    for name in ("stays.log", "pod/app.log"):
        (lab.source / name).parent.mkdir(exist_ok=True)
        (lab.source / name).write_bytes(b"one\n")
    lab.once()
    past = time.time() - 100
    for path in lab.out.rglob("*.log"):
        os.utime(path, (past, past))
    process = lab.start("--keep", "1", *way)
    lab.mirror("pod/app.log", suffixed(b"one\n"))
    shutil.rmtree(lab.source / "pod")
    until(lambda: not (lab.out / "pod").exists(), process)
    lab.stop(process)
    assert lab.outputs() == {"stays.log": suffixed(b"one\n")}
    assert (lab.out / "ikontainer.lifecycle.log").exists()


def test_the_unfinished_line_of_a_removed_file(lab: Lab) -> None:
    process = lab.start()
    log = lab.source / "app.log"
    with log.open("ab", buffering=0) as old:
        old.write(b"one\ntwo")
        lab.mirror("app.log", suffixed(b"one\n"))
        log.unlink()
        old.write(b" and more")
    lab.mirror("app.log", suffixed(b"one\ntwo and more"))  # nobody can write its end any more
    lab.stop(process)


@pytest.mark.parametrize("late", [False, True], ids=["at once", "later"])
def test_moved_out_of_the_tree_and_back(lab: Lab, late: bool) -> None:
    process = lab.start()
    log, away = lab.source / "app.log", lab.at / "away.log"
    log.write_bytes(b"one\n")
    lab.mirror("app.log", suffixed(b"one\n"))
    log.rename(away)
    if late:
        time.sleep(0.5)  # until the tagger knows that it went
    add(away, b"two, elsewhere\n")
    lab.mirror("app.log", suffixed(b"one\ntwo, elsewhere\n"))
    away.rename(lab.source / "back.log")
    add(lab.source / "back.log", b"three\n")
    lab.mirror("back.log", suffixed(b"one\ntwo, elsewhere\nthree\n"))
    lab.stop(process)
    assert list(lab.outputs()) == ["back.log"]


def test_made_anew_with_the_same_inode(lab: Lab) -> None:
    process = lab.start()
    log = lab.source / "app.log"
    expected = b""
    for turn in range(20):
        line = b"turn %d %s\n" % (turn, b"x" * turn)
        log.write_bytes(line)
        expected += line
        lab.mirror("app.log", suffixed(expected))
        log.unlink()
    lab.stop(process)


def test_a_full_disk(lab: Lab) -> None:
    lab.out.mkdir()
    script = f'mount -t tmpfs -o size=256k none "{lab.out}" && cat /dev/zero >"{lab.out}/.filler" '
    wrap = (
        *("unshare", "--user", "--map-root-user", "--mount", "sh", "-c"),
        *(f'({script}) 2>/dev/null; truncate -s 220k "{lab.out}/.filler"; exec "$@"', "sh"),
    )
    process = lab.start(wrap=wrap, ready=False)
    inside = Path(f"/proc/{process.pid}/root{lab.out}")
    until((inside / "ikontainer.lifecycle.log").exists, process)
    data = numbered(0, 1500)
    (lab.source / "app.log").write_bytes(data)
    (lab.source / "other.log").write_bytes(numbered(0, 100))
    whole = suffixed(data)
    until((inside / "app.log").exists, process)
    assert b"No space left" in heard(process)
    torn = (inside / "app.log").read_bytes()
    assert whole.startswith(torn)
    assert len(torn) < len(whole)
    times = Path(f"/proc/{process.pid}/stat")
    before = sum(map(int, times.read_text().split()[13:15]))
    time.sleep(1.0)
    assert sum(map(int, times.read_text().split()[13:15])) - before < 20, "it spins"
    add(lab.source / "app.log", b"written while it was full\n")
    (inside / ".filler").unlink()
    expected = suffixed(data + b"written while it was full\n")
    until(lambda: (inside / "app.log").stat().st_size >= len(expected), process)
    until((inside / "other.log").exists, process)
    assert (inside / "app.log").read_bytes() == expected
    until(lambda: (inside / "other.log").read_bytes() == suffixed(numbered(0, 100)), process)
    said = lab.stop(process)
    assert said.count(b"No space left") == 0, "it is said once"


@pytest.mark.parametrize("size", [131_071, 131_072, 131_073, 1_048_576, 5_000_000])
def test_long_lines(lab: Lab, size: int) -> None:
    data = b"short\n" + b"x" * size + b"\n" + b"y" * size + b"\nshort\n" + b"z" * size
    (lab.source / "app.log").write_bytes(data)
    lab.once()
    lab.mirror("app.log", suffixed(data))
    lab.once()
    lab.mirror("app.log", suffixed(data))


ODD = b"\x00|\xff\xfe|\x0b|\x0c|\x1c\x1d\x1e|\x85|\xc2\x85|\xe2\x80\xa8|\r|a\rb|\xf0\x28".split(
    b"|"
)


@pytest.mark.parametrize("style", ["append", "merge"])
def test_odd_bytes_are_no_line_ends(lab: Lab, style: str) -> None:
    data = b"\n".join([b"", b"", *ODD, b"crlf\r", b"", b"\r", b"end"]) + b"\n"
    (lab.source / "app.log").write_bytes(data)
    for _ in range(2):
        lab.once("--style", style)
        lab.mirror("app.log", suffixed(data))


@pytest.mark.parametrize("style", ["append", "merge"])
def test_lines_that_carry_a_suffix_get_one_more(lab: Lab, style: str) -> None:
    other = SUFFIX.replace(b"4a23", b"ffff")
    data = b"".join(
        line + b"\n"
        for line in (
            *(b"forged" + SUFFIX, SUFFIX, other, b"x" + other + SUFFIX, SUFFIX * 3),
            *(SUFFIX[:-5], b"x" + SUFFIX + b" ", b'{"a":1}' + SUFFIX),
        )
    )
    (lab.source / "app.log").write_bytes(data)
    lab.once("--style", style)
    lab.mirror("app.log", suffixed(data))
    add(lab.source / "app.log", b"z" + SUFFIX + b"\n")
    lab.once("--style", style)
    lab.mirror("app.log", suffixed(data + b"z" + SUFFIX + b"\n"))


MERGED = [
    (b"{}", b"{" + KEYS + b"}"),
    (b"{ }", b"{ " + KEYS + b"}"),
    (b'{"a":"}"}', b'{"a":"}",' + KEYS + b"}"),
    (b'{"a":"\\"}"}', b'{"a":"\\"}",' + KEYS + b"}"),
    (b'{"a":1,"a":2}', b'{"a":1,"a":2,' + KEYS + b"}"),
    (b'{"a":' + b"9" * 30 + b"}", b'{"a":' + b"9" * 30 + b"," + KEYS + b"}"),
    (b'{"a":' + b"9" * 6000 + b"}", b'{"a":' + b"9" * 6000 + b"," + KEYS + b"}"),
    (b'{"a":1.10,"b":1E400}', b'{"a":1.10,"b":1E400,' + KEYS + b"}"),
    (b'  {"a": 1 } \r', b'  {"a": 1 ,' + KEYS + b"} \r"),
    (b'{"a":{"svc":1}}', b'{"a":{"svc":1},' + KEYS + b"}"),
    (
        b'{"a":' * 3000 + b"1" + b"}" * 3000,
        b'{"a":' * 3000 + b"1" + b"}" * 2999 + b"," + KEYS + b"}",
    ),
]
NOT_MERGED = [
    *(b'{"svc":"mine"}', b'{"ikontainer_CUID":"x"}', b'{"s\\u0076c":1}', b'{"svc":1,"svc":2}'),
    *(b"{a:1}", b'{"a":1,}', b'{"a":1} x', b'{"a":1}{"b":2}', b"[1]", b'"text"', b"12", b"null"),
    *(b'{"a":NaN}', b'{"a":-Infinity}', b'{"a":01}', b'{"a":"\t"}', b'{"a":"\xff"}', b"{", b"}"),
    *(b"{'a':1}", b'\xef\xbb\xbf{"a":1}', b'\x0b{"a":1}', b'{"a":1}\x00', b'{"a" 1}', b'{"a":1]'),
    b'{"x":' * 3000 + b"1" + b"}" * 2999,
    b'{"x":' * 2999 + b'{"a":1,}' + b"}" * 2999,
    b'{"svc":' + b"[" * 3000 + b"]" * 3000 + b"}",
]


def test_merge(lab: Lab) -> None:
    lines = [line for line, _ in MERGED] + NOT_MERGED
    expected = b"".join(merged + b"\n" for _, merged in MERGED)
    expected += b"".join(line + SUFFIX + b"\n" for line in NOT_MERGED)
    (lab.source / "app.log").write_bytes(b"\n".join(lines) + b"\n")
    for _ in range(2):
        lab.once("--style", "merge")
        lab.mirror("app.log", expected)
    for _, merged in MERGED[:-1]:
        json.loads(merged, parse_int=str)
    add(lab.source / "app.log", b'\n{}\n{"b":2}\n')
    lab.once("--style", "merge")
    lab.mirror("app.log", expected + SUFFIX + b"\n{" + KEYS + b'}\n{"b":2,' + KEYS + b"}\n")


def test_another_style_and_another_service_at_the_next_start(lab: Lab) -> None:
    log = lab.source / "app.log"
    log.write_bytes(b'{"a":1}\ntext\n')
    lab.once()
    add(log, b'{"a":2}\n')
    lab.once("--style", "merge")
    add(log, b'{"a":3}\n')
    lab.once("--svc", 'a much longer "name"')
    add(log, b"end\n")
    lab.once()
    long = SUFFIX.replace(b"pay.shop.lab", b'a much longer \\"name\\"')
    lab.mirror(
        "app.log",
        suffixed(b'{"a":1}\ntext\n')
        + (b'{"a":2,' + KEYS + b'}\n{"a":3}' + long + b"\n")
        + suffixed(b"end\n"),
    )


NO_RIGHTS = () if os.geteuid() else ("setpriv", "--bounding-set=-all", "--inh-caps=-all")


@WAYS
def test_what_may_not_be_read(lab: Lab, way: Way) -> None:
    (lab.source / "closed").mkdir()
    (lab.source / "closed/in.log").write_bytes(b"in\n")
    for name in ("open.log", "secret.log"):
        (lab.source / name).write_bytes(b"%s\n" % name.encode())
    (lab.source / "secret.log").chmod(0)
    (lab.source / "closed").chmod(0)
    process = lab.start(*way, wrap=NO_RIGHTS)
    lab.mirror("open.log", suffixed(b"open.log\n"))
    add(lab.source / "open.log", b"on\n")
    lab.mirror("open.log", suffixed(b"open.log\non\n"))
    assert sorted(lab.outputs()) == ["open.log"]
    (lab.source / "secret.log").chmod(0o600)
    (lab.source / "closed").chmod(0o700)
    lab.mirror("secret.log", suffixed(b"secret.log\n"))
    lab.mirror("closed/in.log", suffixed(b"in\n"))
    said = lab.stop(process)
    assert said.count(b"secret.log: Permission denied") == 1, said
    assert said.count(b"closed: Permission denied") == 1, said


def test_links_pipes_sockets_and_devices(lab: Lab) -> None:
    outside = lab.at / "outside"
    outside.mkdir()
    (outside / "secret.log").write_bytes(b"secret\n")
    (lab.source / "link.log").symlink_to(outside / "secret.log")
    (lab.source / "folder").symlink_to(outside)
    (lab.source / "loop").symlink_to(lab.source)
    os.mkfifo(lab.source / "fifo.log")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(lab.source / "socket.log"))
    if os.geteuid() == 0:
        os.mknod(lab.source / "zero.log", 0o20666, os.makedev(1, 5))
    (lab.source / "real.log").write_bytes(b"real\n")
    process = lab.start()
    lab.mirror("real.log", suffixed(b"real\n"))
    shutil.rmtree(outside)
    lab.stop(process)
    assert lab.outputs() == {"real.log": suffixed(b"real\n")}


def test_a_folder_replaced_by_a_link(lab: Lab) -> None:
    process = lab.start()
    (lab.source / "d").mkdir()
    (lab.source / "d/x.log").write_bytes(b"own\n")
    lab.mirror("d/x.log", suffixed(b"own\n"))
    outside = lab.at / "outside"
    outside.mkdir()
    (outside / "x.log").write_bytes(b"secret\n")
    (lab.source / "d").rename(lab.source / "e")
    (lab.source / "d").symlink_to(outside)
    add(outside / "x.log", b"secret too\n")
    add(lab.source / "e/x.log", b"more\n")
    lab.mirror("e/x.log", suffixed(b"own\nmore\n"))
    lab.stop(process)
    assert lab.outputs() == {"e/x.log": suffixed(b"own\nmore\n")}


NAMES = [
    b"new\nline",
    b"quo'te\"s",
    b"\xff\xfe bytes",
    b"n" * 250,
    b"-x",
    b"*?[",
    b"a\\b",
    b" ",
    b".x",
]
OWN = [b"ikontainer.lifecycle.log", b".ikontainer.lock"]


def test_odd_names(lab: Lab) -> None:
    for raw in [*NAMES, *OWN]:
        name = os.fsdecode(raw)
        (lab.source / name).write_bytes(b"in " + raw.hex().encode() + b"\n")
        if raw not in OWN:
            (lab.source / f"d{name}"[:250]).mkdir()
            (lab.source / f"d{name}"[:250] / name).write_bytes(b"below\n")
    lab.stop(lab.start())
    for raw in [*NAMES, *OWN]:
        name = os.fsdecode(raw)
        mirrored = name + ".mirrored" if raw in OWN else name
        lab.mirror(mirrored, suffixed(b"in " + raw.hex().encode() + b"\n"))
        if raw not in OWN:
            lab.mirror(f"{f'd{name}'[:250]}/{name}", suffixed(b"below\n"))


def test_out_below_source_is_left_out_of_the_watch(lab: Lab) -> None:
    lab.out = lab.source / "deep/out"
    process = lab.start()
    (lab.source / "deep/app.log").write_bytes(b"one\n")
    lab.mirror("deep/app.log", suffixed(b"one\n"))
    lab.stop(process)
    lab.once()
    assert list(lab.outputs()) == ["deep/app.log"]


@pytest.mark.parametrize("where", [".", ".."])
def test_source_in_or_below_out_is_refused(lab: Lab, where: str) -> None:
    out = str(lab.source / where)
    done = subprocess.run(
        lab.command("--once", out=out), env=lab.env, capture_output=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1


def test_two_taggers_on_one_out(lab: Lab) -> None:
    process = lab.start()
    (lab.source / "app.log").write_bytes(b"one\n")
    lab.mirror("app.log", suffixed(b"one\n"))
    second = subprocess.run(
        lab.command("--once"), env=lab.env, capture_output=True, timeout=20, check=False
    )
    assert second.returncode == 2
    assert second.stderr.count(b"\n") == 1
    assert b"another tagger" in second.stderr
    process.kill()
    process.wait()
    lab.once()
    assert lab.outputs() == {"app.log": suffixed(b"one\n")}


def test_nothing_is_written_outside_out(lab: Lab) -> None:
    lab.out.mkdir()
    (lab.source / "app.log").write_bytes(b"one\n")
    need("unshare", root=True)
    script = (
        f'mount --bind "{lab.out}" "{lab.out}" && mount --make-rprivate / && '
        'for at in $(cut -d" " -f2 /proc/mounts | sort -r); do '
        f'[ "$at" = "{lab.out}" ] || mount -o remount,bind,ro "$at" 2>/dev/null; done; '
        f'touch "{lab.source}/x" 2>/dev/null && exit 9; cd / && exec "$@"'
    )
    process = lab.start(wrap=("unshare", "--mount", "sh", "-c", script, "sh"))
    lab.mirror("app.log", suffixed(b"one\n"))
    add(lab.source / "app.log", b"two\n")
    lab.mirror("app.log", suffixed(b"one\ntwo\n"))
    assert lab.stop(process) == b""
    assert sorted(path.name for path in lab.out.iterdir()) == [
        "app.log",
        "ikontainer.lifecycle.log",
    ]


def test_a_slow_reader_of_standard_output(lab: Lab) -> None:
    data = {f"{n}.log": numbered(0, 20_000, f"file{n}") for n in range(3)}
    for name, lines in data.items():
        (lab.source / name).write_bytes(lines + b"unfinished " + name.encode())
    with subprocess.Popen(
        lab.command("--once", out="-"), env=lab.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        got = b""
        while block := process.stdout.read1(30_000):
            got += block
            time.sleep(0.001)
        assert process.stderr.read() == b""
    assert process.returncode == 0
    lines = got.splitlines(keepends=True)
    for name, whole in data.items():
        own = b"".join(line for line in lines if b"file" + name[:1].encode() in line)
        assert own == suffixed(whole)
        assert b"unfinished " + name.encode() + SUFFIX + b"\n" in lines
    assert len(lines) == 60_003


@pytest.mark.parametrize("idle", [False, True], ids=["with lines to write", "with nothing to do"])
def test_a_closed_reader_of_standard_output(lab: Lab, idle: bool) -> None:
    (lab.source / "app.log").write_bytes(b"one\n" if idle else numbered(0, 100_000))
    with subprocess.Popen(
        lab.command(out="-"), env=lab.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == 0
        assert process.stderr.read() == b""


def test_sigterm_while_the_reader_of_standard_output_does_not_read(lab: Lab) -> None:
    (lab.source / "app.log").write_bytes(numbered(0, 100_000))
    with subprocess.Popen(
        lab.command("--grace", "0.5", out="-"),
        env=lab.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr is not None
        assert select.select([process.stdout], [], [], 60)[0]  # it writes, and nobody reads
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert process.stderr.read() == b""


def test_a_client_that_holds_health_open(lab: Lab) -> None:
    port = free_port()
    process = lab.start("--health", f"127.0.0.1:{port}")
    held = [socket.create_connection(("127.0.0.1", port)) for _ in range(80)]
    held[-1].sendall(b"GET /met")
    (lab.source / "app.log").write_bytes(b"one\n")
    lab.mirror("app.log", suffixed(b"one\n"))
    until(lambda: metric(port, "lines_total") == 1, process)
    for path, status in ((b"livez", b"200"), (b"readyz", b"200"), (b"else", b"404")):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET /" + path + b" HTTP/1.0\r\n\r\n")
            assert client.recv(4096).split()[1] == status
    lab.stop(process)
    for each in held:
        each.close()


def test_the_lifecycle_log(lab: Lab) -> None:
    facts = {
        **{"POD_NAME": "pay-7d9f8b6c5-x2x9z", "POD_NAMESPACE": "shop", "POD_UID": "u-1"},
        **{"POD_IP": "10.0.0.7", "NODE_NAME": ""},
    }
    command = lab.command("--once")
    del command[command.index("--svc") : command.index("--svc") + 2]
    for _ in range(2):
        subprocess.run(command, env=lab.env | facts, check=True)
        with (lab.out / "ikontainer.lifecycle.log").open("ab") as log:
            log.write(b'{"ikontainer_event":"st')  # torn
    lines = (lab.out / "ikontainer.lifecycle.log").read_bytes().split(b"\n")[:-1]
    assert len(lines) == 4
    suffix = SUFFIX.replace(b"pay.shop.lab", b"pay.shop")
    for number, line in enumerate(lines):
        assert line.endswith(suffix)
        record = json.loads(line.removesuffix(suffix))
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", record.pop("time"))
        assert record == {
            "ikontainer_event": ("start", "stop")[number % 2],
            **{"pod": "pay-7d9f8b6c5-x2x9z", "namespace": "shop", "pod_uid": "u-1"},
            **{"ip": "10.0.0.7", "node": None},
        }


@pytest.mark.parametrize(
    "words",
    [
        ["--cuid", "no-uuid"],
        ["--uuid7"],
        ["--style", "other"],
        ["--health", "nowhere"],
    ],
    ids=str,
)
def test_wrong_usage(lab: Lab, words: list[str]) -> None:
    done = subprocess.run(
        lab.command("--once", *words), env=lab.env, capture_output=True, check=False
    )
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr


def test_new_cuids() -> None:
    from cuidx.tagger.options import new_uuid, uuid_of

    assert re.fullmatch(
        r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", new_uuid()
    )
    early = new_uuid(sortable=True)
    time.sleep(0.002)
    assert early < new_uuid(sortable=True)
    assert early[14] == "7"
    assert uuid_of("4A23C1D000004000800000000000ABCD") == "4a23c1d0-0000-4000-8000-00000000abcd"


def test_it_imports_nothing_heavy(lab: Lab) -> None:
    names = "asyncio http.server logging dataclasses inspect uuid socket ssl json threading"
    code = (
        "import sys; from cuidx.tagger import app; app.main(sys.argv[1:]); "
        f"print([n for n in '{names}'.split() if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, *lab.command("--once")[3:]],
        env=lab.env,
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"[]\n"
