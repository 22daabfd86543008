"""Pydantic's errors about `task.yaml`, in words that say what is allowed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from distil_dag.adapters.tasks.located_yaml import Step
from distil_dag.core.secret_settings import is_secret_name
from distil_dag.core.task import REMOVED, Settings

_SAID: dict[str, str] = {
    "missing": "is missing",
    "string_type": "must be text: put it in quotes",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping (`key: value`)",
    "model_type": "must be a section (`key: value` lines)",
    "model_attributes_type": "must be a section (`key: value` lines)",
    "invalid_key": "keys must be text: put it in quotes",
}
_LIMITS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}


def path_of(error: ErrorDetails) -> tuple[Step, ...]:
    """Where the error stands in the file: pydantic's location without the union's tag."""
    found: list[Step] = []
    for place, step in enumerate(error["loc"]):
        if place == 1 and error["loc"][0] == "traces" and step in _tags():
            continue
        if step != "[key]":
            found.append(step)
    if error["type"] in ("union_tag_invalid", "union_tag_not_found"):
        found.append("kind")
    if error["type"] == "no_price":
        found += ["budget", "money"]
    return tuple(found)


def dotted(path: Sequence[Step]) -> str:
    """`judge.committee[0].kind` for a path."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def explain(error: ErrorDetails) -> str:
    """What is wrong at this place and what is allowed there."""
    kind, context = error["type"], error.get("ctx", {})
    shown = "a value" if any(is_secret_name(str(step)) for step in error["loc"]) else _shown(error["input"])
    if kind == "literal_error":
        return f"{shown} is not allowed; one of: {_quoted(str(context['expected']))}"
    if kind == "union_tag_invalid":
        return f"{context['tag']!r} is not allowed; one of: {', '.join(_tags())}"
    if kind == "union_tag_not_found":
        return f"is missing; one of: {', '.join(_tags())}"
    if kind == "extra_forbidden" and error["loc"] in REMOVED:
        return REMOVED[error["loc"]]
    if kind == "extra_forbidden":
        return unknown_key(str(error["loc"][-1]), _keys_at(error["loc"][:-1]))
    if kind == "string_pattern_mismatch":
        return f"{shown} is not allowed; letters, digits, `_` and `-`, at most 64, no sign first"
    if kind in _LIMITS:
        words, name = _LIMITS[kind]
        return f"{shown} is not allowed; it must be {words} {context[name]}"
    if kind == "no_price":
        return error["msg"]
    if kind == "missing":
        return _SAID[kind] + _described(error["loc"])
    said = _SAID.get(kind) or error["msg"].removeprefix("Value error, ")
    return f"{said}, found {shown}"


def unknown_key(key: str, allowed: Iterable[str]) -> str:
    """The sentence for a key that does not exist, with the one that was probably meant."""
    names = list(allowed)
    near = get_close_matches(key, names, n=1)
    guess = f"; did you mean `{near[0]}`?" if near else ""
    return (
        f"unknown key{guess} Allowed here: {', '.join(names)}"
        if guess
        else (f"unknown key; allowed here: {', '.join(names)}")
    )


def _keys_at(location: Sequence[Any]) -> list[str]:
    section = _section(location)
    return list(section.model_fields) if section is not None else []


def _section(location: Sequence[Any]) -> type[BaseModel] | None:
    candidates: list[type[BaseModel]] = [Settings]
    for step in location:
        if isinstance(step, int):
            continue
        tagged = [model for model in candidates if step in _literals(model)]
        if len(candidates) > 1 and tagged:
            candidates = tagged
            continue
        field = next((m.model_fields[step] for m in candidates if step in m.model_fields), None)
        candidates = list(_models(field.annotation)) if field is not None else []
    return candidates[0] if candidates else None


def _described(location: Sequence[Any]) -> str:
    section = _section(location[:-1])
    field = section.model_fields.get(str(location[-1])) if section is not None else None
    return f": {field.description}" if field is not None and field.description else ""


def _models(annotation: Any) -> Iterable[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _literals(model: type[BaseModel]) -> tuple[Any, ...]:
    kind = model.model_fields.get("kind")
    return get_args(kind.annotation) if kind is not None else ()


def _tags() -> list[str]:
    return [tag for model in _models(Settings.model_fields["traces"].annotation) for tag in _literals(model)]


def _quoted(expected: str) -> str:
    return ", ".join(re.findall(r"'([^']*)'", expected)) or expected


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple, set)):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
