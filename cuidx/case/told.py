"""What is known of the sources beside the answers, whether read whole or as they come."""

from __future__ import annotations

from typing import Protocol

from cuidx import times
from cuidx.analyses.accounting import Accounting
from cuidx.errors import SourceError
from cuidx.reading import Opened, Records


class Told(Protocol):
    """What a reader of the answers is told of the sources."""

    @property
    def records(self) -> Records:
        """The sources, and the options they are read with."""

    @property
    def accounting(self) -> Accounting:
        """Where every record went, before any filter; of all sources and of each."""

    @property
    def opened(self) -> list[Opened]:
        """What was found out about each source."""

    @property
    def problems(self) -> list[SourceError]:
        """Sources that were cut off."""

    @property
    def services(self) -> dict[str, str]:
        """The service of each holder that is known by one."""

    @property
    def notes(self) -> list[str]:
        """Warnings of answers that were given."""

    @property
    def zone_said(self) -> bool:
        """Whether the user says what zone times are in that have none."""

    @property
    def zoneless(self) -> int:
        """How many times have no zone."""

    @property
    def yearless(self) -> int:
        """How many times have no year."""

    @property
    def newest(self) -> int | None:
        """What the times without a year are before, in ns; None: the files' modification times."""

    @property
    def nameless(self) -> bool:
        """Whether there are events, and none names a container or an address."""


def warnings(told: Told) -> list[str]:
    """What a reader of the answers should know, sorted."""
    zoneless, nameless = told.zoneless, told.nameless
    found = [str(problem).splitlines()[0] for problem in told.problems] + told.notes
    found += [
        f"{one.path}: left out: {one.left_out}" for one in told.opened if one.left_out is not None
    ]
    found += [f"{one.path}: {note}" for one in told.opened for note in one.notes]
    if nameless:
        found.append(
            "no line names a container or an address; --pattern or --field can say where one is"
        )
    if zoneless and not told.zone_said:
        found.append(
            f"{zoneless:,} times have no zone and were taken for "
            f"{told.records.options.tz} (--tz ZONE says otherwise)"
        )
    found += [str(skew) for skew in told.records.options.skews]
    if told.yearless:
        found.append(_years(told.yearless, told.newest))
    return sorted(found)


def _years(count: int, newest: int | None) -> str:
    if newest is None:
        return (
            f"{count:,} times have no year, and no record has one: they were taken for the latest "
            "before their file's modification time (of standard input they are left out)"
        )
    return (
        f"{count:,} times have no year: they were taken for the latest before "
        f"{(times.one_text(newest) or '')[:10]}, the newest dated record"
    )
