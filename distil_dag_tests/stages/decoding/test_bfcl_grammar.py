"""The grammar of answers on real tools: those of the Berkeley Function Calling Leaderboard."""

from __future__ import annotations

from functools import cache

import pytest

from distil_dag.core.tool_call import render_calls
from distil_dag.core.toolset import Tool, Toolset
from distil_dag.stages.decoding.schema_grammar import answers
from distil_dag_tests.bfcl import ToolCase, tool_cases

LEAST = 0.995


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


def test_every_valid_label_can_be_said(cases: list[ToolCase]) -> None:
    valid, outside = 0, {}
    for case, toolset, labelled in cases:
        if not labelled or any(toolset.problems(call) for call in case.calls):
            continue
        valid += 1
        said = render_calls([toolset.canonical(call) for call in case.calls])
        if not answers(toolset).holds(said.encode()):
            outside[case.id] = said
    print(f"{len(outside)} of {valid} valid labels: {outside}")
    assert valid > 2300
    assert len(outside) <= (1 - LEAST) * valid
