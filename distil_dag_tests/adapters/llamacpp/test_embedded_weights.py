"""The checkpoint of the embedded model holds the weights of its GGUF file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distil_dag.adapters.llamacpp.embedded_weights import embedded_gguf

pytest.importorskip("llama_cpp")
pytestmark = pytest.mark.slow

HEADS = {"attn_q": "llama.attention.head_count", "attn_k": "llama.attention.head_count_kv"}
NAMES = {
    "token_embd": "embed_tokens",
    "output_norm": "norm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}


def name_in_checkpoint(name: str) -> str:
    parts = name.removesuffix(".weight").split(".")
    return ".".join(["model", *(["layers", parts[1]] if len(parts) == 3 else []), NAMES[parts[-1]], "weight"])


def unrotated(table: Any, heads: int) -> Any:
    """Rows in transformers' order: llama.cpp keeps the two halves of each head's rotation side by side."""
    rows, width = table.shape
    return table.reshape(heads, rows // heads // 2, 2, width).swapaxes(1, 2).reshape(rows, width)


def test_every_weight_is_that_of_the_file_bit_for_bit(embedded_student: Path) -> None:
    import gguf
    from gguf.quants import dequantize
    from safetensors.numpy import load_file

    reader = gguf.GGUFReader(embedded_gguf())
    weights = load_file(embedded_student / "model.safetensors")
    for tensor in reader.tensors:
        table = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        if key := HEADS.get(tensor.name.split(".")[-2]):
            table = unrotated(table, reader.fields[key].contents())
        found = weights.pop(name_in_checkpoint(tensor.name))
        assert found.dtype == np.float32
        assert np.array_equal(found, table), tensor.name
    assert not weights
    config = json.loads((embedded_student / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert "quantization_config" not in config
