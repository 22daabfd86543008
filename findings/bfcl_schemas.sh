#!/usr/bin/env bash
# bfcl-eval 2026.3.23 (the Berkeley Function Calling Leaderboard): tool definitions and labels that
# contradict.
#
# Expected: a tool's `enum` lists values of its `type`, its keywords are those of JSON Schema, and the
# labels of the leaderboard are valid under the tools that the model is shown.
# Seen, in the single-turn categories with Python types (3,491 tool sets, 2,351 labels; the type names dict,
# float, tuple and any are read as those of JSON Schema): 83 tool sets with an `enum` of strings on an
# array, a boolean or an integer, 34 with the unknown keyword `optional`, and 35 labels that their own tool
# refuses if each argument takes the first of its accepted values. Of 21 labels no choice of accepted values
# is valid; they are listed.
# Why it matters: a model whose decoding is held to the schemas can't reach the label of these cases, and
# loses points to one that breaks the schema.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-deps bfcl-eval==2026.3.23
"$folder/venv/bin/pip" install --quiet jsonschema==4.26.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import json
from collections import Counter
from importlib.metadata import distribution, version
from pathlib import Path

from jsonschema import Draft202012Validator

print("bfcl-eval", version("bfcl-eval"))
DATA = Path(distribution("bfcl-eval").locate_file("bfcl_eval/data"))
LABELLED = ["simple_python", "multiple", "parallel", "parallel_multiple"]
LABELLED += ["live_simple", "live_multiple", "live_parallel", "live_parallel_multiple"]
UNLABELLED = ["irrelevance", "live_irrelevance", "live_relevance"]
TYPES = {"dict": "object", "float": "number", "tuple": "array"}


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def schema_of(part):
    """A schema with the type names of JSON Schema; `any` is no type."""
    found = dict(part)
    if (kind := found.pop("type", "any")) != "any":
        found["type"] = TYPES.get(kind, kind)
    if "properties" in found:
        found["properties"] = {name: schema_of(inner) for name, inner in found["properties"].items()}
    if "items" in found:
        found["items"] = schema_of(found["items"])
    return found


def parts(schema):
    yield schema
    for inner in schema.get("properties", {}).values():
        yield from parts(inner)
    if "items" in schema:
        yield from parts(schema["items"])


def valid(value, schema):
    return Draft202012Validator(schema).is_valid(value)


def contradicts(schema):
    """No value of the `enum` has the `type` beside it."""
    if "enum" not in schema or "type" not in schema:
        return False
    return not any(valid(value, {"type": schema["type"]}) for value in schema["enum"])


def lists_values(value):
    return isinstance(value, dict) and all(isinstance(values, list) for values in value.values())


def first(accepted):
    """The first accepted value of each argument; an empty text among them says that it may be missing."""
    return {name: first_of(values[0]) for name, values in accepted.items() if values and "" not in values}


def first_of(value):
    if isinstance(value, list):
        return [first_of(item) for item in value]
    return first(value) if lists_values(value) else value


def some_valid(accepted, schema):
    """Whether any choice among the accepted values is valid: each argument may take any of them, or be missing."""
    required, known = set(schema.get("required", ())), schema.get("properties", {})
    return required <= set(accepted) and all(
        any(value_valid(value, known.get(name, {})) for value in values if value != "")
        or ("" in values and (name not in required or valid("", known.get(name, {}))))
        for name, values in accepted.items()
    )


def value_valid(value, schema):
    if isinstance(value, dict) and lists_values(value) and "properties" in schema:
        return some_valid(value, schema)
    if isinstance(value, list) and "enum" not in schema and schema.get("type") == "array":
        return all(value_valid(item, schema.get("items", {})) for item in value)
    return valid(value, schema)


counts, types, examples, refused = Counter(), Counter(), [], []
for category in LABELLED + UNLABELLED:
    labels = {}
    if category in LABELLED:
        path = DATA / "possible_answer" / f"BFCL_v4_{category}.json"
        labels = {row["id"]: row["ground_truth"] for row in read(path)}
    for row in read(DATA / f"BFCL_v4_{category}.json"):
        tools = {tool["name"]: schema_of(tool["parameters"]) for tool in row.get("function", ())}
        found = [(name, part) for name, tool in tools.items() for part in parts(tool) if contradicts(part)]
        counts["tool sets"] += 1
        counts["with an enum that contradicts its type"] += bool(found)
        optional = any("optional" in part for tool in tools.values() for part in parts(tool))
        counts["with the keyword `optional`"] += optional
        types.update({part["type"] for _, part in found})
        examples += [(row["id"], name, part["type"], part["enum"]) for name, part in found]
        if row["id"] not in labels:
            continue
        counts["labels"] += 1
        calls = [call for label in labels[row["id"]] for call in label.items()]
        checks = [Draft202012Validator(tools[name]).iter_errors(first(said)) for name, said in calls]
        errors = [error.message for check in checks for error in check]
        counts["labels whose first values are invalid"] += bool(errors)
        if not all(some_valid(said, tools[name]) for name, said in calls):
            counts["labels none of whose accepted values is valid"] += 1
            refused.append((row["id"], errors[0][:110] if errors else ""))
for name, count in counts.items():
    print(f"{count:>6}  {name}")
print("arguments by the type that their enum contradicts:", dict(types))
for example in examples[:1] + examples[-1:]:
    print("enum:", example)
for case in refused:
    print("label:", *case)

assert (counts["tool sets"], counts["labels"]) == (3491, 2351)
assert counts["with an enum that contradicts its type"] == 83
assert counts["with the keyword `optional`"] == 34
assert counts["labels whose first values are invalid"] == 35
assert counts["labels none of whose accepted values is valid"] == 21
PYTHON
