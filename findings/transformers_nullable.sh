#!/usr/bin/env bash
# transformers 5.24.0: the schema of an argument that may be None does not allow null.
#
# Expected: `get_json_schema` of `unit: str | None` is a JSON Schema that takes null, as pydantic's is.
# Seen: it says `"nullable": true`, a word of OpenAPI 3.0 that JSON Schema does not know. jsonschema refuses
# null under it, and llguidance's grammar can't say it. `Literal["a", None]` is written right.
# Why it matters: apply_chat_template(tools=[function]) shows this schema to the model. A call with null,
# which the function takes, then counts as invalid, and under constrained decoding the model has to invent a
# value.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet transformers==5.24.0 jinja2==3.1.6 pydantic==2.14.4 \
  jsonschema==4.26.0 llguidance==1.9.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import json
from importlib.metadata import version
from typing import Literal

from jsonschema import Draft202012Validator
from llguidance import LLMatcher, LLTokenizer
from pydantic import TypeAdapter
from transformers.utils import get_json_schema

print("transformers", version("transformers"))
tokenizer = LLTokenizer("byte")


def says(schema, text):
    """Whether the grammar of the schema takes the text from its first byte to its end."""
    matcher = LLMatcher(tokenizer, LLMatcher.grammar_from_json_schema(json.dumps(schema)))
    assert not matcher.get_error(), matcher.get_error()
    tokens = tokenizer.tokenize_str(text)
    valid = matcher.validate_tokens(tokens) == len(tokens)
    return valid and matcher.consume_tokens(tokens) and matcher.is_accepting()


def weather(city: str | None, unit: Literal["C", "F"] | None, day: Literal["today", None]):
    """Weather of a place.

    Args:
        city: the city
        unit: the unit
        day: the day
    """


found = get_json_schema(weather)["function"]["parameters"]["properties"]
found["city, by pydantic"] = TypeAdapter(str | None).json_schema()
seen = {}
for name, schema in found.items():
    seen[name] = Draft202012Validator(schema).is_valid(None), says(schema, "null")
    print(f"{name}: {json.dumps(schema)}\n    null is valid: {seen[name][0]}, can be said: {seen[name][1]}")

assert seen["city"] == seen["unit"] == (False, False)
assert seen["day"] == seen["city, by pydantic"] == (True, True)
PYTHON
