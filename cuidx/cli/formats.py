"""cuidx formats: what can be read, with a sample line of each."""

from __future__ import annotations

from cuidx.cli import options as o
from cuidx.cli.app import app
from cuidx.present.form import Form


@app.command(epilog="Example: cuidx formats -f json")
def formats(
    form: o.FormOption = None,
    output: o.Output = None,
    no_color: o.NoColor = False,
) -> int:
    """List the input formats; their names are what --input-format takes."""
    from cuidx.formats.registry import FORMATS
    from cuidx.present import Result, emit

    rows: list[dict[str, object]] = [
        {"name": f.NAME, "title": f.TITLE, "source": f.SOURCE, "sample": f.SAMPLES[0].raw}
        for f in sorted(FORMATS, key=lambda f: f.NAME)
    ]
    chosen = o.form_of(form, output)
    if chosen is Form.table:  # where the layout is from does not fit beside the sample
        rows = [{k: v for k, v in row.items() if k != "source"} for row in rows]
    result = Result("formats", "formats", rows, {}, [], extra={},
                    columns=list(rows[0]))  # fmt: skip
    emit(result, chosen, output=output, color=False if no_color else None)
    return 0
