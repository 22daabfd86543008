"""A run's budget, through the real assets: it ends the run within a batch, and the next one goes on."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest

from distil_dag.adapters.chat.meter import read_spending
from distil_dag.assets.judged_seeds import judged_seeds
from distil_dag.assets.synthetic_set import synthetic_set
from distil_dag.core import tables
from distil_dag.resources.spending import RESUMABLE_TAG
from distil_dag_tests.runs.paid_models import (
    ANSWER,
    BATCH,
    JUDGING,
    PROMPT,
    RUN,
    SYNTHESIS,
    Place,
    with_log,
    with_seeds,
)

CASES = [
    pytest.param(with_seeds, synthetic_set, SYNTHESIS, BATCH, id="synthesis"),
    pytest.param(with_log, judged_seeds, JUDGING, 64, id="judging"),
]


@pytest.mark.parametrize(("prepare", "asset", "settings", "batch"), CASES)
def test_half_the_need_ends_within_a_batch_and_more_goes_on_to_the_same_rows(
    place: Place,
    prepare: Place,
    asset: dg.AssetsDefinition,
    settings: dict[str, Any],
    batch: int,
) -> None:
    name = asset.key.to_user_string()
    whole = prepare(place, "whole")
    uninterrupted = whole.materialize(asset, **settings)
    assert uninterrupted.success
    need = whole.used
    assert need == (PROMPT + ANSWER) * len(whole.model.asked)
    told = uninterrupted.asset_materializations_for_node(name)[0].metadata
    assert told["tokens_used"].value == need
    if asset is judged_seeds:
        ratio = told["tokens_against_forecast"].value
        assert isinstance(ratio, float)
        # The first calls speak for more of this log's rows than later ones: it repeats its requests.
        assert 0.7 <= ratio <= 1.4

    half = prepare(place, "half")
    stopped = half.materialize(asset, **settings, budget={"tokens": need // 2})
    assert not stopped.success
    assert need // 2 <= half.used <= need // 2 + batch * (PROMPT + ANSWER)
    failure = stopped.failure_data_for_node(name)
    assert failure is not None
    assert failure.user_failure_data is not None
    advice = failure.user_failure_data.description or ""
    assert f"budget of {need // 2:,} tokens is reached" in advice
    assert f"distil-dag run home --run {RUN} --set budget.tokens=N" in advice
    assert not any(event.is_step_up_for_retry for event in stopped.all_events)
    run = half.instance.get_run_by_id(stopped.run_id)
    assert run is not None
    assert run.tags[RESUMABLE_TAG] == "budget.tokens"
    seen = half.instance.fetch_observations(dg.AssetKey(name), limit=1).records[0].asset_observation
    assert seen is not None
    assert seen.partition == RUN
    assert seen.metadata["resumable"].value is True

    again = half.materialize(asset, **settings, budget={"tokens": 2 * need})
    assert again.success
    assert half.used == need
    assert half.model.asked == whole.model.asked
    versions = [
        result.asset_materializations_for_node(name)[0].tags["dagster/data_version"]
        for result in (uninterrupted, again)
    ]
    assert versions[0] == versions[1]


def test_a_budget_that_is_used_up_sends_nothing(place: Place) -> None:
    home = with_seeds(place, "home")
    assert home.materialize(synthetic_set, **SYNTHESIS).success
    asked = len(home.model.asked)
    other = {"synthesis": {**SYNTHESIS["synthesis"], "seed": 1}}
    assert not home.materialize(synthetic_set, **other, budget={"tokens": 1}).success
    assert len(home.model.asked) == asked


def test_the_cache_costs_nothing(place: Place) -> None:
    home = with_seeds(place, "home")
    first = home.materialize(synthetic_set, **SYNTHESIS)
    used = home.used
    again = home.materialize(synthetic_set, **SYNTHESIS, budget={"tokens": 1})
    assert again.success
    assert home.used == used
    metadata = again.asset_materializations_for_node("synthetic_set")[0].metadata
    assert metadata["calls_made"].value == 0
    made = first.asset_materializations_for_node("synthetic_set")[0].metadata["calls_made"].value
    assert metadata["calls_from_the_cache"].value == made == len(home.model.asked)


def test_money_is_limited_by_the_price_of_the_model(place: Place) -> None:
    home = with_seeds(place, "home")
    price = {"prompt_per_million": 1000.0, "completion_per_million": 2000.0}
    a_call = PROMPT / 1000 + ANSWER * 2 / 1000
    result = home.materialize(
        synthetic_set,
        **SYNTHESIS,
        teacher={"price": price},
        budget={"money": 10 * a_call},
    )
    assert not result.success
    assert read_spending(home.store, RUN).total.money == pytest.approx(len(home.model.asked) * a_call)
    assert 10 <= len(home.model.asked) <= 10 + BATCH


def test_the_rows_of_a_run_do_not_depend_on_its_budget(place: Place) -> None:
    free, limited = with_seeds(place, "free"), with_seeds(place, "limited")
    free.materialize(synthetic_set, **SYNTHESIS)
    limited.materialize(synthetic_set, **SYNTHESIS, budget={"tokens": 10_000_000, "hours": 100})
    rows = [home.store.read_cases(RUN, tables.SYNTHETIC) for home in (free, limited)]
    assert rows[0] == rows[1]
