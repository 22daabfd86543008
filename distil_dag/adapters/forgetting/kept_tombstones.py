"""The tombstones of a store, in a file of it that no run has."""

from __future__ import annotations

from upath import UPath

from distil_dag.adapters.run_store import APART, RunStore
from distil_dag.stages.forgetting.tombstones import Tombstones

_ASSET, _NAME = "tombstones", "tombstones"


def read_tombstones(store: RunStore) -> Tombstones:
    """What was forgotten in a store; nothing where it has no tombstones.

    Raises:
        ValueError: The file is broken. Nothing is read from a log then, since it would bring back what was
            forgotten.
    """
    try:
        return store.read_report(APART, _ASSET, Tombstones, name=_NAME)
    except FileNotFoundError:
        return Tombstones()
    except ValueError:
        raise ValueError(
            f"{tombstones_file(store)} is broken: it says what was forgotten. Restore it from a backup"
        ) from None


def write_tombstones(store: RunStore, stones: Tombstones) -> None:
    """Keep what was forgotten, whole or not at all."""
    store.write_report(APART, _ASSET, stones, name=_NAME)


def tombstones_file(store: RunStore) -> UPath:
    """Where a store keeps them."""
    return store.folder(APART, _ASSET) / f"{_NAME}.json"
