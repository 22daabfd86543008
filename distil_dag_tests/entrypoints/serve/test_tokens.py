"""Who knows a token: programs by a header, people by a password that opens what is only read."""

from __future__ import annotations

import base64
import hmac
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from distil_dag.core.serving import LimitSpec
from distil_dag.entrypoints.serve import guard
from distil_dag.entrypoints.serve.guard import Guard
from distil_dag.entrypoints.serve.metrics import Metrics
from distil_dag_tests.entrypoints.serve.served_page import app_of, history

TOKENS = ("of-the-first", "of:the-second")


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    app = app_of(str(tmp_path / "log.sqlite"), history(20))
    app.add_api_route("/v1/chat/completions", lambda: {}, methods=["POST"])
    app.add_api_route("/metrics", lambda: {}, methods=["GET"])
    return TestClient(Guard(app, LimitSpec(), TOKENS, Metrics()))


def basic(password: str, name: str = "me") -> dict[str, str]:
    return {"authorization": f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"}


@pytest.mark.parametrize("token", TOKENS)
def test_a_browser_opens_the_page_with_a_token_as_the_password(client: TestClient, token: str) -> None:
    asked = client.get("/")
    assert asked.status_code == 401
    assert asked.headers["www-authenticate"].startswith("Basic ")
    for path in ("/", "/page.json"):
        assert client.get(path, headers=basic(token)).status_code == 200
        assert client.get(path, headers={"authorization": f"Bearer {token}"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        basic("of-the-firs"),
        basic(""),
        basic("me", "of-the-first"),
        {"authorization": "Basic of-the-first"},
        {"authorization": "Basic %%%"},
        {"authorization": "Basic"},
        {"authorization": "of-the-first"},
        {"authorization": "Digest of-the-first"},
    ],
)
def test_nothing_else_does(client: TestClient, headers: dict[str, str]) -> None:
    assert client.get("/", headers=headers).status_code == 401


def test_a_password_opens_nothing_that_costs(client: TestClient) -> None:
    """A browser sends it unasked, whichever site the request comes from."""
    for method, path in (("POST", "/v1/chat/completions"), ("POST", "/"), ("GET", "/metrics"), ("GET", "//")):
        answer = client.request(method, f"http://testserver{path}", headers=basic("of-the-first"))
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("given", [*TOKENS, "of-the-firsX", ""])
def test_the_time_of_a_comparison_tells_nothing(
    client: TestClient, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All known tokens are compared, in constant time, and by digests of one length."""
    compared = []

    def compare(a: bytes, b: bytes) -> bool:
        compared.append((len(a), len(b)))
        return hmac.compare_digest(a, b)

    monkeypatch.setattr(guard, "compare_digest", compare)
    answer = client.get("/metrics", headers={"authorization": f"Bearer {given}"})
    assert (answer.status_code == 200) is (given in TOKENS)
    assert compared == [(32, 32)] * len(TOKENS)
