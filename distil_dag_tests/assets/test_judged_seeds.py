from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from distil_dag.adapters.chat.meter import Meter
from distil_dag.assets.judged_seeds import judged_seeds
from distil_dag.core import tables
from distil_dag.core.normalise import ENGLISH
from distil_dag.core.reports.judging import JudgeReport
from distil_dag.core.settings import ModelSpec
from distil_dag.core.task import Settings, Task
from distil_dag.resources.ancestors import ancestors
from distil_dag.resources.models import ModelsResource
from distil_dag.resources.store import StoreResource
from distil_dag.stages.prompting.prompt_files import digests
from distil_dag.stages.splitting.holdout import remaining
from distil_dag_tests.stages.household_log import TOOLSET, SilentModel, faulty_log

RUN = "house.all"


class SilentTeacher(ModelsResource):
    @contextmanager
    def chat(self, spec: ModelSpec, meter: Meter | None = None) -> Iterator[SilentModel]:
        yield SilentModel()


def test_the_asset_writes_its_tables_and_shows_how_well_it_judged(tmp_path: Path) -> None:
    log, right = faulty_log(150, 0.25)
    store = StoreResource(root=str(tmp_path / "store"))
    runs = store.open()
    source = {"kind": "files", "path": "log.jsonl"}
    settings = Settings.model_validate({"name": "house", "traces": source, "test": {"size": 12}})
    task = Task(
        settings=settings, description=TOOLSET.description, tools=tuple(TOOLSET.openai()), labels=right
    )
    runs.write_report(RUN, "traces", task, name="task")
    runs.write_cases(RUN, tables.TRACES, log)
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("distil_runs", [RUN])
        arguments = {
            "partition_key": RUN,
            "instance": instance,
            "resources": {"store": store, "models": SilentTeacher(cache_root=str(tmp_path))},
        }
        first = dg.materialize([judged_seeds], **arguments)
        again = dg.materialize([judged_seeds], **arguments)
        other = settings.model_copy(update={"test": settings.test.model_copy(update={"size": 3})})
        runs.write_report(RUN, "traces", task.model_copy(update={"settings": other}), name="task")
        lineage = ancestors(instance, "judged_seeds", RUN)[0]
    event, repeated = (r.asset_materializations_for_node("judged_seeds")[0] for r in (first, again))
    assert event.tags["dagster/data_version"] == repeated.tags["dagster/data_version"]
    test = runs.read_cases(RUN, tables.TEST)
    passed = [runs.read_cases(RUN, table) for table in (tables.SEEDS, tables.CONTEXT)]
    rest = [*passed[0], *passed[1], *runs.read_cases(RUN, tables.UNLABELLED)]
    assert len(test) == 12
    assert not {ENGLISH.key(case.request) for case in test} & {ENGLISH.key(case.request) for case in rest}
    report = runs.read_report(RUN, "judged_seeds", JudgeReport)
    assert report.faults_found is not None
    assert report.faults_found["auc"] > 0.9
    assert event.metadata["known_faults_auc"].value == round(report.faults_found["auc"], 4)
    assert event.metadata["known_faults_kappa"].value > 0.5
    assert "kappa" in event.metadata["calibration"].value
    assert event.metadata["prompts"].value == report.prompts == digests("likelihood_judge")
    assert event.metadata["dagster/row_count"].value == len(passed[0]) == report.seeds
    assert lineage["prompts"] == report.prompts
    assert lineage["config"] == {"test": {"size": 12}}
    assert "+prompts." in str(lineage["code_version"])
    assert len(runs.read_rows(RUN, tables.VERDICTS)) == len(rest) == report.judged
    left = remaining(log, runs.read_rows(RUN, tables.SPLIT))
    assert {trace.id for trace in left} == {case.id for case in rest}


def test_without_labels_the_asset_says_how_to_calibrate_and_leaves_rows_to_label(tmp_path: Path) -> None:
    log, _ = faulty_log(60, 0.25)
    store = StoreResource(root=str(tmp_path / "store"))
    source = {"kind": "files", "path": "log.jsonl"}
    settings = Settings.model_validate({"name": "house", "traces": source, "test": {"size": 5}})
    task = Task(settings=settings, description=TOOLSET.description, tools=tuple(TOOLSET.openai()))
    store.open().write_report(RUN, "traces", task, name="task")
    store.open().write_cases(RUN, tables.TRACES, log)
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("distil_runs", [RUN])
        result = dg.materialize(
            [judged_seeds],
            partition_key=RUN,
            instance=instance,
            resources={"store": store, "models": SilentTeacher(cache_root=str(tmp_path))},
        )
    event = result.asset_materializations_for_node("judged_seeds")[0]
    assert "uncalibrated" in event.metadata["calibration"].value
    sheet = store.open().read_bytes(RUN, "judged_seeds", "to_label.jsonl").decode().splitlines()
    test = {case.id for case in store.open().read_cases(RUN, tables.TEST)}
    assert len(sheet) > 40
    assert not any(f'"id": "{name}"' in line for name in test for line in sheet)
