"""What llama.cpp makes of a student's tokenizer, known before the student exists."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distil_dag.adapters.llamacpp.gguf_tools import convert, set_metadata
from distil_dag.adapters.llamacpp.vocabulary import AS_WRITTEN, open_vocabulary
from distil_dag.stages.training.tokenizer_files import save_tokenizer


def vocabulary_fault(tokenizer: Any, base: Path | str, revision: str | None, texts: Sequence[str]) -> str:
    """What keeps a GGUF file from reading texts as the tokenizer does; empty for nothing.

    The vocabulary alone is written, in the way in which the student's will be.

    Args:
        tokenizer: The student's tokenizer.
        base: Folder or Hub name of the base model.
        revision: The revision on the Hub.
        texts: Rendered prompts and other texts.

    Raises:
        FileNotFoundError: llama.cpp's converter is not installed.
        ImportError: llama-cpp-python is not installed.
        OSError: The base's configuration can't be read.
    """
    from transformers import AutoConfig

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        AutoConfig.from_pretrained(str(base), revision=revision).save_pretrained(str(folder))
        save_tokenizer(tokenizer, base, revision, folder)
        try:
            file = folder / "vocabulary.gguf"
            convert(folder, file, vocabulary_only=True)
            set_metadata(file, AS_WRITTEN)
            with open_vocabulary(file) as vocabulary:
                for text in texts:
                    wanted = tokenizer(text, add_special_tokens=False)["input_ids"]
                    if vocabulary.tokenize(text, special=True) != wanted:
                        return f"llama.cpp reads {text!r} as other tokens"
        except (RuntimeError, ValueError) as error:
            return str(error).strip().splitlines()[-1]
    return ""
