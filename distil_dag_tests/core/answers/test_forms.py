"""Every form that model families write is read back as the calls that were written."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from distil_dag.core.answers.parser import parse_answer
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Tool, Toolset
from distil_dag_tests.core.answers.forms import ONE, SEVERAL

SCHEMA = {
    "type": "object",
    "properties": {
        "bed": {"type": "string"},
        "note": {"type": ["string", "null"]},
        "minutes": {"type": "integer"},
        "litres": {"type": "number"},
        "at_once": {"type": "boolean"},
        "rows": {"type": "array", "items": {"type": "string"}},
        "place": {"type": "object", "properties": {"x": {"type": "integer"}, "name": {"type": "string"}}},
    },
}
TOOLS = Toolset(
    [Tool(name=name, parameters=SCHEMA) for name in ("water_bed", "garden.prune", "soil-test", "Plan")]
)
WORDS = st.text(
    alphabet=st.characters(
        categories=("L", "N", "P", "S", "Zs"), exclude_characters="<>[]{}|\uff5c\u2581`\xa0"
    ),
    max_size=12,
).filter(lambda text: text == text.strip() and "Action" not in text)
ARGUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "bed": WORDS,
        "note": st.none() | WORDS.filter(lambda text: text != "null"),
        "minutes": st.integers(-(2**40), 2**40),
        "litres": st.floats(-1e6, 1e6, allow_nan=False).filter(lambda value: not value.is_integer()),
        "at_once": st.booleans(),
        "rows": st.lists(WORDS, max_size=3),
        "place": st.fixed_dictionaries({}, optional={"x": st.integers(0, 9), "name": WORDS}),
    },
)
CALLS = st.builds(ToolCall, name=st.sampled_from(TOOLS.names), arguments=ARGUMENTS)
SLOW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("form", SEVERAL)
@SLOW
@given(calls=st.lists(CALLS, min_size=1, max_size=3))
def test_several_calls_are_read_back_from_every_form(form: str, calls: list[ToolCall]) -> None:
    said = SEVERAL[form](calls)
    answer = parse_answer(said, TOOLS)
    assert (answer.error, list(answer.calls)) == (None, calls), said


@pytest.mark.parametrize("form", ONE)
@SLOW
@given(call=CALLS)
def test_one_call_is_read_back_from_every_form(form: str, call: ToolCall) -> None:
    said = ONE[form](call)
    answer = parse_answer(said, TOOLS)
    assert (answer.error, list(answer.calls)) == (None, [call]), said
