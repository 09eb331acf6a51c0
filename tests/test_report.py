"""The report in a real browser: it works, it is readable by all, and nothing in a log runs in it."""

from __future__ import annotations

import json
import random
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from browser import Browser, axe_source
from stories import FIXTURES

import cuidx
from cuidx.case import Case

DEV = FIXTURES / "dev" / "export.jsonl"
FIGURE5 = FIXTURES / "paper" / "figure5.jsonl"
BARS = "#chart .life"
ROWS = "#rows tbody tr"


def simulated(path: Path, containers: int, addresses: int) -> Path:
    """CONTAINERS on ADDRESSES, one after the other, over six hours; always the same."""
    dice = random.Random(7)
    start = datetime(2026, 11, 2, 9, tzinfo=UTC)
    services = ("gateway", "store", "payment", "db", "mail", "search", "cart", "auth", "stock")
    rows: list[tuple[float, str]] = []
    for address in range(addresses):
        edges = sorted(dice.random() * 21_600 for _ in range(containers // addresses * 2))
        for first, last in zip(edges[::2], edges[1::2], strict=True):
            cuid, service = (
                str(uuid.UUID(int=dice.getrandbits(128), version=4)),
                dice.choice(services),
            )
            for second in (first, last, dice.uniform(first, last)):
                wrong = dice.random() < 0.06
                row = {
                    "time": (start + timedelta(seconds=second)).isoformat(timespec="milliseconds"),
                    "level": "ERROR" if wrong else "INFO",
                    "msg": "charge failed: timed out" if wrong else "ok",
                    "ikontainer_CUID": cuid, "svc": f"{service}.shop.lab", "pod": f"{service}-{cuid[:5]}",
                    "ip": f"10.20.{address}.7", "request_id": f"r{dice.randrange(2 * containers)}",
                }  # fmt: skip
                rows.append((second, json.dumps(row)))
    path.write_text("".join(f"{line}\n" for _, line in sorted(rows)))
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    one = Browser()
    yield one
    one.close()


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    return axe_source(tmp_path_factory.mktemp("npm"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="module")
def dev(folder: Path) -> Path:
    cuidx.open_case(DEV).report(folder / "dev.html")
    return folder / "dev.html"


@pytest.fixture(scope="module")
def big(folder: Path) -> Path:
    case = cuidx.open_case(simulated(folder / "big.jsonl", 5_000, 250))
    case.report(folder / "big.html")
    return folder / "big.html"


# --- it opens and asks for nothing ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "width", "dark"),
    [("dev", 1280, False), ("dev", 400, True), ("figure5", 1280, True), ("figure5", 400, False)],
)
def test_it_opens_from_disk_in_silence_and_has_no_serious_fault(
    browser: Browser, axe: str, dev: Path, name: str, width: int, dark: bool
) -> None:
    page = dev
    if name == "figure5":
        page = dev.with_name("figure5.html")
        cuidx.open_case(FIGURE5).report(page, alert="figure5.jsonl:10")
    browser.open(page, width=width, dark=dark)
    browser.until(f"return document.querySelectorAll('{BARS}').length", lambda n: n > 5)
    assert browser.console() == []
    assert browser.requests() == [page.absolute().as_uri()]
    assert browser.run("return document.documentElement.scrollWidth") <= width
    assert browser.faults(axe) == []


def test_paper_shows_the_still_chart_and_every_row(browser: Browser, dev: Path) -> None:
    browser.open(dev)
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    shown = browser.run(
        "return ['.still', '#chart', '#rows .bar'].map("
        "s => getComputedStyle(document.querySelector(s)).display !== 'none')"
    )
    assert shown == [True, False, False]
    printed = browser.pdf()
    assert 4 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 10
    # 210 by 297 millimetres in points
    assert {tuple(map(round, map(float, box.split()))) for box in
            re.findall(rb"/MediaBox \[([\d. ]+)\]", printed)} == {(0, 0, 595, 842)}  # fmt: skip


# --- what it says ---------------------------------------------------------------------------------


def test_it_says_who_had_the_address_at_the_alert_who_before_and_what_is_spared(
    browser: Browser, folder: Path
) -> None:
    page = folder / "alert.html"
    cuidx.open_case(FIGURE5).report(page, alert="figure5.jsonl:10")
    browser.open(page)
    (lead,) = browser.texts(".lead")
    assert lead == (
        f"At the alert ({FIGURE5}:10), 10.10.11.2 belonged to Payment 4A23, seen with it in line "
        "10. Before it, Payment 2F52 had it, until line 3. A search by this address finds 2 lines "
        "(hits); with all lines of the requests named in them 7 have to be read. One by its CUID "
        "finds 1, and 2 have to be read: 5 lines (71%) are spared."
    )
    (cells,) = browser.run(
        "return [...document.querySelectorAll('#answer tbody tr')].map("
        "r => [...r.cells].map(c => c.textContent))"
    )
    assert cells == [
        "figure5.jsonl:10", "1", "10.10.11.2", "Payment 4A23 line 10", "Payment 2F52, until line 3",
        "-", "7", "\u2013", "2", "5 (71%)", "\u2013",
    ]  # fmt: skip


def test_its_order_is_what_a_reader_needs_first(browser: Browser, folder: Path) -> None:
    text = FIGURE5.read_text().replace('"cuid"', '"time":"2026-11-02 09:00:00","cuid"')
    (folder / "zoneless.jsonl").write_text(text)
    cuidx.open_case(folder / "zoneless.jsonl").report(folder / "zoneless.html")
    browser.open(folder / "zoneless.html")
    assert browser.texts("h2") == [
        "Warnings", "What was read", "The answer", "Lifetimes", "Reused addresses", "Steps",
        "Findings", "Timeline",
    ]  # fmt: skip
    assert browser.texts(".warnings li") == [
        "10 times have no zone and were taken for UTC (--tz ZONE says otherwise)"
    ]


def test_each_source_has_the_sha256_that_others_compute(browser: Browser, dev: Path) -> None:
    browser.open(dev)
    # sha256sum fixtures/dev/export.jsonl
    digest = "bb6e25b876f0af79a1040b872891e985edca504d93d0959a447764e024d6b35e"
    assert browser.texts("#read td code") == [digest]


def test_the_rows_are_those_of_timeline(browser: Browser, dev: Path) -> None:
    browser.open(dev)
    shown = browser.run(
        f"return [...document.querySelectorAll('{ROWS}')].map(r => [...r.cells].map(c => "
        "c.querySelector('b, time') ? c.firstChild.title : c.textContent))"
    )
    lives = cuidx.open_case(DEV).lifetimes()
    text = pl.col("first_seen", "last_seen").dt.to_string("%Y-%m-%dT%H:%M:%S%.fZ")
    expected = lives.with_columns(text).select(
        "container", "service", "pod", pl.col("ips").list.join(" "), "first_seen", "last_seen",
        "end", pl.col("lines", "errors", "requests").cast(pl.String),
    )  # fmt: skip
    assert [tuple(row[:-1]) for row in shown] == expected.rows()


def sentences(**options: str) -> str:
    return cuidx.open_case(DEV).report(form="markdown", **options)  # type: ignore[arg-type]


def test_a_window_that_holds_the_whole_log_is_said_to_change_nothing() -> None:
    said = (
        "The log spans 4m06s, less than the window of 5m each side: by IP \u00b15m is the same as by "
        "IP. A narrower one: --window 30s."
    )
    assert sentences().count(said) == 2  # at the answer and at the steps
    narrow = sentences(window="30s")
    assert "A narrower one" not in narrow
    found = cuidx.open_case(DEV).compare_searches(window="30s")
    # As the definition in test_steps counts them, line by line.
    assert found.spared.sum() == 2_229
    assert "312 by IP \u00b130s), a search by CUID **420**: **608** lines (59%) are spared; of those by IP \u00b130s 21 (7%)." in narrow  # fmt: skip
    row = next(line for line in narrow.splitlines() if line.startswith("| `by IP"))
    assert row == "| `by IP \u00b130s` | 3,236 | 10,841 | 33,081 | 2,229 | 1,616 |"


def test_sums_hits_and_lines_to_read_are_told_apart() -> None:
    text = sentences()
    assert "each line once: **1,679** lines by IP against **1,620** by CUID (59 fewer)." in text
    assert (
        "finds **312** lines (hits); with all lines of the requests named in them **1,028** have to "
        "be read. One by its CUID finds **186**, and **457** have to be read: **571** lines (56%)"
    ) in text
    assert (
        "A search for this address finds 312 lines (hits) of all of them. After an alert on it, with "
        "all lines of the requests named in the hits, 1,028 have to be read."
    ) in text


def test_a_pod_that_comes_again_under_its_name_is_no_other_pod(browser: Browser, dev: Path) -> None:
    browser.open(dev)
    how = browser.run(
        "return [...document.querySelectorAll('#reuse tr')].filter(r => r.cells[2].textContent "
        "=== 'db-0').map(r => r.cells[6].textContent)"
    )
    assert how == ["another Pod got it", "first seen with it", "a new Pod of the same name got it"]
    told = json.loads(browser.texts("#data")[0])
    kinds = [bar[9] for bar in told["bars"] if bar[6] == "db-0"]
    assert sorted(kinds) == ["first", "recycled", "renewed"]
    assert "| db-0 | 18:57:33 | 18:58:21 | 53 | a new Pod of the same name got it |" in sentences()
    changes = cuidx.open_case(DEV).reuse().explode("holders").unnest("holders")["change"]
    assert set(changes) == {"first", "recycled"}


def test_links_to_alerts_show_the_line(browser: Browser, dev: Path) -> None:
    browser.open(dev)
    log = [json.loads(line)["log"] for line in DEV.read_text().splitlines()]
    for css in (".lead a", "#answer tbody tr:nth-child(2) a"):
        browser.click(css)
        line = browser.run("return location.hash").rpartition("-")[2]
        (text,) = browser.texts("tr:has(:target) q")
        assert text in log[int(line) - 1]
        assert len(text) > 15
    assert (
        browser.run("return document.querySelectorAll('#answer a[href^=\"#line-0-\"]').length")
        == 15
    )


def test_words_stand_explained_where_they_are_used(browser: Browser, dev: Path) -> None:
    browser.open(dev)
    assert browser.texts("nav a")[0] == "What was read"
    assert any("Lines with a CUID count as tagged." in one for one in browser.texts("#read p"))
    assert browser.texts("#steps dt")[0] == "step"
    assert browser.texts("#steps dd")[0].startswith("One line that somebody has to read")
    assert browser.texts("#findings p") == [
        "Looked for: forged or doubled suffixes and keys, one container on two addresses at once, "
        "two holders of one address at once, clocks that disagree, holes and gaps, missing starts "
        "and stops, files that are cut off.",
        "Nothing is odd in the evidence.",
    ]
    assert (
        "most lines spared in all (alerts \u00d7 spared) first:" in browser.texts("#answer p")[-1]
    )


def test_a_narrow_touch_screen_says_how_to_see_more(browser: Browser, dev: Path) -> None:
    touch = browser.driver.execute_cdp_cmd
    touch("Emulation.setTouchEmulationEnabled", {"enabled": True})
    try:
        browser.open(dev, width=400)
        assert browser.texts(".picked")[0].startswith("Tap a bar")
        hints = browser.run(
            "return ['#answer .wide', '.picture'].map(s => getComputedStyle("
            "document.querySelector(s), '::before').content)"
        )
        assert all("scroll sideways for more" in hint for hint in hints)
        browser.click("#chart button[aria-label='Zoom in']")
        browser.run(
            "document.querySelector('#chart .error').dispatchEvent(new Event('click', {bubbles: true}))"
        )
        assert re.match(r"\d+ errors? \u00b7 18:5", browser.texts(".picked")[0])
    finally:
        touch("Emulation.setTouchEmulationEnabled", {"enabled": False})
    browser.open(dev)
    assert browser.texts(".picked")[0].startswith("Point at a bar")


# --- it does what its buttons say -----------------------------------------------------------------


def test_a_row_sorts_filters_and_leads_to_its_source(browser: Browser, dev: Path) -> None:
    browser.open(dev)
    lines = cuidx.open_case(DEV).lifetimes()["lines"].to_list()

    def column(number: int) -> list[str]:
        return browser.texts(f"{ROWS} td:nth-child({number})")

    browser.click("#rows th:nth-child(8) button")
    assert [int(n) for n in column(8)] == sorted(lines, reverse=True)
    assert (
        browser.run("return document.querySelector('#rows th:nth-child(8)').ariaSort")
        == "descending"
    )
    browser.click("#rows th:nth-child(8) button")
    assert [int(n) for n in column(8)] == sorted(lines)
    browser.type("#rows input[type=search]", "payment 10.89.1.15")
    assert column(1) == ["b227b0ce", "6e1efc10"]
    browser.type("#rows input[type=search]", "")
    browser.type("#rows select", "=mail")
    assert set(column(2)) == {"mail"}
    first, *_ = column(11)
    browser.click(f"{ROWS} button.place")
    (shown,) = browser.texts(f"{ROWS} td.line")
    line = int(first.removeprefix("export.jsonl:"))
    text = json.loads(DEV.read_text().splitlines()[line - 1])["log"]
    assert shown.startswith(f"{DEV}:{line} {text[:60]}")
    browser.click(f"{ROWS} td.line a")
    browser.until("return location.hash", lambda hash_: hash_ == "#source-0")
    assert browser.run("return document.getElementById('source-0').closest('details').open")
    browser.click(f"{ROWS} button.place")
    assert browser.texts(f"{ROWS} td.line") == []
    browser.type("#rows input[type=search]", "nobody is called so")
    assert browser.texts(f"{ROWS} td") == ["Nothing found."]


def test_the_chart_zooms_moves_filters_and_is_walked_by_keys(browser: Browser, dev: Path) -> None:
    browser.open(dev)
    bars = f"return document.querySelectorAll('{BARS}').length"
    ticks = "return [...document.querySelectorAll('#chart .axis text')].map(e => e.textContent)"
    assert browser.until(bars, lambda n: n == 25)
    whole = browser.run(ticks)
    for _ in range(4):
        browser.click("#chart button[aria-label='Zoom in']")
    near = browser.until(  # the axis passes through the steps between
        ticks, lambda t: t and all(re.fullmatch(r"UTC|18:56:\d\d(\.\d+)?", text) for text in t)
    )
    assert near != whole
    assert browser.until(bars, lambda n: n < 12)
    browser.click("#chart button[aria-label='Later']")
    browser.until(ticks, lambda t: t != near)
    browser.click("#chart button[aria-label='Whole time']")
    browser.until(bars, lambda n: n == 25)
    store, *_ = browser.run("return [...document.querySelectorAll('#chart button')].slice(0, 1)")
    store.click()  # hides that service
    browser.until(bars, lambda n: n == 25 - 8)
    store.click()
    browser.type("#chart input", "10.89.1.13")
    browser.until(bars, lambda n: n == 2)
    browser.type("#chart input", "10.89.9.9")
    browser.until(bars, lambda n: n == 0)
    assert browser.texts("#chart [role=status]")[0] == "Nothing found."
    browser.type("#chart input", "")
    browser.until(bars, lambda n: n == 25)
    keys = "document.querySelector('.lanes').dispatchEvent(new KeyboardEvent('keydown', {key: arguments[0], bubbles: true}))"
    told = []
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        browser.run(keys, key)
        told.append(browser.texts(".picked")[0])
    assert told == [
        "payment 61ae8cdf-dfdd-460a-96c4-7c88b7799c4c · 10.89.1.10: first seen with it · Pod "
        "payment-b5ts987tz-5njwn · 18:54:19.807 to 18:54:41.082 UTC, 21s · 22 lines, 0 errors",
        "store 73c55328-7bca-4c00-95d7-7b45fdbc39c5 · 10.89.1.10: another Pod got it · Pod "
        "store-t4n2fpb9p-b2ls9 · 18:54:52.218 to 18:55:03.251 UTC, 11s · 18 lines, 0 errors",
        "gateway 8ff47db0-d0b3-4f0d-8679-1051f84f982f · 10.89.1.11: first seen with it · Pod "
        "gateway-2fb878x6h-djtv7 · 18:54:20.421 to 18:55:14.651 UTC, 54s · 110 lines, 13 errors",
    ]
    assert browser.console() == []


def test_pointing_at_errors_shows_the_first_of_them_and_its_line(
    browser: Browser, dev: Path
) -> None:
    browser.open(dev)
    browser.until("return document.querySelectorAll('#chart .error').length", lambda n: n > 10)
    browser.run(
        "const e = document.querySelector('#chart .error'), r = e.getBoundingClientRect();"
        "e.dispatchEvent(new PointerEvent('pointermove', {bubbles: true, clientX: r.x, clientY: r.y}))"
    )
    count, time, message, place = browser.texts(".tip div")
    assert re.fullmatch(r"\d+ errors?", count)
    assert re.fullmatch(r"18:5\d:\d\d\.\d{3} UTC", time)
    line = int(place.removeprefix(f"{DEV}:"))
    assert json.loads(DEV.read_text().splitlines()[line - 1])["log"].startswith(message[:60])


def test_five_thousand_containers_stay_usable(browser: Browser, big: Path) -> None:
    assert big.stat().st_size < 4_000_000
    browser.open(big)
    drawn = browser.until(f"return document.querySelectorAll('{BARS}').length", lambda n: n > 100)
    assert drawn < 1_500  # the lanes that are seen, not all
    nodes = browser.run("return document.querySelectorAll('*').length")
    assert nodes < 40_000
    assert browser.texts("#chart [role=status]")[0] == "250 lanes, 5,000 bars"
    browser.run("document.querySelector('.lanes').scrollTop = 1e9")
    browser.until(
        "return [...document.querySelectorAll('#chart .lanes text')].map(e => e.textContent)",
        lambda names: "10.20.249.7" in names,
    )
    assert browser.texts("#rows [role=status]") == ["1\u2013100 of 5,000 containers"]
    browser.click("#rows th:nth-child(9) button")
    browser.click("#rows .bar:last-child button:last-child")
    assert browser.texts("#rows [role=status]") == ["101\u2013200 of 5,000 containers"]
    errors = [int(n) for n in browser.texts(f"{ROWS} td:nth-child(9)")]
    assert errors == sorted(errors, reverse=True)
    assert browser.console() == []
    assert browser.requests() == [big.absolute().as_uri()]


def test_five_hundred_containers_are_under_two_megabytes(folder: Path) -> None:
    page = cuidx.open_case(simulated(folder / "500.jsonl", 500, 50)).report()
    assert len(page.encode()) < 2_000_000


# --- nothing in a log runs ------------------------------------------------------------------------

HOSTILE = (
    "</script><script>window.hit = 1</script>",
    "<img src=x onerror=\"window.hit = 2\">",
    "\"><svg onload='window.hit = 3'>",
    "javascript:window.hit=4",
    "<!--<script>",
    "]]></svg><style>*{display:none}</style>",
    "\u202egpj.exe\u2066 \u0000\u0007\u001b[31m\u2028\u2029",
    "https://evil.example/?q=<a href='https://evil.example'>x</a>",
    "&lt;b&gt; {{7*7}} ${window.hit=5} `x` | a | [b](javascript:window.hit=6)",
)  # fmt: skip


def hostile_rows() -> Iterator[dict[str, str]]:
    """Every word of a line is hostile, on one address, so that each has a story and a bar."""
    for second, text in enumerate(HOSTILE):
        for step in range(2):
            yield {
                "time": f"2026-11-02T09:00:{second * 5 + step * 3:02}.000Z", "level": "ERROR",
                "msg": text, "ip": "10.0.0.7", "pod": f"pod {text}", "namespace": text,
                "service": f"service {text}", "request_id": text,
                "ikontainer_CUID": f"{second}{text}", "svc": f"{text}.ns.cluster",
            }  # fmt: skip


@pytest.fixture(scope="module")
def hostile(folder: Path) -> Path:
    source = folder / "a <img src=x onerror=window.hit=7>\u202e.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in hostile_rows()))
    cuidx.open_case(source).report(folder / "hostile.html")
    return folder / "hostile.html"


@pytest.mark.parametrize("width", [1280, 400])
def test_hostile_lines_are_text_and_nothing_else(
    browser: Browser, hostile: Path, width: int
) -> None:
    browser.open(hostile, width=width)
    browser.until(f"return document.querySelectorAll('{BARS}').length", lambda n: n == len(HOSTILE))
    for kind in ("life", "error"):  # their tips too
        browser.run(
            f"for (const e of document.querySelectorAll('#chart .{kind}')) e.dispatchEvent("
            "new PointerEvent('pointermove', {bubbles: true, clientX: 200, clientY: 200}))"
        )
    assert browser.run("return window.hit") is None
    assert browser.console() == []
    assert browser.requests() == [hostile.absolute().as_uri()]
    assert browser.run("return document.scripts.length") == 2
    strange = browser.run(
        "return [...document.querySelectorAll('*')].filter(e => e.matches('img, iframe, object, "
        "style:not(head > style), [onerror], [onload], [style*=url]') || [...e.attributes].some("
        "a => /^on|href$/.test(a.name) && !a.value.startsWith('#'))).map(e => e.outerHTML)"
    )
    assert strange == []
    page = browser.run("return document.body.innerText")
    assert "</script><script>window.hit = 1</script>" in page
    assert r"\u202egpj.exe\u2066 \x00\x07\x1b[31m\u2028\u2029" in page
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x07\x1b]", page)


def test_the_policy_refuses_what_would_get_in_all_the_same(browser: Browser, dev: Path) -> None:
    browser.open(dev)
    browser.run(
        "const s = document.createElement('script'); s.append('window.hit = 8');"
        "document.body.append(s); const i = document.createElement('img');"
        "i.src = 'https://evil.example/x.png'; document.body.append(i)"
    )
    said = browser.console()
    assert browser.run("return window.hit") is None
    assert any("script-src" in one or "TrustedScript" in one for one in said)
    assert any("img-src" in one or "default-src" in one for one in said)
    with pytest.raises(Exception, match="TrustedHTML"):
        browser.run("document.body.innerHTML = '<p>x</p>'")
    assert browser.run("return [...document.images].map(i => i.naturalWidth)") == [0]


def test_a_ticket_has_no_working_markup_from_a_log(folder: Path) -> None:
    from markdown_it import MarkdownIt

    case = Case.from_frame(pl.DataFrame(list(hostile_rows())))
    page = MarkdownIt("commonmark", {"html": True}).enable("table").render(
        case.report(form="markdown")
    )  # fmt: skip
    assert set(re.findall(r"<(\w+)", page)) <= {
        "h1", "h2", "h3", "p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "strong",
        "code", "blockquote",
    }  # fmt: skip


# --- the ticket -----------------------------------------------------------------------------------


def test_the_ticket_says_the_same_in_markdown() -> None:
    ticket = cuidx.open_case(FIGURE5).report(alert="figure5.jsonl:10", form="markdown")
    head, _, answer = ticket.partition("## The answer\n\n")
    assert head.startswith("# Which container was it? Logs without times\n")
    assert answer.split("\n\n")[:3] == [
        f"At the alert (**{FIGURE5}:10**), **10.10.11.2** belonged to **Payment 4A23**, seen with "
        "it in line 10. Before it, **Payment 2F52** had it, until line 3. A search by this address "
        "finds **2** lines (hits); with all lines of the requests named in them **7** have to be "
        "read. One by its CUID finds **1**, and **2** have to be read: **5** lines (71%) are spared.",
        "The search by IP \u00b15m needs an address and a time, and no line has a time.",
        "2 of 6 addresses were reused: **10.10.1.2** (2 holders), **10.10.11.2** (2 holders). In "
        "all 4 holders had them one after the other, and a search for such an address finds the "
        "lines of all its holders mixed: 6 lines.",
    ]


def test_the_same_report_comes_twice_to_the_byte() -> None:
    assert cuidx.open_case(DEV).report() == cuidx.open_case(DEV).report()


def test_a_report_reads_the_sources_three_times_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = cuidx.open_case(DEV)
    records = case._story.records
    passes = 0
    whole = records.parts

    def counted(*wanted: object, **how: object) -> object:
        nonlocal passes
        passes += 1
        return whole(*wanted, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(records, "parts", counted)
    case.report()
    assert passes == 2  # searches, findings with errors; the third is for SHA-256
