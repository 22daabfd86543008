"""A small SentencePiece tokenizer, as a family whose vocabulary is of that kind ships it."""

from __future__ import annotations

import json
from pathlib import Path

from family_models import FAMILIES

from distil_dag.stages.exporting.parity import golden_texts

_CLASSES = {"gemma3": "GemmaTokenizer"}
_WORDS = (
    "Water the rose bed and the herb bed in the garden", "Is the rose bed dry? Then water it, please.",
    "Hello, what shall the garden do?", "Be brief. I look. Wait, yes: 21.5 and 1234567 at 10:30",
    '<tool_call>{"name":"soil_moisture","arguments":{"bed":"rose"}}</tool_call>', "<tool_response>\n12 %\n",
)  # fmt: skip


def write_sentencepiece(name: str, folder: Path) -> Path:
    """Train the words of a family and write its `tokenizer.model` and `tokenizer.json`."""
    from sentencepiece import SentencePieceTrainer
    from transformers import AutoTokenizer

    begin, end, *others = FAMILIES[name].tokens
    plain = begin == "<s>"
    folder.mkdir(parents=True)
    SentencePieceTrainer.train(
        sentence_iterator=iter([*_WORDS * 40, *filter(None, golden_texts())]),
        model_prefix=str(folder / "tokenizer"),
        model_type="bpe",
        vocab_size=600,
        hard_vocab_limit=False,
        byte_fallback=True,
        character_coverage=0.99,
        split_digits=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=plain,
        bos_piece=begin,
        eos_piece="</s>" if plain else "<eos>",
        pad_id=3,
        user_defined_symbols=[] if plain else [end, *others],
        minloglevel=2,
    )
    config = {
        "tokenizer_class": _CLASSES.get(name, "LlamaTokenizer"),
        "bos_token": begin,
        "eos_token": end,
        "unk_token": "<unk>",
        "legacy": False,
        "additional_special_tokens": list(others),
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    vocabulary = (folder / "tokenizer.model").read_bytes()
    AutoTokenizer.from_pretrained(str(folder)).save_pretrained(str(folder))
    (folder / "tokenizer.model").write_bytes(vocabulary)
    (folder / "tokenizer.vocab").unlink()
    return folder
