"""The gate that warns where a student never reads what its answers depend on."""

from __future__ import annotations

from typing import Any

import pytest

from distil_dag.core.gates.context import check_context
from distil_dag.core.gates.finding import Finding
from distil_dag.core.reports.intake import ContextReport, ContextValues
from distil_dag.core.settings import GateSpec, TrainingSpec

VALUES = [ContextValues(tool="switch", argument="device", labels=80, only_in_context=60, example="d41")]
REPORT = ContextReport(
    requests=100, prompts=90, templates=1, keeps="nothing", mean_tokens=40.0, values=VALUES
)


def found(spec: GateSpec | None = None, **changes: Any) -> Finding:
    (finding,) = check_context(REPORT.model_copy(update=changes), spec or GateSpec(), TrainingSpec())
    return finding


def test_it_warns_where_values_stand_only_in_prompts_that_are_dropped() -> None:
    finding = found()
    assert not finding.passed
    assert not finding.stops
    assert "switch.device 75.0%" in finding.message
    assert "`student.context: auto`" in finding.ways_out[0]
    assert finding.rows[0]["example"] == "d41"
    assert found(GateSpec(max_context_lost=finding.settings["max_context_lost"])).passed


@pytest.mark.parametrize("keeps", ["varying", "all"])
def test_it_passes_where_they_are_read(keeps: str) -> None:
    assert found(keeps=keeps, kept_tokens=60).passed


def test_it_passes_where_few_or_no_values_stand_there() -> None:
    few = VALUES[0].model_copy(update={"only_in_context": 4, "labels": 4})
    assert found(values=[few]).passed
    assert found(values=[]).passed
    (without,) = check_context(None, GateSpec(), TrainingSpec())
    assert without.passed


def test_it_warns_where_contexts_are_as_long_as_rows_may_be() -> None:
    finding = found(keeps="varying", kept_tokens=700)
    assert not finding.passed
    assert not finding.stops
    assert "`training.max_length`" in " ".join(finding.ways_out)
