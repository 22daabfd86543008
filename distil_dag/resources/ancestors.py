"""What a model was made from: the exact events behind it, found by their pointers.

Every materialization names the storage ids of the events that it read
(`dagster/input_event_pointer/<asset>`). Following them gives the actual parents, even when a parent was
materialized again since. The same entries travel with a model as `lineage.json` and in the key-values of its
GGUF files, since an event log can be pruned and a file can be copied.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypedDict

import dagster as dg

from distil_dag.resources.lineage import PROMPTS_KEY, READ_KEY, SETTINGS_KEY

_POINTER = "dagster/input_event_pointer/"


class Ancestor(TypedDict):
    """One materialization: what was made, by which code and run, from which events.

    Attributes:
        asset: Name of the asset.
        partition: Key of the run.
        data_version: Content hash.
        code_version: Version of the asset's code.
        run_id: Id of the Dagster run.
        config: What the run set for the asset, and the settings that the asset was made with.
        prompts: Prompt name -> hash of its file.
        storage_id: Id of the event.
        timestamp: Time in UTC, ISO 8601.
        parents: Storage ids of the events that it read.
    """

    asset: str
    partition: str | None
    data_version: str | None
    code_version: str | None
    run_id: str
    config: dict[str, Any]
    prompts: dict[str, str]
    storage_id: int
    timestamp: str
    parents: list[int]


def ancestors(instance: dg.DagsterInstance, asset: str, partition: str | None) -> list[Ancestor]:
    """The newest materialization of an asset's partition and everything behind it.

    What a run took from the run that it continues is behind it as well.

    Args:
        instance: The Dagster instance.
        asset: Name of the asset.
        partition: Key of the run; None for an asset without partitions.

    Returns:
        The entries, newest first; empty when the partition was never materialized.
    """
    selector = dg.AssetRecordsFilter(
        asset_key=dg.AssetKey(asset), asset_partitions=[partition] if partition else None
    )
    newest = instance.fetch_materializations(selector, limit=1).records
    return _walk(instance, list(newest))


def _walk(instance: dg.DagsterInstance, records: list[dg.EventLogRecord]) -> list[Ancestor]:
    found: dict[int, Ancestor] = {}
    configs: dict[str, dict[str, Any]] = {}
    while records:
        record = records.pop()
        if record.storage_id in found:
            continue
        pointers = _pointers(record)
        parents = sorted(pointer for _, pointer in pointers)
        found[record.storage_id] = _entry(instance, record, parents, configs)
        for key, pointer in pointers:
            selector = dg.AssetRecordsFilter(asset_key=key, storage_ids=[pointer])
            records += instance.fetch_materializations(selector, limit=1).records
    return [found[storage_id] for storage_id in sorted(found, reverse=True)]


def _pointers(record: dg.EventLogRecord) -> list[tuple[dg.AssetKey, int]]:
    materialization = record.asset_materialization
    assert materialization is not None
    own = [
        (dg.AssetKey.from_user_string(tag.removeprefix(_POINTER)), int(pointer))
        for tag, pointer in (materialization.tags or {}).items()
        if tag.startswith(_POINTER) and pointer.isdigit()
    ]
    held = materialization.metadata.get(READ_KEY)
    read = held.value if isinstance(held, dg.JsonMetadataValue) else None
    theirs = read.items() if isinstance(read, dict) else ()
    return own + [(dg.AssetKey(str(asset)), int(str(pointer))) for asset, pointer in theirs]


def _entry(
    instance: dg.DagsterInstance,
    record: dg.EventLogRecord,
    parents: list[int],
    configs: dict[str, dict[str, Any]],
) -> Ancestor:
    materialization = record.asset_materialization
    assert materialization is not None
    tags = materialization.tags or {}
    if record.run_id not in configs:
        run = instance.get_run_by_id(record.run_id)
        configs[record.run_id] = dict(run.run_config) if run else {}
    asset = materialization.asset_key.to_user_string()
    prompts = _as_dict(materialization.metadata.get(PROMPTS_KEY))
    steps: dict[str, Any] = configs[record.run_id].get("ops") or {}
    settings = _as_dict(materialization.metadata.get(SETTINGS_KEY))
    return Ancestor(
        asset=asset,
        partition=materialization.partition,
        data_version=tags.get("dagster/data_version"),
        code_version=tags.get("dagster/code_version"),
        run_id=record.run_id,
        config={**((steps.get(asset) or {}).get("config") or {}), **settings},
        prompts={name: str(digest) for name, digest in prompts.items()},
        storage_id=record.storage_id,
        timestamp=datetime.fromtimestamp(record.timestamp, UTC).isoformat(timespec="seconds"),
        parents=parents,
    )


def _as_dict(value: dg.MetadataValue[Any] | None) -> dict[str, Any]:
    held = value.value if value is not None else None
    return {str(name): item for name, item in held.items()} if isinstance(held, dict) else {}


def as_text(entries: list[Ancestor]) -> str:
    """The ancestors as an indented tree, the model first; an entry that occurs twice is described once."""
    by_id = {entry["storage_id"]: entry for entry in entries}
    shown: set[int] = set()

    def branch(storage_id: int, depth: int) -> list[str]:
        entry = by_id[storage_id]
        head = f"{'  ' * depth}{entry['asset']}  {entry['partition'] or ''}".rstrip()
        if storage_id in shown:
            return [f"{head}  (above)"]
        shown.add(storage_id)
        detail = (
            f"{'  ' * depth}  data {_short(entry['data_version'])}  code {entry['code_version']}  "
            f"run {entry['run_id'][:8]}  event {storage_id}  {entry['timestamp']}"
        )
        config = [f"{'  ' * depth}  config {entry['config']}"] if entry["config"] else []
        asked = ", ".join(f"{name} {digest}" for name, digest in entry.get("prompts", {}).items())
        config += [f"{'  ' * depth}  prompts {asked}"] if asked else []
        below = [line for parent in sorted(entry["parents"], reverse=True) if parent in by_id
                 for line in branch(parent, depth + 1)]  # fmt: skip
        return [head, detail, *config, *below]

    inner = {parent for entry in entries for parent in entry["parents"]}
    tops = [entry["storage_id"] for entry in entries if entry["storage_id"] not in inner]
    return "\n".join(line for top in tops for line in branch(top, 0))


def as_mermaid(entries: list[Ancestor]) -> str:
    """The ancestors as a Mermaid flow chart, for a README or a model card."""
    lines = ["flowchart LR"]
    for entry in entries:
        label = f"{entry['asset']}<br/>{_short(entry['data_version'])}"
        lines.append(f'  e{entry["storage_id"]}["{label}"]')
    known = {entry["storage_id"] for entry in entries}
    lines += [
        f"  e{parent} --> e{entry['storage_id']}"
        for entry in entries
        for parent in entry["parents"]
        if parent in known
    ]
    return "\n".join(lines)


def _short(version: str | None) -> str:
    return (version or "unknown").removeprefix("sha256:")[:12]
