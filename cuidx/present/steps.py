"""The table of `cuidx steps`: what is read after an alert, by address and by container.

    IP         SERVICE CUID     ALERTS     BY IP  BY IP ±5m  BY CUID    NEEDLESS
    10.10.11.2 payment 4a23b1c8      1         7          7        2     5  71 %
      2 lines have this IP, 1 of another container: payment 2f52d00e (1)

Alerts of one container on one address need the same searches, but for the time; so they are one
row. The containers that the address's other lines belong to stand below it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

from cuidx.present.accounting import many
from cuidx.present.cells import cells, clip, pad, painter, text
from cuidx.present.lanes import short_names
from cuidx.present.result import Result

_MOST: Final = 15  # rows; the rest is counted below
_NAMED: Final = 4  # containers that are named below a row
_PLACES: Final = 3  # alerts of a row that are listed by their place
_LEFT: Final = ("IP", "SERVICE", "CONTAINER")
_CAPS: Final = {"IP": 39, "SERVICE": 16, "CONTAINER": 24}
_LEAST: Final = {"SERVICE": 7, "CONTAINER": 8, "IP": 11}
_SEARCHES: Final = ("ip_search", "ip_time_search", "cuid_search")


def render(result: Result, *, width: int, color: bool) -> str:
    """RESULT's alerts, grouped, at most WIDTH columns wide; then the totals."""
    if not result.rows:
        return "no alerts\n"
    paint = painter(color)
    hits = cast("Sequence[Mapping[str, Any]]", result.drawn["hits"])
    window, anywhere = str(result.drawn["window"]), result.drawn["search"] == "any"
    groups = _groups(result.rows)
    names = _names(groups, hits)
    known_by = "CUID" if {hit["identity"] for hit in hits} == {"cuid"} else "CONTAINER"
    how = {"ip_search": "BY IP", "ip_time_search": f"BY IP ±{window}",
           "cuid_search": f"BY {known_by}"}  # fmt: skip
    shown = groups[:_MOST]
    rows = [_cells(group, hits, names, how) for group in shown]
    titles = {name: name for name in rows[0]} | {"CONTAINER": known_by}
    widths = {
        name: min(
            max(cells(titles[name]), *(cells(row[name]) for row in rows)), _CAPS.get(name, 20)
        )
        for name in rows[0]
    }
    for name in ("SERVICE", how["ip_time_search"]):  # where there is no room at all
        if sum(min(w, _LEAST.get(n, w)) for n, w in widths.items()) + len(widths) - 1 > width:
            del widths[name]
    over = sum(widths.values()) + len(widths) - 1 - width
    for name, least in _LEAST.items():
        cut = min(max(over, 0), max(widths.get(name, 0) - least, 0))
        if cut:
            widths[name] -= cut
            over -= cut
    out = [paint(entry, "bold") for entry in _wrapped(_title(result.rows, groups), width, "")]
    right = [name for name in widths if name not in _LEFT]
    above = sum(w + 1 for name, w in widths.items() if name != "NEEDLESS") - 1
    out.append(paint("lines to read, searching".rjust(above), "dim"))
    out.append(paint(_line(titles, widths, right), "dim"))
    for group, row in zip(shown, rows, strict=True):
        out.append(_line(row, widths, right))
        for sentence in _below(group, hits, names, anywhere=anywhere):
            out += [paint(entry, "dim") for entry in _wrapped(sentence, width, "  ")]
    if len(groups) > len(shown):
        rest = sum(len(group) for group in groups[_MOST:])
        out.append(
            f"and {many(len(groups) - len(shown), 'row')} more with {many(rest, 'alert')} "
            "(-f jsonl has every alert)"
        )
    out += ["", *_totals(cast("Mapping[str, Any]", result.extra["totals"]), how, width, paint)]
    where = "anywhere in the line" if anywhere else "as their own"
    legend = (
        f"By IP: lines that have the address {where}, and all lines of the requests named in them. "
        f"Needless: those that the search by {known_by} does not return."
    )
    out += [paint(entry, "dim") for entry in _wrapped(legend, width, "")]
    return "".join(entry.rstrip() + "\n" for entry in out)


Group = list[Mapping[str, Any]]


def _groups(rows: Sequence[Mapping[str, Any]]) -> list[Group]:
    """The alerts of each container on each address; those that read most in vain come first."""
    found: dict[tuple[Any, Any], Group] = {}
    for row in rows:
        found.setdefault((row["ip"], row["container"]), []).append(row)
    return sorted(found.values(), key=lambda group: -sum(row["needless"] or 0 for row in group))


