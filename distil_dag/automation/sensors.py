"""Requests a run of a task when enough traces have been logged since its last run."""

from collections.abc import Collection
from datetime import UTC, datetime
from functools import partial

import dagster as dg

from distil_dag.adapters.logs.source import count_between
from distil_dag.automation.counting import Counting
from distil_dag.automation.jobs import DISTIL_RUN
from distil_dag.automation.reasons import unread
from distil_dag.core.api_sources import ApiSource
from distil_dag.core.run_key import RunKey
from distil_dag.core.run_plan import BEGINNING, PastRun, Wait, plan_next_run
from distil_dag.core.sources import has_times
from distil_dag.core.task import Task
from distil_dag.resources.asset_defaults import PARTITION_TAG, RUNS
from distil_dag.resources.tasks import TasksResource, key_among

# On by default: it is cheap, and an outdated leaderboard misleads.
leaderboard_follows = dg.AutomationConditionSensorDefinition(
    "leaderboard_follows",
    target=dg.AssetSelection.assets("leaderboard"),
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Refreshes the leaderboard when a run was evaluated.",
)


@dg.sensor(
    job_name=DISTIL_RUN,
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Requests a run of each task once `automation.new_traces` traces have come in since "
    "its newest window. Off until it is turned on.",
)
def new_traces(context: dg.SensorEvaluationContext, tasks: TasksResource) -> dg.SensorResult:
    """Run requests for the tasks with enough new traces; else the reason of each task without."""
    keys: list[str] = []
    attempts: list[int] = []
    reasons: list[str] = []
    names = tasks.names()
    counting = Counting(context.cursor)
    for name in names:
        counting.keep(name)
        try:
            task = tasks.task(name)
            past = past_runs(context.instance, name, names)
            plan = _plan(task, past, datetime.now(UTC), counting)
        except Exception as error:  # one broken folder or unreachable log must not hold up the others
            reasons.append(unread(name, error))
            continue
        if isinstance(plan, Wait):
            reasons.append(plan.reason)
        else:
            keys.append(str(plan))
            attempts.append(sum(run.key == plan for run in past))
    if not keys:
        skipped = dg.SkipReason("; ".join(reasons) or "no task is known")
        return dg.SensorResult(skip_reason=skipped, cursor=counting.cursor)
    return dg.SensorResult(
        cursor=counting.cursor,
        dynamic_partitions_requests=[RUNS.build_add_request(keys)],
        # Dagster uses a run key only once. Without the attempt, a failed launch would never be repeated.
        run_requests=[
            dg.RunRequest(run_key=f"{key}#{attempt}", partition_key=key)
            for key, attempt in zip(keys, attempts, strict=True)
        ],
    )


def past_runs(instance: dg.DagsterInstance, task: str, names: Collection[str]) -> list[PastRun]:
    """Every run of a task that the instance remembers, whatever started it.

    Args:
        instance: The Dagster instance.
        task: Name of the task.
        names: Names of all tasks, which complete keys without a task.
    """
    # By the tags of the runs: a partition can be deleted while its run is under way.
    texts = {text for _, values in instance.get_run_tags([PARTITION_TAG]) for text in values}
    keys = {text: key for text in texts if (key := _key(names, text)) and key.task == task}
    if not keys:
        return []
    return [
        _past_run(instance, record, keys[record.dagster_run.tags[PARTITION_TAG]])
        for record in instance.get_run_records(dg.RunsFilter(tags={PARTITION_TAG: list(keys)}))
    ]


def _past_run(instance: dg.DagsterInstance, record: dg.RunRecord, key: RunKey) -> PastRun:
    run, read = record.dagster_run, record.create_timestamp
    if not _makes(run, "traces"):
        # Only later steps were run again, on a snapshot that was taken before.
        before = dg.AssetRecordsFilter(
            dg.AssetKey("traces"), [run.tags[PARTITION_TAG]], before_timestamp=read.timestamp()
        )
        snapshots = instance.fetch_materializations(before, limit=1).records
        read = datetime.fromtimestamp(snapshots[0].timestamp, UTC) if snapshots else BEGINNING
    if not run.is_finished:
        return PastRun(key, read, "running")
    succeeded = run.status is dg.DagsterRunStatus.SUCCESS and _makes(run, "eval_report")
    return PastRun(key, read, "succeeded" if succeeded else "failed")


def _makes(run: dg.DagsterRun, asset: str) -> bool:
    """Whether a run makes the asset; a user may start any part of the chain, or repeat it."""
    if run.step_keys_to_execute is not None:
        return asset in run.step_keys_to_execute
    if run.asset_selection is not None:
        return dg.AssetKey(asset) in run.asset_selection
    return run.job_name == DISTIL_RUN


def _key(names: Collection[str], text: str) -> RunKey | None:
    try:
        return key_among(names, text)
    except ValueError:
        return None


def _plan(task: Task, past: list[PastRun], now: datetime, counting: Counting) -> RunKey | Wait:
    source, threshold = task.settings.traces, task.settings.automation.new_traces
    if not has_times(source):
        return Wait(f"{task.name}: its log has no time column, so what is new can't be told")

    def count(since: datetime, until: datetime) -> int:
        if not isinstance(source, ApiSource):
            return count_between(task, since, until, threshold)
        log = source.model_dump_json()
        return counting.between(task.name, log, since, until, threshold, partial(count_between, task))

    return plan_next_run(task.name, past, count, threshold, now)
