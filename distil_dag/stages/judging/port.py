"""What a judge is: something that says how far calls fit a request, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from distil_dag.core.case import Trace
from distil_dag.core.tool_call import Calls
from distil_dag.stages.prompting.prompt_files import PromptName


@dataclass(frozen=True)
class Judgement:
    """A score from 0 to 1, or None with the reason why there is none."""

    score: float | None
    reason: str
    explanation: str = ""
    details: dict[str, float | str] = field(default_factory=dict)


# Called once for each item, as soon as its judgement is there, in no particular order.
OnJudgement = Callable[[Judgement], None]


def ignore(judgement: Judgement) -> None:
    """A OnJudgement that does nothing."""


class Judge(Protocol):
    """Scores calls for the requests of traces, in the order of the items."""

    @property
    def identity(self) -> str:
        """The model and the version of the method: what verdicts and lineage record."""
        ...

    @property
    def prompts(self) -> tuple[PromptName, ...]:
        """The prompts by which it asks its model."""
        ...

    def assess(
        self, items: Sequence[tuple[Trace, Calls]], on_result: OnJudgement = ignore
    ) -> list[Judgement]: ...

    def again(self) -> tuple[Judge, str]:
        """The same judge put to the question in another way, and which way that is."""
        ...
