"""What every command does around its question: open, read with progress, say, write, exit."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from cuidx.cli.options import form_of, pairs
from cuidx.present import Form, Result, emit
from cuidx.present import accounting as accounting_line
from cuidx.present.accounting import many
from cuidx.present.cells import terminal_width
from cuidx.present.escape import visible
from cuidx.present.flat import LAYOUTS, Rows, laid_out
from cuidx.present.output import check, is_stdout
from cuidx.present.output import opened as open_output
from cuidx.present.progress import progress

if TYPE_CHECKING:
    import polars as pl

    from cuidx.case import Case


# These ask for nothing outside --since and --until: that part of a file may be left unread.
_SEEKING = ("timeline", "reuse", "annotate")


@dataclass(frozen=True, slots=True)
class Answer:
    """A table, with other top-level keys of the JSON (`extra`), and what gives its drawing more."""

    table: pl.DataFrame
    extra: dict[str, object] = field(default_factory=dict)
    drawn: Callable[[], dict[str, object]] = dict


@dataclass(frozen=True, slots=True)
class Session:
    """The common options of one call, as typed."""

    sources: Sequence[str]
    input_format: str | None = None
    field: list[str] | None = None
    pattern: list[str] | None = None
    config: Path | None = None
    tz: str | None = None
    since: str | None = None
    until: str | None = None
    where: list[str] | None = None
    now: str | None = None
    form: Form | None = None
    output: Path | None = None
    rejects: Path | None = None
    strict: bool = False
    exact: bool = False
    verbose: bool = False
    quiet: bool = False
    no_color: bool = False
    leases: list[str] | None = None
    skew: list[str] | None = None
    engine: str | None = None
    ca: Path | None = None
    insecure: bool = False

    def answer(
        self,
        command: str,
        rows: str,
        question: Callable[[Case], pl.DataFrame | Answer],
        nothing: Callable[[pl.DataFrame], bool] | None = None,
        missing: str = "",
    ) -> int:
        """Ask QUESTION, write its table as ROWS, and give the exit code.

        NOTHING says of the table whether it means that nothing matches (exit 1); by default that
        is an empty table where a filter was set. MISSING is said then.
        """
        from cuidx.present.rows import flat_columns, json_rows

        form = self._form()
        with ExitStack() as stack:
            case = self._case(stack, seek=command in _SEEKING)
            asked = question(case)
            answer = asked if isinstance(asked, Answer) else Answer(asked)
            table = answer.table
            drawn = answer.drawn() if form is Form.table else {}
            counted = case.accounting
            warnings = case.warnings
        if form is Form.csv:
            table = flat_columns(table)
        found: Rows = json_rows(table)
        columns = table.columns
        if form in (Form.table, Form.markdown, Form.html) and command in LAYOUTS:
            width = terminal_width() if form is Form.table else None
            found = laid_out(command, found, width)
            columns = list(found[0]) if found else columns
        result = Result(
            command, rows, found, counted.as_json(), warnings,
            extra=answer.extra, columns=columns, drawn=drawn,
        )  # fmt: skip
        emit(result, form, output=self.output, color=False if self.no_color else None)
        sys.stdout.flush()
        self._say(case, result)
        filtered = bool(self.since or self.until or self.where)
        none = table.is_empty() and filtered if nothing is None else nothing(table)
        code = self._code(case, none)
        case.close()  # to say what does not fit it may have read once more
        if none and missing and code == 1:
            print(visible(f"cuidx: {missing}"), file=sys.stderr)
        return code

    def pour(
        self,
        command: str,
        rows: str,
        question: Callable[[Case], Iterator[pl.DataFrame]],
        columns: Sequence[str],
        kept: Callable[[Case], dict[str, str]] | None = None,
    ) -> int:
        """Ask QUESTION, write its frames as ROWS while they come, and give the exit code.

        COLUMNS are those of the frames. KEPT, if any, says what goes into a Parquet's metadata.
        """
        from cuidx.present import annotated
        from cuidx.present.frames import emit_frames
        from cuidx.present.rows import json_rows

        form = self._form()
        count = 0
        with ExitStack() as stack:
            case = self._case(stack, passes=2, seek=command in _SEEKING)
            result = Result(command, rows, [], {}, [], extra={}, columns=list(columns))

            def frames() -> Iterator[pl.DataFrame]:
                nonlocal count
                for frame in question(case):
                    count += len(frame)
                    yield frame
                result.accounting.update(case.accounting.as_json())
                result.warnings.extend(case.warnings)

            emit_frames(
                result,
                frames(),
                form,
                rows=json_rows,
                draw=lambda each, width, color: annotated.draw(
                    each, lambda: case.services, width, color
                ),
                output=self.output,
                color=False if self.no_color else None,
                metadata=None if kept is None else lambda: kept(case),
            )
        sys.stdout.flush()
        self._say(case, result)
        code = self._code(case, not count and bool(self.since or self.until or self.where))
        case.close()
        return code

    def tell(self, command: str, question: Callable[[Case, str | None], str]) -> int:
        """Ask QUESTION for a page in the form that was said, write it, and give the exit code."""
        from cuidx.report.written import form_of as page_form

        form = page_form(self.form and self.form.value, self.output)
        check(self.output)
        with ExitStack() as stack:
            case = self._case(stack)
            page = question(case, form)
        with open_output(self.output) as file:
            file.write(page.encode())
        sys.stdout.flush()
        self._say(case, Result(command, "", [], case.accounting.as_json(), case.warnings))
        filtered = bool(self.since or self.until or self.where)
        return self._code(case, nothing=filtered and case.lifetimes().is_empty())

    def _form(self) -> Form:
        from cuidx.errors import UsageError

        form = form_of(self.form, self.output)
        if form is Form.parquet and self.output is None:
            raise UsageError("-f parquet needs a file to write to", do="add -o PATH.parquet")
        check(self.output)
        return form

    def _case(self, stack: ExitStack, passes: int = 1, *, seek: bool = False) -> Case:
        """The case, with what reading it needs set up on STACK: a progress bar, the rejects.

        Of two PASSES the second writes as it reads: then no bar may come between the lines.
        """
        from cuidx.case import open_case

        sources = [*self.sources, *(self.leases or [])]
        size = _size(sources)
        silent = self.quiet or (passes > 1 and is_stdout(self.output) and sys.stdout.isatty())
        meter = stack.enter_context(progress(size and size * passes, quiet=silent))
        case = open_case(
            *self.sources,
            leases=self.leases or [],
            since=self.since,
            until=self.until,
            where=pairs(self.where, "--where"),
            field=pairs(self.field, "--field"),
            pattern=self.pattern or [],
            config=self.config,
            input_format=self.input_format,
            tz=self.tz,
            skew=self.skew or [],
            now=self.now,
            exact=self.exact,
            seek=seek,
            engine=self.engine or "auto",
            ca=self.ca,
            insecure=self.insecure,
            progress=lambda path, count: meter.advance(count, path),
        )
        stack.callback(case.close)
        _end_in_order()
        if documents := case.documents:
            meter.expect(documents * passes)
        if case.config is not None and not self.quiet:
            print(f"config: {visible(case.config)}", file=sys.stderr)
        if self.rejects is not None:
            if is_stdout(self.rejects):
                from cuidx.errors import UsageError

                raise UsageError(
                    "standard output is the result's", where="--rejects", do="name a file"
                )
            target = stack.enter_context(open_output(self.rejects))
            case.reject = _reject_to(target)
        return case

    def _code(self, case: Case, nothing: bool) -> int:
        if case.problems:
            return 3
        if self.strict and (unreadable := case.accounting.unreadable):
            records = many(unreadable, "record")
            hint = "" if self.rejects else "\n  --rejects PATH writes them, with the reason of each"
            print(f"cuidx: --strict: {records} could not be read{hint}", file=sys.stderr)
            return 4
        if nothing and (self.since or self.until or self.where) and not self.quiet:
            print(visible(f"no event fits {case.misfit()}"), file=sys.stderr)
        return int(nothing)

    def _say(self, case: Case, result: Result) -> None:
        from cuidx.formats.native import is_built

        if not self.quiet:
            print(accounting_line.line(result.accounting, self.rejects), file=sys.stderr)
            if self.verbose:
                if not is_built():
                    print("the quick way is not built: all is read plainly", file=sys.stderr)
                for source in case.opened:
                    packed = f", {source.compression}" if source.compression else ""
                    how = f"{source.format} ({source.confidence:.0%} sure{packed})"
                    if (scanner := source.scanner) is not None:
                        how += (
                            f"; {many(scanner.proven, 'line')} the quick way, {scanner.odd:,} not"
                        )
                    print(
                        visible(f"read: {source.path}: {source.left_out or how}"), file=sys.stderr
                    )
            problems = {str(problem).splitlines()[0] for problem in case.problems}
            sys.stderr.write(
                accounting_line.warnings([w for w in result.warnings if w not in problems])
            )
        for problem in case.problems:
            head, *rest = str(problem).splitlines()
            lines = [f"cuidx: {visible(head)}", *(f"  {visible(line)}" for line in rest)]
            print(*lines, sep="\n", file=sys.stderr)


def _size(sources: Sequence[str]) -> int | None:
    """Bytes to read, where that is known before: plain files, not packed ones."""
    total = 0
    for source in sources:
        path = Path(source)
        try:
            size = path.stat().st_size if path.is_file() else None
        except (OSError, ValueError):
            return None  # said when it is opened
        if size is None or path.suffix in (".gz", ".zst", ".bz2", ".xz", ".parquet", ".arrow"):
            return None
        total += size
    return total


def _end_in_order() -> None:
    """Let a SIGTERM run the ways out, too: a server may keep something for us."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def _reject_to(target: IO[bytes]) -> Callable[[str, pl.DataFrame], None]:
    def write(path: str, rows: pl.DataFrame) -> None:
        for line, why, raw in rows.select("line", "why", "raw").iter_rows():
            row = {"source": path, "line": line, "why": why, "raw": raw}
            text = json.dumps(row, ensure_ascii=False) + "\n"
            target.write(text.encode("utf-8", "replace"))

    return write
