"""What Dagster loads: `dagster-webserver -m distil_dag.definitions`, or the workspace.yaml beside it."""

from __future__ import annotations

import dagster as dg

from distil_dag.build import build_defs


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions for this environment, built only when Dagster asks."""
    return build_defs()
