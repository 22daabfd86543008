"""All runs, best first, to decide which model to ship."""

import dagster as dg

from distil_dag.adapters.run_store import digest
from distil_dag.resources.asset_defaults import RELEASE
from distil_dag.resources.failures import reasoned
from distil_dag.resources.metadata import table
from distil_dag.resources.store import StoreResource
from distil_dag.runs.releasing.standings import best_of_each_task, standings

# Not `eager()`: it stops for good once a gated run has left a partition without a report, waits while any
# other run is under way, and misses reports that come just after a refresh. A refresh takes no time.
_WHEN_A_RUN_REPORTS = dg.AutomationCondition.any_deps_updated()
_SHOWN = 100


@dg.asset(
    deps=["eval_report"],
    code_version="2",
    kinds={"python", "table"},
    group_name=RELEASE,
    automation_condition=_WHEN_A_RUN_REPORTS,
)
@reasoned
def leaderboard(context: dg.AssetExecutionContext, store: StoreResource) -> dg.MaterializeResult[None]:
    """Every evaluated run, with the student that ships.

    Columns are exact match, the lead over a lookup of the nearest trace, speed and size. Compare runs of one
    task only: each task has its own test.
    """
    rows = standings(store.open())
    shown = best_of_each_task(rows, _SHOWN)
    metadata: dict[str, dg.RawMetadataValue] = {
        "runs": table(shown, limit=len(shown)),
        "runs_left_out": len(rows) - len(shown),
        "dagster/row_count": len(rows),
    }
    return dg.MaterializeResult(
        data_version=dg.DataVersion(digest(rows.to_dict("records"))), metadata=metadata
    )
