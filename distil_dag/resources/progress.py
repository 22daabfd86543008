"""Progress of a stage in the Dagster run log, at a pace that a person can read."""

from __future__ import annotations

from collections.abc import Callable

from dagster import DagsterLogManager

from distil_dag.stages.ports import Progress
from distil_dag.stages.progress import paced


def logged(log: DagsterLogManager, what: str, spent: Callable[[], str] | None = None) -> Progress:
    """A Progress that writes `what: done/total (time left) note` to the log now and then.

    `spent` says what has been used so far, and is asked for every line.
    """
    return paced(log.info, what, spent)
