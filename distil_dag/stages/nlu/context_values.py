"""Which values of a row belong to its context, so that no label names what is not in it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from distil_dag.core.case import Case
from distil_dag.core.context import ContextRule
from distil_dag.core.toolset import Toolset
from distil_dag.stages.nlu.context_swap import about_another_line
from distil_dag.stages.nlu.spans import locate
from distil_dag.stages.nlu.unsaid_values import unsaid_values
from distil_dag.stages.nlu.value_catalogue import Slot

# From this share of values on that stand in their row's context, an argument takes its values from there.
_FROM_CONTEXT = 0.5


class ContextValues:
    """The arguments whose values stand in the context, learned from trusted cases.

    Args:
        cases: the trusted cases.
        rule: what the student reads of system turns.
        toolset: the tools.
    """

    def __init__(self, cases: Sequence[Case], rule: ContextRule, toolset: Toolset) -> None:
        self._rule, self._toolset = rule, toolset
        total: Counter[Slot] = Counter()
        named: Counter[Slot] = Counter()
        for case in cases if rule.keeps != "nothing" else ():
            context = rule.of(case.messages)
            for call in case.calls:
                for name, value in call.arguments.items():
                    total[call.name, name] += 1
                    named[call.name, name] += bool(locate(value, context))
        self._named = {slot for slot, count in total.items() if named[slot] >= _FROM_CONTEXT * count}

    def leans(self, case: Case) -> bool:
        """Whether its label has a value that nobody said, and which may come from its context."""
        return bool(self._rule.of(case.messages)) and bool(unsaid_values(case, self._toolset))

    def moved(self, case: Case, rng: random.Random | None = None) -> Case | None:
        """The case about another line of its context; None where there is none."""
        context = self._rule.of(case.messages)
        return about_another_line(case, context, self._toolset, rng) if context else None

    def within(self, case: Case, slot: Slot) -> str | None:
        """The text that another value of the argument has to stand in.

        Returns:
            Empty text where any value will do; None where the value has to stay, since a value that nobody
            said may belong to it.
        """
        if slot not in self._named:
            return ""
        return None if self.leans(case) else self._rule.of(case.messages)
