"""MLflow: the traces of an experiment, found by `traces/search`, with their spans.

Spans lie in the server's database, or in a file beside the trace where an older client or server wrote it.
Assessments stand beside the trace.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from distil_dag.adapters.logs.apis.by_time import EPOCH, Answer, pages_by_time
from distil_dag.adapters.logs.apis.service import Service, Window, bearer, json_of
from distil_dag.adapters.system.environment import SourceError
from distil_dag.core.api_sources import MlflowSource
from distil_dag.stages.reading.strict_values import read_time

_PAGE = 100
_MILLISECOND = timedelta(milliseconds=1)
_SPANS_AT_ONCE = 10  # as many traces as a server of Databricks gives
_LOCATION = "mlflow.trace.spansLocation"
_IN_FILES = frozenset({None, "ARTIFACT_REPO"})


def service(source: MlflowSource) -> Service:
    """The API of an `mlflow` source."""

    def pages(client: Any, window: Window) -> Iterator[list[Any]]:
        experiment = _experiment(client, source.experiment)

        def ask(since: datetime, until: datetime, token: Any) -> Answer:
            body = {
                "locations": [
                    {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
                ],
                "max_results": _PAGE,
                "order_by": ["timestamp_ms ASC"],
                "filter": f"timestamp_ms >= {_unix(since)} AND timestamp_ms <= {_unix(until)}",
                "page_token": token or "",
            }
            said = json_of(client.post("api/3.0/mlflow/traces/search", json=body))
            return Answer(said.get("traces", []), said.get("next_page_token") or None)

        for traces in pages_by_time(ask, window, _time, _MILLISECOND):
            for start in range(0, len(traces), _SPANS_AT_ONCE):
                yield list(_spans(client, traces[start : start + _SPANS_AT_ONCE]))

    if source.user:
        auth: Any = {"type": "http_basic", "username": source.user, "password": source.password or ""}
    else:
        auth = bearer(source.password)
    return Service(url=source.url, pages=pages, auth=auth)


def _experiment(client: Any, name: str) -> str:
    found = client.get("api/2.0/mlflow/experiments/get-by-name", params={"experiment_name": name})
    if found.status_code == 404:
        raise SourceError(f"traces.experiment: the server has no experiment {name!r}")
    return str(json_of(found)["experiment"]["experiment_id"])


def _unix(time: datetime) -> int:
    return (time - EPOCH) // _MILLISECOND


def _time(trace: Any) -> datetime:
    time = read_time(trace.get("request_time"))
    if time is None:
        raise SourceError(f"MLflow gives no request_time of trace {trace.get('trace_id')}")
    return time


def _spans(client: Any, traces: list[Any]) -> Iterator[Any]:
    """The spans of traces, each with its trace's time, so that a window holds whole traces."""
    stored = [trace["trace_id"] for trace in traces if _location(trace) not in _IN_FILES]
    whole: dict[str, Any] = {}
    if stored:
        said = json_of(client.get("api/3.0/mlflow/traces/batchGet", params={"trace_ids": stored}))
        whole = {trace["trace_info"]["trace_id"]: trace.get("spans", []) for trace in said.get("traces", [])}
    for trace in traces:
        name = trace["trace_id"]
        if _location(trace) in _IN_FILES:
            file = client.get("ajax-api/2.0/mlflow/get-trace-artifact", params={"request_id": name})
            whole[name] = json_of(file).get("spans", []) if file.status_code != 404 else []
        # Inner spans first, as they ended: what stands around them repeats their answers.
        # A trace without spans, such as one that has not ended, is a record without an answer.
        for span in sorted(whole.get(name) or [trace], key=_ending):
            said = [one for one in trace.get("assessments", ()) if _is_of(one, span)]
            yield {**span, "request_time": trace["request_time"], **({"assessments": said} if said else {})}


def _is_of(assessment: Any, span: Any) -> bool:
    """Whether an assessment holds, and is one of this span or of the whole trace."""
    of_span = assessment.get("span_id")
    return assessment.get("valid") is not False and of_span in (None, "", _hex(span.get("span_id")))


def _hex(name: Any) -> Any:
    """A span's id as assessments write it; spans have it in Base64."""
    try:
        return base64.b64decode(name, validate=True).hex()
    except (TypeError, ValueError):
        return name


def _ending(span: Any) -> tuple[int, int]:
    return int(span.get("end_time_unix_nano") or 0), -int(span.get("start_time_unix_nano") or 0)


def _location(trace: Any) -> str | None:
    location: str | None = (trace.get("tags") or {}).get(_LOCATION)
    return location
