"""A synthetic set as Dagster metadata: the funnel, the coverage, and rows to look at."""

from __future__ import annotations

from collections import Counter
from typing import Any

from distil_dag.core.reports.synthesis import SynthesisReport
from distil_dag.core.tool_call import NO_CALL, render_call
from distil_dag.resources.lineage import PROMPTS_KEY
from distil_dag.resources.metadata import image, table
from distil_dag.stages.synthesis.generator import Synthetic
from distil_dag.stages.synthesis.plots import funnel_plot, funnel_rows

_SHOWN = 20


def synthesis_metadata(made: Synthetic, report: SynthesisReport, uri: str) -> dict[str, Any]:
    """The metadata of a materialization of `synthetic_set`.

    Args:
        made: The accepted and rejected rows.
        report: The report of the synthesis.
        uri: Path or URL of the asset's folder.
    """
    makers = Counter(row.id.split("-")[0] for row in made.accepted)
    refused = Counter(row.id.split("-")[0] for row in made.rejected)
    cells = [
        {"cell": c.cell, "quota": c.quota, "accepted": c.accepted}
        for c in sorted(report.cells, key=lambda cell: (-cell.quota, cell.cell))
    ]
    return {
        "dagster/row_count": report.accepted,
        "dagster/uri": uri,
        "funnel_plot": image(funnel_plot(report), "yield funnel"),
        "funnel": table(funnel_rows(report)),
        "makers": table(
            [{"maker": m, "accepted": makers[m], "rejected": refused[m]} for m in sorted(makers | refused)]
        ),
        "coverage_by_cell": table(cells, limit=60),
        "cells_covered": report.coverage,
        "accepted_rows": table([_shown(row.id, row.request, row.calls) for row in _spread(made.accepted)]),
        "rejected_rows": table(
            [
                _shown(row.id, row.request, row.calls) | {"reason": row.reason, "detail": row.detail}
                for row in _spread(made.rejected)
            ]
        ),
        "attempts": report.attempted,
        "yield": report.accepted / max(1, report.attempted),
        "stopped": report.stopped,
        "teacher": report.teacher,
        "prompt_tokens": report.prompt_tokens,
        "completion_tokens": report.completion_tokens,
        "seconds": round(report.seconds, 1),
        PROMPTS_KEY: report.prompts,
        "rows_per_second": round(report.accepted / max(report.seconds, 1e-9), 2),
    }


def _spread(rows: list[Any]) -> list[Any]:
    """At most twenty rows at even distances, because the beginning of a set is not like its end."""
    step = max(1, len(rows) // _SHOWN)
    return rows[::step][:_SHOWN]


def _shown(id: str, request: str, calls: Any) -> dict[str, str]:
    said = "; ".join(render_call(call) for call in calls) or NO_CALL
    return {"id": id, "request": request, "call": said}
