"""A log that is loaded as the `traces` asset does it."""

from distil_dag.adapters.logs.intake import Intake
from distil_dag.adapters.logs.source import log_pipeline, log_source, open_log
from distil_dag.adapters.run_store import RunStore, digest
from distil_dag.core import tables
from distil_dag.core.run_key import RunKey
from distil_dag.core.task import Settings, Task

TOOL = {
    "type": "function",
    "function": {"name": "on", "parameters": {"type": "object", "properties": {"n": {}}}},
}


def task_of(source, folder=""):
    settings = Settings.model_validate({"name": "t", "traces": source})
    return Task(settings=settings, description="", tools=(TOOL,), folder=str(folder))


def load(task, root, run="t.all"):
    """Load a run as the asset does; (rows, quarantine, intake)."""
    store, key = RunStore(root), RunKey.parse(run)
    intake = Intake(task, key)
    source = log_source(intake, open_log(task), key)
    with log_pipeline(store, run) as pipeline:
        pipeline.run(source, loader_file_format="parquet")
    rows = store.read_rows(run, tables.TRACES)
    assert digest(rows) == intake.digest
    return rows, store.read_rows(run, tables.QUARANTINE), intake
