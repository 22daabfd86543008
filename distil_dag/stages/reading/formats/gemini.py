"""Gemini: `contents` of parts, answered by `candidates`; in camel and in snake case."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distil_dag.stages.reading.formats.messages import answer_of, with_system
from distil_dag.stages.reading.logged_calls import from_json_text
from distil_dag.stages.reading.strict_values import Unreadable

# `FinishReason` by its numbers, as protocol buffers are printed; those behind are filters and failures.
_ENDINGS = ("", "stop", "max_tokens", "safety", "recitation", "other")


def chat_record(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The record as a pair of `request` and `response`; as `messages`, where it has no candidates.

    Raises:
        Unreadable: nothing was asked, or no candidate came.
    """
    request, response = record.get("request"), record.get("response")
    asked = request if isinstance(request, Mapping) else record
    answered = response if isinstance(response, Mapping) else record
    system = next(
        (
            asked[name]
            for name in ("systemInstruction", "system_instruction", "system")
            if asked.get(name) is not None
        ),
        None,
    )
    messages = with_system(_contents(asked), system)
    candidates = from_json_text(answered.get("candidates"), "candidates")
    if candidates is None and answered is record:
        return {**record, "messages": messages, "request": None, "response": None}
    if answered.get("error"):
        return {**record, "request": {"messages": messages}, "response": {"error": answered["error"]}}
    if not isinstance(candidates, list) or not candidates:
        feedback = answered.get("promptFeedback") or answered.get("prompt_feedback")
        if isinstance(feedback, Mapping):
            raise Unreadable("filtered answer", "the prompt was blocked")
        raise Unreadable("no response", "candidates holds none")
    choices = [{"message": _answer(candidate)} for candidate in candidates]
    named = answered.get("modelVersion") or answered.get("model_version")
    model = {"model": named} if isinstance(named, str) else {}
    return {**record, "request": {"messages": messages}, "response": {"choices": choices, **model}}


def _contents(asked: Mapping[str, Any]) -> list[Any]:
    contents = asked.get("contents")
    if isinstance(contents, str) and contents.lstrip().startswith(("[{", '{"')):
        contents = from_json_text(contents, "contents")
    if isinstance(contents, (str, Mapping)):
        contents = [contents]
    if not isinstance(contents, list):
        raise Unreadable("no request", "contents is not logged with the candidates")
    return [{"role": "user", "content": one} if isinstance(one, str) else _turn(one) for one in contents]


def _turn(content: Any) -> Any:
    """A content with a role; one without is the user's."""
    if isinstance(content, Mapping) and content.get("role") is None and "parts" in content:
        return {**content, "role": "user"}
    return content


def _answer(candidate: Any) -> Mapping[str, Any]:
    number = candidate.get("finish_reason") if isinstance(candidate, Mapping) else None
    if isinstance(number, int):
        candidate = {**candidate, "finish_reason": _ENDINGS[number] if number < len(_ENDINGS) else "failed"}
    content = candidate.get("content") if isinstance(candidate, Mapping) else None
    if not isinstance(content, Mapping) or not content.get("parts"):
        # An empty candidate is a failure of the service, and no decision.
        return answer_of([], candidate)
    return answer_of([{**content, "role": "assistant"}], candidate)
