"""A step with all gates of an asset, each a blocking asset check of the partition under way.

A step has no asset input, but reads the store for its run: with an input Dagster would load the asset.
"""

import warnings
from collections.abc import Callable, Iterator

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)
from pydantic import Field, ValidationError

from distil_dag.adapters.run_store import RunStore
from distil_dag.core.gates.finding import Finding
from distil_dag.core.settings import GateName, GateSpec
from distil_dag.core.task import Task
from distil_dag.resources.asset_defaults import RUNS
from distil_dag.resources.failures import reasons
from distil_dag.resources.gate_metadata import advice, failure_text, observed, verdict
from distil_dag.resources.metadata import figures, table
from distil_dag.resources.store import StoreResource

GateCheck = Callable[[RunStore, str, Task, GateSpec], list[Finding]]


class GateConfig(dg.Config):
    """Which run to check, and thresholds for this check only; without any, those of its task count."""

    run: str = Field(
        default="",
        description="key of the run to check where no partition is chosen, such as smart_home.demo; "
        "the newest if empty",
    )
    thresholds: dict[str, float] = Field(
        default_factory=dict, description="name in `gates:` of task.yaml -> value, e.g. min_traces: 10"
    )


def gates_of(asset: str, check: GateCheck, descriptions: dict[GateName, str]) -> dg.AssetChecksDefinition:
    """One step that runs all gates of an asset, or the selected ones, each a blocking check of its own.

    After the verdicts it observes the asset's partition, with a table of all its gates, so that the page of
    the asset shows them. Where a gate stops the run the step fails, and its message says what to do.

    Args:
        asset: Name of the asset.
        check: Returns the findings for a run, with its store, task and thresholds.
        descriptions: Name of a gate -> what it checks.
    """
    with warnings.catch_warnings():
        # Dagster calls the partitions of checks a preview. Without them a verdict would hide another run's.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        specs = [
            dg.AssetCheckSpec(name=gate, asset=asset, blocking=True, description=text, partitions_def=RUNS)
            for gate, text in descriptions.items()
        ]

    @dg.multi_asset_check(name=f"{asset}_gates", specs=specs, can_subset=True)
    def review(
        context: dg.AssetCheckExecutionContext, config: GateConfig, store: StoreResource
    ) -> Iterator[dg.AssetCheckResult | dg.AssetObservation]:
        run = _run_to_check(context, asset, config.run)
        with reasons(context):
            task = store.task(run)
            findings = check(store.open(), run, task, _thresholds(task, config))
        wanted = {key.name for key in context.selected_asset_check_keys}
        chosen = [found for found in findings if found.gate in wanted]
        for found in chosen:
            _tell(context.log, found)
            result = _result(asset, found)
            if context.has_partition_key:
                yield result
            else:
                # The page of a check chooses no partition, and Dagster takes no result of such a step.
                context.instance.report_runless_asset_event(_evaluation(context, result, run))
        yield dg.AssetObservation(asset, partition=run, metadata=observed(findings))
        if failed := [found for found in chosen if found.stops]:
            raise dg.Failure(failure_text(run, failed), allow_retries=False)

    return review


def _run_to_check(context: dg.AssetCheckExecutionContext, asset: str, asked: str) -> str:
    """The partition under way, else the run that is asked for, else the newest."""
    if context.has_partition_key:
        return str(context.partition_key)
    if asked:
        return asked
    newest = context.instance.fetch_materializations(dg.AssetKey(asset), limit=1).records
    if not newest or not newest[0].partition_key:
        raise dg.Failure(f"`{asset}` was never materialized: there is nothing to check", allow_retries=False)
    return str(newest[0].partition_key)


def _evaluation(
    context: dg.AssetCheckExecutionContext, result: dg.AssetCheckResult, run: str
) -> dg.AssetCheckEvaluation:
    assert result.asset_key is not None
    assert result.check_name is not None
    of_run = dg.AssetRecordsFilter(asset_key=result.asset_key, asset_partitions=[run])
    made = context.instance.fetch_materializations(of_run, limit=1).records
    target = (
        AssetCheckEvaluationTargetMaterializationData(
            storage_id=made[0].storage_id, run_id=made[0].run_id, timestamp=made[0].timestamp
        )
        if made
        else None
    )
    return dg.AssetCheckEvaluation(
        asset_key=result.asset_key,
        check_name=result.check_name,
        passed=result.passed,
        metadata=result.metadata,
        target_materialization_data=target,
        severity=result.severity,
        description=result.description,
        blocking=True,
        partition=run,
    )


def _thresholds(task: Task, config: GateConfig) -> GateSpec:
    try:
        return GateSpec.model_validate({**task.settings.gates.model_dump(), **config.thresholds})
    except ValidationError as error:
        raise dg.Failure(
            f"The thresholds in the check's config are wrong: {error}", allow_retries=False
        ) from None


def _tell(log: dg.DagsterLogManager, found: Finding) -> None:
    line = " ".join([f"gate {found.gate} {verdict(found)}: {found.message}", *found.ways_out])
    (log.error if found.stops else log.info if found.passed else log.warning)(line)


def _result(asset: str, found: Finding) -> dg.AssetCheckResult:
    metadata: dict[str, dg.RawMetadataValue] = {**figures(found.numbers), **advice(found)}
    if found.rows:
        metadata["rows"] = table(found.rows)
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=found.gate,
        passed=found.passed,
        severity=dg.AssetCheckSeverity.WARN if found.severity == "warn" else dg.AssetCheckSeverity.ERROR,
        description=found.message,
        metadata=metadata,
    )
