"""A batch without its padding: linear layers see its tokens as one long row, attention sees rows.

TRL has this (`padding_free` of its `SFTConfig`) for flash attention, which CPUs have not. Causal attention
over rows that are padded on the right needs no mask: no token looks at what stands behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_NAME = "rows_of_one_batch"
# Models whose layers are linear maps and attention over the whole row, and hand on what attention is told.
_KINDS = frozenset({"llama", "qwen2", "qwen3"})


@dataclass(frozen=True)
class Packed:
    """The tokens of a batch of shape (rows, length) without its padding.

    Attributes:
        input_ids: token ids, of shape (1, tokens).
        position_ids: positions of the tokens in their row, of shape (1, tokens).
        places: places of the tokens in the flattened batch, of shape (tokens,).
        shape: (rows, length) of the batch.
    """

    input_ids: Any
    position_ids: Any
    places: Any
    shape: tuple[int, int]

    def packed(self, rows: Any) -> Any:
        """Drop the padding: (rows, length, ...) to (1, tokens, ...)."""
        return rows.flatten(0, 1).index_select(0, self.places)[None]

    def rows(self, packed: Any) -> Any:
        """Put the padding back: (1, tokens, ...) to (rows, length, ...), zero where there is no token."""
        count, length = self.shape
        empty = packed.new_zeros((count * length, *packed.shape[2:]))
        return empty.index_copy(0, self.places, packed[0]).unflatten(0, self.shape)


def pack(input_ids: Any, attention_mask: Any) -> Packed:
    """Drop the padding of a batch that is padded on the right.

    Args:
        input_ids: token ids, of shape (rows, length).
        attention_mask: 1 for tokens and 0 for padding, of shape (rows, length).
    """
    places = attention_mask.flatten().nonzero()[:, 0]
    positions = attention_mask.cumsum(1).flatten() - 1
    return Packed(input_ids.flatten()[places][None], positions[places][None], places, tuple(input_ids.shape))


def allow(model: Any) -> bool:
    """Make a model take the keyword `batch`, a :class:`Packed`, in place of a mask.

    Returns:
        False where the model can't, and is left as it is.
    """
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    config = model.config
    whole_rows = set(getattr(config, "layer_types", None) or ["full_attention"]) == {"full_attention"}
    if config.model_type not in _KINDS or not whole_rows:
        return False
    AttentionInterface.register(_NAME, _attention)
    AttentionMaskInterface.register(_NAME, sdpa_mask)  # for calls without a batch
    model.set_attn_implementation(_NAME)
    return True


def _attention(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    batch: Packed | None = None,
    **options: Any,
) -> Any:
    """Attention within the rows of the batch; query, key and value of shape (1, heads, tokens, size)."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    if batch is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    parts = (batch.rows(part.transpose(1, 2)).transpose(1, 2) for part in (query, key, value))
    found, _ = sdpa_attention_forward(module, *parts, attention_mask=None, is_causal=True, **options)
    return batch.packed(found), None
