"""`cuidx tag` and `cuidx manifest` as commands of cuidx."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from pathlib import Path

import pytest

from cuidx.cli.app import run
from cuidx.tagger import manifest

from .conftest import ROOT, Lab, suffixed

# What `cuidx tag` must not load on its way to the first line. `site` may load some for an editable
# installation, hence -S.
HEAVY = ["typing", "typer", "click", "rich", "polars", "argparse", "dataclasses", "cuidx.errors"]


def cuidx(lab: Lab, *words: str) -> subprocess.CompletedProcess[bytes]:
    """`python -m cuidx WORDS`."""
    command = [sys.executable, "-m", "cuidx", *words]
    return subprocess.run(command, env=lab.env, capture_output=True, check=False, timeout=60)


def ask(*words: str) -> tuple[int, str, str]:
    """Exit code and both outputs of a command line, in this process."""
    out, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
        code = run(list(words))
    return code, out.getvalue(), said.getvalue()


def options_of(lab: Lab) -> list[str]:
    command = lab.command("--once")
    return command[command.index("--source") :]


def test_cuidx_tag_is_the_tagger(lab: Lab) -> None:
    (lab.source / "app.log").write_bytes(b"one\n")
    done = cuidx(lab, "tag", *options_of(lab))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    lab.mirror("app.log", suffixed(b"one\n"))
    with (lab.source / "app.log").open("ab") as log:
        log.write(b"two\n")
    # By way of typer it is the same.
    code = "import sys; from cuidx.cli.app import run; sys.exit(run(sys.argv[1:]))"
    typer = [sys.executable, "-c", code, "tag", *options_of(lab)]
    subprocess.run(typer, env=lab.env, check=True, timeout=60)
    lab.mirror("app.log", suffixed(b"one\ntwo\n"))


def test_it_starts_without_what_the_other_commands_need(lab: Lab) -> None:
    code = (
        "import runpy, sys\n"
        "try: runpy.run_module('cuidx', run_name='__main__', alter_sys=True)\n"
        f"except SystemExit as end: print(end.code, [n for n in {HEAVY} if n in sys.modules])"
    )
    command = [sys.executable, "-S", "-c", code, "tag", *options_of(lab)]
    done = subprocess.run(command, env=lab.env, capture_output=True, check=True, timeout=60)
    assert done.stdout == b"0 []\n"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--out", "out"], 2, "cuidx tag: what to watch? give --source DIR\n"),
        (["--source", "nowhere", "--out", "out"], 3, "cuidx tag: --source nowhere: no such folder\n"),
        (["--speed", "9"], 2, "cuidx tag: no such option: --speed; `cuidx tag --help` lists them\n"),
        (["--source", ".", "--out"], 2, "cuidx tag: --out needs DIR\n"),
    ],
    ids=["no source", "no such source", "no such option", "no value"],
)  # fmt: skip
def test_errors_are_one_plain_line(lab: Lab, words: list[str], code: int, said: str) -> None:
    done = cuidx(lab, "tag", *words)
    assert (done.returncode, done.stdout.decode(), done.stderr.decode()) == (code, "", said)


def test_its_help_fits_a_terminal(lab: Lab) -> None:
    done = cuidx(lab, "tag", "--help")
    assert (done.returncode, done.stderr) == (0, b"")
    assert max(map(len, done.stdout.decode().splitlines())) <= 84


@pytest.mark.parametrize("kind", ["sidecar", "daemonset"])
def test_cuidx_manifest_prints_the_yaml(kind: str) -> None:
    assert ask("manifest", kind) == (0, manifest.manifest(kind), "")
    given = {"svc": "payment.shop.prod", "image": "team/tag:1", "name": "pay"}
    words = [word for name, value in given.items() for word in (f"--{name}", value)]
    assert ask("manifest", kind, *words) == (0, manifest.manifest(kind, **given), "")


@pytest.mark.parametrize(
    "words", [[], ["pod"], ["sidecar", "daemonset"], ["sidecar", "--uid", "0"]]
)
def test_a_manifest_of_another_kind_is_wrong_usage(words: list[str]) -> None:
    code, out, said = ask("manifest", *words)
    assert (code, out) == (2, "")
    assert said.startswith("cuidx: ")
    assert said.endswith(" manifest --help'\n")
    assert said.count("\n") == 2


def test_the_script_and_the_module_are_the_same(lab: Lab) -> None:
    for name in ("cuidx", "cuidx-tag"):
        script = Path(sys.executable).with_name(name)
        assert script.exists(), "cuidx is not installed beside this Python"
        words = ["tag"] if name == "cuidx" else []
        done = subprocess.run([script, *words, "--version"], capture_output=True, check=True)
        assert done.stdout.startswith(b"cuidx tag 0.1.0 ")


def test_what_the_tests_need_and_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
    (tmp_path / "id").chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", ROOT / "tests" / "install-tools"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 1
    first, second = done.stderr.splitlines()
    assert first.startswith("missing for the tests with real parts: ")
    assert {"podman", "nodejs", "npm"} <= set(first.split())
    assert "those tests fail" in second
