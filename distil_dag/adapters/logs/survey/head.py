"""The first records of a log, so that a look at a long one ends soon."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from distil_dag.adapters.logs.intake import Intake, Watch
from distil_dag.adapters.logs.records.raw import RawRecord
from distil_dag.adapters.logs.source import open_log, source_error
from distil_dag.core.run_key import RunKey
from distil_dag.core.task import Task
from distil_dag.stages.reading.discovery.definitions import COLUMNS

EVERYTHING = "all"


class Head:
    """Reads the first records of a task's log.

    Attributes:
        taken: number of records that were taken from the log.
        is_whole: whether these are all.
        intake: what became of them.
    """

    def __init__(self, task: Task, most: int, watch: Watch, also: tuple[str, ...] = ()) -> None:
        """Open the log.

        Args:
            task: Names the log and the tools.
            most: How many records are taken; 0 for all.
            watch: Is told of each record.
            also: Columns of a table to read besides those that a run needs.

        Raises:
            SourceError: The log can't be read.
        """
        self._key = RunKey.parse(f"{task.name}.{EVERYTHING}")
        self._log = open_log(task, (*COLUMNS, *also))
        self._most = most
        self.intake = Intake(task, self._key, watch)
        self.taken = 0
        self.is_whole = True

    def pages(self) -> Iterator[None]:
        """Read page by page, until the end or as many as are taken.

        Raises:
            SourceError: The log can't be read.
        """
        try:
            for page in self._log.pages(self._key):
                self.intake.read(self._within(page))
                yield
                if not self.is_whole:
                    break
            self.intake.rest()
            yield
        except Exception as error:
            found = source_error(error)
            if found is None:
                raise
            raise found from None

    def _within(self, page: Any) -> Iterator[RawRecord]:
        records = iter(self._log.records(page))
        if not self._most:
            for record in records:
                self.taken += 1
                yield record
            return
        for record in itertools.islice(records, self._most - self.taken):
            self.taken += 1
            yield record
        self.is_whole = next(records, None) is None
