"""The rows that a run's student learns from, out of the run's store."""

from __future__ import annotations

from distil_dag.adapters.run_store import RunStore
from distil_dag.core.case import Example
from distil_dag.core.task import TrainingSpec

SEEDS, CONTEXT, SYNTHETIC = "seeds", "context", "synthetic"


def tables_of_run(store: RunStore, run: str) -> dict[str, list[Example]]:
    """All rows that can be in a training mix: `synthetic`, `seeds`, `context`.

    Raises FileNotFoundError that names the asset which has to be materialized first.
    """
    return {
        SYNTHETIC: store.read_cases(run, "synthetic_set", "accepted", Example),
        SEEDS: store.read_cases(run, "judged_seeds", "seeds", Example),
        CONTEXT: store.read_cases(run, "judged_seeds", "context", Example),
    }


def in_mix(spec: TrainingSpec) -> list[str]:
    """The tables that the training mix takes, in its order."""
    return spec.mix.split("+")
