"""Write a result in the form that was asked for: to standard output, or whole to a file."""

from __future__ import annotations

import io
import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import IO

from cuidx.errors import UsageError
from cuidx.present import accounting, cells
from cuidx.present.escape import encodable, json_safe, markdown, visible
from cuidx.present.form import Form
from cuidx.present.output import is_stdout, opened
from cuidx.present.result import Result

# What a person reads of rows with many columns, in Markdown and HTML.
_READ = {
    "timeline": (
        *("container", "identity", "service", "namespace", "pod", "ips", "first_seen", "last_seen"),
        *("started", "ended", "end", "lines", "errors", "requests", "reused_ips"),
    ),
    "steps": (
        *("source", "line", "container", "ip", "request_id"),
        *("ip_search.lines", "ip_time_search.lines", "cuid_search.lines"),
        *("needless", "missed", "reduction"),
    ),
}
_WIDEST = 48  # Markdown cells are filled with blanks up to here


def emit(
    result: Result,
    form: Form,
    *,
    output: Path | None,
    color: bool | None = None,
    width: int | None = None,
) -> None:
    """Write RESULT, and nothing else, to OUTPUT (None or `-`: standard output).

    COLOR and WIDTH are for tables; None takes what fits standard output. A file is not coloured.
    """
    if form is Form.parquet and output is None:
        raise UsageError("parquet is not for a terminal", do="name a file: -o rows.parquet")
    to_terminal = is_stdout(output) and sys.stdout.isatty()
    if color is None:
        color = is_stdout(output) and cells.terminal_color()
    with opened(output) as file:
        match form:
            case Form.table:
                pieces = iter([_table(result, width or cells.terminal_width(), color)])
            case Form.json:
                pieces = _json(result)
            case Form.jsonl:
                pieces = (dumps(row) + "\n" for row in result.rows)
            case Form.csv:
                pieces = _csv(result, visible if to_terminal else encodable)
            case Form.markdown:
                pieces = _markdown(result)
            case Form.html:
                pieces = _html(result)
            case Form.parquet:
                _parquet(result, file)
                pieces = iter(())
        _write(pieces, file)


def _write(pieces: Iterable[str], file: IO[bytes]) -> None:
    waiting, size = list[str](), 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size > 1 << 16:
            file.write("".join(waiting).encode())
            waiting, size = [], 0
    file.write("".join(waiting).encode())
    file.flush()


def _table(result: Result, width: int, color: bool) -> str:
    from cuidx.present import detect, findings, reuse, steps, tables, timeline, trace

    # All other commands have the general one.
    designed = {
        "timeline": timeline.render,
        "reuse": reuse.render,
        "steps": steps.render,
        "trace": trace.render,
        "findings": findings.render,
        "detect": detect.render,
    }
    draw = designed.get(result.command, tables.render)
    return draw(result, width=width, color=color)


def _json(result: Result) -> Iterator[str]:
    """One object; each row is one line, so that diffs and searches by line work."""
    head: dict[str, object] = {"cuidx": version(), "command": result.command}
    rest: dict[str, object] = {
        "accounting": result.accounting,
        "warnings": list(result.warnings),
        **result.extra,
    }
    streamed = result.rows_name == "events"  # the count is known when the last one is out
    yield dumps(head if streamed else head | rest)[:-1]
    yield f', "{result.rows_name}": ['
    between = "\n "
    for row in result.rows:
        yield between + dumps(row)
        between = ",\n "
    yield "]" if between == "\n " else "\n]"
    yield (", " + dumps(rest)[1:] if streamed else "}") + "\n"


def dumps(value: object) -> str:
    """VALUE as JSON on one line, safe to show."""
    try:
        return json_safe(json.dumps(value, ensure_ascii=False, allow_nan=False))
    except ValueError:
        return json_safe(json.dumps(_finite(value), ensure_ascii=False))


