"""One student in several runtimes: what each of them is asked, down to the token ids."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from distil_dag.adapters.candidates import CheckpointCandidate, GgufCandidate
from distil_dag.adapters.embedded_weights import embedded_checkpoint
from distil_dag.core.case import Case, Message
from distil_dag.core.toolset import Toolset
from distil_dag.stages.student_prompt import CLOSED_BOOK_TEMPLATE, OPEN_BOOK_TEMPLATE
from distil_dag_tests.integration.tiny_checkpoint import write_tiny_checkpoint
from distil_dag_tests.integration.tiny_gguf import write_tiny_gguf

pytest.importorskip("llama_cpp")
pytest.importorskip("torch")
pytestmark = pytest.mark.slow

TOOLS = Toolset.from_openai(
    [
        {
            "name": "light_on",
            "description": "Turn a light on",
            "parameters": {"type": "object", "properties": {"room": {"type": "string"}}},
        }
    ]
)
CASES = [Case(id=str(n), messages=(Message(role="user", content=f"light {n}"),)) for n in range(3)]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return embedded_checkpoint(tmp_path_factory.mktemp("weights"))


def prompt_lengths(candidate: GgufCandidate | CheckpointCandidate) -> list[int]:
    answers = candidate.answer(CASES)
    return [answer.tokens[0] for answer in answers if answer and answer.tokens]


def test_tools_are_given_to_the_template_only_where_the_student_reads_them(
    tokenizer: Path, tmp_path: Path
) -> None:
    lengths = {}
    for template in (CLOSED_BOOK_TEMPLATE, OPEN_BOOK_TEMPLATE):
        folder = write_tiny_checkpoint(tmp_path / str(len(template)), tokenizer, template)
        for reads in (False, True):
            values = {
                "tokenizer.chat_template": template,
                "distil_dag.run": "home.first",
                "distil_dag.tools": json.dumps(TOOLS.openai()),
                "distil_dag.tools_in_prompt": str(reads).lower(),
            }
            file = GgufCandidate(write_tiny_gguf(tmp_path / "model.gguf", values), TOOLS, 4)
            checkpoint = CheckpointCandidate("c", folder, TOOLS, 4, tools_in_prompt=reads)
            lengths[template, reads] = prompt_lengths(checkpoint)
            assert prompt_lengths(file) == lengths[template, reads]
    closed = lengths[CLOSED_BOOK_TEMPLATE, False]
    assert lengths[OPEN_BOOK_TEMPLATE, False] == lengths[CLOSED_BOOK_TEMPLATE, True] == closed
    assert all(
        length > 50 + bare for length, bare in zip(lengths[OPEN_BOOK_TEMPLATE, True], closed, strict=True)
    )
