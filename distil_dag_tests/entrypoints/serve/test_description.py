"""What the server says of its routes holds for requests made after it, and for those made against it."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance

from distil_dag_tests.entrypoints.serve.conftest import Shared, gateway_of, served


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_no_request_makes_it_fail(student: Shared, mode: GenerationMode) -> None:
    tried: set[str] = set()
    with gateway_of([served(student, None, max_tokens=4)]) as (server, _):
        schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
        operations = [found.ok() for found in schema.get_all_operations()]

        def one(operation: schemathesis.schemas.APIOperation) -> st.SearchStrategy[schemathesis.Case]:
            return operation.as_strategy(generation_mode=mode)

        @settings(
            max_examples=60,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
            database=None,
        )
        @given(case=st.one_of([one(operation) for operation in operations]))
        def ask(case: schemathesis.Case) -> None:
            tried.add(f"{case.method} {case.path}")
            case.call_and_validate(checks=[not_a_server_error, response_schema_conformance])

        ask()
    assert {"POST /v1/chat/completions", "POST /v1/responses"} <= tried
