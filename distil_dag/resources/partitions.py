"""Partitions whose key can't be right: typed by mistake, and filled by "Materialize missing" if they stay."""

from __future__ import annotations

import dagster as dg

from distil_dag.adapters.tasks.folder import TaskFolderError
from distil_dag.core.run_key import RunKey
from distil_dag.core.sources import has_times
from distil_dag.resources.asset_defaults import PARTITION_TAG, RUNS
from distil_dag.resources.dead_runs import IN_FLIGHT
from distil_dag.resources.tasks import TasksResource


def why_impossible(tasks: TasksResource, key: str) -> str | None:
    """Why no run of this key can work, whatever the log holds; None if one may.

    A task whose folder is broken may be mended, so its keys may work.

    Args:
        tasks: The known tasks.
        key: Key of a partition.
    """
    try:
        task = tasks.task(key)
        RunKey.parse(key, task.name).cut_by(has_times(task.settings.traces))
    except (TaskFolderError, OSError):
        return None
    except ValueError as error:
        return str(error)
    return None


def forget(instance: dg.DagsterInstance, key: str) -> bool:
    """Remove a partition unless an asset was materialized in it.

    Returns:
        Whether it was removed.
    """
    for asset in instance.all_asset_keys():
        made = dg.AssetRecordsFilter(asset, asset_partitions=[key])
        if instance.fetch_materializations(made, limit=1).records:
            return False
    instance.delete_dynamic_partition(str(RUNS.name), key)
    return True


def empty_partitions(instance: dg.DagsterInstance) -> list[str]:
    """Keys of the partitions without a snapshot of a log, and without a run in flight."""
    keys = set(instance.get_dynamic_partitions(str(RUNS.name)))
    keys -= instance.get_materialized_partitions(dg.AssetKey("traces"))
    if not keys:
        return []
    in_flight = instance.get_runs(dg.RunsFilter(statuses=IN_FLIGHT, tags={PARTITION_TAG: list(keys)}))
    return sorted(keys - {run.tags[PARTITION_TAG] for run in in_flight})
