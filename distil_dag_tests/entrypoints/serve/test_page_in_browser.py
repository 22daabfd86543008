"""The page of a server in Chromium, in light and dark, on a narrow and on a wide screen."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe

from distil_dag_tests.conftest import free_port
from distil_dag_tests.entrypoints.serve.served_page import app_of, history, hostile

if TYPE_CHECKING:
    from fastapi import FastAPI
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.slow, pytest.mark.browser]


class Served:
    """An application on a port of this machine, in a thread."""

    def __init__(self, app: FastAPI) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/"
        self._server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
        self._thread = threading.Thread(target=self._server.run)

    def __enter__(self) -> Served:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("page")
    with Served(app_of(str(folder / "log.sqlite"), history(1500))) as served:
        yield served.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 400])
def test_it_is_seen_by_everybody(browser: Browser, url: str, scheme: str, width: int, tmp_path: Path) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    errors, asked = _watched(page)
    page.goto(url)
    assert errors == []
    assert {request for request in asked if not request.endswith("favicon.ico")} == {url}
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}[scheme]
    line = page.locator("svg polyline.line").first
    assert (
        line.evaluate("line => getComputedStyle(line).stroke")
        == {
            "light": "rgb(31, 111, 67)",
            "dark": "rgb(111, 206, 154)",
        }[scheme]
    )
    box = page.locator("svg").first.bounding_box()
    assert box is not None
    assert box["width"] > 250
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.screenshot(path=tmp_path / f"{scheme}-{width}.png", full_page=True)
    context.close()


def test_no_script_of_a_stranger_runs(browser: Browser, tmp_path: Path) -> None:
    with Served(hostile(tmp_path)) as served:
        page = browser.new_page()
        errors, _ = _watched(page)
        page.goto(served.url)
        assert page.title() == "distil_dag: how far the student is trusted"
        assert page.locator("article img, article script").count() == 0
        assert "<script>" in page.locator("article").first.inner_text()
        assert errors == []
        page.close()


def _watched(page: Page) -> tuple[list[str], list[str]]:
    """What goes wrong on a page, and what it asks for, as both happen."""
    errors: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: errors.append(dialog.message))
    page.on(
        "console",
        lambda said: errors.append(said.text) if said.type == "error" and "404" not in said.text else None,
    )
    page.on("request", lambda request: asked.append(request.url))
    return errors, asked
