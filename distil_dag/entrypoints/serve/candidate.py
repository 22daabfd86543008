"""A student beside the one that a task has: compared, and heard only where a share of requests is its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from distil_dag.entrypoints.serve.loaded import Loaded
from distil_dag.stages.serving.canary import is_canary


@dataclass
class Candidate:
    """A candidate for the place of a task's student.

    Attributes:
        loaded: the student, with what decides for it alone.
        share: of conversations that are its own; 0 for a mere shadow.
        compared: its answers that could be compared, since the start.
        agreed: of these, those that agree with the teacher, or with what was sent where that was not asked.
        requests: requests of its share, since the start.
        alone: of these, those that it has answered.
    """

    loaded: Loaded
    share: float = 0.0
    compared: int = 0
    agreed: int = 0
    requests: int = 0
    alone: int = 0

    @property
    def identity(self) -> str:
        """Name and content hash of its file."""
        return self.loaded.student.identity

    def owns(self, chat: Mapping[str, Any], conversation: str | None) -> bool:
        """Whether a request is its own: in its share, with tools that it knows."""
        if not self.share or self.loaded.check.of(chat.get("tools")).difference:
            return False
        return is_canary(self.identity, self.share, chat, conversation)

    def compare(self, agrees: bool | None) -> None:
        """Count one of its answers; None where there was nothing to compare it with."""
        if agrees is not None:
            self.compared += 1
            self.agreed += agrees

    def count(self, alone: bool) -> None:
        """Count a request of its share."""
        self.requests += 1
        self.alone += alone
