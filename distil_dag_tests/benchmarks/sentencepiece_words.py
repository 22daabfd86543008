"""A small SentencePiece tokenizer, as a family whose vocabulary is of that kind ships it."""

from __future__ import annotations

import json
from pathlib import Path

from family_models import FAMILIES

from distil_dag.stages.exporting.parity import golden_texts

_WORDS = (
    "Water the rose bed and the herb bed in the garden", "Is the rose bed dry? Then water it, please.",
    "Hello, what shall the garden do?", "Be brief. I look. Wait, yes: 21.5 and 1234567 at 10:30",
    '<tool_call>{"name":"soil_moisture","arguments":{"bed":"rose"}}</tool_call>', "<tool_response>\n12 %\n",
)  # fmt: skip


def write_sentencepiece(name: str, folder: Path) -> Path:
    """Train the words of a family and write its `tokenizer.model` and `tokenizer.json`."""
    from sentencepiece import SentencePieceProcessor, SentencePieceTrainer
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    begin, end, *others = FAMILIES[name].tokens
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
        bos_piece=begin,
        eos_piece=end,
        minloglevel=2,
    )
    (folder / "tokenizer.vocab").unlink()
    model = SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    places = {model.id_to_piece(place): place for place in range(model.vocab_size())}
    best_first = sorted(places, key=lambda piece: -model.get_score(places[piece]))
    splits = ((piece[:at], piece[at:]) for piece in best_first for at in range(1, len(piece)))
    merges = [pair for pair in splits if all(part in places for part in pair)]
    words = Tokenizer(models.BPE(places, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    words.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    words.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    # Phi-3 drops spaces behind its tokens.
    spaced = [AddedToken(token, normalized=False, rstrip=name == "phi3") for token in (end, *others)]
    words.add_special_tokens([AddedToken(begin, normalized=False), *spaced])
    words.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": begin,
        "eos_token": end,
        "unk_token": "<unk>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder
