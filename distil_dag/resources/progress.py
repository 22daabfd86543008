"""Progress of a stage in the Dagster run log, at a pace that a person can read."""

from __future__ import annotations

import time

from dagster import DagsterLogManager

from distil_dag.stages.ports import Progress


def logged(log: DagsterLogManager, what: str, every_seconds: float = 5.0) -> Progress:
    """A Progress that writes `what: done/total (share, time left) note` now and then, and at the end."""
    started = time.monotonic()
    last = -every_seconds

    def report(done: int, total: int, note: str = "") -> None:
        nonlocal last
        now = time.monotonic() - started
        if done < total and now - last < every_seconds:
            return
        last = now
        left = f", {now / done * (total - done):.0f} s left" if 0 < done < total else ""
        share = f"{done / total:.0%}" if total else "-"
        log.info(f"{what}: {done}/{total} ({share}{left}) {note}".rstrip())

    return report
