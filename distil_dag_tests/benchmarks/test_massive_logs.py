"""The benchmark's worse logs are what they say, the same each time."""

from __future__ import annotations

import pytest
from massive_logs import LOGS

from distil_dag.core.case import Message, Trace
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Tool, Toolset

PROPERTIES = {"room": {"type": "string"}, "time": {"type": "string"}}
TOOLS = Toolset(
    tools=tuple(
        Tool(name=name, parameters={"type": "object", "properties": PROPERTIES})
        for name in ("light_on", "light_off", "vacuum")
    )
)


@pytest.fixture
def traces() -> list[Trace]:
    return [
        Trace(
            id=f"t{n:03d}",
            messages=(Message(role="user", content=f"request {n} in room {n % 7}"),),
            calls=(ToolCall(name=TOOLS.names[n % 3], arguments={"room": f"room {n % 7}"}),),
        )
        for n in range(60)
    ]


@pytest.mark.parametrize("log", LOGS)
def test_a_log_is_the_same_for_the_same_seed(log: str, traces: list[Trace]) -> None:
    assert LOGS[log](traces, TOOLS, 3) == LOGS[log](traces, TOOLS, 3)


def test_half_of_the_corrupted_calls_are_wrong_under_known_names(traces: list[Trace]) -> None:
    logged = {trace.id: trace.calls for trace in traces}
    found = LOGS["corrupted"](traces, TOOLS, 0)
    assert sum(trace.calls != logged[trace.id] for trace in found) == 30
    assert all(call.name in TOOLS for trace in found for call in trace.calls)


def test_half_of_the_renamed_calls_have_names_that_no_tool_has(traces: list[Trace]) -> None:
    found = LOGS["renamed"](traces, TOOLS, 0)
    old = [trace for trace in found if trace.calls[0].name not in TOOLS]
    assert len(old) == 30
    assert not {name for trace in old for name in trace.calls[0].arguments} & set(PROPERTIES)


def test_four_of_five_mixed_traces_are_another_agents_under_these_names(traces: list[Trace]) -> None:
    found = LOGS["mixed"](traces, TOOLS, 0)
    assert len(found) == 300
    assert found[:60] == traces
    assert all(not TOOLS.problems(call) for trace in found for call in trace.calls)


def test_twenty_traces_are_left_of_a_log_made_small(traces: list[Trace]) -> None:
    found = LOGS["small"](traces, TOOLS, 0)
    assert len(found) == 20
    assert set(found) <= set(traces)
