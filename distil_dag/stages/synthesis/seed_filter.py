"""Trusted cases that a coverage plan can use, with calls as the schema writes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from distil_dag.core.case import Case, Example
from distil_dag.core.toolset import Toolset
from distil_dag.stages.nlu.intent_slots import doubtful
from distil_dag.stages.nlu.spans import tokens
from distil_dag.stages.nlu.value_catalogue import ValueCatalogue

CaseType = TypeVar("CaseType", bound=Case)


def canonical(cases: Iterable[CaseType], toolset: Toolset) -> list[CaseType]:
    """The cases with canonical calls."""
    return [
        case.model_copy(update={"calls": tuple(toolset.canonical(call) for call in case.calls)})
        for case in cases
    ]


def usable(cases: Sequence[Example], toolset: Toolset) -> list[Example]:
    """The cases that a plan can use: with words, within the schema, and not doubtful among the others.

    A wrong seed costs little as one training row, but much as the template of twenty. What answers a tool's
    result is no template at all: other words would need another result.
    """
    fit = [
        case
        for case in canonical(cases, toolset)
        if tokens(case.request) and not case.step and not any(toolset.problems(call) for call in case.calls)
    ]
    # Where nearly every request says the value, a call whose value nobody said is a mistake.
    said = ValueCatalogue.learn(fit, toolset)
    wrong = doubtful(fit) | {case.id for case in fit if said.unsaid(case)}
    return [case for case in fit if case.id not in wrong]
