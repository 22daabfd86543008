"""The rows that a run's student learns from, out of the run's store."""

from __future__ import annotations

from collections.abc import Iterable

from distil_dag.adapters.run_store import RunStore
from distil_dag.core import tables
from distil_dag.core.case import Example
from distil_dag.core.settings import TrainingSpec

SEEDS, CONTEXT, SYNTHETIC = "seeds", "context", "synthetic"
_TABLES = {SYNTHETIC: tables.SYNTHETIC, SEEDS: tables.SEEDS, CONTEXT: tables.CONTEXT}


def tables_of_run(
    store: RunStore, run: str, names: Iterable[str] = tuple(_TABLES)
) -> dict[str, list[Example]]:
    """The rows that can be in a training mix, by the name that they have there, in the order asked for.

    Raises FileNotFoundError that names the asset which has to be materialized first.
    """
    return {name: store.read_cases(run, _TABLES[name]) for name in names}


def in_mix(spec: TrainingSpec) -> list[str]:
    """The tables that the training mix takes, in its order."""
    return spec.mix.split("+")
