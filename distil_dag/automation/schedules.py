"""Trains every task again once a week, on the traces of its last days."""

import dagster as dg

from distil_dag.adapters.logs.source import count_between
from distil_dag.automation.jobs import DISTIL_RUN
from distil_dag.automation.reasons import unread
from distil_dag.core.run_key import RunKey
from distil_dag.core.run_plan import trailing_window
from distil_dag.core.sources import has_times
from distil_dag.resources.asset_defaults import PARTITION_TAG
from distil_dag.resources.tasks import TasksResource


@dg.schedule(
    job_name=DISTIL_RUN,
    cron_schedule="0 3 * * 1",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Mondays at 3:00 UTC: a run of each task over its last `automation.window_days` days. "
    "Off until it is turned on.",
)
def retrain_weekly(
    context: dg.ScheduleEvaluationContext, tasks: TasksResource
) -> list[dg.RunRequest] | dg.SkipReason:
    """Run requests for the tasks with enough traces in their window; else the reason of each task."""
    requests: list[dg.RunRequest] = []
    reasons: list[str] = []
    for name in tasks.names():
        try:
            task = tasks.task(name)
            days = task.settings.automation.window_days
            since, until = trailing_window(days, context.scheduled_execution_time)
            if not has_times(task.settings.traces):
                reasons.append(f"{name}: its log has no time column, so its last days can't be told")
                continue
            count = count_between(task, since, until, task.settings.gates.min_traces)
        except Exception as error:  # one broken folder or unreachable log must not hold up the others
            reasons.append(unread(name, error))
            continue
        if count < task.settings.gates.min_traces:
            reasons.append(f"{name}: {count} traces in {days} days")
            continue
        key = str(RunKey(task=name, since=since, until=until))
        # A schedule can't ask for a partition as a sensor can, and a test of the schedule must add none.
        # So the partition is named by its tag, and the run's first step adds it.
        requests.append(dg.RunRequest(run_key=key, tags={PARTITION_TAG: key}))
    return requests or dg.SkipReason("; ".join(reasons) or "no task is known")
