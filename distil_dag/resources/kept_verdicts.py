"""Verdicts of gates outlive a run that ended before it came to them."""

from __future__ import annotations

import dagster as dg
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import (
    COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES as DONE,
)

from distil_dag.resources.asset_defaults import PARTITION_TAG


def keep_verdicts(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[dg.AssetCheckKey]:
    """Report the last verdict of each gate again that a run has planned and not come to.

    Dagster shows the newest plan of a check, and calls it skipped or failed once its run has ended. The
    verdict before it still holds for the partition, until the asset is materialized again.

    Args:
        instance: The Dagster instance.
        run: A run that has ended.

    Returns:
        The checks whose verdict was reported again.
    """
    events = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED)
    kept = []
    for key in [event.get_dagster_event().asset_check_planned_data.asset_check_key for event in events]:
        partition = PartitionKeyFilter(key=run.tags.get(PARTITION_TAG))
        storage = instance.event_log_storage
        newest = storage.get_asset_check_execution_history(key, limit=1, partition_filter=partition)
        if not newest or newest[0].run_id != run.run_id or newest[0].status in DONE:
            continue
        before = storage.get_asset_check_execution_history(
            key, limit=1, status=DONE, partition_filter=partition
        )
        if before and before[0].evaluation and _is_of_newest(instance, before[0].evaluation):
            instance.report_runless_asset_event(before[0].evaluation)
            kept.append(key)
    return kept


def _is_of_newest(instance: dg.DagsterInstance, verdict: dg.AssetCheckEvaluation) -> bool:
    """Whether a verdict is of the newest materialization: one that was never checked has none."""
    checked = verdict.target_materialization_data
    of_partition = dg.AssetRecordsFilter(
        verdict.asset_key, asset_partitions=[verdict.partition] if verdict.partition else None
    )
    newest = instance.fetch_materializations(of_partition, limit=1).records
    return bool(checked and newest and newest[0].storage_id == checked.storage_id)
