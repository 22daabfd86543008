from __future__ import annotations

import pytest

from distil_dag.adapters.openai_api.engines import (
    LLAMA_CPP,
    LLAMA_CPP_PYTHON,
    OLLAMA,
    OPENAI,
    UNKNOWN,
    VLLM,
    Engine,
    engine_of,
)


@pytest.mark.parametrize(
    ("address", "owners", "engine"),
    [
        ("http://localhost:8000/v1", ["vllm"], VLLM),
        ("http://localhost:8080/v1", ["llamacpp"], LLAMA_CPP),
        ("http://localhost:8000/v1", ["me"], LLAMA_CPP_PYTHON),
        ("http://localhost:5000/v1", ["library"], OLLAMA),
        ("http://localhost:11434/v1", [], OLLAMA),
        ("https://api.openai.com/v1", ["openai", "system"], OPENAI),
        ("https://api.openai.com/v1", [], OPENAI),
        ("https://gateway.example/v1", ["openai"], UNKNOWN),
        ("http://localhost:8000/v1", [], UNKNOWN),
    ],
)
def test_engines_are_told_apart(address: str, owners: list[str], engine: Engine) -> None:
    assert engine_of(address, owners) is engine


def test_vllm_is_never_sent_a_seed() -> None:
    assert not VLLM.takes_seed
