"""One chat message of a log -> a turn that can be trusted to be text and JSON.

Accepts what OpenAI-compatible services write: content as text, None or parts of text; `tool_calls`
with arguments as text or object, several of them, `function_call`, and calls spelled out in the
Hermes form.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from distil_dag.core.case import Role
from distil_dag.core.tool_call import OPEN_TAG, ToolCall, parse_answer, read_call
from distil_dag.stages.reading.strict_values import (
    MAX_RECORD_BYTES,
    Unreadable,
    check_json,
    clean_text,
    parse_json,
    too_large,
)

MAX_TURNS = 200
"""Turns of one conversation: each trace repeats its history, so rows grow with their square."""

_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
_TEXT_PARTS = ("text", "input_text", "output_text")

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Turn:
    """A readable turn; `answers` marks an assistant turn that is the log's answer, not its history."""

    role: Role
    content: str = ""
    calls: tuple[ToolCall, ...] = ()
    answers: bool = False


def read_turn(raw: Any, answers: bool = False) -> Turn:
    """The turn that a message holds; Unreadable if it can't be trusted."""
    if not isinstance(raw, Mapping):
        raise Unreadable("wrong type", f"a message is {type(raw).__name__}, not an object")
    role = _ROLES.get(raw["role"]) if isinstance(raw.get("role"), str) else None
    if role is None:
        raise Unreadable("unknown role", str(raw.get("role"))[:40])
    content = read_content(raw.get("content"))
    if role != "assistant":
        return Turn(role, content)
    calls = _calls(raw)
    if calls is None and OPEN_TAG in content:
        said = parse_answer(content)
        if said.error:
            raise Unreadable("unreadable call", "the text of a call does not parse")
        calls, content = checked(said.calls), said.text
    content = content or read_content(raw.get("refusal"))
    if calls is None and not content and raw.get("content") is None:
        raise Unreadable("empty answer", "neither text nor calls")
    return Turn("assistant", content, calls or (), answers)


def read_content(content: Any) -> str:
    """The text of a message; parts of text are lines. Unreadable if any of it is no text."""
    if content is None:
        return ""
    if isinstance(content, list):
        return "\n".join(_part(part) for part in content)
    return clean_text(content, "content")


def _part(part: Any) -> str:
    if isinstance(part, str):
        return clean_text(part, "content")
    if not isinstance(part, Mapping) or part.get("type") not in (*_TEXT_PARTS, "refusal"):
        kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
        raise Unreadable("not text", f"content holds {str(kind)[:40]}")
    return clean_text(part.get("text", part.get("refusal")), "content")


def _calls(raw: Record) -> tuple[ToolCall, ...] | None:
    """The calls of a turn; None where it does not say that there are none."""
    calls = from_json_text(raw.get("tool_calls"), "tool_calls")
    if not calls and isinstance(raw.get("function_call"), (Mapping, str)):
        calls = [from_json_text(raw["function_call"], "function_call")]
    if calls is None:
        return None
    return checked(read_logged_call(value) for value in as_list(calls, "tool_calls"))


def read_logged_call(value: Any) -> ToolCall:
    """The call that a logged value holds, in any shape that `read_call` knows; else Unreadable."""
    try:
        return read_call(value)
    except ValidationError:
        raise Unreadable("unreadable call", "the arguments hold what JSON does not have") from None
    except RecursionError:
        raise Unreadable("nested too deep", "the arguments") from None
    except ValueError as error:
        raise Unreadable("unreadable call", str(error)) from None


def checked(calls: Iterable[ToolCall]) -> tuple[ToolCall, ...]:
    """The calls, if their names and arguments are clean text and proper JSON; else Unreadable."""
    kept = tuple(calls)
    for call in kept:
        clean_text(call.name, "the name of a tool")
        check_json(call.arguments, "the arguments")
    return kept


def bounded(turns: Iterable[Turn]) -> Iterator[Turn]:
    """The turns; Unreadable once they are too many or too long for one record."""
    size = 0
    for number, turn in enumerate(turns, start=1):
        size += len(turn.content)
        if size > MAX_RECORD_BYTES:
            raise too_large()
        if number > MAX_TURNS:
            raise Unreadable("too many turns", f"more than {MAX_TURNS}")
        yield turn


def joined(turns: Sequence[Turn]) -> list[Turn]:
    """Assistant turns in a row (some logs write words and calls apart) as one."""
    joined: list[Turn] = []
    for turn in turns:
        if turn.role == "assistant" and joined and joined[-1].role == "assistant":
            before = joined.pop()
            content = "\n".join(filter(None, (before.content, turn.content)))
            turn = Turn("assistant", content, before.calls + turn.calls, before.answers or turn.answers)
        joined.append(turn)
    return joined


def from_json_text(value: Any, what: str) -> Any:
    """JSON text as what it means; anything else as it is."""
    if not isinstance(value, (str, bytes)):
        return value
    if not value.strip():
        return None
    try:
        return parse_json(value)
    except Unreadable as error:
        raise Unreadable(error.reason, f"{what}: {error.detail}" if error.detail else what) from None


def as_list(value: Any, what: str) -> list[Any]:
    """A list, or JSON text of one; else Unreadable."""
    value = from_json_text(value, what)
    if not isinstance(value, list):
        raise Unreadable("wrong type", f"{what} is {type(value).__name__}, not a list")
    return value
