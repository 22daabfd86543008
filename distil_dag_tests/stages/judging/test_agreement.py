"""What labels say of a judge: found faults, agreement beyond chance, and which labels to give."""

from __future__ import annotations

import json

from distil_dag.core.verdict import Verdict
from distil_dag.stages.judging.agreement import agreement
from distil_dag.stages.judging.judge import judge
from distil_dag.stages.judging.label_sheet import label_sheet
from distil_dag.stages.ports import Reply
from distil_dag_tests.stages.household_log import TOOLSET, clean_log, faulty_log
from distil_dag_tests.stages.judging.scripted_judge import RUBRIC, Marker, marks


def test_labels_to_give_are_drawn_without_the_judges_word() -> None:
    log = clean_log(100)
    judged, _ = judge(log, TOOLSET, RUBRIC, Marker(lambda _: Reply(marks(5, 5), "stop")))
    rows = [json.loads(line) for line in label_sheet(log, judged.verdicts).splitlines()]
    assert len({row["id"] for row in rows}) == 60
    assert all(row["right"] is None and row["request"] for row in rows)
    assert not any("score" in row or "reason" in row for row in rows)


def test_an_audit_counts_what_it_should() -> None:
    def verdict(name: str, score: float | None, outcome: str) -> Verdict:
        return Verdict(
            trace_id=name, request="r", calls=(), outcome=outcome, score=score, reason="x", judge="j"
        )

    verdicts = [
        verdict("a", 0.9, "passed"), verdict("b", 0.8, "passed"), verdict("c", 0.3, "rejected"),
        verdict("d#1", 0.1, "rejected"), verdict("e", None, "unjudged"), verdict("f", 0.2, "rejected"),
    ]  # fmt: skip
    found = agreement(verdicts, {"a": True, "b": False, "c": True, "d": False, "e": False})
    assert (found["n"], found["wrong"], found["unjudged"]) == (4, 2, 1)
    assert (found["precision"], found["recall"], found["purity"]) == (0.5, 0.5, 0.5)
    assert found["auc"] == 0.75
    assert (found["agreement"], found["kappa"]) == (0.5, 0.0)
    assert found["kappa_low"] < -0.3
    assert found["kappa_high"] > 0.3
    assert agreement(verdicts, {"a": True}) == {}


def test_kappa_takes_chance_away_and_few_labels_leave_doubt() -> None:
    def agreeing(size: int) -> dict[str, float]:
        rows = [
            Verdict(
                trace_id=f"{n}", request="r", calls=(), reason="x", judge="j",
                outcome="rejected" if n % 4 == 0 else "passed", score=0.2 if n % 4 == 0 else 0.9,
            )
            for n in range(size)
        ]  # fmt: skip
        return agreement(rows, {f"{n}": n % 4 != 0 for n in range(size)})

    few, many = agreeing(8), agreeing(400)
    assert few["kappa"] == many["kappa"] == 1.0
    assert few["kappa_low"] < 0.7 < 0.95 < many["kappa_low"]
    assert few["recall_low"] < many["recall_low"]
    for found in (few, many):
        for name in ("kappa", "auc", "agreement", "precision", "recall", "purity"):
            assert found[f"{name}_low"] < found[name] == found[f"{name}_high"] == 1.0
    assert few["auc_low"] < 0.7 < 0.95 < many["auc_low"]


def test_a_judge_that_passes_everything_agrees_by_chance_alone() -> None:
    log, right = faulty_log(60, 0.2)
    model = Marker(lambda _: Reply(marks(5, 5), "stop"))
    _, report = judge(log, TOOLSET, RUBRIC, model, labels=right)
    assert report.faults_found is not None
    assert report.faults_found["agreement"] > 0.7
    assert report.faults_found["kappa"] == 0.0
    assert "kappa 0.00" in report.calibration
