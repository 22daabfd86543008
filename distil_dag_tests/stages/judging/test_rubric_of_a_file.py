"""The rubric judge on a real GGUF file, whose grammar lets a raw line break into the reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from distil_dag.adapters.llamacpp.chat import LlamaCppChat
from distil_dag.stages.judging.rubric import RubricJudge
from distil_dag.stages.ports import OnReply, OnScore, Prompt, Reply, Score, unheeded
from distil_dag_tests.stages.household_log import TOOLSET, clean_log

pytestmark = pytest.mark.slow

# What the model is made to begin its answers with; it writes the rest of its reason and the marks itself.
BEGUN = '{"rationale": "The words name\na room'


class Broken:
    """A model in whose answers the reason has a line break."""

    def __init__(self, chat: LlamaCppChat) -> None:
        self.chat, self.identity = chat, chat.identity

    def generate(self, prompts: Sequence[Prompt], arrived: OnReply = unheeded) -> list[Reply]:
        begun = [replace(prompt, prefill=BEGUN) for prompt in prompts]
        return self.chat.generate(
            begun, lambda place, reply: arrived(place, replace(reply, text=BEGUN + reply.text))
        )

    def score(self, items: Sequence[tuple[Prompt, str]], arrived: OnScore = unheeded) -> list[Score]:
        return self.chat.score(items, arrived)


@pytest.fixture(scope="module")
def chat() -> Iterator[LlamaCppChat]:
    from distil_dag.adapters.llamacpp.embedded_weights import embedded_gguf

    with LlamaCppChat(embedded_gguf(), parallel=4) as model:
        yield model


def test_marks_behind_a_raw_line_break_are_read(chat: LlamaCppChat) -> None:
    items = [(trace, trace.calls) for trace in clean_log(4)]
    found = RubricJudge(TOOLSET, Broken(chat)).assess(items)
    for judgement in found:
        assert judgement.score is not None or judgement.reason == "the judge ran out of tokens"
    marked = [judgement for judgement in found if judgement.score is not None]
    assert marked
    assert all("\n" in judgement.explanation for judgement in marked)
