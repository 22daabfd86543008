"""A student's tokenizer: words that every runtime reads alike, as files that every runtime takes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from distil_dag.core.files import write_whole

_CONFIG = "tokenizer_config.json"
# The vocabulary of a SentencePiece tokenizer, with the scores that `tokenizer.json` lacks.
_SENTENCEPIECE = "tokenizer.model"
# llama.cpp's converter knows Phi-4's words by the class that its tokenizer is said to be of.
_KNOWN_BY_CLASS = "GPT2Tokenizer"
# Takes `tokenizer.json` as it stands, where other classes build some of it anew.
_AS_IT_STANDS = "PreTrainedTokenizerFast"


def keep_spaces(tokenizer: Any) -> None:
    """Let a tokenizer read every text as it stands: no space put before it or dropped, no letter rewritten.

    Llama's first vocabularies put a space before a text, and runtimes disagree on where a text begins: some
    put one behind each control token. Phi-3 drops spaces behind control tokens, which llama.cpp does only for
    models of that name. Qwen's writes letters with their accents as one, which llama.cpp does not.

    Args:
        tokenizer: a tokenizer of transformers, which is changed.
    """
    from tokenizers import AddedToken, Tokenizer

    backend = tokenizer.backend_tokenizer
    words = json.loads(backend.to_str())
    plain = Tokenizer.from_str(
        json.dumps(words | {part: _plain(words[part]) for part in ("normalizer", "pre_tokenizer")})
    )
    backend.normalizer, backend.pre_tokenizer = plain.normalizer, plain.pre_tokenizer
    greedy = [
        token for token in words["added_tokens"] if token["special"] and (token["lstrip"] or token["rstrip"])
    ]
    backend.add_special_tokens([AddedToken(t["content"], normalized=t["normalized"]) for t in greedy])


def _plain(part: Any) -> Any:
    """A normaliser or pre-tokeniser without what changes a text before it is split."""
    if not isinstance(part, dict):
        return part
    if part["type"] in ("Prepend", "NFC", "NFD", "NFKC", "NFKD"):
        return None
    if part["type"] == "Metaspace":
        return part | {"prepend_scheme": "never"}
    for name in ("normalizers", "pretokenizers"):
        if name in part:
            kept = [plain for plain in map(_plain, part[name]) if plain is not None]
            return part | {name: kept} if kept else None
    return part


def save_tokenizer(tokenizer: Any, base: Path | str, revision: str | None, folder: Path) -> None:
    """Write a tokenizer beside the configuration of its model.

    transformers leaves out what llama.cpp's converter reads: the file of a SentencePiece vocabulary, and the
    added tokens in the configuration. Without them the converter fails, or writes another vocabulary.

    Args:
        tokenizer: the tokenizer.
        base: folder or Hub name of the model that it comes from.
        revision: the revision on the Hub.
        folder: an existing folder.
    """
    from transformers import AutoTokenizer
    from transformers.models.auto.tokenization_auto import get_tokenizer_config
    from transformers.utils.hub import cached_file

    tokenizer.save_pretrained(str(folder))
    changes: dict[str, Any] = {
        "added_tokens_decoder": {
            str(place): {"content": token.content, "special": token.special}
            | {name: getattr(token, name) for name in ("lstrip", "rstrip", "normalized", "single_word")}
            for place, token in sorted(tokenizer.added_tokens_decoder.items())
        }
    }
    found = cached_file(
        str(base),
        _SENTENCEPIECE,
        revision=revision,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    if found:
        shutil.copyfile(found, folder / _SENTENCEPIECE)
    elif get_tokenizer_config(str(base), revision=revision).get("tokenizer_class") == _KNOWN_BY_CLASS:
        changes["tokenizer_class"] = _KNOWN_BY_CLASS
    _change(folder / _CONFIG, changes)
    read: Any = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
    if read.backend_tokenizer.to_str() != tokenizer.backend_tokenizer.to_str():
        _change(folder / _CONFIG, {"tokenizer_class": _AS_IT_STANDS})


def _change(path: Path, changes: dict[str, Any]) -> None:
    config = json.loads(path.read_text(encoding="utf-8")) | changes
    write_whole(path, json.dumps(config, ensure_ascii=False, indent=2).encode())
