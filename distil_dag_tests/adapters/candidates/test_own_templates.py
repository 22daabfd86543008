"""Students with a base's own template: checkpoint, GGUF file and `Student` get the ids of the training."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from distil_dag.adapters.candidates.checkpoint import CheckpointCandidate
from distil_dag.adapters.candidates.gguf import GgufCandidate
from distil_dag.adapters.serving.student import Student
from distil_dag.core.case import Case, Example
from distil_dag.core.settings import StudentSpec
from distil_dag.core.toolset import Tool, Toolset
from distil_dag.stages.student.prompt import template_for
from distil_dag.stages.training.rows import tokenise
from distil_dag_tests.adapters.llamacpp.tiny_gguf import write_tiny_gguf
from distil_dag_tests.stages.student.test_base_template import ALTERNATING, CONVERSATIONS, family
from distil_dag_tests.stages.training.tiny_checkpoint import write_tiny_checkpoint

TOOLS = Toolset([Tool(name="soil_moisture", parameters={"type": "object"})])
CASES = [Case(id=name, messages=tuple(turns)) for name, turns in CONVERSATIONS.items()]
ROWS = [Example(id=case.id, messages=case.messages, origin="seed") for case in CASES]


@pytest.fixture
def tokenizer(embedded_student: Path) -> Path:
    return embedded_student


def loaded(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(folder))


@pytest.mark.parametrize("name", ["alternating", "gemma", "gemma3", "llama3_2", "mistral", "gptoss"])
def test_every_path_is_asked_with_the_ids_of_the_training(name: str, tokenizer: Path, tmp_path: Path) -> None:
    own = ALTERNATING if name == "alternating" else family(name)
    template = template_for(own, vocabulary_has_chatml=False)
    student = StudentSpec(system_prompt="Be brief.")
    folder = write_tiny_checkpoint(tmp_path / "checkpoint", tokenizer, template)
    trained = [row.prompt for row in tokenise(ROWS, TOOLS, student, loaded(folder), template)]
    checkpoint = CheckpointCandidate("c", folder, TOOLS, 4, student.system_prompt).answer(CASES)
    assert [answer.asked for answer in checkpoint if answer] == trained
    assert [answer.rendered for answer in checkpoint if answer] == trained
    values = {
        "tokenizer.chat_template": template,
        "distil_dag.run": "garden.first",
        "distil_dag.tools": json.dumps(TOOLS.openai()),
        "distil_dag.system_prompt": student.system_prompt,
    }
    file = write_tiny_gguf(tmp_path / "model.gguf", values)
    measured = GgufCandidate(file, TOOLS, 4).answer(CASES)
    assert [answer.asked for answer in measured if answer] == trained
    with Student(file) as served:
        assert [tuple(served.prompt(case.messages)) for case in CASES] == trained


def test_rows_that_a_template_refuses_are_left_out_and_counted(tokenizer: Path) -> None:
    one = "{% if messages|length > 1 %}{{ raise_exception('one turn') }}{% endif %}{{ messages[0].content }}"
    refused: Counter[str] = Counter()
    rows = tokenise(ROWS, TOOLS, StudentSpec(), loaded(tokenizer), one, refused)
    assert len(rows) == 1
    assert sum(refused.values()) == 4
    assert all("one turn" in reason for reason in refused)
    with pytest.raises(ValueError, match="one turn"):
        tokenise(ROWS, TOOLS, StudentSpec(), loaded(tokenizer), one)
