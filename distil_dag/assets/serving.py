"""The students that are served, as an asset that Dagster observes and does not make."""

import dagster as dg

from distil_dag.resources.asset_defaults import RELEASE
from distil_dag.resources.serving_metadata import SERVING

serving = dg.AssetSpec(
    SERVING,
    deps=["gguf"],
    description="What the students behind `distil-dag serve` answer alone: threshold, bound, coverage, what "
    "has changed, and how far audits agree. The sensor `serving_observed` looks every ten minutes; "
    "`distil-dag served` says the same.",
    group_name=RELEASE,
    kinds={"llama.cpp"},
)
