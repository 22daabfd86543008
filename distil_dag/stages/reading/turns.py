"""One chat message of a log -> a turn that can be trusted to be text and JSON.

Accepts what services and frameworks write: content as text, None or parts; calls in `tool_calls` and
the other fields of `logged_calls.py`, or spelled out in the text in any form that the parser of answers
reads. Thoughts come off first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from distil_dag.core.answers import net, thoughts
from distil_dag.core.answers.form import NotReadable
from distil_dag.core.answers.parser import TOO_LONG, parse_answer
from distil_dag.core.answers.thoughts import without_thoughts
from distil_dag.core.case import Role
from distil_dag.core.tool_call import Answer, ToolCall
from distil_dag.core.toolset import Toolset
from distil_dag.stages.reading.endings import refuse_lost_calls, refuse_unfinished
from distil_dag.stages.reading.logged_calls import (
    call_id,
    checked,
    from_json_text,
    logged_calls,
    refuse_calls_beside,
    refuse_elsewhere,
)
from distil_dag.stages.reading.parts import read_parts, read_result, tool_name
from distil_dag.stages.reading.strict_values import MAX_RECORD_BYTES, Unreadable, clean_text, too_large

# Parts that an export wrote as JSON text once more.
_PARTS = ('[{"type": "text"', '[{"type":"text"')
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
# What the parser names that is no form of a call.
_REASONS = {net.FORM: net.FORM, TOO_LONG: TOO_LONG, thoughts.FORM: "thoughts without an answer"}

Record = Mapping[str, Any]


class Turn(NamedTuple):
    """A readable turn.

    Attributes:
        role: who speaks.
        content: the words of the turn.
        calls: calls that an assistant's turn makes.
        answers: whether an assistant's turn is the log's answer, not its history.
        ids: of the calls, empty where one has none; of other turns none.
        id: of the call that a tool's turn answers; empty where the log does not say.
        tool: the name of the tool that a tool's turn comes from; empty likewise.
        result_of: as in :class:`~distil_dag.core.case.Message`.
    """

    role: Role
    content: str = ""
    calls: tuple[ToolCall, ...] = ()
    answers: bool = False
    ids: tuple[str, ...] = ()
    id: str = ""
    tool: str = ""
    result_of: int | None = None


def read_turn(raw: Any, answers: bool = False, tools: Toolset | None = None) -> Turn:
    """The turn that a message holds; Unreadable if it can't be trusted.

    Args:
        raw: the message.
        answers: whether it is the log's answer; then how it ended counts.
        tools: the known tools, by which calls in its text are told from words.
    """
    if not isinstance(raw, Mapping):
        raise Unreadable("wrong type", f"a message is {type(raw).__name__}, not an object")
    role = _ROLES.get(raw["role"]) if isinstance(raw.get("role"), str) else None
    if role is None:
        raise Unreadable("unknown role", str(raw.get("role"))[:40])
    content = raw["parts"] if _only_parts(raw) else raw.get("content")
    if isinstance(content, str) and content.startswith(_PARTS):
        content = from_json_text(content, "content")
        raw = {**raw, "content": content}
    if role == "tool":
        return Turn(role, read_result(content), id=call_id(raw), tool=tool_name(raw))
    if role != "assistant":
        return Turn(role, read_content(content))
    if answers:
        refuse_unfinished(raw)
    content, calls, ids = logged_calls(raw)
    if not calls and content:
        said = read_said(content, tools)
        content, calls = said.text, said.calls or calls
    elif content:
        content = _without_thoughts(content)
    content = content or read_content(raw.get("refusal"))
    if answers and not calls:
        refuse_lost_calls(raw)
        refuse_calls_beside(raw, tools)
    if not content and not calls:
        refuse_elsewhere(raw, answers)
        if calls is None and raw.get("content") is None:
            raise Unreadable("empty answer", "neither text nor calls")
    return Turn("assistant", content, calls or (), answers, ids)


def read_said(text: str, tools: Toolset | None) -> Answer:
    """The answer that a text spells, with clean calls; Unreadable where it is a call that can't be read."""
    said = parse_answer(text, tools)
    if said.error:
        raise Unreadable(_REASONS.get(said.form, f"unreadable call ({said.form})"), said.error)
    return said.model_copy(update={"calls": checked(said.calls)})


def _without_thoughts(content: str) -> str:
    try:
        return without_thoughts(content)
    except NotReadable:
        return ""


def _only_parts(raw: Record) -> bool:
    return not raw.get("content") and isinstance(raw.get("parts"), list)


def read_content(content: Any) -> str:
    """The text of a message; parts of text are lines. Unreadable if any of it is no text."""
    if content is None:
        return ""
    if isinstance(content, list):
        text, calls = read_parts(content)
        if calls:
            raise Unreadable("not text", "content holds a call")
        return text
    return clean_text(content, "content")


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
            ids = tuple(one for part in (before, turn) for one in part.ids or ("",) * len(part.calls))
            turn = Turn("assistant", content, before.calls + turn.calls, before.answers or turn.answers, ids)
        joined.append(turn)
    return joined
