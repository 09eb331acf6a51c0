"""The report as one page of HTML: it needs nothing else, asks for nothing, and opens from disk.

What comes from logs is text, never markup: in the page it is escaped here, in the script it is
data in a block of JSON and written as text alone. The page's policy lets only its own script and
style run, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Final

from cuidx.charts.image import svg
from cuidx.charts.steps import steps_chart
from cuidx.charts.theme import styled
from cuidx.charts.timeline import timeline_chart
from cuidx.present import accounting
from cuidx.present.cells import text
from cuidx.present.emit import version
from cuidx.present.findings import TITLES
from cuidx.report import words as say
from cuidx.report.data import data
from cuidx.report.facts import Facts, Row
from cuidx.report.lines import Links
from cuidx.report.words import Name, Place, Sentence, Words

_HERE: Final = Path(__file__).parent
_ALERTS, _STORIES, _FINDINGS = 20, 40, 200  # shown at most; how many are left out is said
_INK: Final = {"ink": "var(--ink)", "faint": "var(--line)"}


def page(facts: Facts) -> str:
    """The page of FACTS."""
    style = (_HERE / "report.css").read_text("utf-8")
    script = (_HERE / "report.js").read_text("utf-8")
    words = Words(facts)
    links = Links(facts, words, _ALERTS, _FINDINGS)
    title = f"cuidx report: {words.title()}"
    body = "\n".join(
        part
        for part in (
            _header(words, links),
            _warnings(facts),
            _read(facts),
            _answer(facts, words, links),
            _lifetimes(facts),
            _stories(facts, words),
            _steps(facts, words),
            _findings(facts, links),
            _log_lines(links),
            _timeline(),
            f"<footer><p>Made by cuidx {escape(version())} from the sources above. All times are "
            "UTC.</p></footer>",
        )
        if part
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_policy(script, style)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{_text(title)}</title>
<style>{style}</style>
</head>
<body>
<main>
{body}
</main>
<script type="application/json" id="data">{_json(data(facts, words))}</script>
<script>{script}</script>
</body>
</html>
"""


