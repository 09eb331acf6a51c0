"""The report as text, in the form that was asked for, and into its file."""

from __future__ import annotations

import os
from pathlib import Path

from cuidx.errors import UsageError
from cuidx.present.output import opened
from cuidx.report.facts import Facts

FORMS = ("html", "markdown")


def form_of(form: str | None, output: str | os.PathLike[str] | None) -> str:
    """FORM, else what OUTPUT's name says, else `html`.

    Raises:
        UsageError: FORM is neither `html` nor `markdown`.
    """
    if form is None:
        return "markdown" if output is not None and Path(output).suffix == ".md" else "html"
    if form not in FORMS:
        raise UsageError(
            f"a report is a page, not {form}",
            do="-f html or markdown; other commands give the rows",
        )
    return form


def write(facts: Facts, form: str, output: str | os.PathLike[str] | None) -> str:
    """The page of FACTS; written to OUTPUT too, whole or not at all, if one is given."""
    if form == "markdown":
        from cuidx.report.markdown import markdown as page
    else:
        from cuidx.report.page import page
    text = page(facts)
    if output is not None:
        with opened(Path(output)) as file:
            file.write(text.encode())
    return text
