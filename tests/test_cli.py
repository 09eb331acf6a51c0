"""The command line, as a user meets it: what is typed, what comes back, and where.

tests/golden/cli holds transcripts: `$ command`, standard output, `-- exit code`, standard error.
`CUIDX_GOLDEN=write pytest tests/test_cli.py` runs their commands anew; read the diff.
"""

import contextlib
import csv
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest
from stories import jsonl, suffix

import cuidx
from cuidx import times
from cuidx.cli.app import COMMANDS, run
from cuidx.formats.registry import BY_NAME

ROOT = Path(__file__).parent.parent
GOLDEN = Path(__file__).parent / "golden" / "cli"
WRITE = os.environ.get("CUIDX_GOLDEN") == "write"
EXPORT = "fixtures/dev/export.jsonl"
FIGURE = "fixtures/paper/figure5.jsonl"
CUT = "fixtures/formats/jsonl-cut.jsonl"
SETTINGS = ("NO_COLOR", "FORCE_COLOR", "CUIDX_DEBUG", "TERM")


class Said(NamedTuple):
    """What a command line came to."""

    code: int
    out: str
    err: str


def ask(*words: str, stdin: bytes | None = None, **environment: str) -> Said:
    """`cuidx WORDS` in this process; STDIN None leaves standard input as it is."""
    out, err = io.BytesIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, io.TextIOWrapper(out, "utf-8") as stdout:
        patch.setattr(sys, "argv", ["cuidx", *words])
        patch.setattr(sys.modules["__main__"], "__package__", "", raising=False)  # not pytest's
        for name in SETTINGS:
            patch.delenv(name, raising=False)
        for name, value in ({"COLUMNS": "100"} | environment).items():
            patch.setenv(name, value)
        if stdin is not None:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(err):
            code = run(list(words))
        stdout.flush()
        return Said(code, out.getvalue().decode(), err.getvalue())


