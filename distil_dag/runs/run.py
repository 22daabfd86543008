"""A run to work with in Python: its tables, its reports and its student, out of the store."""

from __future__ import annotations

import difflib
import os
from typing import TYPE_CHECKING

from distil_dag.adapters.run_store import RunStore
from distil_dag.adapters.system.places import home_folder, store_root
from distil_dag.core.reports.base import Report
from distil_dag.core.reports.evaluation import EvalReport
from distil_dag.core.reports.exporting import GgufReport
from distil_dag.core.reports.intake import TracesReport
from distil_dag.core.reports.judging import JudgeReport
from distil_dag.core.reports.synthesis import SynthesisReport
from distil_dag.core.reports.training import TrainReport
from distil_dag.core.tables import TABLES, UNLABELLED, CaseTable, Table
from distil_dag.core.task import Task

if TYPE_CHECKING:
    import datasets
    import pandas as pd

    from distil_dag.adapters.serving.student import Student

# In the order of the chain.
_REPORTS: dict[str, type[Report]] = {
    "traces": TracesReport,
    "judged_seeds": JudgeReport,
    "synthetic_set": SynthesisReport,
    "checkpoint": TrainReport,
    "gguf": GgufReport,
    "eval_report": EvalReport,
}


class Run:
    """What a run has made so far. Everything is read from the store when it is asked for.

    Args:
        key: Key of the run, such as `smart_home.demo`; `distil-dag runs` lists them.
        store: Folder or URL with runs. By default the store that the command line and Dagster use, which
            `DISTIL_DAG_STORE` and `DISTIL_DAG_HOME` name.

    Raises:
        FileNotFoundError: The store has no such run; the message says where, and which keys are like it. Also
            from the methods, for what the run lacks; that message names the asset which makes it.
        ValueError: The store's URL holds a secret.
    """

    def __init__(self, key: str, store: str | os.PathLike[str] | None = None) -> None:
        self.key = key
        self._store = _open(store)
        if not self._store.has(key):
            near = difflib.get_close_matches(key, self._store.runs(), n=3, cutoff=0)
            found = f"it has {', '.join(near)}" if near else "it is empty"
            raise FileNotFoundError(
                f"no run {key!r} in {self._store.root} ({found}): `distil-dag run TASK` makes a run; "
                "DISTIL_DAG_HOME, DISTIL_DAG_STORE or `store=` name another store"
            )

    @classmethod
    def all(cls, store: str | os.PathLike[str] | None = None) -> list[Run]:
        """Every run of a store, by key."""
        return [cls(key, store) for key in _open(store).runs()]

    def __repr__(self) -> str:
        made = [asset for asset in _REPORTS if self._store.folder(self.key, asset).exists()]
        return f"<Run {self.key} in {self._store.root}: {', '.join(made) or 'nothing yet'}>"

    @property
    def task(self) -> Task:
        """The task as it was frozen when the run took its snapshot of the log."""
        return self._store.read_report(self.key, "traces", Task, name="task")

    @property
    def report(self) -> EvalReport:
        """How the student and its rivals did on the test."""
        return self._store.read_report(self.key, "eval_report", EvalReport)

    @property
    def reports(self) -> dict[str, Report]:
        """The reports of all assets that the run has made, in the order of the chain."""
        return {
            asset: self._store.read_report(self.key, asset, kind)
            for asset, kind in _REPORTS.items()
            if (self._store.folder(self.key, asset) / "report.json").exists()
        }

    def frame(self, name: str) -> pd.DataFrame:
        """A table of the run, such as `seeds`, `verdicts` or `answers`.

        Calls and messages are lists of dicts, times are in UTC, whole numbers and truth values nullable.

        Args:
            name: A name of `distil_dag.core.tables.TABLES`.

        Raises:
            ValueError: There is no such table; the message lists all.
            FileNotFoundError: The run has not made it yet; the message names its asset.
        """
        from distil_dag.runs.frames import as_frame

        table = _table(name)
        return as_frame(self._store.read_table(self.key, table), table)

    def dataset(self, name: str) -> datasets.Dataset:
        """A table of cases, such as `seeds`, `synthetic` or `test`, as TRL's `SFTTrainer` takes it.

        - `id`: of the case.
        - `prompt`: the messages that the student reads; of production's system prompt only its context.
        - `completion`: one assistant turn, with `tool_calls` or with the words for no call.
        - `tools`: the task's tools in OpenAI's form, the same in each row.

        A warning tells of numbers that `datasets` can't read back to the last digit.

        Args:
            name: As for :meth:`frame`; a table whose rows have calls.

        Raises:
            ValueError: There is no such table, or it has no calls to learn from.
            FileNotFoundError: The run has not made it yet; the message names its asset.
            ImportError: The package `datasets` is not installed.
        """
        from distil_dag.runs.frames import as_dataset

        table = _table(name)
        if not isinstance(table, CaseTable) or table == UNLABELLED:
            useful = ", ".join(n for n, t in TABLES.items() if isinstance(t, CaseTable) and t != UNLABELLED)
            raise ValueError(
                f"{name!r} has no calls to learn from: take one of {useful}, or Run.frame({name!r})"
            )
        return as_dataset(self._store.read_cases(self.key, table), self.task)

    def student(self, context: int | None = 2048, threads: int | None = None) -> Student:
        """The student in the file that ships, loaded; close it, or use it as a context manager.

        Args:
            context: Longest prompt with its answer, in tokens; None for as many as the model allows.
            threads: Threads of llama.cpp; None for its default.

        Raises:
            ValueError: The store is not on this machine.
            FileNotFoundError: The run has exported no file yet.
            NotDecodable: The decoder can't keep this student to its tools.
        """
        from distil_dag.adapters.serving.student import Student

        primary = self._store.read_report(self.key, "gguf", GgufReport).primary
        file = self._store.folder(self.key, "gguf") / "files" / primary
        if not self._store.is_local:
            raise ValueError(f"{file} is not on this machine: copy it, and open it by Student(PATH)")
        return Student(file.path, context=context, threads=threads)


def _open(store: str | os.PathLike[str] | None) -> RunStore:
    return RunStore(store_root(home_folder()) if store is None else store)


def _table(name: str) -> Table:
    if name not in TABLES:
        raise ValueError(f"no table {name!r}: the tables of a run are {', '.join(TABLES)}")
    return TABLES[name]
