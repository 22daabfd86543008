"""What the gates said of a run, as Dagster noted it."""

from __future__ import annotations

import dagster as dg
from dagster import DagsterEventType

from distil_dag.core.reports.model_evaluation import GateVerdict
from distil_dag.resources.asset_defaults import PARTITION_TAG


def gate_verdicts(instance: dg.DagsterInstance, run: str) -> list[GateVerdict]:
    """The newest verdict of each gate on a run, in the order in which they fell.

    Args:
        instance: The Dagster instance.
        run: Key of the run.
    """
    found: dict[tuple[str, str], GateVerdict] = {}
    for record in instance.get_run_records(dg.RunsFilter(tags={PARTITION_TAG: run}), ascending=True):
        of_run = instance.all_logs(record.dagster_run.run_id, DagsterEventType.ASSET_CHECK_EVALUATION)
        for entry in of_run:
            verdict = _verdict(entry, run)
            if verdict:
                found.pop((verdict.asset, verdict.gate), None)
                found[verdict.asset, verdict.gate] = verdict
    return list(found.values())


def _verdict(entry: dg.EventLogEntry, run: str) -> GateVerdict | None:
    """The verdict of an event; None if it is of another run."""
    assert entry.dagster_event is not None
    said = entry.dagster_event.asset_check_evaluation_data
    if said.partition not in (None, run):
        return None
    return GateVerdict(
        gate=said.check_name,
        asset=said.asset_key.to_user_string(),
        passed=said.passed,
        severity="warn" if said.severity is dg.AssetCheckSeverity.WARN else "error",
        message=said.description or "",
    )
