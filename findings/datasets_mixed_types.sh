#!/usr/bin/env bash
# datasets 5.2.0: one argument of another type in a JSON Lines file turns text into numbers and cuts other
# columns.
#
# Expected: `load_dataset("json")` on a file in which an argument is text in one row and a number in another
# keeps each row's value, or refuses.
# Seen: the argument becomes a column of the feature `Json`, and text in it that happens to be JSON is read
# as JSON: "007" becomes 7, "true" becomes True, and "null" and "NaN" become None. A column beside it, of
# plain floats, loses every digit past the tenth decimal. Without the row of another type nothing changes.
# Why it matters: in logs of several tools the argument `value` is text for one tool and a number for
# another. The student is then taught 7 where the schema asks for a string, and nothing warns.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet datasets==5.2.0 pandas==3.1.1 pyarrow==26.0.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import json
from importlib.metadata import version
from pathlib import Path

from datasets import disable_progress_bars, load_dataset

disable_progress_bars()
print("datasets", version("datasets"))


def loaded(name, values):
    rows = [{"score": 0.123456789012345, "arguments": {"value": value}} for value in values]
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    dataset = load_dataset("json", data_files=name, split="train", cache_dir=name + ".cache")
    print(name, dataset.features)
    back = [row["arguments"]["value"] for row in dataset]
    for value, read in zip(values, back, strict=True):
        print(f"    {value!r:>8} is read as {read!r}")
    print("    the scores are read as", set(dataset["score"]))
    return back, set(dataset["score"])


texts = ["007", "true", "null", "NaN", "1e5", "plain"]
alone = loaded("texts_alone.jsonl", texts)
mixed = loaded("texts_and_a_number.jsonl", [*texts, 7])

assert alone == (texts, {0.123456789012345})
assert mixed == ([7, True, None, None, 100000.0, "plain", 7], {0.123456789})
PYTHON
