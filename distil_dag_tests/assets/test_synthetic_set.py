"""The asset `synthetic_set`, materialized on a store that holds judged seeds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg

from distil_dag.adapters.chat.meter import Meter
from distil_dag.adapters.run_store import RunStore
from distil_dag.assets.synthetic_set import synthetic_set
from distil_dag.core import tables
from distil_dag.core.case import Example
from distil_dag.core.reports.synthesis import SynthesisReport
from distil_dag.core.settings import ModelSpec, SynthesisSpec
from distil_dag.core.sources import FileSource
from distil_dag.core.task import Settings, Task
from distil_dag.resources.models import ModelsResource
from distil_dag.resources.store import StoreResource
from distil_dag.stages.ports import ChatModel
from distil_dag_tests.stages.synthesis.lamp_teacher import TOOLS, Scripted, good, seeds

RUN = "home.all"


class ScriptedTeacher(ModelsResource):
    @contextmanager
    def chat(self, spec: ModelSpec, meter: Meter | None = None) -> Iterator[ChatModel]:
        yield Scripted(good)


def _materialize(root: Path, cases: list[Example], **settings: Any) -> dg.ExecuteInProcessResult:
    store = RunStore(root)
    spec = SynthesisSpec(**({"rows": 30, "batch": 16, "widen": False, "max_attempts_per_row": 8} | settings))
    task = Task(
        settings=Settings(name="home", traces=FileSource(kind="files", path="x.jsonl"), synthesis=spec),
        description="a home",
        tools=tuple(TOOLS.openai()),
    )
    store.write_report(RUN, "traces", task, name="task")
    store.write_cases(RUN, tables.SEEDS, cases)
    for table in (tables.CONTEXT, tables.UNLABELLED, tables.TEST, tables.CALIBRATION):
        store.write_cases(RUN, table, [])
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("distil_runs", [RUN])
        return dg.materialize(
            [synthetic_set],
            instance=instance,
            partition_key=RUN,
            resources={
                "store": StoreResource(root=str(root)),
                "models": ScriptedTeacher(cache_root=str(root / "cache")),
            },
            raise_on_error=False,
        )


def test_it_writes_rows_report_and_metadata(tmp_path: Path) -> None:
    result = _materialize(tmp_path, seeds())
    assert result.success
    store = RunStore(tmp_path)
    rows = store.read_cases(RUN, tables.SYNTHETIC)
    report = store.read_report(RUN, "synthetic_set", SynthesisReport)
    assert len(rows) == report.accepted == 30
    assert {row.origin for row in rows} == {"synthetic"}
    assert len(store.read_rows(RUN, tables.REJECTED)) == sum(report.rejected.values())
    metadata = result.asset_materializations_for_node("synthetic_set")[0].metadata
    assert metadata["dagster/row_count"].value == 30
    plot = metadata["funnel_plot"].value
    assert isinstance(plot, str)
    assert plot.startswith("![yield funnel](data:image/webp;base64,")
    assert len(plot) < 50_000
    assert "lamp_on(room)" in str(metadata["coverage_by_cell"].value)


def test_the_same_inputs_give_the_same_data_version(tmp_path: Path) -> None:
    versions = set()
    for name in ("first", "second"):
        result = _materialize(tmp_path / name, seeds())
        versions.add(result.asset_materializations_for_node("synthetic_set")[0].tags["dagster/data_version"])
    assert len(versions) == 1


def test_without_seeds_it_fails_and_says_what_to_do(tmp_path: Path) -> None:
    result = _materialize(tmp_path, [])
    assert not result.success
    failure = result.failure_data_for_node("synthetic_set")
    assert failure is not None
    assert "no seeds" in str(failure.user_failure_data)
