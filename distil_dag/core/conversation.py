"""Which call each tool result of a conversation answers, said wherever the order alone does not say it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from distil_dag.core.case import Message

_MARK = "[result of "


def answered_calls(messages: Sequence[Message]) -> list[int]:
    """The number of the call that each turn answers, counted from 1 over the whole conversation.

    A result without `result_of` answers the next call of the last turn that made calls. 0 stands for a turn
    that answers no call.
    """
    numbers = []
    following = asked = 0
    for message in messages:
        number = 0
        if message.tool_calls:
            following, asked = asked + 1, asked + len(message.tool_calls)
        elif message.role == "tool":
            number = message.result_of if message.result_of is not None else following
            following = following + 1 if 0 < following < asked else 0
        numbers.append(number)
    return numbers


def with_results_named(messages: Sequence[Message]) -> list[Message]:
    """The conversation as models read it: results that are not in the order of their calls name them.

    So two conversations that differ in what answers what differ in their words too. A result that itself
    begins like such a name is named in any case.
    """
    names = [call.name for message in messages for call in message.tool_calls]
    return [
        message.model_copy(update={"content": f"{_name(number, names)}\n{message.content}"})
        if message.role == "tool" and (message.result_of is not None or message.content.startswith(_MARK))
        else message
        for message, number in zip(messages, answered_calls(messages), strict=True)
    ]


def openai_turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """A conversation in OpenAI's form, with an id for each call and the same id for its result.

    Ids have nine characters, which Mistral's templates require.
    """
    turns = []
    asked = 0
    for place, (message, number) in enumerate(zip(messages, answered_calls(messages), strict=True)):
        turn = message.openai()
        for call in turn.get("tool_calls", []):
            call["id"] = f"call{asked:05}"
            asked += 1
        if message.role == "tool":
            turn["tool_call_id"] = f"call{number - 1:05}" if number else f"none{place:05}"
        turns.append(turn)
    return turns


def _name(number: int, names: Sequence[str]) -> str:
    return f"{_MARK}call {number}: {names[number - 1]}]" if 0 < number <= len(names) else f"{_MARK}no call]"
