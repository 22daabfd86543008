"""What Dagster's pages say of runs whose traces were forgotten, and what has to hold before."""

from __future__ import annotations

import dagster as dg

from distil_dag.core.reports.forgetting import AffectedRun, ForgetRecord
from distil_dag.resources.asset_defaults import PARTITION_TAG
from distil_dag.resources.dead_runs import IN_FLIGHT

# Metadata key of the sentence on forgotten traces.
FORGOTTEN = "forgotten_traces"


def in_flight(instance: dg.DagsterInstance) -> list[str]:
    """Keys of runs under way: they may hold in memory what is to be forgotten, and write it later."""
    runs = instance.get_runs(dg.RunsFilter(statuses=IN_FLIGHT))
    return sorted({run.tags.get(PARTITION_TAG, run.run_id) for run in runs})


def unsearched(instance: dg.DagsterInstance) -> list[str]:
    """What of Dagster's own storage lies in no folder of this machine, as sentences."""
    named = type(instance.event_log_storage).__name__
    if "sqlite" in named.lower():
        return []
    return [f"Dagster's events, in {named}: search them there, or wipe the assets' materializations"]


def tell_forgotten(instance: dg.DagsterInstance, record: ForgetRecord) -> None:
    """Show on the pages of `traces` and `gguf` what was forgotten of each run, as observations.

    Args:
        instance: The Dagster instance.
        record: Of a finished request.
    """
    for run in record.runs:
        for asset in ("traces", "gguf") if run.files else ("traces",):
            observed = dg.AssetObservation(asset_key=asset, partition=run.run, metadata=_shown(record, run))
            instance.report_runless_asset_event(observed)


def _shown(record: ForgetRecord, run: AffectedRun) -> dict[str, dg.MetadataValue]:  # type: ignore[type-arg]
    roles = ", ".join(run.roles)
    said = f"**{record.traces} forgotten traces: {roles}.** {run.advice[0].upper()}{run.advice[1:]}."
    return {
        FORGOTTEN: dg.MetadataValue.md(said),
        "request_to_forget": dg.MetadataValue.text(record.request),
        "retrain": dg.MetadataValue.bool(run.retrain),
    }
