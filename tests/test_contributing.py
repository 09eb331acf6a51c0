"""docs/contributing.md, followed word for word in a copy of the package.

The code blocks are taken from the page and applied in the order in which they stand there.
`CUIDX_GOLDEN=write pytest tests/test_contributing.py` writes the page's outputs anew.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_docs import WRITE, commands_of, fits, renewed

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "contributing.md"
HOW_TO = PAGE.read_text("utf-8").partition("## Add a log format")[2]
LINES = ROOT / "fixtures" / "public" / "lnav" / "logfile_docker_compose_with_ts.0"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", HOW_TO, re.MULTILINE | re.DOTALL)


def apply(diff: str, path: Path) -> None:
    """Change PATH as DIFF says; `…` at a line's end is the rest of that line."""
    text = path.read_text("utf-8")
    lines = diff.splitlines()
    for old, new in zip(lines[::2], lines[1::2], strict=True):
        assert (old[0], new[0]) == ("-", "+")
        begins, rest, nothing = old[1:].partition("…")
        assert not nothing
        found = re.findall(rf"^{re.escape(begins)}(.*)$", text, re.MULTILINE)
        assert len(found) == 1, f"the page says {old!r}; {path.name} has it {len(found)} times"
        text = text.replace(begins + found[0], new[1:].replace("…", found[0]) if rest else new[1:])
    path.write_text(text, "utf-8")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package in which the page was followed."""
    folder = tmp_path_factory.mktemp("followed")
    nothing = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "cuidx", folder / "cuidx", ignore=nothing)
    shutil.copytree(LINES.parent, folder / LINES.parent.relative_to(ROOT))
    shutil.copy(ROOT / "pyproject.toml", folder)
    before = contents(folder)
    copied = subprocess.run(["sh", "-ec", blocks("sh")[0]], cwd=folder, check=True)
    assert copied.returncode == 0
    (module,) = blocks("python")
    name = module.splitlines()[0].removeprefix("# ")
    assert (folder / name).exists(), "the first step makes the file that the second one fills"
    (folder / name).write_text(module.partition("\n")[2], "utf-8")
    (diff,) = blocks("diff")
    apply(diff, folder / "cuidx" / "formats" / "registry.py")
    after = contents(folder)
    changed = {path for path in after if after[path] != before.get(path)}
    assert changed == {name, "cuidx/formats/registry.py"}
    assert set(after) - set(before) == {name}
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A Python command in FOLDER, with the package that is there."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "100", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def console() -> Iterator[tuple[str, list[str]]]:
    for block in blocks("console"):
        yield from commands_of(block)


@pytest.mark.parametrize(("command", "shown"), list(console()))
def test_the_new_format_answers_as_the_page_shows(
    command: str, shown: list[str], copy: Path
) -> None:
    words = command.split()
    assert words[:2] == ["$", "cuidx"]
    real = [line.rstrip() for line in run(copy, *words[1:]).stdout.splitlines()]
    if WRITE:
        old = "\n".join([command, *shown, ""])
        new = "\n".join([command, *renewed(shown, real), ""])
        PAGE.write_text(PAGE.read_text("utf-8").replace(old, new), "utf-8")
    else:
        assert fits(shown, real), "\n".join(["the command prints:", *real])


def test_the_new_format_is_listed_and_chosen_for_its_lines(copy: Path) -> None:
    listed = json.loads(run(copy, "cuidx", "formats", "-f", "json").stdout)["formats"]
    assert "compose" in [row["name"] for row in listed]
    said = run(copy, "cuidx", "timeline", str(LINES), "-f", "json", "-q").stdout
    answer = json.loads(said)
    assert answer["accounting"]["sources"][0]["format"] == "compose"
    lines = {row["container"]: row["lines"] for row in answer["containers"]}
    assert lines == {"web-1": 10, "redis-1": 12}


def test_the_tests_of_formats_accept_it(copy: Path) -> None:
    (words,) = [block.split() for block in blocks("sh") if block.startswith("pytest tests/test_f")]
    for name in ("test_formats.py", "conftest.py", "stories.py"):
        if (ROOT / "tests" / name).exists():
            (copy / "tests").mkdir(exist_ok=True)
            shutil.copy(ROOT / "tests" / name, copy / "tests")
    done = run(copy, *words, "-p", "no:cacheprovider", "-q")
    assert done.returncode == 0, done.stdout


def test_the_module_is_written_as_the_linter_wants_it(copy: Path) -> None:
    for words in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        done = run(copy, "ruff", *words, "cuidx/formats/compose.py")
        assert done.returncode == 0, done.stdout


def test_the_page_names_every_part_of_the_package() -> None:
    told = PAGE.read_text("utf-8").partition("## Running")[0]
    parts = [
        f"{path.name}/" if path.is_dir() else path.name
        for path in sorted((ROOT / "cuidx").iterdir())
        if not path.name.startswith("__")
    ]
    assert [part for part in parts if f"`{part}`" not in told] == []
