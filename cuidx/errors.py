"""What cuidx says when it can't go on: one or two plain lines with file, line and what to do."""

from __future__ import annotations


class CuidxError(Exception):
    """One or two plain lines, and the exit code that `cuidx` ends with (INTERFACE, section 2)."""

    exit_code = 3

    def __init__(self, what: str, *, where: str = "", do: str) -> None:
        super().__init__(f"{where}: {what}\n{do}" if where else f"{what}\n{do}")


class UsageError(CuidxError):
    """The words of the command or the call are off."""

    exit_code = 2


class SourceError(CuidxError):
    """A source can't be opened, is no text, or is cut off."""


class UnknownFormatError(SourceError):
    """A source is in no known format, or does not fit the format that was named."""


class SchemaMismatchError(UsageError):
    """A frame that the caller made has a column of another type than the schema says."""

    @classmethod
    def of(cls, who: str, wrong: dict[str, tuple[object, object]]) -> SchemaMismatchError:
        """WRONG maps a column's name to (the type it has, the type it needs)."""
        pairs = ", ".join(f"{n} is {have}, needs {need}" for n, (have, need) in wrong.items())
        return cls(
            f"{who}: {pairs}", do="cast the columns first; cuidx.schema.EVENTS has the types"
        )


class StrictError(CuidxError):
    """`--strict` was given and some record was unreadable."""

    exit_code = 4
