"""The rows that a run's student learns from, out of the run's store."""

from __future__ import annotations

from collections.abc import Sequence

from distil_dag.adapters.run_store import RunStore
from distil_dag.core.case import Example
from distil_dag.core.task import TrainingSpec

SEEDS, CONTEXT, SYNTHETIC = "seeds", "context", "synthetic"
# Table of a training mix -> where it lies.
_PLACES = {
    SYNTHETIC: ("synthetic_set", "accepted"),
    SEEDS: ("judged_seeds", "seeds"),
    CONTEXT: ("judged_seeds", "context"),
}


def in_mix(spec: TrainingSpec) -> list[str]:
    """The tables that the training mix takes, in its order."""
    return spec.mix.split("+")


def read_tables(store: RunStore, run: str, names: Sequence[str] = tuple(_PLACES)) -> dict[str, list[Example]]:
    """The rows of these tables, all that can be in a mix if unset.

    Raises FileNotFoundError that names the asset which has to be materialized first.
    """
    return {name: store.read_cases(run, *_PLACES[name], Example) for name in names}
