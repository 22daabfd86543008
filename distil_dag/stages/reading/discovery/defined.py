"""The tools that each record defines, looked up rather than read where records repeat each other."""

from __future__ import annotations

import hashlib
import json
import marshal
from collections.abc import Mapping
from typing import Any, NamedTuple

from distil_dag.stages.reading.discovery.definitions import definitions_of, may_define, tool_lists

_MOST_KNOWN = 64
_DIGITS = 8


class Definition(NamedTuple):
    """One tool as a request defines it.

    Attributes:
        name: the tool.
        version: digest of the definition.
        tool: the definition, in OpenAI's form.
    """

    name: str
    version: str
    tool: dict[str, Any]


class Defined(NamedTuple):
    """The tools of one request.

    Attributes:
        key: digest of all; empty where there are none.
        tools: the tools, each name once.
    """

    key: str = ""
    tools: tuple[Definition, ...] = ()


NOTHING = Defined()


class DefinedTools:
    """Finds the tools that records define; requests with the same tools share one object."""

    def __init__(self) -> None:
        self._known: dict[bytes | str, Defined] = {}
        self._last: tuple[Any, Defined] = (None, NOTHING)

    def of(self, record: Mapping[str, Any], raw: Any = None) -> Defined:
        """The tools that a record defines.

        Args:
            record: the record as it was logged.
            raw: its line, where the source has it.
        """
        if isinstance(raw, bytes) and raw and not may_define(raw):
            return NOTHING
        lists = tool_lists(record)
        if not lists:
            return NOTHING
        if len(lists) == 1 and lists[0] is self._last[0]:
            return self._last[1]
        try:
            logged = _written(lists)
        except RecursionError:
            return NOTHING  # too deep for any tool
        if logged not in self._known:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[logged] = _defined(lists)
        self._last = (lists[0], self._known[logged]) if len(lists) == 1 else (None, NOTHING)
        return self._known[logged]


def _written(lists: list[Any]) -> bytes | str:
    try:
        return marshal.dumps(lists, 0)
    except ValueError:  # too deep, or of types that JSON has not
        return repr(lists)


def _defined(lists: list[Any]) -> Defined:
    tools = []
    for tool in definitions_of(lists):
        text = json.dumps(tool, sort_keys=True)
        tools.append(Definition(tool["function"]["name"], _digest(text), tool))
    return Defined(_digest("".join(one.version for one in tools)), tuple(tools)) if tools else NOTHING


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[: 2 * _DIGITS]
