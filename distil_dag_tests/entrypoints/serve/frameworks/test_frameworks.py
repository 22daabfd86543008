"""Agents of frameworks that have changed nothing but the address of their model."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

from distil_dag_tests.adapters.logs.servers.demo import quiet
from distil_dag_tests.entrypoints.serve.conftest import gateway_of, served, student_file
from distil_dag_tests.entrypoints.serve.policies import alone
from distil_dag_tests.entrypoints.serve.teacher_stand_in import Teacher

PROGRAM = Path(__file__).parent / "programs" / "agents_of_frameworks.py"
AGENTS = (
    "lite_llm",
    "lang_chain",
    "lang_chain_by_responses",
    "pydantic_ai",
    "pydantic_ai_by_responses",
    "openai_agents",
    "openai_agents_by_responses",
)


Called = Callable[[str, str], list[dict[str, Any]]]
"""Name of an agent and address of a server -> what the agent's tool was called with."""


@pytest.fixture(scope="module")
def called(servers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Called]:
    """The agents, in one process of the environment that holds their frameworks."""
    told = tmp_path_factory.mktemp("agents") / "stderr"
    with (
        told.open("wb") as stderr,
        subprocess.Popen(
            [servers / "python", PROGRAM], stdin=PIPE, stdout=PIPE, stderr=stderr, text=True, env=quiet()
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        asks, says = process.stdin, process.stdout

        def call(agent: str, url: str) -> list[dict[str, Any]]:
            assert process.poll() is None, told.read_text()[-3000:]
            asks.write(f"{agent} {url}/v1\n")
            asks.flush()
            line = says.readline()
            assert line, told.read_text()[-3000:]
            return json.loads(line)

        yield call
        process.kill()


@pytest.mark.servers
@pytest.mark.parametrize("agent", AGENTS)
def test_an_agent_works_unchanged_first_with_the_teacher_and_then_with_the_student(
    called: Called, tmp_path: Path, teacher: Teacher, agent: str
) -> None:
    path = student_file(tmp_path / "first.gguf")
    with gateway_of([served(path, teacher)]) as (server, _):
        found = called(agent, server.url)
    assert found
    assert all(arguments == {"room": "kitchen"} for arguments in found)
    # What the framework makes of the tools is what the agent's log would hold, and the student learn.
    tools = teacher.requests[0][1]["tools"]
    nested = [tool if "function" in tool else {"type": "function", "function": tool} for tool in tools]
    for tool in nested:
        tool["function"].pop("type", None)
    path = student_file(tmp_path / "second.gguf", tools=nested)
    with gateway_of([served(path, teacher, alone)]) as (server, log):
        again = called(agent, server.url)
        answered = [one.answered_by for one in log.wait(len(found))]
    assert len(again) == len(found)
    assert answered.count("student") == len(found)
