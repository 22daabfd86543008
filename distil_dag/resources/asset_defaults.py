"""What all assets of the chain share: the partition, pools, retry policies, owners, groups."""

from __future__ import annotations

import os
import re

import dagster as dg

# One dynamic partition is one run of the chain is one model; see core/run_key.py for its key.
RUNS = dg.DynamicPartitionsDefinition(name="distil_runs")
# What belongs to a task and to no run, such as its champion.
TASKS = dg.DynamicPartitionsDefinition(name="distil_tasks")
# The tag under which Dagster's own runs have their partition.
PARTITION_TAG = "dagster/partition"
CHALLENGER_TAG = "distil_dag/challenger"

# An asset waits for a slot of its pool, across all runs of the instance.
INTAKE_POOL = "intake"  # dlt keeps state per pipeline: one load at a time
TEACHER_POOL = "teacher"  # as many runs as the teacher's server can take
TRAINING_POOL = "training"  # one training on a card, or on these cores

# Replies are cached row by row, so a retry pays only for what is missing.
TEACHER_RETRY = dg.RetryPolicy(
    max_retries=3, delay=10, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)
# Training goes on from its own last checkpoint.
TRAINING_RETRY = dg.RetryPolicy(max_retries=1, delay=10)
INTAKE_RETRY = dg.RetryPolicy(max_retries=2, delay=5)

DATA = "data"
MODEL = "model"
RELEASE = "release"

_OWNER = re.compile(r"team:\S+|[^@\s]+@[^@\s]+\.[^@\s]+")


def owners() -> list[str]:
    """Owners of all assets: those that `DISTIL_DAG_OWNERS` lists, else the team `distil-dag`.

    Returns:
        Mail addresses and teams; none where the variable is set and empty.

    Raises:
        ValueError: An entry is neither a mail address nor `team:NAME`.
    """
    listed = os.environ.get("DISTIL_DAG_OWNERS", "team:distil-dag")
    found = [owner.strip() for owner in listed.split(",") if owner.strip()]
    for owner in found:
        if not _OWNER.fullmatch(owner):
            raise ValueError(
                f"DISTIL_DAG_OWNERS: {owner!r} is no owner. Write mail addresses or teams, separated "
                "by commas, such as `team:ml-platform,ada@example.com`."
            )
    return found
