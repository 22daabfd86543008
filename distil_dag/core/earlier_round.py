"""What a round of training hands on to the one that continues it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from distil_dag.core.case import Example
from distil_dag.core.tool_call import ToolCall


@dataclass(frozen=True)
class AnswerOutcome:
    """What a student made of one request.

    Attributes:
        calls: the calls that the request wants.
        right: whether the student gave them.
    """

    calls: tuple[ToolCall, ...]
    right: bool


@dataclass(frozen=True)
class Earlier:
    """The round that is continued.

    Attributes:
        run: key of its run.
        outcomes: what its student answered to rows set aside from training.
        rows: the rows that it was trained on.
    """

    run: str
    outcomes: Sequence[AnswerOutcome]
    rows: Sequence[Example]