def _finite(value: object) -> object:
    """VALUE with null for each number that JSON does not have."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {name: _finite(item) for name, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
        case _:
            return value


def _csv(result: Result, shown: Callable[[str], str]) -> Iterator[str]:
    import csv

    buffer = io.StringIO()
    writer = csv.writer(buffer)
    names = result.names()
    header: list[object] = list(names)
    for values in chain([header], ([row.get(name) for name in names] for row in result.rows)):
        writer.writerow(shown(_field(value)) for value in values)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def _field(value: object) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case list() | tuple() if all(isinstance(item, str) for item in value):
            return " ".join(value)
        case dict() | list() | tuple():
            return dumps(value)
        case _:
            return str(value)


def _markdown(result: Result) -> Iterator[str]:
    if not result.rows:
        yield f"no {result.rows_name}\n"
    else:
        names, rows = _read(result)
        yield from _pipes(names, rows)
    if extra := cells.flat(result.extra):
        yield "\n"
        yield from _pipes(["", "value"], [list(pair) for pair in extra.items()])


def _pipes(names: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    shown = [[markdown(cells.text(value)) for value in row] for row in rows]
    numeric = [all(_is_number(row[i]) for row in rows) for i in range(len(names))]
    widths = [
        max(3, min(_WIDEST, max(cells.cells(row[i]) for row in [list(names), *shown])))
        for i in range(len(names))
    ]

    def line(values: Sequence[str]) -> str:
        each = zip(values, widths, numeric, strict=True)
        return "| " + " | ".join(cells.pad(v, w, right=number) for v, w, number in each) + " |\n"

    yield line(names)
    yield line(
        ["-" * (w - 1) + ":" if n else "-" * w for w, n in zip(widths, numeric, strict=True)]
    )
    for row in shown:
        yield line(row)


_STYLE = """
:root { color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif; }
body { margin: 1.5rem; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #8886; text-align: left;
  vertical-align: top; overflow-wrap: anywhere; }
th { position: sticky; top: 0; background: Canvas; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
td { font-family: ui-monospace, monospace; font-size: .9em; }
"""


def _html(result: Result) -> Iterator[str]:
    """One page that needs nothing else and runs nothing; its policy allows its own style alone."""
    import base64
    import hashlib
    from html import escape

    style = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    title = f"cuidx {visible(result.command)}"
    yield (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        f"style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n<p>{escape(visible(accounting.line(result.accounting)))}</p>\n"
    )
    if result.warnings:
        items = "".join(f"<li>{escape(visible(text))}</li>\n" for text in result.warnings)
        yield f"<h2>Warnings</h2>\n<ul>\n{items}</ul>\n"
    if result.rows:
        yield from _html_table(*_read(result))
    else:
        yield f"<p>no {escape(result.rows_name)}</p>\n"
    if extra := cells.flat(result.extra):
        yield from _html_table(["", "value"], [list(pair) for pair in extra.items()])
    yield f"<footer><p>Made by cuidx {escape(version())}.</p></footer>\n</body>\n</html>\n"


def _html_table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    from html import escape

    head = "".join(f'<th scope="col">{escape(visible(name))}</th>' for name in names)
    yield f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n"
    for row in rows:
        yield "<tr>"
        for value in row:
            kind = ' class="number"' if value is not None and _is_number(value) else ""
            yield f"<td{kind}>{escape(cells.text(value))}</td>"
        yield "</tr>\n"
    yield "</tbody>\n</table>\n"


def _parquet(result: Result, file: IO[bytes]) -> None:
    import polars as pl

    names = result.names()
    columns = {n: [_storable(row.get(n)) for row in result.rows] for n in names}
    frame = pl.DataFrame(
        [pl.Series(name, values, strict=False) for name, values in columns.items()]
    ).with_columns(pl.selectors.by_dtype(pl.Null).cast(pl.String))
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    file.write(buffer.getvalue())


def _storable(value: object) -> object:
    match value:
        case str():
            return encodable(value)
        case dict():
            return {name: _storable(item) for name, item in value.items()} or None
        case list() | tuple():
            return [_storable(item) for item in value]
        case _:
            return value


def _read(result: Result) -> tuple[list[str], list[list[object]]]:
    """The columns that a person reads, without those that are empty in each row, and the rows."""
    flat = [cells.flat(row) for row in result.rows]
    names = _READ.get(result.command) or tuple(dict.fromkeys(n for row in flat for n in row))
    kept = [n for n in names if any(row.get(n) not in (None, "", []) for row in flat)]
    return kept, [[row.get(n) for n in kept] for row in flat]


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def version() -> str:
    """The version of cuidx: the package's, else that of its installed distribution."""
    import cuidx

    if found := getattr(cuidx, "__version__", None):
        return str(found)
    from importlib import metadata

    try:
        return metadata.version("cuidx")
    except metadata.PackageNotFoundError:
        return "0"
