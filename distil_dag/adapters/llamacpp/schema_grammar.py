"""JSON Schema as a grammar of llama.cpp that decides which token may come next."""

from __future__ import annotations

import ctypes
import functools
import json
from typing import Any

import numpy as np

from distil_dag.adapters.llamacpp.engine import Logits
from distil_dag.adapters.llamacpp.vocabulary import Vocabulary

_LONGEST_RANGE = 100
_ENTRY = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])


class Grammar:
    """The grammar's state in the course of one answer.

    Args:
        schema: The JSON Schema, as JSON text.
        vocabulary: The model's vocabulary.

    Raises:
        ValueError: llama.cpp's grammars can't express the schema.
    """

    def __init__(self, schema: str, vocabulary: Vocabulary) -> None:
        self._api: Any = vocabulary.api
        self._sampler = self._api.llama_sampler_init_grammar(
            vocabulary.pointer, _rules(schema).encode(), b"root"
        )
        if not self._sampler:
            raise ValueError("llama.cpp refuses the grammar of this schema")

    def __del__(self) -> None:
        if getattr(self, "_sampler", None):
            self._api.llama_sampler_free(self._sampler)

    def allows(self, token: int) -> bool:
        """Whether the answer may go on with this token."""
        return bool(np.isfinite(self._apply(np.array([token], np.int32), np.zeros(1, np.float32)))[0])

    def mask(self, logits: Logits) -> Logits:
        """The logits, with minus infinity for each token that may not come next.

        Args:
            logits: Array of shape `(vocabulary size,)`, float32.
        """
        return self._apply(np.arange(len(logits), dtype=np.int32), logits)

    def accept(self, token: int) -> None:
        """Advance by this token, which must be allowed."""
        self._api.llama_sampler_accept(self._sampler, token)

    def _apply(self, tokens: np.ndarray[Any, Any], logits: Logits) -> Logits:
        entries = np.zeros(len(tokens), _ENTRY)
        entries["id"], entries["logit"] = tokens, logits
        pointer = entries.ctypes.data_as(ctypes.POINTER(self._api.llama_token_data))
        array = self._api.llama_token_data_array(data=pointer, size=len(tokens), selected=-1, sorted=False)
        self._api.llama_sampler_apply(self._sampler, ctypes.byref(array))
        return entries["logit"]


@functools.lru_cache(maxsize=64)
def _rules(schema: str) -> str:
    from llama_cpp.llama_grammar import json_schema_to_gbnf

    try:
        return str(json_schema_to_gbnf(json.dumps(_listed(json.loads(schema)))))
    except Exception as error:  # the converter raises whatever its parts raise
        raise ValueError(f"this JSON Schema cannot be made into a grammar: {error}") from error


def _listed(schema: Any) -> Any:
    """Small integer ranges as lists of their values, since the converter ignores bounds."""
    if isinstance(schema, list):
        return [_listed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    match schema:
        case {"type": "integer", "minimum": int(low), "maximum": int(high)} if (
            0 <= high - low <= _LONGEST_RANGE
        ):
            return {"enum": list(range(low, high + 1))}
    return {key: _listed(value) for key, value in schema.items()}
