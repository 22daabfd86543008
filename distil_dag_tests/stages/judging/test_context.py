"""The same words in other contexts: what is judged, chosen, looked up and compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from distil_dag.core.case import Example, HeldOut, Message, Trace
from distil_dag.core.context import NOTHING, ContextRule
from distil_dag.core.normalise import ENGLISH
from distil_dag.core.settings import TestSpec as HeldOutSpec
from distil_dag.core.tool_call import ToolCall, render_calls
from distil_dag.stages.evaluating.label_noise import Answers, find_label_noise
from distil_dag.stages.evaluating.nearest_neighbour import nearest_calls
from distil_dag.stages.judging.judge import judge
from distil_dag.stages.ports import OnReply, Prompt, Reply, unheeded
from distil_dag.stages.splitting.holdout import hold_out
from distil_dag.stages.student.context_split import split_of
from distil_dag_tests.stages.household_log import SilentModel
from distil_dag_tests.stages.judging.scripted_judge import RUBRIC, Marker, exchange, marks
from distil_dag_tests.stages.student.home_prompts import TOOLSET, home_log, prompt, read, trace

RULE = split_of(read(home_log()), TOOLSET).varying
IN_CONTEXT = replace(ENGLISH, context=RULE)


def switched(number: int, home: int, day: int = 3, device: str = "d63") -> Trace:
    call = ToolCall(name="switch", arguments={"device": f"{device}{home}", "state": "on"})
    return trace(number, prompt(day, ["fan", "heater"], home), "switch on the fan", call)


LOG = [switched(n, n % 3) for n in range(9)]


class Labeller(SilentModel):
    """Proposes one call for everything."""

    identity = "labeller"

    def __init__(self, call: ToolCall) -> None:
        super().__init__()
        self.said = render_calls([call])

    def generate(self, prompts: Sequence[Prompt], arrived: OnReply = unheeded) -> list[Reply]:
        self.asked += prompts
        return [Reply(self.said, "stop") for _ in prompts]


def seeds(log: Sequence[Trace], rule: ContextRule) -> list[Example]:
    likes = Marker(lambda _: Reply(marks(5, 5), "stop"))
    judged, _ = judge(log, TOOLSET, RUBRIC, likes, normaliser=replace(ENGLISH, context=rule))
    return judged.seeds


def test_each_answer_that_other_contexts_give_is_a_seed_and_each_once() -> None:
    chosen = seeds(LOG, RULE)
    assert sorted(str(seed.calls[0].arguments["device"]) for seed in chosen) == ["d630", "d631", "d632"]
    assert len(seeds(LOG, NOTHING)) == 1
    same = [switched(n, 0, day=1 + n) for n in range(5)]
    assert len(seeds(same, RULE)) == 1
    torn = [switched(0, 0), switched(1, 0, device="d52")]
    assert len(seeds(torn, RULE)) == 1


def test_labellers_see_the_context_and_may_take_values_from_it() -> None:
    wrong = switched(1, 0, device="d52")
    right = switched(1, 0)
    refuses = Marker(
        lambda seen: Reply(marks(*([5, 5] if "d630" in str(seen["answer"]) else [1, 1])), "stop")
    )
    spec = RUBRIC.model_copy(update={"relabel": True, "reask": 0})
    for rule, outcome in ((RULE, "taken"), (NOTHING, "values nobody said")):
        labeller = Labeller(right.calls[0])
        names = replace(ENGLISH, context=rule)
        judged, report = judge([wrong], TOOLSET, spec, refuses, [labeller], normaliser=names)
        assert outcome in report.committee["labeller"]
        turns = exchange(labeller.asked[0])
        assert [turn["role"] for turn in turns] == (["system", "user"] if rule == RULE else ["user"])
        if rule == RULE:
            assert turns[0]["content"] == RULE.of(wrong.messages)
            assert judged.seeds[0].calls == right.calls


def test_the_likelihood_judge_takes_no_other_context_for_a_contradiction() -> None:
    spec = RUBRIC.model_copy(update={"kind": "likelihood", "reask": 0})
    log = [*LOG, *home_log(90, 3)]
    scores = []
    for rule in (RULE, NOTHING):
        judged, _ = judge(log, TOOLSET, spec, SilentModel(), normaliser=replace(ENGLISH, context=rule))
        scores.append({verdict.trace_id: verdict.score or 0.0 for verdict in judged.verdicts})
    mean = [sum(found[row.id] for row in LOG) / len(LOG) for found in scores]
    assert mean[0] >= mean[1]


def test_the_words_of_a_test_leave_the_log_in_every_context() -> None:
    frozen = [HeldOut(id="f", messages=switched(0, 1).messages, calls=switched(0, 1).calls)]
    split, _ = hold_out(LOG, frozen, HeldOutSpec(), TOOLSET, normaliser=IN_CONTEXT)
    assert split.rest == []
    assert split.test[0].production == switched(0, 1).calls


def test_what_production_answered_elsewhere_says_nothing_unless_it_is_the_same() -> None:
    elsewhere = HeldOut(id="f", messages=trace(0, prompt(3, ["fan"], 9), "switch on the fan").messages)
    for log, answer in ((LOG, None), (LOG[::3], LOG[0].calls)):
        split, _ = hold_out(log, [elsewhere], HeldOutSpec(), TOOLSET, normaliser=IN_CONTEXT)
        assert split.test[0].production == answer
    split, _ = hold_out(LOG, [elsewhere], HeldOutSpec(), TOOLSET)
    assert split.test[0].production is not None


def test_the_lookup_prefers_the_most_similar_context() -> None:
    asked = [switched(0, home, day=3) for home in range(3)]
    assert nearest_calls(asked, LOG, IN_CONTEXT) == [case.calls for case in asked]
    assert len(set(map(str, nearest_calls(asked, LOG, ENGLISH)))) == 1


def test_rows_of_other_contexts_are_no_evidence_against_a_label() -> None:
    agenda = (ToolCall(name="agenda", arguments={}),)
    cases = [HeldOut(id=f"f{n}", messages=switched(n, 0).messages, calls=agenda) for n in range(3)]
    answers = [Answers(case=case, right=False, student=switched(0, 0).calls, others={}) for case in cases]
    others = [switched(n, 1 + n % 2) for n in range(9)]
    plain, in_context = (
        find_label_noise(answers, others, TOOLSET, names).disagreements[0] for names in (ENGLISH, IN_CONTEXT)
    )
    assert plain.log_otherwise == 9
    assert in_context.log_otherwise == 0
    assert find_label_noise(answers, LOG[::3], TOOLSET, IN_CONTEXT).disagreements[0].log_otherwise == 3


def test_a_message_of_the_system_alone_is_no_request() -> None:
    alone = Trace(id="1", messages=(Message(role="system", content="x"),))
    assert IN_CONTEXT.situation(alone) == ("", "x")
