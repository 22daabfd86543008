"""Messages as services write them -> messages of a chat completion.

Anthropic and Bedrock keep results of tools among the parts of a user's message, Gemini calls the assistant
`model`, the Responses API and LangChain write items without a role. A message may become several.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from distil_dag.stages.reading.endings import with_ending
from distil_dag.stages.reading.formats.blocks import BLOCKS, parts_in_blocks
from distil_dag.stages.reading.logged_calls import as_list
from distil_dag.stages.reading.parts import RESULTS, tool_name
from distil_dag.stages.reading.strict_values import Unreadable

_LANGCHAIN = {
    "human": "user", "ai": "assistant", "system": "system", "tool": "tool", "function": "tool",
    "AIMessageChunk": "assistant", "HumanMessageChunk": "user", "SystemMessageChunk": "system",
}  # fmt: skip
_ROLES = {"model": "assistant", "MODEL": "assistant", "USER": "user"}
# Items that say nothing of what was said or called.
_SILENT = frozenset({"reasoning", "mcp_list_tools", "compaction"})
_RESULT_HOLDERS = ("toolResult", "tool_result", "functionResponse", "function_response")
_RESULT_TYPES = frozenset(RESULTS)
_RESULT_IDS = ("tool_use_id", "toolUseId", "tool_call_id", "toolCallId", "call_id", "id")
_RESULT_TEXTS = ("content", "response", "output", "result", "errorText")
# The AI SDK keeps a result as an object of these types.
_VALUES = ("text", "json", "error-text", "error-json", "content")
_MESSAGE_IDS = ("name", "tool_call_id", "id")
_CALL_HOLDERS = ("toolUse", "functionCall")
_CALL_IDS = ("id", "toolUseId", "call_id", "toolCallId")


def chat_messages(raws: Iterable[Any]) -> Iterator[Any]:
    """The messages of a chat completion that messages of any service stand for.

    Args:
        raws: the messages as they were logged.

    Raises:
        Unreadable: an item is of a kind that is not read.
    """
    for raw in raws:
        if not isinstance(raw, Mapping) or _is_plain(raw):
            yield raw
            continue
        message = _with_role(raw)
        if message is None:
            continue
        parts = _parts(message)
        if parts is None:
            yield message
        elif message.get("role") == "assistant":
            yield _assistant(message, parts)
        else:
            yield from _others(message, parts)


def _is_plain(raw: Mapping[str, Any]) -> bool:
    """Whether a message is one of a chat completion with a text, which most are."""
    content, role = raw.get("content"), raw.get("role")
    return isinstance(content, str) and content != "" and isinstance(role, str) and role not in _ROLES


def _with_role(raw: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A message with a role that OpenAI has; None for an item that says nothing."""
    role, kind, held = raw.get("role"), raw.get("type"), raw.get("kwargs")
    if isinstance(held, Mapping) and isinstance(raw.get("id"), list):
        return _with_role(held)  # an object as LangChain writes it out
    if isinstance(role, str):
        return {**raw, "role": _ROLES[role]} if role in _ROLES else raw
    if role is not None or not isinstance(kind, str):
        return raw
    if kind in _LANGCHAIN:
        return {**(raw["data"] if isinstance(raw.get("data"), Mapping) else raw), "role": _LANGCHAIN[kind]}
    return _item(raw, kind)


