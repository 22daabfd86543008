"""The order in which prompts are sent: those that begin alike, one after another."""

from __future__ import annotations

import json
from collections.abc import Sequence

from distil_dag.stages.ports import Prompt


def by_beginning(prompts: Sequence[Prompt]) -> list[int]:
    """Places of the prompts, sorted by their text from its beginning.

    A server keeps the attention of what it has read and reads only the rest of a prompt that begins
    alike; mixed with others, that memory may be gone before the next of its kind comes.
    """
    return sorted(range(len(prompts)), key=lambda place: _text(prompts[place]))


def _text(prompt: Prompt) -> tuple[str, ...]:
    turns = [part for message in prompt.messages for part in (message.role, message.content)]
    return (json.dumps(prompt.tools), *turns, prompt.prefill)
