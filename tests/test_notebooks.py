"""The notebooks run from top to bottom, and give what is stored in them, to the last digit.

`CUIDX_GOLDEN=write pytest tests/test_notebooks.py` stores the outputs anew; read the diff.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
WRITE = os.environ.get("CUIDX_GOLDEN") == "write"
COMPARED = ("text/plain", "text/html")  # pictures depend on the fonts of the machine


def outputs(notebook: Any) -> list[tuple[str, list[Any]]]:
    """Each code cell with what it gave: streams, results, and which kinds of pictures."""
    return [
        (cell.source, [said(output) for output in cell.outputs])
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def said(output: Any) -> Any:
    if output.output_type == "stream":
        return {output.name: output.text}
    if output.output_type == "error":
        return {output.ename: output.evalue}
    data = output.data
    picture = any(kind.startswith("image/") for kind in data)
    return {kind: None if picture else data[kind] for kind in data if picture or kind in COMPARED}


def test_the_five_notebooks_are_there() -> None:
    assert [path.stem for path in NOTEBOOKS] == [
        "01-who-was-this-ip", "02-root-cause", "03-steps-in-numbers", "04-your-own-logs",
        "05-evaluation",
    ]  # fmt: skip


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_gives_what_is_stored_in_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The kernel is this Python, whatever others are installed for notebooks.
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    stored = nbformat.read(path, as_version=4)
    run = nbformat.from_dict(stored)
    client = NotebookClient(
        nbformat.reads(nbformat.writes(run), as_version=4), timeout=240,
        resources={"metadata": {"path": str(path.parent)}}, record_timing=False,
    )  # fmt: skip
    done = client.execute()
    if WRITE:
        for cell in done.cells:
            cell.metadata.pop("execution", None)
        done.metadata = stored.metadata
        nbformat.write(done, path)
        return
    for (source, expected), (_, given) in zip(outputs(stored), outputs(done), strict=True):
        assert given == expected, source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_stored_notebook_has_every_output_and_names_no_machine(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not any(output.output_type == "error" for cell in cells for output in cell.outputs)
    assert not re.search(r"/(work|root|home|tmp)/", path.read_text("utf-8"))
