#!/usr/bin/env bash
# langchain-core 1.8.3: the dump of a result has no tool calls; the dump of its message has.
#
# Expected: `LLMResult.model_dump()`, which callbacks are given in `on_llm_end`, holds what the result holds.
# Seen: the message in it has its text and its metadata; `tool_calls`, `invalid_tool_calls` and `usage_metadata` are
# missing, since the field is annotated with the base class of messages. `message.model_dump()` has them all.
# Why it matters: a callback that logs the dumped result logs every call of a tool as an empty answer, which looks
# like "no tool was needed".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet langchain-core==1.8.3
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult

message = AIMessage(content="", tool_calls=[{"name": "set_light", "args": {"room": "den"}, "id": "call1"}])
result = LLMResult(generations=[[ChatGeneration(message=message)]])
dumped = result.model_dump()["generations"][0][0]["message"]
by_itself = result.generations[0][0].message.model_dump()
print("langchain-core", version("langchain-core"))
print("the message in the dumped result:", dumped)
print("the message dumped by itself:", by_itself)
assert "tool_calls" not in dumped and dumped["content"] == ""
assert by_itself["tool_calls"][0]["args"] == {"room": "den"}
PYTHON
