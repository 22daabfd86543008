"""Parity finds every way in which a file can differ; the Modelfile says what it must."""

from collections.abc import Sequence

from distil_dag.core.case import Case, Message
from distil_dag.core.settings import StudentSpec
from distil_dag.core.toolset import Toolset
from distil_dag.stages.exporting.modelfile import modelfile
from distil_dag.stages.exporting.parity import compare_files, golden_texts, probe_prompts, reference
from distil_dag.stages.ports import Reply
from distil_dag.stages.student.prompt import CLOSED_BOOK_TEMPLATE


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
    assert text.startswith("FROM ./model-Q8_0.gguf\n")
    assert "PARAMETER temperature 0\n" in text
    assert 'PARAMETER stop "<|im_end|>"\n' in text
    # Ollama's parser takes what stands between the quotes as it is.
    assert text.endswith('SYSTEM """Say "on".\nNow."""\n')
    assert '<|im_start|>assistant\n"""' in text
    assert "TEMPLATE" not in modelfile("m.gguf", StudentSpec(), chatml=False)
