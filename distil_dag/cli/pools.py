"""Who holds the places of a pool that a step waits for."""

from __future__ import annotations

import dagster as dg

from distil_dag.resources.asset_defaults import PARTITION_TAG


def holders(instance: dg.DagsterInstance, pool: str) -> list[str]:
    """The runs that hold a pool's places, each as its key with the id of its Dagster run.

    Args:
        instance: The Dagster instance.
        pool: Name of the pool.
    """
    slots = instance.event_log_storage.get_concurrency_info(pool).claimed_slots
    runs = [instance.get_run_by_id(run_id) for run_id in sorted({slot.run_id for slot in slots})]
    return [_named(run) for run in runs if run]


def _named(run: dg.DagsterRun) -> str:
    key = run.tags.get(PARTITION_TAG)
    return f"{key} (Dagster run {run.run_id[:8]})" if key else f"Dagster run {run.run_id[:8]}"
