"""Keeps the verdicts of gates that a run which ended early would hide."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from distil_dag.resources.kept_verdicts import keep_verdicts

_ENDED_EARLY = [dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.FAILURE]
# How far the first tick looks back.
_FIRST = timedelta(days=7)


# On by default: otherwise a run that was terminated shows gates as skipped that its partition has passed.
@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Shows a run's last verdicts again where a later run of its key ended before its gates.",
)
def verdicts_stay(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """No run is requested; the skip reason says what was kept."""
    since = datetime.fromisoformat(context.cursor) if context.cursor else datetime.now(UTC) - _FIRST
    ended = dg.RunsFilter(statuses=_ENDED_EARLY, updated_after=since)
    records = context.instance.get_run_records(ended, ascending=True)
    kept = sum(len(keep_verdicts(context.instance, record.dagster_run)) for record in records)
    newest = max([since, *(record.update_timestamp for record in records)])
    return dg.SensorResult(
        skip_reason=dg.SkipReason(f"{len(records)} runs ended early; {kept} verdicts were kept"),
        cursor=newest.isoformat(),
    )
