"""A real server in a thread, with a real student file, before a stand-in of the teacher."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from openai import OpenAI

from distil_dag.adapters.serving.student_server import StudentServer
from distil_dag.adapters.serving.teacher import Teacher as Upstream
from distil_dag.core.case import Case
from distil_dag.core.serving import ServingSettings
from distil_dag.core.settings import ModelSpec
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset
from distil_dag.entrypoints.serve.app import Gateway
from distil_dag.entrypoints.serve.loaded import ServedStudent
from distil_dag.entrypoints.serve.served import Served
from distil_dag.entrypoints.serve.server import configuration
from distil_dag.stages.serving.exchange import Exchange
from distil_dag.stages.serving.policy import Policy, TeacherOnly
from distil_dag.stages.student.draft_model import KEY, DraftModel
from distil_dag_tests.adapters.llamacpp.tiny_gguf import write_tiny_gguf
from distil_dag_tests.entrypoints.serve.teacher_stand_in import Teacher

# The weights are random, but which room is meant is all that they have to say, and both of them are short.
TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {
            "name": "light_on",
            "description": "Switch a light on.",
            "parameters": {
                "type": "object",
                "properties": {"room": {"enum": ["kitchen", "hall"]}},
                "required": ["room"],
            },
        },
    }
]
WORDS = "turn on the light in the kitchen"


def student_file(path: Path, seed: int = 0, tools: list[dict[str, Any]] = TOOLS, **values: str) -> Path:
    """A student that always calls, since it has learned from rows that do."""
    toolset = Toolset.from_openai(tools)
    rows = [Case(id="", messages=(), calls=(ToolCall(name="light_on", arguments={"room": "hall"}),))]
    carried = {"distil_dag.run": "home.first", "distil_dag.tools": json.dumps(tools)}
    return write_tiny_gguf(path, carried | {KEY: DraftModel.fit(rows, toolset).dumps()} | values, seed)


@dataclass
class Kept:
    """An exchange log in memory."""

    exchanges: list[Exchange] = field(default_factory=list)
    dropped: int = 0
    closed: bool = False

    def put(self, exchange: Exchange) -> bool:
        self.exchanges.append(exchange)
        return True

    def close(self) -> None:
        self.closed = True

    def wait(self, count: int) -> list[Exchange]:
        wait_for(lambda: len(self.exchanges) >= count)
        return self.exchanges


def wait_for(ready: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@dataclass
class Running:
    """A server that listens."""

    url: str
    gateway: Gateway
    server: uvicorn.Server
    loop: asyncio.AbstractEventLoop

    @cached_property
    def client(self) -> OpenAI:
        return OpenAI(base_url=f"{self.url}/v1", api_key="of-a-client", max_retries=0)

    @cached_property
    def http(self) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, timeout=30)

    def refresh(self) -> None:
        asyncio.run_coroutine_threadsafe(self.gateway.refresh(), self.loop).result(30)

    def metric(self, name: str, **labels: str) -> float:
        return self.gateway.metrics.registry.get_sample_value(f"distil_dag_{name}", labels) or 0.0


@contextmanager
def running(gateway: Gateway) -> Iterator[Running]:
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(configuration(gateway))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(
        target=lambda: loop.run_until_complete(server.serve(sockets=[listening])), daemon=True
    )
    thread.start()
    wait_for(lambda: server.started)
    try:
        yield Running(f"http://127.0.0.1:{listening.getsockname()[1]}", gateway, server, loop)
    finally:
        server.should_exit = True
        thread.join(30)
        loop.close()


class Shared(StudentServer):
    """A student of many servers, none of which frees its memory."""

    def close(self) -> None:
        pass


@pytest.fixture(scope="session")
def student(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    pytest.importorskip("llama_cpp")
    shared = Shared(student_file(tmp_path_factory.mktemp("student") / "home.gguf"), context=512, threads=1)
    yield shared
    StudentServer.close(shared)


@pytest.fixture
def teacher() -> Iterator[Teacher]:
    stand_in = Teacher(lambda words: [("light_on", {"room": "kitchen"})] if "light" in words else [])
    yield stand_in
    stand_in.gate.set()
    stand_in.stop()


def served(
    student: Path | ServedStudent,
    upstream: Teacher | None,
    policy: Callable[[], Policy] = TeacherOnly,
    name: str = "home",
    model: str = "big",
    **settings: Any,
) -> Served:
    def load(file: Path) -> ServedStudent:
        return StudentServer(file, context=512, threads=1) if isinstance(student, Path) else student

    spec = ModelSpec(mode="attached", base_url=upstream.url, model=model) if upstream else None
    one = Served(
        name=name,
        settings=ServingSettings.model_validate(settings),
        source=lambda: student if isinstance(student, Path) else Path(__file__),
        load=load,
        policy=lambda _: policy(),
        teacher=Upstream(spec) if spec else None,
    )
    one.open()
    return one


@contextmanager
def gateway_of(
    tasks: Sequence[Served], tokens: Sequence[str] = (), log: Kept | None = None
) -> Iterator[tuple[Running, Kept]]:
    kept = log or Kept()
    with running(Gateway(tasks, kept, tokens)) as server:
        yield server, kept


def ask(**more: Any) -> dict[str, Any]:
    """The arguments of a request that the student can answer."""
    return {
        "model": "home",
        "messages": [{"role": "user", "content": WORDS}],
        "tools": TOOLS,
        **more,
    }
