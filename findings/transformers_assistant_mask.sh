#!/usr/bin/env bash
# transformers 5.24.0: the assistant's mask covers the wrong tokens if a turn is rendered by a macro or a
# `set` block.
#
# Expected: `return_assistant_tokens_mask` marks what stands between {% generation %} and {% endgeneration
# %}, or refuses a template in which it can't tell where that is.
# Seen: the place is counted from what the template has put out so far, which leaves out what a macro, a
# `set` block or a filter block has made but not yet put out. The rendered text is the same, the mask has
# the right length and lies elsewhere: on "<assistant" instead of "Hello!</s>", or on the user's words.
# Why it matters: this mask is what says which tokens training on the assistant's words alone is to learn.
# With such a template they are the header's or the user's, and no warning or error tells.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet transformers==5.24.0 tokenizers==0.23.3 jinja2==3.1.6 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

print("transformers", version("transformers"))


def tokenizer():
    """A tokenizer of single bytes, so that nothing has to be downloaded."""
    vocabulary = {char: n for n, char in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=made)


made = tokenizer()
turn = (
    '<{{ m.role }}>{% if m.role == "assistant" %}{% generation %}{{ m.content }}</s>{% endgeneration %}'
    "{% else %}{{ m.content }}</s>{% endif %}"
)
plain = "{% for m in messages %}" + turn + "{% endfor %}"
templates = {
    "plain": plain,
    "macro": "{% macro show(m) %}" + turn + "{% endmacro %}{% for m in messages %}{{ show(m) }}{% endfor %}",
    "set block": "{% set chat %}" + plain + "{% endset %}{{ chat }}",
    "filter block": "{% filter trim %}" + plain + "{% endfilter %}",
}
words = [("user", "hi"), ("assistant", "Hello!"), ("user", "bye"), ("assistant", "Bye.")]
messages = [{"role": role, "content": content} for role, content in words]
seen = {}
for name, template in templates.items():
    found = made.apply_chat_template(
        messages, chat_template=template, return_dict=True, return_assistant_tokens_mask=True
    )
    ids, mask = found["input_ids"], found["assistant_masks"]
    seen[name] = made.decode(ids), made.decode([token for token, marked in zip(ids, mask, strict=True) if marked])
    print(f"{name:>12}: text {seen[name][0]!r}, marked as the assistant's: {seen[name][1]!r}")

assert len({text for text, _ in seen.values()}) == 1
assert seen["plain"][1] == "Hello!</s>Bye.</s>"
assert seen["macro"][1] == "<assistant<assista"
assert seen["set block"][1] == seen["filter block"][1] == "<user>hi</"
PYTHON
