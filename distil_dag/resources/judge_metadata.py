"""What the Dagster UI shows of judging."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg

from distil_dag.core.reports.judging import JudgeReport
from distil_dag.core.tool_call import NO_CALL, render_call
from distil_dag.core.verdict import Verdict
from distil_dag.resources.lineage import PROMPTS_KEY
from distil_dag.resources.metadata import figures, image, table
from distil_dag.stages.judging import relabelling
from distil_dag.stages.judging.judge import VALIDITY
from distil_dag.stages.judging.plots import outcome_bars, score_histogram

_COMMITTEE = [
    "labeller", relabelling.PROPOSED, relabelling.TAKEN, relabelling.AS_LOGGED, relabelling.REFUSED_BY_TOOLS,
    relabelling.UNSAID, relabelling.UNREADABLE, relabelling.CUT, relabelling.NO_ANSWER,
]  # fmt: skip
_SHOWN = 8


def judge_metadata(verdicts: Sequence[Verdict], report: JudgeReport, folder: str) -> dict[str, Any]:
    """Numbers, the scores as a plot, reasons, and the best and worst verdicts to look at.

    Args:
        verdicts: All verdicts.
        report: The judge's report.
        folder: Path or URL of the asset's folder.
    """
    scored = sorted((v for v in verdicts if v.score is not None), key=lambda v: (v.score or 0.0, v.trace_id))
    doubtful = sorted(scored, key=lambda v: (abs((v.score or 0.0) - report.min_score), v.trace_id))
    found: dict[str, Any] = {
        "dagster/row_count": report.seeds,
        "dagster/uri": dg.MetadataValue.path(folder),
        "test_cases": report.holdout.test,
        "test_labels": report.holdout.test_labels,
        "left_with_the_test": report.holdout.removed_near_copies,
        "judged": report.judged,
        "seeds": report.seeds,
        "passed_context": report.passed_context,
        "set_aside": report.set_aside,
        "rejected": report.rejected,
        "unjudged": report.unjudged,
        "relabelled": report.relabelled,
        "judge": report.judge,
        "calibration": report.calibration,
        PROMPTS_KEY: report.prompts,
        "reasons": table([{"reason": reason, "verdicts": n} for reason, n in report.reasons.items()]),
        "outcomes": image(outcome_bars(report), "outcomes"),
        "scores": image(score_histogram(report.score_histogram, report.min_score), "scores"),
        "worst": _preview([v for v in scored if v.judge != VALIDITY][:_SHOWN]),
        "nearest_to_the_threshold": _preview(doubtful[:_SHOWN]),
        "best": _preview(scored[::-1][:_SHOWN]),
    }
    for name, numbers in (("known_faults", report.faults_found), ("self_agreement", report.consistency)):
        found |= {f"{name}_{key}": value for key, value in figures(numbers or {}).items()}
    if report.renames:
        found["renamed"] = table([rename.model_dump() for rename in report.renames])
    if report.committee:
        found["arbiter"] = report.arbiter
        found["committee"] = table([{"labeller": k, **v} for k, v in report.committee.items()], _COMMITTEE)
    return found


def _preview(verdicts: Sequence[Verdict]) -> dg.MarkdownMetadataValue:
    return table(
        [
            {
                "score": v.score,
                "request": v.request,
                "calls": " ".join(map(render_call, v.calls)) or NO_CALL,
                "reason": v.reason,
                "explanation": v.explanation,
            }
            for v in verdicts
        ]
    )
