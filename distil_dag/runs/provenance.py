"""What made a run's model, and how good it is, from what the run has stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import BaseModel

from distil_dag.adapters.run_store import RunStore
from distil_dag.adapters.system.environment import masked
from distil_dag.core.api_sources import ApiSource
from distil_dag.core.reports.evaluation import EvalReport
from distil_dag.core.reports.exporting import GgufReport
from distil_dag.core.reports.intake import TracesReport
from distil_dag.core.reports.judging import JudgeReport
from distil_dag.core.reports.model_evaluation import (
    CandidateScore,
    EvaluatedFile,
    GateVerdict,
    ModelEvaluation,
)
from distil_dag.core.reports.provenance import Provenance, Setting
from distil_dag.core.reports.synthesis import SynthesisReport
from distil_dag.core.reports.training import TrainReport
from distil_dag.core.run_key import RunKey
from distil_dag.core.settings import ModelSpec
from distil_dag.core.sources import FileSource, SqlSource, TraceSource
from distil_dag.core.task import Task
from distil_dag.stages.evaluating.candidate import gguf_name
from distil_dag.stages.evaluating.metrics import EXACT
from distil_dag.stages.exporting.model_card import base_licence

# Path of the evaluation below the folder of `gguf`, without its suffix.
EVALUATION = "files/evaluation"
_UNSAID = ("name", "description")
_Stored = TypeVar("_Stored", bound=BaseModel)


def provenance(store: RunStore, run: str, task: Task) -> Provenance:
    """What made the model of a run, as far as the run has come.

    Args:
        store: The store of all runs.
        run: Key of the run.
        task: The run's frozen task.
    """
    training = _stored(store, run, "checkpoint", TrainReport)
    synthesis = _stored(store, run, "synthetic_set", SynthesisReport)
    judging = _stored(store, run, "judged_seeds", JudgeReport)
    student = task.settings.student
    return Provenance(
        run=run,
        task=task.name,
        tools=task.toolset.digest,
        continues=task.continues,
        base=training.base if training else _named(student.model, student.revision),
        teacher=synthesis.teacher if synthesis else _asked_for(task.settings.teacher),
        judge=judging.judge if judging else "",
        log=_log(task.settings.traces),
        window=_window(run),
        rows=dict(_rows(store, run, judging, synthesis, training)),
        method=_method(training, task) if training else "",
        trained=training.finished if training else "",
        environment=training.environment if training else {},
        settings=_settings(task),
        licence=base_licence(task) or "",
    )


def model_evaluation(
    run: str, report: EvalReport, exported: GgufReport, confidence: float, gates: Sequence[GateVerdict] = ()
) -> ModelEvaluation:
    """The scores of a run's files.

    Args:
        run: Key of the run.
        report: What the evaluation found.
        exported: The files that it measured.
        confidence: Confidence of the intervals.
        gates: The verdicts of the run's gates.
    """
    leads = {row.second: row.difference for row in report.comparisons if row.first == report.student}
    return ModelEvaluation(
        run=run,
        evaluated=report.evaluated,
        n=report.n,
        test_labels=report.test_labels,
        confidence=confidence,
        student=report.student,
        candidates=[
            CandidateScore(
                name=row.name,
                model=row.model,
                exact=row.metrics[EXACT],
                n=row.n,
                latency_ms=row.latency_ms,
                lead=leads.get(row.name),
            )
            for row in report.candidates
        ],
        files=[
            EvaluatedFile(path=file.path, sha256=file.sha256, candidate=gguf_name(file.format))
            for file in exported.files
        ],
        gates=list(gates),
    )


def stored_evaluation(store: RunStore, run: str, task: Task) -> ModelEvaluation | None:
    """The scores of the files that a run has now; None without an evaluation of these files.

    Args:
        store: The store of all runs.
        run: Key of the run.
        task: The run's frozen task.
    """
    beside = _stored(store, run, "gguf", ModelEvaluation, EVALUATION)
    if beside:
        return beside
    report = _stored(store, run, "eval_report", EvalReport)
    exported = _stored(store, run, "gguf", GgufReport)
    # A report that knows its model was written with `evaluation.json`: without it, the files are newer.
    if report is None or exported is None or report.provenance:
        return None
    return model_evaluation(run, report, exported, task.settings.evaluation.confidence)


def _stored(
    store: RunStore, run: str, asset: str, cls: type[_Stored], name: str = "report"
) -> _Stored | None:
    """A report, if the run has one that can be read."""
    try:
        return store.read_report(run, asset, cls, name=name)
    except (FileNotFoundError, ValueError):
        return None


def _rows(
    store: RunStore,
    run: str,
    judging: JudgeReport | None,
    synthesis: SynthesisReport | None,
    training: TrainReport | None,
) -> Iterator[tuple[str, dict[str, int]]]:
    """What became of the rows, stage by stage."""
    if traces := _stored(store, run, "traces", TracesReport):
        yield (
            "log",
            {
                "read": traces.read,
                "passed over": traces.passed_over,
                "quarantined": traces.quarantined_total,
                "kept": traces.kept,
            },
        )
    if judging:
        yield (
            "split",
            {
                "test": judging.holdout.test,
                "near copies of the test left out": judging.holdout.removed_near_copies,
                "left": judging.holdout.remaining,
            },
        )
        yield (
            "judging",
            {
                "judged": judging.judged,
                "rejected": judging.rejected,
                "unreadable": judging.unjudged,
                "seeds": judging.seeds,
                "context": judging.passed_context,
                "set aside to calibrate": judging.set_aside,
            },
        )
    if synthesis:
        yield "synthesis", {"attempted": synthesis.attempted, "accepted": synthesis.accepted}
    if training:
        by_origin = {f"of them {origin}": rows for origin, rows in sorted(training.rows_by_origin.items())}
        yield "training", {"trained on": training.rows, **by_origin}


def _log(source: TraceSource) -> str:
    """The log in words that hold no host and no folder."""
    if isinstance(source, SqlSource):
        named = f"table {source.table} of a {source.url.partition(':')[0].partition('+')[0]} database"
    elif isinstance(source, FileSource):
        named = f"files {source.path.rstrip('/').rpartition('/')[2]}"
    elif isinstance(source, ApiSource):
        named = f"records of a {source.kind} service"
    else:
        revision = f" at {source.revision}" if source.revision else ""
        named = f"split {source.split} of the Hub's dataset {source.dataset}{revision}"
    taken = " and ".join(f"{column} is {value}" for column, value in source.where.items())
    return f"{named}, rows where {taken}" if taken else named


def _window(run: str) -> str:
    try:
        key = RunKey.parse(run)
    except ValueError:  # a run may be older than what keys have to look like
        return ""
    if not (key.since and key.until):
        return "the whole log"
    since, until = (f"{moment:%Y-%m-%d %H:%M}" for moment in (key.since, key.until))
    return f"from {since} until before {until} UTC"


def _method(training: TrainReport, task: Task) -> str:
    spec = task.settings.training
    layers = f"the last {spec.trained_layers} layers" if spec.trained_layers else "all layers"
    how = "LoRA adapters in" if training.method == "lora" else "full weights of"
    return f"{how} {layers}, {training.steps} steps, {training.seconds:.0f} s"


def _named(name: str, revision: str | None) -> str:
    return str(_shareable(f"{name}@{revision}" if revision else name))


def _asked_for(spec: ModelSpec) -> str:
    return _named(spec.model or spec.mode, spec.revision)


def _settings(task: Task) -> list[Setting]:
    whole = dict(_flat(task.settings.model_dump(mode="json")))
    changed = dict(_flat(task.settings.model_dump(mode="json", exclude_defaults=True)))
    return [
        Setting(name=name, value=value, changed=name in changed)
        for name, value in whole.items()
        if name not in _UNSAID
    ]


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Path -> value of everything that is no section."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", _shareable(value)


def _shareable(value: Any) -> Any:
    """A setting as it may leave this machine: no secret, no folder."""
    if isinstance(value, list):
        return [_shareable(item) for item in value]
    if isinstance(value, dict):
        return {name: _shareable(item) for name, item in value.items()}
    return " ".join(map(_without_folder, masked(value).split(" "))) if isinstance(value, str) else value


def _without_folder(word: str) -> str:
    """A path or the URL of a local database, with its last part alone."""
    scheme, local, path = ("", "", word) if word.startswith("/") else word.partition(":///")
    if not path.startswith("/") and not local:
        return word
    return f"{scheme}{local}…/{path.rstrip('/').rpartition('/')[2]}"


def now() -> str:
    """This moment in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
