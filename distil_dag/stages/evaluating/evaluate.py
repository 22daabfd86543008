"""All candidates on the frozen test: scored case by case, then compared in pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from distil_dag.core.answers.parser import parse_answer
from distil_dag.core.case import Case
from distil_dag.core.confidence import Confidence
from distil_dag.core.normalise import Normaliser
from distil_dag.core.reports.base import Estimate
from distil_dag.core.reports.evaluation import CandidateReport, Comparison, EvalReport
from distil_dag.core.reports.evidence import Guarantee, LeakageReport
from distil_dag.core.settings import EvaluationSpec, PriceSpec
from distil_dag.core.tool_call import Answer
from distil_dag.core.toolset import Toolset
from distil_dag.stages import statistics
from distil_dag.stages.evaluating import metrics
from distil_dag.stages.evaluating.answers import (
    CUT_OFF,
    Answered,
    Scored,
    answer_row,
    confidence,
    disagreements,
    failures,
)
from distil_dag.stages.evaluating.breakdown import per_argument, per_tool
from distil_dag.stages.evaluating.candidate import CHECKPOINT, TEACHER, Candidate, Served
from distil_dag.stages.evaluating.contamination import leakage
from distil_dag.stages.evaluating.runtime_parity import runtimes
from distil_dag.stages.evaluating.selective_prediction import Price
from distil_dag.stages.ports import Progress, quiet


@dataclass(frozen=True)
class Learned:
    """What the student could learn from, in its training mix or beside it.

    Attributes:
        tables: rows by name of their table.
        trained_on: names of the tables that were in the training mix.
        log: logged rows whose calls are trusted.
        similarity: the leak gate's threshold (0 to 1).
    """

    tables: Mapping[str, Sequence[Case]]
    trained_on: frozenset[str]
    log: Sequence[Case]
    similarity: float
    normaliser: Normaliser


@dataclass(frozen=True)
class Shipped:
    """What an export made.

    Attributes:
        files: names of the exported files among the candidates.
        confidence: the calibration of the student's probabilities.
        price: the teacher's, which is to answer where the student is not confident.
        guarantee: what rows that were set aside prove of the student.
    """

    files: Sequence[str] = ()
    confidence: Confidence | None = None
    price: PriceSpec | None = None
    guarantee: Guarantee | None = None


def evaluate(
    test: Sequence[Case],
    toolset: Toolset,
    candidates: Sequence[Candidate],
    spec: EvaluationSpec,
    progress: Progress = quiet,
    *,
    student: str = "",
    test_labels: str = "",
    measured: dict[str, str] | None = None,
    learned: Learned | None = None,
    shipped: Shipped | None = None,
) -> tuple[EvalReport, list[dict[str, Any]]]:
    """Let every candidate answer the test, and score and compare the answers.

    The student is compared with every other candidate on the cases that both answered. Where the checkpoint
    takes the test, every form of the student is compared with it, down to the token ids of prompts. A
    candidate that answers no case (production without a log of them) is left out.

    Args:
        test: the frozen test.
        toolset: the tools.
        candidates: who answers.
        spec: the settings of the evaluation.
        progress: called as answers come in.
        student: name of the candidate that ships, whose failures are listed; the first if empty.
        test_labels: what is known of the test's labels, for the report.
        measured: how it was measured, for the report.
        learned: what the student learned from; copies of the test and the log's conventions are looked for
            there.
        shipped: what the export made; files are compared with the checkpoint, probabilities with answers.

    Returns:
        The report, and one row for each answer.

    Raises:
        ValueError: for an empty test or equal names.
        RuntimeError: when every answer of a candidate failed.
    """
    student = student or candidates[0].name
    _check(test, candidates, student)
    scored: dict[str, dict[int, Scored]] = {}
    reports = []
    for place, candidate in enumerate(candidates):
        part = _shifted(progress, place * len(test), len(candidates) * len(test), candidate.name)
        results = scored_answers(candidate, test, toolset, part)
        _refuse_silence(candidate, results)
        if results:
            scored[candidate.name] = results
            reports.append(_candidate_report(candidate, list(results.values()), toolset, spec))
    if student not in scored:
        raise RuntimeError(f"{student!r} answered none of the {len(test)} test cases")
    shipped = shipped or Shipped()
    report = EvalReport(
        n=len(test),
        test_labels=test_labels,
        student=student,
        candidates=reports,
        comparisons=[
            _comparison(student, other, scored[student], scored[other], spec)
            for other in scored
            if other != student
        ],
        quantisation=[
            _comparison(name, CHECKPOINT, scored[name], scored[CHECKPOINT], spec)
            for name in shipped.files
            if name in scored and CHECKPOINT in scored
        ],
        runtimes=runtimes(_software(candidates), CHECKPOINT, scored, toolset, spec),
        leakage=_leakage(test, learned, scored[student], toolset, spec) if learned else None,
        conventions=disagreements(student, scored, learned.log, toolset, spec.confidence, learned.normaliser)
        if learned
        else None,
        confidence=confidence(
            scored, TEACHER, spec, shipped.confidence, _price(shipped.price, reports), shipped.guarantee
        ),
        failures=failures(student, scored),
        measured=measured or {},
    )
    return report, [answer_row(name, item) for name, items in scored.items() for item in items.values()]


def evaluate_model(
    cases: Sequence[Case],
    toolset: Toolset,
    candidate: Candidate,
    spec: EvaluationSpec,
    progress: Progress = quiet,
    known: Confidence | None = None,
) -> dict[str, Any]:
    """Evaluate one model on some cases; `known` is the calibration of its probabilities.

    Returns:
        One JSON object: `model`, `n`, each metric as `{"value", "low", "high"}`, `latency_ms` (`p50`, `p95`
        of one answer alone), `bytes`, `unanswered`, `unreadable` (by form), `per_tool`, `per_argument`,
        `confidence` (a :class:`ConfidenceReport`, or None), and `failures`. A failure has the request, the
        expected and given calls, the raw answer, its probability and why it is wrong.

    Raises:
        ValueError: as :func:`evaluate`.
        RuntimeError: as :func:`evaluate`.
    """
    report, _ = evaluate(cases, toolset, [candidate], spec, progress, shipped=Shipped(confidence=known))
    found = report.candidates[0]
    return {
        "model": found.model,
        "n": found.n,
        **{name: estimate.model_dump() for name, estimate in found.metrics.items()},
        "latency_ms": found.latency_ms,
        "bytes": found.bytes,
        "unanswered": found.unanswered,
        "unreadable": found.unreadable,
        "per_tool": found.per_tool,
        "per_argument": found.per_argument,
        "confidence": report.confidence.model_dump() if report.confidence else None,
        "failures": [{k: v for k, v in row.items() if k != "right"} for row in report.failures],
    }


def _check(test: Sequence[Case], candidates: Sequence[Candidate], student: str) -> None:
    if not test:
        raise ValueError("the test holds no case: nothing can be measured")
    names = [candidate.name for candidate in candidates]
    if len(set(names)) != len(names) or student not in names:
        raise ValueError(f"candidates need names of their own, one of them {student!r}: {', '.join(names)}")


def scored_answers(
    candidate: Candidate, test: Sequence[Case], toolset: Toolset, progress: Progress = quiet
) -> dict[int, Scored]:
    """Place in the test -> scored answer, for the cases that the candidate answers."""
    answers = candidate.answer(test, progress)
    known = {place: given for place, given in enumerate(answers) if given is not None}
    results = {}
    for place, given in known.items():
        parsed = _parsed(given, toolset)
        score = metrics.score(test[place].calls, parsed, toolset)
        results[place] = Scored(test[place], given, parsed, score)
    return results


def _parsed(given: Answered, toolset: Toolset) -> Answer:
    if given.error:
        return Answer(error=f"no answer came: {given.error}")
    if given.cut:
        return Answer(text=given.text, error=CUT_OFF, form=CUT_OFF)
    return parse_answer(given.text, toolset)


def _refuse_silence(candidate: Candidate, results: Mapping[int, Scored]) -> None:
    errors = [item.answered.error for item in results.values() if item.answered.error]
    if results and len(errors) == len(results):
        raise RuntimeError(f"{candidate.name} gave no answer to any of {len(results)} cases: {errors[0]}")


def _candidate_report(
    candidate: Candidate, results: Sequence[Scored], toolset: Toolset, spec: EvaluationSpec
) -> CandidateReport:
    pairs = [(item.case.calls, item.parsed) for item in results]
    times = [item.answered.latency_ms for item in results if item.answered.latency_ms is not None]
    shares = statistics.quantiles(times, (0.5, 0.95)) if times else []
    return CandidateReport(
        name=candidate.name,
        model=candidate.model,
        n=len(results),
        metrics={name: _estimate(name, results, spec) for name in metrics.METRICS},
        latency_ms=dict(zip(("p50", "p95"), shares, strict=False)),
        bytes=candidate.bytes,
        unanswered=sum(bool(item.answered.error) for item in results),
        unreadable=dict(Counter(item.parsed.form for item in results if item.parsed.form).most_common()),
        tokens=_tokens(results),
        per_tool=per_tool(pairs, [item.score.exact for item in results], toolset, spec.confidence),
        per_argument=per_argument(pairs, toolset),
    )


def _tokens(results: Sequence[Scored]) -> dict[str, float]:
    known = [item.answered.tokens for item in results if item.answered.tokens]
    sums = (sum(column) / len(known) for column in zip(*known, strict=True))
    return dict(zip(("prompt", "completion"), sums, strict=False))


def _estimate(name: str, results: Sequence[Scored], spec: EvaluationSpec) -> Estimate:
    values = [item.score.metrics[name] for item in results]
    if name == metrics.STAGED:
        return statistics.bootstrap_mean(values, spec.confidence, spec.bootstrap, spec.seed)
    return statistics.wilson(round(sum(values)), len(values), spec.confidence)


def _comparison(
    student: str, other: str, first: dict[int, Scored], second: dict[int, Scored], spec: EvaluationSpec
) -> Comparison:
    common = [place for place in first if place in second]
    if not common:
        nothing = Estimate(value=0.0, low=-1.0, high=1.0)
        return Comparison(first=student, second=other, difference=nothing, minimum_detectable=1.0)
    paired = statistics.compare(
        [first[place].score.exact for place in common],
        [second[place].score.exact for place in common],
        spec.confidence,
    )
    return Comparison(
        first=student,
        second=other,
        bootstrap=statistics.paired_bootstrap(
            paired.first_only, paired.second_only, paired.n, spec.confidence, spec.bootstrap, spec.seed
        ),
        **vars(paired),
    )


def _leakage(
    test: Sequence[Case], learned: Learned, student: dict[int, Scored], toolset: Toolset, spec: EvaluationSpec
) -> LeakageReport:
    exact = {place: item.score.exact for place, item in student.items()}
    return leakage(
        test,
        learned.tables,
        learned.trained_on,
        exact,
        toolset,
        learned.similarity,
        learned.normaliser,
        spec.confidence,
    )


def _software(candidates: Sequence[Candidate]) -> dict[str, str]:
    """Candidate -> its software, for the student's forms, whose names all begin with `student`."""
    served = (one for one in candidates if one.name.startswith("student"))
    return {one.name: one.software for one in served if isinstance(one, Served)}


def _price(spec: PriceSpec | None, reports: Sequence[CandidateReport]) -> Price | None:
    tokens = next((row.tokens for row in reports if row.name == TEACHER), {})
    return Price(spec, tokens["prompt"], tokens["completion"]) if spec and tokens else None


def _shifted(progress: Progress, before: int, total: int, name: str) -> Progress:
    """Progress of one candidate as part of all, in answers."""

    def report(done: int, of: int, note: str = "") -> None:
        progress(before + done, total, f"{name} {note}".rstrip())

    return report
