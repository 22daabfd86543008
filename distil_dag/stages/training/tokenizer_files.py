"""A student's tokenizer as files that transformers, vLLM and llama.cpp's converter all read alike."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from distil_dag.core.files import write_whole

_CONFIG = "tokenizer_config.json"
# The vocabulary of a SentencePiece tokenizer, with the scores that `tokenizer.json` lacks.
_SENTENCEPIECE = "tokenizer.model"


def save_tokenizer(tokenizer: Any, base: Path | str, revision: str | None, folder: Path) -> None:
    """Write a tokenizer into a folder.

    transformers leaves out three things that llama.cpp's converter reads: the file of a SentencePiece
    vocabulary, the added tokens in the configuration, and the class that the base names. Without them the
    converter fails, or writes another vocabulary.

    Args:
        tokenizer: the tokenizer.
        base: folder or Hub name of the model that it comes from.
        revision: the revision on the Hub.
        folder: an existing folder.
    """
    from transformers.models.auto.tokenization_auto import get_tokenizer_config
    from transformers.utils.hub import cached_file

    tokenizer.save_pretrained(str(folder))
    path = folder / _CONFIG
    config = json.loads(path.read_text(encoding="utf-8"))
    config["added_tokens_decoder"] = {
        str(place): {"content": token.content, "special": token.special}
        | {name: getattr(token, name) for name in ("lstrip", "rstrip", "normalized", "single_word")}
        for place, token in sorted(tokenizer.added_tokens_decoder.items())
    }
    named = get_tokenizer_config(str(base), revision=revision).get("tokenizer_class")
    if named:
        config["tokenizer_class"] = named
    write_whole(path, json.dumps(config, ensure_ascii=False, indent=2).encode())
    found = cached_file(
        str(base),
        _SENTENCEPIECE,
        revision=revision,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    if found:
        shutil.copyfile(found, folder / _SENTENCEPIECE)
