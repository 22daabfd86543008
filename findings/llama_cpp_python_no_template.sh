#!/usr/bin/env bash
# llama-cpp-python 0.3.36: a GGUF file without a chat template is asked in the format of Llama 2.
# (Compiles llama.cpp, which takes minutes. Only vocabularies are loaded, which its source distribution carries.)
#
# Expected: `create_chat_completion` refuses a file that has no `tokenizer.chat_template`, as a base model's has.
# Transformers does.
# Seen: it sends `[INST] <<SYS>> … [/INST]`, whatever the model is. With `verbose=False` nothing says so. Llama 3, Falcon
# and DeepSeek have no such control tokens: `[INST]` arrives as three pieces of plain text. Tools that are passed are
# not in the prompt at all.
# Why it matters: a file that lost its template in a conversion, or a base model that was taken by mistake,
# answers worse and nobody knows why. Its scores say nothing of the model.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" download --quiet --no-deps --no-binary llama-cpp-python --dest "$folder" \
    llama-cpp-python==0.3.36
"$folder/venv/bin/pip" install --quiet llama-cpp-python==0.3.36
cd "$folder"
tar --extract --gzip --file llama_cpp_python-0.3.36.tar.gz --strip-components=4 --wildcards '*/models/ggml-vocab-*.gguf'
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

from llama_cpp import Llama

print("llama-cpp-python", version("llama-cpp-python"))


class Sent(Exception):
    """Ends a call once its prompt is known: these files have no weights."""


class Asked(Llama):
    def create_completion(self, prompt, **options):
        raise Sent(self.detokenize(prompt, special=True).decode())


TOOL = {"type": "function", "function": {"name": "water_bed", "parameters": {"type": "object", "properties": {}}}}
TALK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Water the rose bed."}]
for family in ("llama-bpe", "falcon", "deepseek-llm"):
    model = Asked(f"ggml-vocab-{family}.gguf", vocab_only=True, verbose=False)
    assert "tokenizer.chat_template" not in model.metadata
    try:
        model.create_chat_completion(TALK, tools=[TOOL])
    except Sent as sent:
        text = str(sent)
    marks = len(model.tokenize(b"[INST]", add_bos=False, special=True))
    print(f"{family:12} format {model.chat_format!r}, [INST] is {marks} tokens, prompt {text!r}")
    assert model.chat_format == "llama-2"
    assert "[INST] <<SYS>>" in text and text.endswith("[/INST]")
    assert marks > 1
    assert "water_bed" not in text
PYTHON
