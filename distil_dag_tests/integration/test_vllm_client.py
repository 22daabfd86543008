"""The endpoint client against a real vLLM server: every column of the table of engines.

The environment variable `DISTIL_DAG_TEST_VLLM` holds the command that starts vLLM.
"""

from __future__ import annotations

import json
import math
import os
import shlex
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from distil_dag.adapters.embedded_weights import embedded_checkpoint, embedded_gguf
from distil_dag.adapters.endpoint_chat import EndpointChat
from distil_dag.adapters.llama_cpp_chat import LlamaCppChat
from distil_dag.core.case import Message
from distil_dag.core.task import ModelSpec
from distil_dag.stages.ports import Prompt

EXECUTABLE = os.environ.get("DISTIL_DAG_TEST_VLLM", "")
pytestmark = [pytest.mark.vllm, pytest.mark.timeout(1800)]

ROOM = {
    "type": "object",
    "properties": {"room": {"enum": ["kitchen", "attic"]}, "lamps": {"type": "integer"}},
    "required": ["room", "lamps"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EndpointChat]:
    if not EXECUTABLE:
        pytest.skip("DISTIL_DAG_TEST_VLLM is not set: run `make test-vllm`")
    weights = embedded_checkpoint(tmp_path_factory.mktemp("weights"))
    log = Path(tmp_path_factory.mktemp("server")) / "log"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*shlex.split(EXECUTABLE), "--model", str(weights), "--served-model-name", "small"]
    command += ["--port", str(port), "--dtype", "bfloat16", "--enforce-eager"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env={"VLLM_CPU_KVCACHE_SPACE": "1", **environment}
        )
    try:
        while True:
            with suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5)
                break
            assert process.poll() is None, log.read_text(errors="replace")[-3000:]
            time.sleep(1)
        spec = ModelSpec(
            mode="attached", model="small", base_url=f"http://127.0.0.1:{port}/v1", timeout_seconds=600
        )
        with EndpointChat(spec) as model:
            yield model
    finally:
        process.terminate()
        process.wait(timeout=120)


def ask(words: str, **options: object) -> Prompt:
    return Prompt((Message(role="user", content=words),), **options)  # type: ignore[arg-type]


def test_replies_schemas_and_sampling(chat: EndpointChat) -> None:
    # A seed in these requests would end the server.
    sampled = [
        ask("Name a room and count its lamps.", schema=ROOM, temperature=0.9, seed=n) for n in range(8)
    ]
    plain = [ask(f"What is {n} and one?", max_tokens=6) for n in range(24)]
    replies = chat.generate([*sampled, *plain])
    assert all(reply.finish != "error" and reply.completion_tokens for reply in replies)
    for reply in replies[:8]:
        if reply.finish == "stop":
            assert json.loads(reply.text)["room"] in ("kitchen", "attic")


def test_a_prefill_is_continued(chat: EndpointChat) -> None:
    (reply,) = chat.generate([ask("Count to five.", prefill="1, 2, 3,", max_tokens=6)])
    assert reply.text.lstrip().startswith("4")


def test_a_prompt_beyond_the_context_costs_only_itself(chat: EndpointChat) -> None:
    long, short = chat.generate([ask("word " * 3000), ask("Say yes.", max_tokens=4)])
    assert long.finish == "error"
    assert "2048" in long.error
    assert short.finish != "error"


def test_scores_are_those_of_the_same_weights_in_llama_cpp(chat: EndpointChat) -> None:
    france = ask("What is the capital of France?")
    items = [
        (france, "Paris."),
        (france, "Bananas."),
        (ask("Say it", prefill="No, "), "never."),
        (france, ""),
    ]
    scores = chat.score(items)
    with LlamaCppChat(embedded_gguf()) as exact:
        wanted = exact.score(items)
    assert [score.tokens for score in scores] == [score.tokens for score in wanted]
    # Weights of 16 bits here, of four with eight-bit activations there.
    assert [score.logprob for score in scores] == pytest.approx(
        [score.logprob for score in wanted], rel=0.1, abs=0.3
    )
    assert scores[0].logprob > scores[1].logprob
    assert chat.score([(ask("word " * 3000), "yes")])[0].logprob == -math.inf
