"""A stand-in of a teacher: OpenAI's chat completions over HTTP, whole and streamed, that answers as told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Calls = Callable[[str], list[tuple[str, dict[str, Any]]]]


class Teacher:
    """Answers by `calls`, from the last user's words to calls; none of them means words.

    `status` other than 200 makes it fail; `gate` holds back all of a stream but its first chunk.
    """

    def __init__(self, calls: Calls) -> None:
        self.calls, self.status, self.headers = calls, 200, {}
        self.requests: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.broken = threading.Event()
        self.seconds = 0.0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length", 0)))
                body = json.loads(raw)
                outer.requests.append((self.path, body, {k.lower(): v for k, v in self.headers.items()}))
                time.sleep(outer.seconds)
                if self.path.endswith("/responses") and outer.status == 200:
                    self.respond(outer.completion(in_chat_form(body)), body)
                elif outer.status != 200:
                    error = {"error": {"message": "told to fail", "type": "server_error"}}
                    self.whole(outer.status, error)
                elif body.get("stream"):
                    self.stream(outer.completion(body), body)
                else:
                    self.whole(200, outer.completion(body))

            def respond(self, completion: dict[str, Any], body: dict[str, Any]) -> None:
                response = response_of(completion)
                if not body.get("stream"):
                    self.whole(200, response)
                    return
                events = [
                    {"type": "response.created", "response": {**response, "output": []}},
                    *(event for place, item in enumerate(response["output"]) for event in steps(place, item)),
                    {"type": "response.completed", "response": response},
                ]
                lines = [
                    f"event: {event['type']}\ndata: {json.dumps({**event, 'sequence_number': n})}\n\n"
                    for n, event in enumerate(events)
                ]
                data = "".join(lines).encode()
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def whole(self, status: int, body: dict[str, Any]) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def stream(self, whole: dict[str, Any], body: dict[str, Any]) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/event-stream; charset=utf-8")
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                head = {key: whole[key] for key in ("id", "created", "model")}
                head["object"] = "chat.completion.chunk"
                choice = whole["choices"][0]
                message = choice["message"]
                try:
                    for place, delta in enumerate(deltas(message)):
                        self.event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
                        if place == 0:
                            while not outer.gate.wait(0.05):
                                self.chunk(b": waiting\n\n")
                    ended = {"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}
                    self.event({**head, "choices": [ended]})
                    if (body.get("stream_options") or {}).get("include_usage"):
                        self.event({**head, "choices": [], "usage": whole["usage"]})
                    self.chunk(b"data: [DONE]\n\n")
                    self.chunk(b"")
                except OSError:
                    outer.broken.set()  # the client of the stand-in has left
                    self.close_connection = True

            def event(self, data: dict[str, Any]) -> None:
                self.chunk(b"data: " + json.dumps(data).encode() + b"\n\n")

            def chunk(self, data: bytes) -> None:
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
                self.wfile.flush()

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def completion(self, body: dict[str, Any]) -> dict[str, Any]:
        words = next(m["content"] for m in reversed(body["messages"]) if m["role"] == "user")
        may_call = body.get("tools") and body["messages"][-1]["role"] == "user"
        called = self.calls(str(words)) if may_call else []
        message: dict[str, Any] = {"role": "assistant", "content": None if called else "As you wish."}
        if called:
            message["tool_calls"] = [
                {
                    "id": f"call_{place}",
                    "type": "function",
                    "function": {"name": name, "arguments": json.dumps(arguments)},
                }
                for place, (name, arguments) in enumerate(called)
            ]
        return {
            "id": f"chatcmpl-teacher{len(self.requests)}",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [
                {"index": 0, "message": message, "finish_reason": "tool_calls" if called else "stop"}
            ],
            "usage": {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010},
        }

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()


def deltas(message: dict[str, Any]) -> list[dict[str, Any]]:
    if "tool_calls" not in message:
        return [{"role": "assistant", "content": ""}, {"content": message["content"]}]
    found: list[dict[str, Any]] = []
    for index, call in enumerate(message["tool_calls"]):
        text = call["function"]["arguments"]
        opened = {**call, "index": index, "function": {"name": call["function"]["name"], "arguments": ""}}
        found.append({"role": "assistant", "content": None, "tool_calls": [opened]})
        for part in (text[:5], text[5:]):
            found.append({"tool_calls": [{"index": index, "function": {"arguments": part}}]})
    return found


def in_chat_form(body: dict[str, Any]) -> dict[str, Any]:
    given = body["input"]
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    messages = [{"role": "tool", **item} for item in items]  # an item without a role is a call or its result
    return {"model": body["model"], "tools": body.get("tools"), "messages": messages}


def response_of(completion: dict[str, Any]) -> dict[str, Any]:
    message, usage = completion["choices"][0]["message"], completion["usage"]
    output: list[dict[str, Any]] = [
        {
            "type": "function_call",
            "id": f"fc_{call['id']}",
            "call_id": call["id"],
            "status": "completed",
            **call["function"],
        }
        for call in message.get("tool_calls", [])
    ]
    text = {"type": "output_text", "text": message["content"], "annotations": []}
    words = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [text]}
    return {
        "id": completion["id"].replace("chatcmpl-", "resp_"),
        "object": "response",
        "created_at": 1,
        "model": completion["model"],
        "status": "completed",
        "output": output or [words],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": usage["prompt_tokens"],
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": usage["completion_tokens"],
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage["total_tokens"],
        },
    }


def steps(place: int, item: dict[str, Any]) -> list[dict[str, Any]]:
    at, named = {"output_index": place}, {"output_index": place, "item_id": item["id"]}
    if item["type"] == "function_call":
        opened = {**item, "status": "in_progress", "arguments": ""}
        kind = "response.function_call_arguments"
        parts = [
            {"type": f"{kind}.delta", **named, "delta": item["arguments"]},
            {"type": f"{kind}.done", **named, "name": item["name"], "arguments": item["arguments"]},
        ]
    else:
        (part,) = item["content"]
        opened = {**item, "status": "in_progress", "content": []}
        named |= {"content_index": 0}
        parts = [
            {"type": "response.content_part.added", **named, "part": {**part, "text": ""}},
            {"type": "response.output_text.delta", **named, "delta": part["text"], "logprobs": []},
            {"type": "response.output_text.done", **named, "text": part["text"], "logprobs": []},
            {"type": "response.content_part.done", **named, "part": part},
        ]
    return [
        {"type": "response.output_item.added", **at, "item": opened},
        *parts,
        {"type": "response.output_item.done", **at, "item": item},
    ]
