"""The order in which prompts are sent: those with a common prefix one after another."""

from __future__ import annotations

import json
from collections.abc import Sequence

from distil_dag.stages.ports import Prompt


def by_beginning(prompts: Sequence[Prompt]) -> list[int]:
    """Places of the prompts, sorted by their text.

    A server caches the attention of what it has read and computes only the rest of a prompt with the same
    prefix. Between other prompts, the cached prefix may be evicted before its next use.
    """
    return sorted(range(len(prompts)), key=lambda place: _text(prompts[place]))


def _text(prompt: Prompt) -> tuple[str, ...]:
    turns = [part for message in prompt.messages for part in (message.role, message.content)]
    return (json.dumps(prompt.tools), *turns, prompt.prefill)
