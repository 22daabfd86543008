"""Many requests at once: the answers of plain decoding, and what becomes of those that go wrong."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distil_dag.adapters.llamacpp.engine import LlamaCppEngine
from distil_dag.adapters.serving.batch_decoder import BatchDecoder
from distil_dag.adapters.serving.student import NotDecodable, Student
from distil_dag.adapters.serving.student_server import Busy, StudentServer
from distil_dag.stages.student.draft_model import KEY
from distil_dag_tests.adapters.llamacpp.tiny_gguf import write_tiny_gguf
from distil_dag_tests.adapters.serving.test_student import ROOM, THREADS, habits, request, toolset

pytest.importorskip("llama_cpp")

Serve = Callable[..., StudentServer]


@pytest.fixture(params=["f16"])
def file(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A student whose drafts are mostly wrong, in a format that moves leads or not."""
    return write_student(tmp_path / "student.gguf", seed=7, form=request.param)


def write_student(path: Path, seed: int, form: str) -> Path:
    draw = random.Random(seed)
    tools = toolset(draw)
    values = {"distil_dag.run": "home.first", "distil_dag.tools": json.dumps(tools.openai())}
    values[KEY] = habits(draw, tools, may_decline=seed % 2 == 0).dumps()
    return write_tiny_gguf(path, values, seed, form)


@pytest.fixture
def serve(file: Path) -> Iterator[Serve]:
    opened: list[StudentServer] = []

    def start(**options: Any) -> StudentServer:
        opened.append(StudentServer(file, threads=THREADS, **options))
        return opened[-1]

    yield start
    for server in opened:
        server.close()


class Gate:
    """Holds the passes of a server back until it is opened, so that what happens meanwhile is no race."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened, self.reached = threading.Event(), threading.Event()
        step = BatchDecoder.step

        def held(decoder: BatchDecoder) -> Any:
            self.reached.set()
            assert self.opened.wait(30)
            return step(decoder)

        monkeypatch.setattr(BatchDecoder, "step", held)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    made = Gate(monkeypatch)
    yield made
    made.opened.set()


@pytest.mark.parametrize("file", ["f16", "Q8_0", "Q4_0"], indirect=True)
def test_concurrent_answers_are_those_of_plain_decoding(file: Path, serve: Serve) -> None:
    draw = random.Random(3)
    asked = [request(draw) for _ in range(40)]
    with Student(file, threads=THREADS) as student:
        plain = [student.answer(words, ROOM, plain=True) for words in asked]
    server = serve(parallel=5)
    with ThreadPoolExecutor(12) as clients:
        found = list(clients.map(lambda words: server.submit(words, ROOM).result(), asked))
    assert [(one.text, one.complete) for one in found] == [(one.text, one.complete) for one in plain]
    for one, other in zip(found, plain, strict=True):
        assert one.decoded.logprob == pytest.approx(other.decoded.logprob, abs=0.5)
    assert sum(one.decoded.passes for one in found) < sum(one.decoded.passes for one in plain)


def test_without_trust_every_choice_is_made_alone(
    file: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BatchDecoder, "measure_margin", lambda *_: np.inf)
    draw = random.Random(5)
    asked = [request(draw) for _ in range(8)]
    with Student(file, threads=THREADS) as student:
        plain = [student.answer(words, ROOM, plain=True) for words in asked]
    server = serve(parallel=4)
    found = [future.result() for future in [server.submit(words, ROOM) for words in asked]]
    assert [one.text for one in found] == [one.text for one in plain]
    assert all(one.decoded.recomputed == one.decoded.decisions for one in found)


def test_an_answer_that_finds_no_room_in_the_cache_is_begun_again(
    file: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third pass is told that the cache is full; the newest answer then waits for another to end."""
    draw = random.Random(6)
    asked = [request(draw) for _ in range(6)]
    server = serve(parallel=3)
    expected = [server.submit(words, ROOM).result().text for words in asked]
    compute, passes = LlamaCppEngine.compute, iter(range(1000))

    def full_once(engine: LlamaCppEngine) -> bool:
        if engine.parallel == 3 and next(passes) == 2:
            engine._batch.take()
            return False
        return compute(engine)

    monkeypatch.setattr(LlamaCppEngine, "compute", full_once)
    futures = [server.submit(words, ROOM) for words in asked]
    assert [future.result(60).text for future in futures] == expected


def test_a_failure_of_llama_cpp_fails_the_batch_and_the_next_goes_on(
    serve: Serve, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(parallel=2)
    compute = LlamaCppEngine.compute

    def broken(engine: LlamaCppEngine) -> bool:
        engine._batch.take()
        monkeypatch.setattr(LlamaCppEngine, "compute", compute)
        raise RuntimeError("llama_decode failed with code -3")

    first = server.submit("light", ROOM)
    assert gate.reached.wait(30)
    others = [server.submit("heat", ROOM), server.submit("lights off", ROOM)]
    monkeypatch.setattr(LlamaCppEngine, "compute", broken)
    gate.opened.set()
    with pytest.raises(RuntimeError, match="code -3"):
        first.result(30)
    assert all(other.result(30).text for other in others)


def test_a_request_that_is_too_long_fails_alone(serve: Serve) -> None:
    server = serve()
    long, short = server.submit("word " * 600), server.submit("light", ROOM)
    with pytest.raises(ValueError, match="the context holds"):
        long.result(30)
    assert short.result(30).text


def test_a_cancelled_request_takes_no_further_part(serve: Serve, gate: Gate) -> None:
    server = serve(parallel=1)
    running = server.submit("light", ROOM)
    assert gate.reached.wait(30)
    waiting, last = server.submit("heat", ROOM), server.submit("lights", ROOM)
    assert running.cancel()
    assert waiting.cancel()
    gate.opened.set()
    assert last.result(30).text
    for one in (running, waiting):
        with pytest.raises(CancelledError):
            one.result(0)


def test_more_than_may_wait_are_refused_at_once(serve: Serve, gate: Gate) -> None:
    server = serve(parallel=1, waiting=1)
    running = server.submit("light", ROOM)
    assert gate.reached.wait(30)
    waiting = server.submit("heat", ROOM)
    with pytest.raises(Busy, match="1 requests wait"):
        server.submit("lights", ROOM)
    gate.opened.set()
    assert not wait([running, waiting], 30).not_done


def test_close_ends_what_runs_and_refuses_what_waits(serve: Serve, gate: Gate) -> None:
    server = serve(parallel=1)
    running = server.submit("light", ROOM)
    assert gate.reached.wait(30)
    waiting = server.submit("heat", ROOM)
    closing = threading.Thread(target=server.close)
    closing.start()
    with pytest.raises(RuntimeError, match="closed before"):
        waiting.result(30)
    gate.opened.set()
    closing.join(30)
    assert running.result(0).text
    with pytest.raises(RuntimeError, match="is closed"):
        server.submit("lights")


def test_a_file_that_is_no_student_leaves_nothing_behind(tmp_path: Path) -> None:
    foreign = write_tiny_gguf(tmp_path / "foreign.gguf", {})
    before = threading.active_count()
    with pytest.raises(NotDecodable, match="no student of this project"):
        StudentServer(foreign, threads=THREADS)
    assert threading.active_count() == before
