"""Amazon MASSIVE as a log of tool calls: one JSON line of `messages` a request.

    python examples/massive_iot/from_hub.py massive_iot.jsonl
    export DISTIL_DAG_MASSIVE_TRACES=$PWD/massive_iot.jsonl

The intent is the tool, the annotated slots are its arguments, all of them text. It reads the Hugging Face
dataset `AmazonScience/massive`, or with `--source en-US.jsonl` the file of that name in the archive that
https://github.com/alexa/massive links to.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

DATASET, CONFIG = "AmazonScience/massive", "en-US"
# Published as a loading script, which `datasets` no longer runs; the Hub keeps a converted copy.
REVISION = "refs/convert/parquet"

_SLOT = re.compile(r"\[\s*([^:\]]+?)\s*:\s*([^\]]*?)\s*\]")


def read_slots(annotated: str) -> dict[str, str]:
    """The slots of an `annot_utt`: `dim the [house_place : den]` gives `{"house_place": "den"}`.

    A slot that stands twice keeps its last value: a function has each argument once.
    """
    return dict(_SLOT.findall(annotated))


def conversations(rows: Iterable[Mapping[str, Any]], scenario: str = "iot") -> Iterator[dict[str, Any]]:
    """The rows of a scenario as conversations: the request, and the call that its annotation means."""
    for row in rows:
        if row["scenario"] != scenario:
            continue
        arguments = json.dumps(read_slots(row["annot_utt"]), ensure_ascii=False)
        call = {"type": "function", "function": {"name": row["intent"], "arguments": arguments}}
        yield {
            "id": f"massive-{row['id']}",
            "messages": [
                {"role": "user", "content": row["utt"]},
                {"role": "assistant", "tool_calls": [call]},
            ],
        }


def hub_rows() -> Iterator[dict[str, Any]]:
    """All rows of the dataset on the Hub, with the names of classes in place of their numbers."""
    from datasets import load_dataset

    for split in load_dataset(DATASET, CONFIG, revision=REVISION).values():
        named = {name: feature for name, feature in split.features.items() if hasattr(feature, "int2str")}
        for row in split:
            yield {
                name: named[name].int2str(value) if name in named else value for name, value in row.items()
            }


def file_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a JSONL file of the original archive."""
    with path.open(encoding="utf-8") as file:
        yield from (json.loads(line) for line in file if line.strip())


def main() -> None:
    """Write the conversations of one scenario as JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", type=Path, help="the JSONL file to write")
    parser.add_argument("--source", type=Path, help="en-US.jsonl of the archive, in place of the Hub")
    parser.add_argument("--scenario", default="iot")
    given = parser.parse_args()
    rows = file_rows(given.source) if given.source else hub_rows()
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in conversations(rows, given.scenario)]
    given.target.write_text("".join(lines), encoding="utf-8")
    print(f"{given.target}: {len(lines)} requests")


if __name__ == "__main__":
    main()
