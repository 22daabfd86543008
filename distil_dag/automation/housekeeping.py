"""Puts right what nobody is left to put right: dead runs, and partitions whose key was a mistake."""

from __future__ import annotations

import json
import time

import dagster as dg

from distil_dag.adapters.system.places import home_folder
from distil_dag.resources.dead_runs import bury_dead_runs
from distil_dag.resources.partitions import empty_partitions, forget, why_impossible
from distil_dag.resources.tasks import TasksResource

# Who has just added a key may launch it yet, and is told then what is wrong with it.
_GRACE_SECONDS = 600.0


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ends runs whose process was killed, so that their places in pools come free, and removes "
    "partitions that were never run and whose key can't be right.",
)
def housekeeping(context: dg.SensorEvaluationContext, tasks: TasksResource) -> dg.SkipReason:
    """What was put right; it requests no runs."""
    done = bury_dead_runs(context.instance, home_folder())
    seen: dict[str, float] = json.loads(context.cursor or "{}")
    now, wrong = time.time(), {}
    # Without any task all keys look wrong: the folders may just be out of reach.
    for key in empty_partitions(context.instance) if tasks.names() else []:
        if (reason := why_impossible(tasks, key)) is None:
            continue
        since = seen.get(key, now)
        if now - since < _GRACE_SECONDS:
            wrong[key] = since
        elif forget(context.instance, key):
            done.append(f"Removed the partition {key!r}: {reason}.")
    context.update_cursor(json.dumps(wrong))
    return dg.SkipReason(" ".join(done) or "Nothing to put right.")
