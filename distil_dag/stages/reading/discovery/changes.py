"""What changed between two definitions of a tool, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from distil_dag.stages.reading.redaction.excerpts import excerpt

_OWN = frozenset({"properties", "required", "enum", "type", "description", "items"})
_MOST, _MOST_VALUES, _LEVELS, _LENGTH = 6, 5, 8, 300


def change_in_words(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """What is new in a definition, without personal data.

    Args:
        old: the definition before it, in OpenAI's form.
        new: the definition.
    """
    was, now = old["function"], new["function"]
    changes = list(_of_schema(was["parameters"], now["parameters"], "", 0))
    if was["description"] != now["description"]:
        changes.append("is described in other words")
    more = f"; {len(changes) - _MOST} more" if len(changes) > _MOST else ""
    return excerpt("; ".join(changes[:_MOST]), _LENGTH) + more


def _of_schema(was: Any, now: Any, name: str, level: int) -> Iterator[str]:
    if was == now:
        return
    if not isinstance(was, Mapping) or not isinstance(now, Mapping) or level > _LEVELS:
        yield f"changes {name or 'its arguments'}"
        return
    inside = f"{name}." if name else ""
    before, after = _mapping(was, "properties"), _mapping(now, "properties")
    yield from (f"adds {inside}{one}" for one in after if one not in before)
    yield from (f"drops {inside}{one}" for one in before if one not in after)
    needed, needs = _texts(was, "required"), _texts(now, "required")
    yield from (f"requires {inside}{one}" for one in needs if one in before and one not in needed)
    yield from (f"no longer requires {inside}{one}" for one in needed if one in after and one not in needs)
    what = name or "its arguments"
    if was.get("type") != now.get("type"):
        yield f"{what} is {_said(now.get('type'))}, was {_said(was.get('type'))}"
    yield from _of_values(_texts(was, "enum"), _texts(now, "enum"), what)
    if was.get("description") != now.get("description"):
        yield f"describes {what} in other words"
    for one in after:
        if one in before:
            yield from _of_schema(before[one], after[one], inside + one, level + 1)
    yield from _of_schema(was.get("items"), now.get("items"), f"items of {what}", level + 1)
    others = [key for key in {**was, **now} if key not in _OWN and was.get(key) != now.get(key)]
    yield from (f"changes {key} of {what}" for key in others)


def _of_values(was: list[str], now: list[str], what: str) -> Iterator[str]:
    if was == now:
        return
    if not was or not now:
        yield f"{what} allows {'only certain values' if now else 'any value'}"
        return
    for said, values in (("allows", [one for one in now if one not in was]),
                         ("no longer allows", [one for one in was if one not in now])):  # fmt: skip
        if values:
            yield f"{what} {said} {', '.join(values[:_MOST_VALUES])}{' …' * (len(values) > _MOST_VALUES)}"


def _mapping(schema: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    held = schema.get(key)
    return held if isinstance(held, Mapping) else {}


def _texts(schema: Mapping[str, Any], key: str) -> list[str]:
    held = schema.get(key)
    return [str(one) for one in held] if isinstance(held, list) else []


def _said(kind: Any) -> str:
    return " or ".join(map(str, kind)) if isinstance(kind, list) else str(kind or "of any type")
