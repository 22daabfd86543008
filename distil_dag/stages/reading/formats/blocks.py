"""Parts of a message as frameworks keep them: blocks of LlamaIndex, items of Semantic Kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BLOCKS = ("blocks", "items")
_KINDS = ("block_type", "content_type")
_CALLS = ("tool_call", "function_call")
_RESULTS = ("function_result", "tool_result")


def parts_in_blocks(message: Mapping[str, Any]) -> list[Any] | None:
    """The parts that blocks of a message stand for, as services write parts; None where it has no blocks."""
    for name in BLOCKS:
        held = message.get(name)
        if isinstance(held, list) and held and all(map(_kind, held)):
            return [_part(one, _kind(one)) for one in held]
    return None


def _kind(block: Any) -> str:
    return (
        next((str(block[key]) for key in _KINDS if block.get(key)), "") if isinstance(block, Mapping) else ""
    )


def _part(block: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    first = block.get
    if kind in _CALLS:
        arguments = first("tool_kwargs", first("arguments"))
        identity = first("tool_call_id", first("id"))
        return {
            "type": "tool_use",
            "id": identity,
            "name": first("tool_name", first("name")),
            "input": arguments,
        }
    if kind in _RESULTS:
        return {
            "type": "tool_result",
            "tool_use_id": first("id"),
            "name": first("name"),
            "content": first("result"),
        }
    return {**block, "type": kind}
