"""A task folder made of what each recorder wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from distil_dag.adapters.tasks.folder import read_task
from distil_dag_tests.cli.logs.some_logs import SYSTEM
from distil_dag_tests.cli.logs.test_init_from import ids, light_of
from distil_dag_tests.cli.test_cli import Call, call
from distil_dag_tests.stages.reading.recorders.samples import SAMPLES

__all__ = ["call"]

# Whether a request in the file of a recorder has definitions of tools, and the file so has them.
DEFINED = {
    "ai-sdk": True,
    "braintrust": True,
    "langchain-openai": True,
    "langfuse": True,
    "langsmith": True,
    "litellm": True,
    "logfire": True,
    "mlflow": True,
    "mlflow-search-traces": True,
    "openai-agents": False,
    "openinference-instrumentation-openai": True,
    "openlit": True,
    "opentelemetry-instrumentation-genai-openai": True,
    "opentelemetry-instrumentation-openai": True,
    "opentelemetry-instrumentation-openai-v2": False,
    "pydantic-ai": True,
    "smolagents": False,
}


def test_every_recorder_is_tried() -> None:
    files = {path.stem for path in SAMPLES.glob("*.jsonl")} - {"index"}
    assert files == set(DEFINED)


@pytest.mark.parametrize("name", DEFINED)
def test_a_recorders_log_gives_its_tool(name: str, call: Call, tmp_path: Path) -> None:
    said = call("init", "--from", SAMPLES / f"{name}.jsonl", tmp_path / "found")
    assert said.code == 0, said.err
    light = light_of(tmp_path / "found")
    parameters = light["parameters"]
    assert parameters["properties"] == {"room": {"type": "string"}, "level": {"type": "integer"}}
    assert sorted(parameters["required"]) == ["level", "room"]
    assert light["description"].startswith("REVIEW") is not DEFINED[name]
    assert ("REVIEW" in said.out) is not DEFINED[name]
    assert "versions" not in said.out
    assert ids(tmp_path / "found")
    if name != "smolagents":
        assert read_task(tmp_path / "found").description == SYSTEM
