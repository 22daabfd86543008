"""The endpoint client against a real vLLM server: every column of the table of engines."""

from __future__ import annotations

import json
import math

import pytest

from distil_dag.adapters.embedded_weights import embedded_gguf
from distil_dag.adapters.llama_cpp_chat import LlamaCppChat
from distil_dag.core.case import Message
from distil_dag.stages.ports import ChatModel, Prompt

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(1800)]

ROOM = {
    "type": "object",
    "properties": {"room": {"enum": ["kitchen", "attic"]}, "lamps": {"type": "integer"}},
    "required": ["room", "lamps"],
    "additionalProperties": False,
}


def ask(words: str, **options: object) -> Prompt:
    return Prompt((Message(role="user", content=words),), **options)  # type: ignore[arg-type]


def test_replies_schemas_and_sampling(vllm_chat: ChatModel) -> None:
    # A seed in these requests would end the server.
    sampled = [
        ask("Name a room and count its lamps.", schema=ROOM, temperature=0.9, seed=n) for n in range(8)
    ]
    plain = [ask(f"What is {n} and one?", max_tokens=6) for n in range(24)]
    replies = vllm_chat.generate([*sampled, *plain])
    assert all(reply.finish != "error" and reply.completion_tokens for reply in replies)
    for reply in replies[:8]:
        if reply.finish == "stop":
            assert json.loads(reply.text)["room"] in ("kitchen", "attic")


def test_a_prefill_is_continued(vllm_chat: ChatModel) -> None:
    (reply,) = vllm_chat.generate([ask("Count to five.", prefill="1, 2, 3,", max_tokens=6)])
    assert reply.text.lstrip().startswith("4")


def test_a_prompt_beyond_the_context_costs_only_itself(vllm_chat: ChatModel) -> None:
    long, short = vllm_chat.generate([ask("word " * 3000), ask("Say yes.", max_tokens=4)])
    assert long.finish == "error"
    assert "2048" in long.error
    assert short.finish != "error"


def test_scores_are_those_of_the_same_weights_in_llama_cpp(vllm_chat: ChatModel) -> None:
    france = ask("What is the capital of France?")
    items = [
        (france, "Paris."),
        (france, "Bananas."),
        (ask("Say it", prefill="No, "), "never."),
        (france, ""),
    ]
    scores = vllm_chat.score(items)
    with LlamaCppChat(embedded_gguf()) as exact:
        wanted = exact.score(items)
    assert [score.tokens for score in scores] == [score.tokens for score in wanted]
    # Weights of 16 bits here, of four with eight-bit activations there.
    assert [score.logprob for score in scores] == pytest.approx(
        [score.logprob for score in wanted], rel=0.1, abs=0.3
    )
    assert scores[0].logprob > scores[1].logprob
    assert vllm_chat.score([(ask("word " * 3000), "yes")])[0].logprob == -math.inf
