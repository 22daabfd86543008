"""Calls of the demo to an MLflow server, by its own client.

`python to_mlflow.py URL DATABASE FIRST LAST` prints the id of each call with that of its span.
With the variable SPANS_IN_FILES the client does what it does where a server keeps no spans.
"""

import json
import os
import sys

import mlflow
from demo_log import calls
from mlflow.store.tracking.rest_store import RestStore


def keeps_no_spans(*_, **__):
    raise NotImplementedError


if os.environ.get("SPANS_IN_FILES"):
    RestStore.log_spans = keeps_no_spans
mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_experiment("demo")
spans = {}
for name, start, end, request, response in calls():
    span = mlflow.start_span_no_context(
        "Completions", span_type="CHAT_MODEL", inputs=request, tags={"call": name}, start_time_ns=start
    )
    span.end(outputs=response, end_time_ns=end)
    spans[name] = f"{span.trace_id.removeprefix('tr-')}-{span.span_id}"
mlflow.flush_trace_async_logging()
print(json.dumps(spans))
