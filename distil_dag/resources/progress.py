"""Progress of a stage in the Dagster run log, at a readable pace."""

from __future__ import annotations

from collections.abc import Callable

from dagster import DagsterLogManager

from distil_dag.stages.ports import Progress
from distil_dag.stages.progress import paced


def logged(log: DagsterLogManager, what: str, spent: Callable[[], str] | None = None) -> Progress:
    """A Progress that writes `what: done/total (time left) note` to the log now and then.

    Args:
        log: The log of the Dagster run.
        what: Name of the work.
        spent: Returns what has been used so far, in words; called for every line.
    """
    return paced(log.info, what, spent)
