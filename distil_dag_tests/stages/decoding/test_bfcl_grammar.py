"""The grammar of answers on real tools: those of the Berkeley Function Calling Leaderboard."""

from __future__ import annotations

from collections import defaultdict
from functools import cache

import pytest

from distil_dag.core.answers.parser import parse_answer
from distil_dag.core.tool_call import render_calls
from distil_dag.core.toolset import Tool, Toolset
from distil_dag.stages.decoding.schema_grammar import answers
from distil_dag_tests.bfcl import ToolCase, tool_cases

LEAST = 0.999
VALID = 2316


@pytest.fixture(scope="module")
def cases() -> list[ToolCase]:
    return list(tool_cases())


def test_all_are_read(cases: list[ToolCase]) -> None:
    """As the package has them, so that a share below is one of all."""
    assert len(cases) == 3491
    assert sum(case.labelled for case in cases) == 2351


def test_every_tool_can_be_called(cases: list[ToolCase]) -> None:
    outside = {}
    for case, toolset, _ in cases:
        if why := [said for tool in toolset.tools if (said := _uncallable(tool.model_dump_json()))]:
            outside[case.id] = why
    print(f"{len(outside)} of {len(cases)} tool sets: {outside}")
    assert len(outside) <= (1 - LEAST) * len(cases)


@cache
def _uncallable(tool: str) -> str:
    """Why no call of the tool is in the grammar; empty if some are."""
    try:
        answers(Toolset([Tool.model_validate_json(tool)]))
    except ValueError as error:
        return str(error)
    return ""


def test_every_right_label_means_the_same_to_all(cases: list[ToolCase]) -> None:
    """Valid, in the grammar, the same in canonical form again, rendered and read back unchanged."""
    labels = [(case, toolset) for case, toolset, labelled in cases if labelled]
    right = [(c, tools) for c, tools in labels if not any(tools.problems(call) for call in c.calls)]
    assert len(right) >= VALID  # the others lack required arguments, or hold values of no list
    lost: dict[str, list[str]] = defaultdict(list)
    for case, tools in right:
        calls = [tools.canonical(call) for call in case.calls]
        said = render_calls(calls)
        checks = {
            "canonical form is not valid": any(tools.problems(call) for call in calls),
            "canonical form has another": render_calls([tools.canonical(call) for call in calls]) != said,
            "is read back otherwise": render_calls(parse_answer(said).calls) != said,
            "is not in the grammar": not answers(tools).holds(said.encode()),
        }
        for why in (why for why, failed in checks.items() if failed):
            lost[why].append(case.id)
    print(f"{len(right)} of {len(labels)} labels are valid; of these {dict(lost)}")
    # An undeclared member of an object that declares others: the grammar says none.
    assert dict(lost) == {"is not in the grammar": ["live_multiple_189-83-0"]}
