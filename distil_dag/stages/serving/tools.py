"""Whether a request brings the tools that a student was trained on."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from typing import Any, NamedTuple

from distil_dag.core.toolset import Toolset

# Clients send the same few lists again and again.
_KNOWN = 64


class Brought(NamedTuple):
    """The tools of a request.

    Attributes:
        digest: of the tools; that of the text where it holds no tools that can be read.
        difference: how they differ from the student's, by name; empty where they are the same.
    """

    digest: str
    difference: str


class ToolCheck:
    """Compares tools of requests with those of a student, by digest; their order says nothing.

    Args:
        trained: the student's tools.
    """

    def __init__(self, trained: Toolset) -> None:
        self._trained = trained
        self._known: OrderedDict[str, Brought] = OrderedDict()

    def of(self, tools: Any) -> Brought:
        """The comparison for a request's `tools`."""
        text = json.dumps(tools, sort_keys=True)
        found = self._known.get(text)
        if found is None:
            found = self._known[text] = self._compared(tools, text)
            if len(self._known) > _KNOWN:
                self._known.popitem(last=False)
        return found

    def _compared(self, tools: Any, text: str) -> Brought:
        try:
            brought = Toolset.from_openai(tools)
        except (ValueError, TypeError, AttributeError, RecursionError):
            unread = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
            return Brought(unread, "they are no function definitions that can be read")
        if brought.digest == self._trained.digest:
            return Brought(brought.digest, "")
        ours = {tool.name: tool.openai() for tool in self._trained.tools}
        theirs = {tool.name: tool.openai() for tool in brought.tools}
        parts = {
            "missing": [name for name in ours if name not in theirs],
            "unknown": [name for name in theirs if name not in ours],
            "changed": [name for name in ours if name in theirs and ours[name] != theirs[name]],
        }
        return Brought(
            self._trained.digest if not any(parts.values()) else brought.digest,
            "; ".join(f"{what}: {', '.join(names)}" for what, names in parts.items() if names),
        )