def _policy(script: str, style: str) -> str:
    def digest(source: str) -> str:
        return base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()

    return (
        f"default-src 'none'; script-src 'sha256-{digest(script)}'; "
        f"style-src 'sha256-{digest(style)}'; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _json(value: object) -> str:
    """VALUE as JSON in which nothing can end the block that it stands in."""
    out = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for char in "<>&\u2028\u2029":
        out = out.replace(char, f"\\u{ord(char):04x}")
    return out


# -- pieces --------------------------------------------------------------------------------------


def _text(value: object) -> str:
    return escape(text(value))


def _sentence(parts: Sentence, kind: str = "", links: Links | None = None) -> str:
    """A paragraph; nothing for a sentence of nothing."""
    inner = "".join(_part(part, links) for part in parts)
    return f"<p{f' class={kind}' if kind else ''}>{inner}</p>" if parts else ""


def _part(part: str | Name, links: Links | None) -> str:
    if not isinstance(part, Name):
        return escape(part)
    strong = f"<b>{escape(part.text)}</b>"
    to = links.to(part.source, part.line) if links and isinstance(part, Place) else None
    return strong if to is None else f'<a class="to" href="#{to}">{strong}</a>'


def _section(name: str, title: str, *parts: str) -> str:
    inner = "\n".join(part for part in parts if part)
    return (
        f'<section id="{name}" aria-labelledby="{name}-title">\n'
        f'<h2 id="{name}-title">{title}</h2>\n'
        f"{inner}\n</section>"
    )


def _table(
    label: str,
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    numbers: frozenset[int] = frozenset(),
) -> str:
    """A table of cells that are markup already; columns of NUMBERS stand right."""
    kind = [" class=n" if at in numbers else "" for at in range(len(head))]
    heads = "".join(
        f'<th scope="col"{each}>{escape(one)}</th>' for one, each in zip(head, kind, strict=True)
    )
    body = "\n".join(
        "<tr>" + "".join(f"<td{each}>{c}</td>" for c, each in zip(row, kind, strict=True)) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll{" wide" if len(head) > 5 else ""}" role="region" tabindex="0" '
        f'aria-label="{escape(label)}">\n<table>\n'
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>"
    )


def _number(value: int | None) -> str:
    return "\u2013" if value is None else f"{value:,}"


def _place(source: str, line: int, to: str | None) -> str:
    """SOURCE:LINE as a link to the id TO."""
    shown = f"{_text(Path(source).name)}:{line}"
    if to is None:
        return shown
    return f'<a class="place" href="#{to}" title="{_text(source)}:{line}">{shown}</a>'


# -- sections ------------------------------------------------------------------------------------


def _header(words: Words, links: Links) -> str:
    sections = (
        ("read", "What was read"), ("answer", "Answer"), ("lifetimes", "Lifetimes"),
        ("reuse", "Reused addresses"), ("steps", "Steps"), ("findings", "Findings"),
        *([("log-lines", "Log lines")] if links.lines else []), ("timeline", "Timeline"),
    )  # fmt: skip
    items = "".join(f'<li><a href="#{name}">{title}</a></li>' for name, title in sections)
    return (
        "<header>\n<p class=kicker>cuidx report: which container was it?</p>\n"
        f"<h1>{_text(words.title())}</h1>\n<p class=counts>{escape(words.counts())}</p>\n"
        f'<nav aria-label="Sections"><ul>{items}</ul></nav>\n</header>'
    )


def _warnings(facts: Facts) -> str:
    if not facts.warnings:
        return ""
    items = "".join(f"<li>{_text(one)}</li>" for one in facts.warnings)
    return _section("warnings", "Warnings", f"<ul class=warnings>{items}</ul>")


def _read(facts: Facts) -> str:
    chosen = f"<p>Chosen: {_text(', '.join(facts.chosen))}.</p>" if facts.chosen else ""
    head = ["source", "format", "records", "events", "unreadable", "SHA-256 of the file"]
    rows = [
        [
            f'<span id="source-{at}">{_text(one.path)}</span>',
            _text(one.left_out or one.format or "-"),
            _number(one.records),
            _number(one.events),
            _number(one.unreadable),
            f"<code>{one.sha256}</code>" if one.sha256 else "not a file",
        ]
        for at, one in enumerate(facts.sources)
    ]
    table = _table("Sources", head, rows, frozenset({2, 3, 4}))
    openness = " open" if len(rows) <= 3 else ""
    return _section(
        "read",
        "What was read",
        f"<p>{_text(accounting.line(facts.accounting))}. {_text(facts.zone)}"
        f"{'' if facts.warnings else ' There are no warnings.'}</p>\n<p>{say.TAGGED}</p>",
        chosen,
        f"<details{openness}><summary>{accounting.many(len(rows), 'source')}, with format and "
        f"SHA-256</summary>\n{table}\n</details>",
    )


def _answer(facts: Facts, words: Words, links: Links) -> str:
    first, lead = words.featured(), ""
    if first is not None:
        lead = _sentence(words.alert(first), "lead", links)
        if first.message:
            lead += f"<p class=message>The alert says: <q>{_text(first.message)}</q></p>"
    which = f"<p>The alerts {escape(say.ORDER)}:</p>"
    note = _sentence(words.window(), "note") if facts.totals["alerts"] else ""
    overview = [_sentence(words.which_were_reused()), _sentence(words.how_much())]
    one = facts.totals["alerts"] == 1  # then it is what the reader came for
    return _section(
        "answer",
        "The answer",
        *([lead, note, overview[0]] if one else [*overview, note, lead]),
        which if len(facts.alerts) > 1 else "",
        _alert_table(facts, words, links) if facts.alerts else "",
    )


def _alert_table(facts: Facts, words: Words, links: Links) -> str:
    near = words.search("ip_time_search").removeprefix("by IP ")
    head = ["first alert", "alerts", "address", "belonged to", "before it", "after it",
            *(words.search(name) for name in say.SEARCHES), "spared",
            f"spared, {near}"]  # fmt: skip
    rows = []
    for one in facts.alerts[:_ALERTS]:
        row, holder, before, after = one.row, one.holder, one.before, one.after
        who = words.who(holder.holder) if holder else words.who(row["container"] or "")
        seen = words.span(holder.first, holder.last) if holder else ""
        earlier = f"{words.who(before.holder)}, until {words.at(before.last)}" if before else "-"
        later = f"{words.who(after.holder)}, from {words.at(after.first)}" if after else "-"
        when = f"{words.at(row['at'])} " if row["at"] is not None else ""
        link = _place(row["source"], row["line"], links.to(row["source"], row["line"]))
        rows.append(
            [
                f"{when}{link}",
                _number(row["alerts"]),
                f"<b>{_text(row['ip'] or '-')}</b>",
                f'<b title="{_text(row["container"])}">{_text(who)}</b>'
                + (f" <span class=sub>{_text(seen)}</span>" if seen else ""),
                _text(earlier),
                _text(later),
                *(_number(row[name]) for name in say.SEARCHES),
                _share(row["needless"], row["ip_search"]),
                _share(row["spared"], row["ip_time_search"]),
            ]
        )
    more = len(facts.alerts) - len(rows)
    below = f"<p class=more>{more:,} more containers have alerts.</p>" if more > 0 else ""
    label = "Who had the address at each alert, and the lines to read"
    return f"{_table(label, head, rows, frozenset({1, 6, 7, 8, 9, 10}))}{below}"


def _share(part: int | None, whole: int | None) -> str:
    share = f" <span class=sub>({part / whole:.0%})</span>" if part and whole else ""
    return f"{_number(part)}{share}"


def _lifetimes(facts: Facts) -> str:
    lanes = facts.lanes
    if not lanes.bars:
        return _section("lifetimes", "Lifetimes", "<p>No container has a place in time.</p>")
    still = svg(styled(timeline_chart(lanes, ink=_INK["ink"]), **_INK), "lifetimes-chart")
    note = (
        f"<p>{accounting.many(lanes.undated, 'container')} without a time or an address "
        "stand in the timeline below alone.</p>"
        if lanes.undated
        else ""
    )
    return _section(
        "lifetimes",
        "Lifetimes",
        "<p>A lane is an address, a bar a container that had it. A tick at a bar's start: the "
        "address changes hands. Dots between bars: nobody is seen with it. \u25bc: errors. The "
        "timeline below has the same in words and numbers.</p>",
        note,
        f'<div class=still role=img aria-label="Lifetimes on lanes of addresses">{still}</div>',
        '<div id="chart" hidden></div>',
    )


def _stories(facts: Facts, words: Words) -> str:
    reused = facts.reused
    if not reused:
        return _section("reuse", "Reused addresses", "<p>No address was reused.</p>")
    told = sorted(reused, key=lambda row: -row["ambiguous_lines"])[:_STORIES]
    chosen = {row["ip"] for row in told}
    stories = [_story(words, row) for row in reused if row["ip"] in chosen]
    more = ""
    if len(reused) > len(told):
        more = (
            f"<p class=more>Told are the {len(told)} with most lines of {len(reused):,}; the "
            "timeline below has all.</p>"
        )
    return _section("reuse", "Reused addresses", more, *stories)


def _story(words: Words, row: Row) -> str:
    head = ["", "container", "Pod", "first seen", "last seen", "lines", "how"]
    how = say.changes([(holder["change"], holder["pod"]) for holder in row["holders"]])
    rows = [
        [
            str(at),
            f"<b>{_text(words.who(holder['container']))}</b><br><code>{_text(holder['container'])}"
            "</code>",
            _text(holder["pod"] or "-"),
            _time(words, holder["first_seen"]),
            _time(words, holder["last_seen"]),
            _number(holder["lines"]),
            say.CHANGES[key],
        ]
        for at, (holder, key) in enumerate(zip(row["holders"], how, strict=True), start=1)
    ]
    ip = _text(row["ip"])
    return (
        f"<article>\n<h3>{ip}</h3>\n{_sentence(words.story(row))}\n"
        f"{_table(f'Holders of {ip}', head, rows, frozenset({0, 5}))}\n</article>"
    )


def _time(words: Words, when: str | None) -> str:
    if when is None:
        return "-"
    return f'<time datetime="{escape(when)}" title="{escape(when)}">{words.stamp(when)}</time>'


def _steps(facts: Facts, words: Words) -> str:
    if not facts.totals["alerts"]:
        return _section("steps", "Steps", _sentence(words.how_much()))
    chart = styled(
        steps_chart(facts.groups, facts.totals, facts.services, facts.window, ink=_INK["ink"]),
        **_INK,
    )
    head, rows = say.totals_table(facts, words)
    shown = [[_text(row[0]), *(_number(value) for value in row[1:])] for row in rows]
    meanings = "".join(
        f"<dt>{escape(word)}</dt><dd>{escape(meaning)}</dd>"
        for word, meaning in say.definition(facts)
    )
    totals = facts.totals
    return _section(
        "steps",
        "Steps of the investigation",
        _sentence(words.how_much()),
        _sentence(words.window(), "note"),
        '<div class=beside>\n<div class=picture role=region tabindex=0 aria-label="Steps chart">'
        '<div role=img aria-label="Lines to read after an alert, by each search; the tables have '
        f'the numbers">{svg(chart, "steps-chart")}</div></div>\n<div>\n'
        f"<h3>What is counted</h3>\n<dl>{meanings}</dl>\n</div>\n</div>",
        f"<h3>Sums over {accounting.many(totals['alerts'], 'alert')} "
        f"({_text(facts.alerts_are)})</h3>",
        _table("Sums over all alerts", head, shown, frozenset({1, 2, 3, 4, 5})),
        f"<p>Missed by the search by IP: {accounting.many(totals['missed'], 'line')}.</p>",
    )


def _findings(facts: Facts, links: Links) -> str:
    looked = f"<p>Looked for: {say.LOOKED_FOR}.</p>"
    if not facts.findings:
        return _section("findings", "Findings", looked, "<p>Nothing is odd in the evidence.</p>")
    rows = [
        [
            TITLES[row["kind"]],
            f"<code>{_text(row['container'] or row['ip'] or '-')}</code>",
            _text(row["why"]),
            " ".join(
                _place(one["source"], one["line"], links.to(one["source"], one["line"]))
                for one in row["lines"]
            ),
        ]
        for row in facts.findings[:_FINDINGS]
    ]
    more = len(facts.findings) - len(rows)
    return _section(
        "findings",
        "Findings",
        "<p>What is odd in the evidence, with the lines that show it; it changes no answer.</p>",
        looked,
        _table("Findings", ["what", "about", "why", "lines"], rows),
        f"<p class=more>{more:,} more: cuidx findings lists them.</p>" if more > 0 else "",
    )


def _log_lines(links: Links) -> str:
    if not links.lines:
        return ""
    rows = [
        [
            f'<span id="{one.anchor}">{_place(one.source, one.line, links.source(one.source))}'
            "</span>",
            _text(one.why),
            f"<q>{_text(one.text)}</q>",
        ]
        for one in links.lines
    ]
    return _section(
        "log-lines",
        "Log lines",
        "<p>The lines that alerts and findings above lead to. Each leads on to its source.</p>",
        _table("Log lines", ["line", "what", "text"], rows),
    )


def _timeline() -> str:
    return _section(
        "timeline",
        "Timeline",
        '<div id="rows"></div>',
        "<noscript><p>The sortable table needs JavaScript; cuidx timeline prints the same."
        "</p></noscript>",
    )
