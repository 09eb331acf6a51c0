"""Throw broken logs at every parser: no crash, no lost record, no hang.

    python tests/fuzz.py                 five minutes, a new seed
    python tests/fuzz.py --seconds 30 --seed 7

Real files of all formats are cut, mixed, doubled and bent at random, then read as what they seem to
be and as a format that is named. What fails is written to fuzz-failure.log, with how to read it.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cuidx
from cuidx.formats.registry import BY_NAME

ROOT = Path(__file__).parent.parent
LONGEST = 30  # seconds that one small file may take on a busy machine
BINS = ("events", "fragments", "duplicates", "evidence", "skipped", "blank", "unreadable")
# Formats in which each line is a record; of others one may take several lines, or a line have many.
SEVERAL = {
    "cloudwatch", "cloudwatch-insights", "crictl-pods", "elasticdump-array", "es-bulk", "es-search",
    "esql-csv", "esql-json", "generic-csv", "generic-tsv", "k8s-events", "k8s-pods",
    "k8s-pods-watch", "kibana-csv", "loki-api", "otlp", "prometheus-pod-info",
}  # fmt: skip
ODD = (b"", b"\n", b"\r\n", b"\r", b"\x00", b"\xff\xfe", b"{", b"}", b"[", b"]", b'"', b'""', b",",
       b";", b"\t", b"\\", b"\\u0000", b"\\ud800", b"null", b"-", b"1e999", b"9" * 400,
       b"[" * 2000, b'{"a":' * 300, b"\xe2\x80\xa8", b"\x1b[31m", b"0001-01-01T00:00:00Z",
       b"Feb 30 25:61:61", b'{"ikontainer_CUID":"x","svc":"a.b.c"}', b"\xef\xbb\xbf")  # fmt: skip


def corpus() -> list[bytes]:
    """Samples of every format and the public logs, each cut to a size that is read quickly."""
    files = [
        path.read_bytes()[:20_000]
        for folder in ("fixtures/formats", "fixtures/public", "fixtures/paper")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.is_file() and path.suffix not in (".md", ".gz") and "expected" not in path.parts
    ]
    samples = [
        "\n".join(sample.raw for sample in format_.SAMPLES).encode() for format_ in BY_NAME.values()
    ]
    return [*files, *samples]


def bent(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """DATA with some things done to it."""
    lines = data.split(b"\n")
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(lines)) if lines else 0
        match rng.randrange(9):
            case 0 if lines:  # a bit
                line = bytearray(lines[at])
                if line:
                    line[rng.randrange(len(line))] ^= 1 << rng.randrange(8)
                lines[at] = bytes(line)
            case 1 if lines:  # cut in the middle
                lines[at] = lines[at][: rng.randint(0, len(lines[at]))]
            case 2 if lines:  # something odd within
                place = rng.randint(0, len(lines[at]))
                lines[at] = lines[at][:place] + rng.choice(ODD) + lines[at][place:]
            case 3 if lines:  # twice
                lines.insert(at, lines[at])
            case 4:  # another format's line
                lines.insert(at, rng.choice(rng.choice(others).split(b"\n")))
            case 5 if lines:  # gone
                del lines[at]
            case 6:  # in another order
                rng.shuffle(lines)
            case 7 if lines:  # two values of a line change places
                words = lines[at].split(b" ")
                rng.shuffle(words)
                lines[at] = b" ".join(words)
            case 8:  # cut off
                lines = lines[: rng.randint(0, len(lines))]
    out = b"\n".join(lines)
    return out[: rng.randint(0, len(out))] if rng.random() < 0.2 else out


@contextmanager
def in_time(seconds: int) -> Iterator[None]:
    """Raise TimeoutError if what is within takes longer."""

    def late(number: int, frame: Any) -> None:
        raise TimeoutError(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def look(path: Path, data: bytes, name: str | None) -> str:
    """Read DATA at PATH as format NAME; how it went.

    Raises:
        AssertionError: a record was lost, or counted twice.
    """
    path.write_bytes(data)
    try:
        case = cuidx.open_case(path, input_format=name)
        counted = case.accounting.as_json()
        events = case.events.collect()
        lives = case.lifetimes()
    except cuidx.CuidxError as error:
        assert error.exit_code == 3, error
        assert 1 <= len(str(error).splitlines()) <= 2, error
        return "refused"
    (source,) = counted["sources"]
    assert source["records"] == sum(source[bin_] for bin_ in BINS), source
    assert len(events) == source["events"], (len(events), source)
    assert int(lives["lines"].sum()) <= source["events"]
    body = data.removeprefix(b"\xef\xbb\xbf")
    lines = len(body.split(b"\n")) - (not body or body.endswith(b"\n"))
    if case.problems or source["format"] == "parquet":
        return "cut off"
    if source["format"] in SEVERAL:
        assert source["records"] >= bool(body.strip(b" \t\r\n")), source
    else:
        assert source["records"] == lines, (source, lines)
    return str(source["format"])


def run(seconds: float, seed: int) -> Counter[str]:
    """How often a file was read as what; ends at the first failure with its file and seed."""
    rng, files, went = random.Random(seed), corpus(), Counter[str]()
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.log"
        while time.monotonic() < end:
            data = bent(rng.choice(files), files, rng)
            name = rng.choice([None, None, *BY_NAME]) if rng.random() < 0.4 else None
            try:
                with in_time(LONGEST):
                    went[look(path, data, name)] += 1
            except BaseException as error:
                Path("fuzz-failure.log").write_bytes(data)
                option = f" --input-format {name}" if name else ""
                print(f"seed {seed}: {type(error).__name__}: {error}\n"
                      f"  cuidx timeline fuzz-failure.log{option}", file=sys.stderr)  # fmt: skip
                raise
    return went


def main() -> None:
    """Fuzz for a while and say what was read."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--seconds", type=float, default=300)
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    said = options.parse_args()
    went = run(said.seconds, said.seed)
    print(f"seed {said.seed}: {went.total():,} files, no crash, no lost record, no hang")
    print(", ".join(f"{name} {count:,}" for name, count in went.most_common()))


if __name__ == "__main__":
    main()
