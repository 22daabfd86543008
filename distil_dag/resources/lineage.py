"""What an asset notes of how it was made: settings, prompts, and what it read of the run it continues."""

from __future__ import annotations

from typing import Any

import dagster as dg

from distil_dag.core.task import Task

# Metadata key of the prompts that an asset used: name -> hash of the file.
PROMPTS_KEY = "prompts"

# Metadata key of what an asset read of the run that is continued: asset -> storage id.
READ_KEY = "read_of_the_run_it_continues"
# Metadata key of the settings that an asset was made with, without defaults.
SETTINGS_KEY = "settings"
# The sections of a task's settings that each asset reads.
_SECTIONS = {
    "traces": ("traces",),
    "judged_seeds": ("language", "test", "teacher", "judge"),
    "synthetic_set": ("language", "teacher", "synthesis"),
    "checkpoint": ("student", "training"),
    "gguf": ("export",),
    "eval_report": ("language", "evaluation", "teacher"),
}


def made_with(task: Task, asset: str) -> dict[str, Any]:
    """Metadata with the settings that an asset reads, without defaults.

    Each event has its own settings, because the task of a partition may be frozen again with others.

    Args:
        task: The frozen task, which holds no secrets.
        asset: Name of the asset.
    """
    settings = task.settings.model_dump(mode="json", exclude_defaults=True)
    read = {name: settings[name] for name in _SECTIONS[asset] if name in settings}
    return {SETTINGS_KEY: dg.MetadataValue.json(read)}


def continuing(instance: dg.DagsterInstance, parent: str, *assets: str) -> dict[str, Any]:
    """Metadata that names the newest events of the parent run's assets; empty without a parent.

    Args:
        instance: The Dagster instance.
        parent: Key of the continued run, or empty.
        *assets: Names of the assets that were read.
    """
    if not parent:
        return {}
    found = {}
    for asset in assets:
        selector = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[parent])
        for record in instance.fetch_materializations(selector, limit=1).records:
            found[asset] = record.storage_id
    return {"continues": parent, READ_KEY: dg.MetadataValue.json(found)}
