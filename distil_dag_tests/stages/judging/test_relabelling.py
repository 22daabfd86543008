"""A committee proposes other calls for what the judge refused."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from distil_dag.core.tool_call import render_calls
from distil_dag.stages.judging.agreement import agreement
from distil_dag.stages.judging.judge import judge
from distil_dag.stages.ports import OnReply, Prompt, Reply, unheeded
from distil_dag_tests.stages.household_log import TOOLSET, SilentModel, call, clean_log, faulty_log, trace
from distil_dag_tests.stages.judging.scripted_judge import LIKELIHOOD, RUBRIC, Marker, exchange, marks


class Scripted(SilentModel):
    """Reads the right calls of a clean log by the request."""

    identity = "labeller"

    def __init__(self, answers: dict[str, str]) -> None:
        super().__init__()
        self.answers = answers

    def generate(self, prompts: Sequence[Prompt], arrived: OnReply = unheeded) -> list[Reply]:
        self.asked += prompts
        return [Reply(self.answers.get(exchange(p)[-1]["content"], "?"), "stop") for p in prompts]


def test_a_committee_corrects_what_failed_and_says_so() -> None:
    log, right = faulty_log(200, 0.25)
    answers = {row.request: render_calls(row.calls) for row in clean_log(200)}
    nonsense = Scripted(dict.fromkeys(answers, '<tool_call>{"name":"fly","arguments":{}}</tool_call>'))
    invented = Scripted(
        dict.fromkeys(answers, '<tool_call>{"name":"turn_on","arguments":{"device":"dragon"}}</tool_call>')
    )
    spec = LIKELIHOOD.model_copy(update={"relabel": True})
    judged, report = judge(log, TOOLSET, spec, SilentModel(), [nonsense, invented, Scripted(answers)])
    truth = {row.id: row.calls for row in clean_log(200)}
    corrected = [v for v in judged.verdicts if v.relabelled_from is not None]
    assert report.relabelled == len(corrected) > 10
    assert sum(v.trusted_calls == truth[v.trace_id] for v in corrected) == len(corrected)
    assert all(v.relabelled_from == v.calls and v.reason == "relabelled" for v in corrected)
    assert not any("dragon" in str(v.proposed) for v in judged.verdicts)
    relabelled = {v.trace_id for v in corrected}
    for example in [*judged.seeds, *judged.context]:
        if example.id in relabelled:
            assert example.calls == truth[example.id]
    assert agreement(judged.verdicts, right)["recall"] > 0.8
    names = ["labeller", "labeller (2)", "labeller (3)"]
    assert list(report.committee) == names
    assert set(report.committee[names[0]]) == {"not allowed by the tools"}
    assert report.committee[names[1]]["values nobody said"] > 10
    assert report.committee[names[2]]["taken"] == len(corrected)
    for verdict in corrected:
        assert verdict.proposals[0].calls == verdict.proposed
        assert verdict.proposals[0].labellers == (names[2],)
        assert verdict.proposals[0].reason == "taken"
        assert verdict.arbiter == report.arbiter
        assert "likelihood" in verdict.arbiter


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply('<tool_call>{"name":"turn_on"', "length"), "ran out of tokens"),
        (Reply("", "error", error="HTTP 400"), "no answer"),
        (Reply("?", "stop"), "unreadable"),
    ],
)
def test_what_came_of_a_labellers_answers_is_said_as_it_was(reply: Reply, outcome: str) -> None:
    class Failing(Scripted):
        """Gives one reply to everything."""

        def generate(self, prompts: Sequence[Prompt], arrived: OnReply = unheeded) -> list[Reply]:
            return [reply for _ in prompts]

    log, _ = faulty_log(60, 0.25)
    spec = LIKELIHOOD.model_copy(update={"relabel": True})
    _, report = judge(log, TOOLSET, spec, SilentModel(), [Failing({})])
    assert set(report.committee["labeller"]) == {outcome}


def test_an_arbiter_picks_in_place_of_the_judge_and_votes_break_ties() -> None:
    row = trace(1, "turn the lamp and the fan on", call("turn_off", device="lamp"))
    lamp, fan = (render_calls([call("turn_on", device=name)]) for name in ("lamp", "fan"))
    committee = [Scripted({row.request: said}) for said in (fan, lamp, lamp, render_calls(row.calls))]

    def arbiter(scores: dict[str, tuple[int, int]]) -> Marker:
        def answer(seen: dict) -> Reply:
            return Reply(marks(*scores[seen["answer"]["calls"][0]["arguments"]["device"]]), "stop")

        found = Marker(answer)
        found.identity = "arbiter"
        return found

    spec = RUBRIC.model_copy(update={"relabel": True, "reask": 0})
    refuses = Marker(lambda _: Reply(marks(1, 1), "stop"))
    alone, _ = judge([row], TOOLSET, spec, refuses, committee)
    assert alone.verdicts[0].outcome == "rejected"
    assert [p.reason for p in alone.verdicts[0].proposals] == ["below the threshold"] * 2 + ["as logged"]
    for lamp_marks, taken in (((4, 4), "fan"), ((5, 5), "lamp")):
        scores = {"lamp": lamp_marks, "fan": (5, 5)}
        judged, report = judge([row], TOOLSET, spec, refuses, committee, arbiter(scores))
        verdict = judged.verdicts[0]
        assert verdict.trusted_calls == (call("turn_on", device=taken),)
        assert [p.reason for p in verdict.proposals] == ["taken", "not the best", "as logged"]
        assert {len(p.labellers) for p in verdict.proposals} == {1, 2}
        assert report.arbiter == verdict.arbiter
        assert "arbiter" in verdict.arbiter
        assert "arbiter" not in verdict.judge
        assert set(report.prompts) == {"rubric_judge", "relabelling"}
