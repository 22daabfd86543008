"""Every sample of a real recorder is read right, set aside with the setting that helps, or no answer."""

import contextlib
import json
import random
from datetime import UTC, datetime

import pytest

from distil_dag_tests.stages.reading.recorders.samples import SAMPLES, index, read_log, sample

# (file, line) -> how the reason begins; of these lines the content is not in the record.
SET_ASIDE = {
    ("opentelemetry-instrumentation-genai-openai.jsonl", 1):
        "content is not logged; set OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=SPAN_ONLY",
    ("opentelemetry-instrumentation-openai-v2.jsonl", 1):
        "content is not logged; set OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true",
    ("opentelemetry-instrumentation-openai-v2.jsonl", 2):
        "content is not logged; set OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true",
    ("openinference-instrumentation-openai.jsonl", 6): "content is not logged; set OPENINFERENCE_HIDE_INPUTS",
    ("litellm.jsonl", 4): "content is not logged; set litellm_settings.turn_off_message_logging: false",
    ("litellm.jsonl", 5): "content is not logged; set litellm_settings.turn_off_message_logging: false",
    ("langsmith.jsonl", 5): "no response",
    ("langsmith.jsonl", 6): "no request",
    ("pydantic-ai.jsonl", 3): "content is not logged; set InstrumentationSettings(include_content=True)",
    ("openai-agents.jsonl", 15): "content is not logged; use OpenAIChatCompletionsModel",
    ("openai-agents.jsonl", 21): "content is not logged; set RunConfig(trace_include_sensitive_data=True)",
    ("braintrust.jsonl", 7): "streamed calls were mixed up",
    ("openlit.jsonl", 6): "unreadable call",
    ("langchain-openai.jsonl", 2): "content is not logged; log runs of a tracer",
    ("langchain-openai.jsonl", 4): "content is not logged; log runs of a tracer",
    ("langchain-openai.jsonl", 6): "content is not logged; log runs of a tracer",
    ("langchain-openai.jsonl", 7): "content is not logged; log runs of a tracer",
    ("langchain-openai.jsonl", 9): "content is not logged; log runs of a tracer",
    ("langchain-openai.jsonl", 10): "content is not logged; log runs of a tracer",
    ("langchain-openai.jsonl", 11): "unreadable call",
    ("ai-sdk.jsonl", 4): "content is not logged; give telemetry recordInputs: true and recordOutputs: true",
}  # fmt: skip
LINES = [pytest.param(line, id=f"{line['file']}:{line['line']}") for line in index()]
ASKED = {
    1: "Set the den light to 40 percent.",
    2: "Set the den light to 40 percent and the hall light to 10.",
}


@pytest.mark.parametrize("line", LINES)
def test_a_sample_is_read_right_or_set_aside_by_name(line):
    log = read_log(sample(line["file"], line["line"]))
    key = line["file"], line["line"]
    if key in SET_ASIDE:
        assert log.calls == []
        assert log.reasons
        assert all(reason.startswith(SET_ASIDE[key]) for reason in log.reasons)
        return
    assert log.reasons == []
    # Text after a tool's result, and what is no answer of a model, chooses no tool.
    assert log.calls == ([line["calls"]] if line["calls"] else [])
    if not line["calls"]:
        assert log.report.passed_over + sum(log.report.no_answers.values()) > 0


@pytest.mark.parametrize("line", LINES)
def test_the_conversation_before_the_call_is_whole(line):
    for trace in read_log(sample(line["file"], line["line"])).traces:
        system, user, *later = trace.messages
        assert system.role == "system"
        assert "light" in system.content
        assert user.role == "user"
        # Some were asked for it politely, or for a way of streaming.
        asked = ASKED[len(trace.calls)].rstrip(".")
        assert user.content.startswith(asked)
        assert len(user.content) < len(asked) + 20
        if later:
            assistant, tool = later
            assert [call.arguments for call in assistant.tool_calls] == [{"room": "den", "level": 40}]
            assert tool.content == '{"ok": true}'


