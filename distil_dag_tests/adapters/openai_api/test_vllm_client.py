"""The endpoint client against a real vLLM server: every column of the table of engines."""

from __future__ import annotations

import json
import math

import pytest

from distil_dag.core.case import Message
from distil_dag.core.settings import ModelSpec
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


def test_scores_are_those_of_the_same_weights_in_transformers(
    vllm_chat: ChatModel, vllm_spec: ModelSpec
) -> None:
    france = ask("What is the capital of France?")
    items = [
        (france, "Paris."),
        (france, "Bananas."),
        (ask("Say it", prefill="No, "), "never."),
        (france, ""),
    ]
    scores = vllm_chat.score(items)
    wanted = [in_transformers(str(vllm_spec.model), prompt, text) for prompt, text in items]
    assert [score.tokens for score in scores] == [len(logprobs) for logprobs in wanted]
    assert [score.logprob for score in scores] == pytest.approx(
        [sum(logprobs) for logprobs in wanted], rel=0, abs=0.01
    )
    assert scores[0].logprob > scores[1].logprob
    assert vllm_chat.score([(ask("word " * 3000), "yes")])[0].logprob == -math.inf


def in_transformers(weights: str, prompt: Prompt, text: str) -> list[float]:
    """The log-probability of each token behind the prompt, the end of the turn the last."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(weights)
    model = AutoModelForCausalLM.from_pretrained(weights).eval()
    messages = [message.openai() for message in prompt.messages]
    opened = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    before, whole = (
        tokenizer.encode(opened + said, add_special_tokens=False)
        for said in (prompt.prefill, f"{prompt.prefill}{text}<|im_end|>")
    )
    start = next((at for at, (a, b) in enumerate(zip(before, whole, strict=False)) if a != b), len(before))
    with torch.no_grad():
        logprobs = torch.log_softmax(model(torch.tensor([whole])).logits[0].float(), -1)
    return [float(logprobs[at - 1, whole[at]]) for at in range(start, len(whole))]
