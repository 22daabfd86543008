"""What an answer used: tokens and money, in any of the names that recorders give them.

Prices and limits of models stand beside in some records, so a number counts only under its known name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from distil_dag.stages.reading.recorders.pairs import parsed
from distil_dag.stages.reading.strict_values import Unreadable

_GIVEN = (
    "prompt_tokens", "input_tokens", "promptTokens", "inputTokens", "promptTokenCount", "prompt_eval_count",
    "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt",
    "llm.usage.prompt_tokens", "ai.usage.promptTokens", "ai.usage.inputTokens",
)  # fmt: skip
_GOT = (
    "completion_tokens", "output_tokens", "completionTokens", "outputTokens", "candidatesTokenCount",
    "eval_count", "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens",
    "llm.token_count.completion", "llm.usage.completion_tokens", "ai.usage.completionTokens",
    "ai.usage.outputTokens",
)  # fmt: skip
_COST = (
    "response_cost", "total_cost", "totalCost", "calculatedTotalCost", "spend", "cost", "estimated_cost",
    "gen_ai.usage.cost", "llm.cost.total", "operation.cost", "gen_ai.usage.total_cost",
)  # fmt: skip
# Of these objects the names are plain ones, which elsewhere say something else.
_DETAILS = frozenset({"usage", "usageDetails", "usage_details"})
_COSTS = frozenset({"costDetails", "cost_details"})
# What was said, which may hold anything.
_CONTENT = frozenset(
    {"messages", "input", "inputs", "request", "tools", "prompt", "choices", "content", "generations",
     "model_input_messages", "model_map_information", "choice", "error"}
)  # fmt: skip
_MOST_LEVELS, _MOST_OBJECTS = 5, 200
_HIGHEST = 10**12


class Usage(NamedTuple):
    """What an answer used; None for what is not said.

    Attributes:
        input_tokens: tokens of the request.
        output_tokens: tokens of the answer.
        cost: in the recorder's currency, which mostly is the US dollar.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None


def usage_of(record: Mapping[str, Any]) -> Usage:
    """What a record says of the use of its answer; of several places the one nearest to its top.

    Args:
        record: as it was logged, or the attributes of a span.
    """
    tokens: tuple[int | None, int | None] = (None, None)
    cost = None
    for name, held in _objects(record):
        given, got = _number(held, _GIVEN), _number(held, _GOT)
        if given is None and name in _DETAILS:
            given, got = _number(held, ("input",)), _number(held, ("output",))
        if tokens == (None, None) and given is not None:
            tokens = int(given), None if got is None else int(got)
        if cost is None:
            cost = _number(held, ("total",)) if name in _COSTS else _number(held, _COST)
    return Usage(*tokens, cost)


def _objects(record: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The name and the value of each object in a record, level by level."""
    level: list[tuple[str, Mapping[str, Any]]] = [("", record)]
    left = _MOST_OBJECTS
    for _ in range(_MOST_LEVELS):
        below: list[tuple[str, Mapping[str, Any]]] = []
        for name, held in level:
            yield name, held
            for key, value in held.items():
                if key not in _CONTENT and left:
                    if isinstance(value, str) and value[:1] == "{" and ("sage" in key or "cost" in key):
                        value = _parsed(value)
                    if isinstance(value, Mapping):
                        left -= 1
                        below.append((key, value))
        level = below


def _parsed(text: str) -> Any:
    try:
        return parsed(text)
    except Unreadable:
        return None


def _number(held: Mapping[str, Any], names: tuple[str, ...]) -> float | None:
    for name in names:
        value = held.get(name)
        if (
            isinstance(value, str)
            and value.replace(".", "", 1).isascii()
            and value.replace(".", "", 1).isdigit()
        ):
            value = float(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < _HIGHEST:
            return value
    return None
