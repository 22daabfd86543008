"""The chain as one job, which the first failing gate stops."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
from dagster._core.definitions.executor_definition import (
    check_cross_process_constraints,
    multiple_process_executor_requirements,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.multiprocess import MultiprocessExecutor

from distil_dag.adapters.system.places import home_folder
from distil_dag.resources.dead_runs import keep_alive

DISTIL_RUN = "distil_run"
PROMOTE = "promote"
CHAIN = ("traces", "judged_seeds", "synthetic_set", "checkpoint", "gguf", "eval_report")


class StepProcesses(MultiprocessExecutor):
    """Runs each step in a process of its own, and shows that the run is alive.

    So a model's memory is freed before the next step needs it, and a step that dies takes no other with it.
    Processes are forked off a server that has already imported the code: on two busy cores a step then
    starts in 2 s, against 6.5 s for a new process.
    """

    def __init__(self) -> None:
        super().__init__(
            retries=RetryMode.ENABLED,
            max_concurrent=2,
            start_method="forkserver",
            explicit_forkserver_preload=["distil_dag.automation.step_process", "distil_dag.definitions"],
        )

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        """The events of the steps as they happen."""
        keep_alive(home_folder(), plan_context.run_id)
        yield from super().execute(plan_context, execution_plan)


@dg.executor(name="step_processes", config_schema={}, requirements=multiple_process_executor_requirements())
def step_processes(context: dg.InitExecutorContext) -> StepProcesses:
    """The executor of all jobs that do not name another."""
    check_cross_process_constraints(context)
    return StepProcesses()


def distil_run(key: str) -> UnresolvedAssetJobDefinition:
    """The job of the whole chain.

    Args:
        key: What a partition key looks like, for its description.
    """
    return dg.define_asset_job(
        DISTIL_RUN,
        selection=dg.AssetSelection.assets(*CHAIN),
        description="Traces to a measured small model. One partition is one run is one model; "
        f"a gate that fails ends it.\n\n{key}",
    )


refresh_leaderboard = dg.define_asset_job(
    "refresh_leaderboard",
    selection=dg.AssetSelection.assets("leaderboard"),
    executor_def=dg.in_process_executor,
    description="Reads the reports of all runs again.",
)

promote = dg.define_asset_job(
    PROMOTE,
    selection=dg.AssetSelection.assets("champion"),
    executor_def=dg.in_process_executor,
    description="Holds a challenger against the champion of a task. By hand, in the launchpad's config: "
    "`promote` releases a run, `rollback` the champion before this one.",
)
