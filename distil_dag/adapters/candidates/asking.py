"""Ways to ask a model for cases: one at a time with its latency, or in a batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from distil_dag.core.case import Case
from distil_dag.core.context import NOTHING, ContextRule
from distil_dag.stages.evaluating.answers import Answered
from distil_dag.stages.exporting.parity import TextModel
from distil_dag.stages.ports import Progress, Reply
from distil_dag.stages.student.prompt import render_prompt, student_messages

# Prompts that go to a batching model in one call. A cache stores the replies of a call together, so an
# interrupted evaluation repeats at most this many.
BATCH = 128

Asked = TypeVar("Asked")


@dataclass(frozen=True)
class Rendering:
    """How a student is prompted: the same way as in its training.

    Called with a case, it returns the text of the prompt.

    Attributes:
        template: The chat template's Jinja source.
        system_prompt: The task's system prompt.
        tools: Tool definitions, if the student reads them in its prompt.
        special_tokens: Special tokens that the template may use: name -> token.
        context: What it keeps of production's system turns.

    Raises:
        ValueError: The template refuses the case.
    """

    template: str
    system_prompt: str = ""
    tools: list[dict[str, Any]] | None = None
    special_tokens: dict[str, str] = field(default_factory=dict)
    context: ContextRule = NOTHING

    def __call__(self, case: Case) -> str:
        messages = student_messages(case, self.system_prompt, self.context)
        return render_prompt(self.template, messages, self.tools, self.special_tokens)


def one_by_one(
    cases: Sequence[Asked], ask: Callable[[Asked], Answered], progress: Progress
) -> list[Answered | None]:
    """Ask for each case alone, and measure the wall-clock time in milliseconds.

    With several cases the first one is asked twice, since the first request reads the weights from disk.

    Args:
        cases: What to ask.
        ask: Answers one case.
        progress: Called after each answer.

    Returns:
        One answer for each case, in order; one with an error has no latency.
    """
    if len(cases) > 1:
        ask(cases[0])  # the first request reads the weights from disk
    found: list[Answered | None] = []
    for case in cases:
        started = time.perf_counter()
        answer = ask(case)
        took = 1000 * (time.perf_counter() - started)
        found.append(answer if answer.error else replace(answer, latency_ms=took))
        progress(len(found), len(cases), "")
    return found


def together(
    model: TextModel, cases: Sequence[Case], render: Callable[[Case], str], max_tokens: int
) -> list[Answered]:
    """Answer all cases in one batch, greedily.

    Args:
        model: The model.
        cases: What to ask.
        render: Returns the text of a case's prompt.
        max_tokens: Greatest length of an answer, in tokens.

    Returns:
        One answer for each case, in order, with the token ids of its prompt. Where the template refuses the
        case, the answer is an error.
    """
    answers: dict[int, Answered] = {}
    prompts: dict[int, str] = {}
    for place, case in enumerate(cases):
        try:
            prompts[place] = render(case)
        except ValueError as error:
            answers[place] = Answered("", error=str(error))
    replies = model.complete_text(list(prompts.values()), max_tokens)
    for (place, prompt), reply in zip(prompts.items(), replies, strict=True):
        answers[place] = replace(answered(reply), asked=tuple(model.tokenize(prompt)))
    return [answers[place] for place in range(len(cases))]


def answered(reply: Reply) -> Answered:
    """A model's reply as the answer to a case."""
    if reply.finish == "error":
        return Answered("", error=reply.error or "the model failed without saying why")
    tokens = (reply.prompt_tokens, reply.completion_tokens) if reply.prompt_tokens else None
    return Answered(reply.text, tokens=tokens, cut=reply.finish == "length")
