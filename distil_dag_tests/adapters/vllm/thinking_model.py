"""A small model that has learnt to think before it answers, and whose template opens its thoughts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from distil_dag.adapters.openai_api.wire import wire_messages
from distil_dag.stages.ports import Prompt

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)
_LONGEST = 1536


def write_thinking_model(folder: Path, base: Path, answers: Mapping[Prompt, str], thoughts: str) -> Path:
    """Train the first layers of a model until it thinks aloud and then gives these answers.

    Args:
        folder: Where to write it.
        base: Folder of the model that it is made of.
        answers: The answer to each prompt.
        thoughts: What it thinks each time.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(str(base))
    tokenizer.chat_template = TEMPLATE
    # As in the vocabularies of models that think.
    tokenizer.add_tokens(["<think>", "</think>"])
    model: Any = AutoModelForCausalLM.from_pretrained(str(base))
    model.resize_token_embeddings(len(tokenizer))
    rows = [
        _row(tokenizer, prompt, f"{thoughts}</think>\n\n{said}<|im_end|>") for prompt, said in answers.items()
    ]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    torch.manual_seed(0)
    for _ in range(60):
        worst = 0.0
        for ids, start in rows:
            labels = torch.tensor([[-100] * start + ids[start:]])
            loss = model(torch.tensor([ids]), labels=labels).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            worst = max(worst, float(loss))
        if worst < 0.01:
            break
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    return folder


def _row(tokenizer: Any, prompt: Prompt, said: str) -> tuple[list[int], int]:
    asked: Sequence[int] = tokenizer.apply_chat_template(
        wire_messages(prompt.messages), add_generation_prompt=True, tokenize=True, return_dict=False
    )
    assert len(asked) < _LONGEST
    return [*asked, *tokenizer(said, add_special_tokens=False)["input_ids"]], len(asked)
