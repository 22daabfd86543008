"""Cases of the Berkeley Function Calling Leaderboard, from the data of the package `bfcl-eval`.

The single-turn categories with Python types: 3,491 tool sets, 2,351 of them with a label. The package's own
code is not imported, since its dependencies are not installed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.metadata import distribution
from typing import Any, NamedTuple

from distil_dag.core.case import Case, Message
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset

_LABELLED = (
    "simple_python", "multiple", "parallel", "parallel_multiple",
    "live_simple", "live_multiple", "live_parallel", "live_parallel_multiple",
)  # fmt: skip
_UNLABELLED = ("irrelevance", "live_irrelevance", "live_relevance")
# As the package converts them, but for `any`, which is a type that JSON Schema leaves out.
_TYPES = {"dict": "object", "float": "number", "tuple": "array"}


class ToolCase(NamedTuple):
    """A conversation under its own tools; `labelled` says whether its calls are known."""

    case: Case
    toolset: Toolset
    labelled: bool


def tool_cases() -> Iterator[ToolCase]:
    """All cases, in the order of the files.

    A label takes the first of the values that are accepted for an argument, and leaves out what may be
    missing.
    """
    for category in (*_LABELLED, *_UNLABELLED):
        labels = {row["id"]: row["ground_truth"] for row in _rows("possible_answer", category)}
        for row in _rows("", category):
            tools = [{**tool, "parameters": _schema(tool["parameters"])} for tool in row.get("function", ())]
            label = labels.get(row["id"])
            case = Case(
                id=row["id"],
                messages=tuple(Message.model_validate(message) for message in row["question"][0]),
                calls=tuple(map(_call, label or ())),
            )
            yield ToolCase(case, Toolset.from_openai(tools), label is not None)


def _rows(folder: str, category: str) -> Iterator[dict[str, Any]]:
    if folder and category in _UNLABELLED:
        return
    package = distribution("bfcl-eval")
    path = package.locate_file(f"bfcl_eval/data/{folder}/BFCL_v4_{category}.json")
    for line in path.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def _schema(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with the type names of JSON Schema."""
    found = dict(schema)
    if (kind := found.pop("type", "any")) != "any":
        found["type"] = _TYPES.get(kind, kind)
    if "properties" in found:
        found["properties"] = {name: _schema(part) for name, part in found["properties"].items()}
    if "items" in found:
        found["items"] = _schema(found["items"])
    return found


def _call(label: dict[str, Any]) -> ToolCall:
    ((name, arguments),) = label.items()
    return ToolCall(name=name, arguments=_first(arguments))


def _first(accepted: dict[str, list[Any]]) -> dict[str, Any]:
    """Each argument's first value, without those that may be missing: an empty text says so."""
    return {name: _value(values[0]) for name, values in accepted.items() if values and "" not in values}


def _value(value: Any) -> Any:
    """An accepted value: objects inside it list what is accepted for each of their keys."""
    if isinstance(value, list):
        return [_value(item) for item in value]
    if isinstance(value, dict) and all(isinstance(values, list) for values in value.values()):
        return _first(value)
    return value
