"""Calls under names of an older schema are read under today's, and only where the log is sure."""

from __future__ import annotations

import random

import pytest

from distil_dag.core.case import Message, Trace
from distil_dag.core.settings import JudgeSpec
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset
from distil_dag.stages.judging.judge import judge
from distil_dag.stages.judging.schema_drift import undo_renames
from distil_dag_tests.stages.household_log import SilentModel

_TOOLS = Toolset.from_openai(
    [
        {
            "type": "function",
            "function": {
                "name": name,
                "parameters": {
                    "type": "object",
                    "properties": {argument: {"type": "string"} for argument in arguments},
                    "additionalProperties": False,
                },
            },
        }
        for name, arguments in (("light_on", ("room", "colour")), ("play_music", ("artist", "room")))
    ]
)
_ROOMS = ("kitchen", "hall", "bedroom", "attic", "garage", "office")
_COLOURS = ("red", "blue", "green", "white")
_ARTISTS = ("abba", "queen", "blur", "pulp", "oasis")


def _log(count: int) -> list[Trace]:
    rng = random.Random(0)
    traces = []
    for number in range(count):
        room = rng.choice(_ROOMS)
        if number % 2:
            colour = rng.choice(_COLOURS)
            said = f"turn the {room} light {colour}"
            call = ToolCall(name="light_on", arguments={"room": room, "colour": colour})
        else:
            artist = rng.choice(_ARTISTS)
            said = f"play some {artist} in the {room}"
            call = ToolCall(name="play_music", arguments={"artist": artist, "room": room})
        message = Message(role="user", content=said)
        traces.append(Trace(id=f"t{number:03d}", messages=(message,), calls=(call,)))
    return traces


def _renamed(trace: Trace, tools: dict[str, str], arguments: dict[str, str]) -> Trace:
    calls = tuple(
        ToolCall(
            name=tools.get(call.name, call.name),
            arguments={arguments.get(key, key): value for key, value in call.arguments.items()},
        )
        for call in trace.calls
    )
    return trace.model_copy(update={"calls": calls, "problems": ("unknown tool",)})


def _half_old(tools: dict[str, str], arguments: dict[str, str]) -> tuple[list[Trace], list[Trace]]:
    log = _log(80)
    return log, [_renamed(t, tools, arguments) if n >= 40 else t for n, t in enumerate(log)]


def test_renamed_tools_and_arguments_come_back() -> None:
    log, old = _half_old({"light_on": "lamp_v1", "play_music": "x7"}, {"room": "place", "artist": "who"})
    found, renames = undo_renames(old, _TOOLS)
    assert [trace.calls for trace in found] == [trace.calls for trace in log]
    assert all(not trace.problems for trace in found)
    assert {(rename.was, rename.now) for rename in renames} == {
        ("lamp_v1", "light_on"), ("x7", "play_music"), ("light_on(place)", "light_on(room)"),
        ("play_music(place)", "play_music(room)"), ("play_music(who)", "play_music(artist)"),
    }  # fmt: skip
    assert {rename.traces for rename in renames} == {20}


def test_a_renamed_argument_of_a_tool_that_kept_its_name_comes_back() -> None:
    log, old = _half_old({}, {"colour": "c"})
    found, renames = undo_renames(old, _TOOLS)
    assert [trace.calls for trace in found] == [trace.calls for trace in log]
    assert [(rename.was, rename.now) for rename in renames] == [("light_on(c)", "light_on(colour)")]


def test_a_name_that_is_used_for_everything_stays() -> None:
    _, old = _half_old({"light_on": "do", "play_music": "do"}, {})
    found, renames = undo_renames(old, _TOOLS)
    assert found == old
    assert renames == []


def test_a_value_that_nobody_said_tells_no_argument() -> None:
    log = _log(80)
    strange = ToolCall(name="light_on", arguments={"room": "hall", "level": "7"})
    old = [t.model_copy(update={"calls": (strange,)}) if n >= 70 else t for n, t in enumerate(log)]
    found, renames = undo_renames(old, _TOOLS)
    assert (found, renames) == (old, [])


@pytest.mark.parametrize("valid", [0, 19])
def test_a_log_without_enough_of_todays_calls_stays(valid: int) -> None:
    old = [_renamed(t, {"light_on": "a", "play_music": "b"}, {}) for t in _log(60)]
    log = _log(60)[:valid] + old[valid:]
    assert undo_renames(log, _TOOLS) == (log, [])


def test_the_judge_passes_calls_under_todays_names_and_keeps_what_was_logged() -> None:
    log, old = _half_old({"light_on": "lamp_v1"}, {"artist": "who"})
    judged, report = judge(old, _TOOLS, JudgeSpec(reask=0), SilentModel())
    right = {trace.id: trace.calls for trace in log}
    logged = {trace.id: trace.calls for trace in old}
    trusted = [*judged.seeds, *judged.context]
    assert len(trusted) > 60
    assert all(example.calls == right[example.id] for example in trusted)
    verdicts = {verdict.trace_id: verdict for verdict in judged.verdicts}
    assert all(verdict.calls == logged[key] for key, verdict in verdicts.items())
    changed = [verdicts[e.id] for e in trusted if logged[e.id] != right[e.id]]
    assert changed
    assert all(verdict.relabelled_from == verdict.calls for verdict in changed)
    assert report.relabelled == len(changed)
    assert report.renames
