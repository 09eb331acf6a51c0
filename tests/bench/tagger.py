"""How fast, how heavy and how prompt the tagger is, beside `cp` and `mawk` in the same run.

    python tests/bench/tagger.py [--mb 1024] [--rounds 5] [--at /dev/shm] [--only PARTS] [--write]

Rounds are interleaved and the best of each counts: a shared machine only ever adds time. Files
lie in memory by default, so that no disk is measured. MB/s are bytes of the source. With --write
what it prints is kept in RESULTS-tagger.md. On a machine that is busy with other work, root can
put `chrt -r 10` before the command; the results then say so.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).with_name("RESULTS-tagger.md")
CUID = "4a23c1d0-0000-4000-8000-00000000abcd"
LINE = (
    b"2026-11-02T09:00:01.250Z INFO payment charge accepted order=%08d amount=19.99 "
    b"ip=10.10.11.2 request_id=46BB%08d status=ok\n"
)
SUFFIX = f'{{"ikontainer_CUID":"{CUID}","svc":"pay.shop.lab"}}'.encode()
PYTHON = [sys.executable, "-I", "-S"]


said: list[str] = []


def say(text: str) -> None:
    """Print TEXT, and keep it for RESULTS."""
    print(text, flush=True)
    said.append(text)


def tagger(source: Path, out: Path, *more: str) -> list[str]:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from cuidx.tagger.app import main; main()"
    )
    where = ["--source", str(source), "--out", str(out), "--cuid", CUID, "--svc", "pay.shop.lab"]
    return [*PYTHON, "-c", code, *where, *more]


def timed(command: list[str], stdout: Path | None = None) -> tuple[float, float, float]:
    """(seconds, CPU seconds, peak MB) of COMMAND."""
    with (stdout or Path(os.devnull)).open("wb") as sink:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=sink)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    spent = time.perf_counter() - start
    return spent, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def peak(pid: int) -> float:
    """VmHWM in MB; ru_maxrss of a child starts with its parent's."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def cpu(pid: int) -> float:
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")


def throughput(at: Path, mb: int, rounds: int) -> None:
    source, out = at / "source", at / "out"
    source.mkdir()
    size = 0
    with (source / "app.log").open("wb") as file:
        number = 0
        while size < mb << 20:
            size += file.write(b"".join(LINE % (n, n) for n in range(number, number + 50_000)))
            number += 50_000
    program = '{print $0 "' + SUFFIX.decode().replace('"', '\\"') + '"}'
    best: dict[str, tuple[float, float]] = {}
    for turn in range(rounds + 1):  # the first one warms memory up
        for name in ("cp", "mawk", "cuidx tag"):
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()
            if name == "cp":
                spent, used, _ = timed(["cp", str(source / "app.log"), str(out / "app.log")])
            elif name == "mawk":
                spent, used, _ = timed(["mawk", program, str(source / "app.log")], out / "app.log")
            else:
                spent, used, _ = timed(tagger(source, out, "--once"))
            if turn:
                old = best.get(name, (9e9, 9e9))
                best[name] = (min(old[0], spent), min(old[1], used))
    assert (out / "app.log").stat().st_size == size + number * len(SUFFIX)
    for name, (spent, used) in best.items():
        say(f"{name:10} {size / 1e6 / spent:7.0f} MB/s   {used * 2**30 / size:5.2f} CPU s/GiB")
    say(f"{'':10} ({size / 1e6:.0f} MB of {len(LINE % (1, 1))}-byte lines, best of {rounds})")
    spent, used, _ = timed(tagger(source, out, "--once"))
    say(f"restart over that mirror: {spent:.2f} s")
    memory(source, at / "out2")


def memory(source: Path, out: Path) -> None:
    """The peak of a running tagger with this backlog; blank lines and a long one as well."""
    (source / "blank.log").write_bytes(b"\n" * (8 << 20))
    process = subprocess.Popen(tagger(source, out))
    expected = (source / "app.log").stat().st_size
    while not (out / "app.log").exists() or (out / "app.log").stat().st_size < expected:
        time.sleep(0.05)
    time.sleep(2.0)
    say(f"peak RSS (VmHWM) with that backlog and 8 M blank lines: {peak(process.pid):.1f} MB")
    process.send_signal(signal.SIGTERM)
    process.wait()
    shutil.rmtree(out)
    (source / "blank.log").unlink()


