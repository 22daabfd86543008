"""Whether student and teacher agree: their calls are the same in the canonical form that the test uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from distil_dag.core.tool_call import Answer, ToolCall
from distil_dag.core.toolset import Toolset
from distil_dag.stages.evaluating.metrics import score
from distil_dag.stages.reading.formats.basic_turns import turns_of
from distil_dag.stages.reading.strict_values import Unreadable


def calls_in(completion: Mapping[str, Any], tools: Toolset) -> tuple[ToolCall, ...] | None:
    """The calls of a chat completion, read as in a log.

    Args:
        completion: the body of an answer.
        tools: by which calls in a text are told from words.

    Returns:
        The calls; None for an answer that is no evidence: cut off, filtered, or unreadable.
    """
    record = {"request": {"messages": []}, "response": completion}
    try:
        *_, answer = turns_of(record, "openai_chat", tools)
    except Unreadable:
        return None
    return answer.calls


def agrees(student: Sequence[ToolCall], teacher: Mapping[str, Any], tools: Toolset) -> bool | None:
    """Whether a student's calls are those of the teacher's chat completion.

    Args:
        student: the student's calls.
        teacher: the body of the teacher's answer.
        tools: the student's tools.

    Returns:
        None where the teacher's answer is no evidence.
    """
    expected = calls_in(teacher, tools)
    return None if expected is None else score(expected, Answer(calls=tuple(student)), tools).exact
