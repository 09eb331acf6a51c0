"""A case: some sources, read as one story, and the questions one can ask of it."""

from cuidx.case.case import Case
from cuidx.case.opening import load, open_case

__all__ = ["Case", "load", "open_case"]
