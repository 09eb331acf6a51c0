"""The charts: what is on them, at 5 and at 500 containers, as SVG and PNG without a browser."""

from __future__ import annotations

import random
from pathlib import Path
from xml.etree import ElementTree

import altair as alt
import polars as pl
import pytest
from stories import FIXTURES, at

import cuidx
from cuidx.analyses.blocks import Block
from cuidx.analyses.marks import Marks
from cuidx.case import Case
from cuidx.charts.image import svg
from cuidx.charts.theme import SERVICES, Legend
from cuidx.schema import LEVEL, TIME

DEV = FIXTURES / "dev" / "export.jsonl"
FIGURE5 = FIXTURES / "paper" / "figure5.jsonl"


def story(containers: int, addresses: int, services: int = 3) -> Case:
    """CONTAINERS on ADDRESSES, each for a minute after the one before; every tenth has an error."""
    dice = random.Random(3)
    rows = []
    for number in range(containers):
        turn, address = divmod(number, addresses)
        service = f"s{dice.randrange(services)}"
        for second in (0, 40):
            rows.append(
                {
                    "time": at(turn * 60 + second), "ip": f"10.0.{address}.1", "message": "m",
                    "level": "ERROR" if number % 10 == 9 and second else "INFO",
                    "service": service, "cuid": f"{number:08x}", "request_id": f"r{number // 3}",
                }
            )  # fmt: skip
    return Case.from_frame(pl.DataFrame(rows))


def data(chart: alt.LayerChart, name: str) -> list[dict[str, object]]:
    return chart.to_dict()["datasets"][name]


CASES = {
    "5": lambda: story(5, 2),
    "500": lambda: story(500, 80, services=12),
    "dev": lambda: cuidx.open_case(DEV),
    "no times": lambda: cuidx.open_case(FIGURE5),
}


@pytest.mark.parametrize("name", CASES)
def test_each_chart_is_drawn_as_svg_and_png_without_a_browser(name: str, tmp_path: Path) -> None:
    case = CASES[name]()
    alert = {"alert": "figure5.jsonl:10"} if name == "no times" else {}
    charts = {
        "timeline": case.timeline_chart(),
        "reuse": case.reuse_chart(),
        "steps": case.steps_chart(**alert),
    }
    for kind, chart in charts.items():
        chart.save(tmp_path / f"{kind}.png")
        head = (tmp_path / f"{kind}.png").read_bytes()[:24]
        assert head[:8] == b"\x89PNG\r\n\x1a\n"
        width, height = (int.from_bytes(head[at : at + 4]) for at in (16, 20))
        assert 300 <= width <= 1300, kind  # fits a notebook
        assert 80 <= height <= 1300, kind  # and a page
    charts["steps"].save(tmp_path / "steps.svg")
    assert ElementTree.parse(tmp_path / "steps.svg").getroot().tag.endswith("svg")


def test_the_lifetimes_are_those_of_reuse() -> None:
    case = cuidx.open_case(DEV)
    bars = data(case.timeline_chart(), "bars")
    holders = case.reuse().explode("holders").unnest("holders")
    assert [(bar["lane"], bar["container"], bar["lines"], bar["change"]) for bar in bars] == [
        (row["ip"], row["container"], str(row["lines"]), row["change"])
        for row in holders.iter_rows(named=True)
    ]
    free = [(bar["container"], bar["free_from"]) for bar in bars if bar["free_from"] is not None]
    assert len(free) == 19  # reassignments, as the capture's truth.json counts them


def test_every_error_has_a_mark_and_stands_on_its_container() -> None:
    case = cuidx.open_case(DEV)
    errors = data(case.timeline_chart(), "errors")
    assert sum(int(str(mark["errors"]).split()[0]) for mark in errors) == 106
    lanes = {mark["lane"] for mark in errors}
    wrong = case.lifetimes().filter(pl.col("errors") > 0)
    assert lanes == set(wrong["ips"].explode())


def test_without_times_bars_are_the_lines_of_the_file() -> None:
    bars = data(cuidx.open_case(FIGURE5).timeline_chart(), "bars")
    assert [(bar["lane"], bar["name"], bar["first"], bar["last"]) for bar in bars] == [
        ("10.10.1.2", "643B", 1, 3), ("10.10.1.2", "CD85", 8, 10),
        ("10.10.11.2", "2F52", 3, 4), ("10.10.11.2", "4A23", 10, 11),
        ("10.10.11.1", "7D53", 5, 6), ("10.10.12.1", "82B8", 4, 5),
        ("10.10.13.1", "CC62", 6, 7), ("10.10.100.1", "17E1", 7, 8),
    ]  # fmt: skip


def test_holders_at_once_have_lanes_of_their_own() -> None:
    rows = [
        {"time": at(second), "ip": "10.0.0.1", "cuid": cuid, "service": "s", "message": "m"}
        for cuid in ("aa", "bb") for second in (0, 50)
    ]  # fmt: skip
    bars = data(Case.from_frame(pl.DataFrame(rows)).timeline_chart(), "bars")
    assert [bar["lane"] for bar in bars] == ["10.0.0.1", "10.0.0.1 (2)"]


