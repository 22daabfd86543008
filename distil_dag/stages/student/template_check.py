"""Which conversations of a log the student's chat template can't take, known before a model is paid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from distil_dag.core.case import Case, Message
from distil_dag.core.context import NOTHING, ContextRule
from distil_dag.core.settings import StudentSpec
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset
from distil_dag.stages.student.base_template import arranging, template_fault
from distil_dag.stages.student.prompt import plain_turn, student_messages

# The shapes of conversations that logs hold: a request, a result, results of parallel calls, words behind a
# result, a greeting first, two turns of the user.
SHAPES = ("u", "uct", "uctt", "uctu", "au", "uu")
_TURNS = {"u": "user", "a": "assistant", "c": "assistant", "t": "tool"}
_CALL = ToolCall(name="look_up")


def usual_conversations() -> list[Case]:
    """One conversation of each of `SHAPES`."""
    return [
        Case(
            id=shape,
            messages=tuple(
                Message(role=_TURNS[turn], tool_calls=(_CALL,) if turn == "c" else ()) for turn in shape
            ),
        )
        for shape in SHAPES
    ]


def refused_conversations(
    cases: Iterable[Case],
    toolset: Toolset,
    student: StudentSpec,
    template: str,
    special_tokens: Mapping[str, str],
    context: ContextRule = NOTHING,
) -> dict[str, int]:
    """How many cases the template refuses or shortens, by the reason, the most frequent first.

    One probe stands for all cases whose turns have the same roles. The system prompt and the tools belong to
    each probe where the student reads them.

    Args:
        cases: the cases.
        toolset: the tools.
        student: the student's settings.
        template: the chat template.
        special_tokens: `bos_token` and the like.
        context: what prompts keep of production's system turns.
    """
    tools = toolset.openai() if student.tools_in_prompt else None
    shapes = Counter(
        tuple(
            (turn.role, bool(turn.tool_calls))
            for turn in student_messages(case, student.system_prompt, context)
        )
        for case in cases
    )
    refused: Counter[str] = Counter()
    for shape, count in shapes.items():
        probe = [
            Message(role=role, content=f"word{place}", tool_calls=(_CALL,) if calls else ())
            for place, (role, calls) in enumerate(shape)
        ]
        turns = [plain_turn(message) for message in probe]
        if fault := template_fault(arranging(template), turns, tools, special_tokens):
            refused[fault] += count
    return dict(refused.most_common())
