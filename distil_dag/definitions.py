"""What Dagster loads: `dagster-webserver -m distil_dag.definitions`, or the workspace.yaml beside it."""

from __future__ import annotations

import logging
import os

import dagster as dg

from distil_dag.build import build_defs
from distil_dag.resources.deployment import deployment


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions for this environment, built only when Dagster asks."""
    if not os.environ.get("DAGSTER_HOME"):
        logging.getLogger("dagster").warning(
            "DAGSTER_HOME is not set, so this Dagster has a temporary home: it shows no run of `distil-dag`, "
            "and forgets its own. Start `distil-dag ui` instead, or first "
            f"export DAGSTER_HOME={deployment().dagster_home}"
        )
    return build_defs()
