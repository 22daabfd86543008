"""The port of a judge: something that says how far calls fit a request, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from distil_dag.core.case import Trace
from distil_dag.core.tool_call import Calls
from distil_dag.stages.prompting.prompt_files import PromptName


@dataclass(frozen=True)
class Judgement:
    """What a judge says about the calls of one trace.

    Attributes:
        score: from 0 (wrong) to 1 (right); None where there is none.
        reason: a short category, which reports count; without a score, why there is none.
        explanation: the reason as a sentence for a person.
        details: further figures by name.
    """

    score: float | None
    reason: str
    explanation: str = ""
    details: dict[str, float | str] = field(default_factory=dict)


# Called once for each item, as soon as its judgement is there, in no particular order.
OnJudgement = Callable[[Judgement], None]


def ignore(judgement: Judgement) -> None:
    """An OnJudgement that does nothing."""


class Judge(Protocol):
    """A method that scores the calls of traces."""

    @property
    def identity(self) -> str:
        """The model and the version of the method, which verdicts and lineage record."""
        ...

    @property
    def prompts(self) -> tuple[PromptName, ...]:
        """The prompts by which it asks its model."""
        ...

    def assess(
        self, items: Sequence[tuple[Trace, Calls]], on_result: OnJudgement = ignore
    ) -> list[Judgement]:
        """Score calls.

        Args:
            items: traces with the calls to judge, which need not be the logged ones.
            on_result: called once for each judgement.

        Returns:
            The judgements, in the order of the items.
        """
        ...

    def again(self) -> tuple[Judge, str]:
        """The same judge asking in another way, for a measurement of its consistency.

        Returns:
            That judge, and in words how it asks.
        """
        ...
