"""The instance of Dagster commands that nobody told where Dagster's home is.

`dg dev`, `dagster dev` and `dagster-webserver` make a temporary instance where `DAGSTER_HOME` is not set, and
configure it by the `dagster.yaml` of the working directory. That of the repository names
:class:`InstallationInstance`, so they open the instance of this installation.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster._core.instance.ref import InstanceRef

from distil_dag.resources.deployment import deployment


class InstallationInstance(dg.DagsterInstance):
    """Stands in a `dagster.yaml` for the instance of the installation that the environment describes."""

    def __new__(cls, **_: Any) -> dg.DagsterInstance:  # type: ignore[misc]
        """The installation's instance; what Dagster has prepared for a temporary one stays unused.

        Raises:
            ValueError: `DAGSTER_HOME` names a folder whose `dagster.yaml` names this class.
        """
        if told := os.environ.get("DAGSTER_HOME"):
            raise ValueError(
                f"DAGSTER_HOME is {told}, and the dagster.yaml there only points to the home of an "
                "installation: unset DAGSTER_HOME, or set it to that home, such as .distil_dag/dagster"
            )
        instance = deployment().instance()
        logging.getLogger("dagster").info(
            f"No temporary home: the instance is that of {os.environ['DAGSTER_HOME']}."
        )
        return instance

    @staticmethod
    def config_schema() -> Mapping[str, Any]:
        """No settings: they stand in the `dagster.yaml` of Dagster's home."""
        return {}

    @staticmethod
    def config_defaults(base_dir: str) -> Mapping[str, Any]:
        """What Dagster needs to prepare a temporary instance in `base_dir`."""
        return InstanceRef.config_defaults(base_dir)
