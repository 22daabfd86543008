"""A checkpoint folder that continues rendered prompts, by transformers on this machine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from distil_dag.adapters.run_store import weights_digest
from distil_dag.core.case import Message
from distil_dag.core.conversation import with_results_named
from distil_dag.stages.ports import Reply
from distil_dag.stages.training.rows import special_tokens


class CheckpointModel:
    """A Hugging Face causal language model in a folder, decoded greedily.

    It has those methods of the llama.cpp model that parity and evaluation need. The weights are read on first
    use.

    Args:
        folder: Folder with `config.json`, safetensors weights and the tokenizer.
        batch: Number of prompts that are decoded together.
    """

    def __init__(self, folder: Path, batch: int = 16) -> None:
        self.folder = folder
        self.batch = batch

    @property
    def identity(self) -> str:
        """Folder name and content hash of the weights."""
        return f"{self.folder.name}@{weights_digest(self.folder)}"

    @property
    def chat_template(self) -> str:
        """The tokenizer's Jinja template."""
        return str(self._tokenizer.chat_template)

    @property
    def special_tokens(self) -> dict[str, str]:
        """The special tokens that a chat template may use: name -> token."""
        return special_tokens(self._tokenizer)

    def tokenize(self, text: str) -> list[int]:
        """Token ids of a rendered prompt; control tokens in it are recognised."""
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def chat_tokens(
        self, messages: Sequence[Message], tools: list[dict[str, Any]] | None = None
    ) -> list[int]:
        """Token ids that transformers' own chat template makes of a conversation.

        Args:
            messages: The conversation.
            tools: Tool definitions in OpenAI's form; None for none.

        Returns:
            The ids up to where the assistant begins; empty where the template refuses the conversation.
        """
        from jinja2 import TemplateError

        turns = [_turn(message) for message in with_results_named(messages)]
        try:
            ids: list[int] = self._tokenizer.apply_chat_template(
                turns, tools=tools, add_generation_prompt=True, tokenize=True, return_dict=False
            )
        except (TemplateError, TypeError, ValueError):
            return []
        return ids

    def complete_text(self, prompts: Sequence[str], max_tokens: int) -> list[Reply]:
        """Continue rendered prompts greedily.

        Args:
            prompts: The rendered prompts.
            max_tokens: Greatest length of a continuation, in tokens.

        Returns:
            One reply for each prompt, in order, without the stop token.
        """
        replies: list[Reply | None] = [None] * len(prompts)
        # Neighbours of one length need little padding.
        order = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
        for start in range(0, len(order), self.batch):
            places = order[start : start + self.batch]
            found = self._batch([prompts[place] for place in places], max_tokens)
            for place, reply in zip(places, found, strict=True):
                replies[place] = reply
        return [reply for reply in replies if reply is not None]

    def _batch(self, prompts: list[str], max_tokens: int) -> list[Reply]:
        import torch

        inputs = self._tokenizer(
            prompts, add_special_tokens=False, padding=True, padding_side="left", return_tensors="pt"
        ).to(self._model.device)
        with torch.inference_mode():
            output = self._model.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                max_new_tokens=max_tokens,
                do_sample=False,
                eos_token_id=self._tokenizer.eos_token_id,
                pad_token_id=self._tokenizer.pad_token_id,
            )
        width = inputs["input_ids"].shape[1]
        lengths = inputs["attention_mask"].sum(1).tolist()
        return [
            self._reply(ids[width:].tolist(), int(length))
            for ids, length in zip(output, lengths, strict=True)
        ]

    def _reply(self, ids: list[int], prompt_tokens: int) -> Reply:
        stop = self._tokenizer.eos_token_id
        stopped = stop in ids
        said = ids[: ids.index(stop)] if stopped else ids
        text = self._tokenizer.decode(said, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return Reply(text, "stop" if stopped else "length", prompt_tokens, len(said) + stopped)

    @cached_property
    def _tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        tokenizer: Any = AutoTokenizer.from_pretrained(str(self.folder), trust_remote_code=False)
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        return tokenizer

    @cached_property
    def _model(self) -> Any:
        import torch
        from transformers import AutoModelForCausalLM

        model: Any = AutoModelForCausalLM.from_pretrained(
            str(self.folder),
            dtype="auto",
            trust_remote_code=False,
            use_safetensors=True,
        )
        return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()


def _turn(message: Message) -> dict[str, Any]:
    """A message in OpenAI's form, with arguments as an object, as templates in transformers expect them."""
    turn = message.openai()
    for call in turn.get("tool_calls", []):
        call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    return turn
