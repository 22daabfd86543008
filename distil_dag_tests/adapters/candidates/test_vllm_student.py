"""A real vLLM server that serves a student: the same prompts, and the answers of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from distil_dag.adapters.candidates.checkpoint import CheckpointCandidate
from distil_dag.adapters.candidates.vllm import VllmCandidate
from distil_dag.adapters.llamacpp.embedded_weights import embedded_checkpoint
from distil_dag.adapters.vllm.lease import Servers
from distil_dag.adapters.vllm.record import RECORD_FILE, ServerRecord
from distil_dag.core.case import Case, Message
from distil_dag.core.settings import ModelSpec, ServingSpec
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset
from distil_dag.stages.student.prompt import OPEN_BOOK_TEMPLATE

# Loading takes minutes on two busy cores.
pytestmark = [pytest.mark.vllm, pytest.mark.timeout(1800)]

# Two sums of 32-bit products in another order: a lead beyond this is no tie.
TIE = 0.05
TOOLS = Toolset.from_openai(
    [
        {
            "name": "light_on",
            "description": "Turn a light on",
            "parameters": {"type": "object", "properties": {"room": {"type": "string"}}},
        }
    ]
)


def case(id: str, *messages: Message) -> Case:
    return Case(id=id, messages=messages)


def said(words: str) -> Message:
    return Message(role="user", content=words)


CASES = [
    *(
        case(words, said(words))
        for words in ("light in the hall", "it's 21.5°C  now", "naïve café  12345", "Say yes.")
    ),
    case(
        "history",
        said("both lights 日本 👋🏽"),
        Message(
            role="assistant",
            tool_calls=(
                ToolCall(name="light_on", arguments={"room": "é"}),
                ToolCall(name="light_on", arguments={"room": "attic"}),
            ),
        ),
        Message(role="tool", content="on"),
        Message(role="tool", content="on"),
        said("and the cellar"),
    ),
]


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded weights with the template of students that read their tools, the longer of the two."""
    from transformers import AutoTokenizer

    folder = embedded_checkpoint(tmp_path_factory.mktemp("student"))
    tokenizer: Any = AutoTokenizer.from_pretrained(str(folder))
    tokenizer.chat_template = OPEN_BOOK_TEMPLATE
    tokenizer.save_pretrained(str(folder))
    return folder


def test_vllm_is_asked_as_transformers_is_and_answers_so(
    student: Path, vllm_spec: ModelSpec, tmp_path: Path
) -> None:
    # In 16 bits near ties are many; here each difference has to be explained.
    exactly = tuple("float32" if word == "bfloat16" else word for word in vllm_spec.arguments)
    serving = ServingSpec(executable=vllm_spec.executable, arguments=exactly)
    servers = Servers(tmp_path / "servers", "run", say=print)
    plain = CheckpointCandidate("checkpoint", student, TOOLS, 24, "Be brief.", tools_in_prompt=True)
    served = VllmCandidate(plain, serving, servers, "vLLM")
    theirs = [answer for answer in served.answer(CASES) if answer]
    ours = [answer for answer in plain.answer(CASES) if answer]
    assert [answer.error for answer in theirs] == [""] * len(CASES)
    for wanted, given in zip(ours, theirs, strict=True):
        assert given.asked == given.rendered == wanted.asked == wanted.rendered
        assert given.tokens
        assert given.tokens[0] == len(given.asked or ())
        assert given.text == wanted.text or lead(student, given.asked or (), wanted.text, given.text) < TIE
    assert served.software.startswith("vllm 0.")
    (path,) = servers.root.glob(f"*/*/{RECORD_FILE}")
    record = ServerRecord.read(path.parent)
    assert record
    assert (record.state, record.starts) == ("stopped", 1)
    assert not record.supervisor.alive()


def lead(weights: Path, prompt: tuple[int, ...], ours: str, theirs: str) -> float:
    """By how many logits transformers prefers its own token where two answers part."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(weights))
    model = AutoModelForCausalLM.from_pretrained(str(weights)).eval()
    end = tokenizer.eos_token_id
    left, right = ([*tokenizer.encode(text, add_special_tokens=False), end] for text in (ours, theirs))
    at = next(n for n, (a, b) in enumerate(zip(left, right, strict=False)) if a != b)
    with torch.inference_mode():
        logits = model(torch.tensor([[*prompt, *left[:at]]])).logits[0, -1].float()
    return float(logits[left[at]] - logits[right[at]])
