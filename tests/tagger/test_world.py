"""Writes, rotations and SIGKILL between any two system calls of the tagger: the same bytes.

Kills under load find by luck what falls between two calls; world.py has it come by a seed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from .conftest import ROOT, SUFFIX, Lab, suffixed

# All but 0 and 7 lost or doubled lines, or left an output over, before names that don't stand
# still were looked at until they did.
SEEDS = (0, 7, 8, 11, 19, 24, 41, 76, 104, 131, 148, 157)
# In these (in some of them at times: which inodes files get is not the seed's) lines were doubled of
# a file between two others in one output, or stood behind a torn line.
REMOVING = (15, 20, 78, 111, 118, 125, 151, 215, 240, 256, 296, 369)
# No inode is used again there. Elsewhere one can be, while nobody looks: see the limits in the docs.
MEMORY = Path("/dev/shm")


def mirrors(lab: Lab) -> dict[str, bytes]:
    """What the mirror of each source has to be."""
    return {
        str(path.relative_to(lab.source)): suffixed(path.read_bytes())
        for path in lab.source.rglob("*")
        if path.is_file()
    }


def difference(lab: Lab) -> str:
    """The first file in which the mirror is not what it has to be, or nothing."""
    sources = mirrors(lab)
    outputs = lab.outputs()
    for name in sorted(sources | outputs):
        expected, found = sources.get(name), outputs.get(name)
        if expected is None or found is None:
            return f"{name} has no {'source' if expected is None else 'output'}"
        if expected != found:
            pairs = enumerate(zip(expected, found, strict=False))
            same = next((n for n, (a, b) in pairs if a != b), min(len(expected), len(found)))
            return f"{name} differs at byte {same:,} of {len(expected):,}, {len(found):,} found"
    return ""


def difference_but_for_removed(lab: Lab) -> str:
    """The same where files were removed: what was tagged of these is kept, each line once.

    It is in outputs without a source, and before the lines of a file that came under their name.
    """
    outputs, kept = lab.outputs(), []
    for name, expected in sorted(mirrors(lab).items()):
        found = outputs.pop(name, None)
        if found is None:
            return f"{name} has no output"
        if not found.endswith(expected):
            return f"{name} does not end with its {len(expected):,} bytes, {len(found):,} found"
        kept += found[: len(found) - len(expected)].splitlines()
    gone = {
        line for path in (lab.at / "removed").glob("*") for line in path.read_bytes().splitlines()
    }
    for name, found in sorted(outputs.items()):
        if name.startswith(".ikontainer."):
            continue
        *whole, torn = found.split(b"\n")
        # What a kill cut off can't be completed any more.
        if torn and not any((line + SUFFIX).startswith(torn) for line in gone):
            return f"{name} ends with {torn[:40]!r}"
        kept += whole
    for line, times in Counter(line.removesuffix(SUFFIX) for line in kept).items():
        if times > 1:
            return f"{line[:40]!r} of a removed file was tagged {times} times"
        # The last one of a file may have been tagged unfinished.
        if line not in gone and not any(one.startswith(line) for one in gone):
            return f"{line[:40]!r} was in no file that was removed"
    return ""


@pytest.mark.parametrize("removes", [(), ("removes",)], ids=["renames", "removals"])
def test_worlds_that_move_at_each_call(
    tmp_path: Path, full: bool, removes: tuple[str, ...]
) -> None:
    alone = os.environ.get("CUIDX_SEED")
    seeds = [int(alone)] if alone else range(400) if full else REMOVING if removes else SEEDS
    check = difference_but_for_removed if removes else difference
    if removes and MEMORY.is_dir():
        tmp_path = Path(tempfile.mkdtemp(prefix="cuidx-worlds-", dir=MEMORY))
    kills = renames = 0
    failed = []
    for seed in seeds:
        (tmp_path / str(seed)).mkdir()
        lab = Lab(tmp_path / str(seed))
        trace = lab.at / "trace"
        with trace.open("wb") as file:
            code = subprocess.run(
                [sys.executable, ROOT / "tests/tagger/world.py", str(seed), lab.at, *removes],
                env=lab.env | {"PYTHONHASHSEED": str(seed)},  # the order of sets is the seed's too
                stdout=file,
                stderr=subprocess.STDOUT,
                timeout=300,
                check=False,
            ).returncode
        lines = trace.read_text("utf-8").splitlines()
        kills += lines.count("tagger: killed")
        renames += sum(line.startswith("world: ") for line in lines)
        if what := check(lab) or (code and f"it ended with {code}"):
            failed.append(f"seed {seed}: {what}; {trace} ends with")
            failed += [f"  {line}" for line in lines[-20:]]
            failed.append(f"alone: CUIDX_SEED={seed} python -m pytest tests/tagger/test_world.py")
        else:
            shutil.rmtree(lab.at)
    print(f"figure: {len(seeds)} worlds by seed, {kills:,} kills at calls, {renames:,} renames")
    if failed:
        pytest.fail("\n".join(failed), pytrace=False)
    shutil.rmtree(tmp_path)
