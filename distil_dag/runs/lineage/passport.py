"""The traces behind a model, as a key-value of its file: every id, by what it was to the model."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from distil_dag.adapters.run_store import RunStore
from distil_dag.core import tables
from distil_dag.core.task import Task
from distil_dag.runs.lineage.touched import parents_of, rows_of
from distil_dag.runs.training_rows import in_mix

TRACES = "distil_dag.traces"
LEARNED, SOURCES, CALIBRATED, TESTED, READ = "learned", "made_from", "calibrated", "tested", "read"
SAID = {
    LEARNED: "learned from",
    SOURCES: "behind synthetic rows",
    CALIBRATED: "set aside to calibrate",
    TESTED: "in the test",
    READ: "read besides",
}
# An id of 16 random hexadecimal digits takes 12 bytes: so many are 300,000 traces.
_MOST_BYTES = 2**22
_MOST_UNPACKED = 2**28


class Ids(BaseModel):
    """Ids of traces.

    Attributes:
        n: how many.
        sha256: digest of the sorted ids, a line each.
        packed: the ids, packed; empty where they are too many for a file.
    """

    n: int
    sha256: str
    packed: str = ""

    @classmethod
    def of(cls, ids: Iterable[str], most: int) -> Ids:
        """Ids, packed if they fit into so many bytes."""
        lines = "\n".join(sorted(set(ids))).encode()
        packed = base64.b85encode(zlib.compress(lines, 9)).decode()
        count = lines.count(b"\n") + 1 if lines else 0
        return cls(
            n=count, sha256=hashlib.sha256(lines).hexdigest(), packed=packed if len(packed) <= most else ""
        )

    def ids(self) -> list[str] | None:
        """The ids, sorted; None where they are not in the file.

        Raises:
            ValueError: They are damaged, or are not those of the digest.
        """
        if not self.packed:
            return None
        try:
            opened = zlib.decompressobj()
            lines = opened.decompress(base64.b85decode(self.packed), _MOST_UNPACKED)
        except (ValueError, zlib.error, binascii.Error) as error:
            raise ValueError(f"the ids of traces are damaged: {error}") from None
        if hashlib.sha256(lines).hexdigest() != self.sha256:
            raise ValueError("the ids of traces are not those of their digest")
        return lines.decode().split("\n") if lines else []


def passport(store: RunStore, run: str, task: Task) -> str:
    """The traces behind a run's model as the text of a key-value.

    Args:
        store: The store of all runs.
        run: Key of the run, trained.
        task: The run's frozen task.
    """
    found = {role: Ids.of((), 0) for role in SAID}
    room, known = _MOST_BYTES, set[str]()
    for role, ids in _by_role(store, run, task).items():
        found[role] = Ids.of(ids - known if role == READ else ids, room)
        room -= len(found[role].packed)
        known |= ids
    return json.dumps({role: ids.model_dump() for role, ids in found.items()})


def read_passport(key_values: Mapping[str, Any]) -> dict[str, Ids]:
    """What :func:`passport` has written into a file; empty for a file of an older release.

    Raises:
        ValueError: It is damaged.
    """
    try:
        return {
            role: Ids.model_validate(held) for role, held in json.loads(key_values.get(TRACES, "{}")).items()
        }
    except (ValueError, AttributeError) as error:
        raise ValueError(f"the key-value {TRACES} is damaged: {error}") from None


def _by_role(store: RunStore, run: str, task: Task) -> dict[str, set[str]]:
    def ids(table: tables.Table) -> set[str]:
        return {str(row["id"]) for row in rows_of(store, run, table)}

    mix = in_mix(task.settings.training)
    trained = {"seeds": tables.SEEDS, "context": tables.CONTEXT}
    made = ids(tables.SYNTHETIC) if "synthetic" in mix else set()
    parents = {
        parent
        for row in rows_of(store, run, tables.ORIGINS)
        if row["id"] in made
        for parent in parents_of(row)
    }
    learned = set[str]().union(*(ids(table) for name, table in trained.items() if name in mix))
    read = ids(tables.TRACES)
    return {
        LEARNED: learned,
        # A row may be made from the description of a tool, which is no trace.
        SOURCES: parents & (ids(tables.SEEDS) | ids(tables.CONTEXT)),
        CALIBRATED: ids(tables.CALIBRATION),
        # Cases of a reviewed test have ids of their own.
        TESTED: ids(tables.TEST) if task.test is None else set(),
        READ: read,
    }
