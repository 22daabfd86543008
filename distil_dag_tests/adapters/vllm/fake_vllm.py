"""Looks like vLLM from outside: two processes, an HTTP server with a key, a log; it loads no model.

It says a chat's last words backwards, and of a prompt of token ids what they are. Conversations it
renders as ChatML, behind a system turn of its own if its `--fault` is `meddling`, in the tokens of the
model's folder. Started without a parser of tool calls, it refuses `tools` as vLLM does.
`--fault` says how it fails: `loading` (dies before it is ready), `deaf` (ignores SIGTERM, as its engine
then does too), `poisoned` (a request that holds the word "poison" ends it at once), `crashing` (such a
request ends its engine: as vLLM does, it answers all that is under way with 500 and exits a little later).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ENGINE = "import signal, time; signal.signal(signal.SIGTERM, {}); time.sleep(600)"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/health":
            return self._say(503 if CRASHED.is_set() else 200, {})
        if self.path == "/version":
            return self._say(200, {"version": "0.0.fake"})
        self._say(200, {"object": "list", "data": [{"id": "m", "object": "model", "owned_by": "vllm"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["Authorization"] != f"Bearer {os.environ['VLLM_API_KEY']}":
            return self._say(401, {"error": "Unauthorized"})
        if self.path == "/tokenize":
            return self._say(200, {"tokens": tokens(body["messages"]), "max_model_len": 512})
        if self.path == "/v1/completions":
            return self._complete(body["prompt"])
        if body.get("tools") and body.get("tool_choice", "auto") != "none":
            message = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
            return self._say(400, {"error": {"message": message, "type": "BadRequestError", "code": 400}})
        said = body["messages"][-1]["content"]
        if "poison" in said and ARGUMENTS.fault == "poisoned":
            print("EngineCore encountered a fatal error: poison", flush=True)
            ENGINE_PROCESS.kill()
            time.sleep(0.2)  # what else is under way at that moment goes down with it
            os._exit(1)
        if "poison" in said and ARGUMENTS.fault == "crashing":
            CRASHED.set()
            threading.Timer(2.0, os._exit, [0]).start()
        if CRASHED.wait(ARGUMENTS.seconds):
            return self._say(500, {"error": {"message": "EngineCore encountered an issue"}})
        usage = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
        message = {"role": "assistant", "content": said[::-1]}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        self._say(200, {"id": "1", "object": "chat.completion", "created": 0, "model": "m",
                        "choices": [choice], "usage": usage})  # fmt: skip

    def _complete(self, prompt: list[int]) -> None:
        usage = {"prompt_tokens": len(prompt), "completion_tokens": 1, "total_tokens": len(prompt) + 1}
        choice = {"index": 0, "text": json.dumps(prompt), "finish_reason": "stop", "logprobs": None}
        self._say(200, {"id": "1", "object": "text_completion", "created": 0, "model": "m",
                        "choices": [choice], "usage": usage})  # fmt: skip

    def _say(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@cache
def tokenizer() -> Any:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(Path(ARGUMENTS.model) / "tokenizer.json"))


def tokens(messages: list[dict[str, Any]]) -> list[int]:
    meddled = [{"role": "system", "content": "You are helpful."}] if ARGUMENTS.fault == "meddling" else []
    turns = [f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in meddled + messages]
    return tokenizer().encode("".join(turns) + "<|im_start|>assistant\n").ids


parser = argparse.ArgumentParser()
for option in ("--model", "--host", "--port", "--revision", "--fault"):
    parser.add_argument(option)
parser.add_argument("--seconds", type=float, default=0.0)
ARGUMENTS = parser.parse_args()
CRASHED = threading.Event()

deaf = ARGUMENTS.fault == "deaf"
if deaf:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
engine = ENGINE.format("signal.SIG_IGN" if deaf else "signal.SIG_DFL")
ENGINE_PROCESS = subprocess.Popen([sys.executable, "-c", engine])
print(f"loading {ARGUMENTS.model}", flush=True)
if ARGUMENTS.fault == "loading":
    print("ValueError: no such quantisation", flush=True)
    ENGINE_PROCESS.kill()
    sys.exit(3)


def stop(*_: Any) -> None:
    ENGINE_PROCESS.kill()
    os._exit(0)


if not deaf:
    signal.signal(signal.SIGTERM, stop)
server = ThreadingHTTPServer((ARGUMENTS.host, int(ARGUMENTS.port)), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
while True:
    time.sleep(60)
