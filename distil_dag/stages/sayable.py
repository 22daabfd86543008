"""Which answers a student can give that is held to valid calls of its tools."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from distil_dag.core.placeholders import PLACEHOLDER
from distil_dag.core.tool_call import ToolCall, render_calls
from distil_dag.core.toolset import Toolset
from distil_dag.stages.answer_automaton import DEAD, START, AnswerAutomaton
from distil_dag.stages.answer_grammar import answers


def sayable(calls: Sequence[ToolCall], toolset: Toolset) -> bool:
    """Whether the decoder can answer with these calls, which have no problems.

    It can't where a placeholder of personal data stands for a number. Where no grammar can be made of the
    tools no student is held to anything, so it is True.
    """
    text = render_calls([toolset.canonical(call) for call in calls])
    if not PLACEHOLDER.search(text) or (automaton := _automaton(toolset)) is None:
        return True
    state = automaton.step(START, text.encode())
    return state != DEAD and automaton.ends(state)


@lru_cache(maxsize=4)
def _automaton(toolset: Toolset) -> AnswerAutomaton | None:
    try:
        return AnswerAutomaton(answers(toolset))
    except ValueError:
        return None
