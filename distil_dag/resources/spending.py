"""The budget of a run in Dagster: a meter for each asset, and a clean stop where nothing is left."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg

from distil_dag.adapters.chat.meter import Meter, run_meter
from distil_dag.adapters.run_store import RunStore
from distil_dag.core.spending import BudgetReachedError, Usage
from distil_dag.core.task import Task
from distil_dag.resources.metadata import table
from distil_dag.resources.models import ModelsResource
from distil_dag.resources.progress import logged
from distil_dag.resources.tasks import override_texts
from distil_dag.runs.evaluation_plan import OpenChat
from distil_dag.stages.ports import Progress

# Tag of a Dagster run that its budget stopped; the value is the setting to raise.
RESUMABLE_TAG = "distil_dag/resumable"

# Number of calls from which a forecast is made: half a batch of the stages, or two of the smallest.
_FIRST = 32


@contextmanager
def metered(context: dg.AssetExecutionContext, runs: RunStore, task: Task) -> Iterator[Meter]:
    """The meter of one asset's models, added to what the run has used, for the length of a `with` block.

    Args:
        context: The asset's step.
        runs: The store of all runs.
        task: The frozen task, with its budget.

    Yields:
        The meter.

    Raises:
        dg.Failure: The budget is reached. The step is not retried, and the Dagster run and the asset's
            partition are marked as resumable.
    """
    meter = run_meter(runs, context.partition_key, task.settings.budget)
    try:
        yield meter
    except BudgetReachedError as stop:
        advice = f"{stop}. {_how_to_go_on(context, task, stop)}"
        context.instance.add_run_tags(context.run.run_id, {RESUMABLE_TAG: stop.setting})
        context.log_event(
            dg.AssetObservation(
                context.asset_key,
                partition=context.partition_key,
                description=advice,
                metadata={"resumable": True, "stopped_by": stop.setting, **spending_metadata(meter)},
            )
        )
        raise dg.Failure(description=advice, metadata=spending_metadata(meter), allow_retries=False) from stop


def paid(models: ModelsResource, task: Task, meter: Meter) -> OpenChat:
    """A function that opens chat models and meters the teacher alone.

    The student's base is not paid for.

    Args:
        models: The models resource.
        task: Names the teacher.
        meter: The meter of the asset.
    """
    return lambda spec: models.chat(spec, meter if spec == task.settings.teacher else None)


class Outlook:
    """A stage's progress with what its models use, and a forecast of what they will have used at the end.

    The forecast is made from the first calls and their result. It is compared with what was used at the end.

    Args:
        log: The log of the Dagster run.
        what: Name of the work.
        meter: The meter of the asset.
        later: How many times as many calls the rest of the work takes for the same result.
    """

    def __init__(self, log: dg.DagsterLogManager, what: str, meter: Meter, later: float = 1.0) -> None:
        self._progress: Progress = logged(log, what, meter.note)
        self._meter, self._later = meter, later
        self._used, self._done, self._total = Usage(), 0, 0
        self._foreseen: Usage | None = None

    def __call__(self, done: int, total: int, note: str = "") -> None:
        used = self._meter.used
        if total == self._total or self._foreseen is None:
            # The result of calls is known when further calls are made.
            fresh = used.calls > self._used.calls >= _FIRST and total == self._total
            if self._foreseen is None and fresh and self._done:
                self._foreseen = _times(self._used, 1 + (total / self._done - 1) * self._later)
            self._used, self._done, self._total = used, done, total
        self._progress(done, total, note)

    def metadata(self) -> dict[str, Any]:
        """What the asset and its run have used, beside the forecast.

        There is no forecast where all calls were one batch, or where the cache has answered most of them.
        """
        used, foreseen = self._used, self._foreseen
        found = spending_metadata(self._meter)
        if foreseen is None or self._meter.used.cached > used.calls:
            return found
        pairs = {
            "tokens": (used.tokens, foreseen.tokens),
            "money": (used.money, foreseen.money),
            "model_seconds": (used.seconds, foreseen.seconds),
        }
        rows = [
            {"": name, "forecast": guess, "came to": real, "ratio": real / guess}
            for name, (real, guess) in pairs.items()
            if guess
        ]
        ratio = round(used.tokens / max(1, foreseen.tokens), 3)
        return found | {"forecast": table(rows), "tokens_against_forecast": ratio}


def _times(used: Usage, factor: float) -> Usage:
    return used.model_copy(
        update={
            "calls": round(used.calls * factor),
            "prompt_tokens": round(used.prompt_tokens * factor),
            "completion_tokens": round(used.completion_tokens * factor),
            "seconds": used.seconds * factor,
            "money": used.money * factor,
        }
    )


def spending_metadata(meter: Meter) -> dict[str, Any]:
    """What the asset used, and what the run has used so far, one line for each model."""
    used, spending = meter.used, meter.spending
    rows = (
        [("all", spending.total), *spending.models.items()]
        if len(spending.models) > 1
        else list(spending.models.items())
    )
    return {
        "calls_made": used.calls,
        "calls_from_the_cache": used.cached,
        "tokens_used": used.tokens,
        "money_used": round(used.money, 6),
        "model_seconds": round(used.seconds, 1),
        "run_so_far": table([{"model": name, **usage.model_dump()} for name, usage in rows]),
    }


def run_command(task: Task, run: str, overrides: Mapping[str, str]) -> str:
    """The shell command that resumes a run.

    Args:
        task: The task.
        run: Key of the run.
        overrides: Setting -> YAML text that the run changed, which the command repeats.
    """
    words = ["distil-dag", "run", task.name, "--run", run]
    words += ["--continue", task.continues] if task.continues else []
    words += [word for name, value in overrides.items() for word in ("--set", f"{name}={value}")]
    return shlex.join(words)


def _how_to_go_on(context: dg.AssetExecutionContext, task: Task, stop: BudgetReachedError) -> str:
    steps: Any = context.run.run_config.get("ops") or {}
    changed = override_texts(((steps.get("traces") or {}).get("config") or {}).get("overrides") or {})
    kept = {name: value for name, value in changed.items() if name != stop.setting}
    used = f"{stop.used:.0f}" if stop.limit == "tokens" else f"{stop.used:.6g}"
    return (
        f"`{run_command(task, context.partition_key, kept)} --set {stop.setting}=N`, with N above {used}, "
        "goes on from here: what is done is kept, and no call is paid for twice."
    )
