"""The tools that the requests of a log define, and their versions over time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from distil_dag.core.reports.intake import ToolVersion
from distil_dag.stages.reading.discovery.changes import change_in_words
from distil_dag.stages.reading.discovery.defined import Defined, DefinedTools

_MOST_NAMES, _MOST_VERSIONS, _MOST_SETS = 500, 20, 64
_NEVER = datetime.min.replace(tzinfo=UTC)


class _Moment(NamedTuple):
    """When a record was logged; without times, the order of the records tells."""

    time: datetime
    place: int


@dataclass
class _Seen:
    """From when to when something was seen, and in how many requests."""

    first: _Moment
    last: _Moment
    requests: int

    def add(self, other: _Seen) -> None:
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)
        self.requests += other.requests


@dataclass
class _Version:
    tool: dict[str, Any]
    seen: _Seen


@dataclass
class RequestedTools:
    """Collects definitions, record after record, in bounded memory: of each tool the newest versions.

    Attributes:
        requests: number of records that define a tool.
        left_out: how many older versions, and versions of further tools, are kept no more.
    """

    requests: int = 0
    left_out: int = 0
    _found: dict[str, dict[str, _Version]] = field(default_factory=dict)
    _sets: dict[str, tuple[Defined, _Seen]] = field(default_factory=dict)
    _reader: DefinedTools = field(default_factory=DefinedTools)
    _time: datetime = _NEVER
    _place: int = 0

    def add(self, record: Mapping[str, Any], time: datetime | None) -> None:
        """Take the definitions of a record; as :meth:`take`."""
        self.take(self._reader.of(record), time)

    def take(self, defined: Defined, time: datetime | None, counts: bool = True) -> None:
        """Take the tools that a record defines.

        Args:
            defined: the tools.
            time: when it was logged; without it, the order of the records tells which version is newer.
            counts: whether the record is a request of its own, and no other view of one.
        """
        self._time = time or self._time
        if not defined.key:
            return
        self.requests += counts
        self._place += 1
        now = _Moment(self._time, self._place)
        seen = _Seen(now, now, int(counts))
        if defined.key in self._sets:
            self._sets[defined.key][1].add(seen)
            return
        if len(self._sets) >= _MOST_SETS:
            self._settle()
        self._sets[defined.key] = (defined, seen)

    @property
    def versions(self) -> dict[str, int]:
        """Name -> number of different definitions, in the order in which the tools came."""
        self._settle()
        return {name: len(versions) for name, versions in self._found.items()}

    def newest(self, is_valid: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """The newest valid definition of each tool; tools without one are left out."""
        self._settle()
        found = []
        for versions in self._found.values():
            found += [version.tool for version in _newest(versions.values()) if is_valid(version.tool)][:1]
        return found

    def over_time(self) -> list[ToolVersion]:
        """The versions of all tools, in the order in which each came."""
        self._settle()
        return [row for name, versions in self._found.items() for row in _rows(name, versions)]

    def _settle(self) -> None:
        """Add up by tool what was added up by request."""
        sets, self._sets = self._sets, {}
        for defined, seen in sets.values():
            for name, key, tool in defined.tools:
                if name not in self._found and len(self._found) >= _MOST_NAMES:
                    self.left_out += 1
                    continue
                versions = self._found.setdefault(name, {})
                if key in versions:
                    versions[key].seen.add(seen)
                else:
                    versions[key] = _Version(tool, replace(seen))
        for name, versions in self._found.items():
            if len(versions) > _MOST_VERSIONS:
                kept = {id(version) for version in _newest(versions.values())[:_MOST_VERSIONS]}
                self._found[name] = {key: one for key, one in versions.items() if id(one) in kept}
                self.left_out += len(versions) - len(kept)


def _newest(versions: Iterable[_Version]) -> list[_Version]:
    return sorted(versions, key=lambda version: version.seen.last, reverse=True)


def _rows(name: str, versions: Mapping[str, _Version]) -> list[ToolVersion]:
    rows: list[ToolVersion] = []
    before: _Version | None = None
    for key, version in sorted(versions.items(), key=lambda item: item[1].seen.first):
        seen = version.seen
        rows.append(
            ToolVersion(
                tool=name,
                version=key,
                change=change_in_words(before.tool, version.tool) if before else "",
                requests=seen.requests,
                first=seen.first.time if seen.first.time > _NEVER else None,
                last=seen.last.time if seen.last.time > _NEVER else None,
            )
        )
        before = version
    return rows
