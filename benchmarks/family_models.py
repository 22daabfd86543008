# ruff: noqa: RUF001 - control tokens as their families spell them
"""Tiny models of the families that students come from: random weights, each family's words and template.

A tokenizer comes from a folder where one is given. Without one it is the embedded model's, whose control
tokens are spelled as the family spells them.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from distil_dag.core.case import Case, Message
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset

_SMALL = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 1024,
}
# Control tokens of the embedded model, in the order in which a family's take their places.
_PLACES = (
    "<|im_start|>", "<|im_end|>", "<repo_name>", "<reponame>", "<file_sep>", "<filename>", "<gh_stars>",
    "<issue_start>", "<issue_comment>",
)  # fmt: skip


@dataclass(frozen=True)
class Family:
    """A family of models.

    Attributes:
        architecture: Its `model_type` in transformers.
        template: Its chat template: a file of TRL's, or Jinja.
        tokens: Its begin token, the token that ends a turn, and its other control tokens.
        settings: What its configuration needs besides sizes.
        tokenizer_class: What its tokenizer is said to be, where a converter asks for that.
    """

    architecture: str
    template: str
    tokens: tuple[str, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    tokenizer_class: str = ""

    @property
    def chat_template(self) -> str:
        """The template in Jinja."""
        if "{" in self.template:
            return self.template
        spec = find_spec("trl")
        if spec is None or spec.origin is None:
            raise FileNotFoundError("TRL is not installed")
        return (Path(spec.origin).parent / "chat_templates" / f"{self.template}.jinja").read_text()


_MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if m.role == 'user' %}{{ '[INST] ' + m.content + ' [/INST]' }}"
    "{% elif m.role == 'assistant' %}{{ m.content + eos_token + ' ' }}"
    "{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"
)
_MISTRAL_3 = _MISTRAL.replace("' [/INST]'", "'[/INST]'").replace("eos_token + ' '", "eos_token")
_GRANITE = (
    "{% for m in messages %}<|start_of_role|>{{ m.role }}<|end_of_role|>{{ m.content }}<|end_of_text|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|start_of_role|>assistant<|end_of_role|>{% endif %}"
)
_PHI4 = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_LLAMA3 = (
    "<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|python_tag|>",
    "<|eom_id|>",
)  # fmt: skip
_PHI3 = ("<s>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>")
_COHERE = (
    "<BOS_TOKEN>", "<|END_OF_TURN_TOKEN|>", "<|START_OF_TURN_TOKEN|>", "<|USER_TOKEN|>", "<|CHATBOT_TOKEN|>",
    "<|SYSTEM_TOKEN|>", "<|START_RESPONSE|>", "<|END_RESPONSE|>",
)  # fmt: skip
_HARMONY = (
    "<|startoftext|>", "<|return|>", "<|start|>", "<|message|>", "<|channel|>", "<|end|>", "<|call|>",
    "<|constrain|>",
)  # fmt: skip
_CHATML = ("<|im_start|>", "<|im_end|>")

FAMILIES: dict[str, Family] = {
    "gemma3": Family(
        "gemma3_text",
        "gemma3",
        ("<bos>", "<end_of_turn>", "<start_of_turn>", "<start_of_image>"),
        {"query_pre_attn_scalar": 16},
    ),
    "qwen3": Family("qwen3", "qwen3", _CHATML),
    "llama3_1": Family("llama", "llama3_1", _LLAMA3),
    "llama3_2": Family("llama", "llama3_2", _LLAMA3),
    "mistral": Family("mistral", _MISTRAL, ("<s>", "</s>", "[INST]", "[/INST]")),
    "mistral_v3": Family("mistral", _MISTRAL_3, ("<s>", "</s>", "[INST]", "[/INST]")),
    "phi3": Family("phi3", "phi3", _PHI3, {"pad_token_id": None}),
    "phi4": Family("phi3", _PHI4, ("<|endoftext|>", *_PHI3[1:]), {"pad_token_id": None}, "GPT2Tokenizer"),
    "granite": Family("granite", _GRANITE, ("<|start_of_role|>", "<|end_of_text|>", "<|end_of_role|>")),
    "cohere": Family("cohere", "cohere", _COHERE),
    "cohere2": Family("cohere2", "cohere2", _COHERE, {"rotary_pct": 1.0}),
    "lfm2": Family(
        "lfm2",
        "lfm2",
        _CHATML,
        {"layer_types": ["conv", "full_attention"], "block_auto_adjust_ff_dim": False},
    ),
    "smollm3": Family("smollm3", "qwen3", _CHATML, {"pad_token_id": None}),
    "gptoss": Family(
        "gpt_oss",
        "gptoss",
        _HARMONY,
        {
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
            "layer_types": ["sliding_attention", "full_attention"],
        },
    ),
    "deepseek_r1": Family(
        "qwen2",
        "deepseek_r1_distill",
        (
            "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>",
            "<｜tool▁calls▁begin｜>",
        ),
    ),
}  # fmt: skip

TOOLS = Toolset.from_openai(
    [
        {"name": "soil_moisture", "parameters": {"properties": {"bed": {"type": "string"}}}},
        {"name": "water", "parameters": {"properties": {"bed": {"type": "string"}}}},
    ]
)


def _asks(words: str) -> Message:
    return Message(role="user", content=words)


def _says(words: str = "", *beds: str) -> Message:
    calls = tuple(ToolCall(name="soil_moisture", arguments={"bed": bed}) for bed in beds)
    return Message(role="assistant", content=words, tool_calls=calls)


def _hears(words: str) -> Message:
    return Message(role="tool", content=words)


CONVERSATIONS: dict[str, tuple[Message, ...]] = {
    "request": (_asks("Water the rose bed"),),
    "spaces, digits, scripts": (_asks("  it's 21.5°C  at 10:30,\n\n  naïve 日本 👋🏽 ½ x=1234567\t "),),
    "greeting first": (_says("Hello, what shall the garden do?"), _asks("Water the rose bed")),
    "two of the user": (_asks("Wait"), _asks("Water the rose bed")),
    "two of the assistant": (_asks("Hi"), _says("Hello."), _says("Yes?"), _asks("Water it")),
    "result": (_asks("Is the rose bed dry?"), _says("", "rose"), _hears("12 %")),
    "two results": (
        _asks("Water what is dry"),
        _says("I look.", "rose", "herb"),
        _hears("12 %"),
        _hears("4"),
    ),
    "words behind a result": (
        _asks("Is it dry?"),
        _says("", "é"),
        _hears('{"share": 12}'),
        _asks("Water it"),
    ),
}
CASES = [Case(id=name, messages=turns) for name, turns in CONVERSATIONS.items()]


def write_base(name: str, folder: Path, embedded: Path, tokenizer: Path | None = None) -> Path:
    """Write a tiny base model of a family.

    Args:
        name: The family's name.
        folder: Where to write it.
        embedded: Folder of the embedded model's checkpoint.
        tokenizer: Folder of the family's own tokenizer; the embedded one's words if None.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    family = FAMILIES[name]
    folder.mkdir(parents=True, exist_ok=True)
    for path in (tokenizer or embedded).glob("*token*"):
        shutil.copyfile(path, folder / path.name)
    if tokenizer is None:
        _respell(folder, family)
    known: Any = AutoConfig.for_model(family.architecture, **_SMALL, **family.settings)
    known.save_pretrained(str(folder))  # what kind of tokenizer it is may stand in the model's configuration
    words: Any = AutoTokenizer.from_pretrained(str(folder))
    (folder / "chat_template.jinja").write_text(family.chat_template, encoding="utf-8")
    ends = {
        "eos_token_id": words.eos_token_id,
        "bos_token_id": words.bos_token_id,
        "vocab_size": max(words.get_vocab().values()) + 1,
    }
    known.update(ends)
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(known).save_pretrained(str(folder))
    return folder


def _respell(folder: Path, family: Family) -> None:
    names = dict(zip(_PLACES, family.tokens, strict=False))
    for path in folder.glob("*.json"):
        found = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(_named(found, names), ensure_ascii=False), encoding="utf-8")
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config.pop("chat_template", None)
    config |= {"bos_token": family.tokens[0], "eos_token": family.tokens[1]}
    if family.tokenizer_class:
        config["tokenizer_class"] = family.tokenizer_class
    path.write_text(json.dumps(config), encoding="utf-8")


def _named(found: Any, names: dict[str, str]) -> Any:
    match found:
        case str():
            return names.get(found, found)
        case list():
            return [_named(item, names) for item in found]
        case dict():
            return {names.get(key, key): _named(item, names) for key, item in found.items()}
    return found