def test_all_of_a_file_is_joined_and_counted_once():
    found = {}
    for path in sorted(SAMPLES.glob("*.jsonl")):
        if path.name != "index.jsonl":
            lines = len(path.read_text(encoding="utf-8").splitlines())
            log = read_log(*(sample(path.name, line) for line in range(1, lines + 1)))
            found[path.name] = len(log.traces), len(log.quarantine)
            assert len({trace.id for trace in log.traces}) == len(log.traces)
    assert found == {
        "ai-sdk.jsonl": (4, 2),
        "braintrust.jsonl": (5, 1),
        "langchain-openai.jsonl": (2, 6),
        "langfuse.jsonl": (5, 0),
        "langsmith.jsonl": (4, 0),
        "litellm.jsonl": (2, 2),
        "logfire.jsonl": (5, 0),
        "mlflow-search-traces.jsonl": (2, 0),
        "mlflow.jsonl": (3, 0),
        "openai-agents.jsonl": (2, 2),
        "openinference-instrumentation-openai.jsonl": (5, 1),
        "openlit.jsonl": (4, 1),
        "opentelemetry-instrumentation-genai-openai.jsonl": (7, 1),
        "opentelemetry-instrumentation-openai-v2.jsonl": (6, 1),
        "opentelemetry-instrumentation-openai.jsonl": (6, 0),
        "pydantic-ai.jsonl": (3, 2),
        "smolagents.jsonl": (3, 0),
    }


def test_samples_are_small():
    assert all(path.stat().st_size < 50_000 for path in SAMPLES.iterdir())


@pytest.mark.parametrize(
    ("file", "line", "started", "latency"),
    [
        ("pydantic-ai.jsonl", 1, datetime(2026, 11, 30, 3, 51, 35, 383857, UTC), 81.737),
        ("langfuse.jsonl", 1, datetime(2026, 11, 30, 3, 45, 14, 617067, UTC), 94.306252),
        ("langsmith.jsonl", 1, datetime(2026, 11, 30, 3, 46, 59, 117401, UTC), 73.039),
        ("litellm.jsonl", 2, datetime(2026, 11, 30, 3, 48, 0, 562205, UTC), 20.651),
        ("mlflow.jsonl", 1, datetime(2026, 11, 30, 3, 50, 27, 165626, UTC), 120.721753),
        ("openai-agents.jsonl", 1, datetime(2026, 11, 30, 3, 53, 41, 494066, UTC), 437.779),
        ("smolagents.jsonl", 3, datetime(2026, 11, 30, 4, 1, 9, 148042, UTC), 6.226),
    ],
)  # fmt: skip
def test_times_and_the_model_are_the_recorders(file, line, started, latency):
    (trace,) = read_log(sample(file, line)).traces
    assert abs((trace.time - started).total_seconds()) < 1e-5
    assert trace.latency_ms == pytest.approx(latency, abs=1e-3)
    assert trace.model.startswith("gpt-4o-mini")


def broken(value, rng):
    """A copy of a sample with one of its parts gone or replaced, also inside of JSON text."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        with contextlib.suppress(ValueError):
            return json.dumps(broken(json.loads(value), rng))
    if not value or not isinstance(value, (dict, list)) or rng.random() < 0.1:
        return rng.choice([None, 1, "x", "", [], {}, [None], {"a": 1}, '{"a', True])
    place = rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[place] = broken(value[place], rng)
    return copy


@pytest.mark.parametrize("file", sorted({line["file"] for line in index()}))
def test_a_broken_sample_ends_no_run(file):
    rng = random.Random(file)
    lines = (SAMPLES / file).read_text(encoding="utf-8").splitlines()
    for _ in range(40):
        values = [json.loads(line) for line in lines]
        place = rng.randrange(len(values))
        for _ in range(rng.choice([1, 2, 3])):
            values[place] = broken(values[place], rng)
        read_log(*values[max(0, place - 2) : place + 2])
