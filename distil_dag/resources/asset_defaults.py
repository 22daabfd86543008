"""What all assets of the chain share: the partition, pools, retry policies, owners, groups."""

from __future__ import annotations

import dagster as dg

# One dynamic partition is one run of the chain is one model; see core/run_key.py for its key.
RUNS = dg.DynamicPartitionsDefinition(name="distil_runs")
# The tag under which Dagster's own runs have their partition.
PARTITION_TAG = "dagster/partition"

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
OWNERS = ["team:distil-dag"]
