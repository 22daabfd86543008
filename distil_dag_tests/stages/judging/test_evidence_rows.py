"""A log longer than its sample gives rows that prove, and training has no row less."""

from __future__ import annotations

import pytest

from distil_dag.core.case import Trace
from distil_dag.core.normalise import ENGLISH
from distil_dag.core.settings import JudgeSpec
from distil_dag.core.task import Settings
from distil_dag.stages.judging.calibration_split import set_aside
from distil_dag.stages.judging.evidence_rows import evidence_rows
from distil_dag.stages.judging.judge import judge
from distil_dag_tests.stages.household_log import TOOLSET, SilentModel, faulty_log

SPEC = JudgeSpec(sample=100, evidence=0.6, seeds=40, reask=0)


@pytest.fixture(scope="module")
def log() -> list[Trace]:
    return faulty_log(240, 0.25)[0]


def test_each_request_is_drawn_once_and_leaves_whole(log: list[Trace]) -> None:
    drawn, rest = evidence_rows(log, SPEC, ENGLISH)
    asked = [ENGLISH.identity(trace) for trace in drawn]
    assert len(asked) == len(set(asked)) == 60
    assert not {*asked} & {ENGLISH.identity(trace) for trace in rest}
    again = evidence_rows(log[::-1], SPEC, ENGLISH)
    assert (drawn, rest) == again


def test_training_has_no_row_less(log: list[Trace]) -> None:
    plain, without = judge(log, TOOLSET, SPEC.model_copy(update={"evidence": 0}), SilentModel())
    found, report = judge(log, TOOLSET, SPEC, SilentModel())
    assert without.evidence is None
    assert report.evidence is not None
    assert (report.evidence.judged, report.judged) == (60, without.judged + 60)
    assert 30 < report.evidence.kept == len(found.calibration) < 60
    assert report.evidence.seconds > 0
    passed = {row.trace_id: row.score or 0.0 for row in found.verdicts if row.passed}
    assert min(passed[row.id] for row in found.calibration) >= 0.9
    assert len(found.seeds) + len(found.context) > 0.8 * (len(plain.seeds) + len(plain.context))


def test_what_proves_is_seen_by_nobody_else(log: list[Trace]) -> None:
    judged, report = set_aside(*judge(log, TOOLSET, SPEC, SilentModel()), SPEC, TOOLSET, 0.95)
    proving = {ENGLISH.identity(row) for row in judged.calibration}
    others = [*judged.seeds, *judged.context, *judged.unlabelled]
    assert not proving & {ENGLISH.identity(row) for row in others}
    assert report.evidence is not None
    assert report.set_aside == len(proving) == report.evidence.kept


@pytest.mark.parametrize("changed", [{"sample": None}, {"sample": 2000}, {"sample": 230}, {"evidence": 0}])
def test_a_log_that_is_judged_whole_keeps_the_old_way(log: list[Trace], changed: dict[str, int]) -> None:
    drawn, rest = evidence_rows(log, SPEC.model_copy(update=changed), ENGLISH)
    assert drawn == []
    assert rest == sorted(log, key=lambda trace: trace.id)


def test_a_request_that_comes_all_the_time_stays_in_training(log: list[Trace]) -> None:
    often = [log[0].model_copy(update={"id": f"again-{n}"}) for n in range(400)]
    spec = SPEC.model_copy(update={"sample": 500, "evidence": 0.12})
    drawn, rest = evidence_rows([*log, *often], spec, ENGLISH)
    assert len(drawn) >= 20
    assert len(rest) >= 500
    assert sum(trace.id.startswith("again") for trace in rest) == 400


def test_by_default_a_long_log_has_evidence() -> None:
    spec = Settings.model_fields["judge"].default or JudgeSpec()
    assert spec.sample is not None
    assert spec.evidence * spec.sample == 300
