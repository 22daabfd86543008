"""The evaluation of a run as files and as Dagster metadata."""

from __future__ import annotations

import shlex

import dagster as dg
from upath import UPath

from distil_dag.adapters.run_store import RunStore
from distil_dag.core.reports import EvalReport
from distil_dag.resources.lineage import PROMPTS_KEY
from distil_dag.resources.metadata import figures, image, table
from distil_dag.stages import plots
from distil_dag.stages.metrics import METRICS
from distil_dag.stages.prompt_files import digests
from distil_dag.stages.report_html import report_html
from distil_dag.stages.report_text import report_markdown


def write_report(store: RunStore, run: str, task: str, report: EvalReport, student_file: str) -> UPath:
    """Write report.html, report.md and report.json; returns the path of the page."""
    folder = store.folder(run, "eval_report")
    model = store.folder(run, "gguf") / "files" / student_file
    files = ["eval", str(folder / "test.jsonl"), "--model", str(model)]
    command = shlex.join(["distil-dag", *files, "--task", task, "--plain", "--json"])
    page = store.write_bytes(run, "eval_report", "report.html", report_html(report, run, command).encode())
    store.write_bytes(run, "eval_report", "report.md", report_markdown(report).encode())
    store.write_report(run, "eval_report", report.model_copy(update={"report_html": str(page)}))
    return page


def evaluation_metadata(report: EvalReport, page: UPath) -> dict[str, dg.RawMetadataValue]:
    """What the UI shows: the table of candidates, plots, the score that ships with its interval."""
    student = report.candidate(report.student)
    exact = student.metrics[METRICS[0]]
    numbers = {
        "exact match": exact.value,
        "exact match, low": exact.low,
        "exact match, high": exact.high,
        **{name.replace("_", " "): student.metrics[name].value for name in METRICS[1:]},
        **{f"lead over {row.second}": row.difference.value for row in report.comparisons},
    }
    failures = [{name: row[name] for name in ("request", "why", "answer")} for row in report.failures]
    return {
        "report": dg.MetadataValue.url(page.as_uri()),
        "dagster/uri": str(page),
        "dagster/row_count": report.n,
        "candidates": dg.MetadataValue.md(report_markdown(report)),
        "exact match, plot": image(plots.exact_match(report, 0.8), "exact match"),
        "differences, plot": image(plots.differences(report, 0.8), "paired differences"),
        "mistakes": table(failures),
        **figures(numbers),
        **{f"latency {name} ms": round(value, 1) for name, value in student.latency_ms.items()},
        "failures": len(report.failures),
        PROMPTS_KEY: digests("few_shot_teacher", "tools_in_prompt"),
    }
