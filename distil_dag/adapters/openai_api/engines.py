"""How servers of the OpenAI protocol differ: one row for each engine, and how to tell them apart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Engine:
    """What a server takes beyond the common core of chat completions.

    Attributes:
        name: Name of the engine.
        owners: Values of `owned_by` in its model list (`/v1/models`).
        limit_name: Name of the parameter for the answer's greatest length.
        schema: Form in which it takes a JSON Schema.
        continues: Whether and how it continues a last turn of the assistant.
        takes_seed: Whether it takes a seed.
        prompt_logprobs: Whether it returns log-probabilities of prompt tokens.
        tokenizes: Whether it has a `/tokenize` route for conversations.
        parses_calls: Whether it takes `tools` without being told that calls come back as text.
        switch: How it is told whether the model thinks: by variables of the chat template, by
            `reasoning_effort`, or not at all.
        thinking_tokens: Room for thoughts beside an answer, where the settings name none.
    """

    name: str
    owners: tuple[str, ...] = ()  # as `owned_by` of /v1/models says it
    limit_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    schema: Literal["json_schema", "json_object"] = "json_schema"
    continues: Literal["flag", "always", "never"] = "never"
    takes_seed: bool = False
    prompt_logprobs: bool = False
    tokenizes: bool = False
    parses_calls: bool = True
    switch: Literal["template", "effort", ""] = ""
    thinking_tokens: int = 4096


VLLM = Engine(
    "vllm",
    owners=("vllm",),
    continues="flag",
    # A request with a seed ends vLLM's engine on a CPU, since its generator there knows no offset.
    # No answer of the server says what it runs on.
    takes_seed=False,
    prompt_logprobs=True,
    tokenizes=True,
    switch="template",
)
# Servers on people's own machines hold short contexts: Ollama's is 4,096 tokens unless it is told more.
LLAMA_CPP = Engine(
    "llama.cpp",
    owners=("llamacpp",),
    continues="always",
    takes_seed=True,
    switch="template",
    thinking_tokens=2048,
)
# Its `response_format` knows no `json_schema` and refuses a request that has one.
LLAMA_CPP_PYTHON = Engine("llama-cpp-python", owners=("me",), schema="json_object", takes_seed=True)
OLLAMA = Engine(
    "ollama",
    owners=("library",),
    continues="always",
    takes_seed=True,
    switch="effort",
    thinking_tokens=2048,
)
OPENAI = Engine(
    "openai",
    owners=("openai", "openai-internal", "system"),
    # OpenAI's newer models refuse `max_tokens`; most other servers refuse `max_completion_tokens`.
    limit_name="max_completion_tokens",
    takes_seed=True,
    switch="effort",
)
UNKNOWN = Engine("unknown")

ENGINES = (VLLM, LLAMA_CPP, LLAMA_CPP_PYTHON, OLLAMA, OPENAI, UNKNOWN)

_OLLAMA_PORT = 11434


def engine_of(address: str, owners: Iterable[str] = ()) -> Engine:
    """The engine behind an address.

    Args:
        address: Base URL of the API.
        owners: Values of `owned_by` in the server's model list, which decide before the address does.
    """
    parts = urlsplit(address)
    if parts.hostname == "api.openai.com":
        return OPENAI
    owned = set(owners)
    for engine in ENGINES:
        # A gateway may list the owners of OpenAI's models without following OpenAI's rules.
        if engine is not OPENAI and owned & set(engine.owners):
            return engine
    return OLLAMA if parts.port == _OLLAMA_PORT else UNKNOWN


# vLLM without a parser of tool calls refuses `tools` unless it is told not to look for calls.
_WITHOUT_PARSER = "--enable-auto-tool-choice"
# vLLM with Mistral's own tokenizer has no template that could take variables, and not every model of OpenAI's
# or Ollama's thinks.
_WITHOUT_SWITCH = ("chat_template", "thinking", "reasoning")


def engine_after_refusal(engine: Engine, said: str) -> Engine | None:
    """What a server takes, by its refusal of a request.

    Args:
        engine: What it was believed to take.
        said: The text of the refusal.

    Returns:
        The engine with less; None where the refusal teaches nothing.
    """
    if _WITHOUT_PARSER in said and engine.parses_calls:
        return replace(engine, parses_calls=False)
    if engine.switch and any(word in said for word in _WITHOUT_SWITCH):
        return replace(engine, switch="")
    return None
