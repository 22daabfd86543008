"""Every gate passes on a good report and fails on the one thing that it is for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, get_args

import pytest

from distil_dag.core.case import Case
from distil_dag.core.gates import context, data
from distil_dag.core.gates import student as model
from distil_dag.core.gates.finding import Finding
from distil_dag.core.normalise import ENGLISH
from distil_dag.core.reports.intake import ContextReport, ContextValues
from distil_dag.core.reports.synthesis import CellCoverage
from distil_dag.core.settings import GateName, GateSpec, TrainingSpec
from distil_dag_tests import stand_ins as good

TOOLSET = good.task().toolset
DEFAULTS = GateSpec()


def traces(spec: GateSpec = DEFAULTS, windowed: bool = False, **changes: Any) -> list[Finding]:
    report = good.TRACES_REPORT.model_copy(update=changes)
    return data.check_traces(report, spec, windowed) + context.check_context(
        report.context, spec, TrainingSpec()
    )


def seeds(
    spec: GateSpec = DEFAULTS,
    labelled: Sequence[Case] = tuple(good.SEEDS),
    unlabelled: Sequence[Case] = (),
    test: Sequence[Case] = tuple(good.TEST),
    **changes: Any,
) -> list[Finding]:
    report = good.JUDGE_REPORT.model_copy(update=changes)
    return data.check_seeds(report, test, labelled, unlabelled, TOOLSET, spec, ENGLISH)


def synthetic(
    spec: GateSpec = DEFAULTS, rows: Sequence[Case] = tuple(good.SYNTHETIC), **changes: Any
) -> list[Finding]:
    report = good.SYNTHESIS_REPORT.model_copy(update=changes)
    return data.check_synthetic(report, rows, good.TEST, TOOLSET, spec, ENGLISH)


def training(spec: GateSpec = DEFAULTS, **changes: Any) -> list[Finding]:
    return model.check_training(good.TRAIN_REPORT.model_copy(update=changes), spec)


def export(spec: GateSpec = DEFAULTS, **changes: Any) -> list[Finding]:
    files = [file.model_copy(update=changes) for file in good.GGUF_REPORT.files]
    return model.check_export(good.GGUF_REPORT.model_copy(update={"files": files}), spec)


def student(spec: GateSpec = DEFAULTS, base: float = 0.7, lookup: float = 0.1) -> list[Finding]:
    comparisons = [good.comparison("base", base), good.comparison("lookup", lookup)]
    report = good.EVAL_REPORT.model_copy(update={"comparisons": comparisons})
    return model.check_student(report, spec, "base", "lookup")


COPY = good.example("x", "Please turn on the LAMP!", good.turn_on("radio"))
NEAR = good.example("x", "turn on the lampp", good.turn_on("lamp", room="here"))

DROPPED = ContextReport(
    requests=9, prompts=9, templates=1, keeps="nothing",
    values=[ContextValues(tool="turn_on", argument="device", labels=9, only_in_context=9)],
)  # fmt: skip

FAILING: dict[GateName, Callable[[], list[Finding]]] = {
    "enough_traces": lambda: traces(kept=49),
    "quarantine_share": lambda: traces(quarantined={"not JSON": 21}),
    "context_kept": lambda: traces(context=DROPPED),
    "enough_seeds": lambda: seeds(seeds=19),
    "seed_yield": lambda: seeds(judged=800),
    "verdicts_readable": lambda: seeds(unjudged=2),
    "seeds_leak_free": lambda: seeds(labelled=[COPY]),
    "judge_agrees": lambda: seeds(faults_found={**good.JUDGE_REPORT.faults_found, "kappa": 0.39}),
    "calls_valid": lambda: synthetic(rows=[good.example("x", "let it play", good.turn_on("radio", x=1))]),
    "cells_covered": lambda: synthetic(
        cells=[
            CellCoverage(cell=f"c{n}", tool="turn_on", arguments=[], quota=4, accepted=n) for n in (0, 1, 2)
        ]
    ),
    "synthetic_leak_free": lambda: synthetic(rows=[NEAR]),
    "loss_fell": lambda: training(loss=[(1, 3.0), (2, 2.9)]),
    "rows_complete": lambda: training(truncated=1),
    "rows_supervised": lambda: training(unsupervised_rows=1),
    "stop_token_trained": lambda: training(stop_token_trained=False),
    "gguf_parity": lambda: export(agreement=0.89),
    "beats_base": lambda: student(base=-0.01),
    "beats_lookup": lambda: student(lookup=0.0),
}


def verdicts(findings: list[Finding]) -> dict[str, bool]:
    return {finding.gate: finding.passed for finding in findings}


def test_every_gate_passes_a_good_run() -> None:
    findings = traces() + seeds() + synthetic() + training() + export() + student()
    assert verdicts(findings) == dict.fromkeys(get_args(GateName), True)
    assert all(finding.message for finding in findings)


@pytest.mark.parametrize("gate", get_args(GateName))
def test_each_gate_fails_alone_on_what_it_is_for(gate: GateName) -> None:
    findings = FAILING[gate]()
    assert [finding.gate for finding in findings if not finding.passed] == [gate]
    soft = {gate} & {*DEFAULTS.soft, "context_kept"}
    assert {f.gate for f in findings if f.severity == "warn"} <= {"judge_agrees", "context_kept"}
    assert [f.severity for f in findings if not f.passed] == ["warn" if soft else "error"]


@pytest.mark.parametrize("gate", get_args(GateName))
def test_a_soft_gate_warns(gate: GateName) -> None:
    spec = GateSpec(soft=(gate,))
    findings = traces(spec) + seeds(spec) + synthetic(spec) + training(spec) + export(spec) + student(spec)
    assert [finding.gate for finding in findings if finding.severity == "warn"] == [gate]


def test_a_judge_that_nobody_has_checked_is_not_known_to_agree() -> None:
    finding = next(f for f in seeds(faults_found=None) if f.gate == "judge_agrees")
    assert not finding.passed
    assert finding.severity == "warn"
    assert "to_label.jsonl" in finding.message
    strict = seeds(GateSpec(soft=()), faults_found=None)
    assert [f.severity for f in strict if not f.passed] == ["warn"]
    assert verdicts(seeds(GateSpec(min_judge_kappa=0), faults_found=None))["judge_agrees"]


def test_thresholds_are_the_tasks() -> None:
    assert verdicts(traces(GateSpec(min_traces=10), kept=12))["enough_traces"]
    assert verdicts(seeds(GateSpec(max_leaks=1), labelled=[COPY]))["seeds_leak_free"]
    assert verdicts(export(GateSpec(min_parity=0.5), agreement=0.6))["gguf_parity"]


def test_nothing_at_all_never_passes() -> None:
    assert not verdicts(traces(GateSpec(min_traces=0), read=0, kept=0, quarantined={}))["enough_traces"]
    assert not verdicts(seeds(GateSpec(min_seeds=0), seeds=0))["enough_seeds"]
    assert not verdicts(seeds(test=[]))["seeds_leak_free"]
    assert any("Write a `test.jsonl`" in " ".join(finding.ways_out) for finding in seeds(test=[]))
    assert not verdicts(synthetic(rows=[]))["calls_valid"]
    assert not verdicts(training(loss=[]))["loss_fell"]
    assert not verdicts(training(rows=0))["rows_supervised"]
    empty = good.GGUF_REPORT.model_copy(update={"files": []})
    assert not model.check_export(empty, GateSpec())[0].passed
    apart = good.EVAL_REPORT.model_copy(update={"comparisons": []})
    assert not any(verdicts(model.check_student(apart, GateSpec(), "base", "lookup")).values())


def test_a_run_without_synthesis_has_no_plan_to_fill() -> None:
    assert all(verdicts(synthetic(rows=[], cells=[])).values())


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_no_number_fails(loss: float) -> None:
    assert not verdicts(training(loss=[(1, 3.0), (2, loss), (3, 0.1)]))["loss_fell"]


@pytest.mark.parametrize("change", [{"tokens_equal": False}, {"template_equal": False}, {"probes": 0}])
def test_parity_is_more_than_agreement(change: dict[str, Any]) -> None:
    finding = export(**change)[0]
    assert not finding.passed
    assert "f16, Q8_0" in finding.message


def test_leaks_are_named_with_what_they_repeat() -> None:
    finding = next(f for f in seeds(labelled=[COPY, NEAR]) if f.gate == "seeds_leak_free")
    assert finding.numbers["leaks"] == 2
    assert [(row["row_request"], row["test"], row["how"]) for row in finding.rows] == [
        ("Please turn on the LAMP!", "t1", "same words"),
        ("turn on the lampp", "t1", "similar words, same call"),
    ]


def test_similar_words_with_another_call_are_no_leak() -> None:
    contrast = good.example("x", "turn on the lamp 2", good.turn_on("lamp 2"))
    assert verdicts(seeds(GateSpec(leak_similarity=0.8), labelled=[contrast]))["seeds_leak_free"]


def test_unlabelled_rows_leak_by_their_words_alone() -> None:
    assert not verdicts(seeds(unlabelled=[COPY.model_copy(update={"calls": ()})]))["seeds_leak_free"]
    no_call = good.held_out("t3", "what is the meaning of life")
    near = good.example("x", "what is the meaning of lifes")
    assert verdicts(seeds(unlabelled=[near], test=[*good.TEST, no_call]))["seeds_leak_free"]


def test_words_in_another_order_are_similar() -> None:
    swapped = good.example("x", "the lamp turn on", good.turn_on("lamp"))
    assert not verdicts(seeds(labelled=[swapped]))["seeds_leak_free"]


def test_a_student_that_is_trained_on_need_not_lose_much_more() -> None:
    little = [(1, 0.2), (2, 0.19)]
    assert not verdicts(training(loss=little))["loss_fell"]
    assert verdicts(training(loss=little, continues="home.a"))["loss_fell"]
    assert not verdicts(training(loss=[(1, 0.2), (2, 0.3)], continues="home.a"))["loss_fell"]


def failed(gate: GateName) -> Finding:
    return next(finding for finding in FAILING[gate]() if finding.gate == gate)


WITHOUT_A_THRESHOLD = {"rows_supervised", "stop_token_trained", "beats_base", "beats_lookup"}


@pytest.mark.parametrize("gate", get_args(GateName))
def test_a_failed_gate_says_its_figure_and_its_ways_out(gate: GateName) -> None:
    finding = failed(gate)
    assert finding.figure
    assert finding.threshold
    assert finding.mends
    assert bool(finding.settings) == (gate not in WITHOUT_A_THRESHOLD)
    assert all(
        f"`gates.{name}: {value}`" in " ".join(finding.ways_out) for name, value in finding.settings.items()
    )


@pytest.mark.parametrize("gate", sorted(set(get_args(GateName)) - WITHOUT_A_THRESHOLD))
def test_the_threshold_that_is_advised_lets_the_gate_pass(
    gate: GateName, monkeypatch: pytest.MonkeyPatch
) -> None:
    advised = GateSpec(**failed(gate).settings)
    for check in (
        data.check_traces,
        context.check_context,
        data.check_seeds,
        data.check_synthetic,
        model.check_training,
        model.check_export,
    ):
        module = next(room for room in (data, context, model) if check.__module__ == room.__name__)

        def with_the_advice(*given: Any, check: Any = check) -> list[Finding]:
            return check(*(advised if isinstance(value, GateSpec) else value for value in given))

        monkeypatch.setattr(module, check.__name__, with_the_advice)
    assert failed(gate).passed


def test_what_passed_needs_no_advice() -> None:
    findings = traces() + seeds() + synthetic() + training() + export() + student()
    assert [finding.ways_out for finding in findings] == [()] * len(findings)


def test_a_soft_list_keeps_the_gates_that_are_soft_already() -> None:
    assert "`gates.soft: [judge_agrees, enough_seeds]`" in failed("enough_seeds").ways_out[-1]


def test_a_run_of_the_whole_log_is_not_told_of_windows() -> None:
    whole = " ".join(traces(kept=3)[0].ways_out)
    assert "SINCE" not in whole
    assert "whole log" in whole
    assert "SINCE" in " ".join(traces(kept=3, windowed=True)[0].ways_out)


def test_nothing_at_all_is_not_helped_by_a_threshold() -> None:
    nothing = [*traces(read=0, kept=0, quarantined={}), *seeds(seeds=0), *seeds(test=[]), *training(loss=[])]
    for finding in nothing:
        if finding.stops and finding.gate in (
            "enough_traces",
            "enough_seeds",
            "seeds_leak_free",
            "loss_fell",
        ):
            assert finding.settings == {}
            assert finding.soft == ()


def test_seeds_that_a_setting_holds_back_are_set_free_by_it() -> None:
    assert "raise it to 20" in seeds(seeds=10, passed_context=50)[0].mends[0]
