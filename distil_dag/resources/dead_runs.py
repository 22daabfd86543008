"""Dagster runs whose process was killed, found by their lock files.

The process of a run holds `HOME/locks/runs/RUN_ID.lock` until it ends, however it ends. So a lock file that
nobody holds belongs to a process that is gone, be it on this machine or in an earlier container.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import dagster as dg

from distil_dag.adapters.system.locks import locked

ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
IN_FLIGHT = [status for status in dg.DagsterRunStatus if status not in ENDED]

_held: dict[str, ExitStack] = {}


def keep_alive(home: Path, run_id: str) -> None:
    """Let others see that a Dagster run has a process, until this process ends.

    Args:
        home: The installation's home.
        run_id: Id of the Dagster run, which works in this process.
    """
    if run_id in _held:
        return
    path = _lock(home, run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    _held[run_id] = ExitStack()
    _held[run_id].enter_context(locked(new))
    new.rename(path)  # held from the first moment that others see it


def bury_dead_runs(instance: dg.DagsterInstance, home: Path) -> list[str]:
    """End the Dagster runs whose process was killed, and free the places in pools that they still hold.

    Args:
        instance: The Dagster instance.
        home: The installation's home.

    Returns:
        A sentence for each run that was ended here.
    """
    buried = []
    for path in sorted(_lock(home, "*").parent.glob("*.lock")):
        try:
            with locked(path, wait=False):
                run = instance.get_run_by_id(path.stem)
                if run is None:  # killed before it was recorded, or another instance's
                    continue
                if not run.is_finished:
                    _end(instance, run)
                    buried.append(f"Ended Dagster run {run.run_id}, whose process was killed.")
                instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
                path.unlink(missing_ok=True)
        except BlockingIOError:
            continue  # at work
    return buried


def _end(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    if run.status is dg.DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run, message="The process of this run was killed while it was canceled.")
    else:
        instance.report_run_failed(run, message="The process of this run was killed.")


def _lock(home: Path, run_id: str) -> Path:
    return home / "locks" / "runs" / f"{run_id}.lock"
