"""Cases put to a model: one at a time with the time it takes, or together."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from distil_dag.core.case import Case
from distil_dag.stages.evaluating.answers import Answered
from distil_dag.stages.exporting.parity import TextModel
from distil_dag.stages.ports import Progress, Reply
from distil_dag.stages.student.prompt import render_prompt, student_messages

# Prompts that go to a batching model in one call: a cache keeps the replies of a call together,
# so this is also what an interrupted evaluation repeats.
BATCH = 128

Asked = TypeVar("Asked")


@dataclass(frozen=True)
class Rendering:
    """How a student was trained to be asked: its template, the task's system prompt, tools if it reads any.

    Called with a case it gives the text of the prompt; ValueError when the template refuses the case.
    """

    template: str
    system_prompt: str = ""
    tools: list[dict[str, Any]] | None = None
    special_tokens: dict[str, str] = field(default_factory=dict)

    def __call__(self, case: Case) -> str:
        messages = student_messages(case, self.system_prompt)
        return render_prompt(self.template, messages, self.tools, self.special_tokens)


def one_by_one(
    cases: Sequence[Asked], ask: Callable[[Asked], Answered], progress: Progress
) -> list[Answered | None]:
    """Each one alone, with its wall-clock time."""
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
    """One answer a case with the ids it was asked by, greedily and all at once.

    An error where the template refuses the case.
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
    return Answered(reply.text, tokens=tokens)
