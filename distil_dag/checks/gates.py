"""The gates of the chain, asset by asset: which table and report of the store each one reads."""

from typing import get_args

from distil_dag.adapters.run_store import RunStore
from distil_dag.checks.step import gates_of
from distil_dag.core import tables
from distil_dag.core.gates import context, data, student
from distil_dag.core.gates.finding import Finding
from distil_dag.core.reports.evaluation import EvalReport
from distil_dag.core.reports.exporting import GgufReport
from distil_dag.core.reports.intake import TracesReport
from distil_dag.core.reports.judging import JudgeReport
from distil_dag.core.reports.synthesis import SynthesisReport
from distil_dag.core.reports.training import TrainReport
from distil_dag.core.run_key import RunKey
from distil_dag.core.settings import GateName, GateSpec
from distil_dag.core.task import Task
from distil_dag.stages.evaluating.candidate import BASE, LOOKUP


def _traces(store: RunStore, run: str, task: Task, spec: GateSpec) -> list[Finding]:
    windowed = RunKey.parse(run, task.name).since is not None
    report = store.read_report(run, "traces", TracesReport)
    return [
        *data.check_traces(report, spec, windowed),
        *context.check_context(report.context, spec, task.settings.training),
    ]


def _seeds(store: RunStore, run: str, task: Task, spec: GateSpec) -> list[Finding]:
    labelled = [case for table in (tables.SEEDS, tables.CONTEXT) for case in store.read_cases(run, table)]
    return data.check_seeds(
        store.read_report(run, "judged_seeds", JudgeReport),
        store.read_cases(run, tables.TEST),
        labelled,
        store.read_cases(run, tables.UNLABELLED),
        task.toolset,
        spec,
        task.normaliser,
    )


def _synthetic(store: RunStore, run: str, task: Task, spec: GateSpec) -> list[Finding]:
    return data.check_synthetic(
        store.read_report(run, "synthetic_set", SynthesisReport),
        store.read_cases(run, tables.SYNTHETIC),
        store.read_cases(run, tables.TEST),
        task.toolset,
        spec,
        task.normaliser,
    )


def _training(store: RunStore, run: str, task: Task, spec: GateSpec) -> list[Finding]:
    return student.check_training(store.read_report(run, "checkpoint", TrainReport), spec)


def _export(store: RunStore, run: str, task: Task, spec: GateSpec) -> list[Finding]:
    return student.check_export(store.read_report(run, "gguf", GgufReport), spec)


def _student(store: RunStore, run: str, task: Task, spec: GateSpec) -> list[Finding]:
    return student.check_student(store.read_report(run, "eval_report", EvalReport), spec, BASE, LOOKUP)


GATES = [
    gates_of(
        "traces",
        _traces,
        {
            "enough_traces": "The window holds at least `gates.min_traces` readable traces.",
            "quarantine_share": "At most `gates.max_quarantined` of the log's rows could not be read.",
            "context_kept": "The student reads the system prompts that values of labels stand in alone.",
        },
    ),
    gates_of(
        "judged_seeds",
        _seeds,
        {
            "enough_seeds": "At least `gates.min_seeds` traces became seeds.",
            "seed_yield": "At least `gates.min_seed_yield` of the judged traces passed.",
            "verdicts_readable": "At most `gates.max_unjudged` of the verdicts could not be read.",
            "seeds_leak_free": "No seed, context or unlabelled case repeats a test request.",
            "judge_agrees": "The judge agrees with `labels.jsonl`, kappa at least `gates.min_judge_kappa`.",
        },
    ),
    gates_of(
        "synthetic_set",
        _synthetic,
        {
            "calls_valid": "At least `gates.min_synthetic_validity` of the rows hold valid calls.",
            "cells_covered": "At least `gates.min_cell_coverage` of the planned cells are half full.",
            "synthetic_leak_free": "No synthetic row repeats a test request.",
        },
    ),
    gates_of(
        "checkpoint",
        _training,
        {
            "loss_fell": "The loss stayed finite and fell by at least `gates.min_loss_drop`.",
            "rows_complete": "At most `gates.max_truncated` of the rows were cut.",
            "rows_supervised": "Every row has supervised tokens.",
            "stop_token_trained": "The student is taught where its answer ends.",
        },
    ),
    gates_of(
        "gguf",
        _export,
        {"gguf_parity": "Every file has the checkpoint's token ids, template and (mostly) answers."},
    ),
    gates_of(
        "eval_report",
        _student,
        {
            "beats_base": "The student's paired lead over its base is above zero with its interval.",
            "beats_lookup": "So is its paired lead over a lookup of the nearest trace.",
        },
    ),
]

assert {key.name for gate in GATES for key in gate.check_keys} == set(get_args(GateName))
