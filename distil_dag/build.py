"""Puts the chain together: the only place that knows every asset, gate, job and resource."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dlt import DagsterDltResource

from distil_dag.assets.champion import champion
from distil_dag.assets.checkpoint import checkpoint
from distil_dag.assets.eval_report import eval_report
from distil_dag.assets.gguf import gguf
from distil_dag.assets.judged_seeds import judged_seeds
from distil_dag.assets.leaderboard import leaderboard
from distil_dag.assets.serving import serving
from distil_dag.assets.synthetic_set import synthetic_set
from distil_dag.assets.traces import traces
from distil_dag.automation.challengers import challengers
from distil_dag.automation.housekeeping import housekeeping
from distil_dag.automation.jobs import distil_run, promote, refresh_leaderboard, step_processes
from distil_dag.automation.schedules import retrain_weekly
from distil_dag.automation.sensors import leaderboard_follows, new_traces
from distil_dag.automation.serving import serving_observed
from distil_dag.automation.verdicts import verdicts_stay
from distil_dag.checks.gates import GATES
from distil_dag.core.run_key import key_format
from distil_dag.resources.asset_defaults import owners
from distil_dag.resources.deployment import deployment
from distil_dag.resources.models import ModelsResource
from distil_dag.resources.store import StoreResource
from distil_dag.resources.table_schemas import table_schemas
from distil_dag.resources.tasks import TasksResource
from distil_dag.resources.trainer import TrainerResource

# In the order in which a run makes them.
CHAIN = (traces, judged_seeds, synthetic_set, checkpoint, gguf, eval_report)
# What follows from all runs.
RELEASED = (leaderboard, champion)


def build_defs(
    home: Path | None = None,
    *,
    chain: Sequence[dg.AssetsDefinition] = CHAIN,
    resource_overrides: Mapping[str, Any] | None = None,
) -> dg.Definitions:
    """All Dagster definitions of one installation (see `resources/deployment.py`), new at each call.

    Args:
        home: The installation's home; from the environment by default.
        chain: Replaces the assets of the chain.
        resource_overrides: Resources that replace those of the same name.
    """
    places = deployment(home)
    tasks = TasksResource(folders=[str(folder) for folder in places.task_folders])
    resources = {
        "store": StoreResource(root=places.store, home=str(places.home)),
        "tasks": tasks,
        "models": ModelsResource(cache_root=str(places.cache)),
        "trainer": TrainerResource(work_root=str(places.work)),
        "dlt": DagsterDltResource(),
    }
    key = key_format(tasks.names())
    return dg.Definitions(
        assets=[
            *(asset.map_asset_specs(partial(_described, owners(), key)) for asset in (*chain, *RELEASED)),
            serving.replace_attributes(owners=owners()),
        ],
        asset_checks=GATES,
        jobs=[distil_run(key), refresh_leaderboard, promote],
        schedules=[retrain_weekly],
        sensors=[
            new_traces,
            leaderboard_follows,
            challengers,
            housekeeping,
            verdicts_stay,
            serving_observed,
        ],
        resources={**resources, **(resource_overrides or {})},
        executor=step_processes,
    )


def _described(owned_by: list[str], key: str, spec: dg.AssetSpec) -> dg.AssetSpec:
    """The asset's spec with its owners and the columns of its tables; `traces` says what a key looks like."""
    schemas = table_schemas(spec.key.to_user_string())
    told = spec.description or ""
    if spec.key == dg.AssetKey("traces"):
        told = f"{told}\n\n{key}".strip()
    return spec.replace_attributes(owners=owned_by, description=told).merge_attributes(metadata=schemas)
