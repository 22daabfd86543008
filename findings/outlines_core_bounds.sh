#!/usr/bin/env bash
# outlines-core 0.2.14: the regular expression of a JSON Schema drops keywords, and misspells times.
#
# Expected: a keyword that is not supported is refused, as an `allOf` with `minimum` is ("Unsupported JSON
# Schema structure"), and a `format` takes what RFC 3339 takes.
# Seen: `minimum`, `maximum`, `multipleOf` and `uniqueItems` are dropped without a word, and `pattern` where
# a `minLength` stands beside it. A `time` with a fraction of a second can't be said, because its point is
# escaped twice. A `date-time` can't have an offset such as +02:00. A number can't be 1e5: its exponent
# needs a sign.
# Why it matters: who serves a model under this expression will take its arguments to be valid. They need
# not be, and a time with an offset can't be given at all.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet outlines-core==0.2.14 jsonschema==4.26.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import json
import re
from importlib.metadata import version

from jsonschema import Draft202012Validator
from outlines_core import json_schema

print("outlines-core", version("outlines-core"))


def says(schema, text):
    return bool(re.fullmatch(json_schema.build_regex_from_schema(json.dumps(schema)), text))


def form(name):
    return {"type": "string", "format": name}


rows = [
    ({"type": "integer", "minimum": 1, "maximum": 5}, "99", (False, True)),
    ({"type": "integer", "multipleOf": 5}, "3", (False, True)),
    ({"type": "array", "items": {"type": "integer"}, "uniqueItems": True}, "[1, 1]", (False, True)),
    ({"type": "string", "pattern": "^a+$"}, '"bbb"', (False, False)),
    ({"type": "string", "pattern": "^a+$", "minLength": 3}, '"bbb"', (False, True)),
    (form("time"), '"07:00:00Z"', (True, True)),
    (form("time"), '"07:00:00.5Z"', (True, False)),
    (form("date-time"), '"2026-01-05T07:00:00Z"', (True, True)),
    (form("date-time"), '"2026-01-05T07:00:00+02:00"', (True, False)),
    ({"type": "number"}, "1e+5", (True, True)),
    ({"type": "number"}, "1e5", (True, False)),
]
wrong = []
for schema, text, expected in rows:
    said = says(schema, text)
    valid = Draft202012Validator(schema).is_valid(json.loads(text))
    print(f"{json.dumps(schema):<50} {text!r:<28} valid: {valid!s:<6} can be said: {said}")
    if (valid, said) != expected:
        wrong.append((schema, text))
assert not wrong, f"other than before: {wrong}"
print("time:", json_schema.build_regex_from_schema(json.dumps(form("time"))))
assert r"(\\.[0-9]+)?" in json_schema.build_regex_from_schema(json.dumps(form("time")))
PYTHON
