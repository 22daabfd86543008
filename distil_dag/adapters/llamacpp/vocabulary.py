"""The vocabulary of a GGUF model: text to token ids and back."""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from distil_dag.adapters.llamacpp.library import last_words, load_library

# Key-values by which llama.cpp reads a prompt as it stands: its template alone writes a begin token, and no
# space is put before words.
AS_WRITTEN = {"tokenizer.ggml.add_bos_token": False, "tokenizer.ggml.add_space_prefix": False}


class Vocabulary:
    """Text to token ids and back.

    Args:
        api: llama.cpp's functions, from :func:`load_library`.
        model: The model's pointer, which must stay open.

    Attributes:
        size: Number of tokens.
        bos: Id of the begin token, negative for none.
        eos: Id of the end token, negative for none.
        control: The control tokens as text.
        control_pattern: Finds control tokens in a text, the longest first; None if there are none.
    """

    def __init__(self, api: Any, model: Any) -> None:
        self.api = api
        self.pointer = api.llama_model_get_vocab(model)
        self.size = int(api.llama_vocab_n_tokens(self.pointer))
        self.bos = int(api.llama_vocab_bos(self.pointer))
        self.eos = int(api.llama_vocab_eos(self.pointer))
        self._adds_bos = bool(api.llama_vocab_get_add_bos(self.pointer))
        self._pieces: dict[int, bytes] = {}
        # Tokens that llama.cpp recognises in a text only with `parse_special`.
        hidden = api.LLAMA_TOKEN_ATTR_CONTROL | api.LLAMA_TOKEN_ATTR_UNKNOWN
        marked = [
            self.name(token)
            for token in range(self.size)
            if api.llama_vocab_get_attr(self.pointer, token) & hidden
        ]
        self.control = frozenset(name for name in marked if name)
        longest_first = sorted(self.control, key=lambda name: (-len(name), name))
        self.control_pattern = (
            re.compile("|".join(re.escape(name) for name in longest_first)) if longest_first else None
        )

    def tokenize(self, text: str, special: bool) -> list[int]:
        """Token ids of a text, without a begin token.

        Args:
            text: The text.
            special: Whether control tokens in it are recognised.

        Raises:
            ValueError: llama.cpp cannot tokenise the text.
        """
        data = text.encode("utf-8", "replace")
        room = len(data) + 2
        tokens = (ctypes.c_int32 * room)()
        count = self.api.llama_tokenize(self.pointer, data, len(data), tokens, room, False, special)
        if count < 0:
            raise ValueError(f"a text of {len(data)} bytes cannot be tokenised")
        return list(tokens[:count])

    def begin(self, tokens: list[int]) -> list[int]:
        """The tokens with the model's begin token in front, where the model uses one."""
        return [self.bos, *tokens] if self._adds_bos and tokens[:1] != [self.bos] else tokens

    def special_tokens(self, metadata: Mapping[str, str]) -> dict[str, str]:
        """The tokens that a chat template may use, as a tokenizer of transformers names them.

        Args:
            metadata: The file's key-values. llama.cpp makes up an id where the file has none.
        """
        ids = {"bos": self.bos, "eos": self.eos}
        return {
            f"{name}_token": self.name(token)
            for name, token in ids.items()
            if token >= 0 and f"tokenizer.ggml.{name}_token_id" in metadata
        }

    def piece(self, token: int) -> bytes:
        """The bytes of one token; control tokens have none."""
        if token not in self._pieces:
            room = 64
            buffer = ctypes.create_string_buffer(room)
            count = self.api.llama_token_to_piece(self.pointer, token, buffer, room, 0, False)
            if count < 0:
                buffer = ctypes.create_string_buffer(-count)
                count = self.api.llama_token_to_piece(self.pointer, token, buffer, -count, 0, False)
            self._pieces[token] = buffer.raw[:count]
        return self._pieces[token]

    def name(self, token: int) -> str:
        """A token as the vocabulary spells it, such as `<|im_end|>`; empty for a negative id."""
        return self.api.llama_vocab_get_text(self.pointer, token).decode() if token >= 0 else ""

    def ends(self, token: int) -> bool:
        """Whether the token ends the model's turn."""
        return bool(self.api.llama_vocab_is_eog(self.pointer, token))


@contextmanager
def open_vocabulary(path: Path) -> Iterator[Vocabulary]:
    """The vocabulary of a GGUF file, whose weights stay unread and may be missing.

    Args:
        path: The file.

    Raises:
        ValueError: llama.cpp can't read the file.
    """
    api = load_library()
    settings = api.llama_model_default_params()
    settings.vocab_only = True
    model = api.llama_model_load_from_file(os.fsencode(path), settings)
    if not model:
        raise ValueError(f"llama.cpp can't read the vocabulary of {path.name}: {last_words()}")
    try:
        yield Vocabulary(api, model)
    finally:
        api.llama_model_free(model)
