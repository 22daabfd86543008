"""A small checkpoint of random weights, with the tokenizer of the embedded model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from distil_dag_tests.adapters.llamacpp.tiny_gguf import HEADS, HIDDEN, LAYERS, WIDTH


def write_tiny_checkpoint(folder: Path, tokenizer_of: Path, template: str, seed: int = 0) -> Path:
    """Write the model with a chat template of one's own and the tokenizer of another checkpoint."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer: Any = AutoTokenizer.from_pretrained(str(tokenizer_of))
    tokenizer.chat_template = template
    tokenizer.save_pretrained(str(folder))
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        max_position_embeddings=512,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(str(folder))
    return folder
