"""Flash attention is switched on and off in llama.cpp, and off unless it is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from distil_dag.adapters.llamacpp.chat import LlamaCppChat
from distil_dag.core.case import Message
from distil_dag.stages.ports import Prompt
from distil_dag_tests.adapters.llamacpp.tiny_gguf import write_tiny_gguf

pytest.importorskip("llama_cpp")

ITEMS = [(Prompt((Message(role="user", content=f"light {n} " * 20),)), "It is on.") for n in range(4)]


def test_both_ways_are_close_and_not_the_same(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "model.gguf", {})
    scores = {}
    for flash in (None, False, True):
        with LlamaCppChat(path, threads=1, flash_attention=flash) as chat:
            scores[flash] = [score.logprob for score in chat.score(ITEMS)]
    assert scores[None] == scores[False]
    assert scores[True] != scores[False]
    assert scores[True] == pytest.approx(scores[False], abs=0.5)
