"""A labeller without a language model: the intent-slot model of the trusted traces labels requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from distil_dag.core.case import Example
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset
from distil_dag.stages.nlu.intent_slots import IntentSlotModel
from distil_dag.stages.nlu.value_catalogue import ValueCatalogue

READER = "reader of the trusted traces"

# Traces from which conventions can be learned.
_FEWEST = 20
# Probabilities from which a predicted tool, and a word's argument, counts as sure.
_SURE_TOOL, _SURE_WORD = 0.8, 0.75


class TrustedReader:
    """Labels a request with a single call whose values are words of it; other requests have no label."""

    def __init__(self, trusted: Sequence[Example], toolset: Toolset) -> None:
        self._toolset = toolset
        self._labeller = IntentSlotModel(trusted) if len(trusted) >= _FEWEST else None
        self._vocabulary = ValueCatalogue.learn(trusted, toolset)
        said = self._vocabulary.is_grounded
        # A value that is not in the words can't be labelled, nor can the call that may need it.
        self._unreadable = {
            call.name for case in trusted for call in case.calls for name in call.arguments
            if not said(call.name, name)
        }  # fmt: skip

    def read(self, requests: Sequence[str]) -> list[tuple[ToolCall, ...] | None]:
        """The calls that the intent-slot model predicts for each request; None where it is not sure."""
        if self._labeller is None:
            return [None for _ in requests]
        found: list[tuple[ToolCall, ...] | None] = []
        for text, chances in zip(requests, self._labeller.read_tools(requests), strict=True):
            tool = max(sorted(chances), key=lambda name: chances[name], default="")
            sure = tool in self._toolset and chances[tool] >= _SURE_TOOL
            found.append(self._call(tool, text) if sure and tool not in self._unreadable else None)
        return found

    def _call(self, tool: str, text: str) -> tuple[ToolCall, ...] | None:
        assert self._labeller is not None
        values = self._labeller.read_values(tool, text, _SURE_WORD)
        if values is None:
            return None
        arguments = {name: self._value(tool, name, words) for name, words in values.items()}
        return (self._toolset.canonical(ToolCall(name=tool, arguments=arguments)),)

    def _value(self, tool: str, name: str, words: str) -> Any:
        """The value that the log has for these words; the words themselves where it has none."""
        known = self._vocabulary.known_value(tool, name, words)
        return words if known is None else known
