"""How servers of the OpenAI protocol differ: one row for each engine, and how to tell them apart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
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
    """

    name: str
    owners: tuple[str, ...] = ()  # as `owned_by` of /v1/models says it
    limit_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    schema: Literal["json_schema", "json_object"] = "json_schema"
    continues: Literal["flag", "always", "never"] = "never"
    takes_seed: bool = False
    prompt_logprobs: bool = False
    tokenizes: bool = False


VLLM = Engine(
    "vllm",
    owners=("vllm",),
    continues="flag",
    # A request with a seed ends vLLM's engine on a CPU, since its generator there knows no offset.
    # No answer of the server says what it runs on.
    takes_seed=False,
    prompt_logprobs=True,
    tokenizes=True,
)
LLAMA_CPP = Engine("llama.cpp", owners=("llamacpp",), continues="always", takes_seed=True)
# Its `response_format` knows no `json_schema` and refuses a request that has one.
LLAMA_CPP_PYTHON = Engine("llama-cpp-python", owners=("me",), schema="json_object", takes_seed=True)
OLLAMA = Engine("ollama", owners=("library",), continues="always", takes_seed=True)
OPENAI = Engine(
    "openai",
    owners=("openai", "openai-internal", "system"),
    # OpenAI's newer models refuse `max_tokens`; most other servers refuse `max_completion_tokens`.
    limit_name="max_completion_tokens",
    takes_seed=True,
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
