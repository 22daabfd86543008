#!/usr/bin/env bash
# datasets 5.2.0 (pandas 3.1.1): a column of the feature `Json` gives other numbers back than were stored.
#
# Expected: what goes in comes out, as from `json.loads(json.dumps(value))`.
# Seen: texts and objects are read with pandas' ujson, whose 0.3 is 0.30000000000000004 and whose whole
# numbers above 64 bits become other whole numbers, without a word. Objects are also written with ten
# decimals, so a latitude loses digits and 1e-12 becomes 0.
# Why it matters: tool-call arguments of several tools fit into no other column. A student then learns
# numbers that its teacher never said, and an exact comparison with the log fails.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet datasets==5.2.0 pandas==3.1.1 pyarrow==26.0.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import json
from importlib.metadata import version

from datasets import Dataset, Features, Json

print("datasets", version("datasets"), "pandas", version("pandas"))


def stored(value):
    return Dataset.from_dict({"arguments": [value]}, features=Features({"arguments": Json()}))[0]["arguments"]["v"]


values = [0.3, 7e-05, 40.7127753227813, 1e-12, 123456789012345678901]
seen = {"text": [], "object": []}
for value in values:
    seen["text"].append(stored(json.dumps({"v": value})))
    seen["object"].append(stored({"v": value}))
    print(f"{value!r:>24}  as JSON text: {seen['text'][-1]!r:<24} as an object: {seen['object'][-1]!r}")
cents = [n / 100 for n in range(1, 10_001)]
read = stored(json.dumps({"v": cents}))
changed = [(was, now) for was, now in zip(cents, read, strict=True) if was != now]
print(f"of 0.01, 0.02 ... 100.00, as JSON text, {len(changed)} of {len(cents)} change; the first: {changed[:3]}")

assert seen["text"] == [0.30000000000000004, 7.000000000000001e-05, 40.7127753227813, 1e-12, 12776324570088369205]
assert seen["object"] == [0.30000000000000004, 7.000000000000001e-05, 40.7127753228, 0.0, 12776324570088369205]
assert len(changed) == 50
PYTHON
