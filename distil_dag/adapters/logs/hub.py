"""A log in a dataset of the Hugging Face Hub, or in a folder of the same layout; streamed."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from distil_dag.adapters.logs.records.raw import RawRecord
from distil_dag.adapters.system.environment import SourceError, expand, unexpanded
from distil_dag.core.run_key import RunKey
from distil_dag.core.sources import HubSource
from distil_dag.stages.reading.fields import FIELDS, chosen

_PAGE = 500


class HubLog:
    """One split of a dataset."""

    def __init__(self, source: HubSource, folder: str = "", also: Iterable[str] = ()) -> None:
        """Resolve the dataset's name.

        Args:
            source: The dataset, its split, and its columns.
            folder: A dataset name that is a folder under this one is read from there.
            also: Columns to read besides those that a run needs.

        Raises:
            SourceError: The name holds a variable that is not set.
        """
        self._source = source
        name = expand(source.dataset, "traces.dataset")
        local = Path(folder) / Path(name).expanduser()
        self._name = str(local.absolute()) if local.is_dir() else name
        theirs = [source.columns.get(name, name) for name in FIELDS]
        named = (source.id_column or "id", source.time_column, *source.where, *theirs, *also)
        self._needed = {name for name in named if name}

    def resource(self) -> Any:
        """A dlt resource of pages of numbered rows."""
        import dlt

        return dlt.resource(self.pages(), name="dataset")

    def records(self, page: Iterable[dict[str, Any]]) -> Iterator[RawRecord]:
        """The rows of a page as records."""
        for row in page:
            yield RawRecord(self._source.dataset, f"row {row['number']}", row["value"], columnar=True)

    def pages(self, key: RunKey | None = None) -> Iterator[list[dict[str, Any]]]:
        """Pages of numbered rows.

        Args:
            key: of the run; a dataset has no window.

        Raises:
            SourceError: The dataset can't be read.
        """
        import datasets

        source = self._source
        try:
            rows = datasets.load_dataset(
                self._name,
                source.config,
                split=source.split,
                revision=source.revision,
                # A slice such as `train[:100]` needs the whole table.
                streaming="[" not in source.split,
            )
            if rows.column_names:
                rows = rows.select_columns(chosen(rows.column_names, self._needed))
            numbered = ({"number": number, "value": value} for number, value in enumerate(rows, start=1))
            while page := list(itertools.islice(numbered, _PAGE)):
                yield page
        except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
            where = f"{source.dataset} (config {source.config}, split {source.split})"
            said = unexpanded(str(error), source.dataset)[:500]
            raise SourceError(f"the dataset {where} can't be read: {said}") from None
