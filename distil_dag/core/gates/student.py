"""The gates of the model: what training, export and evaluation reported."""

from __future__ import annotations

import math

from distil_dag.core.gates.finding import Finding, at_least, at_most, stamped
from distil_dag.core.reports.evaluation import EvalReport
from distil_dag.core.reports.exporting import GgufReport
from distil_dag.core.reports.training import TrainReport
from distil_dag.core.settings import GateName, GateSpec


def check_training(report: TrainReport, spec: GateSpec) -> list[Finding]:
    """Whether the right tokens were supervised, and the model learned from them."""
    losses = [loss for _, loss in report.loss]
    finite = bool(losses) and all(math.isfinite(loss) for loss in losses)
    drop = _loss_drop(losses) if finite else 0.0
    truncated = report.truncated / report.rows if report.rows else 0.0
    # A student that is trained on has learned most of it before.
    needed = 0.0 if report.continues else spec.min_loss_drop
    curve = f"from {losses[0]:.3g} to {losses[-1]:.3g}" if finite else "is not finite, or was never logged"
    return stamped(
        spec,
        Finding(
            gate="loss_fell",
            passed=finite and drop >= needed,
            message=f"The loss {curve}: a drop of {drop:.1%}; {needed:.1%} needed.",
            figure=f"{drop:.1%}" if finite else "not finite",
            threshold=f"{needed:.1%} or more",
            numbers={"drop": drop, "min_loss_drop": needed},
            mends=(
                "A lower `training.learning_rate` mends a loss that rises or is not finite. A higher one, "
                "or more `training.epochs`, mends one that hardly falls.",
            ),
            settings={"min_loss_drop": at_most(drop)} if finite and 0 <= drop < needed else {},
            soft=(*spec.soft, "loss_fell") if finite else (),
        ),
        Finding(
            gate="rows_complete",
            passed=truncated <= spec.max_truncated,
            message=f"{report.truncated} of {report.rows} rows were cut at training.max_length "
            f"({truncated:.1%}; {spec.max_truncated:.1%} allowed).",
            figure=f"{truncated:.1%}",
            threshold=f"{spec.max_truncated:.1%} or less",
            numbers={"share": truncated, "max_truncated": spec.max_truncated},
            mends=("A higher `training.max_length` cuts fewer rows, and takes more memory.",),
            settings={"max_truncated": at_least(truncated)},
            soft=(*spec.soft, "rows_complete"),
        ),
        Finding(
            gate="rows_supervised",
            passed=report.rows > 0 and report.unsupervised_rows == 0 and report.supervised_tokens > 0,
            message=f"{report.unsupervised_rows} of {report.rows} rows have no supervised token; none may.",
            figure=str(report.unsupervised_rows),
            threshold="0",
            numbers={"unsupervised": report.unsupervised_rows, "supervised_tokens": report.supervised_tokens},
            mends=(
                "Such a row is cut before its answer: raise `training.max_length`.",
                "Where all rows are such, the student's chat template hides its answers: "
                "choose another `student.model`.",
            ),
            soft=(*spec.soft, "rows_supervised") if report.supervised_tokens > 0 else (),
        ),
        Finding(
            gate="stop_token_trained",
            passed=report.stop_token_trained,
            message="The end of the turn is supervised."
            if report.stop_token_trained
            else "The end of the turn is not supervised: this model would never stop.",
            figure="supervised" if report.stop_token_trained else "not supervised",
            threshold="supervised",
            mends=(
                "A row that is cut has no end: raise `training.max_length`."
                if report.truncated
                else "The student's chat template ends its turn with no token of its own: "
                "choose another `student.model`.",
            ),
            soft=(*spec.soft, "stop_token_trained") if report.truncated else (),
        ),
    )


