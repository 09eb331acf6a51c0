"""README and docs/ show what the commands really print, and name what really exists.

`CUIDX_GOLDEN=write pytest tests/test_docs.py` writes the outputs and tables anew; read the diff.
"""

from __future__ import annotations

import doctest
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cuidx.cli.app import COMMANDS
from cuidx.formats.documents import FIELDS
from cuidx.formats.registry import FORMATS
from cuidx.schema import ROLES

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
WRITE = os.environ.get("CUIDX_GOLDEN") == "write"
BLOCK = re.compile(r"^```(console|pycon)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Only these run here: docs/contributing.md's commands need the format it adds (test_contributing).
RUN_ELSEWHERE = {"contributing.md"}
BROKEN = ("internal error", "panicked at", "Traceback")
RUNNABLE = re.compile(r"\$ (cuidx|head) ")


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """`cuidx` on the PATH is the one under test, and writes as into a pipe of 100 columns."""
    folder = tmp_path_factory.mktemp("bin")
    command = folder / "cuidx"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m cuidx "$@"\n')
    command.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "LC_ALL": "C.UTF-8",
    }


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def commands_of(block: str) -> Iterator[tuple[str, list[str]]]:
    """Each `$ command` of a block with the lines shown below it."""
    command = ""
    shown: list[str] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            if command:
                yield command, shown
            command, shown = line, []
        else:
            shown.append(line)
    if command:
        yield command, shown


def printed(command: str, environment: dict[str, str]) -> list[str]:
    """What COMMAND prints, standard error after standard output, as in a terminal."""
    done = subprocess.run(
        ["sh", "-c", command.removeprefix("$ ")],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    return [line.rstrip() for line in done.stdout.splitlines()]


def fits(shown: list[str], real: list[str]) -> bool:
    """Whether REAL is what is SHOWN; a line `…` stands for any number of lines."""
    if "…" not in shown:
        return shown == real
    at = shown.index("…")
    rest = shown[at + 1 :]
    if shown[:at] != real[:at]:
        return False
    return any(fits(rest, real[start:]) for start in range(at, len(real) + 1))


def renewed(shown: list[str], real: list[str]) -> list[str]:
    """REAL, with as many lines before and after a `…` as were SHOWN."""
    if "…" not in shown:
        return real
    before, after = shown.index("…"), len(shown) - 1 - shown.index("…")
    return [*real[:before], "…", *real[len(real) - after :]]


CONSOLE = [
    pytest.param(page, command, shown, id=f"{name_of(page)}: {command}")
    for page in PAGES
    if page.name not in RUN_ELSEWHERE
    for kind, block in BLOCK.findall(page.read_text("utf-8"))
    if kind == "console"
    for command, shown in commands_of(block)
]


@pytest.mark.parametrize(("page", "command", "shown"), CONSOLE)
def test_a_command_prints_what_the_page_shows(
    page: Path, command: str, shown: list[str], environment: dict[str, str]
) -> None:
    assert RUNNABLE.match(command), "only cuidx and head are run here; use a ```sh block for others"
    real = printed(command, environment)
    if WRITE:
        assert not any(sign in "\n".join(real) for sign in BROKEN), "not written to the page"
        text = page.read_text("utf-8")
        old, new = "\n".join([command, *shown]), "\n".join([command, *renewed(shown, real)])
        assert text.count(f"{old}\n") == 1
        page.write_text(text.replace(f"{old}\n", f"{new}\n"), "utf-8")
    else:
        assert fits(shown, real), "\n".join(["the command prints:", *real])


def test_the_elision_fits_any_number_of_lines_and_nothing_else() -> None:
    assert fits(["a", "…", "c"], ["a", "b", "b", "c"])
    assert fits(["a", "…"], ["a"])
    assert not fits(["a", "…", "c"], ["a", "b"])
    assert not fits(["a"], ["a", "b"])


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_sessions_give_what_the_page_shows(
    page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    sessions = [block for kind, block in BLOCK.findall(page.read_text("utf-8")) if kind == "pycon"]
    for session in sessions:
        test = doctest.DocTestParser().get_doctest(session, {}, name_of(page), str(page), 0)
        said: list[str] = []
        doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append)
        assert not said, "".join(said)


def generated(kind: str) -> str:
    """The table that belongs between `<!-- KIND -->` and `<!-- /KIND -->`."""
    if kind == "formats":
        rows = [
            "| format | what it is | where the layout is from |",
            "| --- | --- | --- |",
            *(
                f"| `{f.NAME}` | {f.TITLE} | {f.SOURCE} |".replace("ES|QL", "ES\\|QL")
                for f in sorted(FORMATS, key=lambda f: f.NAME)
            ),
        ]
    else:
        rows = [
            "| role | keys, best first |",
            "| --- | --- |",
            *(f"| `{role}` | {', '.join(f'`{key}`' for key in FIELDS[role])} |" for role in ROLES),
        ]
    return "\n".join(rows)


@pytest.mark.parametrize(("page", "kind"), [("README.md", "formats"), ("docs/fields.md", "keys")])
def test_a_table_is_what_the_code_says(page: str, kind: str) -> None:
    path = ROOT / page
    text = path.read_text("utf-8")
    begin, end = f"<!-- {kind} -->\n", f"<!-- /{kind} -->"
    before, rest = text.split(begin)
    table, after = rest.split(end)
    wanted = f"\n{generated(kind)}\n\n"
    if WRITE:
        path.write_text(f"{before}{begin}{wanted}{end}{after}", "utf-8")
    else:
        assert table == wanted


def test_the_readme_names_every_command_and_option(environment: dict[str, str]) -> None:
    readme = PAGES[0].read_text("utf-8")
    for name in COMMANDS:
        assert f"cuidx {name}" in readme
        said = "\n".join(printed(f"$ cuidx {name} --help", environment))
        for option in set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", said, re.MULTILINE)) - {"--help"}:
            assert f"`{option}" in readme, f"{option} of cuidx {name}"


def test_the_fields_page_explains_every_role() -> None:
    page = (ROOT / "docs" / "fields.md").read_text("utf-8")
    explained = page.partition("## Roles")[2].partition("\n## ")[0]
    assert [role for role in ROLES if f"`{role}`" not in explained] == []


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=name_of)
def test_links_lead_to_files(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def check_in(folder: Path, *words: str, tests_end: int = 0, ruff_ends: int = 0) -> list[str]:
    """`./check` in FOLDER with tools that only end with a code: last lines and exit code."""
    shutil.copy(ROOT / "check", folder)
    shutil.copy(ROOT / "pyproject.toml", folder)
    tools = folder / ".venv" / "bin"
    tools.mkdir(parents=True)
    shutil.copy(ROOT / "pyproject.toml", tools.parent / "checked-pyproject.toml")
    (folder / "tests").mkdir()
    (folder / "tests" / "install-tools").write_text("#!/bin/sh\n")
    (folder / "tests" / "install-tools").chmod(0o755)
    python = (
        f'case "$*" in *__file__*) echo {folder}/cuidx/__init__.py;; '
        f"*pytest*) exit {tests_end};; esac"
    )
    for name, does in {"python": python, "ruff": f"exit {ruff_ends}", "mypy": ":"}.items():
        (tools / name).write_text(f"#!/bin/sh\n{does}\n")
        (tools / name).chmod(0o755)
    done = subprocess.run(
        ["./check", *words], cwd=folder, capture_output=True, encoding="utf-8", check=False
    )
    return [*done.stdout.splitlines()[-2:], str(done.returncode)]


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        ((0, 0), ["check: lint ok, layout ok, types ok, tools ok, tests ok", "0"]),
        ((5, 0), ["check: lint ok, layout ok, types ok, tools ok, tests FAILED (5)", "5"]),
        ((0, 2), ["check: lint FAILED (2), layout FAILED (2), types ok, tools ok, tests ok", "1"]),
        (
            (1, 2),
            [
                "check: lint FAILED (2), layout FAILED (2), types ok, tools ok, tests FAILED (1)",
                "1",
            ],
        ),
        (
            (2, 1),
            [
                "check: lint FAILED (1), layout FAILED (1), types ok, tools ok, tests FAILED (2)",
                "2",
            ],
        ),
    ],
    ids=["all is well", "no tests found", "the linter", "both", "pytest's code goes first"],
)
def test_check_passes_on_what_failed(
    codes: tuple[int, int], said: list[str], tmp_path: Path
) -> None:
    assert check_in(tmp_path, tests_end=codes[0], ruff_ends=codes[1])[1:] == said


