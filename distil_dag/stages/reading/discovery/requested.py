"""The tools that the requests of a log define, and their versions over time."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from distil_dag.stages.reading.discovery.definitions import definitions_of, tool_lists

_MOST_NAMES, _MOST_VERSIONS, _MOST_KNOWN = 1000, 200, 64
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass
class _Version:
    tool: dict[str, Any]
    last: tuple[datetime, int]


@dataclass
class RequestedTools:
    """Collects definitions, record after record, in bounded memory.

    Attributes:
        requests: number of records that define a tool.
    """

    requests: int = 0
    _found: dict[str, dict[str, _Version]] = field(default_factory=dict)
    _known: dict[str, list[tuple[str, str, dict[str, Any]]]] = field(default_factory=dict)
    _time: datetime = _NEVER

    def add(self, record: Mapping[str, Any], time: datetime | None) -> None:
        """Take the definitions of a record.

        Args:
            record: the record as it was logged.
            time: when it was logged; without it, the order of the records tells which version is newer.
        """
        tools = self._defined(record)
        self.requests += bool(tools)
        self._time = time or self._time
        for name, key, tool in tools:
            if name not in self._found and len(self._found) >= _MOST_NAMES:
                continue
            versions = self._found.setdefault(name, {})
            now = (self._time, self.requests)
            if key in versions:
                versions[key].last = max(versions[key].last, now)
            elif len(versions) < _MOST_VERSIONS:
                versions[key] = _Version(tool, now)

    def _defined(self, record: Mapping[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
        """(name, text, definition) of each tool of a record; most records repeat those of another."""
        lists = tool_lists(record)
        try:
            logged = repr(lists)
        except RecursionError:
            return []  # too deep for any tool
        if logged not in self._known:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            tools = definitions_of(lists)
            self._known[logged] = [
                (tool["function"]["name"], json.dumps(tool, sort_keys=True), tool) for tool in tools
            ]
        return self._known[logged]

    @property
    def versions(self) -> dict[str, int]:
        """Name -> number of different definitions, in the order in which the tools came."""
        return {name: len(versions) for name, versions in self._found.items()}

    def newest(self, is_valid: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """The newest valid definition of each tool; tools without one are left out."""
        found = []
        for versions in self._found.values():
            in_order = sorted(versions.values(), key=lambda version: version.last, reverse=True)
            found += [version.tool for version in in_order if is_valid(version.tool)][:1]
        return found
