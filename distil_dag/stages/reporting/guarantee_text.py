"""What is guaranteed of a student's answers, and what more would take, as sentences."""

from __future__ import annotations

from distil_dag.core.reports.evidence import Guarantee, MoreCoverage


def guaranteed(found: Guarantee) -> str:
    """The share that is guaranteed, beside the one that just looks so.

    Args:
        found: what rows that were set aside prove.
    """
    promise = f"that {_percent(found.target)} of them are right, with {_percent(found.confidence)} confidence"
    looks = f"{_percent(found.point_coverage)} look so without a guarantee"
    if not found.kept:
        return f"{found.rows} rows guarantee for no share of requests {promise}; {looks}."
    return (
        f"{found.rows} rows guarantee for {_percent(found.coverage)} of requests {promise} "
        f"({found.right} of {found.kept}); {looks}."
    )


def further(found: Guarantee) -> str:
    """How many more rows each further ten points would take.

    Args:
        found: what rows that were set aside prove.

    Returns:
        One sentence; empty where all requests are covered.
    """
    if not found.more:
        return ""
    steps = [_step(step) for step in found.more if step.rows is not None]
    never = [step for step in found.more if step.rows is None]
    if never:
        steps.append(f"{_percent(never[0].coverage)} and more: never, if they go on to be right as often")
    return f"More rows like these would guarantee {'; '.join(steps)}."


def _step(step: MoreCoverage) -> str:
    return f"{_percent(step.coverage)}: {step.rows:,} more"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
