"""Servers that refuse, hang, break off, die and come back: what a batch makes of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from itertools import pairwise
from typing import Any

import pytest

from distil_dag.adapters.openai_api.chat import EndpointChat
from distil_dag.adapters.openai_api.endpoint import Patience
from distil_dag.core.case import Message
from distil_dag.core.settings import ModelSpec
from distil_dag.stages.ports import ModelRefusedError, ModelUnreachableError, Prompt, Reply
from distil_dag_tests.adapters.openai_api.faulty_server import (
    DISCONNECT,
    TRUNCATE,
    Answer,
    Server,
    completion,
    echo,
    free_port,
    words_of,
)

QUICK = Patience(known=60.0, unknown=60.0, shortest_wait=0.01, longest_wait=0.2)
HURRIED = Patience(known=0.5, unknown=0.5, shortest_wait=0.01, longest_wait=0.1)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(answer: Answer, **options: Any) -> Server:
        servers.append(Server(answer, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def chat(*urls: str, patience: Patience = QUICK, **options: Any) -> EndpointChat:
    settings: dict[str, Any] = {"model": "big", "base_url": urls, "timeout_seconds": 60, **options}
    return EndpointChat(ModelSpec(mode="attached", **settings), patience)


def asks(count: int, word: str = "word") -> list[Prompt]:
    return [Prompt((Message(role="user", content=f"{word} {number}"),)) for number in range(count)]


def texts(replies: list[Reply]) -> list[str]:
    return [reply.text for reply in replies]


def shouted(prompts: list[Prompt]) -> list[str]:
    return [prompt.messages[-1].content.upper() for prompt in prompts]


FAULTS = {
    "408": (408, {}),
    "409": (409, {}),
    "429": (429, {}),
    "500": (500, {"error": "broken"}),
    "502": (502, b"<html>bad gateway</html>"),
    "503": (503, {}),
    "not JSON": (200, b"<html>a captive portal</html>"),
    "no choice": (200, {"choices": []}),
    "disconnect": (0, DISCONNECT),
    "truncated": (200, TRUNCATE),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_passes_is_tried_again_until_it_has_passed(serve: Any, fault: str) -> None:
    server: Server

    def answer(path: str, body: dict[str, Any]) -> Any:
        return FAULTS[fault] if server.words[words_of(body)] == 1 else echo(path, body)

    server = serve(answer)
    prompts = asks(20)
    with chat(server.url) as model:
        assert texts(model.generate(prompts)) == shouted(prompts)
    assert set(server.words.values()) == {2}


def test_a_wrong_request_is_not_tried_again(serve: Any) -> None:
    server = serve(lambda *_: (400, {"error": {"message": "too long"}}))
    with chat(server.url) as model:
        replies = model.generate(asks(20))
    assert all(reply.finish == "error" and "too long" in reply.error for reply in replies)
    assert set(server.words.values()) == {1}


def test_a_request_that_hangs_is_tried_a_few_times_and_costs_no_other(serve: Any) -> None:
    over = threading.Event()

    def answer(path: str, body: dict[str, Any]) -> Any:
        if words_of(body) == "word 3":
            over.wait(60)
        return echo(path, body)

    server = serve(answer)
    prompts = asks(30)
    with chat(server.url, timeout_seconds=3) as model:
        replies = model.generate(prompts)
    over.set()
    assert "Timeout" in replies.pop(3).error
    prompts.pop(3)
    assert texts(replies) == shouted(prompts)
    assert server.words["word 3"] == QUICK.tries


def test_a_prompt_that_ends_its_server_is_found_and_costs_no_other(serve: Any) -> None:
    server: Server

    def answer(path: str, body: dict[str, Any]) -> Any:
        if words_of(body) == "word 5":
            deaths.append(time.monotonic())
        # With the server goes whatever it has in hand.
        arrived = time.monotonic()
        time.sleep(0.1)
        dead = any(arrived - 0.1 <= death <= time.monotonic() for death in deaths)
        return (0, DISCONNECT) if dead else echo(path, body)

    deaths: list[float] = []
    server = serve(answer)
    prompts = asks(24)
    with chat(server.url) as model:
        replies = model.generate(prompts)
    assert replies[5].finish == "error"
    assert len(deaths) == 3
    assert texts(replies[:5] + replies[6:]) == shouted(prompts[:5] + prompts[6:])


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_holds_for_the_whole_endpoint(serve: Any, as_date: bool) -> None:
    times: list[float] = []

    def answer(path: str, body: dict[str, Any]) -> Any:
        times.append(time.time())
        if len(times) > 1:
            return echo(path, body)
        return 429, {}, {"retry-after": formatdate(times[0] + 3, usegmt=True) if as_date else "2"}

    prompts = asks(10)
    with chat(serve(answer).url, max_in_flight=1) as model:
        assert texts(model.generate(prompts)) == shouted(prompts)
    assert times[1] - times[0] >= 1.9


def test_an_endless_retry_after_is_told_at_once(serve: Any) -> None:
    server = serve(lambda *_: (429, {}, {"retry-after": "86400"}))
    with chat(server.url) as model, pytest.raises(ModelUnreachableError, match=r"asks to wait 86\d\d\d s"):
        model.generate(asks(3))


def test_what_a_server_takes_at_once_is_found_and_remembered(serve: Any) -> None:
    server: Server

    def answer(path: str, body: dict[str, Any]) -> Any:
        if server.in_flight > 4:
            return 429, {}
        time.sleep(0.05)
        return echo(path, body)

    server = serve(answer)
    with chat(server.url) as model:
        assert texts(model.generate(asks(100))) == shouted(asks(100))
        server.most_in_flight = 0
        assert texts(model.generate(asks(100, "more"))) == shouted(asks(100, "more"))
    assert 3 <= server.most_in_flight <= 8


def test_it_grows_beyond_its_start_and_not_beyond_what_is_allowed(serve: Any) -> None:
    server: Server
    grown = threading.Event()

    def answer(path: str, body: dict[str, Any]) -> Any:
        if server.in_flight > 20:
            grown.set()
        if len(server.requests) > 100:
            grown.wait(30)
        return echo(path, body)

    server = serve(answer)
    with chat(server.url, max_in_flight=24) as model:
        model.generate(asks(200))
    assert 20 < server.most_in_flight <= 24


def test_a_server_that_comes_back_goes_on(serve: Any) -> None:
    port = free_port()
    first, second = [], []

    def until_it_dies(path: str, body: dict[str, Any]) -> Any:
        if len(first) < 10:
            first.append(1)
            return echo(path, body)
        return 0, DISCONNECT

    server = Server(until_it_dies, port=port)
    prompts = asks(60)

    def arrived(place: int, reply: Reply) -> None:
        if len(second) == 5:
            server.stop()
            serve(echo, port=port)
        second.append(place)

    with chat(f"http://127.0.0.1:{port}/v1") as model:
        assert texts(model.generate(prompts, arrived)) == shouted(prompts)
    assert sorted(second) == list(range(60))


def test_another_endpoint_takes_over_in_the_middle_of_a_batch(serve: Any) -> None:
    served: list[int] = []

    def until_it_dies(path: str, body: dict[str, Any]) -> Any:
        served.append(1)
        return echo(path, body) if len(served) < 10 else (0, DISCONNECT)

    dying, steady = serve(until_it_dies), serve(echo)
    prompts = asks(100)
    with chat(dying.url, steady.url) as model:
        assert texts(model.generate(prompts)) == shouted(prompts)
        assert texts(model.generate(asks(50, "more"))) == shouted(asks(50, "more"))
    # After three incidents it gets a probe now and then, and next to nothing of the second batch.
    sent = [words_of(body) for _, body, _ in dying.requests if words_of(body) != "Say yes."]
    assert len(sent) > 9
    assert sum(words.startswith("more") for words in sent) <= 16


def test_a_call_that_one_endpoint_dropped_while_alone_is_not_to_blame(serve: Any) -> None:
    def other_calls_only(path: str, body: dict[str, Any]) -> Any:
        return echo(path, body) if "word 3" not in words_of(body) else (0, DISCONNECT)

    # Calls that end well in between keep the endpoint's circuit closed.
    choosy, steady = serve(other_calls_only), serve(echo)
    with chat(choosy.url, steady.url, max_in_flight=2) as model:
        assert texts(model.generate(asks(40))) == shouted(asks(40))


def test_an_endpoint_with_another_key_is_left_out(serve: Any) -> None:
    strange, own = serve(lambda *_: (401, {"error": {"message": "bad key"}})), serve(echo)
    prompts = asks(40)
    with chat(strange.url, own.url) as model:
        assert texts(model.generate(prompts)) == shouted(prompts)


def test_endpoints_share_the_work(serve: Any) -> None:
    def answer(path: str, body: dict[str, Any]) -> Any:
        time.sleep(0.02)
        return echo(path, body)

    servers = [serve(answer), serve(answer)]
    with chat(*(server.url for server in servers), max_in_flight=8) as model:
        model.generate(asks(100))
    assert all(len(server.requests) >= 30 for server in servers)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((401, {"error": {"message": "bad key"}}), "bad key"),
        ((404, {"error": {"message": "the model big does not exist"}}), "does not exist"),
        ((429, {"error": {"message": "no credit left", "code": "insufficient_quota"}}), "no credit left"),
        ((500, {"error": "broken"}), "500"),
        ((503, {"error": "loading"}), "503"),
        ((0, DISCONNECT), "Connection"),
    ],
)
def test_a_server_that_answers_nobody_ends_the_batch_with_one_error(
    serve: Any, answer: Any, said: str
) -> None:
    server = serve(lambda *_: answer)
    heard: list[Reply] = []
    refused = answer[0] in (401, 404, 429)
    with (
        chat(server.url, patience=HURRIED) as model,
        pytest.raises(
            ModelUnreachableError, match=rf"(?s)127\.0\.0\.1:{server.port}/v1.*{said}.*run again"
        ) as e,
    ):
        model.generate(asks(1000), lambda place, reply: heard.append(reply))
    assert isinstance(e.value, ModelRefusedError) == refused
    assert len(heard) < 50
    assert len(server.requests) < 150


def test_nobody_there_is_told_by_address() -> None:
    port = free_port()
    with (
        chat(f"http://127.0.0.1:{port}/v1", patience=HURRIED) as model,
        pytest.raises(ModelUnreachableError, match=rf"127\.0\.0\.1:{port}/v1: .*Connect"),
    ):
        model.generate(asks(10))


def test_what_came_in_before_a_server_went_has_been_told(serve: Any) -> None:
    heard: dict[int, Reply] = {}
    server = serve(lambda path, body: (0, DISCONNECT) if len(server.requests) > 10 else echo(path, body))
    with chat(server.url, patience=HURRIED) as model, pytest.raises(ModelUnreachableError):
        model.generate(asks(100), heard.__setitem__)
    assert sum(reply.finish == "stop" for reply in heard.values()) == 10


def test_a_listener_that_fails_ends_the_batch(serve: Any) -> None:
    def full(place: int, reply: Reply) -> None:
        raise OSError("no space left on device")

    server = serve(echo)
    with chat(server.url) as model:
        with pytest.raises(OSError, match="no space left"):
            model.generate(asks(500), full)
        assert len(server.requests) < 200
        assert texts(model.generate(asks(3))) == ["WORD 0", "WORD 1", "WORD 2"]


def test_prompts_that_begin_alike_go_out_together(serve: Any) -> None:
    server = serve(echo)
    prompts = [
        Prompt((Message(role="system", content=f"group {n % 3}"), Message(role="user", content=f"word {n}")))
        for n in range(60)
    ]
    with chat(server.url, max_in_flight=1) as model:
        assert texts(model.generate(prompts)) == shouted(prompts)
    groups = [body["messages"][0]["content"] for _, body, _ in server.requests]
    assert sum(a != b for a, b in pairwise(groups)) == 2


def test_threads_share_a_model(serve: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    server = serve(lambda path, body: (200, completion(words_of(body).upper())))
    with chat(server.url) as model, ThreadPoolExecutor(4) as pool:
        batches = [asks(40, f"batch {n}") for n in range(4)]
        for prompts, replies in zip(batches, pool.map(model.generate, batches), strict=True):
            assert texts(replies) == shouted(prompts)


def test_a_closed_model_opens_again(serve: Any) -> None:
    model = chat(serve(echo).url)
    with model:
        model.generate(asks(2))
    with model:
        assert texts(model.generate(asks(2))) == ["WORD 0", "WORD 1"]
