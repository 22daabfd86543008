"""The chain as one job, which the first failing gate stops."""

from __future__ import annotations

import dagster as dg

CHAIN = ("traces", "judged_seeds", "synthetic_set", "checkpoint", "gguf", "eval_report")

# Each step has its own process. So a model's memory is freed before the next step needs it, and a step that
# dies takes no other with it. Processes are forked off a server that has already imported the code: on two
# busy cores a step then starts in 2 s, against 6.5 s for a new process.
step_processes = dg.multiprocess_executor.configured(
    {
        "max_concurrent": 2,
        "start_method": {
            "forkserver": {
                "preload_modules": ["distil_dag.automation.step_process", "distil_dag.definitions"]
            }
        },
    },
    name="step_processes",
)

distil_run = dg.define_asset_job(
    "distil_run",
    selection=dg.AssetSelection.assets(*CHAIN),
    description="Traces to a measured small model. One partition is one run is one model; "
    "a gate that fails ends it.",
)

refresh_leaderboard = dg.define_asset_job(
    "refresh_leaderboard",
    selection=dg.AssetSelection.assets("leaderboard"),
    executor_def=dg.in_process_executor,
    description="Reads the reports of all runs again.",
)