def _names(groups: list[Group], hits: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    known = {hit["container"]: hit["identity"] for hit in hits if hit["container"] is not None}
    for group in groups:
        if group[0]["container"] is not None:
            known.setdefault(group[0]["container"], "cuid")
    pairs = [(text(name), text(kind)) for name, kind in sorted(known.items())]
    return dict(zip(sorted(known), short_names(pairs), strict=True))


def _title(rows: Sequence[Mapping[str, Any]], groups: list[Group]) -> str:
    containers = {row["container"] for row in rows} - {None}
    ips = {row["ip"] for row in rows} - {None}
    return (
        f"{many(len(rows), 'alert')} · {many(len(containers), 'container')} on "
        f"{many(len(ips), 'IP')}"
    )


def _cells(
    group: Group,
    hits: Sequence[Mapping[str, Any]],
    names: Mapping[str, str],
    how: Mapping[str, str],
) -> dict[str, str]:
    row = group[0]
    service = next((hit["service"] for hit in hits if hit["container"] == row["container"]), None)
    found = {
        "IP": text(row["ip"]) or "-",
        "SERVICE": text(service) or "-",
        "CONTAINER": names.get(row["container"], "-"),
        "ALERTS": text(len(group)),
    }
    for search in _SEARCHES:
        counts = [alert[search]["lines"] for alert in group if alert[search] is not None]
        low, high = (min(counts), max(counts)) if counts else (None, None)
        span = text(low) if low == high else f"{text(low)}\u2013{text(high)}"
        found[how[search]] = span or "-"
    needless, read = row["needless"], row["ip_search"] and row["ip_search"]["lines"]
    found["NEEDLESS"] = "-" if needless is None else f"{text(needless)} {needless / read:>4.0%}"
    return found


def _below(
    group: Group, hits: Sequence[Mapping[str, Any]], names: Mapping[str, str], *, anywhere: bool
) -> Iterator[str]:
    """Whose lines the search by the group's address returns; and where its alerts stand."""
    ip, container = group[0]["ip"], group[0]["container"]
    if ip is not None:
        mine = [hit for hit in hits if hit["ip"] == ip]
        others = [hit for hit in mine if hit["container"] != container]
        total, foreign = (sum(hit["hits"] for hit in some) for some in (mine, others))
        listed = ", ".join(
            " ".join(
                part
                for part in (text(hit["service"]), names.get(hit["container"], "nobody known"))
                if part
            )
            + f" ({hit['hits']:,})"
            for hit in others[:_NAMED]
        )
        if len(others) > _NAMED:
            listed += f" and {len(others) - _NAMED} more"
        have = "has" if total == 1 else "have"
        whose = f", {foreign:,} of {_another(len(others))}: {listed}" if others else ", all its own"
        yield f"{many(total, 'line')} {have} this IP{' somewhere' if anywhere else ''}{whose}"
    else:
        yield "no line of it has an IP: there is nothing to search by IP"
    if len(group) <= _PLACES:
        yield "alert: " + ", ".join(f"{text(row['source'])}:{row['line']}" for row in group)


def _another(count: int) -> str:
    return "another container" if count == 1 else f"{count:,} other containers"


def _totals(totals: Mapping[str, Any], how: Mapping[str, str], width: int, paint: Any) -> list[str]:
    """The sums of the three searches, and what they mean in a sentence."""
    titles = {"": "IN ALL", "searches": "SEARCHES", "hits": "HITS", "lines": "LINES",
              "distinct_lines": "DIFFERENT LINES"}  # fmt: skip
    rows = [
        {"": how[search].capitalize().replace("ip", "IP").replace("cuid", "CUID"),
         **{name: text(totals[search][name]) if totals[search]["hits"] else "-"
            for name in titles if name}}
        for search in _SEARCHES
    ]  # fmt: skip
    widths = {
        name: max(cells(title), *(cells(row[name]) for row in rows))
        for name, title in titles.items()
    }
    right = [name for name in titles if name]
    lines = [paint(_line(titles, widths, right, gap=2), "dim")]
    lines += [_line(row, widths, right, gap=2) for row in rows]
    read, needless, missed = totals["ip_search"]["lines"], totals["needless"], totals["missed"]
    if read:
        said = f"Of {read:,} lines read by IP {needless:,} ({needless / read:.0%}) were needless"
        said += f", and {missed:,} more were missed." if missed else "."
        lines += _wrapped(said, width, "")
    return [clip(line, width) for line in lines]


def _line(
    row: Mapping[str, str], widths: Mapping[str, int], right: Sequence[str], gap: int = 1
) -> str:
    return (" " * gap).join(
        pad(clip(row[name], w, middle=name in _LEFT), w, right=name in right)
        for name, w in widths.items()
    )


def _wrapped(sentence: str, width: int, indent: str) -> list[str]:
    """SENTENCE in lines of at most WIDTH, each with INDENT, broken at blanks."""
    lines, line = list[str](), indent
    for word in sentence.split(" "):
        if line.strip() and cells(line) + 1 + cells(word) > width:
            lines.append(line)
            line = indent
        line += word if line == indent else f" {word}"
    return [clip(entry, width) for entry in [*lines, line]]
