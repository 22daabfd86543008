"""A GGUF file without a chat template is refused wherever it would be asked with messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from distil_dag.adapters.candidates.gguf import GgufCandidate
from distil_dag.adapters.chat.open_chat import open_chat
from distil_dag.adapters.checkpoints.base_weights import base_checkpoint
from distil_dag.adapters.checkpoints.student_template import template_warnings
from distil_dag.adapters.llamacpp.chat import LlamaCppChat
from distil_dag.core.case import Case, Message
from distil_dag.core.settings import ModelSpec
from distil_dag.core.toolset import Toolset
from distil_dag_tests.adapters.llamacpp.tiny_gguf import write_tiny_gguf
from distil_dag_tests.stages.training.short_training import make_task

pytest.importorskip("llama_cpp")

HELLO = (Message(role="user", content="hello"),)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf(tmp_path_factory.mktemp("base") / "base.gguf", {"tokenizer.chat_template": ""})


def test_it_is_no_teacher_and_no_judge(file: Path) -> None:
    with (
        pytest.raises(ValueError, match=r"base\.gguf has no chat template .*instruction-tuned"),
        open_chat(ModelSpec(mode="gguf", model=str(file))),
    ):
        pass


def test_it_is_no_candidate(file: Path) -> None:
    candidate = GgufCandidate(file, Toolset([]), 4)
    with pytest.raises(ValueError, match=r"base\.gguf has no chat template"):
        candidate.answer([Case(id="0", messages=HELLO)])


def test_a_template_that_cannot_be_read_is_said_when_the_model_is_opened(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "broken.gguf", {"tokenizer.chat_template": "{% for %}"})
    with (
        pytest.raises(ValueError, match="chat template can't be read"),
        open_chat(ModelSpec(mode="gguf", model=str(path))),
    ):
        pass


def test_it_still_continues_a_text(file: Path) -> None:
    with LlamaCppChat(file, threads=1) as chat:
        assert chat.complete_text(["hello"], 2)[0].finish != "error"


def test_a_gguf_file_is_no_base_of_a_student(file: Path, tmp_path: Path) -> None:
    task = make_task(model=str(file))
    said = r"student\.model: .*base\.gguf is a file, and training needs a checkpoint"
    with pytest.raises(ValueError, match=said):
        template_warnings(task, [])
    with pytest.raises(ValueError, match=said):
        base_checkpoint(task.settings.student, tmp_path)
