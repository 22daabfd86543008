"""From suspects to seeds: validity first, then a judge, then the best of every kind."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from distil_dag.core.case import Case, Example, Trace
from distil_dag.core.context import ContextRule
from distil_dag.core.leaks import find_leaks
from distil_dag.core.normalise import ENGLISH, Normaliser
from distil_dag.core.reports.judging import EvidenceReport, HoldoutReport, JudgeReport
from distil_dag.core.settings import JudgeSpec
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset
from distil_dag.core.verdict import Verdict
from distil_dag.stages.judging.aftermath.followed import Aftermath
from distil_dag.stages.judging.agreement import agreement, consistency
from distil_dag.stages.judging.evidence_rows import SURE, evidence_rows
from distil_dag.stages.judging.likelihood.judge import LikelihoodJudge
from distil_dag.stages.judging.port import Judge, Judgement, OnJudgement
from distil_dag.stages.judging.relabelling import relabel
from distil_dag.stages.judging.rubric import RubricJudge
from distil_dag.stages.judging.schema_drift import undo_renames
from distil_dag.stages.judging.seed_choice import choose_seeds
from distil_dag.stages.ports import ChatModel, Progress, quiet
from distil_dag.stages.progress import tally
from distil_dag.stages.prompting.prompt_files import digests
from distil_dag.stages.splitting.stratified import pattern, stratified

PASSED = "passed"
VALIDITY = "validity"
# How a sample of the log is drawn over cells: by the root of their sizes. As much of every cell would seek
# out wrong calls, which fill the rare ones, and the log's own mix would leave those out.
_SUSPECTS = 0.5
# The likelihood judge learns from so many traces at most, beside those that it judges: what it keeps of each
# takes about 80 KB.
_TEACHING = 10_000


@dataclass(frozen=True)
class Judged:
    """What judging leaves: examples to trust, the rest without its calls, and every verdict.

    `calibration` holds trusted examples that nobody learns from.
    """

    seeds: list[Example]
    context: list[Example]
    unlabelled: list[Case]
    verdicts: list[Verdict]
    calibration: list[Example] = field(default_factory=list)


def judge(
    traces: Sequence[Trace],
    toolset: Toolset,
    spec: JudgeSpec,
    model: ChatModel,
    committee: Sequence[ChatModel] = (),
    arbiter: ChatModel | None = None,
    progress: Progress = quiet,
    holdout: HoldoutReport | None = None,
    labels: Mapping[str, bool] | None = None,
    normaliser: Normaliser = ENGLISH,
    against: Mapping[str, Aftermath] | None = None,
) -> tuple[Judged, JudgeReport]:
    """Split traces into seeds, context and unlabelled requests, with a verdict for each judged one.

    Calls under names of an older schema are judged under today's, where the log shows which they are. Traces
    that are invalid under the tools or hold no request are rejected without a judge. So are those that
    something speaks against, unless the judge is a rubric, which is told of it. Of the others `spec.sample`
    are judged, rare cells in a larger share than they have in the log.

    Of a longer log `spec.evidence` of the sample's number is drawn before, and judged as well. Those of which
    the judge is sure are calibration, and nothing else.

    Those that reach `spec.min_score` pass. At most `spec.seeds` of them become seeds, one for each request,
    spread over tools and argument patterns. With `spec.relabel` rejected traces may be corrected. What passed
    otherwise is context, and all other requests stay unlabelled.

    Args:
        traces: the log without its test, in any order.
        toolset: the tools of the task.
        spec: which judge, how strict, how many.
        model: the judging model.
        committee: who may correct rejected traces; the judging model where there is none.
        arbiter: who picks among the proposals; the judge where there is none.
        progress: told of each judgement.
        holdout: the report on the split, which becomes part of this one.
        labels: trace id -> whether its calls are right. They only tell the report how good the judge is.
        normaliser: tells which requests are the same.
        against: trace id -> what speaks against its calls in the log.

    Returns:
        What judging leaves, and the report on it.

    Raises:
        ValueError: the judge can't learn from the log, or the committee can't propose.
    """
    logged = {trace.id: trace.calls for trace in traces}
    ordered, renames = undo_renames(sorted(traces, key=lambda trace: trace.id), toolset)
    suspects = {key: (found.reason, found.said) for key, found in (against or {}).items()}
    weighs_sequels = spec.kind == "rubric"
    invalid = {} if weighs_sequels else {t.id: suspects[t.id] for t in ordered if t.id in suspects}
    invalid |= {trace.id: why for trace in ordered if (why := _invalid(trace, toolset))}
    valid = [trace for trace in ordered if trace.id not in invalid]
    proving, rest = evidence_rows(valid, spec, normaliser)
    chosen = stratified(rest, spec.sample, spec.seed, exponent=_SUSPECTS) if spec.sample else rest
    chosen = sorted([*chosen, *proving], key=lambda trace: trace.id)
    judging: Judge = (
        RubricJudge(toolset, model, against)
        if weighs_sequels
        else LikelihoodJudge(
            _teaching(valid, chosen, spec.seed), toolset, model, normaliser, spec.seed, progress
        )
    )
    on_result = _counting(progress, len(chosen), spec.min_score)
    started = time.monotonic()
    judgements = judging.assess([(trace, trace.calls) for trace in chosen], on_result)
    seconds = time.monotonic() - started
    verdicts = {
        trace.id: _verdict(trace, judgement, spec.min_score, judging.identity)
        for trace, judgement in zip(chosen, judgements, strict=True)
    }
    measured: dict[str, object] = _self_agreement(judging, chosen, judgements, spec, progress)
    measured["renames"] = renames
    prompts = [*judging.prompts]
    if spec.relabel:
        picking: Judge = RubricJudge(toolset, arbiter) if arbiter else judging
        changed, outcomes = _relabelled(
            chosen, verdicts, toolset, picking, committee or (model,), spec, normaliser.context, progress
        )
        verdicts |= changed
        measured |= {"committee": outcomes, "arbiter": picking.identity}
        prompts += ["relabelling", *picking.prompts]
    for trace in ordered:
        if trace.id in invalid:
            verdicts[trace.id] = _rejection(trace, *invalid[trace.id])
    verdicts = {key: _on_logged(verdict, logged[key]) for key, verdict in verdicts.items()}
    apart = {trace.id for trace in proving}
    sure = max(spec.min_score, SURE)
    calibration = [t for t in proving if verdicts[t.id].passed and (verdicts[t.id].score or 0.0) >= sure]
    passed = [trace for trace in chosen if verdicts[trace.id].passed and trace.id not in apart]
    seeds = choose_seeds(passed, verdicts, spec.seeds, spec.seed, normaliser)
    labelled = {trace.id for trace in [*passed, *calibration]}
    judged = Judged(
        seeds=[_example(trace, verdicts[trace.id], "seed") for trace in passed if trace.id in seeds],
        context=[_example(trace, verdicts[trace.id], "context") for trace in passed if trace.id not in seeds],
        unlabelled=[
            Case(id=trace.id, messages=trace.messages) for trace in ordered if trace.id not in labelled
        ],
        verdicts=[verdicts[trace.id] for trace in ordered if trace.id in verdicts],
        calibration=[_example(trace, verdicts[trace.id], "context") for trace in calibration],
    )
    if proving:
        part = seconds * len(proving) / len(chosen)
        measured["evidence"] = EvidenceReport(judged=len(proving), kept=len(calibration), seconds=part)
    measured |= {
        "faults_found": agreement(judged.verdicts, labels or {}) or None,
        "prompts": digests(*prompts),
    }
    report = _report(judged, spec, judging.identity, holdout, len(ordered))
    return judged, report.model_copy(update=measured)


def keep_apart(
    judged: Judged,
    report: JudgeReport,
    test: Sequence[Case],
    toolset: Toolset,
    similarity: float,
    normaliser: Normaliser = ENGLISH,
) -> tuple[Judged, JudgeReport]:
    """The same without examples that repeat one of `test`: they go back to the unlabelled requests.

    The log's own near copies left with the test; a corrected call can make another.
    """
    examples = [*judged.seeds, *judged.context]
    copies = {leak.row for leak in find_leaks(test, examples, toolset, similarity, normaliser)}
    if not copies:
        return judged, report
    back = [case for case in examples if case.id in copies]
    apart = replace(
        judged,
        seeds=[case for case in judged.seeds if case.id not in copies],
        context=[case for case in judged.context if case.id not in copies],
        unlabelled=sorted(
            [*judged.unlabelled, *(Case(id=case.id, messages=case.messages) for case in back)],
            key=lambda case: case.id,
        ),
    )
    counts = {"seeds": len(apart.seeds), "passed_context": len(apart.context)}
    return apart, report.model_copy(update=counts)


def _teaching(valid: Sequence[Trace], chosen: Sequence[Trace], seed: int) -> Sequence[Trace]:
    """What the log teaches a judge: all of it, or of a long one a part by chance with what is judged."""
    if len(valid) <= _TEACHING:
        return valid
    drawn = random.Random(f"{seed}:teaching").sample(valid, _TEACHING)
    ids = {trace.id for trace in [*drawn, *chosen]}
    return [trace for trace in valid if trace.id in ids]


def _counting(progress: Progress, total: int, min_score: float, intro: str = "") -> OnJudgement:
    """A OnJudgement that tells of judgements by outcome: passed, or why not."""
    counts: Counter[str] = Counter()

    def on_result(judgement: Judgement) -> None:
        passes = judgement.score is not None and judgement.score >= min_score
        counts[PASSED if passes else judgement.reason] += 1
        progress(counts.total(), total, intro + tally(counts))

    return on_result


def _self_agreement(
    judging: Judge, chosen: Sequence[Trace], first: Sequence[Judgement], spec: JudgeSpec, progress: Progress
) -> dict[str, object]:
    """What the report says of a sample that was judged a second time, drawn as the log is."""
    rng = random.Random(f"{spec.seed}:again")
    places = sorted(rng.sample(range(len(chosen)), min(spec.reask, len(chosen))))
    if not places or all(first[place].score is None for place in places):
        return {}
    second, how = judging.again()
    on_result = _counting(progress, len(places), spec.min_score, "judged again: ")
    again = second.assess([(chosen[place], chosen[place].calls) for place in places], on_result)
    return {
        "consistency": consistency([first[place] for place in places], again, spec.min_score),
        "reasked": how,
    }


def _invalid(trace: Trace, toolset: Toolset) -> tuple[str, str] | None:
    """Reason and explanation for a trace that needs no judge; None for the others."""
    if not trace.request.strip():
        return "no request", "the trace has no words of a user"
    unknown = [call.name for call in trace.calls if call.name not in toolset]
    if unknown:
        return "unknown tool", f"calls {', '.join(unknown)}, which the task does not have"
    problems = [text for call in trace.calls for text in toolset.problems(call)]
    if problems:
        return "arguments violate the schema", "; ".join(problems)[:500]
    return ("marked at intake", "; ".join(trace.problems)[:500]) if trace.problems else None


def _verdict(trace: Trace, judgement: Judgement, min_score: float, identity: str) -> Verdict:
    passes = judgement.score is not None and judgement.score >= min_score
    return Verdict(
        trace_id=trace.id,
        request=trace.request,
        calls=trace.calls,
        outcome="unjudged" if judgement.score is None else "passed" if passes else "rejected",
        score=judgement.score,
        reason=PASSED if passes else judgement.reason,
        explanation=judgement.explanation,
        judge=identity,
        details=judgement.details,
    )


def _on_logged(verdict: Verdict, logged: tuple[ToolCall, ...]) -> Verdict:
    """The verdict on calls that were judged under other names, told of the calls as logged."""
    if verdict.calls == logged:
        return verdict
    instead = {"calls": logged, "proposed": verdict.trusted_calls}
    return verdict.model_copy(update=instead | ({"relabelled_from": logged} if verdict.passed else {}))


def _rejection(trace: Trace, reason: str, explanation: str) -> Verdict:
    return Verdict(
        trace_id=trace.id,
        request=trace.request,
        calls=trace.calls,
        outcome="rejected",
        score=0.0,
        reason=reason,
        explanation=explanation,
        judge=VALIDITY,
    )


def _relabelled(
    traces: Sequence[Trace],
    verdicts: dict[str, Verdict],
    toolset: Toolset,
    judging: Judge,
    labellers: Sequence[ChatModel],
    spec: JudgeSpec,
    context: ContextRule,
    progress: Progress,
) -> tuple[dict[str, Verdict], dict[str, dict[str, int]]]:
    rejected = [(t, verdicts[t.id]) for t in traces if verdicts[t.id].outcome == "rejected"]
    trusted = [_example(trace, verdicts[trace.id], "seed") for trace in traces if verdicts[trace.id].passed]
    best = sorted(trusted, key=lambda case: (-(verdicts[case.id].score or 0.0), case.id))
    return relabel(rejected, best, toolset, judging, labellers, spec.min_score, spec.seed, progress, context)


def _example(trace: Trace, verdict: Verdict, origin: str) -> Example:
    return Example.model_validate(
        {
            "id": trace.id,
            "messages": trace.messages,
            "calls": verdict.trusted_calls,
            "text": trace.text,
            "origin": origin,
            "cell": pattern(verdict.trusted_calls),
        }
    )


def _report(
    judged: Judged, spec: JudgeSpec, identity: str, holdout: HoldoutReport | None, traces: int
) -> JudgeReport:
    outcomes = Counter(verdict.outcome for verdict in judged.verdicts)
    bins = Counter(min(9, int(10 * v.score)) for v in judged.verdicts if v.score is not None)
    reasons = Counter(v.reason for v in judged.verdicts)
    return JudgeReport(
        kind=spec.kind,
        judge=identity,
        judged=len(judged.verdicts),
        seeds=len(judged.seeds),
        passed_context=len(judged.context),
        rejected=outcomes["rejected"],
        unjudged=outcomes["unjudged"],
        relabelled=sum(v.relabelled_from is not None for v in judged.verdicts),
        min_score=spec.min_score,
        score_histogram=[bins[n] for n in range(10)],
        reasons=dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
        holdout=holdout
        or HoldoutReport(test=0, removed_near_copies=0, remaining=traces, test_labels="none held out"),
    )
