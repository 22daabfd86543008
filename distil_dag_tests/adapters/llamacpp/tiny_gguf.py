"""A small GGUF model of random weights, with the vocabulary of the embedded one."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

WIDTH, LAYERS, HEADS, HIDDEN = 64, 2, 4, 128


@lru_cache(maxsize=1)
def _tokenizer() -> list[tuple[str, Any, Any, Any]]:
    """Name, value, type and type of the items of each key-value of the embedded model's tokenizer."""
    import gguf

    from distil_dag.adapters.llamacpp.embedded_weights import embedded_gguf

    return [
        (name, field.contents(), field.types[0], field.types[-1] if len(field.types) > 1 else None)
        for name, field in gguf.GGUFReader(embedded_gguf()).fields.items()
        if name.startswith("tokenizer.") and name != "tokenizer.chat_template"
    ]


def write_tiny_gguf(
    path: Path, values: dict[str, str], seed: int = 0, form: str = "f16", context: int = 512
) -> Path:
    """Write the model with these key-values beside its own, in a format that `quantize` knows.

    An empty value leaves its key out.
    """
    import gguf

    from distil_dag.adapters.llamacpp.gguf_tools import quantize
    from distil_dag.stages.student.prompt import CLOSED_BOOK_TEMPLATE

    exact = path.with_suffix(".exact")
    writer = gguf.GGUFWriter(exact, "llama")
    writer.add_context_length(context)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_file_type(1)
    for name, value, kind, inner in _tokenizer():
        writer.add_key_value(name, value, kind, inner)
    words = next(len(value) for name, value, _, _ in _tokenizer() if name == "tokenizer.ggml.tokens")
    for name, value in {"tokenizer.chat_template": CLOSED_BOOK_TEMPLATE, **values}.items():
        if value:
            writer.add_string(name, value)
    draw = np.random.default_rng(seed)

    def weights(name: str, *shape: int, scale: float = 1.0) -> None:
        table = draw.normal(0, scale / np.sqrt(shape[-1]), shape)
        writer.add_tensor(name, table.astype(np.float16))

    weights("token_embd.weight", words, WIDTH, scale=8.0)
    weights("output.weight", words, WIDTH, scale=3.0)
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    for layer in range(LAYERS):
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            weights(f"blk.{layer}.{part}.weight", WIDTH, WIDTH)
        for part in ("ffn_gate", "ffn_up"):
            weights(f"blk.{layer}.{part}.weight", HIDDEN, WIDTH)
        weights(f"blk.{layer}.ffn_down.weight", WIDTH, HIDDEN)
        for part in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{part}.weight", np.ones(WIDTH, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    if form == "f16":
        exact.replace(path)
    else:
        quantize(exact, path, form)
        exact.unlink()
    return path