@contextlib.contextmanager
def started(*words: str, **more: Any) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m cuidx WORDS` in a process of its own, which is gone when the block ends."""
    environment = {k: v for k, v in os.environ.items() if k not in SETTINGS}
    environment |= {"COLUMNS": "100"} | more.pop("env", {})
    with subprocess.Popen(
        [sys.executable, "-m", "cuidx", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, **more,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def ended(process: subprocess.Popen[bytes], within: float = 60) -> Said:
    out, err = process.communicate(timeout=within)
    return Said(process.returncode, out.decode(), err.decode())


# --- a folder as a user may have it --------------------------------------------------------------

AA, AB, BB = (
    f"{start}-5a1f-4c0e-9d2b-7e6f5a4b3c2d" for start in ("aa0c93f1", "aa7d20b4", "b3c41e88")
)
NODES = "1c6f0f5e-2a55-4d9c-8a9e-0b6f3a1d7e01"


def place(folder: Path) -> None:
    """The fixtures, and small logs beside them."""
    for name in ("fixtures", "docs"):
        (folder / name).symlink_to(ROOT / name)
    log = jsonl(
        [
            {"time": f"2026-11-0{day}T{hour:02}:30:00Z", "level": level, "cuid": cuid,
             "service": service, "pod_ip": ip, "request_id": f"r{hour}", "msg": "order accepted"}
            for day, hour, cuid, service, ip, level in (
                (1, 9, AA, "pay", "10.0.0.1", "INFO"), (1, 22, AA, "pay", "10.0.0.1", "ERROR"),
                (2, 8, AB, "mail", "10.0.0.1", "INFO"), (2, 9, BB, "pay", "10.0.0.2", "INFO"),
                (2, 10, AB, "mail", "10.0.0.1", "WARN"), (2, 11, BB, "pay", "10.0.0.2", "FATAL"),
            )
        ]
    )  # fmt: skip
    (folder / "two-days.jsonl").write_bytes(log)
    first, *others = log.splitlines(keepends=True)
    (folder / "broken.jsonl").write_bytes(
        first
        + b'{"time":"2026-11-02T09:00:00Z","msg":"caf\xe9 \x1b[31m\n'
        + b"plain text is an event\n\n"
        + b'["no", "record"\r\n'
        + b"".join(others)
        + b'{"time":"2026-11-02T09:00:01Z","ms'
    )
    (folder / "zoneless.log").write_text(
        "2026-11-02 09:00:00 INFO start" + suffix(AA, "pay.shop.lab") + "\n"
        "2026-11-02 09:00:05 ERROR stop" + suffix(AA, "pay.shop.lab") + "\n"
    )
    (folder / "headers.jsonl").write_bytes(
        jsonl([{"t": "2026-11-02T09:00:00Z", "who": AA, "headers": {"X-Request-Id": "r1"}},
               {"t": "2026-11-02T09:00:09Z", "who": AA, "headers": {"X-Request-Id": "r2"}}])
    )  # fmt: skip
    (folder / "with-config" / "logs").mkdir(parents=True)
    (folder / "with-config" / "logs" / "app.jsonl").write_bytes(
        (folder / "headers.jsonl").read_bytes()
    )
    settings = '[field]\ntime = "t"\ncuid = "who"\nrequest_id = "headers.x-request-id"\n'
    (folder / "with-config" / "cuidx.toml").write_text(settings)
    (folder / "mine.toml").write_text('tz = "Europe/Berlin"\n' + settings)
    (folder / "cut.log.gz").write_bytes(_cut_gzip(log))
    (folder / "damaged.log.gz").write_bytes(_damaged_gzip(log))
    (folder / "odd.log").write_text(
        f"2026-11-02T09:00:00Z INFO paid {suffix(BB, 'pay.a.b')}{suffix(AA, 'pay.shop.lab')}\n"
        + "".join(
            json.dumps({"time": f"2026-11-02T09:00:{second:02}Z", "cuid": cuid, "ip": "10.0.0.9"})
            + "\n"
            for second, cuid in ((1, AA), (3, BB), (5, AA), (8, BB))
        )
    )
    (folder / "core").write_bytes(bytes(range(256)) * 64)


def _cut_gzip(data: bytes) -> bytes:
    import gzip

    return gzip.compress(data, mtime=0)[:-6]  # the data are whole; their checksum is cut


def _damaged_gzip(data: bytes) -> bytes:
    import gzip

    packed = bytearray(gzip.compress(data, mtime=0))
    packed[-5] ^= 1  # of the checksum
    return bytes(packed)


@pytest.fixture(scope="module")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    place(folder)
    return folder


@pytest.fixture(autouse=True)
def _there(_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(_place)


# --- transcripts ---------------------------------------------------------------------------------

INSTANCE = r"'(?<cuid>[0-9a-f]{32})@(?<ip>[0-9.]+)'"
UUID = r"'\[instance: (?<container_id>[0-9a-f-]{36})\]'"
LEVEL = r"'^\S+ \S+ \d+ (?<level>[A-Z]+)'"
T = "cuidx timeline"
TRANSCRIPTS: dict[str, list[str]] = {
    "table": [
        f"{T} {FIGURE}",
        f"COLUMNS=80 {T} {EXPORT}",
        f"COLUMNS=160 {T} {EXPORT}",
        f"COLUMNS=80 {T} fixtures/dev/raw",
        f"{T} two-days.jsonl",
    ],
    "json": [f"{T} {CUT} -f json", f"{T} {CUT} -f jsonl -q"],
    "csv": [f"{T} {CUT} -f csv -q"],
    "markdown": [f"{T} {CUT} -f markdown -q"],
    "html": [f"{T} {FIGURE} -f html -q"],
    "output": [
        f"{T} {FIGURE} -f csv -o figure.csv",
        "cat figure.csv",
        f"{T} {FIGURE} -f parquet",
        f"{T} {FIGURE} -f csv -o no/such/folder.csv",
        f"{T} {FIGURE} -o fixtures",
        f"{T} {FIGURE} -f yaml",
    ],
    "times": [
        f"{T} two-days.jsonl --since 2026-11-02T09:30:00Z -q",
        f"{T} two-days.jsonl --since '2026-11-01 22:00' --until '2026-11-02 09:30' -q",
        f"{T} two-days.jsonl --since -2h -q",
        f"{T} two-days.jsonl --since yesterday --until today -q",
        f"{T} two-days.jsonl --since yesterday --now 2026-11-03T01:00Z",
        f"{T} two-days.jsonl --since 2027-01-01",
        f"{T} two-days.jsonl --since soon",
        f"{T} {FIGURE} --since -15m",
    ],
    "where": [
        f"{T} two-days.jsonl --where container=b3 -q",
        f"{T} two-days.jsonl --where container=aa",
        f"{T} two-days.jsonl --where container=zz",
        f"{T} two-days.jsonl --where colour=red",
        f"{T} two-days.jsonl --where service",
        f"{T} two-days.jsonl --where service=pay --where level=ERROR -q",
        f"{T} two-days.jsonl --where service=pay --where service=mail -q",
    ],
    "field": [
        f"{T} headers.jsonl",
        f"{T} headers.jsonl --field time=t --field cuid=who "
        "--field request_id=headers.x-request-id",
        f"{T} headers.jsonl --field user=who",
        f"{T} headers.jsonl --field who",
    ],
    "pattern": [
        f"{T} docs/examples/shop.log --pattern {INSTANCE}",
        f"{T} docs/examples/nova-compute.log --tz UTC --pattern {UUID} --pattern {LEVEL}",
        f"{T} docs/examples/shop.log --pattern '(?<cuid>[0-9a-f{{32}})'",
        f"{T} docs/examples/shop.log --pattern '([0-9a-f]{{32}})'",
        f"{T} docs/examples/shop.log --pattern '(?<user>[a-z]+)'",
    ],
    "config": [
        f"{T} with-config/logs",
        f"{T} with-config/logs -q",
        f"{T} headers.jsonl --config mine.toml",
        f"{T} headers.jsonl --config gone.toml",
        f"{T} headers.jsonl --config headers.jsonl",
        f"{T} docs/examples/orders",
        f"{T} with-config/logs docs/examples/orders",
        f"{T} with-config/logs docs/examples/orders --config mine.toml --tz UTC -q",
    ],
    "zones": [
        f"{T} zoneless.log",
        f"{T} zoneless.log --tz Europe/Berlin",
        f"{T} zoneless.log --tz Mars",
    ],
    "input-format": [
        f"{T} zoneless.log --input-format rawtext --tz UTC",
        f"{T} zoneless.log --input-format cri",
        f"{T} zoneless.log --input-format yaml",
        f"{T} two-days.jsonl --input-format elasticdump",
    ],
    "unreadable": [
        f"{T} broken.jsonl --rejects rejects.jsonl",
        "cat rejects.jsonl",
        f"{T} broken.jsonl --strict",
        f"{T} two-days.jsonl --strict --rejects none.jsonl -q",
        "cat none.jsonl",
    ],
    "sources": [
        f"{T} gone.log",
        f"{T} '*.nope'",
        f"{T} core",
        f"{T} cut.log.gz",
        f"{T} damaged.log.gz",
        f"{T} https://elastic:s3cret@127.0.0.1:1/logs-*",
        f"{T} https://elastic:s3cret@es.example/logs-*",
        f"{T} two-days.jsonl ./two-days.jsonl",
    ],
    "nothing": [
        f"{T} two-days.jsonl --where service=pay --where level=debug",
        f"{T} two-days.jsonl --where service=pay --where ip=10.0.0.1 --where container=b3",
        f"{T} two-days.jsonl --where service=mail --where level=error --since yesterday -q",
        f"{T} two-days.jsonl --where service=pay --where level=warning",
    ],
    "split": [
        "cuidx split two-days.jsonl -o parts",
        "cuidx split two-days.jsonl -o parts",
        "cuidx split two-days.jsonl broken.jsonl -o parts --force --by service -f json",
        "cat parts/mail.log",
        "cuidx split two-days.jsonl -o parts/by --by ip-lease -q",
        "cuidx split two-days.jsonl -o two-days.jsonl",
        "cuidx split two-days.jsonl -o no/such/folder",
        "cuidx split two-days.jsonl",
        "cuidx split two-days.jsonl -o else --by pod",
        "cuidx split two-days.jsonl -o else --where service=none",
    ],
    "findings": [
        f"cuidx findings {EXPORT}",
        "cuidx findings odd.log",
        "COLUMNS=60 cuidx findings odd.log -q",
        "cuidx findings odd.log broken.jsonl -f jsonl -q",
        "cuidx findings odd.log -f markdown -q",
    ],
    "said": [
        f"{T} {CUT} --verbose",
        f"{T} {CUT} --quiet",
        f"cat {FIGURE} | {T} -",
    ],
    "usage": [
        "cuidx --version",
        "cuidx --help",
        "cuidx timeline",
        "cuidx timelime x",
        f"{T} {FIGURE} --sinse -15m",
        "cuidx timeline --help",
        "cuidx formats",
        "cuidx formats -f csv",
    ],
}


def typed(command: str) -> Said:
    """COMMAND as a shell would run it, as far as the transcripts need one."""
    words, stdin, environment = shlex.split(command), None, {}
    if "|" in words:
        stdin, words = Path(words[1]).read_bytes(), words[3:]
    while re.fullmatch(r"[A-Z_]+=.*", words[0]):
        name, _, environment[name] = words.pop(0).partition("=")
    if words[0] == "cat":
        return Said(0, Path(words[1]).read_bytes().decode(), "")
    return ask(*words[1:], stdin=stdin, **environment)


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_the_transcript_is_as_it_was_last_read(name: str) -> None:
    parts = []
    for command in TRANSCRIPTS[name]:
        said = typed(command)
        parts.append(f"$ {command}\n{said.out}-- {said.code}\n{said.err}")
    transcript = "\n".join(parts)
    path = GOLDEN / f"{name}.txt"
    if WRITE:
        path.write_bytes(transcript.encode())
    assert transcript == path.read_bytes().decode()


def test_every_transcript_is_still_run() -> None:
    assert {path.stem for path in GOLDEN.glob("*")} == set(TRANSCRIPTS)


# --- standard output has the result and nothing else ---------------------------------------------


def answer(*words: str, **more: Any) -> dict[str, Any]:
    said = ask("timeline", *words, "-f", "json", **more)
    assert said.code in (0, 1), said.err
    found: dict[str, Any] = json.loads(said.out)
    return found


def test_json_is_one_object_with_what_the_contract_names() -> None:
    found = answer("broken.jsonl", "--verbose")
    assert list(found)[:2] == ["cuidx", "command"]
    assert set(found) == {"cuidx", "command", "accounting", "warnings", "containers"}
    assert (found["cuidx"], found["command"]) == (cuidx.__version__, "timeline")
    (source,) = found["accounting"].pop("sources")
    assert (source.pop("path"), source.pop("format")) == ("broken.jsonl", "jsonl-flat")
    assert source == found["accounting"]
    assert set(source) == {
        *("records", "events", "fragments", "duplicates", "evidence", "skipped", "blank"),
        *("unreadable", "tagged", "untagged", "first", "last"),
    }
    assert list(found["containers"][0]) == [
        *("container", "identity", "service", "namespace", "cluster", "pod", "node", "ips"),
        *("first_seen", "last_seen", "started", "ended", "end", "lines", "errors", "requests"),
        "reused_ips",
    ]


def test_all_forms_have_the_same_rows() -> None:
    rows = answer(EXPORT)["containers"]
    assert [
        json.loads(row) for row in ask("timeline", EXPORT, "-f", "jsonl").out.splitlines()
    ] == rows
    table = list(csv.DictReader(io.StringIO(ask("timeline", EXPORT, "-f", "csv").out)))
    assert [row["container"] for row in table] == [row["container"] for row in rows]
    assert [int(row["lines"]) for row in table] == [row["lines"] for row in rows]
    assert ask("timeline", EXPORT, "-f", "parquet", "-o", "rows.parquet").out == ""
    stored = pl.read_parquet("rows.parquet")
    assert stored.columns == list(rows[0])
    assert stored.rows(named=True) == rows
    for form in ("markdown", "html", "table"):
        shown = ask("timeline", EXPORT, "-f", form).out
        assert all(row["container"][:8] in shown for row in rows)


def test_the_command_line_says_what_python_says() -> None:
    case = cuidx.open_case(EXPORT)
    table = case.lifetimes()
    dated = [name for name, dtype in table.schema.items() if isinstance(dtype, pl.Datetime)]
    found = answer(EXPORT)
    assert found["containers"] == table.with_columns(times.text(pl.col(*dated))).to_dicts()
    assert found["accounting"] == case.accounting.as_json()
    assert found["warnings"] == case.warnings


FORMS = ["table", "json", "jsonl", "csv", "markdown", "html"]


@pytest.mark.parametrize("form", FORMS)
def test_a_file_gets_the_bytes_that_standard_output_gets(form: str) -> None:
    shown = ask("timeline", "broken.jsonl", "-f", form)
    said = ask("timeline", "broken.jsonl", "-f", form, "-o", "out")
    assert (said.code, said.out) == (0, "")
    assert Path("out").read_bytes().decode() == shown.out
    assert said.err == shown.err
    assert ask("timeline", "broken.jsonl", "-f", form, "-o", "-") == shown


@pytest.mark.parametrize("form", FORMS)
def test_messages_are_on_standard_error_alone(form: str) -> None:
    quiet = ask("timeline", "zoneless.log", "-f", form, "--quiet")
    loud = ask("timeline", "zoneless.log", "-f", form, "--verbose")
    assert (quiet.code, quiet.err) == (0, "")
    assert quiet.out == loud.out
    assert [row.partition(":")[0] for row in loud.err.splitlines()] == [
        "2 records", "read", "warning",
    ]  # fmt: skip


def test_exact_gives_the_same_bytes() -> None:
    for source in (EXPORT, CUT, "fixtures/dev/elasticdump.jsonl", "broken.jsonl"):
        quick, exact = (ask("timeline", source, "-f", "json", *more) for more in ([], ["--exact"]))
        assert quick == exact


def test_python_m_cuidx_and_the_script_are_the_same() -> None:
    words = ["timeline", str(ROOT / FIGURE), "-f", "json"]
    script = Path(sys.executable).parent / "cuidx"
    assert script.exists(), "cuidx is not installed here: there is no script"
    done = subprocess.run([script, *words], capture_output=True, check=False, timeout=60)
    with started(*words) as process:
        said = ended(process)
    assert said == Said(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert said == ask(*words)


# --- exit codes ----------------------------------------------------------------------------------

CODES = [
    (0, [EXPORT]),
    (0, ["broken.jsonl"]),
    (0, [FIGURE, "--strict"]),
    (1, [CUT, "--where", "container=nobody"]),
    (1, [EXPORT, "--since", "2030-01-01"]),
    (1, [CUT, "--where", "level=ERROR", "--until", "2020-01-01", "-f", "json"]),
    (2, []),
    (2, [CUT, "--format", "yaml"]),
    (2, [CUT, "-f", "parquet"]),
    (2, [CUT, "--since", "soon"]),
    (2, [CUT, "--now", "soon", "--since", "-1h"]),
    (2, [CUT, "--where", "=x"]),
    (2, [CUT, "--tz", "Mars"]),
    (2, [CUT, "--input-format", "yaml"]),
    (2, [CUT, "--where"]),
    (2, [CUT, "-o", "no/such/folder"]),
    (2, [CUT, "--rejects", "no/such/folder"]),
    (2, [CUT, "-o", ""]),
    (3, ["gone.log"]),
    (3, ["core"]),
    (3, ["cut.log.gz"]),
    (3, ["cut.log.gz", "broken.jsonl", "--strict"]),
    (3, ["cut.log.gz", "--where", "container=nobody"]),
    (3, [CUT, "--input-format", "cri"]),
    (3, [FIGURE, "--input-format", "parquet"]),
    (3, ["rows.parquet", "--input-format", "cri"]),
    (4, ["broken.jsonl", "--strict"]),
    (4, ["broken.jsonl", "--strict", "--quiet", "-f", "json"]),
    (4, ["broken.jsonl", EXPORT, "--strict", "-o", "out"]),
]


@pytest.mark.parametrize(
    ("code", "words"), CODES, ids=lambda v: " ".join(v) if isinstance(v, list) else v
)
def test_exit_codes(code: int, words: list[str]) -> None:
    pl.DataFrame({"cuid": ["aa"]}).write_parquet("rows.parquet")
    said = ask("timeline", *words)
    assert said.code == code, said.err
    if code in (2, 3) and "cut.log.gz" not in words:
        assert said.out == ""
        assert 1 < len(said.err.splitlines()) <= 2, said.err
        assert said.err.startswith("cuidx: ")
        assert "internal error" not in said.err
    if code == 4:
        assert said.out or Path("out").exists()


@pytest.mark.parametrize(
    "value",
    [
        *("pattern = 5", "pattern = [5]", "pattern = '(?<user>x)'", "tz = 5", "tz = 'Mars'"),
        *("input_format = ['cri']", "input_format = 'yaml'", "field = 5", "[field]\ntime = 5"),
        *("[field]\nuser = 'x'", "colour = 'red'", "tz = ", "\0"),
    ],
)
def test_a_wrong_config_is_wrong_usage_and_named(value: str) -> None:
    Path("bad.toml").write_text(value)
    said = ask("timeline", FIGURE, "--config", "bad.toml")
    assert said.code == 2, said.err
    assert said.err.startswith("cuidx: ")
    assert "bad.toml" in said.err


@pytest.mark.parametrize(
    "words",
    [["--since", "soon"], ["--until", "soon"], ["--since", "-1h", "--now", "soon"],
     ["--where", "time=soon"], ["-o", "no/such/folder.csv"], ["-o", "fixtures"]],
    ids=" ".join,
)  # fmt: skip
def test_what_can_not_work_is_said_before_anything_is_read(words: list[str]) -> None:
    said = ask("timeline", "core", *words)
    assert "core" not in said.err  # which is no text: reading it would have been the error
    assert said.code == 2


# --- what can be asked ---------------------------------------------------------------------------


def shown(*words: str) -> list[str]:
    return [row["container"] for row in answer(*words)["containers"]]


@pytest.mark.parametrize(
    ("words", "containers"),
    [
        (["--since", "2026-11-02T10:30:00Z"], [AB, BB]),
        (["--until", "2026-11-02T10:30:00Z"], [AA, AB, BB]),
        (["--until", "2026-11-02T09:30:00Z"], [AA, AB]),  # half-open: BB's first line is not in
        (["--since", "2026-11-02 10:30", "--until", "2026-11-02 10:30:01"], [AB]),
        (["--since", "2026-11-02T11:30+01:00", "--until", "2026-11-02T11:31+01:00"], [AB]),
        (["--since", "2026-11-02 11:30", "--tz", "Europe/Berlin", "--until", "-1m"], [AB]),
        (["--since", "-1h"], [AB, BB]),
        (["--since", "-90m", "--until", "-1s"], [AB]),
        (["--since", "yesterday", "--until", "today"], [AA]),
        (["--since", "yesterday", "--now", "2026-11-03T00:00:00Z"], [AB, BB]),
        (["--until", "-1d", "--now", "2026-11-02T12:00:00Z"], [AA]),
        (["--since", "2026-11-02"], [AB, BB]),
        (["--where", f"container={AB}"], [AB]),
        (["--where", "container=b"], [BB]),
        (["--where", "container=aa7"], [AB]),
        (["--where", "service=pay"], [AA, BB]),
        (["--where", "service=pay", "--where", "ip=10.0.0.2"], [BB]),
        (["--where", "service=mail", "--where", "service=pay"], [AA, AB, BB]),
        (["--where", "service=mail", "--where", "level=ERROR"], []),
        (["--where", "request_id=r22"], [AA]),
        (["--where", "line=4"], [BB]),
        (["--where", "source=two-days.jsonl", "--where", "identity=cuid"], [AA, AB, BB]),
        (["--where", "time=2026-11-02T10:30:00Z"], [AB]),
        (["--where", "message=order accepted", "--since", "-1s"], [BB]),
        (["--where", "service="], []),
    ],
    ids=lambda value: " ".join(value) if value and value[0].startswith("--") else "",
)
def test_what_is_chosen(words: list[str], containers: list[str]) -> None:
    assert shown("two-days.jsonl", *words) == containers


def test_what_is_chosen_changes_neither_leases_nor_accounting() -> None:
    every, some = answer("two-days.jsonl"), answer("two-days.jsonl", "--where", "service=mail")
    assert some["accounting"] == every["accounting"]
    (row,) = some["containers"]
    assert row["reused_ips"] == ["10.0.0.1"]


def test_an_ambiguous_prefix_names_those_that_it_fits() -> None:
    said = ask("timeline", "two-days.jsonl", "--where", "container=aa")
    assert (said.code, said.out) == (2, "")
    assert AA in said.err
    assert AB in said.err
    assert BB not in said.err


def test_the_head_of_the_table_has_the_times_of_what_is_shown() -> None:
    said = ask("timeline", "two-days.jsonl", "--where", "request_id=r22")  # one event
    assert said.out.startswith("2026-11-01 22:30:00 UTC · 1 container · ")


# --- rejects, strict, output ---------------------------------------------------------------------


def test_rejects_are_every_unreadable_record_and_nothing_else() -> None:
    said = ask("timeline", "broken.jsonl", EXPORT, "--rejects", "rejects.jsonl", "-f", "json",
               "--where", "service=pay")  # fmt: skip
    rejects = [json.loads(row) for row in Path("rejects.jsonl").read_text("utf-8").splitlines()]
    assert len(rejects) == json.loads(said.out)["accounting"]["unreadable"] == 3
    assert {tuple(row) for row in rejects} == {("source", "line", "why", "raw")}
    assert [(row["source"], row["line"]) for row in rejects] == [
        ("broken.jsonl", at) for at in (2, 5, 11)
    ]
    assert [row["raw"] for row in rejects] == [
        '{"time":"2026-11-02T09:00:00Z","msg":"caf\ufffd \x1b[31m',
        '["no", "record"\r',
        '{"time":"2026-11-02T09:00:01Z","ms',
    ]
    assert all(row["why"].startswith("no valid JSON: ") for row in rejects)


def test_rejects_are_written_when_strict_ends_with_4_and_when_a_source_is_cut_off() -> None:
    for code, words in ((4, ["broken.jsonl", "--strict"]), (3, ["broken.jsonl", "cut.log.gz"])):
        Path("rejects.jsonl").unlink(missing_ok=True)
        assert ask("timeline", *words, "--rejects", "rejects.jsonl").code == code
        assert len(Path("rejects.jsonl").read_text("utf-8").splitlines()) == 3


def test_an_error_leaves_what_was_there() -> None:
    for words in (["core"], [EXPORT, "--since", "soon"], [EXPORT, "--where", "container=8"]):
        Path("kept.json").write_text("kept")
        Path("kept.jsonl").write_text("kept")
        said = ask("timeline", *words, "-o", "kept.json", "--rejects", "kept.jsonl")
        assert said.code in (2, 3)
        assert Path("kept.json").read_text() == Path("kept.jsonl").read_text() == "kept"
    assert not list(Path().glob(".*.part"))


# --- interrupted, closed pipes, debugging --------------------------------------------------------


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[Callable[[], int]]:
    """Opens `pipe` for writing, which waits until somebody opened it to read."""
    os.mkfifo(tmp_path / "pipe")
    number: list[int] = []

    def opened() -> int:
        deadline = time.monotonic() + 30
        while not number:
            try:
                number.append(os.open(tmp_path / "pipe", os.O_WRONLY | os.O_NONBLOCK))
            except OSError:  # ENXIO: nobody reads yet
                assert time.monotonic() < deadline
                time.sleep(0.02)
        return number[0]

    yield opened
    for one in number:
        os.close(one)


def test_an_interrupt_leaves_no_half_written_file(fifo: Callable[[], int], tmp_path: Path) -> None:
    Path(tmp_path / "kept.csv").write_text("kept")
    words = ["timeline", "pipe", "-f", "csv", "-o", "kept.csv", "--rejects", "new.jsonl"]
    with started(*words, cwd=tmp_path) as process:
        os.write(fifo(), jsonl([{"cuid": AA, "msg": "x"}]) * 9 + b"{broken\n")
        time.sleep(0.3)  # it has read these, and waits for more
        process.send_signal(signal.SIGINT)
        said = ended(process, within=10)
    assert said.code == 130
    assert said.out == ""
    assert "Traceback" not in said.err
    assert "rror" not in said.err
    assert len(said.err.splitlines()) <= 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept.csv", "pipe"]
    assert Path(tmp_path / "kept.csv").read_text() == "kept"


@pytest.mark.parametrize("form", ["jsonl", "table"])
def test_a_reader_that_goes_away_is_no_error(form: str, tmp_path: Path) -> None:
    rows = [{"cuid": f"{n:032x}", "service": "pay", "ip": "10.0.0.1"} for n in range(1000)]
    Path(tmp_path / "log").write_bytes(jsonl(rows))
    with started("timeline", "log", "-f", form, cwd=tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline()  # as `| head -n 1` does
        process.stdout.close()
        assert process.stderr is not None
        err = process.stderr.read().decode()
        assert process.wait(60) in (0, 141)  # 1 would mean that nothing matches
    for sign in ("Traceback", "rror", "BrokenPipe", "Exception"):
        assert sign not in err


def test_a_reader_of_both_streams_that_goes_away_is_no_error() -> None:
    words = f"{shlex.quote(sys.executable)} -m cuidx timeline {FIGURE} 2>&1 1>/dev/null | true"
    script = f'({words}) 2>&1; echo "${{PIPESTATUS[0]}}"'
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {script}"], capture_output=True, check=False, timeout=60
    )
    assert b"Traceback" not in done.stdout + done.stderr
    assert b"Exception" not in done.stdout + done.stderr


def test_debugging_shows_the_traceback_and_nothing_else_does() -> None:
    plain = ask("timeline", "gone.log")
    assert "Traceback" not in plain.err
    with started("timeline", "gone.log", env={"CUIDX_DEBUG": "1"}) as process:
        said = ended(process)
    assert said.code != 0
    assert "Traceback (most recent call last)" in said.err
    assert "gone.log: no such file or folder" in said.err


@pytest.mark.parametrize("debug", ["0", "1"])
@pytest.mark.parametrize("url", [
    "https://elastic:s3cret@127.0.0.1:1/logs-*",
    "http://s3cret@127.0.0.1/logs",
    "https://elastic:s3cret@wo@127.0.0.1:1/x?api_key=s3cret",
    "HTTPS://elastic:s3cret/et@127.0.0.1:1/logs",
])  # fmt: skip
def test_a_secret_in_a_url_is_never_printed(url: str, debug: str) -> None:
    try:
        said = ask("timeline", FIGURE, url, "--verbose", CUIDX_DEBUG=debug)
    except cuidx.CuidxError as error:
        said = Said(error.exit_code, "", str(error))
    assert said.code in (2, 3)  # some are no address of an index
    assert "127.0.0.1" in said.err
    assert "s3cret" not in said.out + said.err


# --- colour, help --------------------------------------------------------------------------------


def test_colour_is_for_terminals_and_can_be_turned_off() -> None:
    colored = ask("timeline", EXPORT, FORCE_COLOR="1")
    plain = ask("timeline", EXPORT)
    assert "\x1b[" in colored.out
    assert "\x1b" not in colored.err
    assert re.sub("\x1b\\[[0-9;]*m", "", colored.out) == plain.out
    assert ask("timeline", EXPORT, "--no-color", FORCE_COLOR="1") == plain
    assert ask("timeline", EXPORT, FORCE_COLOR="1", NO_COLOR="1") == plain


@pytest.mark.parametrize("command", COMMANDS)
def test_the_example_in_the_help_works(command: str, tmp_path: Path) -> None:
    said = ask(command, "--help")
    assert (said.code, said.err) == (0, "")
    (example,) = re.findall(r"Example: (cuidx .*)", said.out, re.DOTALL)
    if command == "tag":  # it writes to the descriptor, and has signals to itself
        with started(*example.split()[1:]) as process:
            done = ended(process)
    else:
        written = " -o story " in example  # a folder, and nothing on standard output
        done = typed(" ".join(example.split()).replace(" story ", f" {tmp_path / 'story'} "))
        assert not written or (done.out, any((tmp_path / "story").iterdir())) == ("", True)
        done = done._replace(out=done.out or str(written))
    assert (done.code, done.out > "") == (0, True), done.err


@pytest.mark.parametrize(
    ("typed_so_far", "offered"),
    [
        ("cuidx re", ["report", "resolve", "reuse"]),
        ("cuidx report --al", ["--alert", "--alert-level"]),
        ("cuidx steps --search a", ["any"]),
        ("cuidx timeline --input-format elasticdump-", ["elasticdump-array"]),
        ("cuidx timeline --where req", ["request_id="]),
        ("cuidx timeline fix", []),  # then bash itself offers files
    ],
)
def test_bash_completes_commands_options_and_values(
    typed_so_far: str, offered: list[str], tmp_path: Path
) -> None:
    command = tmp_path / "cuidx"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m cuidx "$@"\n')
    command.chmod(0o755)
    words = typed_so_far.split(" ")
    script = (
        f"source <(cuidx completion bash); COMP_WORDS=({' '.join(words)}); "
        f"COMP_CWORD={len(words) - 1}; _cuidx_completion cuidx; printf '%s\\n' \"${{COMPREPLY[@]}}\"; "
        "complete -p cuidx"
    )
    done = subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=60,
    )
    *words, how = done.stdout.split("\n")[:-1]
    assert [word for word in words if word] == offered
    assert how == "complete -o default -F _cuidx_completion cuidx"
    assert done.stderr == ""


def test_zsh_is_told_whole_summaries() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cuidx"],
        env={**os.environ, "_CUIDX_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "cuidx rep"},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )
    assert f'"report":"{COMMANDS["report"]}"' in done.stdout


@pytest.mark.parametrize("words", [["--"], []])
def test_a_command_may_stand_behind_the_end_of_options(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cuidx", *words, "timeline", FIGURE, "-q", "-f", "json"],
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=60,
        cwd=ROOT,
    )
    assert done.stdout == ask("timeline", FIGURE, "-q", "-f", "json").out


def test_a_report_is_a_page_and_one_of_nothing_says_so() -> None:
    assert ask("report", EXPORT, "-f", "json") == Said(
        2,
        "",
        "cuidx: a report is a page, not json\n  -f html or markdown; other commands give the rows\n",
    )
    said = ask("report", EXPORT, "--where", "service=nobody", "-f", "markdown")
    assert (said.code, said.out[:2]) == (1, "# ")
    assert "no event fits --where service=nobody" in said.err


@pytest.mark.parametrize(("shell", "asks"), [("zsh", "compdef"), ("fish", "complete --command")])
def test_other_shells_have_a_script_too(shell: str, asks: str) -> None:
    said = ask("completion", shell)
    assert (said.code, said.err) == (0, "")
    assert asks in said.out
    assert f"_CUIDX_COMPLETE=complete_{shell}" in said.out


def test_help_is_on_standard_output_and_fits_80_columns() -> None:
    for words in (["--help"], ["-h"], ["timeline", "-h"]):
        said = ask(*words, COLUMNS="80")
        assert (said.code, said.err) == (0, "")
        assert said.out.startswith("Usage: cuidx")
        assert max(map(len, said.out.splitlines())) <= 80


def test_no_command_shows_the_help_as_it_is() -> None:
    said = ask()
    assert said.code in (0, 2)
    assert (said.out + said.err).startswith("Usage: cuidx")
    assert (said.out + said.err).count("--help") == 1


def test_formats_lists_what_input_format_takes() -> None:
    said = ask("formats", "-f", "json")
    assert (said.code, said.err) == (0, "")
    names = [row["name"] for row in json.loads(said.out)["formats"]]
    assert names == sorted(names)
    refused = ask("timeline", FIGURE, "--input-format", "yaml")
    assert f"known: {', '.join(names)}" in refused.err


@pytest.mark.parametrize("name", BY_NAME)
def test_a_sample_of_formats_is_read_by_that_format(name: str) -> None:
    rows = json.loads(ask("formats", "-f", "json").out)["formats"]
    (sample,) = [row["sample"] for row in rows if row["name"] == name]
    said = ask("timeline", "-", "--input-format", name, "-f", "json", stdin=sample.encode() + b"\n")
    assert said.code == 0, said.err
    counted = json.loads(said.out)["accounting"]
    assert counted["records"] >= 1
    assert counted["unreadable"] == 0


def test_a_full_disk_behind_standard_output_is_said_plainly() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "cuidx", "timeline", FIGURE, "-q"], stdout=full,
            stderr=subprocess.PIPE, check=False, timeout=60,
        )  # fmt: skip
    assert done.returncode == 3
    assert done.stderr.decode().splitlines() == [
        "cuidx: writing stopped: No space left on device", "  make room, or write elsewhere"
    ]  # fmt: skip


def test_the_process_ends_with_its_code_and_what_was_registered_for_its_end() -> None:
    script = """
import atexit, sys
atexit.register(print, "ended")
sys.argv = ["cuidx", "timeline", "nowhere"]
from cuidx.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (3, b"ended\n")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_closed_output_is_no_error(closed: str, tmp_path: Path) -> None:
    page = tmp_path / "page.json"
    for more in ("", f"-o {page}"):
        line = f"{shlex.quote(sys.executable)} -m cuidx timeline {FIGURE} -f json {more} {closed}"
        done = subprocess.run(line, shell=True, cwd=ROOT, capture_output=True, check=False)
        assert done.returncode == 0
        assert b"internal error" not in done.stdout + done.stderr
    assert json.loads(page.read_text("utf-8"))["command"] == "timeline"


def test_an_interrupt_while_modules_load_ends_without_a_traceback() -> None:
    stop = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"
    script = f"""
import sys

class Stop:
    def find_spec(self, name, path=None, target=None):
        if name == "cuidx.cli.timeline":
            {stop}

sys.meta_path.insert(0, Stop())
sys.argv = ["cuidx", "timeline", "{FIGURE}"]
from cuidx.__main__ import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_rejects_do_not_go_among_the_result() -> None:
    said = ask("timeline", FIGURE, "--rejects", "-")
    assert (said.code, said.out) == (2, "")
    assert said.err == "cuidx: --rejects: standard output is the result's\n  name a file\n"
