#!/usr/bin/env bash
# openinference-instrumentation-openai 0.1.66 beside opentelemetry-sdk 1.45.2: of a long chat the beginning is not
# in its span, and what is left reads like a shorter chat.
#
# Expected: a span holds the request that was sent, or says which part of it is missing.
# Seen: each message is two attributes, and a span keeps 128 of them and drops the oldest. Of 82 messages the first
# 20 are gone, the system prompt among them, and so are `input.value`, which holds the whole request, and the tools.
# The number of dropped attributes is in the span, but not which they were; the messages that are left keep their
# numbers, which begin at 20.
# Why it matters: an agent's longest conversations become training rows without their system prompt and their
# first request. Set OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT where spans are recorded.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet openinference-instrumentation-openai==0.1.66 opentelemetry-sdk==1.45.2 openai==3.51.0
cat > "$folder/chat.py" <<'PYTHON'
import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from openai import OpenAI
from openinference.instrumentation.openai import OpenAIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

logging.disable(logging.WARNING)  # one line for each attribute that is dropped


class Service(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        choice = {"index": 0, "message": {"role": "assistant", "content": "Done."}, "finish_reason": "stop"}
        answer = {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
spans, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
OpenAIInstrumentor().instrument(tracer_provider=provider)
messages = [{"role": "system", "content": "You run a house."}]
messages += [{"role": "assistant" if n % 2 else "user", "content": f"turn {n}"} for n in range(81)]
function = {"name": "set_light", "parameters": {"type": "object", "properties": {}}}
OpenAI(base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="any").chat.completions.create(
    model="m", messages=messages, tools=[{"type": "function", "function": function}]
)
(span,) = spans.get_finished_spans()
kept = sorted({int(name.split(".")[2]) for name in span.attributes if name.startswith("llm.input_messages.")})
whole, tools = "input.value" in span.attributes, any(name.startswith("llm.tools.") for name in span.attributes)
print(f"{len(messages)} messages sent, {len(kept)} in the span, from number {kept[0]}; "
      f"input.value: {whole}, tools: {tools}, attributes dropped: {span.dropped_attributes}")
print(json.dumps([len(messages), len(kept), kept[0], whole, tools]))
PYTHON
"$folder/venv/bin/pip" list 2>/dev/null | grep -E '^(openinference-instrumentation-openai|opentelemetry-sdk|openai) '
by_default=$("$folder/venv/bin/python" "$folder/chat.py")
raised=$(OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT=10000 "$folder/venv/bin/python" "$folder/chat.py")
printf 'by default: %s\nwith a limit of 10000: %s\n' "${by_default%$'\n'*}" "${raised%$'\n'*}"
[[ "$by_default" == *'[82, 62, 20, false, false]' ]]
[[ "$raised" == *'[82, 82, 0, true, true]' ]]