def test_a_large_story_shows_the_lanes_with_most_holders_and_says_so() -> None:
    chart = story(500, 80).timeline_chart().to_dict()
    assert len({bar["lane"] for bar in chart["datasets"]["bars"]}) == 60
    assert chart["title"]["subtitle"][0].endswith("60 of 80 lanes: those with most holders")
    assert len({bar["lane"] for bar in data(story(500, 80).timeline_chart(most=80), "bars")}) == 80


def test_the_steps_are_those_of_the_table() -> None:
    case = cuidx.open_case(DEV)
    found = case.compare_searches()
    lines = data(case.steps_chart(most=50), "lines")
    mean = [row["lines"] for row in lines[:3]]
    sums = [found.totals[name]["lines"] for name in ("ip_search", "ip_time_search", "cuid_search")]
    assert mean == pytest.approx([total / 106 for total in sums])
    assert lines[3:6] == [
        {"alert": "gateway 8e449c08 on 10.89.1.10, 25 alerts", "search": search, "lines": lines_, "shown": f"{lines_:,}"}
        for search, lines_ in (("by IP", 1028), ("by IP \u00b15m", 1028), ("by CUID", 457))
    ]  # fmt: skip
    assert len(lines) == 3 * 15


def test_all_containers_have_bars_up_to_thirty_and_then_it_says_which() -> None:
    few, many = story(300, 20), story(500, 80)
    shown = {row["alert"] for row in data(few.steps_chart(), "lines")}
    assert len(shown) == 1 + few.compare_searches().alerts["container"].n_unique() == 31
    chart = many.steps_chart().to_dict()
    assert len({row["alert"] for row in chart["datasets"]["lines"]}) == 31
    assert chart["title"]["subtitle"][1:] == [
        "30 of 50 containers: those with most lines spared (alerts \u00d7 lines)",
        "the others save less; the mean counts them too",
    ]
    assert len(few.steps_chart().to_dict()["title"]["subtitle"]) == 1


def test_the_papers_alert_has_seven_lines_against_two() -> None:
    chart = cuidx.open_case(FIGURE5).steps_chart(alert="figure5.jsonl:10")
    assert [(row["search"], row["lines"]) for row in data(chart, "lines")] == [
        ("by IP", 7), ("by CUID", 2),
    ]  # fmt: skip


def test_pieces_of_a_reused_address_are_its_lines_in_order() -> None:
    case = cuidx.open_case(DEV)
    pieces = [row for row in data(case.reuse_chart(), "pieces") if row["ip"] == "10.89.1.10"]
    assert [(row["from"], row["to"], row["name"]) for row in pieces] == [
        (0, 22, "61ae8cdf"), (22, 40, "73c55328"), (40, 226, "8e449c08"), (226, 312, "ca6756cc"),
    ]  # fmt: skip


def test_the_seven_largest_services_have_colours_and_the_others_one() -> None:
    services = [f"s{number}" for number in range(9) for _ in range(10 - number)]
    legend = Legend.of(services)
    assert list(legend.colours) == [*(f"s{n}" for n in range(7)), "other services"]
    assert [legend.entry("s6"), legend.entry("s7")] == ["s6", "other services"]
    assert len(set(SERVICES)) == 7


def test_close_errors_are_one_mark_and_no_error_is_lost() -> None:
    rows = [
        pl.DataFrame({"container": ["a", "a", "b", None], "time": [10**12, 2 * 10**12, 5, 6],
                      "level": ["ERROR", "FATAL", "ERROR", "ERROR"], "message": list("wxyz"),
                      "line": [1, 2, 3, 4]}),
        pl.DataFrame({"container": ["a"], "time": [10**12 + 1], "level": ["ERROR"],
                      "message": ["v"], "line": [1]}),
    ]  # fmt: skip
    first, second = (
        one.with_columns(pl.col("level").cast(LEVEL), pl.col("time").cast(TIME)) for one in rows
    )
    groups = pl.DataFrame({"container": ["a", "c"], "level": ["INFO", "ERROR"]}).cast(
        {"level": LEVEL}
    )
    lines = pl.DataFrame({"group": [0, 1, 1], "time": [7, 8, 9], "line": [2, 3, 5]})
    marks = Marks("time")
    marks.add(Block(0, first, first), "f")
    marks.add(Block(1, second, second, groups, lines), "g")
    assert marks.untold() == [("g", 3)]
    assert marks.table({("g", 3): "u" * 200}).rows() == [
        ("a", 10**12, 2, "w", "f", 1), ("a", 2 * 10**12, 1, "x", "f", 2), ("b", 5, 1, "y", "f", 3),
        ("c", 8, 2, "u" * 160, "g", 3),
    ]  # fmt: skip


def test_what_stands_in_a_page_is_shapes_and_words() -> None:
    rows = [
        {"time": at(second), "ip": "10.0.0.1", "cuid": cuid, "message": "m",
         "service": "<b onx=1>\u202e"}
        for cuid, start in (("aa", 0), ("bb", 60)) for second in (start, start + 40)
    ]  # fmt: skip
    drawn = svg(Case.from_frame(pl.DataFrame(rows)).timeline_chart(), "x")
    assert "&lt;b onx=1&gt;\\u202e" in drawn
    tags = {one.tag for one in ElementTree.fromstring(drawn).iter()}
    assert tags <= {"svg", "g", "path", "rect", "line", "text", "tspan", "defs", "clipPath"}
    assert " style=" not in drawn
