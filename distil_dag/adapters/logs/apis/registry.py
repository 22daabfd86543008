"""The services that are known, by the kind of their source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from distil_dag.adapters.logs.apis import litellm, mlflow, phoenix, rest
from distil_dag.adapters.logs.apis.aggregators import clickhouse, cloudwatch, datadog, elasticsearch, loki
from distil_dag.adapters.logs.apis.hosted import braintrust, helicone, langfuse, langsmith, logfire, openai
from distil_dag.adapters.logs.apis.service import Service
from distil_dag.core.api_sources import ApiSource

SERVICES: Mapping[str, Callable[[Any], Service]] = {
    "rest": rest.service,
    "elasticsearch": elasticsearch.service,
    "opensearch": elasticsearch.service,
    "loki": loki.service,
    "cloudwatch": cloudwatch.service,
    "datadog": datadog.service,
    "clickhouse": clickhouse.service,
    "langfuse": langfuse.service,
    "langsmith": langsmith.service,
    "openai": openai.service,
    "helicone": helicone.service,
    "braintrust": braintrust.service,
    "logfire": logfire.service,
    "phoenix": phoenix.service,
    "mlflow": mlflow.service,
    "litellm": litellm.service,
}


def service_of(source: ApiSource) -> Service:
    """The service that a source names."""
    return SERVICES[source.kind](source)
