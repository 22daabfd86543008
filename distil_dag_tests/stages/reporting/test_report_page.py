"""The page of the report in a real browser: accessible, narrow, folded, without a script."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from distil_dag.stages.reporting.html import report_html
from distil_dag_tests.stages.reporting.full_report import RUN, full_report

pytestmark = pytest.mark.browser

WIDE, NARROW = (1280, 800), (390, 844)
OPEN = "document.querySelectorAll('details').forEach(fold => fold.open = true)"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("report") / "report.html"
    origin = [("base", "model-q8_0@sha256:278bfb1f4695…"), ("date", "2026-11-24 11:00 UTC")]
    file.write_text(report_html(full_report(), RUN, origin, [("training", "epochs 3.5, method full")]))
    return Path(file).as_uri()


@pytest.fixture
def page(browser: Browser, address: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The report at the size, and in the colours, that a test names."""
    (width, height), colours = getattr(request, "param", (WIDE, "light"))
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=colours)
    page = context.new_page()
    page.goto(address)
    yield page
    context.close()


def width(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth"))


@pytest.mark.parametrize(
    "page",
    [(size, colours) for size in (WIDE, NARROW) for colours in ("light", "dark")],
    indirect=True,
    ids=["wide, light", "wide, dark", "narrow, light", "narrow, dark"],
)
def test_axe_finds_nothing_to_mend(page: Page) -> None:
    page.evaluate(OPEN)
    found = Axe().run(page)
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found.response["violations"]] == []


@pytest.mark.parametrize("page", [(NARROW, "light")], indirect=True)
def test_a_narrow_page_scrolls_downwards_only(page: Page) -> None:
    assert width(page) == NARROW[0]
    page.evaluate(OPEN)
    assert width(page) == NARROW[0]
    # Tables that are wider scroll in boxes of their own.
    assert page.evaluate(
        "[...document.querySelectorAll('.wide')].some(box => box.scrollWidth > 2 * box.clientWidth)"
    )
    # The charts take the width that there is.
    assert page.evaluate(
        "[...document.querySelectorAll('svg')].every(one => !one.clientWidth || one.clientWidth < innerWidth)"
    )


def test_folded_it_is_less_than_four_screens(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollHeight") < 4 * WIDE[1]
    page.evaluate(OPEN)
    assert page.evaluate("document.documentElement.scrollHeight") > 10 * WIDE[1]


def test_the_keyboard_reaches_and_opens_every_fold_and_every_box(page: Page) -> None:
    headings = page.locator("details.part > summary").all()
    for heading in headings:
        heading.focus()
        page.keyboard.press("Enter")
    assert page.locator("details.part[open]").count() == len(headings) > 10
    wanted = page.locator("summary:visible, .wide:visible, nav a").count()
    page.evaluate("document.activeElement.blur(); document.querySelector('h1').scrollIntoView()")
    page.mouse.click(5, 5)
    reached = set()
    for _ in range(2 * wanted):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "[...document.querySelectorAll('summary, .wide, nav a')].indexOf(document.activeElement)"
            )
        )
    assert len(reached - {-1}) == wanted


def test_the_contents_lead_to_each_part_and_open_it(page: Page) -> None:
    links = page.locator("nav a").all()
    assert [link.inner_text() for link in links[:3]] == ["Result", "Coverage", "Telling failures"]
    for link in links:
        target = page.locator(str(link.get_attribute("href")))
        link.click()
        assert target.is_visible(), link.inner_text()
        box = target.bounding_box()
        assert box
        assert box["y"] < WIDE[1], link.inner_text()


def test_printing_opens_what_is_folded(page: Page) -> None:
    assert not page.locator("#measured dl").is_visible()
    page.emulate_media(media="print")
    for body in page.locator("details.part > .body").all():
        assert body.evaluate("body => body.getBoundingClientRect().height") > 20
    assert page.locator("#measured dl").is_visible()


def test_it_asks_for_nothing_and_breaks_no_rule_of_its_policy(browser: Browser, address: str) -> None:
    page = browser.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(address)
    assert asked == [address]
    assert said == []
    page.close()
