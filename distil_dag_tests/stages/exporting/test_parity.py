"""Parity finds every way in which a file can differ; the Modelfile says what it must."""

from collections.abc import Sequence

import pytest

from distil_dag.core.case import Case, Message
from distil_dag.core.gates.student import check_export
from distil_dag.core.reports.exporting import FlashAttention
from distil_dag.core.settings import GateSpec, StudentSpec
from distil_dag.core.toolset import Toolset
from distil_dag.resources.model_metadata import gguf_metadata
from distil_dag.stages.exporting.modelfile import modelfile
from distil_dag.stages.exporting.parity import (
    compare_files,
    described,
    golden_texts,
    probe_prompts,
    reference,
)
from distil_dag.stages.ports import Reply
from distil_dag.stages.student.prompt import CLOSED_BOOK_TEMPLATE
from distil_dag_tests.stand_ins import GGUF_REPORT


class Scripted:
    """A model that answers with the words of the prompt, but for what it is told to do otherwise."""

    def __init__(self, template: str = "T", wrong: str = "", split: str = "") -> None:
        self.chat_template = template
        self.wrong, self.split = wrong, split

    def tokenize(self, text: str) -> list[int]:
        return [ord(letter) for letter in text] + ([0] if text == self.split and text else [])

    def complete_text(self, prompts: Sequence[str], max_tokens: int) -> list[Reply]:
        return [Reply("other" if prompt == self.wrong else prompt, "stop") for prompt in prompts]


PROMPTS = ["a", "b", "c", "d"]


def test_a_file_that_is_the_same_agrees():
    parity = compare_files(reference(Scripted(), PROMPTS, 8), Scripted(), 8)
    assert (parity.tokens_equal, parity.template_equal, parity.agreement, parity.probes) == (
        True,
        True,
        1.0,
        4,
    )


def test_a_file_that_differs_is_found_out():
    known = reference(Scripted(), PROMPTS, 8)
    assert not compare_files(known, Scripted(template="U"), 8).template_equal
    assert all(
        not compare_files(known, Scripted(split=text), 8).tokens_equal for text in golden_texts() if text
    )
    parity = compare_files(known, Scripted(wrong="c"), 8)
    assert parity.agreement == 0.75
    assert parity.differing == (("c", "c", "other"),)


@pytest.mark.parametrize("bad", ["off", "on"])
def test_a_file_that_differs_with_flash_attention_or_only_without_it_fails_its_gate(bad: str) -> None:
    known = reference(Scripted(), PROMPTS, 8)
    settings: tuple[FlashAttention, ...] = ("off", "on")
    found = {
        flash: compare_files(known, Scripted(wrong="c" if flash == bad else ""), 8) for flash in settings
    }
    file = described("Q8_0", "model-Q8_0.gguf", "0", 1, found)
    assert file.by_attention == {flash: 0.75 if flash == bad else 1.0 for flash in settings}
    (finding,) = check_export(GGUF_REPORT.model_copy(update={"files": [file]}), GateSpec())
    assert not finding.passed
    assert finding.figure == "75.0%"
    assert finding.rows[0][f"flash attention {bad}"] == 0.75
    metadata = gguf_metadata(
        GGUF_REPORT.model_copy(update={"files": [file]}), {"Q8_0": found}, "---\n---\n", "folder"
    )
    (row,) = metadata["different_answers"].value.splitlines()[2:]
    assert [cell.strip() for cell in row.strip("|").split("|")] == ["Q8_0", bad, "c", "c", "other"]
    assert metadata["lowest_agreement"] == 0.75


def test_without_probes_nothing_agrees():
    assert compare_files(reference(Scripted(), [], 8), Scripted(), 8).agreement == 0.0


def test_probes_are_different_requests_spread_over_the_cases():
    cases = [
        Case(id=f"{place:03}", messages=(Message(role="user", content=f"word {place // 2}"),))
        for place in range(100)
    ]
    prompts = probe_prompts(cases, Toolset([]), StudentSpec(), CLOSED_BOOK_TEMPLATE, {}, 10)
    assert len(set(prompts)) == 10
    assert "word 0<" in prompts[0]
    assert "word 45<" in prompts[-1]
    assert len(probe_prompts(cases, Toolset([]), StudentSpec(), CLOSED_BOOK_TEMPLATE, {}, 500)) == 50


def test_the_modelfile_serves_as_trained():
    text = modelfile("model-Q8_0.gguf", StudentSpec(system_prompt='Say "on".\nNow.'), chatml=True)
    assert "\nFROM ./model-Q8_0.gguf\n" in text
    assert "PARAMETER temperature 0\n" in text
    assert "PARAMETER repeat_penalty 1\n" in text
    assert "# To compute as in the test: OLLAMA_FLASH_ATTENTION=0 ollama serve\n" in text
    assert 'PARAMETER stop "<|im_end|>"\n' in text
    # Ollama's parser takes what stands between the quotes as it is.
    assert text.endswith('SYSTEM """Say "on".\nNow."""\n')
    assert '<|im_start|>assistant\n"""' in text
    assert "TEMPLATE" not in modelfile("m.gguf", StudentSpec(), chatml=False)
