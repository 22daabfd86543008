"""Agents of frameworks that have changed nothing but the address of their model."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

from distil_dag_tests.entrypoints.serve.conftest import WORDS, gateway_of, served, student_file
from distil_dag_tests.entrypoints.serve.policies import alone
from distil_dag_tests.entrypoints.serve.teacher_stand_in import Teacher

FLAT = {
    "name": "light_on",
    "description": "Switch a light on.",
    "parameters": {
        "type": "object",
        "properties": {"room": {"enum": ["kitchen", "hall"]}},
        "required": ["room"],
    },
}
TOOLS = [{"type": "function", "function": FLAT}]
Agent = Callable[[str], list[str]]
"""Address of a server -> the rooms that the agent's tool was called for."""


def lite_llm(url: str) -> list[str]:
    litellm = importlib.import_module("litellm")
    asked = {
        "model": "openai/home",
        "api_base": url,
        "api_key": "none",
        "max_retries": 0,
        "tools": TOOLS,
        "messages": [{"role": "user", "content": WORDS}],
    }
    whole = litellm.completion(**asked)
    streamed = litellm.stream_chunk_builder(list(litellm.completion(**asked, stream=True)))
    return [
        call.function.arguments
        for answer in (whole, streamed)
        for call in answer.choices[0].message.tool_calls
    ]


def _lang_chain(url: str, by_responses: bool) -> list[str]:
    langchain = importlib.import_module("langchain_openai")
    model = langchain.ChatOpenAI(
        model="home", base_url=url, api_key="none", max_retries=0, use_responses_api=by_responses
    ).bind_tools(TOOLS)
    whole = model.invoke(WORDS)
    first, *rest = model.stream(WORDS)
    streamed = sum(rest, first)
    return [call["args"]["room"] for answer in (whole, streamed) for call in answer.tool_calls]


def lang_chain(url: str) -> list[str]:
    return _lang_chain(url, by_responses=False)


def lang_chain_by_responses(url: str) -> list[str]:
    return _lang_chain(url, by_responses=True)


def _pydantic_ai(url: str, kind: str) -> list[str]:
    ai = importlib.import_module("pydantic_ai")
    models = importlib.import_module("pydantic_ai.models.openai")
    provider = importlib.import_module("pydantic_ai.providers.openai").OpenAIProvider(
        base_url=url, api_key="none"
    )
    agent = ai.Agent(getattr(models, kind)("home", provider=provider), instructions="You are a home.")
    rooms: list[str] = []

    @agent.tool_plain
    def light_on(room: Literal["kitchen", "hall"]) -> str:
        """Switch a light on."""
        rooms.append(room)
        return "done"

    assert agent.run_sync(WORDS).output == "As you wish."
    return rooms


def pydantic_ai(url: str) -> list[str]:
    return _pydantic_ai(url, "OpenAIChatModel")


def pydantic_ai_by_responses(url: str) -> list[str]:
    return _pydantic_ai(url, "OpenAIResponsesModel")


def _openai_agents(url: str, kind: str) -> list[str]:
    agents = importlib.import_module("agents")
    client = importlib.import_module("openai").AsyncOpenAI(base_url=url, api_key="none", max_retries=0)
    agents.set_tracing_disabled(True)
    rooms: list[str] = []

    def light_on(room: Literal["kitchen", "hall"]) -> str:
        """Switch a light on."""
        rooms.append(room)
        return "done"

    agent = agents.Agent(
        name="home",
        instructions="You are a home.",
        tools=[agents.function_tool(light_on)],
        model=getattr(agents, kind)("home", client),
    )

    async def run() -> None:
        whole = await agents.Runner.run(agent, WORDS)
        streamed = agents.Runner.run_streamed(agent, WORDS)
        async for _ in streamed.stream_events():
            pass
        assert whole.final_output == streamed.final_output == "As you wish."

    asyncio.run(run())
    return rooms


def openai_agents(url: str) -> list[str]:
    return _openai_agents(url, "OpenAIChatCompletionsModel")


def openai_agents_by_responses(url: str) -> list[str]:
    return _openai_agents(url, "OpenAIResponsesModel")


AGENTS: dict[str, list[Agent]] = {
    "litellm": [lite_llm],
    "langchain_openai": [lang_chain, lang_chain_by_responses],
    "pydantic_ai": [pydantic_ai, pydantic_ai_by_responses],
    "agents": [openai_agents, openai_agents_by_responses],
}


@pytest.mark.servers
@pytest.mark.parametrize(
    ("package", "agent"),
    [
        pytest.param(package, agent, id=agent.__name__)
        for package, agents in AGENTS.items()
        for agent in agents
    ],
)
def test_an_agent_works_unchanged_first_with_the_teacher_and_then_with_the_student(
    tmp_path: Path, teacher: Teacher, package: str, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    pytest.importorskip(package)
    path = student_file(tmp_path / "first.gguf")
    with gateway_of([served(path, teacher)]) as (server, _):
        rooms = agent(f"{server.url}/v1")
    assert rooms
    assert all("kitchen" in room for room in rooms)
    # What the framework makes of the tools is what the agent's log would hold, and the student learn.
    tools = teacher.requests[0][1]["tools"]
    nested = [tool if "function" in tool else {"type": "function", "function": tool} for tool in tools]
    for tool in nested:
        tool["function"].pop("type", None)
    path = student_file(tmp_path / "second.gguf", tools=nested)
    with gateway_of([served(path, teacher, alone)]) as (server, log):
        again = agent(f"{server.url}/v1")
        answered = [one.answered_by for one in log.wait(len(rooms))]
    assert len(again) == len(rooms)
    assert answered.count("student") == len(rooms)
