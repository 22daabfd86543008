"""Requests a run of a task when enough has been logged since its last one."""

from datetime import UTC, datetime
from functools import partial

import dagster as dg

from distil_dag.adapters.trace_sources import count_between
from distil_dag.automation.jobs import distil_run
from distil_dag.core.run_key import RunKey
from distil_dag.core.run_plan import PastRun, Wait, plan_run
from distil_dag.core.task import Task
from distil_dag.resources.conventions import RUNS
from distil_dag.resources.tasks import TasksResource

_PARTITION = "dagster/partition"
_IN_FLIGHT = frozenset(
    {
        dg.DagsterRunStatus.QUEUED,
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    }
)

# On from the start: it is cheap, and a leaderboard that nobody refreshes misleads.
leaderboard_follows = dg.AutomationConditionSensorDefinition(
    "leaderboard_follows",
    target=dg.AssetSelection.assets("leaderboard"),
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Refreshes the leaderboard when a run was evaluated.",
)


@dg.sensor(
    job=distil_run,
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Requests a run of each task once `automation.new_traces` traces have come in since "
    "its newest window. Off until it is turned on.",
)
def new_traces(context: dg.SensorEvaluationContext, tasks: TasksResource) -> dg.SensorResult:
    """Run requests for the tasks that have enough; else the reason of each task that has not."""
    keys: list[str] = []
    attempts: list[int] = []
    reasons: list[str] = []
    for name in tasks.names():
        try:
            task = tasks.task(name)
            past = past_runs(context.instance, name)
            plan = _plan(task, past, datetime.now(UTC))
        except Exception as error:  # one broken folder or unreachable log must not hold up the others
            reasons.append(f"{name}: can't be read ({error})")
            continue
        if isinstance(plan, Wait):
            reasons.append(plan.reason)
        else:
            keys.append(str(plan))
            attempts.append(sum(run.key == plan for run in past))
    if not keys:
        return dg.SensorResult(skip_reason=dg.SkipReason("; ".join(reasons) or "no task is known"))
    return dg.SensorResult(
        dynamic_partitions_requests=[RUNS.build_add_request(keys)],
        # A run key is never used twice: without the attempt, a launch that failed would be its last.
        run_requests=[
            dg.RunRequest(run_key=f"{key}#{attempt}", partition_key=key)
            for key, attempt in zip(keys, attempts, strict=True)
        ],
    )


def past_runs(instance: dg.DagsterInstance, task: str) -> list[PastRun]:
    """Every run of a task that the instance remembers, by whatever started it."""
    partitions = [
        key for key in instance.get_dynamic_partitions(str(RUNS.name)) if key.startswith(f"{task}.")
    ]
    if not partitions:
        return []
    found = []
    for record in instance.get_run_records(dg.RunsFilter(tags={_PARTITION: partitions})):
        run = record.dagster_run
        try:
            key = RunKey.parse(run.tags[_PARTITION])
        except ValueError:
            continue
        if run.status in _IN_FLIGHT:
            found.append(PastRun(key, record.create_timestamp, "running"))
        else:
            succeeded = run.status is dg.DagsterRunStatus.SUCCESS
            found.append(PastRun(key, record.create_timestamp, "succeeded" if succeeded else "failed"))
    return found


def _plan(task: Task, past: list[PastRun], now: datetime) -> RunKey | Wait:
    if task.settings.traces.time_column is None:
        return Wait(f"{task.name}: its log has no time column, so what is new can't be told")
    threshold = task.settings.automation.new_traces
    return plan_run(task.name, past, partial(count_between, task), threshold, now)
