"""A file of cases that a user names: JSON lines, a JSON document or CSV, compressed or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from distil_dag.adapters.logs.compression import BUFFER, BrokenArchive, decompressed, with_head
from distil_dag.adapters.logs.file_kinds import OtherKind, delimiter_of, kind_of
from distil_dag.adapters.logs.table_files import rows_of_csv
from distil_dag.core.case import Case
from distil_dag.core.toolset import Toolset
from distil_dag.stages.reading.case_files import CaseProblem, cases_of, read_cases
from distil_dag.stages.reading.fields import CONTENT_FIELDS


def read_case_file(path: Path, toolset: Toolset) -> tuple[list[Case], list[CaseProblem]]:
    """The cases of a file, and every problem in them.

    Args:
        path: the file.
        toolset: what calls are checked against.

    Raises:
        OtherKind: the file holds no cases; the message says what it is, and what to do.
    """
    try:
        with path.open("rb") as file:
            head, content = with_head(decompressed(file)[0])
            kind = kind_of(head, len(head) < BUFFER, path.name, CONTENT_FIELDS)
            if kind == "csv":
                rows = rows_of_csv(content, path.name, delimiter_of(head, path.name), CONTENT_FIELDS)
                return cases_of(_numbered(rows), toolset)
            if kind in ("lines", "document", "empty"):
                return read_cases(content, toolset)
    except BrokenArchive as error:
        raise OtherKind(f"breaks off: {error}") from None
    raise OtherKind("is a file of typed columns; export it as JSON lines, one case a line")


def _numbered(rows: Iterator[Any]) -> Iterator[tuple[int, Any]]:
    for number, row in enumerate(rows, start=1):
        yield number, row.problem or row.value
