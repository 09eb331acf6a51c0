"""cuidx formats: what can be read, with a sample line of each."""

from __future__ import annotations

from cuidx.cli import options as o
from cuidx.cli.app import app
from cuidx.present.form import Form


@app.command(epilog="Example: cuidx formats -f json")
def formats(
    form: o.FormOption = Form.table,
    output: o.Output = None,
    no_color: o.NoColor = False,
) -> int:
    """List the input formats; their names are what --input-format takes."""
    from cuidx.formats import FORMATS
    from cuidx.present import Result, emit

    rows: list[dict[str, object]] = [
        {"name": f.NAME, "title": f.TITLE, "source": f.SOURCE, "sample": f.SAMPLES[0].raw}
        for f in sorted(FORMATS, key=lambda f: f.NAME)
    ]
    result = Result("formats", "formats", rows, {}, [], extra={},
                    columns=["name", "title", "source", "sample"])  # fmt: skip
    emit(result, form, output=output, color=False if no_color else None)
    return 0
