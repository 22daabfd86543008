"""Validator, canonical form, arguments, grammar and prompt mean the same by a schema."""

from __future__ import annotations

import json
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from distil_dag.core.answers.parser import parse_answer
from distil_dag.core.tool_call import ToolCall, render_calls, same_value
from distil_dag.core.toolset import Toolset
from distil_dag.stages.decoding.schema_grammar import answers, deviations
from distil_dag.stages.prompting.tool_signatures import signature
from distil_dag_tests.stages.decoding.generated_schemas import mutated, tool_calls
from distil_dag_tests.stages.decoding.schema_walks import walk


def called(arguments: dict[str, Any]) -> ToolCall:
    return ToolCall(name="act", arguments=arguments)


def sayable(tools: Toolset, call: ToolCall) -> bool:
    return answers(tools, 1, False).holds(render_calls([call]).encode())


def kept(canonical: Any, given_: Any) -> bool:
    """Whether the canonical value says nothing that the given one does not."""
    if isinstance(canonical, dict):
        return isinstance(given_, dict) and all(
            name in given_ and kept(value, given_[name]) for name, value in canonical.items()
        )
    if isinstance(canonical, list):
        return len(canonical) == len(given_) and all(map(kept, canonical, given_))
    return same_value(canonical, given_)


@settings(max_examples=300, deadline=None)
@given(tool_calls())
def test_a_valid_call_is_valid_for_all(made: tuple[Toolset, dict[str, Any]]) -> None:
    tools, arguments = made
    assert tools.problems(called(arguments)) == []
    canonical = tools.canonical(called(arguments))
    assert tools.problems(canonical) == []
    assert tools.canonical(canonical).arguments == canonical.arguments
    assert list(tools.canonical(canonical).arguments) == list(canonical.arguments)
    assert kept(canonical.arguments, arguments)
    assert sayable(tools, canonical), (render_calls([canonical]), deviations(tools))
    (again,) = parse_answer(render_calls([canonical])).calls
    assert json.dumps(again.arguments) == json.dumps(canonical.arguments)
    whole = tools.as_defined(called(arguments))
    assert whole == called(arguments)
    assert list(whole.arguments) == list(arguments)
    assert render_calls([tools.canonical(whole)]) == render_calls([canonical])
    said = signature(tools["act"])
    for name in canonical.arguments:
        assert name in tools["act"].properties or tools["act"].others
    assert all(f"{name}: " in said or f"{name}?: " in said for name in tools["act"].properties)


@settings(max_examples=300, deadline=None)
@given(st.data(), tool_calls())
def test_a_changed_call_is_refused_by_all_or_by_none(
    data: st.DataObject, made: tuple[Toolset, dict[str, Any]]
) -> None:
    tools, arguments = made
    other = data.draw(mutated(arguments)) if arguments else {"other": 1}
    changed = called(other if isinstance(other, dict) else {})
    wrong = tools.problems(changed)
    canonical = tools.canonical(changed)
    assert bool(tools.problems(canonical)) == bool(wrong)
    if not deviations(tools):
        assert sayable(tools, canonical) is not bool(wrong), (wrong, render_calls([canonical]))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**20), tool_calls())
def test_what_the_grammar_says_is_valid(seed: int, made: tuple[Toolset, dict[str, Any]]) -> None:
    tools, _ = made
    if not deviations(tools):
        said = walk(answers(tools, 1, False), random.Random(seed), 200).decode()
        (call,) = parse_answer(said).calls
        assert tools.problems(call) == [], said


@settings(max_examples=300, deadline=None)
@given(st.data(), tool_calls())
def test_the_validator_is_that_of_json_schema(
    data: st.DataObject, made: tuple[Toolset, dict[str, Any]]
) -> None:
    """But for `nullable` and steps in decimals, which JSON Schema has not."""
    tools, arguments = made
    schema = tools["act"].parameters
    if "nullable" in (text := json.dumps(schema)) or "multipleOf" in text:
        return
    changed = data.draw(st.just(arguments) | mutated(arguments)) if arguments else {}
    canonical = tools.canonical(called(changed if isinstance(changed, dict) else {}))
    known = tools["act"].others or not canonical.arguments.keys() - tools["act"].properties.keys()
    valid = Draft202012Validator(schema).is_valid(canonical.arguments)
    assert (tools.problems(canonical) == []) is (valid and bool(known))