def _item(item: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    """An item of the Responses API without a role."""
    if kind in _SILENT:
        return None
    if kind == "function_call":
        return _ended({"role": "assistant", "content": None, "tool_calls": [_call(item)]}, item)
    if kind == "function_call_output":
        return _result(item)
    raise Unreadable("an item that is not read", kind[:40])


def _ended(message: Mapping[str, Any], item: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**message, "finish_reason": "incomplete"} if item.get("status") == "incomplete" else message


def _parts(message: Mapping[str, Any]) -> list[Any] | None:
    """The parts of a message whose text does not say it all; None where there are none."""
    content, parts = message.get("content"), message.get("parts")
    if isinstance(content, list):
        return content
    if not content and (blocks := parts_in_blocks(message)) is not None:
        return blocks
    if content is None or content == "":
        return [parts] if isinstance(parts, Mapping) else parts if isinstance(parts, list) else None
    return None


def _assistant(message: Mapping[str, Any], parts: list[Any]) -> Mapping[str, Any]:
    """An assistant's message with its calls in `tool_calls`."""
    said: list[Any] = []
    calls: list[Any] = []
    for part in parts:
        if not isinstance(part, Mapping):
            said.append(part)
        elif holder := next((name for name in _CALL_HOLDERS if isinstance(part.get(name), Mapping)), None):
            calls.append(_call(part[holder]))
        elif part.get("type") in ("tool_use", "function_call"):
            calls.append(_call(part))
        elif "reasoningContent" not in part and not _is_sign(part):
            said.append(part)
    content: Any = said or (None if parts else "")
    kept = {key: value for key, value in message.items() if key not in ("content", "parts", *BLOCKS)}
    if calls and not message.get("tool_calls"):
        kept["tool_calls"] = calls
    elif calls:
        content = parts  # calls stand twice; whether they are the same is checked where they are read
    return _ended({**kept, "content": content}, message)


def _is_sign(part: Mapping[str, Any]) -> bool:
    """Whether a part marks a place and holds nothing."""
    return part.keys() <= {"thoughtSignature", "thought_signature", "cachePoint", "cache_control"}


def _call(call: Mapping[str, Any]) -> Mapping[str, Any]:
    identity = next((call[key] for key in _CALL_IDS if isinstance(call.get(key), str)), None)
    # The Responses API has an id for the item and one for the call.
    identity = call["call_id"] if isinstance(call.get("call_id"), str) else identity
    return {**call, "id": identity} if identity else call


def _others(message: Mapping[str, Any], parts: list[Any]) -> Iterator[Mapping[str, Any]]:
    """The results among a message's parts, each as a tool's message, then its words."""
    results = [found for part in parts if (found := _result_in(part)) is not None]
    # What a message says of its only result.
    own = {key: message[key] for key in _MESSAGE_IDS if key in message and len(results) == 1}
    yield from ({**own, **result} for result in results)
    said = [part for part in parts if _result_in(part) is None and not _is_silent(part)]
    if said or not results:
        yield {**{key: value for key, value in message.items() if key != "parts"}, "content": said}


def _is_silent(part: Any) -> bool:
    return isinstance(part, Mapping) and (_is_sign(part) or "cachePoint" in part)


def _result_in(part: Any) -> Mapping[str, Any] | None:
    if not isinstance(part, Mapping):
        return None
    holder = next((name for name in _RESULT_HOLDERS if isinstance(part.get(name), Mapping)), None)
    if holder:
        return _result(part[holder])
    kind = part.get("type")
    return _result(part) if isinstance(kind, str) and kind in _RESULT_TYPES else None


def _result(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """The message of a tool; what is no text in its result is kept as JSON text."""
    value = next((result[key] for key in _RESULT_TEXTS if result.get(key) is not None), "")
    message = {"role": "tool", "content": result_text(value)}
    identity = next((result[key] for key in _RESULT_IDS if isinstance(result.get(key), str)), None)
    name = tool_name(result)
    return {**message, **({"tool_call_id": identity} if identity else {}), **({"name": name} if name else {})}


def result_text(value: Any) -> Any:
    """The text of a tool's result: text as it is, parts of text as lines, the rest as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and "value" in value and value.get("type") in _VALUES:
        return result_text(value["value"])
    if isinstance(value, list) and value and all(map(_is_text_or_json, value)):
        return "\n".join(result_text(part["text"] if "text" in part else part["json"]) for part in value)
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        raise Unreadable("not text", "the result of a tool is no JSON") from None


def _is_text_or_json(part: Any) -> bool:
    return isinstance(part, Mapping) and (isinstance(part.get("text"), str) or "json" in part)


def with_system(messages: list[Any], *systems: Any) -> list[Any]:
    """Messages behind the system prompt that a service keeps apart, unless they have one themselves."""
    first = messages[0] if messages else None
    if isinstance(first, Mapping) and first.get("role") in ("system", "developer"):
        return messages
    for system in systems:
        if isinstance(system, Mapping):
            system = system.get("parts") or system.get("text") or system.get("content")
        if system:
            return [
                {"role": "system", "content": [system] if isinstance(system, Mapping) else system},
                *messages,
            ]
    return messages


def answer_of(raws: Iterable[Any], *holders: Any) -> Mapping[str, Any]:
    """The one answer that items or messages make up together.

    Args:
        raws: the items.
        holders: objects around them, which may say how the answer ended.

    Raises:
        Unreadable: there is none, or something else than an assistant speaks.
    """
    texts: list[Any] = []
    calls: list[Any] = []
    more: dict[str, Any] = {}
    for message in chat_messages(raws):
        if not isinstance(message, Mapping) or message.get("role") != "assistant":
            raise Unreadable("an item that is not read", "the output holds more than the assistant's answer")
        content = message.get("content")
        texts += content if isinstance(content, list) else [content] if content else []
        calls += as_list(message.get("tool_calls") or [], "tool_calls")
        more |= {key: value for key, value in message.items() if key not in ("content", "tool_calls")}
    answer = {**more, "role": "assistant", "content": texts or ("" if calls else None)}
    ended: Mapping[str, Any] = with_ending({**answer, "tool_calls": calls} if calls else answer, *holders)
    return ended
