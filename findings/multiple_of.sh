#!/usr/bin/env bash
# jsonschema 4.26.0, llguidance 1.9.1, pydantic 2.14.4: 0.3 is a multiple of 0.1 for two of the three.
#
# Expected: a decoder held to `multipleOf: 0.1` says only what a validator of the same schema takes.
# Seen: llguidance counts in decimals and says 0.3; pydantic allows for rounding and takes it; jsonschema
# divides floats and refuses 0.3, 0.6, 0.7 and 345 more of the thousand tenths up to 100.
# Why it matters: `multipleOf` is how the step of a thermostat or a price is written. Answers made under the
# grammar are then refused by a check that uses jsonschema, though both were given the same schema.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jsonschema==4.26.0 llguidance==1.9.1 pydantic==2.14.4
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import json
from importlib.metadata import version
from typing import Annotated

from jsonschema import Draft202012Validator
from llguidance import LLMatcher, LLTokenizer
from pydantic import Field, TypeAdapter, ValidationError

for name in ("jsonschema", "llguidance", "pydantic"):
    print(name, version(name))
tokenizer = LLTokenizer("byte")


def says(schema, text):
    """Whether the grammar of the schema takes the text from its first byte to its end."""
    matcher = LLMatcher(tokenizer, LLMatcher.grammar_from_json_schema(json.dumps(schema)))
    assert not matcher.get_error(), matcher.get_error()
    tokens = tokenizer.tokenize_str(text)
    valid = matcher.validate_tokens(tokens) == len(tokens)
    return valid and matcher.consume_tokens(tokens) and matcher.is_accepting()


schema = {"type": "number", "multipleOf": 0.1}
step = TypeAdapter(Annotated[float, Field(multiple_of=0.1)])


def pydantic_takes(text):
    try:
        step.validate_json(text)
    except ValidationError:
        return False
    return True


seen = {}
for text in ("0.1", "0.2", "0.3", "0.6", "0.7", "0.25"):
    seen[text] = (says(schema, text), pydantic_takes(text), Draft202012Validator(schema).is_valid(json.loads(text)))
    print(f"{text:>5}  (said by llguidance, taken by pydantic, valid for jsonschema): {seen[text]}")
tenths = [f"{n / 10}" for n in range(1, 1001)]
refused = [text for text in tenths if not Draft202012Validator(schema).is_valid(json.loads(text))]
agreed = sum(pydantic_takes(text) for text in tenths)
print(f"of 0.1, 0.2 ... 100.0 jsonschema refuses {len(refused)}, pydantic {len(tenths) - agreed}; "
      f"of the first 50 refused llguidance says {sum(says(schema, text) for text in refused[:50])}")

assert seen["0.1"] == seen["0.2"] == (True, True, True)
assert seen["0.3"] == seen["0.6"] == seen["0.7"] == (True, True, False)
assert seen["0.25"] == (False, False, False)
assert len(refused) == 348 and agreed == len(tenths)
PYTHON
