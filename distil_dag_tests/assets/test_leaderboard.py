from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from distil_dag.adapters.run_store import RunStore
from distil_dag.build import build_defs
from distil_dag.runs.releasing.standings import best_of_each_task, standings
from distil_dag_tests import stand_ins as good


def evaluated(store: RunStore, run: str, exact: float, **changes: Any) -> None:
    candidates = [good.candidate("Q8_0", exact), *good.EVAL_REPORT.candidates[1:]]
    report = good.EVAL_REPORT.model_copy(update={"candidates": candidates, **changes})
    store.write_report(run, "eval_report", report)


def test_best_first_within_each_task(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    evaluated(store, "home.a", 0.8)
    evaluated(store, "home.b", 0.9)
    older = "car.20261124_20261117"  # a key that none may be called by any more
    evaluated(store, older, 0.7, comparisons=[])
    store.write_report("home.gated", "traces", good.TRACES_REPORT)
    store.write_bytes("home.broken", "eval_report", "report.json", b"{")
    rows = standings(store).to_dict("records")
    assert [row["run"] for row in rows] == [older, "home.b", "home.a"]
    assert rows[0]["task"] == "car"
    assert rows[1]["lead over lookup"] == "+15.0% (+10.0% to +20.0%)"
    assert rows[0]["lead over lookup"] == ""
    assert rows[1]["interval"] == "85.0% to 95.0%"
    assert rows[1]["MB"] == 145.0


def test_where_not_all_fit_each_task_shows_its_best() -> None:
    many = [{"task": "a", "run": f"a.{n}"} for n in range(50)]
    rows = [*many, {"task": "b", "run": "b.0"}, {"task": "c", "run": "c.0"}, {"task": "c", "run": "c.1"}]

    def best(limit: int) -> list[dict[Hashable, Any]]:
        return best_of_each_task(pd.DataFrame(rows), limit).to_dict("records")

    assert best(10) == [*many[:7], *rows[-3:]]
    assert best(4) == [*many[:2], *rows[-3:-1]]
    assert best(1) == [many[0], *rows[-3:-1]]
    assert best(100) == rows


def test_a_store_without_runs_has_no_standings(tmp_path: Path) -> None:
    found = standings(RunStore(tmp_path))
    assert best_of_each_task(found, 100).empty
    assert "exact match" in found


def test_the_asset_shows_all_runs(instance: dg.DagsterInstance, home: Path) -> None:
    evaluated(RunStore(home / "store"), "home.a", 0.8)
    job = build_defs(home, chain=good.stand_in_chain()).resolve_job_def("refresh_leaderboard")
    result = job.execute_in_process(instance=instance)
    shown = result.asset_materializations_for_node("leaderboard")[0].metadata
    assert "home.a" in str(shown["runs"].value)
    assert shown["dagster/row_count"].value == 1


def test_it_is_requested_again_after_each_evaluation_even_past_a_gated_run(
    instance: dg.DagsterInstance, home: Path
) -> None:
    def chain(run: str, **replaced: Any) -> None:
        instance.add_dynamic_partitions("distil_runs", [run])
        job = build_defs(home, chain=good.stand_in_chain(replaced)).resolve_job_def("distil_run")
        job.execute_in_process(instance=instance, partition_key=run, raise_on_error=False)

    defs = build_defs(home, chain=good.stand_in_chain())
    cursor = None
    requested = []
    few = good.TRACES_REPORT.model_copy(update={"kept": 1})
    for run, replaced in ((None, {}), ("home.a", {}), ("home.gated", {"traces": few}), ("home.b", {})):
        if run:
            chain(run, **replaced)
        tick = dg.evaluate_automation_conditions(defs=defs, instance=instance, cursor=cursor)
        cursor = tick.cursor
        requested.append(tick.total_requested)
        if tick.total_requested:
            defs.resolve_job_def("refresh_leaderboard").execute_in_process(instance=instance)
    assert requested[1:] == [1, 0, 1]


def test_it_neither_waits_for_runs_under_way_nor_misses_one(instance: dg.DagsterInstance, home: Path) -> None:
    defs = build_defs(home, chain=good.stand_in_chain())
    job = defs.resolve_job_def("distil_run")
    cursor = dg.evaluate_automation_conditions(defs=defs, instance=instance).cursor
    instance.add_dynamic_partitions("distil_runs", ["home.long", "home.a", "home.b", "home.c"])
    tags = {"dagster/partition": "home.long"}
    long = instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)
    requested = []
    for ends in (
        lambda: job.execute_in_process(instance=instance, partition_key="home.a"),
        lambda: job.execute_in_process(instance=instance, partition_key="home.b"),
        lambda: None,
        lambda: job.execute_in_process(instance=instance, partition_key="home.c"),
        lambda: instance.report_run_failed(long),
    ):
        ends()
        tick = dg.evaluate_automation_conditions(defs=defs, instance=instance, cursor=cursor)
        cursor = tick.cursor
        requested.append(tick.total_requested)
        if tick.total_requested:
            defs.resolve_job_def("refresh_leaderboard").execute_in_process(instance=instance)
    assert requested == [1, 1, 0, 1, 0]
