from __future__ import annotations

import random

from distil_dag.adapters.openai_api.prefix_order import by_beginning
from distil_dag.core.case import Message
from distil_dag.stages.ports import Prompt


def test_prompts_with_the_longest_common_beginning_are_neighbours() -> None:
    tree = [(system, first, last) for system in "ab" for first in "cd" for last in "efg"]
    random.Random(0).shuffle(tree)
    roles = ("system", "user", "assistant")
    prompts = [
        Prompt(tuple(Message(role=r, content=c) for r, c in zip(roles, turns, strict=True)))  # type: ignore[arg-type]
        for turns in tree
    ]
    order = by_beginning(prompts)
    assert sorted(order) == list(range(12))
    assert [tree[place] for place in order] == sorted(tree)
    tools = ({"type": "function", "function": {"name": "lamp"}},)
    assert by_beginning([Prompt((), tools=tools), Prompt(()), Prompt((), tools=tools)]) == [1, 0, 2]
