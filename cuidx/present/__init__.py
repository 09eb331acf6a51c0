"""How results are shown: terminal, JSON, CSV, Markdown, HTML, Parquet."""

from cuidx.present.emit import emit
from cuidx.present.form import Form
from cuidx.present.result import Result

__all__ = ["Form", "Result", "emit"]
