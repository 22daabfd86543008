"""What `distil-dag plan` foretells, against what the assets then use of the same model."""

from __future__ import annotations

import random
from typing import Any

import dagster as dg
import pytest

from distil_dag.adapters.chat.meter import read_spending
from distil_dag.assets.judged_seeds import judged_seeds
from distil_dag.assets.synthetic_set import synthetic_set
from distil_dag.core import tables
from distil_dag.core.forecast import Plan, Range
from distil_dag.core.run_key import RunKey
from distil_dag.resources.store import StoreResource
from distil_dag.runs.plan import forecast_run
from distil_dag.stages.ports import Prompt
from distil_dag_tests.runs.paid_models import (
    JUDGING,
    RUN,
    SERVED,
    SYNTHESIS,
    Installation,
    Place,
    paid_teacher,
    with_log,
    with_seeds,
)
from distil_dag_tests.runs.test_continued import finished
from distil_dag_tests.stages.synthesis.lamp_teacher import LEADS, TAILS, good

PRICED = {"teacher": {**SERVED, "price": {"prompt_per_million": 1000.0, "completion_per_million": 4000.0}}}


def _by_length(prompt: Prompt) -> int:
    return sum(len(message.content) for message in prompt.messages) // 4


def _plan(home: Installation, **settings: Any) -> Plan:
    teacher = paid_teacher(home.model, home.root / "cache")
    task = home.freeze(**settings)
    return forecast_run(task, RunKey.parse(RUN), home.store, teacher.chat, home.root / "paces.json")


def _near(found: Range, value: float) -> bool:
    return abs(found.value / value - 1) <= 0.25 and found.low <= found.value <= found.high


def test_judging_takes_what_was_planned_and_the_probe_is_not_paid_for_again(place: Place) -> None:
    home = with_log(place, "home")
    home.model.length = _by_length
    plan = _plan(home, **JUDGING | PRICED)
    judging = plan.forecasts[0]
    probed = [prompt for prompt in home.model.asked if prompt.schema]
    assert 20 <= judging.probe.calls == len(probed) < plan.judged
    assert judging.reused

    home.model.asked.clear()
    assert home.materialize(judged_seeds, **JUDGING | PRICED).success
    assert not set(probed) & set(home.model.asked)
    used = read_spending(home.store, RUN).total + judging.probe
    # A request that was logged twice is asked about once; some are asked again in another form.
    assert used.cached > 0
    assert judging.calls.value == used.calls
    assert _near(judging.tokens, used.tokens)
    assert _near(judging.money, used.money)


_BEFORE = ("", "please", "now", "for today", "what do you think")
_AFTER = ("please", "now", "for tonight", "for today", "when we come", "when we leave", "this weather", "")


def _plain(seed: int, line: str) -> str:
    """A teacher with the words of the seeds, which repeats itself now and then."""
    chance = random.Random(f"{seed} {line}")
    words = good(0, line).removeprefix(f"{LEADS[0]} ").removesuffix(f" {TAILS[0]}")
    parts = [chance.choice(_BEFORE), words, chance.choice(_AFTER), chance.choice(_AFTER)]
    return " ".join(filter(None, parts))


@pytest.mark.parametrize(("rows", "batch", "share"), [(120, 16, 0.3), (150, 32, 0.5), (150, 64, 0.3)])
def test_synthesis_takes_what_was_planned(place: Place, rows: int, batch: int, share: float) -> None:
    home = with_seeds(place, "home")
    home.model.answer, home.model.length = _plain, _by_length
    changed = {"rows": rows, "batch": batch, "transplant_share": share}
    settings = {"synthesis": SYNTHESIS["synthesis"] | changed}
    plan = _plan(home, **settings | PRICED)
    (synthesis,) = plan.forecasts
    assert synthesis.stage == "synthesis"
    assert synthesis.passing is not None
    assert home.materialize(synthetic_set, **settings | PRICED).success
    used = read_spending(home.store, RUN).total + synthesis.probe
    assert _near(synthesis.tokens, used.tokens)
    assert _near(synthesis.money, used.money)


def test_the_plan_of_a_run_that_continues_another_probes_that_runs_own_calls(place: Place) -> None:
    home = with_seeds(place, "home")
    teacher = paid_teacher(home.model, home.root / "cache")
    finished(home.store, "home.first", home.freeze(**SYNTHESIS))
    home.store.write_cases("home.first", tables.SYNTHETIC, [])
    task = home.freeze(**SYNTHESIS).model_copy(update={"continues": "home.first"})
    home.store.write_report(RUN, "traces", task, name="task")
    forecast_run(task, RunKey.parse(RUN), home.store, teacher.chat, home.root / "paces.json")
    probed = set(home.model.asked)
    home.model.asked.clear()
    resources = {"store": StoreResource(root=str(home.root / "store")), "models": teacher}
    made = dg.materialize([synthetic_set], instance=home.instance, partition_key=RUN, resources=resources)
    assert made.success
    assert home.model.asked
    assert not probed & set(home.model.asked)
    used = read_spending(home.store, RUN).total
    assert used.cached == len(probed)


def test_a_second_plan_costs_nothing_and_says_the_same(place: Place) -> None:
    home = with_log(place, "home")
    first, second = _plan(home, **JUDGING), _plan(home, **JUDGING)
    assert sum(forecast.probe.calls for forecast in second.forecasts) == 0
    answered = sum(forecast.probe.cached for forecast in second.forecasts)
    assert any(f"The cache has answered all {answered} calls of the probe" in note for note in second.notes)
    assert not any("The cache has answered" in note for note in first.notes)
    for before, now in zip(first.forecasts, second.forecasts, strict=True):
        assert before.tokens == now.tokens
        # The cache's replies have no pace; the first probe's is known.
        assert now.seconds is not None


def test_a_plan_warns_of_a_budget_that_would_stop_it(place: Place) -> None:
    home = with_log(place, "home")
    assert _plan(home, **JUDGING, budget={"tokens": 10**9}).exceeds == []
    assert _plan(home, **JUDGING, budget={"tokens": 100}).exceeds == ["budget.tokens"]


def test_what_a_run_has_done_is_not_planned_again(place: Place) -> None:
    home = with_seeds(place, "home")
    assert home.materialize(synthetic_set, **SYNTHESIS).success
    plan = _plan(home, **SYNTHESIS)
    assert plan.forecasts == []
    assert plan.tokens.value == 0
    assert plan.notes == ["Nothing is left to pay for: the run has its seeds and its synthetic set already."]
