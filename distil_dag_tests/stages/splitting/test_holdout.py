from __future__ import annotations

import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distil_dag.core.case import Case, Message, Trace
from distil_dag.core.normalise import ENGLISH
from distil_dag.core.settings import TestSpec
from distil_dag.core.toolset import Toolset
from distil_dag.stages.splitting.holdout import hold_out
from distil_dag.stages.splitting.stratified import fair_shares, pattern, proportional_shares, stratified
from distil_dag_tests.stages.household_log import TOOLSET, call, clean_log, trace

WORDS = st.lists(
    st.sampled_from(["please", "the", "turn", "lamp", "on", "off", "kitchen", "\u202e", "é", "😀"]),
    max_size=5,
)
LOGS = st.lists(st.tuples(WORDS, st.sampled_from(["turn_on", "turn_off", ""])), max_size=60).map(
    lambda rows: [
        trace(n, " ".join(words), *([call(name, device="lamp")] if name else []))
        for n, (words, name) in enumerate(rows)
    ]
)


@settings(max_examples=60, deadline=None)
@given(LOGS, st.integers(1, 20), st.randoms(use_true_random=False))
def test_no_test_key_stays_and_the_order_of_rows_does_not_matter(log: list[Trace], size: int, rng) -> None:
    split, report = hold_out(log, None, TestSpec(size=size), TOOLSET)
    keys = {ENGLISH.key(case.request) for case in split.test}
    assert not keys & {ENGLISH.key(row.request) for row in split.rest}
    assert len(keys) == len(split.test) <= min(size, 0.2 * len({ENGLISH.key(t.request) for t in log}))
    assert len(split.rest) >= 0.8 * len(log) - report.removed_near_copies
    assert report.test + report.removed_near_copies + report.remaining == len(log)
    shuffled = list(log)
    rng.shuffle(shuffled)
    again, _ = hold_out(shuffled, None, TestSpec(size=size), TOOLSET)
    assert again.test == split.test
    assert sorted(row.id for row in again.rest) == sorted(row.id for row in split.rest)


def test_the_test_is_drawn_in_proportion_to_patterns_and_by_seed() -> None:
    log = clean_log(600)
    first, _ = hold_out(log, None, TestSpec(size=40), TOOLSET)
    other, _ = hold_out(log, None, TestSpec(size=40, seed=1), TOOLSET)
    assert len(first.test) == 40
    assert first.test != other.test
    of_log = Counter(pattern(row.calls) for row in {ENGLISH.key(r.request): r for r in log}.values())
    of_test = Counter(pattern(case.calls) for case in first.test)
    for cell, count in of_log.items():
        assert abs(of_test[cell] - 40 * count / sum(of_log.values())) <= 1


def test_near_copies_leave_with_the_same_calls_only() -> None:
    on, off = call("turn_on", device="lamp", area="living room"), call("turn_off", device="lamp")
    test = [Case(id="x", messages=trace(0, "turn on the lamp in the living room now").messages, calls=(on,))]
    rows = [
        trace(1, "turn on the lamp in the living rooms now", on),
        trace(2, "turn on the lamp in the living rooms now", off),
        trace(3, "now in the living room turn on the lamp", on),
        trace(4, "dim the lamp", on),
    ]
    split, _ = hold_out(rows, test, TestSpec(), TOOLSET)
    assert [row.id for row in split.rest] == ["t0002", "t0004"]


def test_calls_that_differ_in_defaults_are_the_same_calls() -> None:
    parameters = {"type": "object", "properties": {"n": {"type": "integer", "default": 1}}}
    toolset = Toolset.from_openai([{"name": "ring", "parameters": parameters}])
    test = [Case(id="x", messages=trace(0, "ring the old bell in the tower").messages, calls=(call("ring"),))]
    rows = [trace(1, "ring the old bells in the tower", call("ring", n=1))]
    split, _ = hold_out(rows, test, TestSpec(), toolset)
    assert split.rest == []