def latency(at: Path, rate: int, rounds: int, seconds: float = 3.0) -> None:
    """From the writer's clock to the line in the mirror, as a reader of the mirror sees it.

    The same reader on the writer's own file, in turns and without a tagger, shows what writer,
    reader and machine take by themselves.
    """
    total = int(rate * seconds)
    with_it: list[Waits] = []
    without: list[Waits] = []
    used = 9e9
    for turn in range(rounds):
        source, out = at / f"live{rate}-{turn}", at / f"live{rate}-{turn}-out"
        source.mkdir()
        direct = source / "direct"
        direct.touch()
        without.append(watched(direct, direct, rate, total))
        direct.unlink()
        process = subprocess.Popen(tagger(source, out))
        (source / "app.log").touch()
        time.sleep(0.5)
        before = cpu(process.pid)
        with_it.append(watched(source / "app.log", out / "app.log", rate, total))
        used = min(used, 100 * (cpu(process.pid) - before) / seconds)
        process.send_signal(signal.SIGTERM)
        process.wait()
        shutil.rmtree(source)
        shutil.rmtree(out)
    say(f"{rate:6} lines/s, p50/p99 in ms: best round {least(with_it)}, median round "
        f"{middle(with_it)}, {used:.0f} % CPU")  # fmt: skip
    say(f"{'':15} without a tagger: best round {least(without)}, median round {middle(without)}")


Waits = tuple[float, float]  # p50 and p99 of a round, in ms


def least(rounds: list[Waits]) -> str:
    return f"{min(w[0] for w in rounds):.2f}/{min(w[1] for w in rounds):.2f}"


def middle(rounds: list[Waits]) -> str:
    half = len(rounds) // 2
    return f"{sorted(w[0] for w in rounds)[half]:.2f}/{sorted(w[1] for w in rounds)[half]:.2f}"


