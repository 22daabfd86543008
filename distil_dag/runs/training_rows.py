"""The rows that a run's student learns from, read from the run's store."""

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
    """The rows of the tables that can be in a training mix.

    Args:
        store: The store of all runs.
        run: Key of the run.
        names: Names of the tables in the mix, in the wanted order.

    Returns:
        Name in the mix -> rows, in the order of `names`.

    Raises:
        FileNotFoundError: A table is missing; the message names the asset to materialize first.
    """
    return {name: store.read_cases(run, _TABLES[name]) for name in names}


def in_mix(spec: TrainingSpec) -> list[str]:
    """The names of the tables in the training mix, in its order."""
    return spec.mix.split("+")
