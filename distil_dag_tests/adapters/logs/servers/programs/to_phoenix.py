"""Calls of the demo to a Phoenix, by its own client and OpenInference's attributes.

`python to_phoenix.py URL DATABASE FIRST LAST` prints the id of each call with that of its span.
"""

import json
import sys

from demo_log import calls
from openinference.instrumentation import get_llm_attributes
from openinference.semconv.trace import OpenInferenceSpanKindValues, SpanAttributes
from phoenix.otel import register

provider = register(
    endpoint=f"{sys.argv[1]}/v1/traces", protocol="http/protobuf", batch=True, verbose=False,
    set_global_tracer_provider=False,
)  # fmt: skip
tracer = provider.get_tracer("demo")
spans = {}
for name, start, end, request, response in calls():
    answer = response["choices"][0]["message"]
    message = {"role": "assistant"}
    if answer["content"]:
        message["content"] = answer["content"]
    if answer.get("tool_calls"):
        message["tool_calls"] = answer["tool_calls"]
    span = tracer.start_span(
        "ChatCompletion",
        start_time=start,
        attributes={
            SpanAttributes.OPENINFERENCE_SPAN_KIND: OpenInferenceSpanKindValues.LLM.value,
            SpanAttributes.INPUT_VALUE: json.dumps(request),
            SpanAttributes.INPUT_MIME_TYPE: "application/json",
            SpanAttributes.OUTPUT_VALUE: json.dumps(response),
            SpanAttributes.OUTPUT_MIME_TYPE: "application/json",
            SpanAttributes.METADATA: json.dumps({"id": name}),
            **get_llm_attributes(
                model_name=request["model"],
                input_messages=request["messages"],
                output_messages=[message],
                tools=[{"json_schema": tool} for tool in request["tools"]],
            ),
        },
    )
    span.end(end)
    context = span.get_span_context()
    spans[name] = f"{context.trace_id:032x}-{context.span_id:016x}"
provider.force_flush()
print(json.dumps(spans))
