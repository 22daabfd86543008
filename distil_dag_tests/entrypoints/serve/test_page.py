"""The page of a server: its figures are those of the log, and no text of a stranger is obeyed."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from distil_dag.entrypoints.serve.page.data import PageData
from distil_dag.entrypoints.serve.page.page import page
from distil_dag_tests.entrypoints.serve.served_page import HOSTILE, NOW, app_of, history, hostile
from distil_dag_tests.stages.serving.some_exchanges import alone, audited, exchange, shadowed


def text_of(page_html: str) -> str:
    body = re.sub(r"<style>.*?</style>|<[^>]+>", " ", page_html, flags=re.DOTALL)
    return " ".join(html.unescape(body).split())


@pytest.mark.parametrize("name", ["log.sqlite", "log"])
def test_the_figures_are_those_of_the_log(tmp_path: Path, name: str) -> None:
    log = [exchange(1), shadowed(2), alone(3), alone(4), audited(5)]
    client = TestClient(app_of(str(tmp_path / name), log))
    task, idle = client.get("/page.json").json()["tasks"]
    found = task["overview"]
    assert (found["answered"], found["alone"]) == (5, 0.6)
    assert (found["heard"]["compared"], found["heard"]["share"]["value"]) == (1, 0.0)
    assert (found["shadow"]["compared"], found["shadow"]["share"]["value"]) == (1, 1.0)
    assert (found["spent"], found["saved"]) == (1.5, 1.0)
    assert found["reasons"] == {"not proved yet": 2, "proved": 2, "audit": 1}
    assert [(one["who"], one["exchanges"], one["median"]) for one in found["latency"]] == [
        ("student", 3, 90.0),
        ("teacher", 2, 840.0),
    ]
    (tool,) = found["tools"]
    assert (tool["tool"], tool["exchanges"], tool["alone"]) == ("on", 5, 0.6)
    assert (tool["heard"], tool["shadow"]) == (found["heard"], found["shadow"])
    (one,) = found["disagreements"]
    assert (one["request"], one["student"], one["teacher"], one["heard"]) == (
        "Turn on 5.",
        'on({"n": -5})',
        'on({"n": 5})',
        "student",
    )
    assert idle["overview"]["answered"] == 0
    said = text_of(client.get("/").text)
    for part in (
        "Answered by the student alone 60.0% of 5 requests",
        "Both agree where the student was heard 0.0% 0.0% to 79.3%, by 1 audits",
        "Both agree where the teacher was heard 100.0% 20.7% to 100.0%, by 1 answers in its shadow",
        "Median time of the student 90 ms",
        "Saved, estimated 1.00 USD at the mean price of a request; the teacher cost 1.50 USD",
        "Promise proved for 61.0% of requests: at least 95.0% of what the student answers alone agree, with "
        "95.0% confidence. The bound is 95.7% now.",
        "3 exchanges could not be kept",
        "on 5 60.0% 0.0% 0.0% to 79.3% 1 100.0% 20.7% to 100.0% 1",
        "idle No request so far.",
        "2026-11-03 09:00 UTC: answers alone (61.0% of requests) 2026-11-02 14:00 UTC: gave back (0.0%",
    ):
        assert part in said


def test_a_text_of_a_stranger_is_only_a_text(tmp_path: Path) -> None:
    answer = TestClient(hostile(tmp_path)).get("/")
    assert "<script" not in answer.text
    assert "<img" not in answer.text
    assert "\u202e" not in answer.text
    assert "\x07" not in answer.text
    shown = HOSTILE.replace("\u202e", "\\u202e").replace("\x07", "\\u0007")
    assert text_of(answer.text).count(" ".join(shown.split())) >= 3
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_page_names_no_other_host(tmp_path: Path) -> None:
    said = TestClient(app_of(str(tmp_path / "log"), history(50))).get("/").text
    assert not re.findall(r"https?://|url\(|@import|<script|<link", said)
    assert re.findall(r'(?:href|src)="([^"]*)"', said) == ["page.json"]


def test_a_plot_has_its_points_in_the_picture(tmp_path: Path) -> None:
    said = TestClient(app_of(str(tmp_path / "log.sqlite"), history(400))).get("/").text
    drawn = re.findall(r'points="([^"]+)"', said)
    assert len(drawn) == 4  # three lines and a band
    for points in drawn:
        for x, y in (map(float, point.split(",")) for point in points.split()):
            assert 0 <= x <= 460
            assert 0 <= y <= 190
    labels = re.findall(r'aria-label="(Share answered[^"]+)"', said)
    assert re.fullmatch(
        r"Share answered by the student alone: 0.0% at .*, \d+\.\d% at 2026-11-04 .* UTC", *labels
    )


def test_without_any_exchange_there_is_a_page(tmp_path: Path) -> None:
    data = PageData.model_validate(TestClient(app_of(str(tmp_path / "log"), [])).get("/page.json").json())
    assert data.made == NOW
    assert text_of(page(data)).count("No request so far.") == 2


def test_the_log_is_not_read_for_every_look(tmp_path: Path) -> None:
    from fastapi import FastAPI

    from distil_dag.entrypoints.serve.page.routes import page_router

    looks: list[int] = []

    def data() -> Any:
        looks.append(1)
        return PageData(made=NOW, days=30, tasks=[])

    app = FastAPI()
    app.include_router(page_router(data))
    client = TestClient(app)
    assert {client.get(path).status_code for path in ("/", "/page.json", "/")} == {200}
    assert len(looks) == 1
