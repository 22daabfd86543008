"""What a run tells of its model: from its reports, without secrets and without folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from distil_dag.adapters.run_store import RunStore
from distil_dag.core.reports.evaluation import EvalReport
from distil_dag.core.settings import ModelSpec, StudentSpec, TrainingSpec
from distil_dag.core.sources import FileSource, HubSource, SqlSource, TraceSource
from distil_dag.core.task import Task
from distil_dag.runs.provenance import EVALUATION, model_evaluation, provenance, stored_evaluation
from distil_dag_tests import stand_ins as good

RUN = "home.20261124T110000Z_20261117T110000Z"
REPORTS: dict[str, BaseModel] = {
    "traces": good.TRACES_REPORT,
    "judged_seeds": good.JUDGE_REPORT,
    "synthetic_set": good.SYNTHESIS_REPORT,
    "checkpoint": good.TRAIN_REPORT.model_copy(
        update={"finished": "2026-11-30T09:57:45+00:00", "environment": {"python": "3.12"}}
    ),
    "gguf": good.GGUF_REPORT,
    "eval_report": good.EVAL_REPORT,
}


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    store = RunStore(tmp_path)
    for asset, report in REPORTS.items():
        store.write_report(RUN, asset, report)
    return store


def logged(source: TraceSource) -> Task:
    task = good.task()
    return task.model_copy(update={"settings": task.settings.model_copy(update={"traces": source})})


def test_it_counts_the_rows_of_every_stage_and_knows_date_and_window(store: RunStore) -> None:
    found = provenance(store, RUN, good.task())
    assert found.window == "from 2026-11-17 11:00 until before 2026-11-24 11:00 UTC"
    assert found.rows["log"] == {"read": 100, "passed over": 0, "quarantined": 2, "kept": 98}
    assert found.rows["split"]["test"] == 2
    assert found.rows["judging"]["seeds"] == 60
    assert found.rows["synthesis"] == {"attempted": 2, "accepted": 1}
    assert found.rows["training"] == {"trained on": 2}
    assert (found.base, found.teacher, found.judge) == ("small", "small", "small")
    assert (found.trained, found.environment) == ("2026-11-30T09:57:45+00:00", {"python": "3.12"})


def test_a_run_that_has_only_begun_names_what_it_will_use(tmp_path: Path) -> None:
    task = good.task(
        teacher=ModelSpec(mode="attached", model="big", revision="r7", base_url="http://x/v1"),
        student=StudentSpec(model="/models/base", revision="r1"),
    )
    found = provenance(RunStore(tmp_path), "home.all", task)
    assert (found.base, found.teacher, found.method, found.rows) == ("…/base@r1", "big@r7", "", {})
    assert found.window == "the whole log"


def test_all_settings_are_there_and_those_that_were_changed_are_known(store: RunStore) -> None:
    found = provenance(store, RUN, good.task(training=TrainingSpec(epochs=2)))
    settings = {setting.name: setting for setting in found.settings}
    assert (settings["training.epochs"].value, settings["training.epochs"].changed) == (2.0, True)
    assert (settings["training.seed"].value, settings["training.seed"].changed) == (0, False)
    assert {"judge.committee", "teacher.price.per_hour", "gates.soft"} <= settings.keys()


@pytest.mark.parametrize(
    ("source", "words", "setting", "shown"),
    [
        (
            SqlSource(kind="sql", url="sqlite:////home/ann/log.db", table="calls", where={"agent": "home"}),
            "table calls of a sqlite database, rows where agent is home",
            "traces.url",
            "sqlite:///…/log.db",
        ),
        (
            SqlSource(kind="sql", url="postgresql+psycopg2://ann:hush@db/log", table="calls"),
            "table calls of a postgresql database",
            "traces.url",
            "postgresql+psycopg2://ann:***@db/log",
        ),
        (
            FileSource(kind="files", path="/home/ann/logs/*.jsonl"),
            "files *.jsonl",
            "traces.path",
            "…/*.jsonl",
        ),
        (
            HubSource(kind="huggingface", dataset="ann/calls", revision="r2"),
            "split train of the Hub's dataset ann/calls at r2",
            "traces.revision",
            "r2",
        ),
    ],
)
def test_the_log_in_words_has_neither_secret_nor_folder(
    store: RunStore, source: TraceSource, words: str, setting: str, shown: str
) -> None:
    found = provenance(store, RUN, logged(source))
    assert found.log == words
    assert {one.name: one.value for one in found.settings}[setting] == shown
    whole = found.model_dump_json()
    assert "hush" not in whole
    assert "/home/ann" not in whole


def test_scores_are_of_the_files_that_the_run_has_now(store: RunStore) -> None:
    task = good.task()
    # A run of an older release has its report alone.
    older = stored_evaluation(store, RUN, task)
    assert older is not None
    assert (older.n, older.student, older.gates) == (100, "Q8_0", [])
    assert [row.lead.value if row.lead else None for row in older.candidates] == [
        None,
        0.75,
        0.15000000000000002,
    ]
    # A report that was written with scores beside the files, and these were made again since.
    report = good.EVAL_REPORT.model_copy(update={"provenance": provenance(store, RUN, task)})
    store.write_report(RUN, "eval_report", report)
    assert stored_evaluation(store, RUN, task) is None
    beside = model_evaluation(RUN, report, good.GGUF_REPORT, 0.9)
    store.write_report(RUN, "gguf", beside, name=EVALUATION)
    assert stored_evaluation(store, RUN, task) == beside
    assert store.read_report(RUN, "eval_report", EvalReport).provenance == report.provenance
