from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distil_dag.core.answers.parser import parse_answer
from distil_dag.core.tool_call import Answer, ToolCall, render_calls
from distil_dag.core.toolset import Toolset
from distil_dag.stages.evaluating.metrics import (
    BINARY,
    EXACT,
    METRICS,
    NAME,
    STAGED,
    pair_calls,
    score,
    staged,
)

TOOLS = Toolset.from_openai(
    [
        {
            "type": "function",
            "function": {
                "name": "light_on",
                "parameters": {
                    "type": "object",
                    "properties": {
                        "room": {"type": "string"},
                        "level": {"type": "integer", "default": 100},
                        "warm": {"type": "boolean"},
                    },
                    "additionalProperties": False,
                },
            },
        },
        {"name": "light_off", "parameters": {"type": "object", "properties": {"room": {"type": "string"}}}},
    ]
)


def call(name: str, **arguments: Any) -> ToolCall:
    return ToolCall(name=name, arguments=arguments)


KITCHEN = call("light_on", room="kitchen")


@pytest.mark.parametrize(
    ("answer", "exact", "binary", "reached", "name", "why"),
    [
        ('<tool_call>{"name":"light_on","arguments":{"room":"kitchen"}}</tool_call>', 1, 1, 1.0, 1, ""),
        ('{"name": "light_on", "arguments": {"level": 100, "room": "kitchen"}}', 1, 0, 0.5, 1, ""),
        ('{"name": "light_on", "arguments": "{\\"room\\": \\"kitchen\\"}"}', 1, 1, 1.0, 1, ""),
        ('{"name": "light_on", "arguments": {"room": "hall"}}', 0, 0, 0.75, 1, "wrong value: room"),
        ('{"name": "light_on", "arguments": {}}', 0, 0, 0.5, 1, "missing argument: room"),
        (
            '{"name": "light_on", "arguments": {"room": "kitchen", "warm": true}}',
            0, 0, 0.5, 1, "extra argument: warm",
        ),
        ('{"name": "light_off", "arguments": {"room": "kitchen"}}', 0, 0, 0.25, 0,
         "wrong tool: light_off instead of light_on"),
        ('{"name": "light_on", "arguments": {"room": 3}}', 0, 0, 0.75, 1, "wrong value: room"),
        ('{"name": "sing", "arguments": {}}', 0, 0, 0.25, 0, "wrong tool: sing instead of light_on"),
        ("Sure, I will do that.", 0, 0, 0.0, 0, "no call"),
        ("", 0, 0, 0.0, 0, "no call"),
        ('{"name": "light_on", "arguments": {"room": "kitch', 0, 0, 0.0, 0, "unparseable"),
        ('{"arguments": {"room": "kitchen"}}', 0, 0, 0.0, 0, "unparseable"),
        ("[1, 2", 0, 0, 0.0, 0, "unparseable"),
        (
            render_calls([KITCHEN, call("light_off")]),
            0, 0, 0.0, 0, "extra call: light_off",
        ),
    ],
)  # fmt: skip
def test_one_expected_call(answer: str, exact: int, binary: int, reached: float, name: int, why: str) -> None:
    found = score([KITCHEN], parse_answer(answer), TOOLS)
    assert found.metrics == {EXACT: exact, BINARY: binary, STAGED: reached, NAME: name}
    assert found.exact == bool(exact)
    assert found.why.startswith(why) if why else not found.why


def test_no_call_cases_are_right_only_without_a_call() -> None:
    assert score([], parse_answer("No tool fits."), TOOLS).metrics == dict.fromkeys(METRICS, 1.0)
    called = score([], parse_answer(render_calls([KITCHEN])), TOOLS)
    assert called.metrics == dict.fromkeys(METRICS, 0.0)
    assert called.why == "called when none fits: light_on"
    assert score([], parse_answer("<tool_call>{"), TOOLS).metrics == dict.fromkeys(METRICS, 0.0)


def test_parallel_calls_in_any_order() -> None:
    expected = [KITCHEN, call("light_off", room="hall"), call("light_on", room="attic")]
    turned = [expected[2], call("light_on", room="kitchen", level=100), expected[1]]
    found = score(expected, Answer(calls=tuple(turned)), TOOLS)
    assert found.exact
    assert found.metrics[BINARY] == 0
    half = score(expected, Answer(calls=(expected[1], expected[2], call("light_on", room="cellar"))), TOOLS)
    assert half.metrics[STAGED] == pytest.approx((1 + 1 + 0.75) / 3)
    assert half.metrics[NAME] == 1
    assert half.why == "wrong value: room"


def test_one_and_true_differ_but_two_and_two_point_nought_do_not() -> None:
    expected = [call("light_on", level=2)]
    assert score(expected, Answer(calls=(call("light_on", level=2.0),)), TOOLS).exact
    one = score([call("light_on", level=1)], Answer(calls=(call("light_on", level=True),)), TOOLS)
    assert one.why == "wrong value: level"


@pytest.mark.parametrize("depth", [200, 300, 5000])
def test_deep_nesting_is_wrong_and_never_a_crash(depth: int) -> None:
    text = '{"name":"light_on","arguments":{"room":' + "[" * depth + "]" * depth + "}}"
    assert not score([KITCHEN], parse_answer(text), TOOLS).exact


CALLS = st.lists(
    st.builds(
        lambda name, arguments: ToolCall(name=name, arguments=arguments),
        st.sampled_from(["light_on", "light_off"]),
        st.dictionaries(st.sampled_from(["room", "level"]), st.integers(0, 1), max_size=2),
    ),
    max_size=4,
)


@given(CALLS, CALLS)
def test_pairing_reaches_as_many_stages_as_the_best_assignment(
    expected: list[ToolCall], answered: list[ToolCall]
) -> None:
    pairs = pair_calls(expected, answered)
    assert sorted(c.key() for c, _ in pairs if c) == sorted(c.key() for c in expected)
    assert sorted(c.key() for _, c in pairs if c) == sorted(c.key() for c in answered)
    if len(expected) == len(answered) and expected:
        best = max(
            sum(staged([left], [right]) for left, right in zip(expected, order, strict=True))
            for order in permutations(answered)
        )
        assert staged(expected, answered) == pytest.approx(best / len(expected))


@given(CALLS, CALLS)
def test_metrics_agree_with_each_other(expected: list[ToolCall], answered: list[ToolCall]) -> None:
    found = score(expected, parse_answer(render_calls(answered)), TOOLS)
    assert found.metrics[BINARY] <= found.metrics[EXACT] <= found.metrics[NAME]
    assert (found.metrics[STAGED] == 1.0) == (found.metrics[BINARY] == 1.0)
    assert bool(found.why) != found.exact


@given(st.text(max_size=80))
def test_no_text_crashes_the_score(text: str) -> None:
    assert set(score([KITCHEN], parse_answer(text), TOOLS).metrics) == set(METRICS)


def test_thousands_of_calls_take_no_time() -> None:
    many = tuple(call("light_on", room=str(number)) for number in range(3000))
    assert staged(many, many[::-1]) == 1.0
