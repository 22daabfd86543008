"""A Dagster instance that knows which partition keys exist without asking its database for each of them.

Dagster 1.13.27 asks for every key of every partitioned check in a query of its own, over a new connection to
SQLite: with 500 runs the page of an asset would take seconds to say how its checks stand.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster._core.instance.ref import InstanceRef

# So long a key that was deleted by another process may still count as known.
_SECONDS = 1.0


class KnownKeysInstance(dg.DagsterInstance):
    """The instance of one machine; `dagster.yaml` names it as `instance_class`."""

    def __init__(self, **settings: Any) -> None:
        """Takes what Dagster gives to every instance."""
        super().__init__(**settings)
        self._known: dict[str, tuple[float, frozenset[str]]] = {}

    def has_dynamic_partition(self, partitions_def_name: str, partition_key: str) -> bool:
        """Whether a key exists; one that is not known is looked for in the database."""
        read, known = self._known.get(partitions_def_name, (0.0, frozenset()))
        if partition_key not in known or time.monotonic() - read > _SECONDS:
            # The time before the query, so that the answer is never older than it says.
            read = time.monotonic()
            known = frozenset(self.get_dynamic_partitions(partitions_def_name))
            self._known[partitions_def_name] = (read, known)
        return partition_key in known

    def delete_dynamic_partition(self, partitions_def_name: str, partition_key: str) -> None:
        """Delete a key, which is unknown from then on."""
        super().delete_dynamic_partition(partitions_def_name, partition_key)
        self._known.pop(partitions_def_name, None)

    @staticmethod
    def config_schema() -> Mapping[str, Any]:
        """No settings of its own."""
        return {}

    @staticmethod
    def config_defaults(base_dir: str) -> Mapping[str, Any]:
        """Where an instance keeps its files if nothing else is said: under `base_dir`."""
        return InstanceRef.config_defaults(base_dir)
