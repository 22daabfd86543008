"""The student behind a vLLM server: what it is asked, what is compared, and that the server is gone."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from distil_dag.adapters.candidates.checkpoint import CheckpointCandidate
from distil_dag.adapters.candidates.vllm import VllmCandidate
from distil_dag.adapters.vllm.lease import Servers
from distil_dag.adapters.vllm.record import RECORD_FILE, ServerRecord
from distil_dag.adapters.vllm.server import ServerError
from distil_dag.core.case import Case, Message
from distil_dag.core.settings import ServingSpec
from distil_dag.core.toolset import Toolset
from distil_dag.stages.evaluating.answers import Answered
from distil_dag.stages.student.prompt import CHATML_CLOSE, CHATML_OPEN, CLOSED_BOOK_TEMPLATE
from distil_dag_tests.paths import FAKE_VLLM

pytest.importorskip("transformers")

TOOLS = Toolset.from_openai([{"name": "light_on", "parameters": {"type": "object"}}])
CASES = [Case(id=str(n), messages=(Message(role="user", content=f"light {n} 👋"),)) for n in range(4)]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tokenizer of single bytes and our template, and no weights."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer: Any = Tokenizer(models.BPE({letter: n for n, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    folder = tmp_path_factory.mktemp("student") / "model"
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=CHATML_CLOSE,
        additional_special_tokens=[CHATML_OPEN],
        chat_template=CLOSED_BOOK_TEMPLATE,
    )
    fast.save_pretrained(str(folder))
    return folder


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    mine = Servers(tmp_path / "servers", "run", idle_seconds=60)
    yield mine
    mine.release()


def student(checkpoint: Path, servers: Servers, *arguments: str) -> VllmCandidate:
    serving = ServingSpec(executable=f"{sys.executable} {FAKE_VLLM}", arguments=arguments)
    plain = CheckpointCandidate("checkpoint", checkpoint, TOOLS, 16, system_prompt="Be brief.")
    return VllmCandidate(plain, serving, servers, "student checkpoint, vLLM")


def assert_gone(servers: Servers) -> None:
    (path,) = servers.root.glob(f"*/*/{RECORD_FILE}")
    record = ServerRecord.read(path.parent)
    assert record
    assert record.state in ("stopped", "failed")
    assert not any(mark.alive() for mark in (record.supervisor, *record.processes))


def answers(candidate: VllmCandidate, cases: list[Case] = CASES) -> list[Answered]:
    return [answer for answer in candidate.answer(cases) if answer]


def test_it_is_asked_with_our_ids_and_its_chat_route_is_compared(checkpoint: Path, servers: Servers) -> None:
    candidate = student(checkpoint, servers)
    found = answers(candidate)
    assert [json.loads(answer.text) for answer in found] == [list(answer.asked or ()) for answer in found]
    assert len({answer.asked for answer in found}) == len(CASES)
    assert all(answer.rendered == answer.asked for answer in found)
    assert all(answer.latency_ms for answer in found)
    assert candidate.software == "vllm 0.0.fake"
    assert list(servers.logs) == ["model"]
    assert_gone(servers)


def test_a_chat_route_that_renders_otherwise_is_seen(checkpoint: Path, servers: Servers) -> None:
    found = answers(student(checkpoint, servers, "--fault", "meddling"))
    assert all(answer.rendered and answer.rendered != answer.asked for answer in found)
    assert [json.loads(answer.text) for answer in found] == [list(answer.asked or ()) for answer in found]


def test_the_server_is_gone_when_the_test_breaks_off(checkpoint: Path, servers: Servers) -> None:
    def stop(done: int, total: int, note: str = "") -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        student(checkpoint, servers).answer(CASES, stop)
    assert_gone(servers)


def test_a_server_that_does_not_come_says_why(checkpoint: Path, servers: Servers) -> None:
    with pytest.raises(ServerError, match=r"before it was ready(.|\n)*no such quantisation"):
        student(checkpoint, servers, "--fault", "loading").answer(CASES)
    assert_gone(servers)


def test_arguments_that_are_not_the_users_are_told_before_anything_starts(
    checkpoint: Path, servers: Servers
) -> None:
    with pytest.raises(ValueError, match="must not hold --port"):
        student(checkpoint, servers, "--port", "1")
