#!/usr/bin/env bash
# litellm 1.106.4: `stream_chunk_builder` writes on standard output.
#
# Expected: a function that puts the chunks of a streamed answer together returns the answer and prints
# nothing, or warns by the log.
# Seen: with the model name that a server of one's own gives in its chunks, "Provider List: …" with colour
# codes is printed on standard output. The answer is whole.
# Why it matters: programs that speak on standard output break by it, such as MCP servers over stdio or
# commands with --json.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet litellm==1.106.4
cd "$folder"
LITELLM_LOCAL_MODEL_COST_MAP=True "$folder/venv/bin/python" - <<'PYTHON'
import contextlib
import io
from importlib.metadata import version

import litellm
from litellm.types.utils import Delta, ModelResponseStream, StreamingChoices


def chunk(words=None, ended=None):
    choice = StreamingChoices(index=0, delta=Delta(role="assistant", content=words), finish_reason=ended)
    return ModelResponseStream(id="chatcmpl-1", created=1, model="my-server", choices=[choice])


printed = io.StringIO()
with contextlib.redirect_stdout(printed):
    answer = litellm.stream_chunk_builder([chunk("light "), chunk("on"), chunk(ended="stop")])
print("litellm", version("litellm"))
print("answer:", repr(answer.choices[0].message.content))
print("on standard output:", repr(printed.getvalue()))
assert answer.choices[0].message.content == "light on"
assert "Provider List" in printed.getvalue()
PYTHON