def test_a_frozen_test_makes_its_rows_leave_and_learns_what_production_said() -> None:
    right, wrong = call("turn_on", device="lamp"), call("turn_off", device="lamp")
    frozen = [
        Case(id="a", messages=(Message(role="user", content="Turn on the lamp"),), calls=(right,)),
        Case(id="b", messages=(Message(role="user", content="unheard of"),)),
    ]
    log = [
        trace(1, "please turn on the lamp", right),
        trace(2, "turn on the lamp", wrong),
        trace(3, "turn on lamp", wrong),
        trace(4, "turn on the fan", call("turn_on", device="fan")),
    ]
    split, report = hold_out(log, frozen, TestSpec(), TOOLSET)
    assert [row.id for row in split.rest] == ["t0004"]
    assert split.test[0].calls == (right,)
    assert split.test[0].production == (wrong,)
    assert split.test[1].production is None
    assert (report.test, report.removed_near_copies, report.test_labels) == (2, 3, "frozen file")


def test_a_conversation_that_answers_a_test_request_in_its_history_leaves() -> None:
    asked = Message(role="user", content="turn on the lamp")
    answered = Message(role="assistant", tool_calls=(call("turn_on", device="lamp"),))
    later = Trace(id="c#2", messages=(asked, answered, Message(role="user", content="and now the fan")))
    split, _ = hold_out([later], [Case(id="x", messages=(asked,))], TestSpec(), TOOLSET)
    assert split.rest == []


def test_traces_with_problems_are_no_test_cases() -> None:
    log = [row.model_copy(update={"problems": ("unknown tool",)}) for row in clean_log(100)]
    split, _ = hold_out(log, None, TestSpec(size=20), TOOLSET)
    assert split.test == []


@pytest.mark.parametrize("size", [0, 1, 4])
def test_a_tiny_log_keeps_its_rows(size: int) -> None:
    split, _ = hold_out(clean_log(size), None, TestSpec(), TOOLSET)
    assert (len(split.test), len(split.rest)) == (0, size)


def test_a_large_log_takes_seconds() -> None:
    log = [
        trace(n, f"turn on lamp number {n} in house {n % 977}", call("turn_on", device="lamp"))
        for n in range(20_000)
    ]
    started = time.monotonic()
    hold_out(log, None, TestSpec(size=200), TOOLSET)
    assert time.monotonic() - started < 30


def test_shares() -> None:
    assert fair_shares({"a": 1, "b": 10, "c": 100}, 21) == {"a": 1, "b": 10, "c": 10}
    assert fair_shares({"a": 2, "b": 2}, 9) == {"a": 2, "b": 2}
    assert fair_shares({"a": 100, "b": 400, "c": 900}, 60, 0.5) == {"a": 10, "b": 20, "c": 30}
    assert fair_shares({"a": 1, "b": 400, "c": 900}, 61, 0.5) == {"a": 1, "b": 24, "c": 36}
    assert proportional_shares({"a": 1, "b": 9}, 10) == {"a": 1, "b": 9}
    assert sum(proportional_shares({"a": 33, "b": 33, "c": 34}, 10).values()) == 10


@given(
    st.dictionaries(st.text(max_size=3), st.integers(1, 300), max_size=9),
    st.integers(0, 1500),
    st.floats(0, 1),
)
def test_shares_give_all_that_is_asked_for_and_none_that_is_not_there(
    sizes: dict[str, int], total: int, exponent: float
) -> None:
    shares = fair_shares(sizes, total, exponent)
    assert sum(shares.values()) == min(total, sum(sizes.values()))
    assert all(0 <= shares[cell] <= size for cell, size in sizes.items())


def test_a_stratified_sample_takes_rare_cells_first() -> None:
    log = [trace(n, f"r{n}", call("turn_on", device="x")) for n in range(95)]
    log += [trace(n, f"r{n}", call("turn_off", device="x")) for n in range(95, 100)]
    sample = stratified(log, 10, seed=3)
    assert Counter(row.calls[0].name for row in sample) == {"turn_on": 5, "turn_off": 5}
    assert stratified(log[::-1], 10, seed=3) == sample
