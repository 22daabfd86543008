"""Objects and lists around records: an export's pages, a list of turns that is a conversation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distil_dag.stages.reading.envelopes import LISTS as ENVELOPES
from distil_dag.stages.reading.envelopes import spans_in
from distil_dag.stages.reading.fields import CONTENT_FIELDS

LISTS = frozenset(
    {
        "data", "dataset", "traces", "runs", "rows", "items", "records", "conversations", "results",
        "observations", "generations", "logs", "events", "examples", "entries", "samples", "documents",
        "hits", "train", "test", "sessions", "threads", "interactions", "chats", "spans", "logRecords",
        *ENVELOPES,
    }
)  # fmt: skip
"""Keys under which exports keep a list of records."""
_PAGES = frozenset({"data", "result", "response", "page", "payload", "hits", "export", "body"})
# Objects around one record, as services that serve rows write them.
_ENVELOPES = (("row", "row_idx"), ("_source", "_id"), ("_source", "_index"))
_OF_SPANS = frozenset({"attributes", "spanID"})
_ITEM_TYPES = frozenset({"message", "function_call", "function_call_output", "reasoning", "human", "ai"})


def records_in(value: Any) -> list[Any]:
    """The records that a value holds; the value itself where it holds no list of them."""
    return _records(value, 0)


def is_conversation(value: Any) -> bool:
    """Whether a list is one conversation: its elements are turns."""
    return (
        isinstance(value, list)
        and any(map(_has_role, value))
        and all(isinstance(turn, Mapping) and _is_turn(turn) for turn in value)
    )


def is_list_of_records(key: str, first: Any) -> bool:
    """Whether a list under a key holds records.

    Args:
        key: the key.
        first: the list's first element.
    """
    if isinstance(first, Mapping):
        return not _is_turn(first) and (key in LISTS or not CONTENT_FIELDS.isdisjoint(first))
    return isinstance(first, list) and key in LISTS and is_conversation(first)


def _records(value: Any, level: int) -> list[Any]:
    if isinstance(value, dict):
        if (spans := spans_in(value)) is not None:
            return spans
        if level > 3 or "custom_id" in value or _is_record(value):
            return [value]
        for inner, mark in _ENVELOPES:
            if mark in value and isinstance(value.get(inner), dict):
                return [value[inner]]
        is_span = not _OF_SPANS.isdisjoint(value)
        listed: list[Any] = []
        for key, item in value.items():
            if is_span and key in ("events", "logs", "links"):
                continue
            if isinstance(item, list) and item and is_list_of_records(key, item[0]):
                listed += [record for one in item for record in _records(one, level + 1)]
            elif isinstance(item, dict) and key in _PAGES and not listed:
                inner_records = _records(item, level + 1)
                if inner_records != [item] or _is_record(item):
                    return inner_records
        return listed or [value]
    if is_conversation(value):
        return [{"messages": value}]
    if isinstance(value, list) and all(isinstance(item, (dict, list)) for item in value):
        return [record for item in value for record in _records(item, level + 1)] if level <= 3 else [value]
    return [value]


def _is_record(value: Mapping[str, Any]) -> bool:
    """Whether an object has a field of a record that is no list of records."""
    for name in CONTENT_FIELDS.intersection(value):
        held = value[name]
        if held is None:
            continue
        if name not in LISTS or not isinstance(held, list):
            # A page of an export may be called `response`.
            return not (name in _PAGES and len(CONTENT_FIELDS.intersection(value)) == 1)
        if not held or not is_list_of_records(name, held[0]):
            return True
    return False


def _is_turn(value: Mapping[str, Any]) -> bool:
    return (
        isinstance(value.get("role"), str)
        or ("from" in value and "value" in value)
        or (isinstance(value.get("type"), str) and value["type"] in _ITEM_TYPES)
    )


def _has_role(value: Any) -> bool:
    return isinstance(value, Mapping) and (
        isinstance(value.get("role"), str) or "from" in value or value.get("type") in ("human", "ai")
    )