def watched(source: Path, mirror: Path, rate: int, total: int) -> Waits:
    """Have TOTAL lines written to SOURCE, and see when they are in MIRROR."""
    command = [sys.executable, __file__, WRITER, str(source), str(rate), str(total)]
    writer = subprocess.Popen(command)
    while not mirror.exists():
        time.sleep(0.001)
    waits: list[float] = []
    rest = b""
    fd = os.open(mirror, os.O_RDONLY)
    deadline = time.monotonic() + total / rate + 20
    while len(waits) < total and time.monotonic() < deadline:
        data = os.read(fd, 1 << 20)
        now = time.monotonic_ns()
        if not data:
            time.sleep(0.00005)
            continue
        *lines, rest = (rest + data).split(b"\n")
        waits += [(now - int(line[:20])) / 1e6 for line in lines]
    os.close(fd)
    writer.wait()
    waits.sort()
    assert len(waits) == total, f"{len(waits)} of {total} lines came"
    return waits[total // 2], waits[total * 99 // 100]


WRITER = "--be-the-writer"


def write(path: str, rate: int, total: int) -> None:
    """Write TOTAL lines, one write(2) each, RATE a second, each with its time.

    It sleeps until a line is due and does not spin: the two cores are the tagger's and reader's too.
    """
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    start = time.monotonic_ns()
    for n in range(total):
        while (left := start + n * 1_000_000_000 // rate - time.monotonic_ns()) > 0:
            time.sleep(left / 1e9)
        os.write(fd, b"%020d some words of a log line %d\n" % (time.monotonic_ns(), n))


def idle(at: Path, seconds: float = 20.0) -> None:
    source, out = at / "idle", at / "idle-out"
    for n in range(100):
        (source / f"{n}").mkdir(parents=True)
        (source / f"{n}/app.log").write_bytes(b"one line\n")
    process = subprocess.Popen(tagger(source, out))
    time.sleep(2.0)
    before = cpu(process.pid)
    time.sleep(seconds)
    say(
        f"idle with 100 files: {100 * (cpu(process.pid) - before) / seconds:.2f} % CPU over "
        f"{seconds:.0f} s, {peak(process.pid):.1f} MB peak"
    )
    process.send_signal(signal.SIGTERM)
    process.wait()


def encoding(rounds: int) -> None:
    """Lines a second that become PackedForward, without the network."""
    sys.path.insert(0, str(ROOT))
    from cuidx.tagger import forward
    from cuidx.tagger.tagging import make_tag

    after = forward.fields(make_tag(CUID, "pay.shop.lab"), b"app.log")
    block = b"".join(LINE % (n, n) for n in range(1000))
    best = 9e9
    for _ in range(max(rounds, 3)):
        begun = time.perf_counter()
        for _ in range(200):
            forward.messages("packed", b"cuidx", block, time.time_ns(), after)
        best = min(best, time.perf_counter() - begun)
    say(f"Forward encoding: {200_000 / best:,.0f} lines/s")


def start(at: Path, rounds: int) -> None:
    """From exec to the first tagged line, beside a bare interpreter."""
    source = at / "start"
    source.mkdir()
    (source / "app.log").write_bytes(b"one line\n")
    first, bare = [], []
    for n in range(max(rounds, 10)):
        begun = time.perf_counter()
        subprocess.run([*PYTHON, "-c", "pass"], check=True)
        bare.append(time.perf_counter() - begun)
        out = at / f"start-out{n}"
        mirror = out / "app.log"
        begun = time.perf_counter()
        process = subprocess.Popen(tagger(source, out))
        while not mirror.exists() or not mirror.stat().st_size:
            time.sleep(0.0002)
        first.append(time.perf_counter() - begun)
        process.send_signal(signal.SIGTERM)
        process.wait()
    over = (min(first) - min(bare)) * 1000
    say(
        f"first tagged line after {min(first) * 1000:.0f} ms; a bare interpreter ends after "
        f"{min(bare) * 1000:.0f} ms: {over:.0f} ms more"
    )


def alone() -> bool:
    """Whether this runs before all other work, by `chrt -r 10` (root): a quiet machine's stand-in."""
    return os.sched_getscheduler(0) != os.SCHED_OTHER


def busy() -> str:
    """How busy the machine is: a figure taken while others work is a figure of theirs too."""
    return "load over 1, 5 and 15 minutes " + ", ".join(f"{x:.1f}" for x in os.getloadavg())


def main() -> None:
    if sys.argv[1:2] == [WRITER]:
        write(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
        return
    it = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    it.add_argument("--mb", type=int, default=1024)
    it.add_argument("--rounds", type=int, default=5)
    it.add_argument("--at", default="/dev/shm")
    it.add_argument("--only", default="throughput,latency,encoding,idle,start")
    it.add_argument("--write", action="store_true", help=f"keep the figures in {RESULTS.name}")
    chosen = it.parse_args()
    at = Path(tempfile.mkdtemp(dir=chosen.at))
    say(f"{os.cpu_count()} CPUs, Python {platform.python_version()}, {busy()}")
    if alone():
        say(
            "all at real-time priority: other work on the machine waits for cp, mawk and the tagger"
        )
    try:
        for part in chosen.only.split(","):
            if part == "throughput":
                throughput(at, chosen.mb, chosen.rounds)
            elif part == "latency":
                for rate in (1_000, 10_000, 50_000):
                    latency(at, rate, chosen.rounds)
            elif part == "encoding":
                encoding(chosen.rounds)
            elif part == "idle":
                idle(at)
            elif part == "start":
                start(at, chosen.rounds)
            else:
                it.error(f"no such part: {part}")
    finally:
        shutil.rmtree(at, ignore_errors=True)
    say(busy())
    if chosen.write:
        before = ["chrt -r 10"] if alone() else []
        words = " ".join([*before, "python tests/bench/tagger.py", *sys.argv[1:]])
        head = f"# The tagger\n\nMade by `{words}`.\n\n```\n"
        RESULTS.write_text("\n".join([head + said[0], *said[1:], "```", ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
