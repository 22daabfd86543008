"""What of an installation is cleaned and searched, and by which tombstones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from upath import UPath

from distil_dag.adapters.forgetting.files import files_below
from distil_dag.adapters.run_store import RunStore
from distil_dag.core import tables
from distil_dag.core.case import Trace
from distil_dag.core.task import Task
from distil_dag.runs.lineage.touched import rows_of
from distil_dag.stages.forgetting.phrases import texts_of
from distil_dag.stages.forgetting.tombstones import Tombstones


@dataclass
class Scope:
    """The places of an installation, and what was forgotten of them.

    Attributes:
        store: The store of all runs.
        home: The home of the installation.
        dagster: Dagster's own folder.
        exchanges: Addresses of further logs of servers.
        stones: Everything that was ever forgotten.
    """

    store: RunStore
    home: Path
    dagster: Path
    exchanges: Sequence[str]
    stones: Tombstones

    @cached_property
    def searched(self) -> Tombstones:
        """What was forgotten, without phrases that a kept trace or a task says as well."""
        return self.stones.without(self._kept_texts())

    def files(self) -> Iterator[tuple[UPath | Path, Tombstones]]:
        """All files, each once, with the tombstones that are meant for it."""
        by_words = self.searched.by_words()
        seen: set[str] = set()
        for root in (self.store.root, UPath(self.home), UPath(self.dagster)):
            for path in files_below(root):
                if str(path) not in seen:
                    seen.add(str(path))
                    yield path, by_words if self._has_foreign_ids(path) else self.searched

    def shown(self, path: UPath | Path) -> str:
        """A path without the folders of this machine."""
        for root in (self.store.root, self.home, self.dagster):
            if str(path).startswith(f"{root}/"):
                return str(path)[len(str(root)) + 1 :]
        return str(path)

    def _has_foreign_ids(self, path: UPath | Path) -> bool:
        """Whether ids in a file are those of a reviewed test, which may equal those of traces by chance."""
        inside = self.shown(path).split("/")
        is_of_test = len(inside) > 2 and (inside[1] == "eval_report" or inside[2] == "test.parquet")
        return is_of_test and inside[0] in self._reviewed

    @cached_property
    def _reviewed(self) -> set[str]:
        return {run for run, task in self._tasks.items() if task.test is not None}

    @cached_property
    def _tasks(self) -> dict[str, Task]:
        found = {}
        for run in self.store.runs():
            try:
                found[run] = self.store.read_report(run, "traces", Task, name="task")
            except (FileNotFoundError, ValueError):
                continue
        return found

    def _kept_texts(self) -> Iterator[str]:
        for task in self._tasks.values():
            yield from (task.description, task.settings.student.system_prompt, str(list(task.tools)))
        for run in self.store.runs():
            for row in rows_of(self.store, run, tables.TRACES):
                trace = Trace.from_row(row)
                if not (self.stones.holds_id(trace.id) or self.stones.holds_row(trace)):
                    yield from texts_of(trace)
