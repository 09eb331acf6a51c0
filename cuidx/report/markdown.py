"""The report as Markdown, for a ticket: the answer, the addresses' stories, steps and findings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from cuidx.present import accounting
from cuidx.present.emit import version
from cuidx.present.escape import markdown as escaped
from cuidx.present.findings import TITLES
from cuidx.report import words as say
from cuidx.report.facts import Alerts, Facts, Row
from cuidx.report.words import Name, Sentence, Words

_MOST: Final = {"alerts": 15, "stories": 15, "findings": 30, "lines": 5}  # a ticket is short


def markdown(facts: Facts) -> str:
    """The ticket's text of FACTS; no markup, link or mention from a log works in it."""
    return "\n".join(_lines(facts, Words(facts))) + "\n"


def _lines(facts: Facts, words: Words) -> Iterator[str]:
    yield f"# Which container was it? {words.title()}"
    yield from ("", words.counts())
    if facts.warnings:
        yield from ("", "## Warnings", "")
        yield from (f"- {escaped(one)}" for one in facts.warnings)
    yield from ("", "## What was read", "")
    yield f"{accounting.line(facts.accounting)}. {facts.zone}"
    yield from ("", say.TAGGED)
    if facts.chosen:
        yield from ("", f"Chosen: {escaped(', '.join(facts.chosen))}")
    yield ""
    rows = [
        [one.path, one.left_out or one.format or "-", one.records, one.sha256 or "not a file"]
        for one in facts.sources
    ]
    yield from _table(["source", "format", "records", "SHA-256"], rows)
    yield from _answer(facts, words)
    yield from _stories(facts, words)
    yield from _steps(facts, words)
    yield from _findings(facts)
    yield from ("", f"Made by cuidx {version()}. All times are UTC.")


def _answer(facts: Facts, words: Words) -> Iterator[str]:
    yield from ("", "## The answer")
    first = words.featured()
    lead = [] if first is None else ["", _sentence(words.alert(first))]
    if first is not None and first.message:
        lead += ["", f"> {escaped(first.message)}"]
    note = ["", _sentence(words.window())] if facts.totals["alerts"] and words.window() else []
    if facts.totals["alerts"] == 1:  # then it is what the reader came for
        yield from (*lead, *note, "", _sentence(words.which_were_reused()))
    else:
        yield from ("", _sentence(words.which_were_reused()), "", _sentence(words.how_much()))
        yield from (*note, *lead)
    if facts.alerts:
        if len(facts.alerts) > 1:
            yield from ("", f"The alerts {say.ORDER}:")
        yield ""
        near = words.search("ip_time_search").removeprefix("by IP ")
        head = ["first alert", "alerts", "address", "belonged to", "before it", "after it",
                *(words.search(name) for name in say.SEARCHES), "spared",
                f"spared, {near}"]  # fmt: skip
        yield from _table(head, [_alert(one, words) for one in facts.alerts[: _MOST["alerts"]]])
        yield from _more(len(facts.alerts), _MOST["alerts"], "containers with alerts")


def _alert(one: Alerts, words: Words) -> list[object]:
    row, before, after = one.row, one.before, one.after
    owner = one.holder.holder if one.holder else row["container"]
    return [
        f"{words.at(row['at'])} {row['source']}:{row['line']}".lstrip(),
        row["alerts"],
        row["ip"] or "-",
        words.who(owner) if owner else "-",
        f"{words.who(before.holder)}, until {words.at(before.last)}" if before else "-",
        f"{words.who(after.holder)}, from {words.at(after.first)}" if after else "-",
        *(row[name] for name in say.SEARCHES),
        row["needless"],
        row["spared"],
    ]


def _stories(facts: Facts, words: Words) -> Iterator[str]:
    most = _MOST["stories"]
    told = sorted(facts.reused, key=lambda row: -row["ambiguous_lines"])[:most]
    if not told:
        return
    yield from ("", "## Reused addresses")
    for row in told:
        yield from ("", f"### {escaped(row['ip'])}", "", _sentence(words.story(row)), "")
        yield from _table(
            ["", "container", "Pod", "first seen", "last seen", "lines", "how"],
            list(_holders(row["holders"], words)),
        )
    yield from _more(len(facts.reused), most, "reused addresses")


def _holders(holders: Sequence[Row], words: Words) -> Iterator[list[object]]:
    how = say.changes([(holder["change"], holder["pod"]) for holder in holders])
    for at, (holder, key) in enumerate(zip(holders, how, strict=True), start=1):
        yield [
            at,
            words.who(holder["container"]),
            holder["pod"] or "-",
            words.stamp(holder["first_seen"]) or "-",
            words.stamp(holder["last_seen"]) or "-",
            holder["lines"],
            say.CHANGES[key],
        ]


def _steps(facts: Facts, words: Words) -> Iterator[str]:
    if not facts.totals["alerts"]:
        return
    yield from ("", "## Steps of the investigation", "")
    head, rows = say.totals_table(facts, words)
    yield from _table(head, rows)
    if note := words.window():
        yield from ("", _sentence(note))
    yield ""
    yield from (f"- {word}: {meaning}" for word, meaning in say.definition(facts))


def _findings(facts: Facts) -> Iterator[str]:
    yield from ("", "## Findings", "")
    if not facts.findings:
        yield f"Looked for: {say.LOOKED_FOR}. Nothing is odd in the evidence."
        return
    rows: list[list[object]] = []
    for row in facts.findings[: _MOST["findings"]]:
        lines = [f"{one['source']}:{one['line']}" for one in row["lines"]]
        more = f" and {len(lines) - 5} more" if len(lines) > _MOST["lines"] else ""
        about = row["container"] or row["ip"] or "-"
        places = ", ".join(lines[: _MOST["lines"]]) + more
        rows.append([TITLES[row["kind"]], about, row["why"], places])
    yield from _table(["what", "about", "why", "lines"], rows)
    yield from _more(len(facts.findings), _MOST["findings"], "findings")


def _more(there: int, shown: int, what: str) -> Iterator[str]:
    if there > shown:
        yield from ("", f"{there - shown:,} more {what} are not shown here.")


def _sentence(parts: Sentence) -> str:
    """Only names come from logs; they are code, so that nothing in them is markup."""
    return "".join(f"**{escaped(p.text)}**" if isinstance(p, Name) else p for p in parts)


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    numeric = [
        bool(rows) and all(row[at] is None or isinstance(row[at], int) for row in rows)
        for at in range(len(head))
    ]
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join('---:' if one else '---' for one in numeric)} |"
    for row in rows:
        yield f"| {' | '.join(_cell(value) for value in row)} |"


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else escaped(str(value))