def test_check_says_what_sizes_ran(tmp_path: Path) -> None:
    usual, full = tmp_path / "usual", tmp_path / "full"
    usual.mkdir()
    full.mkdir()
    assert check_in(usual)[0] == (
        "check: sizes: cut: 20 kills, 12 worlds of the tagger by seed, a short soak, 4 Pods, "
        "3,000 containers in the index, fewer examples of each property, a part of each cross "
        "(sample and way, shape and neighbours), no benchmarks; for all of it: ./check --full"
    )
    said = check_in(full, "--full")
    benchmarks = [
        "tests/bench/start.py",
        "tests/bench/timeline.py",
        "tests/bench/steps.py",
        "tests/bench/report.py",
        "tests/bench/shapes.py",
        "tests/bench/elastic.py",
        "tests/bench/study.py",
        "tests/bench/tagger.py",
        "tests/lab/overhead.py",
        "tests/lab/identity.py",
    ]
    assert said == [
        "check: sizes: full: 200 kills, 400 worlds of the tagger by seed, the long soak, 12 Pods, "
        "and the benchmarks: " + " ".join(benchmarks),
        "check: lint ok, layout ok, types ok, tools ok, tests ok, "
        + ", ".join(f"{name} ok" for name in benchmarks),
        "0",
    ]


def test_check_says_plainly_that_python_is_missing(tmp_path: Path) -> None:
    shutil.copy(ROOT / "check", tmp_path)
    done = subprocess.run(
        ["./check"],
        cwd=tmp_path,
        env={**os.environ, "PYTHON": "no-such-python"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "check: Python 3.11 or newer is needed, and none was found\n"
        "check: install it, or say where it is: PYTHON=/path/to/python ./check\n"
    )


def test_the_benchmarks_at_full_size_are_there() -> None:
    (said,) = re.findall(r'^full_size="(.*?)"', (ROOT / "check").read_text("utf-8"), re.MULTILINE)
    assert [name for name in said.split() if not (ROOT / name).is_file()] == []


FIGURES = re.compile(r"<!-- benchmark: figures from (\S+) -->(.*?)<!-- /benchmark -->", re.DOTALL)


def test_the_figures_of_the_benchmark_are_those_that_were_measured_last() -> None:
    page = ROOT / "README.md"
    text = page.read_text("utf-8")
    (found,) = FIGURES.finditer(text)
    _title, _command, figures = (ROOT / found[1]).read_text("utf-8").split("\n\n", 2)
    expected = f"\n\n{figures.strip()}\n\n"
    if WRITE:
        begin, end = found.span(2)
        page.write_text(text[:begin] + expected + text[end:], "utf-8")
    else:
        assert found[2] == expected
