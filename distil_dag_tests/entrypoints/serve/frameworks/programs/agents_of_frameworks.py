"""Agents of frameworks that have changed nothing but the address of their model.

For each line `NAME URL` of its input it prints the arguments that the agent's tool was called with, as JSON.
"""

import asyncio
import json
import sys
from typing import Literal

WORDS = "turn on the light in the kitchen"
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


def lite_llm(url):
    import litellm

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
        json.loads(call.function.arguments)
        for answer in (whole, streamed)
        for call in answer.choices[0].message.tool_calls
    ]


def lang_chain(url, by_responses=False):
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(
        model="home", base_url=url, api_key="none", max_retries=0, use_responses_api=by_responses
    ).bind_tools(TOOLS)
    whole = model.invoke(WORDS)
    first, *rest = model.stream(WORDS)
    streamed = sum(rest, first)
    return [call["args"] for answer in (whole, streamed) for call in answer.tool_calls]


def lang_chain_by_responses(url):
    return lang_chain(url, by_responses=True)


def pydantic_ai(url, kind="OpenAIChatModel"):
    from pydantic_ai import Agent
    from pydantic_ai.models import openai
    from pydantic_ai.providers.openai import OpenAIProvider

    provider = OpenAIProvider(base_url=url, api_key="none")
    agent = Agent(getattr(openai, kind)("home", provider=provider), instructions="You are a home.")
    called = []

    @agent.tool_plain
    def light_on(room: Literal["kitchen", "hall"]) -> str:
        """Switch a light on."""
        called.append({"room": room})
        return "done"

    assert agent.run_sync(WORDS).output == "As you wish."
    return called


def pydantic_ai_by_responses(url):
    return pydantic_ai(url, "OpenAIResponsesModel")


def openai_agents(url, kind="OpenAIChatCompletionsModel"):
    import agents
    from openai import AsyncOpenAI

    client = AsyncOpenAI(base_url=url, api_key="none", max_retries=0)
    agents.set_tracing_disabled(True)
    called = []

    def light_on(room: Literal["kitchen", "hall"]) -> str:
        """Switch a light on."""
        called.append({"room": room})
        return "done"

    agent = agents.Agent(
        name="home",
        instructions="You are a home.",
        tools=[agents.function_tool(light_on)],
        model=getattr(agents, kind)("home", client),
    )

    async def run():
        whole = await agents.Runner.run(agent, WORDS)
        streamed = agents.Runner.run_streamed(agent, WORDS)
        async for _ in streamed.stream_events():
            pass
        assert whole.final_output == streamed.final_output == "As you wish."

    asyncio.run(run())
    return called


def openai_agents_by_responses(url):
    return openai_agents(url, "OpenAIResponsesModel")


if __name__ == "__main__":
    answers, sys.stdout = sys.stdout, sys.stderr  # LiteLLM prints hints
    for line in sys.stdin:
        agent, address = line.split()
        print(json.dumps(globals()[agent](address)), file=answers, flush=True)
