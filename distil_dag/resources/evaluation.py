"""The evaluation of a run as files and as Dagster metadata."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

import dagster as dg

from distil_dag.adapters.run_store import RunStore
from distil_dag.core.case import Case
from distil_dag.core.context import ContextRule
from distil_dag.core.reports.evaluation import EvalReport
from distil_dag.resources.lineage import PROMPTS_KEY
from distil_dag.resources.metadata import figures, image, table
from distil_dag.runs.evaluation_plan import EvaluationPlan, cases_as_jsonl
from distil_dag.stages.evaluating.metrics import METRICS
from distil_dag.stages.exporting.origin_text import Fact, made_from, settings_told
from distil_dag.stages.prompting.prompt_files import digests
from distil_dag.stages.reporting import plots
from distil_dag.stages.reporting.html import report_html
from distil_dag.stages.reporting.markdown import helped, report_markdown, verdict

# A request longer than this many characters is not written into a command; the command names its case.
_TYPED = 400
# Number of commands in the metadata, which is stored in the event log; the page has all commands.
_COMMANDS = 20


def write_report(store: RunStore, run: str, report: EvalReport, planned: EvaluationPlan) -> EvalReport:
    """Write report.html, report.md, report.json and test.jsonl.

    Args:
        store: The store of all runs.
        run: Key of the run.
        report: What the evaluation found.
        planned: The test and its candidates.

    Returns:
        The report as written: with the page's path, the command that scores again, and a command for each
        failure that asks the student again.
    """
    folder = store.folder(run, "eval_report")
    store.write_bytes(run, "eval_report", "test.jsonl", cases_as_jsonl(planned.test))
    # The run's key stands for its test, its student and its task: a path would be that of one machine.
    score = ["distil-dag", "eval", run, "--model", run, "--plain", "--json"]
    cases = {case.id: case for case in planned.test}
    context = planned.learned.normaliser.context
    failures = [
        {
            **row,
            "command": _ask_again(cases[row["case"]], context, run, score) if row["case"] in cases else "",
        }
        for row in report.failures
    ]
    told = {
        "failures": failures,
        "command": shlex.join(score),
        "report_html": str(folder / "report.html"),
    }
    whole = report.model_copy(update=told)
    origin, settings = _told(whole)
    store.write_bytes(run, "eval_report", "report.html", report_html(whole, run, origin, settings).encode())
    store.write_bytes(run, "eval_report", "report.md", report_markdown(whole).encode())
    store.write_report(run, "eval_report", whole)
    return whole


def _told(report: EvalReport) -> tuple[list[Fact], list[Fact]]:
    """What made the student, and the settings of its run; `*` marks those that differ from their default."""
    if report.provenance is None:
        return [], []
    measured = [("evaluated", report.evaluated)] if report.evaluated else []
    settings = settings_told(report.provenance.settings, lambda text: f"{text} *")
    return [*measured, *made_from(report.provenance)], settings


def _ask_again(case: Case, context: ContextRule, run: str, score: Sequence[str]) -> str:
    """A command that asks the student for this case."""
    turns = [message for message in case.messages if message.role != "system"]
    alone = len(turns) == 1 and not context.of(case.messages)
    if alone and case.request.isprintable() and len(case.request) <= _TYPED:
        return shlex.join(["distil-dag", "predict", "--model", run, "--plain", "--", case.request])
    return shlex.join([*score, "--case", case.id])


def evaluation_metadata(
    report: EvalReport, links: Mapping[str, dg.RawMetadataValue]
) -> dict[str, dg.RawMetadataValue]:
    """What the UI shows: the result, the table of candidates, plots, and the shipped student's scores.

    Args:
        report: The report as written.
        links: Links to its page, which come right after the result.
    """
    student = report.candidate(report.student)
    exact = student.metrics[METRICS[0]]
    numbers = {
        "exact_match": exact.value,
        "exact_match_low": exact.low,
        "exact_match_high": exact.high,
        **{name: student.metrics[name].value for name in METRICS[1:]},
        **{f"lead_over_{row.second}": row.difference.value for row in report.comparisons},
    }
    failures = [{name: row[name] for name in ("case", "request", "why", "answer")} for row in report.failures]
    commands = [report.command, *(row["command"] for row in report.failures[:_COMMANDS])]
    pictures = {}
    if report.confidence:
        pictures["confidence_plot"] = image(plots.coverage(report.confidence, 0.8), "exact match by coverage")
        if report.confidence.kept and report.confidence.precision:
            numbers["confident_share"] = report.confidence.kept.value
            numbers["precision_where_confident"] = report.confidence.precision.value
    if report.runtimes:
        numbers["prompts_with_other_token_ids"] = sum(
            row.prompts - row.same_prompts for row in report.runtimes
        )
    if report.cells and report.cells.error is not None:
        numbers["weak_cells"] = len(report.cells.weak)
    if report.leakage:
        copies = (row.same_words + row.same_call for row in report.leakage.tables if row.trained_on)
        numbers["copies_of_the_test_trained_on"] = sum(copies)
    if report.conventions:
        numbers["exact_match_conventions_set_aside"] = report.conventions.exact.value
    return {
        "result": verdict(report),
        **links,
        "dagster/uri": report.report_html,
        "dagster/row_count": report.n,
        "candidates": dg.MetadataValue.md(report_markdown(report)),
        "exact_match_plot": image(plots.exact_match(report, 0.8), "exact match"),
        "differences_plot": image(plots.differences(report, 0.8), "paired differences"),
        **pictures,
        "mistakes": table(failures),
        # Indented, not between delimiters: a request may contain the delimiter of a code block.
        "score_and_ask_again": dg.MetadataValue.md("\n".join(f"    {line}" for line in commands)),
        **figures(numbers),
        **{f"latency_{name}_ms": round(value, 1) for name, value in student.latency_ms.items()},
        **({"helped": helped(report)} if report.continues else {}),
        "failures": len(report.failures),
        PROMPTS_KEY: digests("few_shot_teacher", "tools_in_prompt"),
    }
