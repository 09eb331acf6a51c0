"""What may import what, and that nothing that was written is left unregistered."""

import ast
import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from inspect import signature
from pathlib import Path

import polars as pl
import pytest

import cuidx
from cuidx.cli import app
from cuidx.formats.registry import BY_NAME, FORMATS

ROOT = Path(cuidx.__file__).parent
# A layer imports itself and those before it. `reading` stands below `analyses` because those take
# what it gives, `case` above `present` because a Case shows itself.
RANKS = (
    *(
        "errors",
        "suffix",
        "tagger",
        "schema",
        "times",
        "simulation",
        "sources",
        "formats",
        "enrich",
        "reading",
    ),
    *("follow", "analyses", "present", "charts", "report", "case", "cli"),
)
# The same inside `case`: what questions stand on, the questions, the Case that has them, opening one.
CASE_RANKS = (
    ("rows", "documents", "server", "lines"), ("story",), ("filters", "told"), ("look",),
    ("convert", "detect", "findings", "flow", "pictures", "push", "split", "steps", "trace"),
    ("report",),
    ("case",), ("config",), ("opening",), ("__init__",),
)  # fmt: skip
FACADE = {"__init__.py", "__main__.py"}  # of the package itself: they lead to `case` and `cli`
MODULES = sorted(path for path in ROOT.rglob("*.py") if str(path.relative_to(ROOT)) not in FACADE)
# Where a command and the Case method that answers it have different names.
METHODS = {"timeline": "lifetimes"}
HEAVY = {"polars", "rich", "elasticsearch", "orjson", "altair", "vl_convert"}


def name_of(path: Path) -> str:
    """`cuidx.formats.cri` for its file."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def imported(path: Path) -> Iterator[str]:
    """Every module that PATH imports, wherever in it: late imports and those for types too."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            assert node.module is not None
            if node.module == "cuidx":  # `from cuidx import times`: each name may be a layer
                yield from (f"cuidx.{alias.name}" for alias in node.names)
            else:
                yield node.module


def layer_of(module: str) -> str | None:
    """The layer of a module of ours; None for others and for names of the package itself."""
    package, _, rest = module.partition(".")
    layer = rest.partition(".")[0]
    there = (ROOT / layer).is_dir() or (ROOT / f"{layer}.py").is_file()
    return layer if package == "cuidx" and layer and there else None


# --- what may import what ------------------------------------------------------------------------


def test_every_layer_has_a_rank_and_every_rank_is_a_layer() -> None:
    assert {layer_of(name_of(path)) for path in MODULES} == set(RANKS)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nothing_imports_upwards(path: Path) -> None:
    layer = layer_of(name_of(path))
    assert layer is not None
    reached = {other for module in imported(path) if (other := layer_of(module)) is not None}
    above = [other for other in sorted(reached) if RANKS.index(other) > RANKS.index(layer)]
    assert above == [], f"{layer} stands below {above}"


@pytest.mark.parametrize("path", sorted((ROOT / "case").glob("*.py")), ids=name_of)
def test_nothing_in_case_imports_upwards_and_no_question_another(path: Path) -> None:
    rank = {name: at for at, names in enumerate(CASE_RANKS) for name in names}
    reached = {module for module in imported(path) if layer_of(module) == "case"}
    above = [module for module in sorted(reached)
             if rank[module.rpartition(".")[2]] >= rank[path.stem]]  # fmt: skip
    assert above == [], f"{path.stem} does not stand above {above}"


@pytest.mark.parametrize("path", sorted((ROOT / "tagger").rglob("*.py")), ids=name_of)
def test_the_tagger_imports_the_standard_library_the_suffix_and_itself(path: Path) -> None:
    allowed = ("cuidx.suffix", "cuidx.tagger")
    others = [
        module
        for module in imported(path)
        if module.partition(".")[0] not in sys.stdlib_module_names
        and not any(module == name or module.startswith(f"{name}.") for name in allowed)
    ]
    assert others == []


def test_the_suffix_imports_nothing_so_that_the_tagger_may_share_it() -> None:
    assert list(imported(ROOT / "suffix.py")) == []


@pytest.mark.parametrize("how", [["-c", "import cuidx"], ["-m", "cuidx", "--help"]], ids=" ".join)
def test_the_first_step_loads_nothing_heavy(how: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *how],
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=60,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
    assert "cuidx" in loaded
    assert loaded & HEAVY == set()


def loaded_by(*words: str) -> set[str]:
    """The modules that a command loads to write JSON."""
    line = [*words, "-q", "-f", "json", "-o", os.devnull]
    shown = f"import sys; from cuidx.cli.app import run; run({line!r}); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", shown],
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=60,
        cwd=ROOT.parent,
    )
    return set(done.stdout.split())


