"""The student of a task that is released: what a server of the task answers with."""

from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from distil_dag.adapters.run_store import RunStore
from distil_dag.core.promotion import Champions, Decision, Release
from distil_dag.core.task import Task
from distil_dag.resources.asset_defaults import RELEASE, TASKS
from distil_dag.resources.failures import reasoned
from distil_dag.resources.gate_verdicts import gate_verdicts
from distil_dag.resources.progress import logged
from distil_dag.resources.promotion_metadata import champion_metadata
from distil_dag.resources.store import StoreResource
from distil_dag.resources.tasks import TasksResource
from distil_dag.runs.promotion import hold
from distil_dag.runs.releases import keep_decision, read_champions, release
from distil_dag.runs.standings import newest_evaluated, require_student


class PromotionConfig(dg.Config):
    """Which student takes part; without any of these, the newest evaluated run is the challenger."""

    challenger: str = Field(default="", description="key of the run that is to be held against the champion")
    promote: str = Field(default="", description="key of the run to release, whatever the figures say")
    rollback: bool = Field(default=False, description="release the champion before this one again")


@dg.asset(
    partitions_def=TASKS,
    deps=[dg.AssetDep("eval_report", partition_mapping=dg.AllPartitionMapping())],
    code_version="1",
    kinds={"python"},
    group_name=RELEASE,
)
@reasoned
def champion(
    context: dg.AssetExecutionContext, config: PromotionConfig, store: StoreResource, tasks: TasksResource
) -> dg.MaterializeResult[None]:
    """The run whose student a task is served with, and why it is this one.

    A challenger is held against the champion on the frozen tests of both runs, and where it wins them, on
    traces that were logged after both. Both students are asked side by side; cases that one of them has
    learned from are left out. A challenger that wins is proposed, or released where `promotion.mode` is
    `auto`. The first evaluated run of a task is released at once.

    By hand: `promote` releases a run, `rollback` the champion before this one.
    """
    name, runs = context.partition_key, store.open()
    found = read_champions(runs, name)
    if config.rollback:
        found = release(runs, name, found, _before(name, found))
    elif config.promote:
        require_student(runs, name, config.promote)
        found = release(runs, name, found, _now(config.promote, "by hand", "somebody released it"))
    else:
        challenger = config.challenger or newest_evaluated(runs, name)
        require_student(runs, name, challenger)
        found = _challenge(context, runs, tasks.task(name), found, challenger)
    assert found.current is not None
    return dg.MaterializeResult(
        data_version=dg.DataVersion(found.current.run), metadata=champion_metadata(store, found)
    )


def _challenge(
    context: dg.AssetExecutionContext, runs: RunStore, task: Task, found: Champions, challenger: str
) -> Champions:
    standing = found.current
    if standing is None:
        return release(runs, task.name, found, _now(challenger, "first", "the task had no champion"))
    if standing.run == challenger:
        context.log.info(f"{challenger} is the champion already")
        return found
    failed = [one.gate for one in gate_verdicts(context.instance, challenger) if one.stops]
    decision, seen_until = hold(
        runs, challenger, standing.run, task, failed, found.seen_until, logged(context.log, "asking both")
    )
    found = keep_decision(runs, task.name, found, decision, seen_until)
    context.log.info(f"{challenger} against {standing.run}: {decision.verdict}: {decision.reason}")
    if decision.verdict == "promote" and task.settings.promotion.mode == "auto":
        return release(runs, task.name, found, _won(decision))
    return found


def _before(task: str, found: Champions) -> Release:
    if found.before is None or found.current is None:
        raise ValueError(f"{task} has had no champion of another run: there is nothing to go back to")
    return _now(found.before.run, "rollback", f"somebody took {found.current.run} back")


def _won(decision: Decision) -> Release:
    return _now(decision.challenger, "won", decision.reason)


def _now(run: str, how: str, reason: str) -> Release:
    return Release.model_validate({"run": run, "released": datetime.now(UTC), "how": how, "reason": reason})
