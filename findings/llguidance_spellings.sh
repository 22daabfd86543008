#!/usr/bin/env bash
# llguidance 1.9.1: what its grammar of a JSON Schema lets a model say is neither all nor only what is
# valid.
#
# Expected: `{"type": "number", "minimum": 0}` takes each spelling of a number in JSON that lies above 0, as
# `{"type": "number"}` does; the text of `json.dumps` can be said; and a bound holds for what is read.
# Seen: with a `minimum` no exponent is left, so 7e-05 (as Python writes it) can't be said. Neither can
# 7e-05 as a value of an `enum`, or 1.0 as a `const`. Without a bound 1e+999 can be said, which Python reads
# as infinity, and -0 for an integer. Above an exclusive bound of 30 it says 30.000000000000000001, which is
# read as 30. A string can't hold U+007F as it stands, which `json.dumps(ensure_ascii=False)` writes, nor
# \u00fc, which `json.dumps` writes by default.
# Why it matters: a student is often taught the spelling of `json.dumps`. Where the grammar does not know that
# spelling, the model has to leave what it learned, and nothing says so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet llguidance==1.9.1 jsonschema==4.26.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import json
from importlib.metadata import version

from jsonschema import Draft202012Validator
from llguidance import LLMatcher, LLTokenizer

print("llguidance", version("llguidance"))
tokenizer = LLTokenizer("byte")


def says(schema, text):
    """Whether the grammar of the schema takes the text from its first byte to its end."""
    matcher = LLMatcher(tokenizer, LLMatcher.grammar_from_json_schema(json.dumps(schema)))
    assert not matcher.get_error(), matcher.get_error()
    tokens = tokenizer.tokenize_str(text)
    valid = matcher.validate_tokens(tokens) == len(tokens)
    return valid and matcher.consume_tokens(tokens) and matcher.is_accepting()


number = {"type": "number"}
least, above = {**number, "minimum": 0}, {**number, "exclusiveMinimum": 30}
text = {"type": "string"}
rows = [
    (number, json.dumps(7e-05), (True, True)),
    (least, json.dumps(7e-05), (True, False)),
    (least, json.dumps(1e16), (True, False)),
    (least, "0.00007", (True, True)),
    ({"enum": [7e-05]}, json.dumps(7e-05), (True, False)),
    ({"const": 1.0}, json.dumps(1.0), (True, False)),
    (number, "1e+999", (True, True)),
    ({"type": "integer"}, "-0", (True, True)),
    (above, "30.5", (True, True)),
    (above, "30.000000000000000001", (False, True)),
    (text, json.dumps("a\x7fb", ensure_ascii=False), (True, False)),
    ({"enum": ["a\x7fb"]}, json.dumps("a\x7fb", ensure_ascii=False), (True, False)),
    (text, json.dumps("\u00fc"), (True, False)),
    (text, json.dumps("\u00fc", ensure_ascii=False), (True, True)),
]
wrong = []
for schema, text, expected in rows:
    said = says(schema, text)
    valid = Draft202012Validator(schema).is_valid(json.loads(text))
    print(f"{json.dumps(schema):<50} {text!r:<28} valid: {valid!s:<6} can be said: {said}")
    if (valid, said) != expected:
        wrong.append((schema, text))
assert not wrong, f"other than before: {wrong}"
print("1e+999 is read as", json.loads("1e+999"), "and 30.000000000000000001 as", json.loads("30.000000000000000001"))
PYTHON
