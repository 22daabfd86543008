"""The store of all runs, as a Dagster resource."""

from __future__ import annotations

import dagster as dg
from pydantic import Field

from distil_dag.adapters.run_store import RunStore
from distil_dag.core.task import Task


class StoreResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Tables, reports and model files of every run under one root."""

    root: str = Field(description="A local folder, or a URL such as s3://bucket/prefix")

    def open(self) -> RunStore:
        """The store behind this root."""
        return RunStore(self.root)

    def task(self, run: str) -> Task:
        """The task as it was frozen when the run took its snapshot of the log."""
        return self.open().read_report(run, "traces", Task, name="task")
