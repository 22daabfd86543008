"""Prices, totals and limits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from distil_dag.adapters.chat.meter import Meter, read_spending, run_meter
from distil_dag.adapters.chat.metered import metered_model
from distil_dag.adapters.run_store import RunStore
from distil_dag.core.settings import BudgetSpec, ModelSpec, PriceSpec
from distil_dag.core.spending import BudgetReachedError, Usage, calls_left, check, cost
from distil_dag.stages.ports import OnReply, OnScore, Prompt, Reply, Score, unheeded


class Clocked:
    """A model whose every call takes an hour on a clock of its own, and that announces its replies."""

    identity = "clocked@1"

    def __init__(self) -> None:
        self.now = 0.0
        self.sent: list[int] = []

    def generate(self, prompts: Sequence[Prompt], arrived: OnReply = unheeded) -> list[Reply]:
        self.now += 3600
        self.sent.append(len(prompts))
        replies = [Reply("yes", "stop", 100, 10) for _ in prompts]
        for place, reply in enumerate(replies):
            arrived(place, reply)
        return replies

    def score(self, items: Sequence[tuple[Prompt, str]], arrived: OnScore = unheeded) -> list[Score]:
        self.now += 3600
        return [Score(-1.0, 3, 100) for _ in items]


def _prompts(count: int) -> list[Prompt]:
    return [Prompt(messages=(), seed=n) for n in range(count)]


def test_a_price_is_for_a_million_tokens_and_for_an_hour() -> None:
    price = PriceSpec(prompt_per_million=2, completion_per_million=8, per_hour=3)
    assert cost(price, 500_000, 250_000, 1800) == pytest.approx(1 + 2 + 1.5)


def test_a_served_model_costs_by_its_tokens_and_its_hours() -> None:
    model = Clocked()
    meter = Meter(clock=lambda: model.now)
    price = PriceSpec(prompt_per_million=1000, completion_per_million=2000, per_hour=5)
    spec = ModelSpec(mode="attached", price=price)
    with metered_model(model, spec, meter) as chat:
        chat.generate(_prompts(10))
        chat.score([(_prompts(1)[0], "text")])
    used = meter.used
    assert (used.calls, used.prompt_tokens, used.completion_tokens) == (11, 1000 + 103, 100)
    assert used.seconds == 2 * 3600
    assert used.money == pytest.approx(1.103 + 0.2 + 10)


@pytest.mark.parametrize(("mode", "hours"), [("managed", 5), ("attached", 2), ("embedded", 2)])
def test_a_managed_server_costs_from_its_first_call_on_and_others_while_they_answer(
    mode: str, hours: int
) -> None:
    model = Clocked()
    meter = Meter(clock=lambda: model.now)
    with metered_model(model, ModelSpec.model_validate({"mode": mode, "model": "m"}), meter) as chat:
        model.now += 10 * 3600
        chat.generate(_prompts(1))
        model.now += 3 * 3600
        chat.generate(_prompts(1))
    assert meter.used.seconds == hours * 3600


def test_what_a_run_used_outlives_the_process(tmp_path: Path) -> None:
    store, model = RunStore(tmp_path), Clocked()
    for _ in range(2):
        meter = run_meter(store, "home.all", BudgetSpec())
        with metered_model(model, ModelSpec(mode="attached"), meter) as chat:
            chat.generate(_prompts(3))
        assert meter.used.calls == 3
    assert read_spending(store, "home.all").models["clocked@1"].calls == 6
    assert read_spending(store, "home.other").total == Usage()


def test_a_large_batch_is_split_where_the_budget_nears_its_end() -> None:
    model = Clocked()
    meter = Meter(BudgetSpec(tokens=110 * 100))
    with (
        metered_model(model, ModelSpec(mode="attached"), meter) as chat,
        pytest.raises(BudgetReachedError, match=r"11,000 tokens is reached.*14,080 tokens"),
    ):
        chat.generate(_prompts(5000))
    assert model.sent == [64, 64]


def test_replies_before_the_end_of_the_budget_were_announced_for_the_cache_to_keep() -> None:
    heard: list[int] = []
    meter = Meter(BudgetSpec(tokens=110 * 100))
    with (
        metered_model(Clocked(), ModelSpec(mode="attached"), meter) as chat,
        pytest.raises(BudgetReachedError),
    ):
        chat.generate(_prompts(5000), lambda place, reply: heard.append(place))
    assert heard == list(range(128))


def test_a_model_in_this_process_is_asked_for_whole_batches() -> None:
    model = Clocked()
    with metered_model(model, ModelSpec(), Meter(BudgetSpec(tokens=1))) as chat:
        chat.generate(_prompts(500))
        with pytest.raises(BudgetReachedError):
            chat.generate(_prompts(1))
    assert model.sent == [500]


@pytest.mark.parametrize(
    ("budget", "told"),
    [
        (BudgetSpec(tokens=100), "100 tokens is reached: this run has used 110 tokens"),
        (BudgetSpec(money=0.5), "0.5 of money is reached: this run has used 0.75 of money"),
        (BudgetSpec(hours=2), "2 hours is reached: this run has used 2 hours"),
    ],
)
def test_each_limit_stops_and_says_what_was_used(budget: BudgetSpec, told: str) -> None:
    used = Usage(calls=1, prompt_tokens=100, completion_tokens=10, seconds=7200, money=0.75)
    with pytest.raises(BudgetReachedError, match=told):
        check(budget, used)
    check(BudgetSpec(tokens=111, money=0.8, hours=3), used)


def test_the_scarcest_limit_says_how_many_calls_are_left() -> None:
    used = Usage(calls=10, prompt_tokens=100, seconds=3600)
    assert calls_left(BudgetSpec(tokens=150, hours=4), used) == pytest.approx(5)
    assert calls_left(BudgetSpec(tokens=150), Usage()) is None


def test_the_note_fits_a_line_of_progress() -> None:
    model = Clocked()
    meter = Meter(clock=lambda: model.now)
    price = PriceSpec(completion_per_million=100)
    with metered_model(model, ModelSpec(mode="attached", price=price), meter) as chat:
        chat.generate(_prompts(100))
    assert meter.note() == "11,000 tokens, 0.1, 3 tokens/s"
