"""Looks what served students have earned, and tells it as observations of the asset `serving`."""

import hashlib

import dagster as dg

from distil_dag.adapters.serving.served_tasks import ServedTask, served_tasks
from distil_dag.adapters.system.places import home_folder
from distil_dag.resources.serving_metadata import SERVING, serving_metadata


# On by default: it reads what servers have left, starts nothing, and is silent where nothing is served.
@dg.sensor(
    minimum_interval_seconds=600,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Observes the asset `serving` when served students have answered or earned more, or less.",
)
def serving_observed(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """An observation where anything is new; it requests no runs."""
    tasks = served_tasks(home_folder())
    seen = _digest(tasks)
    if not tasks or seen == context.cursor:
        said = "Nothing is new." if tasks else "Nothing was served yet: `distil-dag serve` does."
        return dg.SensorResult(skip_reason=dg.SkipReason(said), cursor=context.cursor)
    observed = dg.AssetObservation(asset_key=SERVING, metadata=serving_metadata(tasks))
    return dg.SensorResult(asset_events=[observed], cursor=seen)


def _digest(tasks: list[ServedTask]) -> str:
    return hashlib.sha256(repr(tasks).encode(errors="replace")).hexdigest()
