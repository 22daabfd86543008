"""Tool calls: the answer an agent gives, its canonical form, and how a student says it.

Generator, trainer, evaluator and server all use :func:`render_calls` and the one parser of
`core/answers/parser.py`, so that "the same call" means the same thing everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from distil_dag.core.control_tokens import escape_in_json

# Hermes form, which vLLM, llama.cpp and Ollama parse.
OPEN_TAG = "<tool_call>"
CLOSE_TAG = "</tool_call>"
# What a student says when no tool fits: short, constant, and never mistaken for a call.
NO_CALL_TEXT = "No tool fits."
# How reports and cells name an answer without calls, and all calls of tools that do not exist.
NO_CALL, UNKNOWN_TOOL = "no call", "(unknown tool)"
# In which OpenAI's models are shown their tools; they name it now and then.
NAMESPACE = "functions."


class ToolCall(BaseModel):
    """One function call.

    Attributes:
        name: name of the tool.
        arguments: argument -> value, as parsed JSON.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict)

    def key(self) -> str:
        """Canonical JSON of the call.

        Returns:
            Equal texts for equal calls, whatever the order of keys; numbers are compared by value.
        """
        return json.dumps([self.name, _plain(self.arguments)], sort_keys=True, ensure_ascii=False)

    def __hash__(self) -> int:
        return hash(self.key())


Calls = tuple[ToolCall, ...]
"""The calls of one answer, in order; empty where no tool is called."""


class Answer(BaseModel):
    """What a model said.

    Attributes:
        calls: the calls found in it.
        text: the words around them.
        error: why it can't be read; None where it can.
        form: the name of the form that can't be read; empty where there is no error.
    """

    model_config = ConfigDict(frozen=True)

    calls: tuple[ToolCall, ...] = ()
    text: str = ""
    error: str | None = None
    form: str = ""


def render_call(call: ToolCall) -> str:
    """The compact JSON of one call, arguments in the order they stand in; it spells no control token."""
    body = {"name": call.name, "arguments": call.arguments}
    return escape_in_json(json.dumps(body, ensure_ascii=False, separators=(",", ":")))


def render_calls(calls: Sequence[ToolCall]) -> str:
    """Text a student is trained to say for these calls, in Hermes form; the no-call text without calls."""
    if not calls:
        return NO_CALL_TEXT
    return "\n".join(f"{OPEN_TAG}{render_call(call)}{CLOSE_TAG}" for call in calls)


def calls_key(calls: Iterable[ToolCall]) -> str:
    """A text that is equal for the same calls, in any order. Apply `Toolset.canonical` first."""
    return "\n".join(sorted(call.key() for call in calls))


def same_calls(left: Iterable[ToolCall], right: Iterable[ToolCall]) -> bool:
    """Whether both hold the same calls, in any order. Apply `Toolset.canonical` first."""
    return calls_key(left) == calls_key(right)


def same_value(left: Any, right: Any) -> bool:
    """Whether two JSON values are equal, numbers by value (2 is 2.0) and booleans as booleans."""
    return ToolCall(name="", arguments={"": left}).key() == ToolCall(name="", arguments={"": right}).key()


def _plain(value: Any) -> Any:
    """Numbers that JSON holds equal compare equal (2 and 2.0), booleans stay booleans."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
