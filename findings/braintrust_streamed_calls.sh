#!/usr/bin/env bash
# braintrust 0.48.1 beside openai 3.51.0: of two streamed tool calls one is lost, or both are mixed up, in the log.
#
# Expected: what `wrap_openai` logs of a streamed answer is what the client puts together by the index of each call.
# Seen: of two calls in one chunk only the first is logged, and nothing in the record shows that there was another.
# Where chunks of two calls alternate, all arguments go to the call that came last: the first call has none, the
# second has `{...}{...}`, which is no JSON.
# Why it matters: who trains or evaluates on such a log learns that one call was enough. Log without streaming.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
# The helper that keeps logged rows in memory imports pytest.
"$folder/venv/bin/pip" install --quiet braintrust==0.48.1 openai==3.51.0 pytest==9.2.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

import braintrust
from braintrust.logger import _internal_with_memory_background_logger
from braintrust.test_helpers import init_test_logger
from openai import OpenAI


def part(index, **function):
    begins = {"id": f"call{index}", "type": "function"} if "name" in function else {}
    return {"index": index, **begins, "function": function}


DEN, HALL = '{"room": "den"}', '{"room": "hall"}'
STREAMS = {
    "two calls in one chunk": [
        [part(0, name="set_light", arguments=DEN), part(1, name="set_light", arguments=HALL)],
    ],
    "alternating chunks": [
        [part(0, name="set_light", arguments="")],
        [part(1, name="set_light", arguments="")],
        [part(0, arguments=DEN)],
        [part(1, arguments=HALL)],
    ],
}


class Service(BaseHTTPRequestHandler):
    streamed = []

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for parts in [*self.streamed, None]:
            choice = {
                "index": 0,
                "delta": {"role": "assistant", "tool_calls": parts} if parts else {},
                "finish_reason": None if parts else "tool_calls",
            }
            chunk = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = braintrust.wrap_openai(OpenAI(base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="any"))
print("braintrust", version("braintrust"), "openai", version("openai"))
logged = {}
for name, Service.streamed in STREAMS.items():
    with _internal_with_memory_background_logger() as memory:
        init_test_logger("lights")
        calls = {}
        asked = [{"role": "user", "content": "light in the den and in the hall"}]
        for chunk in client.chat.completions.create(model="m", messages=asked, stream=True):
            for one in chunk.choices[0].delta.tool_calls or []:
                calls[one.index] = calls.get(one.index, "") + (one.function.arguments or "")
        (row,) = memory.pop()
    logged[name] = [call["function"]["arguments"] for call in row["output"][0]["message"]["tool_calls"]]
    print(f"{name}: the client has {list(calls.values())}, the log {logged[name]}")
    assert list(calls.values()) == [DEN, HALL]
assert logged == {"two calls in one chunk": [DEN], "alternating chunks": ["", DEN + HALL]}
PYTHON
