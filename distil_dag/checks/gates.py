"""The gates of the chain: blocking asset checks, all checks of one asset in one step.

What is checked, and how, is in `distil_dag.core.gates`. A check here has no asset input and no partitions of
its own, but reads the store for the run under way. With an input Dagster would load every partition of the
asset, and partitioned checks are a preview feature.
"""

from collections.abc import Callable, Iterator
from typing import get_args

import dagster as dg
from pydantic import Field, ValidationError

from distil_dag.adapters.run_store import RunStore
from distil_dag.core import gates, tables
from distil_dag.core.reports.evaluation import EvalReport
from distil_dag.core.reports.exporting import GgufReport
from distil_dag.core.reports.intake import TracesReport
from distil_dag.core.reports.judging import JudgeReport
from distil_dag.core.reports.synthesis import SynthesisReport
from distil_dag.core.reports.training import TrainReport
from distil_dag.core.settings import GateName, GateSpec
from distil_dag.core.task import Task
from distil_dag.resources.metadata import figures, table
from distil_dag.resources.store import StoreResource
from distil_dag.stages.evaluating.candidate import BASE, LOOKUP

GateCheck = Callable[[RunStore, str, Task, GateSpec], list[gates.Finding]]


class GateConfig(dg.Config):
    """Thresholds for this check only; without any, those of the run's task count."""

    thresholds: dict[str, float] = Field(
        default_factory=dict, description="name in `gates:` of task.yaml -> value, e.g. min_traces: 10"
    )


def run_under_check(context: dg.AssetCheckExecutionContext, asset: str) -> str:
    """The run to check: the partition under way, else the newest materialization of the asset.

    A check that is started by itself has no partition.

    Args:
        context: The check's step.
        asset: Name of the asset.

    Raises:
        dg.Failure: The asset was never materialized.
    """
    if context.has_partition_key:
        return str(context.partition_key)
    found = context.instance.fetch_materializations(dg.AssetKey(asset), limit=1).records
    run = found[0].partition_key if found else None
    if not isinstance(run, str):
        raise dg.Failure(f"`{asset}` was never materialized: there is nothing to check", allow_retries=False)
    return run


def gates_of(asset: str, check: GateCheck, descriptions: dict[GateName, str]) -> dg.AssetChecksDefinition:
    """One step that runs all gates of an asset, each a blocking check of its own.

    Args:
        asset: Name of the asset.
        check: Returns the findings for a run, with its store, task and thresholds.
        descriptions: Name of a gate -> what it checks.
    """
    specs = [
        dg.AssetCheckSpec(name=gate, asset=asset, blocking=True, description=text)
        for gate, text in descriptions.items()
    ]

    @dg.multi_asset_check(name=f"{asset}_gates", specs=specs)
    def review(
        context: dg.AssetCheckExecutionContext, config: GateConfig, store: StoreResource
    ) -> Iterator[dg.AssetCheckResult]:
        run = run_under_check(context, asset)
        task = store.task(run)
        for finding in check(store.open(), run, task, _thresholds(task, config)):
            context.log.info(
                f"gate {finding.gate} {'passed' if finding.passed else 'FAILED'}: {finding.message}"
            )
            yield _result(asset, run, finding)

    return review


def _thresholds(task: Task, config: GateConfig) -> GateSpec:
    try:
        return GateSpec.model_validate({**task.settings.gates.model_dump(), **config.thresholds})
    except ValidationError as error:
        raise dg.Failure(
            f"The thresholds in the check's config are wrong: {error}", allow_retries=False
        ) from None


def _result(asset: str, run: str, finding: gates.Finding) -> dg.AssetCheckResult:
    metadata: dict[str, dg.RawMetadataValue] = {"run": run, **figures(finding.numbers)}
    if finding.rows:
        metadata["rows"] = table(finding.rows)
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=finding.gate,
        passed=finding.passed,
        severity=dg.AssetCheckSeverity.WARN if finding.severity == "warn" else dg.AssetCheckSeverity.ERROR,
        description=finding.message,
        metadata=metadata,
    )


def _traces(store: RunStore, run: str, task: Task, spec: GateSpec) -> list[gates.Finding]:
    return gates.check_traces(store.read_report(run, "traces", TracesReport), spec)


def _seeds(store: RunStore, run: str, task: Task, spec: GateSpec) -> list[gates.Finding]:
    labelled = [case for table in (tables.SEEDS, tables.CONTEXT) for case in store.read_cases(run, table)]
    return gates.check_seeds(
        store.read_report(run, "judged_seeds", JudgeReport),
        store.read_cases(run, tables.TEST),
        labelled,
        store.read_cases(run, tables.UNLABELLED),
        task.toolset,
        spec,
        task.normaliser,
    )


def _synthetic(store: RunStore, run: str, task: Task, spec: GateSpec) -> list[gates.Finding]:
    return gates.check_synthetic(
        store.read_report(run, "synthetic_set", SynthesisReport),
        store.read_cases(run, tables.SYNTHETIC),
        store.read_cases(run, tables.TEST),
        task.toolset,
        spec,
        task.normaliser,
    )


def _training(store: RunStore, run: str, task: Task, spec: GateSpec) -> list[gates.Finding]:
    return gates.check_training(store.read_report(run, "checkpoint", TrainReport), spec)


def _export(store: RunStore, run: str, task: Task, spec: GateSpec) -> list[gates.Finding]:
    return gates.check_export(store.read_report(run, "gguf", GgufReport), spec)


def _student(store: RunStore, run: str, task: Task, spec: GateSpec) -> list[gates.Finding]:
    return gates.check_student(store.read_report(run, "eval_report", EvalReport), spec, BASE, LOOKUP)


GATES = [
    gates_of(
        "traces",
        _traces,
        {
            "enough_traces": "The window holds at least `gates.min_traces` readable traces.",
            "quarantine_share": "At most `gates.max_quarantined` of the log's rows could not be read.",
        },
    ),
    gates_of(
        "judged_seeds",
        _seeds,
        {
            "enough_seeds": "At least `gates.min_seeds` traces became seeds.",
            "seed_yield": "At least `gates.min_seed_yield` of the judged traces passed.",
            "verdicts_readable": "At most `gates.max_unjudged` of the verdicts could not be read.",
            "seeds_leak_free": "No seed, context or unlabelled case repeats a test request.",
            "judge_agrees": "The judge agrees with `labels.jsonl`, kappa at least `gates.min_judge_kappa`.",
        },
    ),
    gates_of(
        "synthetic_set",
        _synthetic,
        {
            "calls_valid": "At least `gates.min_synthetic_validity` of the rows hold valid calls.",
            "cells_covered": "At least `gates.min_cell_coverage` of the planned cells are half full.",
            "synthetic_leak_free": "No synthetic row repeats a test request.",
        },
    ),
    gates_of(
        "checkpoint",
        _training,
        {
            "loss_fell": "The loss stayed finite and fell by at least `gates.min_loss_drop`.",
            "rows_complete": "At most `gates.max_truncated` of the rows were cut.",
            "rows_supervised": "Every row has supervised tokens.",
            "stop_token_trained": "The student is taught where its answer ends.",
        },
    ),
    gates_of(
        "gguf",
        _export,
        {"gguf_parity": "Every file has the checkpoint's token ids, template and (mostly) answers."},
    ),
    gates_of(
        "eval_report",
        _student,
        {
            "beats_base": "The student's paired lead over its base is above zero with its interval.",
            "beats_lookup": "So is its paired lead over a lookup of the nearest trace.",
        },
    ),
]

assert {key.name for gate in GATES for key in gate.check_keys} == set(get_args(GateName))
