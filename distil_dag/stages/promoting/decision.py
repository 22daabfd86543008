"""Whether a challenger takes the champion's place, and in a sentence why."""

from __future__ import annotations

from collections.abc import Sequence

from distil_dag.core.promotion import Contest, PromotionSpec, Verdict


def decide_by_tests(
    failed_gates: Sequence[str], contests: Sequence[Contest], spec: PromotionSpec
) -> tuple[Verdict, str]:
    """What gates and frozen tests say, before any later trace is looked at.

    Args:
        failed_gates: names of the challenger's gates that do not hold.
        contests: both students on the frozen tests of both.
        spec: what is asked of a challenger.

    Returns:
        `promote` where nothing speaks against it, else `keep`; and the reason.
    """
    if failed_gates:
        return "keep", f"gates of the challenger do not hold: {', '.join(failed_gates)}"
    if not any(one.n for one in contests):
        return "keep", "no test case is left that neither student has learned from"
    return _won([one for one in contests if one.n], spec)


def too_few(later: int | None, spec: PromotionSpec) -> str:
    """Why there are not enough later traces to look at; empty where there are.

    Args:
        later: how many were logged after both runs; None where the log has no times.
        spec: what is asked of a challenger.
    """
    if later is None:
        return "the log has no times, so later traces can't be told: set promotion.fresh to 0"
    if later < spec.fresh:
        return f"{later} of {spec.fresh} traces have been logged after both runs (promotion.fresh)"
    return ""


def decide_by_later_traces(later: Contest, spec: PromotionSpec) -> tuple[Verdict, str]:
    """What traces say that were logged after both runs, once the tests are won.

    Args:
        later: both students on these traces.
        spec: what is asked of a challenger.

    Returns:
        `promote` or `keep`; and the reason.
    """
    return _won([later], spec)


def _won(contests: Sequence[Contest], spec: PromotionSpec) -> tuple[Verdict, str]:
    told = []
    for one in contests:
        assert one.difference is not None
        lead = f"{one.difference.value:+.1%} ({one.difference.low:+.1%} to {one.difference.high:+.1%})"
        if one.difference.low <= spec.margin:
            return "keep", (
                f"{one.name}: the lead of {lead} on {one.n} cases is not above {spec.margin:+.1%} with its "
                "interval"
            )
        if worse := [tool for tool in one.tools if tool.regresses]:
            losses = ", ".join(f"{tool.tool} ({tool.gained} gained, {tool.lost} lost)" for tool in worse)
            return "keep", f"{one.name}: worse at {losses}"
        told.append(f"{one.name}: {lead} on {one.n} cases")
    return "promote", "; ".join(told)
