"""Why a request, or a student's answer to it, is for the teacher.

What the student can't do is never half obeyed. A parameter that is not known here counts as one that asks for
something.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from distil_dag.core.case import Message
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset
from distil_dag.stages.reading.strict_values import Unreadable
from distil_dag.stages.serving.conversation import conversation_of
from distil_dag.stages.serving.tools import Brought

Reason = Literal[
    "no tools", "other tools", "several choices", "logprobs", "response format", "tool choice",
    "other parameters", "no text", "unreadable messages", "no user turn", "too long", "wants words",
    "several calls", "cut off", "invalid call", "student busy", "student failed",
]  # fmt: skip
"""Why the student was not asked, or not heard."""

# What a student's answer is right with, whatever it says: who asks, how it is sent, how it would be sampled.
# The student's answer is the most probable one.
_HARMLESS = frozenset(
    {
        "model", "messages", "tools", "stream", "stream_options", "user", "metadata", "store", "seed",
        "temperature", "top_p", "top_k", "min_p", "presence_penalty", "frequency_penalty",
        "repetition_penalty", "max_tokens", "max_completion_tokens", "parallel_tool_calls", "tool_choice",
        "n", "response_format", "service_tier", "safety_identifier", "prompt_cache_key",
        "prompt_cache_retention", "reasoning_effort", "verbosity",
    }
)  # fmt: skip
_NOTHING: tuple[Any, ...] = (None, False, 0, "", [], {})


class Refusal(NamedTuple):
    """Why it is not for the student: a fixed phrase, and what of the request it is about."""

    reason: Reason
    detail: str


def why_not(body: Mapping[str, Any], brought: Brought) -> Refusal | None:
    """Why a request is not for the student, by its parameters; None where nothing speaks against it.

    Args:
        body: of a chat completion.
        brought: its tools, compared.
    """
    if not body.get("tools"):
        return Refusal("no tools", "the request has no tools, and the student only calls tools")
    if brought.difference:
        return Refusal("other tools", f"not the tools that the student was trained on; {brought.difference}")
    if body.get("n") not in (None, 1):
        return Refusal("several choices", "the student gives one choice: n is 1")
    if body.get("logprobs") or body.get("top_logprobs"):
        return Refusal("logprobs", "the student tells no logprobs")
    form = body.get("response_format")
    if form is not None and form != {"type": "text"}:
        return Refusal("response format", "the student's answers are calls of tools, in no other format")
    if body.get("tool_choice") not in (None, "auto", "required"):
        return Refusal("tool choice", "the student chooses the tool: tool_choice is auto or required")
    others = [name for name, value in body.items() if name not in _HARMLESS and value not in _NOTHING]
    if others:
        return Refusal("other parameters", f"the student does not know {', '.join(sorted(others))}")
    return None


def read_messages(body: Mapping[str, Any], tools: Toolset) -> tuple[Message, ...] | Refusal:
    """The conversation that a student is asked to answer, or why it is not for one.

    Args:
        body: of a chat completion.
        tools: the student's tools.
    """
    try:
        messages = conversation_of(body["messages"], tools)
    except Unreadable as problem:
        kind: Reason = "no text" if problem.reason == "not text" else "unreadable messages"
        return Refusal(kind, f"the messages can't be read as text and calls: {problem.reason}")
    last = messages[-1].role if messages else ""
    if last == "tool":
        # Whether to go on calling or to report is nothing that a student learns.
        return Refusal("wants words", "the last turn is a tool's result, and the student only calls tools")
    if last != "user" or not messages[-1].content.strip():
        return Refusal("no user turn", "the last turn is no user's")
    return messages


def why_unheard(
    calls: Sequence[ToolCall], complete: bool, body: Mapping[str, Any], tools: Toolset
) -> Refusal | None:
    """Why a student's answer is not to be heard, whatever its probability; None for one that may be.

    Args:
        calls: its calls.
        complete: whether it ended by itself.
        body: of the request.
        tools: the student's tools.
    """
    if not complete:
        return Refusal("cut off", "the student's answer was longer than it may be")
    if not calls:
        return Refusal("wants words", "no tool fits, so words are wanted")
    if any(map(tools.problems, calls)):
        return Refusal("invalid call", "the student's call does not fit the schema of its tool")
    if len(calls) > 1 and body.get("parallel_tool_calls") is False:
        return Refusal("several calls", "the student calls several tools, and one is allowed")
    return None


def room(body: Mapping[str, Any], most: int) -> int:
    """How many tokens the student's answer may have.

    Args:
        body: of the request, which may allow fewer.
        most: as the task says.
    """
    asked = [body.get(name) for name in ("max_tokens", "max_completion_tokens")]
    return min([most, *(n for n in asked if isinstance(n, int) and not isinstance(n, bool) and n > 0)])
