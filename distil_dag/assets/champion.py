"""The student of a task that is released: what a server of the task answers with."""

import dagster as dg
from pydantic import Field

from distil_dag.resources.asset_defaults import RELEASE, TASKS
from distil_dag.resources.failures import reasoned
from distil_dag.resources.promotion import challenge, release_by_hand, roll_back
from distil_dag.resources.promotion_metadata import champion_metadata
from distil_dag.resources.store import StoreResource
from distil_dag.resources.tasks import TasksResource


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
    if config.rollback:
        found = roll_back(runs, name)
    elif config.promote:
        found = release_by_hand(runs, name, config.promote)
    else:
        found = challenge(context, runs, tasks, name, config.challenger)
    assert found.current is not None
    return dg.MaterializeResult(
        data_version=dg.DataVersion(found.current.run), metadata=champion_metadata(store, found)
    )
