"""Forecasts what a run would use of its models, by a dry run of judging and synthesis on the task's log."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from distil_dag.adapters.chat.meter import Meter
from distil_dag.adapters.chat.metered import SERVED
from distil_dag.adapters.checkpoints.student_template import template_warnings
from distil_dag.adapters.forgetting.kept_tombstones import read_tombstones
from distil_dag.adapters.logs.source import read_traces
from distil_dag.adapters.run_store import RunStore
from distil_dag.core import tables
from distil_dag.core.case import Case, Example, Trace
from distil_dag.core.earlier_round import Earlier
from distil_dag.core.files import write_whole
from distil_dag.core.forecast import Forecast, Plan
from distil_dag.core.run_key import RunKey
from distil_dag.core.settings import BudgetSpec, ModelSpec
from distil_dag.core.spending import Usage
from distil_dag.core.task import Task
from distil_dag.runs.earlier_round import earlier_round, set_aside_before
from distil_dag.stages.forecasting.dry_run import DryRun
from distil_dag.stages.forecasting.forecast import forecast, pace_of, synthesis_need
from distil_dag.stages.judging.pipeline import judge_log
from distil_dag.stages.ports import ChatModel, Progress, quiet
from distil_dag.stages.synthesis.generator import synthesize

# Opens a model behind its cache, with a meter between.
OpenModel = Callable[[ModelSpec, Meter], AbstractContextManager[ChatModel]]


@dataclass(frozen=True)
class _Judged:
    """What synthesis begins with, and whether that is final."""

    seeds: Sequence[Example]
    others: Sequence[Case]
    test: Sequence[Case]
    final: bool


def forecast_run(
    task: Task, key: RunKey, store: RunStore, open_model: OpenModel, paces: Path, progress: Progress = quiet
) -> Plan:
    """Forecast a run of this key, from a probe of about twenty calls of each kind.

    What the run has stored already is used, not forecast. The probe's replies go to the cache of the models.
    The file `paces` keeps how fast these are.

    Args:
        task: The task.
        key: Key of the run.
        store: The store of all runs.
        open_model: Opens a model behind its cache, with a meter between.
        paces: File of measured paces.
        progress: Called as the dry run goes on.

    Raises:
        SourceError: The log can't be read.
        ValueError: A setting can't be used.
        FileNotFoundError: A model is missing.
        ImportError: A package is missing.
    """
    run, known = str(key), PaceFile(paces)
    forecasts: list[Forecast] = []
    traces, asked = 0, 0
    warnings: list[str] = []
    if _has(store, run, "judged_seeds"):
        seeds = _stored(store, run)
    else:
        if _has(store, run, "traces"):
            log = store.read_cases(run, tables.TRACES)
        else:
            log, task = read_traces(task, key, read_tombstones(store))
        traces, warnings = len(log), template_warnings(task, log)
        aside = set_aside_before(store, task)
        forecasts, seeds, asked = _judging(task, log, aside, open_model, known, progress)
    rows = 0 if _has(store, run, "synthetic_set") else task.settings.synthesis.rows
    if rows:
        earlier = earlier_round(store, task)
        forecasts.append(_synthesis(task, seeds, earlier, open_model, known, progress))
    known.keep()
    plan = Plan(task=task.name, traces=traces, judged=asked, rows=rows, forecasts=forecasts)
    return plan.model_copy(
        update={"exceeds": _exceeds(plan, task.settings.budget), "notes": [*_notes(plan), *warnings]}
    )


def _has(store: RunStore, run: str, asset: str) -> bool:
    return bool((store.folder(run, asset) / "report.json").exists())


def _stored(store: RunStore, run: str) -> _Judged:
    others = [
        *store.read_cases(run, tables.CONTEXT),
        *store.read_cases(run, tables.UNLABELLED),
    ]
    seeds = store.read_cases(run, tables.SEEDS)
    return _Judged(seeds, others, store.read_cases(run, tables.TEST), final=True)


def _judging(
    task: Task,
    traces: Sequence[Trace],
    aside: Sequence[Example],
    open_model: OpenModel,
    paces: PaceFile,
    progress: Progress,
) -> tuple[list[Forecast], _Judged, int]:
    specs, members = task.settings.models, len(task.settings.judge.committee)
    with ExitStack() as models:
        opened = [models.enter_context(_dry_run(model, open_model)) for model in specs]
        chat, *others = [dry_run for dry_run, _ in opened]
        committee, arbiter = others[:members], next(iter(others[members:]), None)
        began = time.monotonic()
        found = judge_log(task, traces, chat, committee, arbiter, progress, aside)
        own = time.monotonic() - began - sum(dry_run.seconds for dry_run, _ in opened)
        forecasts = []
        for (dry_run, meter), model in zip(opened, specs, strict=True):
            if not dry_run.kinds:
                continue
            paces.learn(dry_run)
            known = paces.of(dry_run.identity)
            forecasts.append(forecast("judging", dry_run, model.price, own, meter.used, True, paces=known))
            own = 0.0
    judged = found.judged
    begun = _Judged(judged.seeds, [*judged.context, *judged.unlabelled], found.split.test, final=False)
    return forecasts, begun, found.report.judged


def _synthesis(
    task: Task,
    judged: _Judged,
    earlier: Earlier | None,
    open_model: OpenModel,
    paces: PaceFile,
    progress: Progress,
) -> Forecast:
    spec, teacher = task.settings.synthesis, task.settings.teacher
    with _dry_run(teacher, open_model) as (dry_run, meter):
        began = time.monotonic()
        made, report = synthesize(
            judged.seeds,
            judged.others,
            judged.test,
            task.toolset,
            spec,
            dry_run,
            progress,
            earlier,
            task.normaliser,
        )
        own = time.monotonic() - began - dry_run.seconds
        paces.learn(dry_run)
        needs = {
            kind: synthesis_need(dry_run, kind, made, report, spec)
            for kind in dry_run.kinds
            if kind.startswith("answers")
        }
        return forecast(
            "synthesis",
            dry_run,
            teacher.price,
            own,
            meter.used,
            judged.final,
            needs=needs,
            paces=paces.of(dry_run.identity),
        )


@contextmanager
def _dry_run(spec: ModelSpec, open_model: OpenModel) -> Iterator[tuple[DryRun, Meter]]:
    meter = Meter()
    with open_model(spec, meter) as chat:
        yield DryRun(chat, sent=lambda: meter.used.calls, splits=spec.mode in SERVED), meter


class PaceFile:
    """How fast models were when they last answered, since a probe from the cache can't tell.

    Args:
        path: A JSON file: model identity -> kind of call -> seconds a computed token.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._known: dict[str, dict[str, float]] = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            self._known = {}

    def learn(self, dry_run: DryRun) -> None:
        """Take over the paces that a dry run has measured."""
        for name, kind in dry_run.kinds.items():
            if pace := pace_of(kind):
                self._known.setdefault(dry_run.identity, {})[name] = pace

    def of(self, identity: str) -> dict[str, float]:
        """The known paces of a model: kind of call -> seconds a computed token."""
        return self._known.get(identity, {})

    def keep(self) -> None:
        """Write the file."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self._path, json.dumps(self._known, indent=1).encode())


def _exceeds(plan: Plan, budget: BudgetSpec) -> list[str]:
    seconds = plan.seconds
    foreseen = {
        "tokens": plan.tokens.value,
        "money": plan.money.value,
        "hours": seconds.value / 3600 if seconds else 0.0,
    }
    allowed = budget.model_dump()
    return [f"budget.{name}" for name, value in foreseen.items() if allowed[name] and value > allowed[name]]


def _notes(plan: Plan) -> list[str]:
    if not plan.forecasts:
        return ["Nothing is left to pay for: the run has its seeds and its synthetic set already."]
    notes = [
        "The plan is the teacher's part, judging and synthesis; training, export and evaluation come on top."
    ]
    probe = sum((forecast.probe for forecast in plan.forecasts), Usage())
    if probe.calls:
        notes.append(f"The probe has made {probe.calls} calls.")
    elif probe.cached:
        notes.append(
            f"The cache has answered all {probe.cached} calls of the probe: nothing was paid for this plan. "
            "The figures are for an empty cache: what a run finds there costs nothing."
        )
    reused = [forecast.stage for forecast in plan.forecasts if forecast.reused]
    if reused:
        stages = " and ".join(dict.fromkeys(reused))
        notes.append(f"Its replies for {stages} are in the cache: a run does not pay for them again.")
    if any(not forecast.reused for forecast in plan.forecasts):
        notes.append(
            "Seeds are not fully judged yet, so the synthesis probe's replies are not the run's own."
        )
    if plan.seconds is None:
        notes.append(
            "How long it takes is not known: the cache answered the probe, and no earlier one was timed."
        )
    return notes
