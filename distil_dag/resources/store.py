"""The store of all runs, as a Dagster resource."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
from pydantic import Field

from distil_dag.adapters.run_store import RunStore
from distil_dag.core.task import Task
from distil_dag.resources.pages import Metadata, log_metadata, page_metadata
from distil_dag.runs.pages import LOG, run_log


class StoreResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Tables, reports and model files of every run under one root."""

    root: str = Field(description="A local folder, or a URL such as s3://bucket/prefix")
    home: str = Field(default="", description="The installation's home, whose page server shows the runs")

    def open(self) -> RunStore:
        """The store behind this root."""
        return RunStore(self.root)

    def page(self, run: str, name: str, page: str) -> Metadata:
        """A link to a page of a run, its path, and a link to what the run printed in a terminal.

        Args:
            run: Key of the run.
            name: Name of the metadata.
            page: Public name of the page.
        """
        home = Path(self.home) if self.home else None
        found = page_metadata(self.open(), home, run, name, page)
        log = run_log(home, run) if home else None
        if home and log and log.exists():
            found |= log_metadata(home, log, "log_of_the_run", f"runs/{run}/{LOG}")
        return found

    def task(self, run: str) -> Task:
        """The task as it was frozen when the run took its snapshot of the log."""
        return self.open().read_report(run, "traces", Task, name="task")
