"""The report's sentences, as parts of which some are names: the page and the ticket mark them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cuidx import times
from cuidx.enrich.leases import SECOND
from cuidx.present.accounting import many
from cuidx.present.cells import text
from cuidx.present.timeaxis import clock, day, duration, moment
from cuidx.report.facts import Alerts, Facts, Row, Tenure


@dataclass(frozen=True, slots=True)
class Name:
    """A part of a sentence that stands out: an address, a container, a number."""

    text: str


@dataclass(frozen=True, slots=True)
class Place(Name):
    """A line of a log, which the page links to."""

    source: str
    line: int


Part = str | Name
Sentence = list[Part]
CHANGES: Final = {
    "first": "first seen with it",
    "recycled": "another Pod got it",
    "renewed": "a new Pod of the same name got it",
    "restarted": "the same Pod's next container kept it",
    "returned": "the same holder again",
    "shared": "at the same time as others",
}
SEARCHES: Final = ("ip_search", "ip_time_search", "cuid_search")
NARROWER: Final = ("12h", "6h", "3h", "1h", "30m", "10m", "5m", "1m", "30s", "10s", "5s", "1s")
TAGGED: Final = (
    "A CUID is an id that belongs to one container alone and stands in its lines; an IP address "
    "goes on to the next container. Lines with a CUID count as tagged."
)
LOOKED_FOR: Final = (
    "forged or doubled suffixes and keys, one container on two addresses at once, two holders of "
    "one address at once, clocks that disagree, holes and gaps, missing starts and stops, files "
    "that are cut off"
)
ORDER: Final = "by container and address; most lines spared in all (alerts \u00d7 spared) first"
_TOLD: Final = 8  # holders of an address that the sentence names


class Words:
    """How things are called in this report: names as short as can be, times as long as need be."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        lanes = facts.lanes
        self.ordered = lanes.clock == "order"
        first, last = facts.accounting["first"], facts.accounting["last"]
        self.days = bool(first and last and first[:10] != last[:10])
        self._services = {row["container"]: row["service"] for row in facts.containers}
        for bar in lanes.bars:
            self._services.setdefault(bar.holder, bar.service)
        self._lines = {row["ip"]: row["ip_search"] for row in facts.groups.iter_rows(named=True)}

    # -- names and times -------------------------------------------------------------------

    def short(self, container: str) -> str:
        """The name of CONTAINER as charts and tables have it."""
        return self.facts.lanes.names.get(container, text(container))

    def who(self, container: str) -> str:
        """Its service and short name."""
        return f"{text(self._services.get(container))} {self.short(container)}".strip()

    def at(self, when: int | None) -> str:
        """A time (ns), to the second; or a line."""
        if when is None:
            return ""
        return f"line {when:,}" if self.ordered else clock(when // 1000, date=self.days)

    def span(self, first: int, last: int) -> str:
        """From FIRST to LAST, short enough for a table."""
        if first == last:
            return self.at(first)
        start, end = (self.at(at).removeprefix("line ") for at in (first, last))
        return f"{'lines ' if self.ordered else ''}{start}\u2013{end}"

    def stamp(self, when: str | None) -> str:
        """A time of the JSON, to the second."""
        micros = moment(when)
        return "" if micros is None else clock(micros, date=self.days)

    def length(self, first: int, last: int) -> str:
        """From FIRST to LAST (ns, or lines)."""
        return many(last - first, "line") if self.ordered else duration((last - first) // 1000)

    def title(self) -> str:
        """What all is about: the time of the logs."""
        first, last = moment(self.facts.accounting["first"]), moment(self.facts.accounting["last"])
        if first is None or last is None:
            return "Logs without times"
        end = clock(last, date=False)
        if day(first) != day(last):
            end = f"{day(last)} {end}"
        return f"{day(first)} {clock(first, date=False)} to {end} UTC"

    def search(self, name: str) -> str:
        """What a search is called."""
        return {
            "ip_search": "by IP",
            "ip_time_search": f"by IP \u00b1{self.facts.window}",
            "cuid_search": "by CUID",
        }[name]

    # -- the window ------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Whether the window holds the whole log, so that the search by time is the one by IP."""
        totals, span = self.facts.totals, self._span()
        return (
            span is not None
            and span < times.length(self.facts.window) // 1000
            and totals["ip_search"]["lines"] == totals["ip_time_search"]["lines"]
        )

    def window(self) -> Sentence:
        """What to know of the search by address and time, if there is anything."""
        near, span = self.search("ip_time_search"), self._span()
        if self.facts.groups["ip_time_search"].count() == 0:
            why = "no line has a time" if self.ordered else "no alert has both"
            return [f"The search {near} needs an address and a time, and {why}."]
        if not self.idle or span is None:
            return []
        narrow = next((one for one in NARROWER if times.length(one) <= span * 1000 // 8), None)
        hint = f" A narrower one: --window {narrow}." if narrow else ""
        return [
            f"The log spans {duration(span)}, less than the window of {self.facts.window} each "
            f"side: {near} is the same as by IP.{hint}"
        ]

    def _span(self) -> int | None:
        """From the first to the last time of the log, in microseconds."""
        first, last = (moment(self.facts.accounting[at]) for at in ("first", "last"))
        return None if first is None or last is None else last - first

    # -- the answer ------------------------------------------------------------------------

    def featured(self) -> Alerts | None:
        """The alert that stands for all: the first with a known holder."""
        return next((one for one in self.facts.alerts if one.holder is not None), None)

    def counts(self) -> str:
        """How much of everything there is."""
        facts = self.facts
        errors = sum(row["errors"] for row in facts.containers)
        return " · ".join(
            [
                many(len(facts.containers), "container"),
                f"{many(len(facts.ips), 'IP address').replace('addresss', 'addresses')}, "
                f"{len(facts.reused):,} reused",
                many(facts.accounting["events"], "event"),
                many(errors, "error"),
            ]
        )

    def which_were_reused(self) -> Sentence:
        """Which addresses several containers had, one after the other."""
        reused, ips = self.facts.reused, self.facts.ips
        if not ips:
            return ["No line names the address of its container, so none can be told to be reused."]
        if not reused:
            return [f"None of {many(len(ips), 'IP address').replace('sss', 'sses')} was reused: a "
                    "search for one finds one container."]  # fmt: skip
        holders = sum(len(row["holders"]) for row in reused)
        mixed = sum(row["ambiguous_lines"] for row in reused)
        listed: Sentence = []
        for row in reused[:12]:
            listed += [Name(text(row["ip"])), f" ({len(row['holders'])} holders), "]
        listed[-1] = str(listed[-1])[:-2]
        more = f" and {len(reused) - 12:,} more" if len(reused) > 12 else ""
        what = "addresses were" if len(reused) > 1 else "address was"
        return [
            f"{len(reused):,} of {len(ips):,} ", f"{what} reused: ", *listed, f"{more}. ",
            f"In all {holders:,} holders had them one after the other, and a search for such an "
            f"address finds the lines of all its holders mixed: {mixed:,} lines.",
        ]  # fmt: skip

    def how_much(self) -> Sentence:
        """How many lines the searches need, over all alerts."""
        totals = self.facts.totals
        alerts, by_ip = totals["alerts"], totals["ip_search"]["lines"]
        if not alerts:
            return [f"There are no alerts ({self.facts.alerts_are}), so there is nothing to search "
                    "after."]  # fmt: skip
        needless = totals["needless"]
        if not by_ip:
            return [f"The {many(alerts, 'alert')} carry no address to search for."]
        cuid = totals["cuid_search"]["lines"]
        timed = totals["ip_time_search"]["lines"]
        near = against = ""
        if timed and not self.idle:
            by_time = self.search("ip_time_search")
            near = f" ({timed / alerts:,.0f} {by_time})"
            if self.facts.spared is not None:
                spared = self.facts.spared
                against = f"; of those {by_time} {spared / alerts:,.0f} ({spared / timed:.0%})"
        if alerts == 1:
            said: Sentence = [
                "After the alert, a search by IP brings up ", Name(f"{by_ip:,}"),
                f" lines to read{near}, a search by CUID ", Name(f"{cuid:,}"), ": ",
                Name(f"{needless:,}"), f" lines ({needless / by_ip:.0%}) are spared{against}.",
            ]  # fmt: skip
        else:
            said = [
                f"There are {alerts:,} alerts ({self.facts.alerts_are}). On average a search by IP "
                "brings up ", Name(f"{by_ip / alerts:,.0f}"), f" lines to read after one{near}, a "
                "search by CUID ", Name(f"{cuid / alerts:,.0f}"), ": ",
                Name(f"{needless / alerts:,.0f}"),
                f" lines ({needless / by_ip:.0%}) are spared{against}. ", *self._once(),
            ]  # fmt: skip
        if missed := totals["missed"]:
            said.append(f" It also brings up {many(missed, 'line')} that the search by IP misses.")
        return said

    def _once(self) -> Sentence:
        """The same with each line once, as alerts of one capture share most lines."""
        totals = self.facts.totals
        by_ip, cuid = (totals[name]["distinct_lines"] for name in ("ip_search", "cuid_search"))
        differ = f"{abs(by_ip - cuid):,} {'fewer' if cuid <= by_ip else 'more'}"
        return [
            "Alerts share lines. Whoever reads after all of them, each line once: ",
            Name(f"{by_ip:,}"), " lines by IP against ", Name(f"{cuid:,}"), f" by CUID ({differ}).",
        ]  # fmt: skip

    def alert(self, alerts: Alerts) -> Sentence:
        """Whose the address was at an alert, before it and after it; and what is spared."""
        row = alerts.row
        place = f"{text(row['source'])}:{row['line']}"
        when = "" if self.ordered or row["at"] is None else f" at {self.at(row['at'])}"
        said: Sentence = [f"At the alert{when} (", Place(place, row["source"], row["line"]), "), "]
        if row["ip"] is None or alerts.holder is None:
            who = self.who(row["container"]) if row["container"] else "no known container"
            return [*said, "which has no address of its own, the line is of ", Name(who), "."]
        said += [Name(text(row["ip"])), " belonged to ", Name(self.who(alerts.holder.holder))]
        said += [f", seen with it {self._seen(alerts.holder)}. "]
        if alerts.before is not None:
            said += ["Before it, ", Name(self.who(alerts.before.holder)),
                     f" had it, until {self.at(alerts.before.last)}"]  # fmt: skip
        else:
            said += ["Nobody is seen with it before"]
        if alerts.after is not None:
            said += ["; after it, ", Name(self.who(alerts.after.holder)),
                     f", from {self.at(alerts.after.first)}"]  # fmt: skip
        said += [". "]
        if row["ip_search"] and row["cuid_search"] is not None:
            said += [
                "A search by this address finds ", Name(f"{row['ip_hits']:,}"),
                f" {'line' if row['ip_hits'] == 1 else 'lines'} (hits); with all lines of the "
                "requests named in them ", Name(f"{row['ip_search']:,}"),
                f" have to be read{self._near(row)}. One by its CUID finds ",
                Name(f"{row['cuid_hits']:,}"), ", and ", Name(f"{row['cuid_search']:,}"),
                " have to be read: ",
                Name(f"{row['needless']:,}"),
                f" lines ({row['needless'] / row['ip_search']:.0%}) are spared.",
            ]  # fmt: skip
        return said

    def _near(self, row: Row) -> str:
        """The fair comparison: what of these lines is near the alert."""
        near, spared = row["ip_time_search"], row["spared"]
        if near is None or self.idle:
            return ""
        of_them = "" if spared is None else f", {spared:,} of them spared"
        return f" ({near:,} {self.search('ip_time_search')}{of_them})"

    def _seen(self, one: Tenure) -> str:
        if one.first == one.last:
            return f"at {self.at(one.first)}" if not self.ordered else f"in {self.at(one.first)}"
        return f"from {self.at(one.first)} to {self.at(one.last)}"

    # -- an address's story ----------------------------------------------------------------

    def story(self, row: Row) -> Sentence:
        """Who had the address of ROW (of REUSE), one after the other."""
        holders = row["holders"]
        said: Sentence = [f"{len(holders):,} holders had ", Name(text(row["ip"])),
                          " one after the other. "]  # fmt: skip
        before: int | None = None
        for at, holder in enumerate(holders[:_TOLD]):
            said += list(self._step(at, holder, before))
            before = moment(holder["last_seen"])
        if len(holders) > _TOLD:
            said.append(f"And {len(holders) - _TOLD:,} more, in the table. ")
        lines = row["ambiguous_lines"]
        said.append(f"A search for this address finds {many(lines, 'line')} (hits) of all of them.")
        if read := self._lines.get(row["ip"]):
            said.append(f" After an alert on it, with all lines of the requests named in the hits, "
                        f"{read:,} have to be read.")  # fmt: skip
        return said

    def _step(self, at: int, holder: Row, before: int | None) -> Iterator[Part]:
        first, last = moment(holder["first_seen"]), moment(holder["last_seen"])
        who = Name(self.who(holder["container"]))
        if first is None or last is None:
            yield from ("" if at == 0 else "Then ", who, " had it. ")
            return
        span = f"from {clock(first, date=self.days)} to {clock(last, date=self.days)}"
        if at == 0:
            yield from (who, f" was seen with it {span}. ")
        elif before is not None and first - before < SECOND // 1000:
            yield from ("At once ", who, f" had it, {span}. ")
        else:
            free = duration(first - before) if before is not None else ""
            yield from (f"{free} later ", who, f" had it, {span}. ")


def changes(holders: Sequence[tuple[str, str | None]]) -> list[str]:
    """The keys in CHANGES of the HOLDERS of an address, each a change of REUSE and a Pod, in order.

    One whose Pod has the name of the Pod before it is `renewed`, as in a StatefulSet.
    """
    keys: list[str] = []
    before: str | None = None
    for change, pod in holders:
        keys.append("renewed" if change == "recycled" and pod and pod == before else change)
        before = pod
    return keys


def definition(facts: Facts) -> list[tuple[str, str]]:
    """What is counted, as (word, meaning)."""
    where = "anywhere in the line" if facts.search == "any" else "as their own"
    return [
        ("step", "One line that somebody has to read after an alert: the steps of an investigation "
         "are its lines to read."),
        ("search by IP", f"All lines that have the alert's address {where}; then a search for each "
         "request id that is named in them, and all lines of those requests."),
        (f"search by IP \u00b1{facts.window}", f"The same, but of the lines with the address only "
         f"those within {facts.window} of the alert: what a careful investigator does without a "
         "CUID. It is the fair comparison."),
        ("search by CUID", "All lines of the alert's container, and those of their requests. "
         "Where lines carry no CUID, the container is known by the next best identity."),
        ("hits", "Lines that the search itself finds, before the requests named in them."),
        ("lines to read", "The hits and all lines of their requests, each once for each alert. "
         "Alerts share lines; \u201ceach line once\u201d counts a line once over all of them."),
        ("searches", "What has to be typed: one, and one more for each request id."),
        ("spared", "Lines that the search brings up and the search by CUID does not (needless). "
         "\u201cMissed\u201d are those the other way about."),
    ]  # fmt: skip


def totals_table(facts: Facts, words: Words) -> tuple[list[str], list[list[Any]]]:
    """The sums over all alerts: a head, and a row for each search."""
    head = ["search", "searches", "hits", "lines to read", "spared by CUID", "each line once"]
    spared = {"ip_search": facts.totals["needless"], "ip_time_search": facts.spared}
    rows = []
    for name in SEARCHES:
        sums = facts.totals[name]
        there = facts.groups[name].count() > 0
        values = [sums["searches"], sums["hits"], sums["lines"], spared.get(name),
                  sums["distinct_lines"]]  # fmt: skip
        rows.append([words.search(name), *(value if there else None for value in values)])
    return head, rows
