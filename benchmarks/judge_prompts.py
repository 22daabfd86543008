"""The rubric judge's prompts for the reviewed requests of the smart-home example."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from pathlib import Path

from distil_dag.core.case import Trace
from distil_dag.core.toolset import Toolset
from distil_dag.stages.judging.rubric import rubric_prompt
from distil_dag.stages.ports import Prompt
from distil_dag.stages.reading.case_files import read_cases

EXAMPLE = Path(__file__).parents[1] / "examples" / "smart_home"


def judge_prompts(agents: int, each: int, max_tokens: int) -> list[Prompt]:
    """Prompts for exchanges of several agents, agent after agent.

    Every agent has a tool list of its own: the example's, with one function left out and the others in
    another order. Structured output is left out, since vLLM's client can't set it for single rows.

    Args:
        agents: number of agents; a single one has all tools.
        each: number of exchanges of each agent.
        max_tokens: the longest answer, in tokens.
    """
    job = json.loads((EXAMPLE / "job_description.json").read_text())
    cases, _ = read_cases((EXAMPLE / "test.jsonl").read_text().splitlines(), toolset=None)
    traces = [Trace(id=case.id, messages=case.messages, calls=case.calls, text=case.text) for case in cases]
    prompts: list[Prompt] = []
    for agent in range(agents):
        rng = random.Random(agent)
        tools = rng.sample(job["tools"], len(job["tools"]) - 1) if agents > 1 else job["tools"]
        toolset = Toolset.from_openai(tools, job["task_description"])
        asked = [rubric_prompt(toolset, trace, trace.calls) for trace in rng.sample(traces, each)]
        prompts += [replace(prompt, schema=None, max_tokens=max_tokens) for prompt in asked]
    return prompts


def exchange_first(prompt: Prompt) -> Prompt:
    """The same text with the exchange in front of what all prompts have in common.

    Raises:
        ValueError: for a prompt without a delimited exchange.
    """
    (message,) = prompt.messages
    delimited = re.search(r"(data-\w+)\n.*\n\1", message.content)
    if delimited is None:
        raise ValueError("the judge's prompt has no delimited exchange")
    moved = f"{delimited.group()}\n\n{message.content.replace(delimited.group(), '')}"
    return replace(prompt, messages=(message.model_copy(update={"content": moved}),))
