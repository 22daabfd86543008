"""A newcomer's walk through Dagster's UI in a real browser: a small model is made without a terminal."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from distil_dag.adapters.system.processes import end, session
from distil_dag_tests.conftest import free_port
from distil_dag_tests.paths import ROOT
from distil_dag_tests.runs.household_task import write_household

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.slow, pytest.mark.browser]

TRACES = 160
# A student of two layers that has seen everything once learns nothing: the gates that measure it only warn.
SETTINGS = {
    "name": "home",
    "traces": {"kind": "files", "path": "log.jsonl"},
    "test": {"size": 12},
    "judge": {"sample": 60, "reask": 0},
    "synthesis": {"rows": 6, "widen": False, "batch": 4},
    "student": {"layers": 2},
    "training": {"epochs": 1, "least_seen": 0, "batch_size": 8, "max_length": 128},
    "export": {"quantizations": ["Q8_0"], "probes": 4},
    "evaluation": {"max_new_tokens": 16, "few_shot": 1, "bootstrap": 200},
    "gates": {
        "min_traces": 100_000,
        "soft": [
            "judge_agrees", "seed_yield", "cells_covered", "loss_fell", "gguf_parity", "beats_base",
            "beats_lookup",
        ],
    },
}  # fmt: skip
_ENDED = {"SUCCESS", "FAILURE", "CANCELED"}


@dataclass(frozen=True)
class Ui:
    """Dagster's UI on a new installation."""

    url: str
    page: Page

    def open(self, path: str, text: str) -> Page:
        """The page at a path, once it shows a text."""
        self.page.goto(f"{self.url}{path}")
        self.page.get_by_text(text).first.wait_for()
        return self.page

    def ask(self, query: str) -> Any:
        """The answer of Dagster's GraphQL, by which the UI itself is fed."""
        body = json.dumps({"query": query}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/graphql", body, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["data"]

    def launch(self, add: str = "", config: str = "") -> None:
        """Materialize all in the dialog: a new partition, or all there are, with a config."""
        page = self.open("/locations/distil_dag.definitions/jobs/distil_run", "Known tasks:")
        page.get_by_role("button", name="Materialize all…").click()
        if add:
            # Dagster forgets a key that is added while it still loads those there are; a person is slower.
            page.wait_for_load_state("networkidle")
            page.get_by_text("Add a partition").first.click()
            page.get_by_placeholder("name").fill(add)
            page.get_by_role("button", name="Save").click()
        else:
            page.get_by_role("button", name="All", exact=True).click()
        if config:
            page.get_by_text("Config", exact=True).click()
            page.get_by_role("button", name="Add config").click()
            # The page behind the dialog has an editor too, and has it first.
            editor = page.locator(".bp5-portal .CodeMirror").last
            editor.click()
            page.keyboard.press("Control+A")
            page.keyboard.insert_text(config)
            editor.get_by_text("min_traces").first.wait_for()
            page.get_by_text("No errors").wait_for()
            page.get_by_role("button", name="Save config").click()
        before = len(self.runs())
        self.page.get_by_role("button", name="Launch 1 run").click()
        wait_until(lambda: len(self.runs()) > before, 60)

    def runs(self) -> list[dict[str, str]]:
        """Id and status of all runs of the chain, the newest first."""
        found = self.ask(
            '{runsOrError(filter: {pipelineName: "distil_run"}) {... on Runs {results {runId status}}}}'
        )
        return list(found["runsOrError"]["results"])

    def ended(self, seconds: float) -> tuple[str, str]:
        """Id and status of the newest run, once it has ended."""
        wait_until(lambda: self.runs()[0]["status"] in _ENDED, seconds)
        newest = self.runs()[0]
        return newest["runId"], newest["status"]

    def keys(self) -> list[str]:
        """All partition keys."""
        found = self.ask(
            '{assetNodeOrError(assetKey: {path: ["traces"]}) {... on AssetNode {partitionKeys}}}'
        )
        return list(found["assetNodeOrError"]["partitionKeys"])

    def shot(self, name: str, folder: Path) -> None:
        """A picture of the page, to be looked at by a person."""
        self.page.screenshot(path=folder / f"{name}.png")


def wait_until(done: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(1)


@pytest.fixture
def ui(browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ui]:
    (tmp_path / "tasks").mkdir()
    write_household(tmp_path / "tasks" / "home", SETTINGS, TRACES)
    monkeypatch.setenv("DISTIL_DAG_HOME", str(tmp_path / "installation"))
    monkeypatch.setenv("DISTIL_DAG_TASKS", str(tmp_path / "tasks"))
    for name in ("DAGSTER_HOME", "DISTIL_DAG_STORE"):
        monkeypatch.delenv(name, raising=False)
    port = free_port()
    command = [sys.executable, "-c", "from distil_dag.cli import main; main()", "ui", "--port", str(port)]
    with (tmp_path / "ui.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    context.set_default_timeout(60_000)
    found = Ui(f"http://127.0.0.1:{port}", context.new_page())
    try:
        wait_until(lambda: _serves(found), 120)
        yield found
    finally:
        context.close()
        assert not end(session(server.pid), patience=20.0)
        server.wait()


def _serves(ui: Ui) -> bool:
    try:
        return "home" in json.dumps(
            ui.ask("{repositoriesOrError {... on RepositoryConnection {nodes {name jobs {description}}}}}")
        )
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


@pytest.mark.timeout(900)
def test_a_newcomer_makes_a_model(ui: Ui, tmp_path: Path) -> None:
    # What a key looks like stands where it is typed.
    page = ui.open("/locations/distil_dag.definitions/jobs/distil_run", "Known tasks:")
    described = page.inner_text("body")
    assert "TASK.LABEL" in described
    assert "home.first" in described

    # A key that can't be right says so at once and leaves no partition behind.
    ui.launch(add="nowhere.first")
    run, status = ui.ended(120)
    assert status == "FAILURE"
    ui.open(f"/runs/{run}", "no task is called 'nowhere'")
    assert ui.keys() == []

    # A gate that fails says what to do, and that works.
    ui.launch(add="home.first")
    run, status = ui.ended(120)
    assert status == "FAILURE"
    page = ui.open(f"/runs/{run}", "Gate enough_traces failed")
    ui.shot("failed_gate", tmp_path)
    told = page.inner_text("body")
    proposed = re.search(r"`(ops: .*min_traces.*?\}\}\}\})`", told)
    assert proposed, told
    page = ui.open("/assets/traces?view=partitions&partition=home.first", "FAILED: enough_traces")
    ui.launch(config=proposed[1])

    # Progress is seen while it works.
    run = ui.runs()[0]["runId"]
    page = ui.open(f"/runs/{run}", "judging: ")
    ui.shot("progress", tmp_path)
    _, status = ui.ended(700)
    assert status == "SUCCESS"

    # How good it is: the report opens.
    page = ui.open("/assets/eval_report?view=partitions&partition=home.first", "report.html")
    ui.shot("eval_report", tmp_path)
    link = page.get_by_role("link", name=re.compile(r"report\.html")).first.get_attribute("href")
    assert link
    assert link.startswith("http://127.0.0.1:")
    page.goto(link)
    page.get_by_role("heading", name="home.first").wait_for()
    assert "student Q8_0" in page.inner_text("main")
    ui.shot("report", tmp_path)

    # What made it: on the page of its files, with its score.
    page = ui.open("/assets/gguf?view=partitions&partition=home.first", "what_made_this")
    ui.shot("gguf", tmp_path)

    # Ticks can be tried, and leave nothing behind.
    before = ui.keys()
    page = ui.open("/locations/distil_dag.definitions/schedules/retrain_weekly", "retrain_weekly")
    page.get_by_role("button", name="Preview tick result").click()
    page.get_by_role("button", name="Continue").click()
    page.get_by_text("has no time column").first.wait_for()
    page = ui.open("/locations/distil_dag.definitions/sensors/new_traces", "new_traces")
    page.get_by_role("button", name="Preview tick result").click()
    page.get_by_role("button", name="Continue").click()
    page.get_by_text("has no time column").first.wait_for()
    assert ui.keys() == before
