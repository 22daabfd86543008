"""What later records of a log say of an earlier answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from distil_dag.core.case import Message, Trace
from distil_dag.core.english import CORRECTIONS
from distil_dag.core.feedback import Feedback
from distil_dag.core.tool_call import ToolCall
from distil_dag.stages.judging.aftermath.followed import LOW_SCORE, TAKEN_BACK, TOOL_ERROR, aftermaths
from distil_dag.stages.judging.aftermath.tool_errors import blames_the_call
from distil_dag.stages.judging.judge import judge
from distil_dag.stages.ports import Reply
from distil_dag_tests.stages.household_log import TOOLSET, SilentModel, call, clean_log
from distil_dag_tests.stages.judging.scripted_judge import LIKELIHOOD, RUBRIC, Marker, marks

START = datetime(2026, 11, 1, tzinfo=UTC)
LAMP = call("turn_on", device="lamp", area="hall")
DESK_LAMP = call("turn_on", device="desk lamp", area="hall")


def user(text: str) -> Message:
    return Message(role="user", content=text)


def assistant(*calls: ToolCall, text: str = "") -> Message:
    return Message(role="assistant", content=text, tool_calls=calls)


def tool(text: str, result_of: int | None = None) -> Message:
    return Message(role="tool", content=text, result_of=result_of)


def trace(
    name: str, *messages: Message, calls: tuple[ToolCall, ...] = (), minute: int | None = None
) -> Trace:
    time = None if minute is None else START + timedelta(minutes=minute)
    return Trace(id=name, messages=messages, calls=calls, time=time)


def sequel(*turns: Message, minute: int = 1, calls: tuple[ToolCall, ...] = ()) -> list[Trace]:
    """A request that was answered by a call, and the record of what followed."""
    asked = user("turn on the lamp in the hall")
    return [
        trace("first", asked, calls=(LAMP,), minute=0),
        trace("second", asked, assistant(LAMP), *turns, calls=calls, minute=minute),
    ]


@pytest.mark.parametrize(
    "reply",
    ["No, I meant the desk lamp", "no the other one", "That's wrong", "undo that please", "Not that one!"],
)
def test_a_user_who_takes_a_call_back_speaks_against_it(reply: str) -> None:
    log = sequel(tool("done"), assistant(text="The lamp is on."), user(reply), calls=(DESK_LAMP,))
    found = aftermaths(log, CORRECTIONS)
    assert set(found) == {"first"}
    assert (found["first"].reason, found["first"].said) == (TAKEN_BACK, reply)


@pytest.mark.parametrize("reply", ["No thanks", "and the fan too", "now turn it off", "is it not on?", "no"])
def test_a_user_who_goes_on_speaks_against_nothing(reply: str) -> None:
    assert not aftermaths(sequel(tool("done"), user(reply)), CORRECTIONS)


def test_an_answer_to_the_agents_question_takes_nothing_back() -> None:
    log = sequel(tool("done"), assistant(text="Shall I turn on the fan too?"), user("No, the hall is fine"))
    assert not aftermaths(log, CORRECTIONS)


def test_phrases_are_those_of_the_users_language() -> None:
    log = sequel(tool("gut"), user("nein, ich meinte die andere"))
    assert not aftermaths(log, CORRECTIONS)
    assert set(aftermaths(log, ["ich meinte"])) == {"first"}


def test_an_error_of_the_tool_speaks_against_the_call() -> None:
    found = aftermaths(sequel(tool('{"error": "no such device: lamp"}'), calls=(DESK_LAMP,)), CORRECTIONS)
    assert found["first"].reason == TOOL_ERROR
    assert "no such device" in found["first"].said


def test_the_result_of_another_call_speaks_against_nothing() -> None:
    asked = user("turn on the lamp and the fan")
    fan = call("turn_on", device="fan")
    log = [
        trace("lamp", asked, calls=(LAMP,), minute=0),
        trace("fan", asked, assistant(LAMP), tool("ok"), calls=(fan,), minute=1),
        trace("end", asked, assistant(LAMP), tool("ok"), assistant(fan), tool("Error: no fan"), minute=2),
    ]
    assert set(aftermaths(log, CORRECTIONS)) == {"fan"}


def test_a_tool_that_failed_at_another_time_took_the_same_call() -> None:
    log = sequel(tool("Error: lamp does not answer"))
    log += [trace("other", user("light"), assistant(LAMP), tool("done"), user("thanks"), minute=9)]
    assert not aftermaths(log, CORRECTIONS)


def test_of_conversations_that_began_alike_the_latest_before_is_meant() -> None:
    first, second = sequel(tool("done"), user("No, I meant the desk lamp"), minute=5)
    twins = [
        first.model_copy(update={"id": f"t{n}", "time": START + timedelta(minutes=n)}) for n in (1, 4, 8)
    ]
    assert set(aftermaths([second, first, *twins], CORRECTIONS)) == {"t4"}
    # What a later record repeats speaks against no later twin.
    again = second.model_copy(update={"id": "third", "time": START + timedelta(minutes=20)})
    assert set(aftermaths([again, second, first, *twins], CORRECTIONS)) == {"t4"}


def test_without_times_nothing_is_guessed() -> None:
    log = [row.model_copy(update={"time": None}) for row in sequel(tool("done"), user("No, I meant the fan"))]
    assert set(aftermaths(log, CORRECTIONS)) == {"first"}
    assert not aftermaths([*log, log[0].model_copy(update={"id": "twin"})], CORRECTIONS)
    named = [log[0].model_copy(update={"id": "c#1"}), log[1].model_copy(update={"id": "c#2"})]
    assert set(aftermaths([*named, log[0]], CORRECTIONS)) == {"c#1"}


def test_the_hour_in_a_system_prompt_parts_no_conversation() -> None:
    first, second = sequel(tool("done"), user("No, I meant the fan"))
    at = [Message(role="system", content=f"It is {hour} o'clock.") for hour in (9, 10)]
    log = [
        row.model_copy(update={"messages": (prompt, *row.messages)})
        for prompt, row in zip(at, (first, second), strict=True)
    ]
    assert set(aftermaths(log, CORRECTIONS)) == {"first"}


def test_a_low_score_speaks_against_the_answer() -> None:
    scores = [Feedback(name="user-feedback", value=value) for value in (0.0, 1.0)]
    low, high = (trace(one.name + str(one.value), user("light"), calls=(LAMP,)) for one in scores)
    log = [low.model_copy(update={"feedback": scores[:1]}), high.model_copy(update={"feedback": scores[1:]})]
    found = aftermaths(log, CORRECTIONS)
    assert {key: (one.reason, one.said) for key, one in found.items()} == {
        low.id: (LOW_SCORE, "user-feedback: 0.0")
    }


@pytest.mark.parametrize(
    "result",
    [
        '{"error": {"message": "unknown room"}}',
        '{"success": false, "reason": "no such entity"}',
        '{"status": "failed"}',
        '{"isError": true, "content": []}',
        "Error: room is required",
        "ValueError: level must be below 101",
        "Traceback (most recent call last):\n  File ...",
    ],
)
def test_errors_blame_the_call(result: str) -> None:
    assert blames_the_call(result)


@pytest.mark.parametrize(
    "result",
    [
        "done",
        "",
        '{"error": null, "state": "on"}',
        '{"errors": []}',
        '{"status": "ok"}',
        '["error"]',
        "The error lamp is on now",
        '{"error": "request timed out"}',
        "Error: 503 Service Unavailable",
        "rate limit reached",
        "[" * 5000,
    ],
)
def test_other_results_and_the_tools_own_failures_do_not(result: str) -> None:
    assert not blames_the_call(result)


def test_what_something_speaks_against_becomes_no_seed() -> None:
    log = clean_log(60)
    doubted = next(row for row in log if row.calls)
    against = aftermaths(
        [doubted, trace("z", *doubted.messages, assistant(*doubted.calls), user("no not that"), minute=1)],
        CORRECTIONS,
    )
    judged, report = judge(log, TOOLSET, LIKELIHOOD, SilentModel(), against=against)
    verdict = next(v for v in judged.verdicts if v.trace_id == doubted.id)
    assert (verdict.outcome, verdict.reason) == ("rejected", TAKEN_BACK)
    assert report.reasons[TAKEN_BACK] == 1
    assert doubted.id in {case.id for case in judged.unlabelled}


def test_a_rubric_is_told_of_it_and_decides() -> None:
    log = clean_log(20)
    doubted = next(row for row in log if row.calls)
    against = aftermaths(
        [doubted, trace("z", *doubted.messages, assistant(*doubted.calls), user("no not that"), minute=1)],
        CORRECTIONS,
    )
    seen: list[dict] = []

    def answer(exchange: dict) -> Reply:
        seen.append(exchange)
        return Reply(marks(2, 1) if "afterwards" in exchange else marks(5, 5), "stop")

    judged, _ = judge(log, TOOLSET, RUBRIC, Marker(answer), against=against)
    told = [exchange["afterwards"] for exchange in seen if "afterwards" in exchange]
    assert told[0] == f"{TAKEN_BACK}: no not that"
    assert [v.trace_id for v in judged.verdicts if not v.passed] == [doubted.id]
