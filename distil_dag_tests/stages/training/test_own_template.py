"""A student without ChatML, from rows to a GGUF file whose prompts are those of its training."""

from __future__ import annotations

from pathlib import Path

import pytest

from distil_dag.adapters.checkpoints.student_template import template_warnings
from distil_dag.adapters.checkpoints.transformers_model import CheckpointModel
from distil_dag.adapters.run_store import RunStore
from distil_dag.adapters.serving.student import Student
from distil_dag.core.case import Case, Example, Message
from distil_dag.runs.export import export
from distil_dag.runs.provenance import provenance
from distil_dag.stages.student.template_check import usual_conversations
from distil_dag.stages.training.sft import train
from distil_dag_tests.stages.student.test_base_template import CONVERSATIONS, family
from distil_dag_tests.stages.training.short_training import ROWS, SPEC, make_task
from distil_dag_tests.stages.training.tiny_checkpoint import write_tiny_checkpoint

CASES = [Case(id=name, messages=tuple(turns)) for name, turns in CONVERSATIONS.items()]
# A template that refuses some rows.
REFUSING = (
    "{% for m in messages %}{% if 'abracadabra' in m.content %}{{ raise_exception('no magic') }}{% endif %}"
    "{% endfor %}"
)


@pytest.fixture(scope="module")
def base(embedded_student: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model whose vocabulary has Gemma's control tokens and none of ChatML."""
    folder = tmp_path_factory.mktemp("base")
    write_tiny_checkpoint(folder, embedded_student, REFUSING + family("gemma3"))
    names = {"<|im_start|>": "<start_of_turn>", "<|im_end|>": "<end_of_turn>"}
    for path in folder.glob("*.json"):
        text = path.read_text()
        for old, new in names.items():
            text = text.replace(old, new)
        path.write_text(text)
    return folder


def test_the_file_is_asked_with_the_ids_of_the_training(base: Path, tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp")
    spec = SPEC.model_copy(update={"epochs": 1})
    task = make_task(spec, model=str(base), system_prompt="Be brief.")
    assert template_warnings(task, usual_conversations()) == []
    magic = Message(role="user", content="abracadabra")
    rows = [
        *ROWS[:4],
        *(Example(**case.model_dump(), origin="seed") for case in CASES),
        Example(id="magic", messages=(magic,), origin="seed"),
    ]
    report = train(rows, task.toolset, task.settings.student, spec, base, tmp_path / "out")
    ((why, count),) = report.refused_rows.items()
    assert (report.rows, count) == (len(rows) - 1, 1)
    assert "no magic" in why
    model, files = tmp_path / "out" / "model", tmp_path / "files"
    files.mkdir()
    origin = provenance(RunStore(tmp_path / "no runs"), "lights.all", task)
    exported, _ = export(model, files, task, origin, CASES, [], report, [])
    assert all(file.tokens_equal and file.template_equal for file in exported.files)
    checkpoint = CheckpointModel(model)
    briefed = Message(role="system", content="Be brief.")
    with Student(files / exported.primary) as student:
        for case in CASES:
            assert student.prompt(case.messages) == checkpoint.chat_tokens([briefed, *case.messages])


def test_what_the_students_template_cannot_take_is_known_before_anything_is_paid(base: Path) -> None:
    refused = make_task(model=str(base), tools_in_prompt=True)
    with pytest.raises(
        ValueError, match="takes no conversation of the log .*the tools are not in the prompt"
    ):
        template_warnings(refused, usual_conversations())
