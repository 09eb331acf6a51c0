"""Node mode: container runtimes' lines, the kubelet's rotation, one CUID for each instance."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Lab, until

POD = "shop_pay-7d9f8b6c5-x2x9z_0f6c1b52-7f0e-4c60-9d0e-111111111111"
OTHER = "shop_cart-0_0f6c1b52-7f0e-4c60-9d0e-222222222222"
T = b"2026-11-02T09:00:01.000000001Z "
SUFFIX = re.compile(
    rb'\{"ikontainer_CUID":"([0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})",'
    rb'"svc":"([^"]*)"\}$'
)


class Node(Lab):
    def command(self, *options: str, out: str | None = None) -> list[str]:
        return [
            *(sys.executable, "-m", "cuidx.tagger.app", "--layout", "cri"),
            *("--source", str(self.source), "--out", out or str(self.out)),
            *("--state", str(self.at / "state"), "--linger", "0.1", *options),
        ]

    def start(self, *options: str, **more: object) -> subprocess.Popen[bytes]:  # type: ignore[override]
        return super().start(*options, ready=False, **more)  # type: ignore[arg-type]

    def log(self, pod: str, container: str, name: str = "0.log") -> Path:
        path = self.source / pod / container / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def cuid(self, path: Path) -> bytes:
        """The one CUID that all tagged lines of a mirror carry."""
        lines = (self.out / path.relative_to(self.source)).read_bytes().split(b"\n")
        found = {hit[1] for line in lines if (hit := SUFFIX.search(line))}
        assert len(found) == 1, found
        return found.pop()

    def plain(self, path: Path) -> bytes:
        """A mirror without its suffixes."""
        lines = (self.out / path.relative_to(self.source)).read_bytes().split(b"\n")
        return b"\n".join(SUFFIX.sub(b"", line) for line in lines)


@pytest.fixture
def node(tmp_path: Path) -> object:
    it = Node(tmp_path)
    yield it
    for process in it.running:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_each_instance_has_a_cuid_that_outlives_the_tagger(node: Node) -> None:
    paths = [
        *(node.log(POD, "app"), node.log(POD, "app", "1.log"), node.log(POD, "side")),
        node.log(OTHER, "app"),
    ]
    for path in paths:
        path.write_bytes(T + b"stdout F one\n")
    node.once()
    cuids = [node.cuid(path) for path in paths]
    assert len(set(cuids)) == 4
    for path in paths:
        with path.open("ab") as file:
            file.write(T + b"stderr F two\n")
    node.once()
    shutil.rmtree(node.out)  # the state alone is enough
    node.once()
    assert [node.cuid(path) for path in paths] == cuids
    assert node.plain(paths[0]) == T + b"stdout F one\n" + T + b"stderr F two\n"
    assert b'"svc":"pay.shop"' in (node.out / paths[0].relative_to(node.source)).read_bytes()
    assert b'"svc":"cart.shop"' in (node.out / paths[3].relative_to(node.source)).read_bytes()


PIECES = [
    (b"stdout F whole", True),
    (b"stdout P begins ", False),
    (b"stderr F between", True),
    (b"stdout P goes on ", False),
    (b"stdout F ends", True),
    (b"stdout F:x:y more tags", True),
    (b"stdout P:x a piece with more tags", False),
    (b"stdout F ", True),
    (b"stdout P ", False),
    (b"stdout F", True),
    (b"stdout P", False),
    (b"stdout F P is not the tag here", True),
    (b"stdin P no such stream", True),
]


def test_pieces_have_no_suffix_and_the_end_has_one(node: Node) -> None:
    path = node.log(POD, "app")
    path.write_bytes(b"".join(T + line + b"\n" for line, _ in PIECES) + b"no record\n")
    for _ in range(2):
        node.once()
        got = (node.out / path.relative_to(node.source)).read_bytes().split(b"\n")[:-1]
        assert [bool(SUFFIX.search(line)) for line in got] == [yes for _, yes in PIECES] + [True]
        assert got[1] == T + b"stdout P begins "
        # The suffix never becomes part of the tags, which end at a blank.
        assert got[9].startswith(T + b'stdout F {"ikontainer_CUID"')


def test_only_pieces_so_far(node: Node) -> None:
    path = node.log(POD, "app")
    path.write_bytes((T + b"stdout P a\n") * 3)
    node.once()
    with path.open("ab") as file:
        file.write(T + b"stdout F end\n" + T + b"stdout P unfin")
    node.once()
    with path.open("ab") as file:
        file.write(b"ished\n")
    node.once()
    whole = (T + b"stdout P a\n") * 3 + T + b"stdout F end\n" + T + b"stdout P unfinished\n"
    assert node.plain(path) == whole


@pytest.mark.parametrize("way", [(), ("--poll",)], ids=["inotify", "polling"])
def test_the_kubelets_rotation(node: Node, way: tuple[str, ...]) -> None:
    path = node.log(POD, "app")
    process = node.start(*way)
    mirror = node.out / path.relative_to(node.source).parent
    expected = {}
    runtime = path.open("ab", buffering=0)
    for turn in range(4):
        runtime.write(T + b"stdout F turn %d\n" % turn)
        rotated = path.with_name(f"0.log.20261102-09000{turn}")
        path.rename(rotated)
        late = T + b"stdout F after the rename %d\n" % turn
        runtime.write(late)
        runtime.close()
        runtime = path.open("ab", buffering=0)
        expected[rotated.name] = T + b"stdout F turn %d\n" % turn + late
        until((mirror / rotated.name).exists, process)
        until(
            lambda name=rotated.name, late=late: late[:-1] in (mirror / name).read_bytes(), process
        )
        if turn:
            old = path.with_name(f"0.log.20261102-09000{turn - 1}")
            packed = gzip.compress(old.read_bytes())
            old.with_name(old.name + ".tmp").write_bytes(packed)
            old.with_name(old.name + ".tmp").rename(old.with_name(old.name + ".gz"))
            old.unlink()
    runtime.write(T + b"stdout F last\n")
    runtime.close()
    expected["0.log"] = T + b"stdout F last\n"
    until((mirror / "0.log").exists, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert sorted(each.name for each in mirror.iterdir()) == sorted(expected)
    for name, whole in expected.items():
        assert node.plain(path.with_name(name)) == whole
    assert len({node.cuid(path.with_name(name)) for name in expected}) == 1


def test_a_failed_reopen_renames_back(node: Node) -> None:
    path = node.log(POD, "app")
    path.write_bytes(T + b"stdout F one\n")
    process = node.start()
    mirror = node.out / path.relative_to(node.source)
    until(mirror.exists, process)
    path.rename(path.with_name("0.log.20261102-090000"))
    until(mirror.with_name("0.log.20261102-090000").exists, process)
    path.with_name("0.log.20261102-090000").rename(path)
    with path.open("ab") as file:
        file.write(T + b"stdout F two\n")
    until(lambda: mirror.exists() and mirror.read_bytes().count(b"\n") == 2, process)
    node.stop(process)
    assert node.plain(path) == T + b"stdout F one\n" + T + b"stdout F two\n"


def test_the_state_may_lie_in_out(node: Node) -> None:
    path = node.log(POD, "app")
    path.write_bytes(T + b"stdout F one\n")
    for options in ((), ("--state", str(node.out))):
        node.once(*options, "--state", str(node.out))
    node.cuid(path)
    assert (node.out / ".ikontainer.cuids").exists()


def test_other_files_are_left_out(node: Node) -> None:
    for name in ("0.log.gz", "0.log.20261102-090000.gz", "0.log.20261102-090000.tmp", "x.log"):
        node.log(POD, "app", name).write_bytes(T + b"stdout F no\n")
    node.log("no-pod-folder", "app").write_bytes(T + b"stdout F no\n")
    node.once()
    assert node.outputs() == {}


def test_a_link_to_a_log_elsewhere(node: Node) -> None:
    elsewhere = node.at / "containers/abc-json.log"
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(T + b"stdout F one\n")
    path = node.log(POD, "app")
    path.symlink_to(elsewhere)
    process = node.start()
    mirror = node.out / path.relative_to(node.source)
    until(mirror.exists, process)
    with elsewhere.open("ab") as file:
        file.write(T + b"stdout F two\n")
    until(lambda: mirror.read_bytes().count(b"\n") == 2, process)
    node.stop(process)
    assert node.plain(path) == T + b"stdout F one\n" + T + b"stdout F two\n"


def test_lifetimes(node: Node) -> None:
    path = node.log(OTHER, "app", "3.log")
    path.write_bytes(T + b"stdout F one\n")
    process = node.start()
    log = node.out / "ikontainer.lifecycle.log"
    until(log.exists, process)
    shutil.rmtree(node.source / OTHER)
    until(lambda: log.read_bytes().count(b"\n") == 2, process)
    node.stop(process)
    node.once()
    records = [json.loads(SUFFIX.sub(b"", line)) for line in log.read_bytes().split(b"\n")[:-1]]
    assert [record["ikontainer_event"] for record in records] == ["start", "stop"]
    for record in records:
        del record["time"], record["ikontainer_event"]
        assert record == {
            **{"pod": "cart-0", "namespace": "shop", "ip": None, "node": None},
            **{"pod_uid": OTHER.rpartition("_")[2], "container_name": "app", "restart": "3"},
        }


def test_random_kills_keep_the_cuids(node: Node) -> None:
    paths = [node.log(POD, "app", f"{n}.log") for n in range(20)]
    for path in paths:
        path.write_bytes(b"".join(T + b"stdout F %d\n" % n for n in range(2000)))
    for n in range(10):
        process = node.start()
        try:
            process.wait(0.05 + n * 0.01)
        except subprocess.TimeoutExpired:
            process.kill()
    node.once()
    for path in paths:
        node.cuid(path)
        assert node.plain(path) == path.read_bytes()
