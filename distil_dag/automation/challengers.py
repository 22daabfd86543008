"""Holds every newly evaluated run against the champion of its task."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import dagster as dg
from pydantic import BaseModel, ValidationError

from distil_dag.adapters.run_store import RunStore
from distil_dag.automation.jobs import PROMOTE, promote
from distil_dag.automation.reasons import unread
from distil_dag.resources.asset_defaults import CHALLENGER_TAG, PARTITION_TAG, TASKS
from distil_dag.resources.dead_runs import IN_FLIGHT
from distil_dag.resources.store import StoreResource
from distil_dag.resources.tasks import TasksResource, key_among
from distil_dag.runs.releasing.releases import read_champions

# After so long a challenger that waits for later traces is held against the champion again.
_AGAIN = timedelta(hours=6)
_TRIES = 3
_EVENTS_A_TICK = 1000


class _Cursor(BaseModel):
    """The last evaluation that was read, and the run of each task that was evaluated last."""

    read: int = 0
    newest: dict[str, str] = {}


# On by default: a task's first student is its champion, and later ones are only proposed unless the task
# says otherwise.
@dg.sensor(
    job=promote,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Holds a run that was evaluated against its task's champion. What becomes of a winner is up "
    "to `promotion.mode`.",
)
def challengers(
    context: dg.SensorEvaluationContext, tasks: TasksResource, store: StoreResource
) -> dg.SensorResult:
    """A run request for each task with a challenger that is not decided on; else the reasons."""
    names, runs = tasks.names(), store.open()
    cursor = _newest(context, names)
    requests: list[dg.RunRequest] = []
    reasons: list[str] = []
    for name, run in cursor.newest.items():
        try:
            asked = _asked(context.instance, runs, name, run)
        except Exception as error:  # one broken record must not hold up the others
            reasons.append(unread(name, error))
            continue
        if isinstance(asked, str):
            reasons.append(asked)
        else:
            requests.append(asked)
    partitions = [str(one.partition_key) for one in requests]
    return dg.SensorResult(
        run_requests=requests,
        dynamic_partitions_requests=[TASKS.build_add_request(partitions)] if partitions else [],
        skip_reason=None if requests else dg.SkipReason("; ".join(reasons) or "no run was evaluated"),
        cursor=cursor.model_dump_json(),
    )


def _newest(context: dg.SensorEvaluationContext, names: list[str]) -> _Cursor:
    """The cursor, moved on over the evaluations since the last tick."""
    try:
        cursor = _Cursor.model_validate_json(context.cursor or "{}")
    except ValidationError:
        cursor = _Cursor()  # of another version
    since = dg.AssetRecordsFilter(dg.AssetKey("eval_report"), after_storage_id=cursor.read)
    found = context.instance.fetch_materializations(since, limit=_EVENTS_A_TICK, ascending=True)
    for record in found.records:
        cursor.read = record.storage_id
        try:
            cursor.newest[key_among(names, record.partition_key or "").task] = record.partition_key or ""
        except ValueError:
            continue  # of a task that is gone
    return cursor


def _asked(instance: dg.DagsterInstance, store: RunStore, task: str, run: str) -> dg.RunRequest | str:
    """The request that holds a run against the champion, or why there is none."""
    found = read_champions(store, task)
    decision = found.decision
    if any(one.run == run for one in found.releases):
        return f"{task}: {run} was released"
    before = "first"
    if decision is not None and decision.challenger == run:
        if decision.verdict != "wait":
            return f"{task}: {run} was decided on ({decision.verdict})"
        if datetime.now(UTC) - decision.decided < _AGAIN:
            return f"{task}: {run} waits: {decision.reason}"
        before = decision.decided.isoformat()
    tags = {PARTITION_TAG: task, CHALLENGER_TAG: run}
    tried = instance.get_runs(dg.RunsFilter(job_name=PROMOTE, tags=tags))
    if any(one.status in IN_FLIGHT for one in tried):
        return f"{task}: {run} is being held against the champion"
    failed = sum(one.status is dg.DagsterRunStatus.FAILURE for one in tried)
    if failed >= _TRIES:
        return f"{task}: {run} could not be held against the champion {failed} times: see the job `{PROMOTE}`"
    return dg.RunRequest(
        run_key=f"{run}@{before}#{failed}",
        partition_key=task,
        tags={CHALLENGER_TAG: run},
        run_config={"ops": {"champion": {"config": {"challenger": run}}}},
    )
