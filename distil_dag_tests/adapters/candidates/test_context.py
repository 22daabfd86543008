"""A student that reads the context of a request: every path gives it the prompt of its training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from distil_dag.adapters.candidates.chat import ChatCandidate, Exemplars
from distil_dag.adapters.candidates.checkpoint import CheckpointCandidate
from distil_dag.adapters.candidates.gguf import GgufCandidate
from distil_dag.adapters.serving.student import Student
from distil_dag.core.case import Case, Example
from distil_dag.core.context import NOTHING, ContextRule
from distil_dag.core.settings import StudentSpec
from distil_dag.stages.exporting.parity import probe_prompts
from distil_dag.stages.ports import ChatModel
from distil_dag.stages.student.context_split import split_of
from distil_dag.stages.student.prompt import CLOSED_BOOK_TEMPLATE
from distil_dag.stages.training.rows import tokenise
from distil_dag_tests.adapters.llamacpp.tiny_gguf import write_tiny_gguf
from distil_dag_tests.stages.student.home_prompts import TOOLSET, home_log, prompt, read, trace
from distil_dag_tests.stages.training.tiny_checkpoint import write_tiny_checkpoint

RULE = split_of(read(home_log()), TOOLSET).varying
CASES = [
    Case(id="a", messages=trace(1, prompt(9, ["fan"])).messages),
    Case(id="b", messages=trace(2, "Another agent's prompt.").messages),
    Case(id="c", messages=trace(3, "").messages),
]
ROWS = [Example(id=case.id, messages=case.messages, origin="seed") for case in CASES]


@pytest.fixture
def tokenizer(embedded_student: Path) -> Path:
    return embedded_student


@pytest.mark.parametrize("rule", [NOTHING, RULE, ContextRule(keeps="all")], ids=["none", "auto", "full"])
@pytest.mark.parametrize("own", ["", "Be brief."])
def test_every_path_is_asked_with_the_ids_of_the_training(
    rule: ContextRule, own: str, tokenizer: Path, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    folder = write_tiny_checkpoint(tmp_path / "checkpoint", tokenizer, CLOSED_BOOK_TEMPLATE)
    loaded: Any = AutoTokenizer.from_pretrained(str(folder))
    student = StudentSpec(system_prompt=own)
    rows = tokenise(ROWS, TOOLSET, student, loaded, CLOSED_BOOK_TEMPLATE, context=rule)
    trained = [row.prompt for row in rows]
    checkpoint = CheckpointCandidate("c", folder, TOOLSET, 4, own, context=rule).answer(CASES)
    assert [answer.asked for answer in checkpoint if answer] == trained
    assert [answer.rendered for answer in checkpoint if answer] == trained
    values = {
        "distil_dag.run": "home.first",
        "distil_dag.tools": json.dumps(TOOLSET.openai()),
        "distil_dag.system_prompt": own,
        **({"distil_dag.context": rule.model_dump_json()} if rule != NOTHING else {}),
    }
    file = write_tiny_gguf(tmp_path / "model.gguf", values)
    measured = GgufCandidate(file, TOOLSET, 4).answer(CASES)
    assert [answer.asked for answer in measured if answer] == trained
    with Student(file) as served:
        assert [tuple(served.prompt(case.messages)) for case in CASES] == trained
        # What a client sends has its one system turn already.
        sent = served.turns(CASES[0].messages)
    told = [turn.content for turn in sent if turn.role == "system"]
    assert (
        told
        == ["\n".join(filter(None, (own, rule.of(CASES[0].messages))))][: 1 if own or rule != NOTHING else 0]
    )
    probes = probe_prompts(CASES, TOOLSET, student, CLOSED_BOOK_TEMPLATE, {}, 3, rule)
    texts = [loaded.decode(ids) for ids in trained]
    assert set(probes) <= set(texts)
    assert len(probes) == len(set(texts))


def test_without_a_rule_prompts_are_those_of_a_log_without_system_prompts(tokenizer: Path) -> None:
    from transformers import AutoTokenizer

    loaded: Any = AutoTokenizer.from_pretrained(str(tokenizer))
    bare = [row.model_copy(update={"messages": row.messages[-1:]}) for row in ROWS]
    for student in (StudentSpec(), StudentSpec(context="full")):
        rows = [tokenise(given, TOOLSET, student, loaded, CLOSED_BOOK_TEMPLATE) for given in (ROWS, bare)]
        assert rows[0] == rows[1]


def test_the_teacher_reads_the_context_beside_its_instructions_and_in_its_examples() -> None:
    def never() -> ChatModel:
        raise AssertionError

    seed = Example(id="s", messages=CASES[0].messages, origin="seed")
    shown = Exemplars.choose([seed], 1, TOOLSET, RULE)
    context = RULE.of(seed.messages)
    assert shown.turns[0].content == f"{context}\n\nhello"
    candidate = ChatCandidate("t", never, TOOLSET, 4, "Home", shown, context=RULE)  # type: ignore[arg-type]
    turns = candidate._messages(CASES[0])
    assert [turn.role for turn in turns] == ["system", "user", "assistant", "user"]
    assert turns[0].content == f"Home\n{context}"
