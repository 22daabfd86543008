"""The snapshot of the log in Dagster: its asset spec, its errors and its metadata."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import dagster as dg
from dagster_dlt import DagsterDltTranslator
from dagster_dlt.translator import DltResourceTranslatorData
from upath import UPath

from distil_dag.adapters.logs.intake import Intake
from distil_dag.adapters.logs.source import log_source, source_error
from distil_dag.core.reports.intake import ContextReport, TracesReport
from distil_dag.core.run_key import RunKey
from distil_dag.core.task import Task
from distil_dag.resources.asset_defaults import DATA, INTAKE_RETRY, PARTITION_TAG
from distil_dag.resources.failures import reasons
from distil_dag.resources.lineage import continuing
from distil_dag.resources.metadata import image, table
from distil_dag.resources.partitions import forget, why_impossible
from distil_dag.resources.tasks import TasksResource
from distil_dag.stages.reading.plots import became_bars, day_bars

_MOST_VERSIONS = 100


class TracesTranslator(DagsterDltTranslator):
    """Maps every dlt resource of the source to the one asset `traces`, without upstream assets."""

    def get_asset_spec(self, data: Any) -> dg.AssetSpec:
        """The spec of `traces`, for every resource of the source."""
        return (
            super()
            .get_asset_spec(data)
            .replace_attributes(
                key=dg.AssetKey("traces"),
                deps=[],
                group_name=DATA,
                kinds={"dlt", "parquet"},
                code_version="7",
                description="Production requests of the run's window, with the calls that the old agent "
                "made. Read by dlt; personal data is replaced by placeholders before anything is stored, "
                "and rows that can't be read are set aside with their reason.",
            )
        )


def traces_spec() -> dg.AssetSpec:
    """The spec of `traces`, as the translator maps the one resource of the log's source."""
    (resource,) = log_source().resources.values()
    return TracesTranslator().get_asset_spec(DltResourceTranslatorData(resource=resource, pipeline=None))


def refuse_beside_another(instance: dg.DagsterInstance, run_id: str, partition: str) -> None:
    """Refuse to run beside an earlier Dagster run of the same partition.

    All steps read the task that is frozen here, so the earlier run would go on with other settings.

    Args:
        instance: The Dagster instance.
        run_id: Id of this Dagster run.
        partition: Key of the run.

    Raises:
        dg.Failure: An earlier Dagster run of the partition is under way.
    """
    at_work = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    of_partition = dg.RunsFilter(statuses=at_work, tags={PARTITION_TAG: partition})
    for first in instance.get_run_records(of_partition, limit=1, ascending=True):
        if first.dagster_run.run_id != run_id:
            raise dg.Failure(
                f"{partition} is already under way as Dagster run {first.dagster_run.run_id}: wait for it or "
                "terminate it, then launch this one again; a variant has another key",
                allow_retries=False,
            )


@contextmanager
def intake_errors(context: dg.AssetExecutionContext, tasks: TasksResource, partition: str) -> Iterator[None]:
    """Raise an error of the intake as :func:`reasons` does, without the words that dlt puts around it.

    A partition whose key can't be right is removed, because "Materialize missing" would fill it otherwise.

    Args:
        context: The step.
        tasks: The known tasks.
        partition: Key of the run.

    Raises:
        dg.Failure: The intake is not tried again.
        dg.RetryRequested: The source does not answer, and is asked again.
    """
    with reasons(context, INTAKE_RETRY):
        try:
            yield
        except Exception as error:
            told = source_error(error) or error
            if why_impossible(tasks, partition) and forget(context.instance, partition):
                told = ValueError(f"{told}. The partition {partition!r} was removed, since nothing is in it")
            raise told from told.__cause__  # dlt's own chain quotes its internals


def traces_metadata(
    instance: dg.DagsterInstance, task: Task, key: RunKey, intake: Intake, folder: UPath
) -> dict[str, Any]:
    """Numbers, tables and a preview, without the source's URL, which may hold a password.

    Args:
        instance: The Dagster instance.
        task: The frozen task.
        key: Key of the run.
        intake: Has read the records.
        folder: The asset's folder.
    """
    report = intake.report()
    window = f"{key.since:%Y-%m-%d %H:%M} to {key.until:%Y-%m-%d %H:%M} UTC" if key.since else "the whole log"
    return {
        "dagster/row_count": report.kept,
        "dagster/uri": dg.MetadataValue.path(str(folder)),
        "task": task.name,
        "source": task.settings.traces.kind,
        "window": window,
        "read": report.read,
        "kept": report.kept,
        "marked": report.marked,
        "passed_over": report.passed_over,
        "other_records": _counts("kind", report.no_answers),
        "quarantined": report.quarantined_total,
        "quarantined_by_reason": _counts("reason", report.quarantined),
        "calls_per_tool": _counts("tool", report.calls_per_tool),
        "redacted": _counts("kind", report.redacted),
        "tool_results_matched_by_order": report.results_by_order,
        **_context(report.context),
        **_usage(report),
        **_tool_versions(report),
        "became": image(became_bars(report), "what became of the records"),
        **({"by_day": image(day_bars(report.days), "traces by day")} if report.days else {}),
        "preview": table(intake.preview, ["id", "time", "request", "calls", "problems"], limit=10),
        **continuing(instance, task.continues, "judged_seeds"),
    }


def _tool_versions(report: TracesReport) -> dict[str, Any]:
    """The tools as requests define them, each with its versions over time."""
    if not report.tool_versions:
        return {}
    rows = [
        {**version.model_dump(), "first": _day(version.first), "last": _day(version.last)}
        for version in report.tool_versions
    ]
    left_out = {"tool_versions_left_out": report.tool_versions_left_out}
    return {
        "tool_versions": table(rows, limit=_MOST_VERSIONS),
        **(left_out if any(left_out.values()) else {}),
    }


def _day(time: datetime | None) -> str:
    return f"{time:%Y-%m-%d %H:%M}" if time else ""


def _usage(report: TracesReport) -> dict[str, Any]:
    """Tokens, money and scores of the log, as far as they are logged."""
    used = report.usage
    found: dict[str, Any] = {}
    if used.counted:
        found |= {"input_tokens": used.input_tokens, "output_tokens": used.output_tokens}
    if used.priced:
        found["logged_cost"] = round(used.cost, 6)
    if report.scored:
        found |= {"scored": report.scored, "scored_low": report.scored_low}
    return found


def _context(report: ContextReport | None) -> dict[str, Any]:
    """What the system prompts of the log are made of, and what the student reads of them."""
    if report is None:
        return {}
    return {
        "system_prompts": report.prompts,
        "system_prompt_templates": report.templates,
        "student_reads_of_system_prompts": report.keeps,
        "context_words": round(report.mean_words, 1),
        "context_tokens": round(report.mean_tokens),
        "system_prompt_constant": table([{"constant": text} for text in report.constant]),
        "system_prompt_varying": table(
            [{**part.model_dump(), "examples": " / ".join(part.examples)} for part in report.parts]
        ),
        "values_in_context": table([{**row.model_dump(), "share": row.share} for row in report.values]),
    }


def _counts(name: str, counts: dict[str, int]) -> dg.MarkdownMetadataValue:
    return table([{name: key, "rows": rows} for key, rows in counts.items()], limit=40)