def test_a_question_loads_no_other_command_and_nothing_to_check_plain_values_with() -> None:
    loaded = loaded_by("timeline", "fixtures/paper/figure5.jsonl")
    assert "cuidx.cli.timeline" in loaded
    assert loaded & {"cuidx.cli.report", "pydantic", "rich", "elasticsearch", "altair"} == set()
    assert {name for name in loaded if name.startswith("cuidx.sources.elastic.")} == {
        "cuidx.sources.elastic.layout"
    }


def test_rows_of_columns_load_no_format_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    rows = {"time": "2026-11-02T09:00:00Z", "cuid": "c1", "message": "up", "level": "INFO"}
    pl.DataFrame([rows] * 40).write_parquet(path)
    loaded = loaded_by("timeline", str(path))
    assert {"cuidx.formats.rows", "cuidx.formats.lines"} <= loaded
    assert loaded & {"cuidx.formats.registry", "cuidx.formats.klog"} == set()


# --- nothing is left unregistered ----------------------------------------------------------------


def constants_of(path: Path) -> set[str]:
    """Names that a module assigns at its top."""
    found = set()
    for node in tree_of(path).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


WITH_NAME = [path for path in (ROOT / "formats").glob("*.py") if "NAME" in constants_of(path)]


def test_the_modules_with_a_name_are_the_formats() -> None:
    listed = [format_.__name__ for format_ in FORMATS]
    assert sorted(listed) == sorted(map(name_of, WITH_NAME))
    assert len(BY_NAME) == len(FORMATS), "two formats have one name"


@pytest.mark.parametrize("path", WITH_NAME, ids=name_of)
def test_a_format_says_what_it_is_and_shows_it(path: Path) -> None:
    format_ = importlib.import_module(name_of(path))
    assert format_.TITLE.strip()
    assert format_.SOURCE.strip()
    assert format_.SAMPLES
    assert all(sample.raw.strip() and sample.reads for sample in format_.SAMPLES)


def commands_in(path: Path) -> Iterator[tuple[str, ast.FunctionDef]]:
    """(name on the command line, function) of each `@app.command` in PATH."""
    for node in tree_of(path).body:
        if isinstance(node, ast.FunctionDef):
            for decorator in node.decorator_list:
                called = decorator.func if isinstance(decorator, ast.Call) else decorator
                if ast.unparse(called) == "app.command":
                    said = decorator.args if isinstance(decorator, ast.Call) else []
                    named = ast.literal_eval(said[0]) if said else None
                    yield named or node.name.replace("_", "-"), node


COMMANDS = {
    name: function
    for path in sorted((ROOT / "cli").rglob("*.py"))
    for name, function in commands_in(path)
}
QUESTIONS = sorted(
    name
    for name, function in COMMANDS.items()
    if any(ast.unparse(a.annotation or a) == "o.Sources" for a in function.args.args)
)


def test_a_command_is_listed_as_its_own_module_has_it() -> None:
    written = {
        name: (ast.get_docstring(function) or "").partition("\n")[0]
        for path in (ROOT / "cli").glob("*.py")
        for name, function in commands_in(path)
        if name == path.stem
    }
    assert written == app.COMMANDS
    assert set(COMMANDS) == set(app.COMMANDS)


def test_every_command_that_was_written_is_in_the_help() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cuidx", "--help"],
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=60,
    )
    _, _, listed = done.stdout.partition("\nCommands:\n")
    rows = listed.partition("\n\n")[0].splitlines()
    shown = [row.split()[0] for row in rows if row[2:3] > " "]  # the others go on with a help text
    assert sorted(shown) == sorted(COMMANDS)


@pytest.mark.parametrize("command", QUESTIONS)
def test_a_command_with_a_question_has_a_method_of_case(command: str) -> None:
    method = METHODS.get(command, command)
    assert callable(getattr(cuidx.Case, method, None)), f"Case.{method}"


@pytest.mark.parametrize("command", QUESTIONS)
def test_how_a_command_reads_and_chooses_can_be_said_in_python_too(command: str) -> None:
    shown_only = {"form", "output", "rejects", "strict", "verbose", "quiet", "no_color"}
    options = {argument.arg for argument in COMMANDS[command].args.args} - shown_only
    question = getattr(cuidx.Case, METHODS.get(command, command))
    in_python = {*signature(cuidx.open_case).parameters, *signature(question).parameters}
    assert options - in_python == set()


@pytest.mark.parametrize("name", cuidx.__all__)
def test_no_module_takes_the_place_of_a_public_name(name: str) -> None:
    # A module that is imported becomes an attribute of its package, over `__getattr__`.
    assert not (ROOT / f"{name}.py").exists()
    assert not (ROOT / name).exists()
