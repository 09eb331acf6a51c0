"""The log lines that a page links to, with their texts: what a reader wants to see of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cuidx.present.accounting import many
from cuidx.present.findings import TITLES
from cuidx.report.facts import Facts
from cuidx.report.words import Words

_MOST: Final = 400  # lines on a page


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a log: its place in the page (`anchor`), why it is linked to, and its text."""

    source: str
    line: int
    anchor: str
    why: str
    text: str


class Links:
    """Where links to lines of logs lead: to the line's text, else to what is known of its source.

    ALERTS and FINDINGS are how many of each the page shows.
    """

    def __init__(self, facts: Facts, words: Words, alerts: int, findings: int) -> None:
        self._sources = {one.path: at for at, one in enumerate(facts.sources)}
        why: dict[tuple[str, int], list[str]] = {}
        lead = words.featured()
        for one in [*([lead] if lead else []), *facts.alerts[:alerts]]:
            row = one.row
            of = f" of {words.who(row['container'])}" if row["container"] else ""
            count = row["alerts"]
            said = "alert" if count == 1 else f"first of {many(count, 'alert')}"
            why.setdefault((row["source"], row["line"]), [said + of])
        for row in facts.findings[:findings]:
            for place in row["lines"]:
                said = f"finding: {TITLES[row['kind']]}"
                reasons = why.setdefault((place["source"], place["line"]), [])
                if said not in reasons:
                    reasons.append(said)
        order = sorted(
            (self._sources[source], line, source)
            for source, line in list(why)[:_MOST]
            if source in self._sources and facts.texts.get((source, line))
        )
        self.lines = [
            Line(source, line, f"line-{number}-{line}", ", ".join(why[source, line]),
                 facts.texts[source, line])
            for number, line, source in order
        ]  # fmt: skip
        self._anchors = {(one.source, one.line): one.anchor for one in self.lines}

    def to(self, source: str, line: int) -> str | None:
        """The id in the page that a link to LINE of SOURCE leads to."""
        return self._anchors.get((source, line)) or self.source(source)

    def source(self, path: str) -> str | None:
        """The id of what is known of a source."""
        number = self._sources.get(path)
        return None if number is None else f"source-{number}"
