#!/usr/bin/env bash
# transformers 5.24.0: a date or a Decimal in a tool call is rendered as the name of its type.
#
# Expected: `apply_chat_template` renders the value, or raises as `json.dumps` does ("Object of type Decimal
# is not JSON serializable").
# Seen: every value that is not plain JSON is replaced in silence: Decimal("12.50") becomes the text
# "<Decimal>", a date "<date>", an array "<ndarray>". So does the `default` of a tool's schema.
# Why it matters: tool calls that come from a database, a YAML file or a data frame hold such values. The
# student is then trained to answer {"amount": "<Decimal>"}, which is JSON, so that no later step notices.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet transformers==5.24.0 tokenizers==0.23.3 jinja2==3.1.6 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import datetime
import decimal
import json
import uuid
from importlib.metadata import version

import numpy as np
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


arguments = {
    "amount": decimal.Decimal("12.50"),
    "day": datetime.date(2026, 1, 5),
    "id": uuid.UUID(int=5),
    "tags": {"a"},
    "position": np.array([1, 2]),
}
call = {"type": "function", "function": {"name": "pay", "arguments": arguments}}
parameters = {"type": "object", "properties": {"day": {"type": "string", "default": datetime.date(2026, 1, 5)}}}
tool = {"type": "function", "function": {"name": "pay", "description": "Pays.", "parameters": parameters}}
template = "{{ tools | tojson }}\n{{ messages[1].tool_calls[0].function.arguments | tojson }}"
messages = [{"role": "user", "content": "pay"}, {"role": "assistant", "tool_calls": [call]}]
rendered = tokenizer().apply_chat_template(messages, tools=[tool], chat_template=template, tokenize=False)
print(rendered)
try:
    json.dumps(arguments)
    raise SystemExit("json.dumps takes the arguments")
except TypeError as error:
    print("json.dumps:", error)

said_tools, said = map(json.loads, rendered.splitlines())
assert list(said.values()) == ["<Decimal>", "<date>", "<UUID>", "<set>", "<ndarray>"]
assert said_tools[0]["function"]["parameters"]["properties"]["day"]["default"] == "<date>"
PYTHON