def check_export(report: GgufReport, spec: GateSpec) -> list[Finding]:
    """Whether the exported files tokenize, prompt and answer as the checkpoint does.

    Answers are compared in the f16 file, which only conversion can have changed, and in the primary file,
    which ships. They are compared without and with flash attention, and the lower share counts: runtimes
    differ in their default. What coarser formats cost is measured on the test, by `eval_report`.
    """
    answering = [file for file in report.files if file.format == "f16" or file.path == report.primary]
    table = [
        {
            "format": file.format,
            **{f"flash attention {flash}": share for flash, share in file.by_attention.items()},
            "agreement": file.agreement,
            "probes": file.probes,
            "tokens equal": file.tokens_equal,
            "template equal": file.template_equal,
        }
        for file in report.files
    ]
    read_alike = all(file.tokens_equal and file.template_equal and file.probes for file in report.files)
    bad = [
        file.format
        for file in report.files
        if not (file.tokens_equal and file.template_equal and file.probes)
        or (file in answering and file.agreement < spec.min_parity)
    ]
    lowest = min((file.agreement for file in answering), default=0.0)
    comparable = bool(report.files) and read_alike
    return stamped(
        spec,
        Finding(
            gate="gguf_parity",
            passed=bool(report.files) and not bad,
            message=f"Differs from its checkpoint: {', '.join(bad)} ({lowest:.1%} of answers the same at "
            "least). "
            f"Token ids and template must be equal in each file, {spec.min_parity:.1%} of greedy answers "
            "the same in f16 and in the primary one, with flash attention and without."
            if bad
            else f"{len(report.files)} files read like their checkpoint; f16 and {report.primary} "
            f"answer like it ({lowest:.1%} at least).",
            figure=f"{lowest:.1%}" if comparable else "tokens or template differ",
            threshold=f"{spec.min_parity:.1%} or more",
            numbers={"lowest_agreement": lowest, "min_parity": spec.min_parity},
            rows=table,
            mends=(
                "A finer `export.primary` (`Q8_0`, `f16`) answers more like the checkpoint, and more "
                "`export.probes` measure it better."
                if comparable
                else "The converter reads this model's tokenizer or chat template in another way: choose "
                "another `student.model`.",
            ),
            settings={"min_parity": at_most(lowest)} if comparable else {},
            soft=(*spec.soft, "gguf_parity"),
        ),
    )


def check_student(report: EvalReport, spec: GateSpec, base: str, lookup: str) -> list[Finding]:
    """Whether the student beats its own base and a lookup of the nearest trace, beyond chance.

    Args:
        report: the evaluation.
        spec: the thresholds.
        base: name of the candidate that is the untrained base.
        lookup: name of the candidate that looks up the nearest trace.
    """
    return stamped(
        spec,
        _paired_finding("beats_base", report, spec, base, "the model that it was trained from"),
        _paired_finding("beats_lookup", report, spec, lookup, "a lookup of the nearest trace"),
    )


def _paired_finding(gate: GateName, report: EvalReport, spec: GateSpec, other: str, what: str) -> Finding:
    soft: tuple[GateName, ...] = (*spec.soft, gate)
    try:
        comparison = report.against(report.student, other)
    except KeyError:
        return Finding(
            gate=gate,
            passed=False,
            message=f"{report.student!r} was not compared with {other!r}, {what}.",
            figure="not compared",
            threshold="above 0",
            soft=soft,
        )
    gap = comparison.difference
    return Finding(
        gate=gate,
        passed=gap.low > 0,
        message=f"{report.student} minus {other} ({what}): {gap.value:+.1%}, interval {gap.low:+.1%} to "
        f"{gap.high:+.1%} on {report.n} cases; its lower end must be above zero. This test could have "
        f"shown a difference of {comparison.minimum_detectable:.1%}. Test labels: {report.test_labels}.",
        figure=f"{gap.low:+.1%}",
        threshold="above 0",
        numbers={"difference": gap.value, "low": gap.low, "high": gap.high, "n": report.n},
        mends=_to_beat(gap.value, comparison.minimum_detectable),
        soft=soft,
    )


def _to_beat(lead: float, detectable: float) -> tuple[str, ...]:
    better = (
        "More traces, more `synthesis.rows` or more `training.epochs` make a better student; "
        "the report shows where it is weak."
    )
    if 0 < lead < detectable:
        return (
            "The lead is smaller than what this test can show: write a `test.jsonl` with more cases.",
            better,
        )
    return (better,)


def _loss_drop(losses: list[float]) -> float:
    """Relative drop from the first to the mean of the last tenth: single steps are noisy."""
    tail = losses[-max(1, len(losses) // 10) :]
    return 1 - (sum(tail) / len(tail)) / losses[0] if losses[0] > 0 else 0.0
